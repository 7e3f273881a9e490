//! Power of a paired t test, and the pairs it needs.

use super::distribution::student_t_quantile;
use super::noncentral::noncentral_t_tails;
use super::result::Alternative;
use super::root::root;
use crate::error::{Error, Result};

/// Most pairs that are looked for.
const MOST: f64 = 1e9;

/// How many pairs a test needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequiredSize {
    /// The least number of pairs with which the power is reached.
    pub n: u64,
    /// Where the power is reached exactly, as statsmodels' `solve_power` gives it; 2 where two pairs are enough.
    pub exact: f64,
    /// The power with `n` pairs.
    pub power: f64,
}

/// The probability that a paired t test finds an `effect`, which is Cohen's d_z, at the level `alpha`.
///
/// From the noncentral t distribution with noncentrality d_z √n (J. Cohen, 1988). `n` pairs, at least 2; it
/// need not be whole.
///
/// # Errors
/// An effect that is not finite, fewer than two pairs, a level not between 0 and 1.
pub fn paired_t_power(effect: f64, n: f64, alpha: f64, alternative: Alternative) -> Result<f64> {
    check(effect, alpha)?;
    if !(2.0..=MOST).contains(&n) {
        return Err(Error::new(format!("expected 2 to {MOST} pairs, found {n}")));
    }
    Ok(power(effect, n, alpha, alternative))
}

fn power(effect: f64, n: f64, alpha: f64, alternative: Alternative) -> f64 {
    let (df, delta) = (n - 1.0, effect * n.sqrt());
    let critical = |tail: f64| -student_t_quantile(tail, df);
    match alternative {
        Alternative::TwoSided => {
            let t = critical(0.5 * alpha);
            noncentral_t_tails(t, df, delta).upper + noncentral_t_tails(-t, df, delta).lower
        }
        Alternative::Greater => noncentral_t_tails(critical(alpha), df, delta).upper,
        Alternative::Less => noncentral_t_tails(-critical(alpha), df, delta).lower,
    }
}

/// The pairs with which a paired t test finds an `effect`, which is Cohen's d_z, with probability `target`.
///
/// # Errors
/// An effect that is 0, not finite, or opposed to the alternative; a level or a power not between 0 and 1; a
/// power that is not above the level; more than 10⁹ pairs.
pub fn paired_t_required_size(
    effect: f64,
    target: f64,
    alpha: f64,
    alternative: Alternative,
) -> Result<RequiredSize> {
    check(effect, alpha)?;
    if !(target > alpha && target < 1.0) {
        return Err(Error::new(format!("expected a power between alpha = {alpha} and 1, found {target}")));
    }
    let is_reachable = match alternative {
        Alternative::TwoSided => effect != 0.0,
        Alternative::Greater => effect > 0.0,
        Alternative::Less => effect < 0.0,
    };
    if !is_reachable {
        return Err(Error::new(format!("no number of pairs finds an effect of {effect} ({alternative})")));
    }
    let reached = |n: f64| power(effect, n, alpha, alternative);
    let mut high = 2.0;
    while reached(high) < target {
        if high >= MOST {
            return Err(Error::new(format!("an effect of {effect} needs more than {MOST} pairs")));
        }
        high *= 2.0;
    }
    let exact = if high == 2.0 { Some(2.0) } else { root(|n| reached(n) - target, 0.5 * high, high) };
    let Some(exact) = exact else {
        return Err(Error::new(format!("the pairs for an effect of {effect} were not found")));
    };
    // A whole number stays one where the root lies a rounding above it.
    let whole = exact.round();
    let n = if reached(whole) >= target && whole >= exact - 1e-9 * exact { whole } else { exact.ceil() };
    Ok(RequiredSize { n: n as u64, exact, power: reached(n) })
}

fn check(effect: f64, alpha: f64) -> Result<()> {
    if !effect.is_finite() {
        return Err(Error::new(format!("expected a finite effect, found {effect}")));
    }
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Error::new(format!("expected a level alpha between 0 and 1, found {alpha}")));
    }
    Ok(())
}
