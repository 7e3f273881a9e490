//! Descriptive statistics.

use super::sample;
use crate::error::{Error, Result};

/// What describes one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Number of values.
    pub n: usize,
    /// Mean.
    pub mean: f64,
    /// Standard deviation with divisor n − 1; NaN for a single value.
    pub std: f64,
    /// Standard error of the mean, std / √n; NaN for a single value.
    pub standard_error: f64,
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
    /// Skewness m₃ / m₂^1.5 of central moments with divisor n; NaN where the values are all equal.
    pub skewness: f64,
    /// Excess kurtosis m₄ / m₂² − 3; NaN where the values are all equal.
    pub kurtosis: f64,
    /// Values at the quantiles that were asked for, in their order.
    pub quantiles: Vec<f64>,
}

/// Describes a sample, with its values at `quantiles`, each from 0 to 1.
///
/// # Errors
/// The sample is empty or holds a value that is not finite; a quantile is none.
pub fn describe(values: &[f64], quantiles: &[f64]) -> Result<Description> {
    sample::check("the sample", values, 1)?;
    let n = values.len() as f64;
    let mean = sample::mean(values);
    let std = sample::variance(values).sqrt();
    let (min, max) = sample::range(values);
    let (skewness, kurtosis) = if sample::varies(values, sample::scale(values)) {
        let width = (sample::squares(values) / n).sqrt();
        let moment = |power| sample::sum(values.iter().map(|value| ((value - mean) / width).powi(power))) / n;
        (moment(3), moment(4) - 3.0)
    } else {
        (f64::NAN, f64::NAN)
    };
    Ok(Description {
        n: values.len(),
        mean,
        std: if values.len() == 1 { f64::NAN } else { std },
        standard_error: if values.len() == 1 { f64::NAN } else { std / n.sqrt() },
        min,
        max,
        skewness,
        kurtosis,
        quantiles: self::quantiles(values, quantiles)?,
    })
}

/// The value below which the share `fraction` of a sample lies, linear between neighbours: type 7 of Hyndman
/// and Fan (1996), numpy's default.
///
/// # Errors
/// The sample is empty or holds a value that is not finite; `fraction` does not lie from 0 to 1.
pub fn quantile(values: &[f64], fraction: f64) -> Result<f64> {
    sample::check("the sample", values, 1)?;
    Ok(quantiles(values, &[fraction])?[0])
}

fn quantiles(values: &[f64], fractions: &[f64]) -> Result<Vec<f64>> {
    if let Some(fraction) = fractions.iter().find(|fraction| !(0.0..=1.0).contains(*fraction)) {
        return Err(Error::new(format!("expected a quantile from 0 to 1, found {fraction}")));
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Ok(fractions.iter().map(|&fraction| quantile_of_sorted(&sorted, fraction)).collect())
}

/// The quantile of values in ascending order, of which there is at least one.
pub(super) fn quantile_of_sorted(sorted: &[f64], fraction: f64) -> f64 {
    let place = fraction * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    let (share, step) = (place.fract(), above - below);
    // From the nearer neighbour, so that the median of mirrored values is the mirrored median.
    if share < 0.5 { below + step * share } else { above - step * (1.0 - share) }
}
