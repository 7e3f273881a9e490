//! The Wilcoxon signed-rank test.

use super::distribution::{Tails, normal_tails};
use super::mann_whitney::approximation;
use super::rank::ranks;
use super::result::{Alternative, Approach, Settings, Test};
use super::sample::Differences;
use crate::error::{Error, Result};

/// Sizes up to which [`Approach::Auto`] is exact, without and with zeros or equal magnitudes, as in scipy.
const SMALL: usize = 50;
const SMALL_WITH_TIES: usize = 13;

/// Most differences that the exact test takes: its work grows with the cube.
const MOST: usize = 1_500;

/// What becomes of differences that are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zeros {
    /// They are left out (Wilcoxon).
    #[default]
    Wilcox,
    /// They are ranked, and their ranks are left out (Pratt, 1959).
    Pratt,
    /// They are ranked, and half of their ranks counts on each side.
    Split,
}

impl Zeros {
    /// Name and value of each.
    pub const ALL: [(&'static str, Self); 3] =
        [("wilcox", Self::Wilcox), ("pratt", Self::Pratt), ("zsplit", Self::Split)];
}

/// Are differences symmetric around zero?
///
/// Statistic: two-sided the lesser of T⁺ and T⁻, the rank sums of positive and negative differences, else T⁺.
/// [`Approach::Auto`] is exact for up to 50 differences without zeros or equal magnitudes, and for up to 13 with
/// them; else normal, corrected for ties and, with `continuity`, for continuity. [`Approach::Exact`] counts
/// all sign patterns of the ranks that are there, so it is exact with zeros and ties too. Estimate: the
/// matched-pairs rank-biserial correlation (T⁺ − T⁻) / (T⁺ + T⁻) (Kerby, 2014).
///
/// # Errors
/// All differences are zero; exact with more than 1,500.
pub fn wilcoxon_signed_rank(
    differences: &Differences,
    zeros: Zeros,
    approach: Approach,
    continuity: bool,
    settings: Settings,
) -> Result<Test> {
    differences.check_not_zero()?;
    let differences = differences.values();
    let sums = RankSums::new(differences, zeros);
    let plain = !sums.has_ties && sums.signed.len() == differences.len();
    let exact = match approach {
        Approach::Auto => differences.len() <= if plain { SMALL } else { SMALL_WITH_TIES },
        Approach::Exact => true,
        Approach::Asymptotic => false,
    };
    let (tails, how) = if exact {
        (exact_tails(&sums)?, if plain { "exact" } else { "exact for these ties and zeros" })
    } else {
        (normal_approximation(&sums, continuity, settings.alternative()), approximation(continuity))
    };
    let statistic = match settings.alternative() {
        Alternative::TwoSided => sums.positive.min(sums.negative),
        _ => sums.positive,
    };
    let estimate = (sums.positive - sums.negative) / (sums.positive + sums.negative);
    let p = tails.p(settings.alternative());
    Ok(Test::new(format!("Wilcoxon signed-rank test ({how})"), statistic, p, differences.len())
        .directed(settings)
        .estimate("matched-pairs rank-biserial correlation", estimate))
}

/// The rank sums of positive and of negative differences.
pub(super) struct RankSums {
    /// T⁺.
    pub positive: f64,
    /// T⁻.
    pub negative: f64,
    /// The ranks whose sign is free under the null hypothesis.
    signed: Vec<f64>,
    /// What T⁺ has from zeros, whatever the signs.
    fixed: f64,
    mean: f64,
    variance: f64,
    has_ties: bool,
}

impl RankSums {
    pub(super) fn new(differences: &[f64], zeros: Zeros) -> Self {
        let kept: Vec<f64> = match zeros {
            Zeros::Wilcox => differences.iter().copied().filter(|&value| value != 0.0).collect(),
            Zeros::Pratt | Zeros::Split => differences.to_vec(),
        };
        let ranked = ranks(&kept.iter().map(|value| value.abs()).collect::<Vec<_>>());
        let of = |wanted: fn(f64) -> bool| -> Vec<f64> {
            let pairs = kept.iter().zip(&ranked.ranks);
            pairs.filter(|(value, _)| wanted(**value)).map(|(_, rank)| *rank).collect()
        };
        let (positive, negative) = (of(|value| value > 0.0), of(|value| value < 0.0));
        let zero = of(|value| value == 0.0);
        let fixed = if zeros == Zeros::Split { 0.5 * zero.iter().sum::<f64>() } else { 0.0 };
        let (n, z) = (kept.len() as f64, zero.len() as f64);
        let (mut mean, mut squares) = (n * (n + 1.0), n * (n + 1.0) * (2.0 * n + 1.0));
        let mut ties = ranked.tie_sum();
        if zeros == Zeros::Pratt {
            // Cureton (1967): the ranks of the zeros, and the ties among them, carry no sign.
            mean -= z * (z + 1.0);
            squares -= z * (z + 1.0) * (2.0 * z + 1.0);
            ties -= z * z * z - z;
        }
        Self {
            positive: positive.iter().sum::<f64>() + fixed,
            negative: negative.iter().sum::<f64>() + fixed,
            signed: [positive, negative].concat(),
            fixed,
            mean: mean / 4.0,
            variance: (squares - 0.5 * ties) / 24.0,
            has_ties: !ranked.ties.is_empty(),
        }
    }
}

fn normal_approximation(sums: &RankSums, continuity: bool, alternative: Alternative) -> Tails {
    let off = sums.positive - sums.mean;
    let shift = match alternative {
        _ if !continuity => 0.0,
        Alternative::TwoSided if off == 0.0 => 0.0,
        Alternative::TwoSided => 0.5 * off.signum(),
        Alternative::Greater => 0.5,
        Alternative::Less => -0.5,
    };
    normal_tails((off - shift) / sums.variance.sqrt())
}

/// P(T⁺ ≤ t) and P(T⁺ ≥ t) over all 2ⁿ signs of the ranks.
fn exact_tails(sums: &RankSums) -> Result<Tails> {
    if sums.signed.len() > MOST {
        let found = sums.signed.len();
        return Err(Error::new(format!(
            "the exact Wilcoxon signed-rank test takes at most {MOST} differences, found {found}"
        ))
        .hint("use the asymptotic method"));
    }
    // A shared rank is a multiple of one half: counted in halves, all are whole.
    let halves = |rank: f64| (2.0 * rank).round() as usize;
    let mut probabilities = vec![0.0; sums.signed.iter().map(|&rank| halves(rank)).sum::<usize>() + 1];
    probabilities[0] = 1.0;
    let mut reach = 0;
    for rank in sums.signed.iter().map(|&rank| halves(rank)) {
        reach += rank;
        for sum in (0..=reach).rev() {
            let with = if sum >= rank { probabilities[sum - rank] } else { 0.0 };
            probabilities[sum] = 0.5 * (probabilities[sum] + with);
        }
    }
    let observed = halves(sums.positive - sums.fixed);
    Ok(Tails::of_terms(&probabilities, observed))
}
