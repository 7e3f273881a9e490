//! Permutation tests: all arrangements where they can be counted, else a random sample of them.

use super::distribution::Tails;
use super::result::{Draws, Settings, Test};
use super::sample::{self, Differences};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::random::Random;

/// Values up to which all arrangements are counted: two halves of 2²⁰ sums each.
const EXACT: usize = 40;

/// Draws between two looks at whether the work was stopped.
const STRIDE: usize = 1_000;

/// Are differences symmetric around zero? Their signs are flipped at random.
///
/// Statistic and estimate: the mean difference. p: the share of sign patterns whose mean is as far out, two-sided
/// twice that of the nearer side. Up to 40 differences all 2ⁿ patterns are counted; for more they are drawn, and p is
/// (1 + those as far out) / (1 + drawn), which is never 0 (B. Phipson and G. K. Smyth, 2010).
///
/// # Errors
/// All differences are zero; no draws.
pub fn sign_flip_test(differences: &Differences, draws: Draws, settings: Settings) -> Result<Test> {
    differences.check_not_zero()?;
    let differences = differences.values();
    // Flipping a set of differences takes twice their sum from the total. So a total as great is a set with a sum of
    // zero or less, and the reverse.
    let slack = rounding(differences);
    let (tails, how) = if differences.len() <= EXACT && !draws.always {
        let (first, second) = differences.split_at(differences.len() / 2);
        let sums = Sums { first: subset_sums(first), second: sorted(subset_sums(second)) };
        let patterns = 2.0_f64.powi(differences.len() as i32);
        let tails = Tails { lower: sums.at_least(-slack) / patterns, upper: sums.at_most(slack) / patterns };
        (tails, format!("exact, {patterns} sign patterns"))
    } else {
        let flipped = |random: &mut Random| {
            let mut bits = 0;
            sample::sum(differences.iter().enumerate().filter_map(|(place, value)| {
                if place % 64 == 0 {
                    bits = random.bits();
                }
                let flips = bits & 1 == 1;
                bits >>= 1;
                flips.then_some(*value)
            }))
        };
        let counts = monte_carlo(draws, flipped, 0.0, slack)?;
        (Tails { lower: counts.upper, upper: counts.lower }, drawn(draws))
    };
    let mean = sample::mean(differences);
    let p = tails.p(settings.alternative());
    Ok(Test::new(format!("sign-flip permutation test ({how})"), mean, p, differences.len())
        .directed(settings)
        .estimate("mean difference", mean))
}

/// Have two independent samples the same distribution? Values are exchanged between them at random.
///
/// Statistic and estimate: mean of a less mean of b. p: the share of divisions whose difference is as far out, two-sided
/// twice that of the nearer side. Up to 40 values in all, all divisions are counted; for more they are drawn, as in
/// [`sign_flip_test`].
///
/// # Errors
/// An empty sample, a value that is not finite, all values equal, no draws.
pub fn permutation_test(a: &[f64], b: &[f64], draws: Draws, settings: Settings) -> Result<Test> {
    sample::check("a", a, 1)?;
    sample::check("b", b, 1)?;
    let all = [a, b].concat();
    sample::check_varies("what a and b hold", &all, sample::scale(&all))?;
    // Around the mean, which no exchange changes: nothing large cancels in the sums.
    let mean = sample::mean(&all);
    let all: Vec<f64> = all.iter().map(|value| value - mean).collect();
    // The difference of means rises with the sum of the first sample.
    let observed = sample::sum(all[..a.len()].iter().copied());
    let slack = rounding(&all);
    let (tails, how) = if all.len() <= EXACT && !draws.always {
        let (tails, divisions) = all_divisions(&all, a.len(), observed, slack);
        (tails, format!("exact, {divisions} divisions"))
    } else {
        let mut pool = all.clone();
        let few = a.len().min(b.len());
        let divided = |random: &mut Random| {
            for place in 0..few {
                let other = place + random.below((pool.len() - place) as u64) as usize;
                pool.swap(place, other);
            }
            let sum = sample::sum(pool[..few].iter().copied());
            // What is drawn is the smaller sample; the sum over both is zero.
            if few == a.len() { sum } else { -sum }
        };
        (monte_carlo(draws, divided, observed, slack)?, drawn(draws))
    };
    let difference = sample::mean(a) - sample::mean(b);
    let p = tails.p(settings.alternative());
    Ok(Test::new(format!("permutation test of means ({how})"), difference, p, all.len())
        .directed(settings)
        .estimate("difference of means", difference)
        .sizes(a.len(), b.len()))
}

