//! Kendall's rank correlation.

use super::association::{check, fisher_interval, result};
use super::distribution::{Tails, normal_tails};
use super::rank::ranks;
use super::result::{Approach, Settings, Test};
use super::sample;
use crate::error::{Error, Result};

/// Number of pairs up to which [`Approach::Auto`] is exact where no values are equal, as in scipy.
const SMALL: usize = 33;

/// Most pairs that the exact test takes: its work grows with the cube.
const MOST: usize = 1_000;

/// Kendall's τ_b.
///
/// [`Approach::Auto`] is exact where no values of a sample are equal and there are at most 33 pairs, or at most one
/// pair of pairs is out of order; else the normal approximation, with its variance corrected for ties. The
/// interval through Fisher's z, with variance 0.437 / (n − 4) (E. C. Fieller, H. O. Hartley and E. S. Pearson,
/// 1957).
///
/// # Errors
/// Unequal lengths, fewer than three pairs, a value that is not finite, a sample that does not vary; exact with
/// equal values or with more than 1,000 pairs.
pub fn kendall(a: &[f64], b: &[f64], approach: Approach, settings: Settings) -> Result<Test> {
    check(a, b)?;
    let pairs = Pairs::count(a, b);
    let (x, y) = (ranks(a).ties, ranks(b).ties);
    let has_ties = !x.is_empty() || !y.is_empty();
    let (tied_a, tied_b) = (sum_over(&x, |t| 0.5 * t * (t - 1.0)), sum_over(&y, |t| 0.5 * t * (t - 1.0)));
    let n = a.len() as f64;
    let total = 0.5 * n * (n - 1.0);
    let excess = total - tied_a - tied_b + pairs.tied_in_both as f64 - 2.0 * pairs.discordant as f64;
    let tau = (excess / (total - tied_a).sqrt() / (total - tied_b).sqrt()).clamp(-1.0, 1.0);
    let least = pairs.discordant.min(total as u64 - pairs.discordant.min(total as u64));
    let exact = match approach {
        Approach::Auto => !has_ties && (a.len() <= SMALL || least <= 1),
        Approach::Exact if has_ties => {
            return Err(Error::new("the exact Kendall test is for samples without equal values")
                .hint("use the asymptotic method, which corrects for ties"));
        }
        Approach::Exact if a.len() > MOST => {
            let found = a.len();
            return Err(Error::new(format!(
                "the exact Kendall test takes at most {MOST} pairs, found {found}"
            ))
            .hint("use the asymptotic method"));
        }
        Approach::Exact => true,
        Approach::Asymptotic => false,
    };
    let (tails, how) = if exact {
        (exact_tails(a.len(), pairs.discordant), "exact")
    } else {
        let m = n * (n - 1.0);
        let cubes = |t: f64| t * (t - 1.0) * (t - 2.0);
        let spread = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
        let variance = (m * (2.0 * n + 5.0) - sum_over(&x, spread) - sum_over(&y, spread)) / 18.0
            + 2.0 * tied_a * tied_b / m
            + sum_over(&x, cubes) * sum_over(&y, cubes) / (9.0 * m * (n - 2.0));
        (normal_tails(excess / variance.sqrt()), "normal approximation")
    };
    let interval = fisher_interval(tau, 0.437 / (n - 4.0), settings);
    let method = format!("Kendall's tau b ({how})");
    Ok(result(&method, tau, tails.p(settings.alternative()), a.len(), interval, settings))
}

fn sum_over(ties: &[usize], term: impl Fn(f64) -> f64) -> f64 {
    ties.iter().map(|&t| term(t as f64)).sum()
}

/// Pairs of pairs.
struct Pairs {
    /// a says one order, b the other.
    discordant: u64,
    /// Equal in both.
    tied_in_both: u64,
}

impl Pairs {
    /// Sorts by a, then counts the exchanges that sort b (W. R. Knight, 1966).
    fn count(a: &[f64], b: &[f64]) -> Self {
        let mut order: Vec<(f64, f64)> = a.iter().copied().zip(b.iter().copied()).collect();
        // + 0.0 makes −0.0 the same as 0.0.
        order.iter_mut().for_each(|(x, y)| (*x, *y) = (*x + 0.0, *y + 0.0));
        order.sort_by(|p, q| p.0.total_cmp(&q.0).then(p.1.total_cmp(&q.1)));
        let tied_in_both =
            order.chunk_by(|p, q| p == q).map(|group| (group.len() * (group.len() - 1) / 2) as u64).sum();
        let mut values: Vec<f64> = order.into_iter().map(|(_, y)| y).collect();
        let discordant = exchanges(&mut values);
        Self { discordant, tied_in_both }
    }
}

/// Sorts, and counts the pairs that were in the wrong order.
fn exchanges(values: &mut [f64]) -> u64 {
    if values.len() < 2 {
        return 0;
    }
    let (left, right) = values.split_at_mut(values.len() / 2);
    let mut count = exchanges(left) + exchanges(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if left[i] <= right[j] {
            merged.push(left[i]);
            i += 1;
        } else {
            // All that is left on the left is greater.
            count += (left.len() - i) as u64;
            merged.push(right[j]);
            j += 1;
        }
    }
    merged.extend_from_slice(&left[i..]);
    merged.extend_from_slice(&right[j..]);
    values.copy_from_slice(&merged);
    count
}

/// The tails of τ at a number of discordant pairs, over all orders of n different values.
///
/// A further value adds 0 … k discordant pairs, each with the same probability: M. G. Kendall (1938). Fewer
/// discordant pairs are a greater τ.
fn exact_tails(n: usize, discordant: u64) -> Tails {
    let total = n * (n - 1) / 2;
    let discordant = (discordant as usize).min(total);
    let least = discordant.min(total - discordant);
    // Up to the smaller tail; the distribution is symmetric.
    let mut terms = vec![0.0; least + 1];
    terms[0] = 1.0;
    for k in 2..=n {
        let mut window = 0.0;
        let before = terms.clone();
        for (place, term) in terms.iter_mut().enumerate() {
            // In the lower half the terms rise: what leaves the window is less than what stays.
            window += before[place];
            if place >= k {
                window -= before[place - k];
            }
            *term = window / k as f64;
        }
    }
    let tail = sample::sum(terms.iter().copied());
    let rest = 1.0 - tail + terms[least];
    if discordant <= total - discordant {
        Tails { lower: rest, upper: tail }
    } else {
        Tails { lower: tail, upper: rest }
    }
}
