//! What a sample must be, and sums over it.

use crate::error::{Error, Result};

/// The greatest magnitude of a value, and the least spread of a sample: within these no square overflows or vanishes.
const GREATEST: f64 = 1e150;
const LEAST: f64 = 1e-150;

/// Fails where a sample has fewer than `least` values, or one that is not finite or above 1e150 in magnitude.
pub fn check(name: &str, values: &[f64], least: usize) -> Result<()> {
    if values.len() < least {
        return Err(Error::new(match values.len() {
            0 => format!("{name} is empty: expected at least {least} {}", plural(least)),
            found => format!("{name}: expected at least {least} {}, found {found}", plural(least)),
        }));
    }
    match find_unusable(values) {
        None => Ok(()),
        Some(place) => {
            let value = values[place];
            let error = Error::new(format!("{name}: value {place} of {} is {value}", values.len()));
            Err(error.hint(match value.is_finite() {
                true => "values above 1e150 in magnitude cannot be squared",
                false => "leave out the observations without a finite value first",
            }))
        }
    }
}

/// The place of a value that cannot be computed with.
pub fn find_unusable(values: &[f64]) -> Option<usize> {
    // NaN is not at most anything.
    values.iter().position(|value| !matches!(value.abs(), 0.0..=GREATEST))
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "value" } else { "values" }
}

/// [`check`]s two samples, of which each value of one belongs to one of the other.
pub fn check_pairs(a: &[f64], b: &[f64], least: usize) -> Result<()> {
    if a.len() != b.len() {
        return Err(Error::new(format!(
            "expected pairs, found {} {} in a and {} in b",
            a.len(),
            plural(a.len()),
            b.len()
        )));
    }
    check("a", a, least)?;
    check("b", b, least)
}

/// Fails where all values are equal up to the rounding of numbers of this `scale`.
///
/// Differences of numbers that were rounded themselves are not equal to the last digit: a spread of a few
/// units in the last place would make a huge statistic out of nothing.
pub fn check_varies(name: &str, values: &[f64], scale: f64) -> Result<()> {
    if varies(values, scale) {
        return Ok(());
    }
    let (low, high) = range(values);
    Err(Error::new(match low == high {
        true => format!("{name} does not vary: all {} values are {low}", values.len()),
        false => format!("{name} varies only by rounding, from {low} to {high}"),
    }))
}

/// False where all values are equal up to the rounding of numbers of this `scale`.
pub fn varies(values: &[f64], scale: f64) -> bool {
    let (low, high) = range(values);
    high - low > (4.0 * f64::EPSILON * scale).max(LEAST)
}

/// Fails where all values are equal.
pub fn check_differ(name: &str, values: &[f64]) -> Result<()> {
    let (low, high) = range(values);
    match low < high {
        true => Ok(()),
        false => Err(Error::new(format!("{name} does not vary: all {} values are {low}", values.len()))),
    }
}

/// Least and greatest value.
pub fn range(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)))
}

/// The greatest magnitude.
pub fn scale(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| value.abs().max(most))
}

/// A sum that keeps what each addition rounds away (A. Neumaier, 1974).
pub fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}

/// The mean.
pub fn mean(values: &[f64]) -> f64 {
    sum(values.iter().copied()) / values.len() as f64
}

/// The sum of squared deviations from the mean.
pub fn squares(values: &[f64]) -> f64 {
    let mean = mean(values);
    sum(values.iter().map(|value| (value - mean) * (value - mean)))
}

/// The variance with divisor n − 1; NaN for a single value.
pub fn variance(values: &[f64]) -> f64 {
    squares(values) / (values.len() as f64 - 1.0)
}

/// Differences of pairs of values, or values to be compared with zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Differences {
    values: Vec<f64>,
    scale: f64,
}

impl Differences {
    /// Differences that are given.
    ///
    /// # Errors
    /// No difference, or one that is not finite.
    pub fn new(values: Vec<f64>) -> Result<Self> {
        check("the differences", &values, 1)?;
        let scale = scale(&values);
        Ok(Self { values, scale })
    }

    /// a − b, pair by pair.
    ///
    /// # Errors
    /// Unequal lengths, no pair, a value that is not finite.
    pub fn between(a: &[f64], b: &[f64]) -> Result<Self> {
        check_pairs(a, b, 1)?;
        let values: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        check("the differences a - b", &values, 1)?;
        Ok(Self { values, scale: scale_of_both(a, b) })
    }

    /// The differences.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Fails where there are fewer than two, or where all are equal up to the rounding of what they come from.
    pub(super) fn check_varies(&self) -> Result<()> {
        check("the differences", &self.values, 2)?;
        check_varies("the difference", &self.values, self.scale)
    }

    /// Fails where all are zero.
    pub(super) fn check_not_zero(&self) -> Result<()> {
        match self.values.iter().all(|value| *value == 0.0) {
            true => Err(Error::new(format!("all {} differences are zero", self.values.len()))),
            false => Ok(()),
        }
    }
}

/// The magnitude that the differences of two samples were rounded at.
pub fn scale_of_both(a: &[f64], b: &[f64]) -> f64 {
    scale(a).max(scale(b))
}
