//! Correlation of two samples, and of two correlations.

use super::distribution::{Tails, normal_quantile, normal_tails, student_t_tails};
use super::kendall::kendall;
use super::rank::ranks;
use super::result::{Approach, Interval, Settings, Test};
use super::sample;
use crate::error::{Error, Result};

/// A correlation and the number of pairs it comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// The coefficient, between −1 and 1.
    pub r: f64,
    /// Number of pairs.
    pub n: usize,
}

/// Pearson's correlation.
///
/// p from Student's t distribution of n − 2 degrees of freedom; the interval through Fisher's z, with variance
/// 1 / (n − 3).
///
/// # Errors
/// Unequal lengths, fewer than three pairs, a value that is not finite, a sample that does not vary.
pub fn pearson(a: &[f64], b: &[f64], settings: Settings) -> Result<Test> {
    check(a, b)?;
    let r = coefficient(a, b);
    let p = t_tails(r, a.len()).p(settings.alternative());
    let interval = fisher_interval(r, 1.0 / (a.len() as f64 - 3.0), settings);
    Ok(result("Pearson correlation", r, p, a.len(), interval, settings).df(a.len() as f64 - 2.0))
}

/// Spearman's correlation: Pearson's of the ranks.
///
/// p as for Pearson's, as in scipy; where the ranks agree (or are opposed) altogether that would be 0, and p
/// is the share of arrangements that agree so: ∏ t! / n! over groups of t equal values in a sample,
/// doubled where two-sided. The interval through Fisher's z, with variance
/// (1 + ρ² / 2) / (n − 3) (D. G. Bonett and T. A. Wright, 2000).
///
/// # Errors
/// Unequal lengths, fewer than three pairs, a value that is not finite, a sample that does not vary.
pub fn spearman(a: &[f64], b: &[f64], settings: Settings) -> Result<Test> {
    check(a, b)?;
    let n = a.len() as f64;
    let (of_a, of_b) = (ranks(a), ranks(b));
    let rho = coefficient(&of_a.ranks, &of_b.ranks);
    let opposed = of_b.ranks.iter().map(|rank| n + 1.0 - rank);
    let (tails, how) = if of_a.ranks == of_b.ranks {
        let upper = share_in_one_order(a.len(), &of_a.ties);
        (Tails { lower: 1.0, upper }, "exact for equal ranks")
    } else if of_a.ranks.iter().copied().eq(opposed) {
        let lower = share_in_one_order(a.len(), &of_a.ties);
        (Tails { lower, upper: 1.0 }, "exact for opposed ranks")
    } else {
        (t_tails(rho, a.len()), "t distribution")
    };
    let p = tails.p(settings.alternative());
    let interval = fisher_interval(rho, (1.0 + 0.5 * rho * rho) / (n - 3.0), settings);
    let method = format!("Spearman correlation ({how})");
    Ok(result(&method, rho, p, a.len(), interval, settings).df(n - 2.0))
}

/// A statistic of pairs, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PairStatistic {
    /// Pearson's correlation.
    #[default]
    Pearson,
    /// Spearman's correlation.
    Spearman,
    /// Kendall's τ_b.
    Kendall,
}

