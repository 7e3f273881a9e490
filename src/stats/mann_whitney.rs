//! The Mann–Whitney U test.

use super::distribution::{Tails, normal_tails};
use super::rank::ranks;
use super::result::{Approach, Settings, Test};
use super::sample;
use crate::error::{Error, Result};

/// Sample size up to which [`Approach::Auto`] counts arrangements, as scipy does.
const SMALL: usize = 8;

/// Most steps that counting arrangements may take, and most probabilities that it may keep.
const STEPS: usize = 500_000_000;
const KEPT: usize = 20_000_000;

/// Do values of `a` tend to be greater or less than those of `b`?
///
/// Statistic: U of `a`, the pairs in which `a` is greater, an equal pair counting ½. [`Approach::Auto`] is exact
/// where a sample has at most eight values and none are equal; the normal approximation is corrected for ties
/// and, with `continuity`, for continuity. Estimate: rank-biserial correlation 2 U / (m n) − 1, which
/// is Cliff's delta. No interval: [`super::cliffs_delta`] gives one.
///
/// # Errors
/// An empty sample, a value that is not finite, all values equal; exact, but values are equal or the samples
/// too large.
pub fn mann_whitney(
    a: &[f64],
    b: &[f64],
    approach: Approach,
    continuity: bool,
    settings: Settings,
) -> Result<Test> {
    sample::check("a", a, 1)?;
    sample::check("b", b, 1)?;
    let all = [a, b].concat();
    sample::check_differ("what a and b hold", &all)?;
    let ranked = ranks(&all);
    let (m, n) = (a.len(), b.len());
    let (m_, n_) = (m as f64, n as f64);
    let rank_sum: f64 = ranked.ranks[..m].iter().sum();
    let u = rank_sum - 0.5 * m_ * (m_ + 1.0);
    let has_ties = !ranked.ties.is_empty();
    let exact = match approach {
        Approach::Auto => m.min(n) <= SMALL && !has_ties && half_of_pairs(m, n).is_some(),
        Approach::Exact if has_ties => {
            return Err(Error::new("the exact Mann-Whitney test is for samples without equal values")
                .hint("use the asymptotic method, which corrects for ties, or permutation_test"));
        }
        Approach::Exact => true,
        Approach::Asymptotic => false,
    };
    let (tails, how) = if exact {
        (exact_tails(u as usize, m, n)?, "exact")
    } else {
        let total = m_ + n_;
        let variance = m_ * n_ / 12.0 * (total + 1.0 - ranked.tie_sum() / (total * (total - 1.0)));
        let off = u - 0.5 * m_ * n_;
        let shift = if continuity { 0.5 } else { 0.0 };
        // The correction takes half a step towards the middle: from above for P(U ≥ u), from below for P(U ≤ u).
        let lower = normal_tails((off + shift) / variance.sqrt()).lower;
        let upper = normal_tails((off - shift) / variance.sqrt()).upper;
        (Tails { lower, upper }, approximation(continuity))
    };
    let p = tails.p(settings.alternative());
    Ok(Test::new(format!("Mann-Whitney U test ({how})"), u, p, m + n)
        .directed(settings)
        .estimate("rank-biserial correlation", 2.0 * u / (m_ * n_) - 1.0)
        .sizes(m, n))
}

/// The name of the normal approximation.
pub(super) fn approximation(continuity: bool) -> &'static str {
    if continuity { "normal approximation, continuity correction" } else { "normal approximation" }
}

/// ⌊m n / 2⌋, where arrangements of so many values can be counted.
fn half_of_pairs(m: usize, n: usize) -> Option<usize> {
    let half = m.checked_mul(n)? / 2;
    (half <= KEPT && half.saturating_mul(m.min(n)) <= STEPS).then_some(half)
}

/// P(U ≤ u) and P(U ≥ u) over all arrangements of m and n different values.
fn exact_tails(u: usize, m: usize, n: usize) -> Result<Tails> {
    let Some(half) = half_of_pairs(m, n) else {
        return Err(Error::new(format!("{m} and {n} values are too many for the exact Mann-Whitney test"))
            .hint("use the asymptotic method"));
    };
    let probabilities = lower_half(m.min(n), m.max(n), half);
    let pairs = m * n;
    let lower_tail = |u: usize| sample::sum(probabilities[..=u.min(half)].iter().copied());
    // The distribution is symmetric: P(U ≥ u) = P(U ≤ pairs − u).
    let tail = |u: usize| match pairs.checked_sub(u + 1) {
        _ if u <= half => lower_tail(u),
        Some(rest) => 1.0 - lower_tail(rest),
        None => 1.0,
    };
    Ok(Tails { lower: tail(u), upper: tail(pairs - u) })
}

/// P(U = u) for u up to `half` = ⌊m n / 2⌋.
///
/// The counts are the coefficients of the Gaussian binomial ∏ (1 − q^(n+i)) / (1 − q^i), i = 1 … m (Mann and
/// Whitney, 1947). After each i they are those for i values against n, scaled to sum to one. In the lower half
/// each is at least the one before it by i, from which it comes by adding, so no digits cancel.
fn lower_half(m: usize, n: usize, half: usize) -> Vec<f64> {
    let mut coefficients = vec![0.0; half + 1];
    coefficients[0] = 1.0;
    for i in 1..=m {
        for u in (n + i..=half).rev() {
            coefficients[u] -= coefficients[u - n - i];
        }
        let scale = i as f64 / (n + i) as f64;
        for u in 0..=half {
            let before = if u >= i { coefficients[u - i] } else { 0.0 };
            // What stands before is scaled already.
            coefficients[u] = coefficients[u] * scale + before;
        }
    }
    coefficients
}
