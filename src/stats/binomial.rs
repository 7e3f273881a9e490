//! Proportions: the binomial test, the sign test, and intervals.

use super::distribution::{beta_quantile, binomial_probability, binomial_tails, normal_quantile};
use super::result::{Alternative, Estimate, Interval, Settings, Test};
use super::sample::Differences;
use crate::error::{Error, Result};

/// An interval of a proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BinomialInterval {
    /// Clopper and Pearson (1934): never covers less than its confidence.
    #[default]
    ClopperPearson,
    /// Wilson (1927): covers its confidence on average.
    Wilson,
}

impl BinomialInterval {
    /// Name and value of each.
    pub const ALL: [(&'static str, Self); 2] =
        [("clopper-pearson", Self::ClopperPearson), ("wilson", Self::Wilson)];

    fn of(self, successes: u64, trials: u64, settings: Settings) -> Interval {
        match self {
            Self::ClopperPearson => clopper_pearson(successes, trials, settings),
            Self::Wilson => wilson(successes, trials, settings),
        }
    }
}

/// Do successes among trials come with the given `probability`?
///
/// Two-sided: the sum of the probabilities of all counts that are no more probable than the observed one.
/// Statistic and estimate: the share of successes.
///
/// # Errors
/// No trial, more successes than trials, a probability outside 0 to 1.
pub fn binomial_test(
    successes: u64,
    trials: u64,
    probability: f64,
    interval: BinomialInterval,
    settings: Settings,
) -> Result<Test> {
    check(successes, trials)?;
    if !(0.0..=1.0).contains(&probability) {
        return Err(Error::new(format!("expected a probability from 0 to 1, found {probability}")));
    }
    let share = successes as f64 / trials as f64;
    let p = p_value(successes, trials, probability, settings.alternative());
    Ok(Test::new("exact binomial test", share, p, trials as usize)
        .directed(settings)
        .estimate("proportion", share)
        .interval(interval.of(successes, trials, settings)))
}

/// Is the median of the differences zero: are as many positive as negative? Zeros are left out.
///
/// Statistic: (positive − negative) / 2, as in statsmodels. Estimate: the share of positive differences among those
/// that are not zero, with the interval of Clopper and Pearson.
///
/// # Errors
/// All differences are zero.
pub fn sign_test(differences: &Differences, settings: Settings) -> Result<Test> {
    differences.check_not_zero()?;
    let differences = differences.values();
    let count = |wanted: fn(f64) -> bool| differences.iter().filter(|value| wanted(**value)).count() as u64;
    let (positive, negative) = (count(|value| value > 0.0), count(|value| value < 0.0));
    let signed = positive + negative;
    let p = binomial_tails(positive, signed, 0.5).p(settings.alternative());
    let statistic = 0.5 * (positive as f64 - negative as f64);
    Ok(Test::new("sign test (exact)", statistic, p, differences.len())
        .directed(settings)
        .estimate("share of positive differences", positive as f64 / signed as f64)
        .interval(clopper_pearson(positive, signed, settings)))
}

/// The Wilson interval of a proportion.
///
/// # Errors
/// No trial, more successes than trials.
pub fn wilson_interval(successes: u64, trials: u64, settings: Settings) -> Result<Estimate> {
    check(successes, trials)?;
    Ok(estimate("Wilson interval", successes, trials, wilson(successes, trials, settings)))
}

/// The Clopper–Pearson interval of a proportion.
///
/// # Errors
/// No trial, more successes than trials.
pub fn clopper_pearson_interval(successes: u64, trials: u64, settings: Settings) -> Result<Estimate> {
    check(successes, trials)?;
    Ok(estimate("Clopper-Pearson interval", successes, trials, clopper_pearson(successes, trials, settings)))
}

fn estimate(method: &'static str, successes: u64, trials: u64, interval: Interval) -> Estimate {
    let value = successes as f64 / trials as f64;
    Estimate { method, value, interval: Some(interval), n: trials as usize, sizes: None }
}

fn check(successes: u64, trials: u64) -> Result<()> {
    if trials == 0 {
        return Err(Error::new("expected at least one trial, found none"));
    }
    if successes > trials {
        return Err(Error::new(format!("expected at most {trials} successes, found {successes}")));
    }
    Ok(())
}

fn p_value(successes: u64, trials: u64, probability: f64, alternative: Alternative) -> f64 {
    let tails = binomial_tails(successes, trials, probability);
    if alternative != Alternative::TwoSided {
        return tails.p(alternative);
    }
    let expected = probability * trials as f64;
    if successes as f64 == expected {
        return 1.0;
    }
    let term = |count| binomial_probability(count, trials, probability);
    // Counts that are as probable as the observed one, up to rounding, count as such: as in R and scipy.
    let observed = term(successes) * (1.0 + 1e-7);
    let (own, other) = if (successes as f64) < expected {
        let first = first_where(expected.ceil() as u64, trials + 1, |count| term(count) <= observed);
        let beyond = if first > trials { 0.0 } else { binomial_tails(first, trials, probability).upper };
        (tails.lower, beyond)
    } else {
        let end = first_where(0, expected.floor() as u64 + 1, |count| term(count) > observed);
        let beyond = if end == 0 { 0.0 } else { binomial_tails(end - 1, trials, probability).lower };
        (tails.upper, beyond)
    };
    (own + other).min(1.0)
}

/// The first of low … high − 1 for which `holds`, where it holds for all after it; `high` where it holds for none.
fn first_where(mut low: u64, mut high: u64, holds: impl Fn(u64) -> bool) -> u64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

fn clopper_pearson(successes: u64, trials: u64, settings: Settings) -> Interval {
    let (k, rest) = (successes as f64, (trials - successes) as f64);
    let low = if successes == 0 { 0.0 } else { beta_quantile(settings.outside(), k, rest + 1.0) };
    let high = if successes == trials { 1.0 } else { 1.0 - beta_quantile(settings.outside(), rest, k + 1.0) };
    settings.interval(low, high, 0.0, 1.0)
}

fn wilson(successes: u64, trials: u64, settings: Settings) -> Interval {
    let n = trials as f64;
    let share = successes as f64 / n;
    let z = -normal_quantile(settings.outside());
    let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let reach = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    // With no success or no failure an end is 0 or 1; rounding must not move it.
    let low = if successes == 0 { 0.0 } else { centre - reach };
    let high = if successes == trials { 1.0 } else { centre + reach };
    settings.interval(low, high, 0.0, 1.0)
}
