//! What a sample must be, and sums over it.

use crate::error::{Error, Result};

/// Fails where a sample has fewer than `least` values, or one that is not a finite number.
pub fn check(name: &str, values: &[f64], least: usize) -> Result<()> {
    if values.len() < least {
        return Err(Error::new(match values.len() {
            0 => format!("{name} is empty: expected at least {least} {}", plural(least)),
            found => format!("{name}: expected at least {least} {}, found {found}", plural(least)),
        }));
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(place) => {
            let value = values[place];
            let error = Error::new(format!("{name}: value {place} of {} is {value}", values.len()));
            Err(error.hint("leave out the observations without a finite value first"))
        }
    }
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
    let value = values.first().copied().unwrap_or(f64::NAN);
    Err(Error::new(format!("{name} does not vary: all {} values are {value}", values.len())))
}

/// False where all values are equal up to the rounding of numbers of this `scale`.
pub fn varies(values: &[f64], scale: f64) -> bool {
    let (low, high) = range(values);
    high - low > 4.0 * f64::EPSILON * scale
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

/// a − b, value by value.
pub fn differences(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// The magnitude that the differences of two samples were rounded at.
pub fn scale_of_both(a: &[f64], b: &[f64]) -> f64 {
    scale(a).max(scale(b))
}
