//! Elementary functions that the compiler can vectorise.
//!
//! Called inside `pulp::Arch::dispatch`, they are compiled for the widest vectors of the machine.

/// Independent partial results of a reduction, so that it need not wait for itself.
const LANES: usize = 16;

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

/// tanh x, to within 1e-7 absolutely.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// x · sigmoid(x)
#[inline(always)]
pub fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// GELU by its tanh approximation: ½x · (1 + tanh(√(2/π) · (x + 0.044715 x³))).
#[inline(always)]
pub fn gelu_tanh(x: f32) -> f32 {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    // ½(1 + tanh u) = 1 / (1 + e^(−2u)), which keeps its relative precision for very negative x.
    let u = SQRT_2_OVER_PI * (0.044_715 * x * x).mul_add(x, x);
    x / (1.0 + exp(-2.0 * u))
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
            let sigmoid = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(silu(x)) - f64::from(x) * sigmoid).abs() < 1e-6 * f64::from(x.abs()).max(1.0));
            x += 0.0137;
        }
    }

    #[test]
    fn not_a_number_stays_so() {
        assert!(exp(f32::NAN).is_nan() && silu(f32::NAN).is_nan() && gelu_tanh(f32::NAN).is_nan());
    }
}
