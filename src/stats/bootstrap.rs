//! Bootstrap intervals.

use super::describe::quantile_of_sorted;
use super::distribution::{normal_quantile, normal_tails};
use super::result::{Estimate, Interval, check_confidence};
use super::sample;
use crate::error::{Context, Error, Result};
use crate::interrupt;
use crate::random::Random;

/// Most resamples: their statistics are kept.
const MOST: usize = 100_000_000;

/// How the ends of the interval are taken from the bootstrap distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Bias-corrected and accelerated (B. Efron, 1987).
    #[default]
    Bca,
    /// The quantiles themselves.
    Percentile,
}

impl Method {
    /// Name and value of each.
    pub const ALL: [(&'static str, Self); 2] = [("bca", Self::Bca), ("percentile", Self::Percentile)];
}

/// How to draw, and what interval to take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// How the ends are taken.
    pub method: Method,
    /// Resamples that are drawn.
    pub resamples: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// The confidence of the interval, between 0 and 1.
    pub confidence: f64,
}

/// BCa, 9,999 resamples from seed 0, confidence 0.95.
impl Default for Plan {
    fn default() -> Self {
        Self { method: Method::Bca, resamples: 9_999, seed: 0, confidence: 0.95 }
    }
}

/// A statistic of one sample, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Statistic {
    /// Mean.
    #[default]
    Mean,
    /// Median.
    Median,
    /// Standard deviation with divisor n − 1.
    Std,
}

