//! Where a function of one variable is zero.

/// A zero of `f` between `low` and `high`, where `f` has opposite signs; `None` where it has not.
///
/// T. R. Chandrupatla, "A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear
/// function without using derivatives" (1997). The zero is found to the spacing of numbers near it.
pub fn root(f: impl Fn(f64) -> f64, low: f64, high: f64) -> Option<f64> {
    const STEPS: usize = 200;
    let (mut a, mut b) = (low, high);
    let (mut at_a, mut at_b) = (f(a), f(b));
    if at_a == 0.0 {
        return Some(a);
    }
    let has_signs = !at_a.is_nan() && !at_b.is_nan();
    if !has_signs || at_a.signum() == at_b.signum() && at_b != 0.0 {
        return None;
    }
    let mut share = 0.5;
    for _ in 0..STEPS {
        let next = a + share * (b - a);
        let at_next = f(next);
        if at_next.is_nan() {
            return None;
        }
        // c is the point before a, b the one on the other side of the zero.
        let (c, at_c);
        if at_next.signum() == at_a.signum() {
            (c, at_c) = (a, at_a);
        } else {
            (c, at_c) = (b, at_b);
            (b, at_b) = (a, at_a);
        }
        (a, at_a) = (next, at_next);
        let (best, at_best) = if at_a.abs() < at_b.abs() { (a, at_a) } else { (b, at_b) };
        let tolerance = f64::EPSILON * best.abs() / (b - a).abs();
        if at_best == 0.0 || tolerance > 0.5 {
            return Some(best);
        }
        let (xi, phi) = ((a - b) / (c - b), (at_a - at_b) / (at_c - at_b));
        share = if phi * phi < xi && (1.0 - phi) * (1.0 - phi) < 1.0 - xi {
            // Inverse quadratic interpolation, where the three points are monotone enough for it.
            at_a / (at_b - at_a) * at_c / (at_b - at_c)
                + (c - a) / (b - a) * at_a / (at_c - at_a) * at_b / (at_c - at_b)
        } else {
            0.5
        };
        share = share.clamp(tolerance, 1.0 - tolerance);
    }
    Some(if at_a.abs() < at_b.abs() { a } else { b })
}

/// A zero of `f`, which falls as its argument grows, found by widening a step from `start`; `None` where no
/// finite step is wide enough.
pub fn falling_root(f: impl Fn(f64) -> f64, start: f64, step: f64) -> Option<f64> {
    let direction = match f(start) {
        0.0 => return Some(start),
        value if value > 0.0 => 1.0,
        value if value < 0.0 => -1.0,
        _ => return None,
    };
    let (mut near, mut width) = (start, step);
    loop {
        let far = start + direction * width;
        if !far.is_finite() {
            return None;
        }
        if f(far) * direction <= 0.0 {
            return root(f, near, far);
        }
        near = far;
        width *= 2.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_is_found_to_the_last_digits() {
        let found = root(|x| x * x * x - 2.0, 0.0, 2.0);
        assert!((found.unwrap_or(f64::NAN) - 2.0_f64.cbrt()).abs() <= 4.0 * f64::EPSILON);
        // A step has no slope to follow.
        let found = root(|x| if x < 0.3 { -1.0 } else { 1.0 }, 0.0, 1.0);
        assert!((found.unwrap_or(f64::NAN) - 0.3).abs() <= f64::EPSILON);
    }

    #[test]
    fn no_change_of_sign_is_no_zero() {
        assert_eq!(root(|x| x * x + 1.0, -1.0, 1.0), None);
        assert_eq!(root(|_| f64::NAN, -1.0, 1.0), None);
        assert_eq!(falling_root(|_| 1.0, 0.0, 1.0), None);
    }

    #[test]
    fn a_falling_function_is_followed_to_both_sides() {
        for zero in [-1e6, -3.0, 0.0, 0.1, 7e9] {
            let found = falling_root(|x| zero - x, 0.0, 1.0).unwrap_or(f64::NAN);
            assert!((found - zero).abs() <= 4.0 * f64::EPSILON * zero.abs(), "{found} for {zero}");
        }
    }
}
