//! Special functions whose small values keep their relative accuracy.
//!
//! libm gives the error function and ln Γ; those of statrs are right to ten and thirteen digits. Its regularised
//! gamma and beta functions return one tail as one less the other and give up after a fixed number of steps, so
//! these are here.

mod beta;
mod gamma;
mod term;

pub use beta::beta_tails;
pub use gamma::gamma_tails;
pub use libm::{erfc, lgamma as ln_gamma};
pub use term::{binomial_term, stirling_error};

/// Steps after which a continued fraction or a series counts as not converging. They take some √a steps.
const STEPS: usize = 10_000_000;

/// Stands for a zero denominator in Lentz's method.
const TINY: f64 = 1e-300;

/// A continued fraction 1 / (1 + n₁ / (1 + n₂ / (1 + …))) by Lentz's method; NaN where it does not converge.
///
/// W. J. Lentz (1976), as modified by Thompson and Barnett (1986).
fn continued_fraction(numerator: impl Fn(f64) -> f64) -> f64 {
    let guard = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut c, mut d, mut value) = (1.0, 0.0, 1.0);
    for step in 1..STEPS {
        let term = numerator(step as f64);
        d = 1.0 / guard(1.0 + term * d);
        c = guard(1.0 + term / c);
        let factor = c * d;
        value *= factor;
        if (factor - 1.0).abs() <= f64::EPSILON {
            return 1.0 / value;
        }
    }
    f64::NAN
}

/// The z with erfc(z) = `value`, for `value` from 0 to 2.
pub fn erfc_inv(value: f64) -> f64 {
    let near = statrs::function::erf::erfc_inv(value);
    // One Newton step of ln erfc from ten digits to all.
    let slope = -std::f64::consts::FRAC_2_SQRT_PI * (-near * near).exp();
    let step = (erfc(near) / value).ln() * erfc(near) / slope;
    if step.is_finite() { near - step } else { near }
}
