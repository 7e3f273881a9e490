//! Elementary functions that the compiler can vectorise.
//!
//! Called inside `pulp::Arch::dispatch`, they are compiled for the widest vectors of the machine.

/// Independent partial results of a reduction, so that it need not wait for itself.
const LANES: usize = 16;

const SQRT_2_OVER_PI: f32 = 0.797_884_6;

/// eˣ to within 2 units in the last place; flushes to the least normal number below −87.
///
/// Cephes' `expf`: x = n·ln 2 + r, a polynomial for eʳ, the exponent set to n.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// 1.5 · 2²³: adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x < -87.3 { -87.3 } else { x };
    let x = if x > 88.3 { 88.3 } else { x };
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    // ln 2 in two parts, the first of few bits: n times it is exact.
    let r = n.mul_add(-355.0 / 512.0, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = 1.987_569_1e-4_f32;
    let p = p.mul_add(r, 1.398_2e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 1.666_666_5e-1);
    let p = p.mul_add(r, 0.5);
    let p = p.mul_add(r * r, r) + 1.0;
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

/// tanh x, to within 1e-7 absolutely, and relatively near 0: there Cephes' `tanhf`.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let far = 1.0 - 2.0 / (exp(2.0 * x) + 1.0);
    let z = x * x;
    let p = -5.704_989e-3_f32;
    let p = p.mul_add(z, 2.063_909e-2);
    let p = p.mul_add(z, -5.373_971_6e-2);
    let p = p.mul_add(z, 1.333_144_2e-1);
    let p = p.mul_add(z, -3.333_328e-1);
    let near = (p * z).mul_add(x, x);
    if z < 0.390_625 { near } else { far }
}

/// x · sigmoid(x) and its slope.
#[inline(always)]
pub fn silu_and_slope(x: f32) -> (f32, f32) {
    let sigmoid = 1.0 / (1.0 + exp(-x));
    (x * sigmoid, sigmoid * x.mul_add(1.0 - sigmoid, 1.0))
}

/// x · sigmoid(x)
#[inline(always)]
pub fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// GELU by its tanh approximation: ½x · (1 + tanh(√(2/π) · (x + 0.044715 x³))).
#[inline(always)]
pub fn gelu_tanh(x: f32) -> f32 {
    // ½(1 + tanh u) = 1 / (1 + e^(−2u)), which keeps its relative precision for very negative x.
    let u = SQRT_2_OVER_PI * (0.044_715 * x * x).mul_add(x, x);
    x / (1.0 + exp(-2.0 * u))
}

/// GELU by its tanh approximation, and its slope.
#[inline(always)]
pub fn gelu_tanh_and_slope(x: f32) -> (f32, f32) {
    // x · sigmoid(2u), as above.
    let square = x * x;
    let u = SQRT_2_OVER_PI * (0.044_715 * square).mul_add(x, x);
    let sigmoid = 1.0 / (1.0 + exp(-2.0 * u));
    let slope_of_u = SQRT_2_OVER_PI * (3.0 * 0.044_715_f32).mul_add(square, 1.0);
    (x * sigmoid, sigmoid * (2.0 * x * slope_of_u).mul_add(1.0 - sigmoid, 1.0))
}

/// Σ x·y
#[inline(always)]
pub fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (lefts, rights) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
    let rest = lefts.remainder().iter().zip(rights.remainder());
    let total: f32 = rest.map(|(x, y)| x * y).sum();
    for (left, right) in lefts.zip(rights) {
        for ((lane, x), y) in lanes.iter_mut().zip(left).zip(right) {
            *lane = x.mul_add(*y, *lane);
        }
    }
    total + lanes.iter().sum::<f32>()
}

/// Σ x·y·z
#[inline(always)]
pub fn dot_of_three(x: &[f32], y: &[f32], z: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (xs, ys, zs) = (x.chunks_exact(LANES), y.chunks_exact(LANES), z.chunks_exact(LANES));
    let rest = xs.remainder().iter().zip(ys.remainder()).zip(zs.remainder());
    let total: f32 = rest.map(|((x, y), z)| x * y * z).sum();
    for ((x, y), z) in xs.zip(ys).zip(zs) {
        for (((lane, x), y), z) in lanes.iter_mut().zip(x).zip(y).zip(z) {
            *lane = (x * y).mul_add(*z, *lane);
        }
    }
    total + lanes.iter().sum::<f32>()
}

/// Σ x²
#[inline(always)]
pub fn sum_of_squares(values: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let chunks = values.chunks_exact(LANES);
    let mut total: f32 = chunks.remainder().iter().map(|x| x * x).sum();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = x.mul_add(*x, *lane);
        }
    }
    total += lanes.iter().sum::<f32>();
    total
}

/// The largest value; −∞ for none.
#[inline(always)]
pub fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}

/// Replaces x by e^(x − shift) and returns the sum.
#[inline(always)]
pub fn exp_and_sum(values: &mut [f32], shift: f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let mut chunks = values.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *x = exp(*x - shift);
            *lane += *x;
        }
    }
    let mut total = lanes.iter().sum::<f32>();
    for x in chunks.into_remainder() {
        *x = exp(*x - shift);
        total += *x;
    }
    total
}

/// Σ e^(x − shift)
#[inline(always)]
pub fn sum_of_exp(values: &[f32], shift: f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().map(|x| exp(x - shift)).sum();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += exp(*x - shift);
        }
    }
    rest + lanes.iter().sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_to_the_standard_library() {
        let mut x = -90f32;
        while x < 90.0 {
            let reference = f64::from(x).exp();
            if reference > 1.2e-38 && reference < 3e38 && (-87.3..88.3).contains(&x) {
                assert!((f64::from(exp(x)) / reference - 1.0).abs() < 2.5e-7, "exp({x})");
            }
            assert!((tanh(x) - x.tanh()).abs() < 2e-7, "tanh({x})");
            let small = x / 160.0;
            assert!((tanh(small) - small.tanh()).abs() <= 3e-7 * small.abs(), "tanh({small})");
            let sigmoid = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(silu(x)) - f64::from(x) * sigmoid).abs() < 1e-6 * f64::from(x.abs()).max(1.0));
            x += 0.0137;
        }
    }

    /// Slopes against central differences in float64, whose own error is about 1e-9.
    #[test]
    fn slopes_are_those_of_the_functions() {
        let silu = |x: f64| x / (1.0 + (-x).exp());
        let gelu = |x: f64| {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + u.tanh())
        };
        let slope = |of: &dyn Fn(f64) -> f64, x: f64| (of(x + 1e-5) - of(x - 1e-5)) / 2e-5;
        let mut x = -30f32;
        while x < 30.0 {
            let (value, found) = silu_and_slope(x);
            assert!((f64::from(found) - slope(&silu, x.into())).abs() < 2e-6, "silu'({x})");
            assert!((f64::from(value) - silu(x.into())).abs() < 1e-6 * f64::from(x.abs()).max(1.0));
            let (value, found) = gelu_tanh_and_slope(x);
            assert!((f64::from(found) - slope(&gelu, x.into())).abs() < 2e-6, "gelu'({x})");
            assert!((f64::from(value) - gelu(x.into())).abs() < 1e-6 * f64::from(x.abs()).max(1.0));
            x += 0.0137;
        }
    }

    #[test]
    fn not_a_number_stays_so() {
        assert!(exp(f32::NAN).is_nan() && silu(f32::NAN).is_nan() && gelu_tanh(f32::NAN).is_nan());
    }
}
