//! Binomial and Poisson terms that stay accurate far out in the tails.
//!
//! C. Loader, "Fast and accurate computation of binomial probabilities" (2000): a term is written with
//! the error of Stirling's formula and with deviances, so that nothing large is subtracted.

use super::ln_gamma;

/// ln √2π.
const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_8;

/// ln Γ(z + 1) less Stirling's (z + ½) ln z − z + ln √2π, for z > 0.
pub fn stirling_error(z: f64) -> f64 {
    /// B₂ⱼ / 2j (2j − 1) of Stirling's series, the last first. From 15 on the next term is below 1e-15.
    const SERIES: [f64; 6] =
        [-691.0 / 360_360.0, 1.0 / 1188.0, -1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0];
    if z < 15.0 {
        return ln_gamma(z + 1.0) - (z + 0.5) * z.ln() + z - LN_SQRT_TAU;
    }
    let square = 1.0 / (z * z);
    SERIES.iter().fold(0.0, |sum, term| sum * square + term) / z
}

/// x ln(x / m) + m − x: how far x lies from its mean m, in nats; for x > 0, m ≥ 0.
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    // ln(x / m) = 2 artanh v with v = (x − m) / (x + m), as a series: near m the terms above cancel.
    let v = (x - m) / (x + m);
    let mut sum = (x - m) * v;
    let mut power = 2.0 * x * v;
    let mut odd = 1.0;
    loop {
        power *= v * v;
        odd += 2.0;
        let next = sum + power / odd;
        if next == sum {
            return sum;
        }
        sum = next;
    }
}

/// Γ(k + j + 1) / (Γ(k + 1) Γ(j + 1)) · p^k q^j for k, j ≥ 0 and p + q = 1: the probability of k successes
/// and j failures. Both p and q are given, because the small one must keep its digits.
pub fn binomial_term(k: f64, j: f64, p: f64, q: f64) -> f64 {
    let power = |base: f64, rest: f64, exponent: f64| match exponent {
        0.0 => 1.0,
        // base^exponent, from the part of the two that is small.
        _ if rest < 0.5 => (exponent * (-rest).ln_1p()).exp(),
        _ => base.powf(exponent),
    };
    if k == 0.0 {
        return power(q, p, j);
    }
    if j == 0.0 {
        return power(p, q, k);
    }
    let n = k + j;
    let exponent =
        stirling_error(n) - stirling_error(k) - stirling_error(j) - deviance(k, n * p) - deviance(j, n * q);
    exponent.exp() * (n / (std::f64::consts::TAU * k * j)).sqrt()
}

/// x^a e^(−x) / Γ(a + 1) for a > 0, x ≥ 0.
pub fn poisson_term(a: f64, x: f64) -> f64 {
    (-stirling_error(a) - deviance(a, x)).exp() / (std::f64::consts::TAU * a).sqrt()
}