/// What the sum of some of these values may be off by: sums that are equal on paper count as equal.
fn rounding(values: &[f64]) -> f64 {
    values.len() as f64 * f64::EPSILON * sample::sum(values.iter().map(|value| value.abs()))
}

fn drawn(draws: Draws) -> String {
    format!("Monte Carlo, {} draws, seed {}", draws.count, draws.seed)
}

/// The share of draws at most and at least `observed`, the observed one among them.
fn monte_carlo(
    draws: Draws,
    mut statistic: impl FnMut(&mut Random) -> f64,
    observed: f64,
    slack: f64,
) -> Result<Tails> {
    if draws.count == 0 {
        return Err(Error::new("expected at least one draw, found 0"));
    }
    let mut random = Random::new(draws.seed);
    let (mut lower, mut upper) = (1, 1);
    for draw in 0..draws.count {
        if draw % STRIDE == 0 {
            interrupt::check()?;
        }
        let value = statistic(&mut random);
        lower += usize::from(value <= observed + slack);
        upper += usize::from(value >= observed - slack);
    }
    let all = draws.count as f64 + 1.0;
    Ok(Tails { lower: lower as f64 / all, upper: upper as f64 / all })
}

/// The sums of all subsets, by the bits of their place.
fn subset_sums(values: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    for value in values {
        for place in 0..sums.len() {
            sums.push(sums[place] + value);
        }
    }
    sums
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// All sums of one of the first and one of the second, which is in ascending order: a sum over a whole set is
/// one over each half of it.
struct Sums {
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Sums {
    /// How many are at most `bound`.
    fn at_most(&self, bound: f64) -> f64 {
        let of = |sum: &f64| self.second.partition_point(|other| sum + other <= bound) as f64;
        self.first.iter().map(of).sum()
    }

    /// How many are at least `bound`.
    fn at_least(&self, bound: f64) -> f64 {
        let of =
            |sum: &f64| (self.second.len() - self.second.partition_point(|other| sum + other < bound)) as f64;
        self.first.iter().map(of).sum()
    }
}

/// The share of all divisions of `values` into `size` and the rest whose sum is at most and at least `observed`.
fn all_divisions(values: &[f64], size: usize, observed: f64, slack: f64) -> (Tails, f64) {
    let by_size = |values: &[f64]| {
        let mut groups = vec![Vec::new(); values.len() + 1];
        for (place, sum) in subset_sums(values).into_iter().enumerate() {
            groups[place.count_ones() as usize].push(sum);
        }
        groups
    };
    let (first, second) = values.split_at(values.len() / 2);
    let (first, mut second) = (by_size(first), by_size(second));
    let (mut lower, mut upper, mut divisions) = (0.0, 0.0, 0.0);
    for (taken, group) in first.into_iter().enumerate() {
        // What the first half lacks of `size` comes from the second.
        let Some(rest) = size.checked_sub(taken).and_then(|rest| second.get_mut(rest)) else { continue };
        let sums = Sums { first: group, second: sorted(std::mem::take(rest)) };
        lower += sums.at_most(observed + slack);
        upper += sums.at_least(observed - slack);
        divisions += sums.first.len() as f64 * sums.second.len() as f64;
    }
    (Tails { lower: lower / divisions, upper: upper / divisions }, divisions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_subsets_have_their_sums() {
        assert_eq!(subset_sums(&[1.0, 2.0, 4.0]), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn divisions_are_the_binomial_coefficient() {
        let values: Vec<f64> = (0..11).map(f64::from).collect();
        let (tails, divisions) = all_divisions(&values, 4, -1.0, 0.0);
        assert_eq!(divisions, 330.0);
        assert_eq!(tails, Tails { lower: 0.0, upper: 1.0 });
        let (tails, _) = all_divisions(&values, 4, 6.0, 0.0);
        assert_eq!(tails.lower, 1.0 / 330.0);
    }
}
