//! The regularised incomplete gamma functions.

use super::term::poisson_term;
use super::{STEPS, TINY};

/// P(a, x) and Q(a, x): the lower and the upper tail of the gamma distribution, for a > 0, x ≥ 0.
///
/// The smaller of the two is computed, the other is one less that: P by its series (8.7.1 of the Digital
/// Library of Mathematical Functions), Q by Legendre's continued fraction (8.9.2, contracted).
pub fn gamma_tails(a: f64, x: f64) -> (f64, f64) {
    if x.is_nan() {
        (f64::NAN, f64::NAN)
    } else if x <= 0.0 {
        (0.0, 1.0)
    } else if x == f64::INFINITY {
        (1.0, 0.0)
    } else if x < a + 1.0 {
        let lower = poisson_term(a, x) * series(a, x);
        (lower, 1.0 - lower)
    } else {
        let upper = poisson_term(a, x) * a * fraction(a, x);
        (1.0 - upper, upper)
    }
}

/// Σ x^k / ((a + 1) … (a + k)).
fn series(a: f64, x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for step in 1..STEPS {
        term *= x / (a + step as f64);
        sum += term;
        if term <= sum * f64::EPSILON {
            return sum;
        }
    }
    f64::NAN
}

/// 1 / (x + 1 − a − 1 (1 − a) / (x + 3 − a − 2 (2 − a) / …)) by Lentz's method.
fn fraction(a: f64, x: f64) -> f64 {
    let guard = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / guard(b);
    let mut value = d;
    for step in 1..STEPS {
        let i = step as f64;
        let term = i * (a - i);
        b += 2.0;
        d = 1.0 / guard(b + term * d);
        c = guard(b + term / c);
        let factor = c * d;
        value *= factor;
        if (factor - 1.0).abs() <= f64::EPSILON {
            return value;
        }
    }
    f64::NAN
}
