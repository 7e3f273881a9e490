//! The regularised incomplete beta function.

use super::continued_fraction;
use super::term::binomial_term;

/// I_x(a, b) and I_y(b, a) for y = 1 − x: the two tails of the beta distribution, for a, b > 0.
///
/// The caller gives both x and y, because the small one of them must keep its digits. The tail that lies
/// beyond the mean comes from the continued fraction 8.17.22 of the Digital Library of Mathematical Functions,
/// the other is one less that.
pub fn beta_tails(a: f64, b: f64, x: f64, y: f64) -> (f64, f64) {
    if x.is_nan() || y.is_nan() {
        return (f64::NAN, f64::NAN);
    }
    if x <= (a + 1.0) / (a + b + 2.0) {
        let lower = tail(a, b, x, y);
        (lower, 1.0 - lower)
    } else {
        let upper = tail(b, a, y, x);
        (1.0 - upper, upper)
    }
}

fn tail(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let fraction = continued_fraction(|step| {
        let m = (step / 2.0).floor();
        if step % 2.0 == 0.0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        }
    });
    // x^a y^b / (a B(a, b)).
    binomial_term(a, b, x, y) * b / (a + b) * fraction
}
