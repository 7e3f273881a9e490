//! Effect sizes.

use super::distribution::normal_quantile;
use super::noncentral::noncentrality_interval;
use super::result::{Estimate, Interval, Settings};
use super::sample::{self, Differences};
use super::special::ln_gamma;
use super::wilcoxon::{RankSums, Zeros};
use crate::error::{Error, Result};

/// Cohen's d of two independent samples: the difference of means in pooled standard deviations.
///
/// Interval: from those noncentrality parameters of the t distribution under which the observed t lies in a tail
/// (J. H. Steiger and R. T. Fouladi, 1997).
///
/// # Errors
/// Fewer than two values in a sample, a value that is not finite, no variation in either sample.
pub fn cohens_d(a: &[f64], b: &[f64], settings: Settings) -> Result<Estimate> {
    let (value, interval) = standardised_difference(a, b, settings)?;
    Ok(of_two("Cohen's d", value, Some(interval), a, b))
}

/// Hedges' g: Cohen's d without its bias in small samples.
///
/// The factor is the exact Γ(df / 2) / (√(df / 2) Γ((df − 1) / 2)) with df = m + n − 2 (L. V. Hedges, 1981). Interval:
/// that of d times the factor.
///
/// # Errors
/// Fewer than two values in a sample, a value that is not finite, no variation in either sample.
pub fn hedges_g(a: &[f64], b: &[f64], settings: Settings) -> Result<Estimate> {
    let (value, interval) = standardised_difference(a, b, settings)?;
    let half = 0.5 * (a.len() + b.len() - 2) as f64;
    let factor = (ln_gamma(half) - ln_gamma(half - 0.5)).exp() / half.sqrt();
    let interval = Interval { low: interval.low * factor, high: interval.high * factor, ..interval };
    Ok(of_two("Hedges' g", value * factor, Some(interval), a, b))
}

/// Cohen's d_z of pairs: the mean difference in standard deviations of the differences.
///
/// Interval: from noncentrality parameters, as for [`cohens_d`].
///
/// # Errors
/// Fewer than two differences, differences that do not vary.
pub fn cohens_d_z(differences: &Differences, settings: Settings) -> Result<Estimate> {
    differences.check_varies()?;
    let differences = differences.values();
    let n = differences.len();
    let value = sample::mean(differences) / sample::variance(differences).sqrt();
    let root = (n as f64).sqrt();
    let interval = noncentrality_interval(value * root, n as f64 - 1.0, settings)?;
    let interval = Interval { low: interval.low / root, high: interval.high / root, ..interval };
    Ok(Estimate { method: "Cohen's d_z", value, interval: Some(interval), n, sizes: None })
}

/// Cliff's delta: P(a > b) − P(a < b) over all pairs of values of two independent samples; the rank-biserial
/// correlation of the Mann–Whitney test.
///
/// Interval: the asymmetric one of N. Cliff (1996) with his unbiased variance; none where a sample has one value, or
/// where the samples do not overlap (|δ| = 1), since the variance is then unknown or zero.
///
/// # Errors
/// An empty sample, a value that is not finite.
pub fn cliffs_delta(a: &[f64], b: &[f64], settings: Settings) -> Result<Estimate> {
    sample::check("a", a, 1)?;
    sample::check("b", b, 1)?;
    let (m, n) = (a.len() as f64, b.len() as f64);
    let (rows, columns) = (dominance(a, b), dominance(b, a));
    let delta = sample::sum(rows.iter().map(|row| row.excess)) / (m * n);
    let about = |rows: &[Dominance], size: f64, sign: f64| {
        sample::sum(rows.iter().map(|row| (row.excess / size - sign * delta).powi(2)))
    };
    let squares = sample::sum(rows.iter().map(|row| row.unequal)) - m * n * delta * delta;
    let variance = (n * n * about(&rows, n, 1.0) + m * m * about(&columns, m, -1.0) - squares)
        / (m * n * (m - 1.0) * (n - 1.0));
    // The estimate can fall below what the variance of the signs alone gives: Cliff's least value.
    let variance = variance.max((1.0 - delta * delta) / (m * n - 1.0));
    let has_interval = variance.is_finite() && variance > 0.0;
    let interval = has_interval.then(|| cliff_interval(delta, variance, settings));
    Ok(of_two("Cliff's delta", delta, interval, a, b))
}

/// The matched-pairs rank-biserial correlation (T⁺ − T⁻) / (T⁺ + T⁻) of the signed ranks (D. S. Kerby, 2014).
///
/// # Errors
/// All differences are zero.
pub fn matched_rank_biserial(differences: &Differences, zeros: Zeros) -> Result<Estimate> {
    differences.check_not_zero()?;
    let differences = differences.values();
    let sums = RankSums::new(differences, zeros);
    let value = (sums.positive - sums.negative) / (sums.positive + sums.negative);
    let method = "matched-pairs rank-biserial correlation";
    Ok(Estimate { method, value, interval: None, n: differences.len(), sizes: None })
}

fn of_two(method: &'static str, value: f64, interval: Option<Interval>, a: &[f64], b: &[f64]) -> Estimate {
    Estimate { method, value, interval, n: a.len() + b.len(), sizes: Some((a.len(), b.len())) }
}

fn standardised_difference(a: &[f64], b: &[f64], settings: Settings) -> Result<(f64, Interval)> {
    sample::check("a", a, 2)?;
    sample::check("b", b, 2)?;
    let scale = sample::scale_of_both(a, b);
    if !sample::varies(a, scale) && !sample::varies(b, scale) {
        return Err(Error::new(format!("neither sample varies: a is {} throughout, b is {}", a[0], b[0])));
    }
    let (m, n) = (a.len() as f64, b.len() as f64);
    let df = m + n - 2.0;
    let pooled = ((sample::squares(a) + sample::squares(b)) / df).sqrt();
    let d = (sample::mean(a) - sample::mean(b)) / pooled;
    let root = (m * n / (m + n)).sqrt();
    let interval = noncentrality_interval(d * root, df, settings)?;
    Ok((d, Interval { low: interval.low / root, high: interval.high / root, ..interval }))
}

/// How one value stands to a sample.
struct Dominance {
    /// Values below it less values above it.
    excess: f64,
    /// Values that are not equal to it.
    unequal: f64,
}

fn dominance(values: &[f64], others: &[f64]) -> Vec<Dominance> {
    let mut others = others.to_vec();
    others.sort_by(f64::total_cmp);
    let of = |value: &f64| {
        let below = others.partition_point(|other| other < value);
        let above = others.len() - others.partition_point(|other| other <= value);
        Dominance { excess: below as f64 - above as f64, unequal: (below + above) as f64 }
    };
    values.iter().map(of).collect()
}

/// The ends (δ − δ³ ∓ z s √((1 − δ²)² + z² s²)) / (1 − δ² + z² s²).
fn cliff_interval(delta: f64, variance: f64, settings: Settings) -> Interval {
    let z = -normal_quantile(settings.outside());
    let rest = 1.0 - delta * delta;
    let spread = z * z * variance;
    let reach = (spread * (rest * rest + spread)).sqrt();
    let end = |sign: f64| (delta * rest + sign * reach) / (rest + spread);
    settings.interval(end(-1.0), end(1.0), -1.0, 1.0)
}