impl Statistic {
    /// Name and value of each.
    pub const ALL: [(&'static str, Self); 3] =
        [("mean", Self::Mean), ("median", Self::Median), ("std", Self::Std)];

    /// The statistic of a sample that is not empty.
    pub fn of(self, values: &[f64]) -> f64 {
        match self {
            Self::Mean => sample::mean(values),
            Self::Median => {
                let mut sorted = values.to_vec();
                sorted.sort_by(f64::total_cmp);
                quantile_of_sorted(&sorted, 0.5)
            }
            Self::Std => sample::variance(values).sqrt(),
        }
    }
}

/// A statistic, and how it varies from resample to resample.
#[derive(Debug, Clone, PartialEq)]
pub struct Bootstrap {
    /// The statistic of the sample itself.
    pub estimate: f64,
    /// That of the resamples, in ascending order.
    pub distribution: Vec<f64>,
    /// That of the sample without one observation each, for each of the groups; empty for percentiles.
    pub left_out: Vec<Vec<f64>>,
}

/// Draws groups of observations anew, with replacement and each from itself, and keeps a statistic of them.
///
/// `sizes` says how many observations each group has; `statistic` is given, for each group, the places of the
/// observations that were drawn. Pairs are one group of places.
///
/// # Errors
/// A group of fewer than two observations, fewer than two resamples or more than 10⁸, a statistic that fails or is not finite.
pub fn bootstrap(
    sizes: &[usize],
    plan: Plan,
    mut statistic: impl FnMut(&[Vec<usize>]) -> Result<f64>,
) -> Result<Bootstrap> {
    check_confidence(plan.confidence)?;
    if !(2..=MOST).contains(&plan.resamples) {
        return Err(Error::new(format!("expected 2 to {MOST} resamples, found {}", plan.resamples)));
    }
    if let Some(size) = sizes.iter().find(|size| **size < 2) {
        return Err(Error::new(format!("expected at least 2 observations to draw from, found {size}")));
    }
    let mut checked = |places: &[Vec<usize>], of: &str| {
        interrupt::check()?;
        let value = statistic(places).within(|| format!("the statistic of {of}"))?;
        if value.is_finite() {
            return Ok(value);
        }
        Err(Error::new(format!("the statistic of {of} is {value}")))
    };
    let whole: Vec<Vec<usize>> = sizes.iter().map(|&size| (0..size).collect()).collect();
    let estimate = checked(&whole, "the sample")?;
    let mut random = Random::new(plan.seed);
    let mut places = whole.clone();
    let mut distribution = Vec::new();
    for _ in 0..plan.resamples {
        for group in &mut places {
            let size = group.len() as u64;
            group.iter_mut().for_each(|place| *place = random.below(size) as usize);
        }
        distribution.push(checked(&places, "a resample")?);
    }
    distribution.sort_by(f64::total_cmp);
    let mut left_out = Vec::new();
    if plan.method == Method::Bca {
        for group in 0..sizes.len() {
            let mut places = whole.clone();
            let mut values = Vec::with_capacity(sizes[group]);
            for place in 0..sizes[group] {
                places[group] = (0..sizes[group]).filter(|other| *other != place).collect();
                values.push(checked(&places, "the sample without one observation")?);
            }
            left_out.push(values);
        }
    }
    Ok(Bootstrap { estimate, distribution, left_out })
}

/// A bootstrap interval of a statistic of one sample.
///
/// # Errors
/// Fewer than two values, a value that is not finite; as [`bootstrap`] and [`Bootstrap::interval`].
pub fn bootstrap_sample(
    values: &[f64],
    plan: Plan,
    mut statistic: impl FnMut(&[f64]) -> Result<f64>,
) -> Result<Estimate> {
    sample::check("the sample", values, 2)?;
    let drawn = bootstrap(&[values.len()], plan, |places| statistic(&at(values, &places[0])))?;
    drawn.estimate(plan, values.len(), None)
}

/// A bootstrap interval of the difference of a statistic of two independent samples, that of `a` less that of `b`.
///
/// # Errors
/// Fewer than two values in a sample, a value that is not finite; as [`bootstrap`] and [`Bootstrap::interval`].
pub fn bootstrap_difference(
    a: &[f64],
    b: &[f64],
    plan: Plan,
    mut statistic: impl FnMut(&[f64]) -> Result<f64>,
) -> Result<Estimate> {
    sample::check("a", a, 2)?;
    sample::check("b", b, 2)?;
    let drawn = bootstrap(&[a.len(), b.len()], plan, |places| {
        Ok(statistic(&at(a, &places[0]))? - statistic(&at(b, &places[1]))?)
    })?;
    drawn.estimate(plan, a.len() + b.len(), Some((a.len(), b.len())))
}

/// A bootstrap interval of a statistic of pairs, which are drawn together.
///
/// # Errors
/// Unequal lengths, fewer than two pairs, a value that is not finite; as [`bootstrap`] and [`Bootstrap::interval`].
pub fn bootstrap_pairs(
    a: &[f64],
    b: &[f64],
    plan: Plan,
    mut statistic: impl FnMut(&[f64], &[f64]) -> Result<f64>,
) -> Result<Estimate> {
    sample::check_pairs(a, b, 2)?;
    let drawn = bootstrap(&[a.len()], plan, |places| statistic(&at(a, &places[0]), &at(b, &places[0])))?;
    drawn.estimate(plan, a.len(), None)
}

fn at(values: &[f64], places: &[usize]) -> Vec<f64> {
    places.iter().map(|&place| values[place]).collect()
}

impl Bootstrap {
    fn estimate(&self, plan: Plan, n: usize, sizes: Option<(usize, usize)>) -> Result<Estimate> {
        let interval = Some(self.interval(plan.method, plan.confidence)?);
        let method = match plan.method {
            Method::Bca => "BCa bootstrap interval",
            Method::Percentile => "percentile bootstrap interval",
        };
        Ok(Estimate { method, value: self.estimate, interval, n, sizes })
    }

    /// The confidence interval of the statistic.
    ///
    /// # Errors
    /// For BCa: all resamples lie on one side of the estimate or the statistic does not change where an
    /// observation is left out, so that there is nothing to correct by; a confidence not between 0 and 1.
    pub fn interval(&self, method: Method, confidence: f64) -> Result<Interval> {
        check_confidence(confidence)?;
        let outside = 0.5 * (1.0 - confidence);
        let (low, high) = match method {
            Method::Percentile => (outside, 1.0 - outside),
            Method::Bca => self.corrected(outside)?,
        };
        let end = |fraction| quantile_of_sorted(&self.distribution, fraction);
        Ok(Interval { low: end(low), high: end(high), confidence })
    }

    /// The fractions of the distribution that BCa takes (B. Efron and R. J. Tibshirani, 1993, 14.9 to 14.15).
    fn corrected(&self, outside: f64) -> Result<(f64, f64)> {
        let below = self.distribution.partition_point(|value| *value < self.estimate);
        let to = self.distribution.partition_point(|value| *value <= self.estimate);
        // Resamples equal to the estimate count half on each side.
        let share = 0.5 * (below + to) as f64 / self.distribution.len() as f64;
        let percentile = "take the percentile method";
        if share <= 0.0 || share >= 1.0 {
            let side = if share <= 0.0 { "above" } else { "below" };
            return Err(Error::new(format!("all resamples lie {side} the estimate {}", self.estimate))
                .hint(percentile));
        }
        let (mut cubes, mut squares) = (0.0, 0.0);
        for values in &self.left_out {
            let n = values.len() as f64;
            let mean = sample::mean(values);
            let off = values.iter().map(|value| (n - 1.0) * (mean - value) / n);
            cubes += sample::sum(off.clone().map(|off| off * off * off));
            squares += sample::sum(off.map(|off| off * off));
        }
        let acceleration = cubes / squares.powf(1.5) / 6.0;
        if !acceleration.is_finite() {
            let what = "the statistic is the same whichever observation is left out";
            return Err(Error::new(what).hint(percentile));
        }
        let bias = normal_quantile(share);
        let fraction = |z: f64| {
            let moved = bias + z;
            normal_tails(bias + moved / (1.0 - acceleration * moved)).lower
        };
        let z = normal_quantile(outside);
        Ok((fraction(z), fraction(-z)))
    }
}