impl PairStatistic {
    /// Name and value of each.
    pub const ALL: [(&'static str, Self); 3] =
        [("pearson", Self::Pearson), ("spearman", Self::Spearman), ("kendall", Self::Kendall)];

    /// The statistic of two samples.
    ///
    /// # Errors
    /// Unequal lengths, fewer than three pairs, a value that is not finite, a sample that does not vary.
    pub fn of(self, a: &[f64], b: &[f64]) -> Result<f64> {
        check(a, b)?;
        match self {
            Self::Pearson => Ok(coefficient(a, b)),
            Self::Spearman => Ok(coefficient(&ranks(a).ranks, &ranks(b).ranks)),
            Self::Kendall => Ok(kendall(a, b, Approach::Asymptotic, Settings::default())?.statistic),
        }
    }
}

/// Do two independent correlations differ?
///
/// Statistic: the difference of Fisher's z in its standard errors, √(1 / (n₁ − 3) + 1 / (n₂ − 3)). Estimate:
/// r₁ − r₂, with the interval of G. Y. Zou (2007) from those of the two.
///
/// # Errors
/// A correlation not between −1 and 1, or from fewer than four pairs.
pub fn correlation_difference(a: Correlation, b: Correlation, settings: Settings) -> Result<Test> {
    for (name, correlation) in [("a", a), ("b", b)] {
        if !(correlation.r > -1.0 && correlation.r < 1.0) {
            let found = correlation.r;
            return Err(Error::new(format!(
                "{name}: expected a correlation between -1 and 1, found {found}"
            )));
        }
        if correlation.n < 4 {
            let found = correlation.n;
            return Err(Error::new(format!(
                "{name}: expected a correlation of 4 pairs or more, found {found}"
            )));
        }
    }
    let variance = |correlation: Correlation| 1.0 / (correlation.n as f64 - 3.0);
    let z = (a.r.atanh() - b.r.atanh()) / (variance(a) + variance(b)).sqrt();
    let reach = -normal_quantile(settings.outside());
    let ends = |correlation: Correlation| {
        let off = reach * variance(correlation).sqrt();
        ((correlation.r.atanh() - off).tanh(), (correlation.r.atanh() + off).tanh())
    };
    let ((low_a, high_a), (low_b, high_b)) = (ends(a), ends(b));
    let difference = a.r - b.r;
    let low = difference - (a.r - low_a).hypot(high_b - b.r);
    let high = difference + (high_a - a.r).hypot(b.r - low_b);
    let p = normal_tails(z).p(settings.alternative());
    Ok(Test::new("difference of independent correlations (Fisher's z)", z, p, a.n + b.n)
        .directed(settings)
        .estimate("difference of correlations", difference)
        .interval(settings.interval(low, high, -2.0, 2.0))
        .sizes(a.n, b.n))
}

pub(super) fn check(a: &[f64], b: &[f64]) -> Result<()> {
    sample::check_pairs(a, b, 3)?;
    sample::check_varies("a", a, sample::scale(a))?;
    sample::check_varies("b", b, sample::scale(b))
}

pub(super) fn result(method: &str, r: f64, p: f64, n: usize, interval: Interval, settings: Settings) -> Test {
    Test::new(method, r, p, n).directed(settings).estimate("correlation", r).interval(interval)
}

/// The interval of a correlation whose Fisher z has this variance; all that is possible where n is too small for
/// one.
pub(super) fn fisher_interval(r: f64, variance: f64, settings: Settings) -> Interval {
    let (low, high) = if variance > 0.0 && variance.is_finite() {
        let reach = -normal_quantile(settings.outside()) * variance.sqrt();
        ((r.atanh() - reach).tanh(), (r.atanh() + reach).tanh())
    } else {
        (-1.0, 1.0)
    };
    settings.interval(low, high, -1.0, 1.0)
}

/// Σ of products over the root of the product of sums of squares, around the means.
fn coefficient(a: &[f64], b: &[f64]) -> f64 {
    let centred = |values: &[f64]| {
        let mean = sample::mean(values);
        // Scaled first, so that squares neither overflow nor vanish.
        let off: Vec<f64> = values.iter().map(|value| value - mean).collect();
        let most = sample::scale(&off);
        let off: Vec<f64> = off.iter().map(|value| value / most).collect();
        let length = sample::sum(off.iter().map(|value| value * value)).sqrt();
        off.into_iter().map(move |value| value / length).collect::<Vec<_>>()
    };
    let (a, b) = (centred(a), centred(b));
    sample::sum(a.iter().zip(&b).map(|(a, b)| a * b)).clamp(-1.0, 1.0)
}

/// t = r √((n − 2) / (1 − r²)).
fn t_tails(r: f64, n: usize) -> Tails {
    let df = n as f64 - 2.0;
    student_t_tails(r * (df / ((1.0 - r) * (1.0 + r))).sqrt(), df)
}

/// The share of orders of n values, `ties` of them equal, that are one given order.
fn share_in_one_order(n: usize, ties: &[usize]) -> f64 {
    // ln t! of each group; those of single values are 0.
    let log = |count: usize| sample::sum((2..=count).map(|factor| (factor as f64).ln()));
    (ties.iter().map(|&count| log(count)).sum::<f64>() - log(n)).exp()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::result::Alternative;
    use super::*;

    #[test]
    fn an_order_of_six_with_two_ties_comes_four_times_in_720() {
        assert!((share_in_one_order(6, &[2, 2]) - 4.0 / 720.0).abs() < 1e-15);
    }

    #[test]
    fn directions_of_equal_and_opposed_ranks() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [9.0, 5.0, 4.0, -7.0]);
        let p = |alternative| spearman(&a, &b, Settings::new(alternative, 0.95).unwrap()).unwrap().p;
        assert!((p(Alternative::Less) - 1.0 / 24.0).abs() < 1e-15);
        assert!((p(Alternative::TwoSided) - 2.0 / 24.0).abs() < 1e-15);
        assert_eq!(p(Alternative::Greater), 1.0);
    }
}
