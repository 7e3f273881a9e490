//! The Kolmogorov–Smirnov test of one sample against a normal distribution.

use super::distribution::normal_tails;
use super::result::{Alternative, Settings, Test};
use super::sample;
use super::special::binomial_term;
use crate::error::{Error, Result};

/// Sample size up to which the two-sided p-value is exact.
const EXACT: usize = 140;

/// Does a sample come from the normal distribution with this `mean` and standard deviation `std`?
///
/// Statistic: two-sided D, the greatest distance between the empirical distribution function and the normal
/// one; with [`Alternative::Greater`] D⁺, how far the empirical one rises above, with [`Alternative::Less`] D⁻,
/// how far it falls below. One-sided p-values are exact, two-sided ones up to 140 values; beyond that those of
/// Simard and L'Ecuyer (2011), as in scipy, right to some six digits. For a mean and deviation that were
/// estimated from the same sample, p is too large.
///
/// # Errors
/// An empty sample, a value that is not finite, a deviation that is not above 0.
pub fn kolmogorov_smirnov_normal(values: &[f64], mean: f64, std: f64, settings: Settings) -> Result<Test> {
    sample::check("the sample", values, 1)?;
    if !mean.is_finite() || !std.is_finite() || std <= 0.0 {
        return Err(Error::new(format!(
            "expected a finite mean and a standard deviation above 0, found {mean} and {std}"
        )));
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = values.len();
    let n = count as f64;
    let (mut above, mut below) = (0.0_f64, 0.0_f64);
    for (place, value) in sorted.iter().enumerate() {
        let expected = normal_tails((value - mean) / std).lower;
        above = above.max((place + 1) as f64 / n - expected);
        below = below.max(expected - place as f64 / n);
    }
    let (d, p) = match settings.alternative() {
        Alternative::TwoSided => (above.max(below), kolmogorov_upper(above.max(below), count)),
        Alternative::Greater => (above, smirnov_upper(above, count)),
        Alternative::Less => (below, smirnov_upper(below, count)),
    };
    let exact = count <= EXACT || settings.alternative() != Alternative::TwoSided;
    let how = if exact { "exact" } else { "approximation of Simard and L'Ecuyer" };
    Ok(Test::new(format!("Kolmogorov-Smirnov test against a normal distribution ({how})"), d, p, count)
        .directed(settings))
}

/// P(D⁺ ≥ d) for n values.
///
/// Z. W. Birnbaum and F. H. Tingey (1951): a sum of positive terms.
pub(super) fn smirnov_upper(d: f64, n: usize) -> f64 {
    if d <= 0.0 {
        return 1.0;
    }
    if d >= 1.0 {
        return 0.0;
    }
    let count = n as f64;
    let terms = (0..n).map_while(|j| {
        let share = j as f64 / count;
        let q = 1.0 - d - share;
        let p = d + share;
        (q >= 0.0).then(|| d / p * binomial_term(j as f64, (n - j) as f64, p, q))
    });
    sample::sum(terms).min(1.0)
}

/// P(D ≥ d) for n values, two-sided.
pub fn kolmogorov_upper(d: f64, n: usize) -> f64 {
    let count = n as f64;
    let steps = count * d;
    if steps <= 0.5 {
        return 1.0;
    }
    let squared = steps * d;
    // Both one-sided deviations at once are impossible from ½ on, and less likely than rounding further out
    // than this (R. Simard and P. L'Ecuyer, 2011).
    let far = if n <= EXACT { squared > 4.0 } else { squared >= 2.2 };
    if d >= 0.5 || far {
        return (2.0 * smirnov_upper(d, n)).min(1.0);
    }
    let lower = if n <= EXACT || (n <= 100_000 && steps * d.sqrt() <= 1.4) {
        durbin(d, n)
    } else {
        pelz_good(d * count.sqrt(), count)
    };
    (1.0 - lower).clamp(0.0, 1.0)
}

/// P(D < d), exactly: an entry of n! / nⁿ · Hⁿ for a matrix H of about 2 n d rows.
///
/// J. Durbin (1973), in the form of G. Marsaglia, W. W. Tsang and J. Wang (2003). No entry is negative.
fn durbin(d: f64, n: usize) -> f64 {
    let steps = n as f64 * d;
    let k = steps.ceil();
    let h = k - steps;
    let size = 2 * k as usize - 1;
    let mut inverse_factorials = vec![1.0; size + 1];
    for i in 1..=size {
        inverse_factorials[i] = inverse_factorials[i - 1] / i as f64;
    }
    // The first column; the last row is the same upside down.
    let edge: Vec<f64> =
        (0..size).map(|i| (1.0 - h.powi(i as i32 + 1)) * inverse_factorials[i + 1]).collect();
    let corner = (2.0 * h - 1.0).max(0.0).powi(size as i32);
    let corner = (1.0 - 2.0 * h.powi(size as i32) + corner) * inverse_factorials[size];
    let entry = |i: usize, j: usize| match (i + 1 == size, j) {
        (true, 0) => corner,
        (_, 0) => edge[i],
        (true, _) => edge[size - 1 - j],
        _ => inverse_factorials[i + 1 - j],
    };
    let matrix: Vec<Vec<f64>> =
        (0..size).map(|i| (0..(i + 2).min(size)).map(|j| entry(i, j)).collect()).collect();
    let middle = k as usize - 1;
    let mut row = vec![0.0; size];
    row[middle] = 1.0;
    let mut exponent = 0.0;
    for step in 1..=n {
        let mut next = vec![0.0; size];
        for (value, entries) in row.iter().zip(&matrix) {
            for (sum, entry) in next.iter_mut().zip(entries) {
                *sum += value * entry;
            }
        }
        // One factor of n! / nⁿ at a time, and a common scale, keep the numbers within range.
        let scale = next.iter().fold(0.0, |most: f64, value| most.max(*value));
        if scale == 0.0 {
            return 0.0;
        }
        next.iter_mut().for_each(|value| *value /= scale);
        exponent += (scale * step as f64 / n as f64).ln();
        row = next;
    }
    row[middle] * exponent.exp()
}

/// P(D < z / √n) by four terms of its expansion in 1 / √n (W. Pelz and I. J. Good, 1976).
fn pelz_good(z: f64, n: f64) -> f64 {
    use std::f64::consts::{FRAC_PI_2, PI};
    /// Beyond these the terms are below rounding for the z that come here, which are below 1.5.
    const TERMS: i32 = 8;
    let (z2, z4, z6) = (z * z, z.powi(4), z.powi(6));
    let weight = |square: f64| (-square / (2.0 * z2)).exp();
    let (mut k0, mut k1, mut k2, mut k3) = (0.0, 0.0, 0.0, 0.0);
    for k in 0..TERMS {
        // Squares of π (k + ½) and of π k; each comes twice, with both signs.
        let s = (PI * (f64::from(k) + 0.5)).powi(2);
        k0 += weight(s);
        k1 += (s - z2) * weight(s) / (3.0 * z4);
        k2 += (6.0 * z6 + 2.0 * z4 + (2.0 * z4 - 5.0 * z2) * s + (1.0 - 2.0 * z2) * s * s) * weight(s)
            / (36.0 * z.powi(7));
        k3 +=
            ((5.0 - 30.0 * z2) * s.powi(3) + (212.0 * z4 - 60.0 * z2) * s * s + (135.0 * z4 - 96.0 * z6) * s
                - 30.0 * z6
                - 90.0 * z.powi(8))
                * weight(s)
                / (3240.0 * z.powi(10));
        let s = (PI * f64::from(k)).powi(2);
        k2 -= s * weight(s) / (18.0 * z.powi(3));
        k3 += (3.0 * s * z2 - s * s) * weight(s) / (108.0 * z6);
    }
    let root = FRAC_PI_2.sqrt();
    k0 * 2.0 * root / z + root * (k1 / n.sqrt() + k2 / n + k3 / n.powf(1.5))
}
