//! The loss of a minibatch, and what it says of it.

use candle_core::Tensor;

use crate::error::Result;
use crate::train::rollout::numbers;

/// Bounds and weights of the loss.
#[derive(Debug, Clone, Copy)]
pub struct Clips {
    /// c of ρ.
    pub ratio: f64,
    /// c of values.
    pub value: f64,
    /// Weight of the value loss.
    pub value_weight: f64,
    /// Above this mean ρ the minibatch contributes no loss.
    pub ratio_limit: f64,
}

/// A minibatch's loss with its parts. Means run over its response tokens.
#[derive(Debug)]
pub struct Objective {
    /// Policy loss plus weighted value loss; none where the mean ρ is beyond its limit.
    pub loss: Option<Tensor>,
    /// The statistics, by name.
    pub said: Vec<(&'static str, f64)>,
}

/// mean max(−A·ρ, −A·clip(ρ, 1 ± c)) + w · ½ · mean max((V − R)², (clip(V, V_old ± c_v) − R)²), with
/// ρ = exp(log π − log π_old). All tensors are [token].
///
/// # Errors
/// Where the device fails.
pub fn objective(
    log_probs: &Tensor,
    values: &Tensor,
    old_log_probs: &Tensor,
    old_values: &Tensor,
    advantages: &Tensor,
    returns: &Tensor,
    clips: Clips,
) -> Result<Objective> {
    let change = (log_probs - old_log_probs)?;
    let ratio = change.exp()?;
    let against = advantages.neg()?;
    let plain = (&against * &ratio)?;
    let clipped = (&against * ratio.clamp(1.0 - clips.ratio, 1.0 + clips.ratio)?)?;
    let policy_loss = plain.maximum(&clipped)?.mean_all()?;

    let bounded = values.maximum(&(old_values - clips.value)?)?.minimum(&(old_values + clips.value)?)?;
    let (errors, bounded_errors) = ((values - returns)?.sqr()?, (bounded - returns)?.sqr()?);
    let value_loss = (errors.maximum(&bounded_errors)?.mean_all()? * 0.5)?;

    let mean_ratio = mean(&numbers(&ratio)?);
    let loss = match mean_ratio > clips.ratio_limit {
        true => None,
        false => Some((&policy_loss + (&value_loss * clips.value_weight)?)?),
    };

    let (plain, clipped) = (numbers(&plain)?, numbers(&clipped)?);
    let (errors, bounded_errors) = (numbers(&errors)?, numbers(&bounded_errors)?);
    let returns = numbers(returns)?;
    let change = numbers(&change)?;
    let error = mean(&errors);
    let spread = variance(&returns);
    let one = |tensor: &Tensor| -> Result<f64> { Ok(mean(&numbers(tensor)?)) };
    let said = vec![
        ("ppo/loss/policy", if loss.is_some() { one(&policy_loss)? } else { 0.0 }),
        ("ppo/loss/value", if loss.is_some() { one(&value_loss)? } else { 0.0 }),
        ("ppo/loss/total", loss.as_ref().map_or(Ok(0.0), one)?),
        ("ppo/policy/approxkl", 0.5 * mean(&change.iter().map(|change| change * change).collect::<Vec<_>>())),
        ("ppo/policy/clipfrac", share(&clipped, &plain)),
        ("ppo/policy/ratio", mean_ratio),
        ("ppo/policy/advantages_mean", one(advantages)?),
        ("ppo/returns/mean", mean(&returns)),
        ("ppo/returns/var", spread),
        ("ppo/val/mean", one(old_values)?),
        ("ppo/val/error", error),
        ("ppo/val/clipfrac", share(&bounded_errors, &errors)),
    ];
    Ok(Objective { loss, said })
}

/// Share of tokens where `left` is larger.
fn share(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).filter(|(left, right)| left > right).count() as f64 / left.len().max(1) as f64
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The unbiased variance; 0 of a single value.
fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0).max(1.0)
}

/// The statistics of all minibatches of a step.
#[derive(Debug, Default)]
pub struct Terms {
    sums: Vec<(&'static str, f64)>,
    count: f64,
}

impl Terms {
    /// Adds a minibatch.
    pub fn add(&mut self, objective: &Objective, entropies: &[f64]) {
        let all = objective.said.iter().copied().chain([("ppo/policy/entropy", mean(entropies))]);
        if self.sums.is_empty() {
            self.sums = all.collect();
        } else {
            self.sums.iter_mut().zip(all).for_each(|((_, sum), (_, value))| *sum += value);
        }
        self.count += 1.0;
    }

    /// Means over the minibatches; the explained variance is that of the means.
    pub fn means(&self) -> Vec<(&'static str, f64)> {
        let mut means: Vec<(&'static str, f64)> =
            self.sums.iter().map(|(name, sum)| (*name, sum / self.count.max(1.0))).collect();
        let of = |wanted: &str| means.iter().find(|(name, _)| *name == wanted).map_or(f64::NAN, |(_, v)| *v);
        let explained = 1.0 - of("ppo/val/error") / of("ppo/returns/var");
        means.push(("ppo/val/var_explained", explained));
        means
    }
}
