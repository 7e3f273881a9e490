//! The Kolmogorov–Smirnov test of two samples.

use std::cmp::Ordering;

use super::kolmogorov::kolmogorov_upper;
use super::result::{Alternative, Approach, Settings, Test};
use super::sample;
use crate::error::{Error, Result};

/// Sample size up to which the test is exact, as in scipy.
const EXACT: usize = 10_000;

/// Do two samples come from the same distribution?
///
/// Statistic: two-sided D, the greatest distance between the empirical distribution functions; with
/// [`Alternative::Greater`] how far that of `a` rises above that of `b` (so that `a` tends to be the smaller),
/// with [`Alternative::Less`] how far it falls below. Exact for up to 10,000 values in each; beyond that
/// two-sided that of one sample of m n / (m + n) values, one-sided the approximation of Hodges (1957). With equal
/// values in both samples p is too large.
///
/// # Errors
/// An empty sample, a value that is not finite, exact with more than 10,000 values.
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64], approach: Approach, settings: Settings) -> Result<Test> {
    sample::check("a", a, 1)?;
    sample::check("b", b, 1)?;
    let (m, n) = (a.len(), b.len());
    let small = m.max(n) <= EXACT;
    if approach == Approach::Exact && !small {
        return Err(Error::new(format!(
            "the exact Kolmogorov-Smirnov test takes at most {EXACT} values in each sample, found {m} and {n}"
        ))
        .hint("use the asymptotic method"));
    }
    let (above, below) = distances(a, b);
    let two_sided = settings.alternative() == Alternative::TwoSided;
    let distance = match settings.alternative() {
        Alternative::TwoSided => above.max(below),
        Alternative::Greater => above,
        Alternative::Less => below,
    };
    let d = distance as f64 / (m as f64 * n as f64);
    let (p, how) = if small && approach != Approach::Asymptotic {
        (exact_upper(distance, m, n, two_sided), "exact")
    } else {
        (asymptotic_upper(d, m as f64, n as f64, two_sided), "asymptotic")
    };
    Ok(Test::new(format!("two-sample Kolmogorov-Smirnov test ({how})"), d, p, m + n)
        .directed(settings)
        .sizes(m, n))
}

/// How far the distribution function of a rises above that of b, and falls below it, times m n: whole numbers.
fn distances(a: &[f64], b: &[f64]) -> (i128, i128) {
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    let (a, b) = (sorted(a), sorted(b));
    let (m, n) = (a.len() as i128, b.len() as i128);
    let (mut i, mut j) = (0, 0);
    let (mut above, mut below) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        // Both functions rise at equal values before they are compared.
        let value = if x.partial_cmp(y) == Some(Ordering::Greater) { *y } else { *x };
        i += a[i..].iter().take_while(|x| **x == value).count();
        j += b[j..].iter().take_while(|y| **y == value).count();
        let off = i as i128 * n - j as i128 * m;
        above = above.max(off);
        below = below.max(-off);
    }
    (above, below)
}

/// The share of arrangements of m and n values whose distance reaches `distance`.
///
/// An arrangement is a path from (0, 0) to (m, n) that steps right for each value of a, up for each of b. A random
/// path through (i, j) came from (i − 1, j) with probability i / (i + j). So the probability of having
/// reached the distance on the way is a mean of those of the two points before: nothing cancels.
fn exact_upper(distance: i128, m: usize, n: usize, two_sided: bool) -> f64 {
    if distance == 0 {
        return 1.0;
    }
    let mut reached = vec![0.0_f64; n + 1];
    for i in 0..=m {
        for j in 0..=n {
            let off = i as i128 * n as i128 - j as i128 * m as i128;
            let off = if two_sided { off.abs() } else { off };
            reached[j] = if off >= distance {
                1.0
            } else if i + j == 0 {
                0.0
            } else {
                let before = if j > 0 { reached[j - 1] } else { 0.0 };
                (i as f64 * reached[j] + j as f64 * before) / (i + j) as f64
            };
        }
    }
    reached[n]
}

fn asymptotic_upper(d: f64, m: f64, n: f64, two_sided: bool) -> f64 {
    let size = m * n / (m + n);
    if two_sided {
        return kolmogorov_upper(d, size.round_ties_even() as usize);
    }
    let (m, n) = (m.max(n), m.min(n));
    let z = size.sqrt() * d;
    (-2.0 * z * z - 2.0 * z * (m + 2.0 * n) / (m * n * (m + n)).sqrt() / 3.0).exp().min(1.0)
}
