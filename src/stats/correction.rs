//! Corrections of p-values for the number of tests.

use crate::error::{Error, Result};

/// How p-values are adjusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// Bonferroni: bounds the probability of any false rejection.
    Bonferroni,
    /// Holm (1979): the same, and never less powerful.
    Holm,
    /// Benjamini and Hochberg (1995): bounds the expected share of false rejections of independent tests.
    BenjaminiHochberg,
    /// Benjamini and Yekutieli (2001): the same under any dependence.
    BenjaminiYekutieli,
}

impl Correction {
    /// Name and value of each.
    pub const ALL: [(&'static str, Self); 4] = [
        ("bonferroni", Self::Bonferroni),
        ("holm", Self::Holm),
        ("benjamini_hochberg", Self::BenjaminiHochberg),
        ("benjamini_yekutieli", Self::BenjaminiYekutieli),
    ];
}

/// Adjusted p-values, in the order of `p`. A test is rejected at a level where its adjusted p-value is at most that.
///
/// A missing p-value stays missing and does not count as a test.
///
/// # Errors
/// A p-value that does not lie from 0 to 1.
pub fn adjust(p: &[Option<f64>], correction: Correction) -> Result<Vec<Option<f64>>> {
    if let Some((place, value)) = find_wrong(p) {
        let error = Error::new(format!("expected p-values from 0 to 1, found {value} at place {place}"));
        return Err(if value.is_nan() { error.hint("write () for a test without a p-value") } else { error });
    }
    let mut order: Vec<(usize, f64)> =
        p.iter().enumerate().filter_map(|(place, value)| value.map(|value| (place, value))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let tests = order.len() as f64;
    let ranked = order.iter().enumerate().map(|(before, (_, value))| (before as f64, *value));
    let adjusted: Vec<f64> = match correction {
        Correction::Bonferroni => ranked.map(|(_, value)| value * tests).collect(),
        Correction::Holm => rising(ranked.map(|(before, value)| value * (tests - before))),
        Correction::BenjaminiHochberg => {
            falling(ranked.map(|(before, value)| value / ((before + 1.0) / tests)))
        }
        Correction::BenjaminiYekutieli => {
            let harmonic: f64 = (1..=order.len()).rev().map(|rank| 1.0 / rank as f64).sum();
            falling(ranked.map(|(before, value)| value * harmonic / ((before + 1.0) / tests)))
        }
    };
    let mut result = vec![None; p.len()];
    for ((place, _), value) in order.into_iter().zip(adjusted) {
        result[place] = Some(value.min(1.0));
    }
    Ok(result)
}

fn find_wrong(p: &[Option<f64>]) -> Option<(usize, f64)> {
    let values = p.iter().enumerate().filter_map(|(place, value)| value.map(|value| (place, value)));
    values.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value))
}

/// Each value, or a greater one before it.
fn rising(values: impl Iterator<Item = f64>) -> Vec<f64> {
    values
        .scan(0.0, |most: &mut f64, value| {
            *most = most.max(value);
            Some(*most)
        })
        .collect()
}

/// Each value, or a smaller one after it.
fn falling(values: impl DoubleEndedIterator<Item = f64>) -> Vec<f64> {
    let mut least = f64::INFINITY;
    let mut result: Vec<f64> = values
        .rev()
        .map(|value| {
            least = least.min(value);
            least
        })
        .collect();
    result.reverse();
    result
}
