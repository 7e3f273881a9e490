//! Group-relative policy optimisation (Shao and others, 2024): the baseline of a response's score is the
//! mean over the responses to the same query. No value head.
//!
//! A = (score − mean of the group) / (standard deviation of the group + 1e-4), the same for all tokens of a
//! response; loss = mean over responses of the mean over tokens of
//! max(−A·ρ, −A·clip(ρ, 1 ± c)) + β · (e^d − d − 1), d = log π_ref − log π.

use std::collections::HashMap;
use std::path::Path;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Trainable;
use super::checkpoint::{self, Checkpoint};
use super::gradient::Gradients;
use super::optimizer::{Optimizer, Rule};
use super::ppo::Statistics;
use super::rollout::{Rollout, numbers, rollouts, said};
use super::trainable::restore;
use super::trainer::backward;
use crate::error::{Error, Result};
use crate::interrupt;

/// How [`Grpo`] steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GrpoOptions {
    /// Learning rate of Adam.
    pub rate: f64,
    /// Moves of the parameters a step, each on the whole batch.
    pub epochs: usize,
    /// c: how far ρ may leave 1 with profit.
    pub clip: f64,
    /// β: weight of the distance to the model before training.
    pub beta: f64,
    /// Largest norm of the gradients.
    pub clip_norm: Option<f64>,
}

impl Default for GrpoOptions {
    fn default() -> Self {
        Self { rate: 1e-6, epochs: 1, clip: 0.2, beta: 0.04, clip_norm: None }
    }
}

/// Takes GRPO steps on what is trained.
pub struct Grpo {
    trainable: Trainable,
    options: GrpoOptions,
    optimizer: Optimizer,
    step: u64,
}

impl Grpo {
    /// GRPO of a policy.
    ///
    /// # Errors
    /// An option out of range.
    pub fn new(trainable: Trainable, options: GrpoOptions) -> Result<Self> {
        if options.epochs == 0 {
            return Err(Error::new("epochs is 0, expected 1 or more"));
        }
        for (name, value) in [
            ("learning rate", options.rate),
            ("clip", options.clip),
            ("clip_norm", options.clip_norm.unwrap_or(1.0)),
        ] {
            if !value.is_finite() || value <= 0.0 {
                return Err(Error::new(format!("{name} is {value}, expected more than 0")));
            }
        }
        if !options.beta.is_finite() || options.beta < 0.0 {
            return Err(Error::new(format!("beta is {}, expected 0 or more", options.beta)));
        }
        let optimizer = Optimizer::new(Rule::adam_w(0.0), trainable.parameters().to_vec())?;
        Ok(Self { trainable, options, optimizer, step: 0 })
    }

    /// What is trained.
    pub fn trainable(&self) -> &Trainable {
        &self.trainable
    }

    /// Steps taken.
    pub fn n_steps(&self) -> u64 {
        self.step
    }

    /// One step on responses to queries, with a score each; responses to equal queries are a group.
    ///
    /// # Errors
    /// As [`Ppo::step`](super::ppo::Ppo::step); a query with a single response, which has no baseline.
    pub fn step(
        &mut self,
        queries: &[Vec<u32>],
        responses: &[Vec<u32>],
        scores: &[f64],
    ) -> Result<Statistics> {
        let batch = rollouts(queries, responses, scores)?;
        let advantages = advantages(&batch, scores)?;
        let reference = said(self.trainable.reference(), &batch, false)?.log_probs.detach();
        let lengths: Vec<usize> = batch.iter().map(|rollout| rollout.response().len()).collect();

        let mut old: Option<Tensor> = None;
        let mut sums = [0.0; 5];
        for _ in 0..self.options.epochs {
            interrupt::check()?;
            let new = said(&self.trainable.live(None)?, &batch, false)?;
            // The policy that sampled is the one of the first epoch.
            let old = old.get_or_insert_with(|| new.log_probs.detach()).clone();
            let found = objective(&new.log_probs, &old, &reference, &lengths, &advantages, self.options)?;
            let mut gradients = Gradients::default();
            let value = backward(&found.loss, self.optimizer.parameters(), &mut gradients)?;
            let norm = gradients.norm(self.optimizer.parameters())?;
            if let Some(limit) = self.options.clip_norm {
                gradients.clip(norm, limit)?;
            }
            self.optimizer.step(&gradients, self.options.rate)?;
            let entropies = numbers(&new.entropies)?;
            let entropy = entropies.iter().sum::<f64>() / entropies.len() as f64;
            let said = [value, found.policy, found.distance, found.clipped, entropy];
            sums.iter_mut().zip(said).for_each(|(sum, value)| *sum += value);
        }
        self.step += 1;
        let [total, policy, distance, clipped, entropy] = sums.map(|sum| sum / self.options.epochs as f64);
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n;
        let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        Ok(vec![
            ("grpo/loss/total", total),
            ("grpo/loss/policy", policy),
            ("grpo/kl", distance),
            ("grpo/policy/clipfrac", clipped),
            ("grpo/policy/entropy", entropy),
            ("grpo/mean_scores", mean),
            ("grpo/std_scores", variance.sqrt()),
        ])
    }

