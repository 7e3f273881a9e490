//! Distributions of test statistics: both tails of each, and quantiles.

use super::result::Alternative;
use super::root::{falling_root, root};
use super::sample::sum;
use super::special::{beta_tails, binomial_term, erfc, erfc_inv, gamma_tails, ln_gamma};

/// P(X ≤ x) and P(X ≥ x). The smaller one keeps its relative accuracy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tails {
    /// P(X ≤ x).
    pub lower: f64,
    /// P(X ≥ x).
    pub upper: f64,
}

impl Tails {
    /// The p-value of a statistic whose null distribution has these tails: two-sided, twice the smaller one.
    pub fn p(self, alternative: Alternative) -> f64 {
        match alternative {
            Alternative::TwoSided => (2.0 * self.lower.min(self.upper)).min(1.0),
            Alternative::Less => self.lower.min(1.0),
            Alternative::Greater => self.upper.min(1.0),
        }
    }

    /// The tails at the value that has the place `observed` in a list of the probabilities of all values.
    pub(super) fn of_terms(terms: &[f64], observed: usize) -> Self {
        Self { lower: sum(terms[..=observed].iter().copied()), upper: sum(terms[observed..].iter().copied()) }
    }

    /// The tails of −X at −x.
    fn mirrored(self) -> Self {
        Self { lower: self.upper, upper: self.lower }
    }
}

/// The standard normal distribution.
pub fn normal_tails(z: f64) -> Tails {
    let half = |z: f64| 0.5 * erfc(z * std::f64::consts::FRAC_1_SQRT_2);
    Tails { lower: half(-z), upper: half(z) }
}

/// The z with P(Z ≤ z) = `probability`, for the standard normal distribution.
pub fn normal_quantile(probability: f64) -> f64 {
    -std::f64::consts::SQRT_2 * erfc_inv(2.0 * probability)
}

/// Student's t distribution with `df` > 0 degrees of freedom.
pub fn student_t_tails(t: f64, df: f64) -> Tails {
    // P(|T| ≥ |t|) = I_x(df / 2, 1 / 2) with x = df / (df + t²): 26.5.27 of Abramowitz and Stegun.
    let square = t * t;
    let beyond = if square.is_infinite() {
        // The first term of its series is all: x^(df / 2) / (df B(df / 2, 1 / 2)).
        let ln_beta = ln_gamma(0.5 * df) + ln_gamma(0.5) - ln_gamma(0.5 * df + 0.5);
        (0.5 * df * (df.ln() - 2.0 * t.abs().ln()) - ln_beta).exp() / df
    } else {
        0.5 * beta_tails(0.5 * df, 0.5, df / (df + square), square / (df + square)).0
    };
    let tails = Tails { lower: 1.0 - beyond, upper: beyond };
    if t >= 0.0 { tails } else { tails.mirrored() }
}

/// The t with P(T ≤ t) = `probability`, for 0 < `probability` < 1.
pub fn student_t_quantile(probability: f64, df: f64) -> f64 {
    if probability > 0.5 {
        return -student_t_quantile(1.0 - probability, df);
    }
    upper_t(probability, df).map_or(f64::NAN, |t| if probability == 0.5 { 0.0 } else { -t })
}

/// The t with P(T ≥ t) = `tail`, for `tail` ≤ ½.
fn upper_t(tail: f64, df: f64) -> Option<f64> {
    // Of logarithms, which are smooth in the far tail too.
    falling_root(|t| (student_t_tails(t, df).upper / tail).ln(), 0.0, 2.0)
}

/// Snedecor's F distribution: P(F ≤ f) and P(F ≥ f), with `between` and `within` degrees of freedom.
pub fn fisher_f_tails(f: f64, between: f64, within: f64) -> Tails {
    let (a, b) = (between * f, within);
    if a.is_infinite() {
        return Tails { lower: 1.0, upper: 0.0 };
    }
    let (upper, lower) = beta_tails(0.5 * within, 0.5 * between, b / (a + b), a / (a + b));
    Tails { lower, upper }
}

/// The χ² distribution with `df` > 0 degrees of freedom.
pub fn chi_squared_tails(x: f64, df: f64) -> Tails {
    let (lower, upper) = gamma_tails(0.5 * df, 0.5 * x);
    Tails { lower, upper }
}

/// The binomial distribution: P(K ≤ k) and P(K ≥ k) among `n` trials with probability `p`.
pub fn binomial_tails(k: u64, n: u64, p: f64) -> Tails {
    let (k_, j, q) = (k as f64, n.saturating_sub(k) as f64, 1.0 - p);
    let lower = if k >= n { 1.0 } else { beta_tails(j, k_ + 1.0, q, p).0 };
    let upper = if k == 0 { 1.0 } else { beta_tails(k_, j + 1.0, p, q).0 };
    Tails { lower, upper }
}

/// The probability of exactly `k` successes among `n` ≥ `k` trials with probability `p`.
pub fn binomial_probability(k: u64, n: u64, p: f64) -> f64 {
    binomial_term(k as f64, n.saturating_sub(k) as f64, p, 1.0 - p)
}

/// The p with I_p(a, b) = `probability`: a quantile of the beta distribution.
pub fn beta_quantile(probability: f64, a: f64, b: f64) -> f64 {
    root(|p| beta_tails(a, b, p, 1.0 - p).0 - probability, 0.0, 1.0).unwrap_or(f64::NAN)
}
