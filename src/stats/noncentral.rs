//! The noncentral t distribution, by quadrature.
//!
//! T = (Z + δ) / S with Z standard normal and S = √(χ²_ν / ν), so P(T ≥ t) is the mean of P(Z ≥ t S − δ) over S, or
//! that of P(S ≤ (Z + δ) / t) over Z. Both integrands are smooth and fall off fast on the whole line, where the
//! trapezoidal rule converges exponentially (L. N. Trefethen and J. A. C. Weideman, 2014), and both are
//! positive: a small tail keeps its digits.

use super::distribution::{Tails, chi_squared_tails, normal_tails, student_t_tails};
use super::result::{Interval, Settings};
use super::root::falling_root;
use super::sample;
use super::special::stirling_error;
use crate::error::{Error, Result};

/// What is left out at each end of an integral, as an exponent: e^−50 is 2e-22.
const FAR: f64 = 50.0;

/// How narrow the integrand over ln S may be, in widths of its density, before the one over Z is the smoother.
const NARROW: f64 = 50.0;

/// The noncentral t distribution with `df` > 0 degrees of freedom and noncentrality `delta`.
pub fn noncentral_t_tails(t: f64, df: f64, delta: f64) -> Tails {
    if delta == 0.0 {
        return student_t_tails(t, df);
    }
    if t < 0.0 {
        let tails = noncentral_t_tails(-t, df, -delta);
        return Tails { lower: tails.upper, upper: tails.lower };
    }
    if t.is_infinite() {
        return Tails { lower: 1.0, upper: 0.0 };
    }
    if t == 0.0 {
        return Tails { lower: normal_tails(-delta).lower, upper: normal_tails(-delta).upper };
    }
    if delta.abs() <= NARROW * (2.0 * df).sqrt() {
        over_deviation(t, df, delta)
    } else {
        over_normal(t, df, delta)
    }
}

/// The mean over u = ln S, whose density is √(ν / π) e^−ε exp(−ν / 2 · (e^2u − 1 − 2u)), with the error ε of Stirling's
/// formula at ν / 2.
fn over_deviation(t: f64, df: f64, delta: f64) -> Tails {
    let exponent = |u: f64| 0.5 * df * ((2.0 * u).exp_m1() - 2.0 * u);
    let end = |direction: f64| {
        let found = falling_root(|u| FAR - exponent(direction * u), 0.0, 1.0 / df.sqrt());
        direction * found.unwrap_or(0.0)
    };
    let (low, high) = (end(-1.0), end(1.0));
    let step = (0.5 / (2.0 * df).sqrt()).min(0.5 / (1.0 + delta.abs())).min(0.1);
    let factor = (df / std::f64::consts::PI).sqrt() * (-stirling_error(0.5 * df)).exp() * step;
    let points = ((high - low) / step).ceil() as usize;
    let at = |point: usize| {
        let u = low + step * point as f64;
        ((-exponent(u)).exp() * factor, normal_tails(t * u.exp() - delta))
    };
    Tails {
        lower: sample::sum((0..=points).map(at).map(|(weight, tails)| weight * tails.lower)),
        upper: sample::sum((0..=points).map(at).map(|(weight, tails)| weight * tails.upper)),
    }
}

/// The mean over z; `delta` is so great that z + δ keeps its sign wherever the density of z counts.
fn over_normal(t: f64, df: f64, delta: f64) -> Tails {
    if delta < 0.0 {
        return Tails { lower: 1.0, upper: 0.0 };
    }
    let reach = (2.0 * FAR).sqrt();
    let step = (0.25 * t / (2.0 * df).sqrt()).min(0.25);
    let points = (2.0 * reach / step).ceil() as usize;
    let factor = step / std::f64::consts::TAU.sqrt();
    let at = |point: usize| {
        let z = -reach + step * point as f64;
        let scaled = (z + delta) / t;
        ((-0.5 * z * z).exp() * factor, chi_squared_tails(df * scaled * scaled, df))
    };
    Tails {
        lower: sample::sum((0..=points).map(at).map(|(weight, tails)| weight * tails.upper)),
        upper: sample::sum((0..=points).map(at).map(|(weight, tails)| weight * tails.lower)),
    }
}

/// The noncentrality parameters under which an observed `t` lies in the upper and in the lower tail.
///
/// # Errors
/// No such parameter was found.
pub fn noncentrality_interval(t: f64, df: f64, settings: Settings) -> Result<Interval> {
    let outside = settings.outside();
    // The width of t around its noncentrality, roughly: a first step.
    let step = (1.0 + t * t / (2.0 * df)).sqrt();
    let low = falling_root(|delta| outside - noncentral_t_tails(t, df, delta).upper, t, step);
    let high = falling_root(|delta| noncentral_t_tails(t, df, delta).lower - outside, t, step);
    let (Some(low), Some(high)) = (low, high) else {
        return Err(Error::new(format!("no interval found for t = {t} with {df} degrees of freedom")));
    };
    Ok(settings.interval(low, high, f64::NEG_INFINITY, f64::INFINITY))
}