    /// Writes a checkpoint: parameters, optimiser, steps, and the caller's `state`.
    ///
    /// # Errors
    /// The file cannot be written; what stood there before stays.
    pub fn save(&self, path: &Path, state: Value) -> Result<()> {
        let mut checkpoint = Checkpoint::new("grpo", serde_json::to_value(self.options)?, self.step, state);
        checkpoint.add_parameters(self.optimizer.parameters())?;
        checkpoint.add_optimizer(&self.optimizer)?;
        checkpoint.write(path)
    }

    /// Goes on from a checkpoint, where there is one; gives the caller's state.
    ///
    /// # Errors
    /// A file that is damaged, or that another training with other options or parameters wrote.
    pub fn resume(&mut self, path: &Path) -> Result<Option<Value>> {
        let options = serde_json::to_value(self.options)?;
        let Some(mut saved) = checkpoint::read(path, "grpo", &options)? else { return Ok(None) };
        let (memory, steps) = saved.take_optimizer()?;
        self.optimizer.restore(memory, steps)?;
        restore(self.optimizer.parameters(), saved.take("parameter/"))?;
        self.step = saved.step;
        Ok(Some(saved.state))
    }
}

/// A batch's loss with its parts.
#[derive(Debug)]
pub struct Objective {
    /// Policy loss plus β times the distance.
    pub loss: Tensor,
    /// The policy loss.
    pub policy: f64,
    /// The distance to the model before training, in nats a token.
    pub distance: f64,
    /// Share of tokens whose clipped loss is the larger one.
    pub clipped: f64,
}

/// The loss of log-probabilities [token], response after response of these `lengths`, with one advantage each.
///
/// # Errors
/// Where the device fails.
pub fn objective(
    log_probs: &Tensor,
    old: &Tensor,
    reference: &Tensor,
    lengths: &[usize],
    advantages: &[f64],
    options: GrpoOptions,
) -> Result<Objective> {
    let spread = |value: &dyn Fn(usize) -> f64| -> Result<Tensor> {
        let each = |row: usize| std::iter::repeat_n(value(row) as f32, lengths[row]);
        let values: Vec<f32> = (0..lengths.len()).flat_map(each).collect();
        Ok(Tensor::new(values, log_probs.device())?)
    };
    // Each token's share in a mean over responses of means over tokens.
    let weights = spread(&|row| 1.0 / (lengths[row] * lengths.len()) as f64)?;
    let against = spread(&|row| -advantages[row])?;
    let ratio = (log_probs - old)?.exp()?;
    let bounded = ratio.clamp(1.0 - options.clip, 1.0 + options.clip)?;
    let (plain, clipped) = ((&against * &ratio)?, (&against * bounded)?);
    let difference = (reference - log_probs)?;
    let distance = ((difference.exp()? - difference)? - 1.0)?;
    let policy = (plain.maximum(&clipped)? * &weights)?.sum_all()?;
    let distance = (distance * &weights)?.sum_all()?;
    let loss = (&policy + (&distance * options.beta)?)?;
    let (plain, clipped) = (numbers(&plain)?, numbers(&clipped)?);
    let larger = clipped.iter().zip(&plain).filter(|(clipped, plain)| clipped > plain).count();
    Ok(Objective {
        loss,
        policy: numbers(&policy)?[0],
        distance: numbers(&distance)?[0],
        clipped: larger as f64 / plain.len().max(1) as f64,
    })
}

/// Each response's advantage over the others to its query.
///
/// # Errors
/// A query with a single response.
pub fn advantages(batch: &[Rollout], scores: &[f64]) -> Result<Vec<f64>> {
    let mut groups: HashMap<&[u32], Vec<f64>> = HashMap::new();
    for (rollout, score) in batch.iter().zip(scores) {
        groups.entry(rollout.query()).or_default().push(*score);
    }
    batch
        .iter()
        .zip(scores)
        .enumerate()
        .map(|(row, (rollout, score))| {
            let group = groups.get(rollout.query()).map_or(&[][..], Vec::as_slice);
            let n = group.len() as f64;
            if group.len() < 2 {
                return Err(Error::new(format!("query {row} has one response, which has no baseline"))
                    .hint("sample several responses to each query"));
            }
            let mean = group.iter().sum::<f64>() / n;
            let variance = group.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (n - 1.0);
            Ok((score - mean) / (variance.sqrt() + 1e-4))
        })
        .collect()
}
