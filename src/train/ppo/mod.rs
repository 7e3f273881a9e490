//! Proximal policy optimisation (Schulman and others, 2017) of a language model, with a value head and a
//! penalty on the distance to the model before training (Ziegler and others, 2019).
//!
//! One step on responses that the policy itself has sampled:
//!
//! 1. Rewards: r_t = −β · (log π_old − log π_ref), and the score on the last token.
//! 2. Advantages by GAE, returns = advantages + values, then advantages whitened over the batch.
//! 3. Some epochs of: policy loss max(−A·ρ, −A·clip(ρ, 1 ± c)) + v · value loss, one move of the parameters
//!    each minibatch.
//! 4. β moves towards its target distance.

pub mod advantages;
pub mod control;
pub mod objective;
pub mod value_head;

use std::path::Path;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::advantages::{Estimate, estimate};
use self::control::{KlControl, KlOptions, Moments};
use self::objective::{Clips, Terms};
use self::value_head::ValueHead;
use super::Trainable;
use super::checkpoint::{self, Checkpoint};
use super::gradient::Gradients;
use super::optimizer::{Optimizer, Rule};
use super::rollout::{Rollout, numbers, rollouts, said};
use super::trainable::{Parameter, restore};
use super::trainer::backward;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::random::Random;

/// How [`Ppo`] steps. The defaults are those of the classic form.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PpoOptions {
    /// Learning rate of Adam.
    pub rate: f64,
    /// Passes over the batch a step.
    pub epochs: usize,
    /// Responses a move of the parameters; `None` takes the whole batch.
    pub minibatch: Option<usize>,
    /// Discount of later rewards.
    pub gamma: f64,
    /// λ of GAE.
    pub lambda: f64,
    /// c: how far ρ may leave 1 with profit.
    pub clip: f64,
    /// How far a value may leave what it was with profit.
    pub value_clip: f64,
    /// Weight of the value loss.
    pub value_weight: f64,
    /// A minibatch whose mean ρ is above this contributes no loss.
    pub ratio_limit: f64,
    /// The penalty on the distance to the model before training.
    pub kl: KlOptions,
    /// Scores are divided by their running standard deviation.
    pub scale_scores: bool,
    /// The running mean is taken off the scores before.
    pub normalise_scores: bool,
    /// Largest norm of the gradients.
    pub clip_norm: Option<f64>,
    /// Seed of the value head's start and of the minibatches' order.
    pub seed: u64,
    /// Minibatches are drawn in a random order.
    pub shuffle: bool,
}

impl Default for PpoOptions {
    fn default() -> Self {
        Self {
            rate: 1.41e-5,
            epochs: 4,
            minibatch: None,
            gamma: 1.0,
            lambda: 0.95,
            clip: 0.2,
            value_clip: 0.2,
            value_weight: 0.1,
            ratio_limit: 10.0,
            kl: KlOptions::default(),
            scale_scores: true,
            normalise_scores: true,
            clip_norm: None,
            seed: 0,
            shuffle: true,
        }
    }
}

impl PpoOptions {
    fn check(&self) -> Result<()> {
        let fault = |what: String| Err(Error::new(what));
        if !self.rate.is_finite() || self.rate <= 0.0 {
            return fault(format!("a learning rate of {}, expected more than 0", self.rate));
        }
        if self.epochs == 0 || self.minibatch == Some(0) {
            return fault("epochs and minibatch must be 1 or more".to_owned());
        }
        for (name, value) in [("gamma", self.gamma), ("lambda", self.lambda)] {
            if !(0.0..=1.0).contains(&value) {
                return fault(format!("{name} is {value}, expected 0 to 1"));
            }
        }
        for (name, value) in [
            ("clip", self.clip),
            ("value_clip", self.value_clip),
            ("ratio_limit", self.ratio_limit),
            ("clip_norm", self.clip_norm.unwrap_or(1.0)),
        ] {
            if value.is_nan() || value <= 0.0 {
                return fault(format!("{name} is {value}, expected more than 0"));
            }
        }
        if !self.value_weight.is_finite() || self.value_weight < 0.0 {
            return fault(format!("value_weight is {}, expected 0 or more", self.value_weight));
        }
        self.kl.check()
    }
}

/// Statistics of a step, by name, in a fixed order.
pub type Statistics = Vec<(&'static str, f64)>;

/// Takes PPO steps on what is trained.
pub struct Ppo {
    trainable: Trainable,
    options: PpoOptions,
    head: ValueHead,
    optimizer: Optimizer,
    control: KlControl,
    moments: Moments,
    step: u64,
}

impl Ppo {
    /// PPO of a policy, with a fresh value head.
    ///
    /// # Errors
    /// An option out of range.
    pub fn new(trainable: Trainable, options: PpoOptions) -> Result<Self> {
        let config = trainable.reference().decoder().config();
        let head = ValueHead::fresh(config.d_model, options.seed, trainable.reference().decoder().device())?;
        Self::with_head(trainable, options, head)
    }

    /// PPO of a policy with a value head of the caller's.
    ///
    /// # Errors
    /// An option out of range.
    pub fn with_head(trainable: Trainable, options: PpoOptions, head: ValueHead) -> Result<Self> {
        options.check()?;
        let parameters: Vec<Parameter> =
            trainable.parameters().iter().cloned().chain(head.parameters()).collect();
        let optimizer = Optimizer::new(Rule::adam_w(0.0), parameters)?;
        let control = KlControl::new(options.kl);
        Ok(Self { trainable, options, head, optimizer, control, moments: Moments::default(), step: 0 })
    }

    /// What is trained.
    pub fn trainable(&self) -> &Trainable {
        &self.trainable
    }

    /// The value head.
    pub fn head(&self) -> &ValueHead {
        &self.head
    }

    /// Steps taken.
    pub fn n_steps(&self) -> u64 {
        self.step
    }

    /// β, the weight of the penalty on the distance to the model before training.
    pub fn kl_coefficient(&self) -> f64 {
        self.control.coefficient()
    }

    /// One step on responses to queries, with a score each. Gives the step's statistics.
    ///
    /// # Errors
    /// Lists that do not fit each other, an empty response, a score, loss or gradient that is not finite
    /// (no parameter has moved in that epoch then); Ctrl-C between epochs.
    pub fn step(
        &mut self,
        queries: &[Vec<u32>],
        responses: &[Vec<u32>],
        scores: &[f64],
    ) -> Result<Statistics> {
        let batch = rollouts(queries, responses, scores)?;
        let moments = self.moments.updated(scores);
        let shaped = self.shaped(scores, &moments);

        // What the policy and the model before training say, before anything moves.
        let policy = self.trainable.model()?;
        let old = said(&policy, &batch, true)?;
        let old_values = numbers(&self.head.values(&old.hidden_states()?)?)?;
        let old_log_probs = numbers(&old.log_probs)?;
        let reference = numbers(&said(self.trainable.reference(), &batch, false)?.log_probs)?;
        drop(policy);

        let lengths: Vec<usize> = batch.iter().map(|rollout| rollout.response().len()).collect();
        let estimate = estimate(
            &lengths,
            &old_log_probs,
            &reference,
            &old_values,
            &shaped,
            self.control.coefficient(),
            self.options.gamma,
            self.options.lambda,
        );

        let mut terms = Terms::default();
        for order in self.order(batch.len()) {
            for rows in order.chunks(self.options.minibatch.unwrap_or(batch.len())) {
                interrupt::check()?;
                self.move_once(rows, &batch, &lengths, &estimate, &old_log_probs, &old_values, &mut terms)?;
            }
        }

        let statistics = self.statistics(&shaped, &old_log_probs, &estimate, terms);
        self.control.update(estimate.mean_kl, batch.len());
        self.moments = moments;
        self.step += 1;
        Ok(statistics)
    }

    /// Scores as they enter the rewards.
    fn shaped(&self, scores: &[f64], moments: &Moments) -> Vec<f64> {
        let mean = if self.options.normalise_scores { moments.mean } else { 0.0 };
        let divisor =
            if self.options.scale_scores { moments.deviation() + f64::from(f32::EPSILON) } else { 1.0 };
        scores.iter().map(|score| (score - mean) / divisor).collect()
    }

    /// The rows of each epoch, in the order in which they are taken.
    fn order(&self, rows: usize) -> Vec<Vec<usize>> {
        let mut random = Random::new(self.options.seed ^ (self.step + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let is_whole = self.options.minibatch.is_none_or(|minibatch| minibatch >= rows);
        (0..self.options.epochs)
            .map(|_| {
                let mut order: Vec<usize> = (0..rows).collect();
                if self.options.shuffle && !is_whole {
                    random.shuffle(&mut order);
                }
                order
            })
            .collect()
    }

    /// One move of the parameters on a minibatch.
    #[allow(clippy::too_many_arguments)]
    fn move_once(
        &mut self,
        rows: &[usize],
        batch: &[Rollout],
        lengths: &[usize],
        estimate: &Estimate,
        old_log_probs: &[f64],
        old_values: &[f64],
        terms: &mut Terms,
    ) -> Result<()> {
        let starts: Vec<usize> = lengths
            .iter()
            .scan(0, |end, len| {
                *end += len;
                Some(*end - len)
            })
            .collect();
        let tokens: Vec<usize> =
            rows.iter().flat_map(|&row| starts[row]..starts[row] + lengths[row]).collect();
        let minibatch: Vec<Rollout> = rows.iter().map(|&row| batch[row].clone()).collect();
        let device = self.trainable.reference().decoder().device().clone();
        let pick = |values: &[f64]| -> Result<Tensor> {
            let values: Vec<f32> = tokens.iter().map(|&token| values[token] as f32).collect();
            Ok(Tensor::new(values, &device)?)
        };

        let model = self.trainable.live(None)?;
        let new = said(&model, &minibatch, true)?;
        let values = self.head.values(&new.hidden_states()?)?;
        let objective = objective::objective(
            &new.log_probs,
            &values,
            &pick(old_log_probs)?,
            &pick(old_values)?,
            &pick(&estimate.advantages)?,
            &pick(&estimate.returns)?,
            Clips {
                ratio: self.options.clip,
                value: self.options.value_clip,
                value_weight: self.options.value_weight,
                ratio_limit: self.options.ratio_limit,
            },
        )?;
        terms.add(&objective, &numbers(&new.entropies)?);
        let Some(loss) = &objective.loss else { return Ok(()) };
        let mut gradients = Gradients::default();
        backward(loss, self.optimizer.parameters(), &mut gradients)?;
        let norm = gradients.norm(self.optimizer.parameters())?;
        if let Some(limit) = self.options.clip_norm {
            gradients.clip(norm, limit)?;
        }
        self.optimizer.step(&gradients, self.options.rate)
    }

    fn statistics(
        &self,
        scores: &[f64],
        old_log_probs: &[f64],
        estimate: &Estimate,
        terms: Terms,
    ) -> Statistics {
        let n = scores.len() as f64;
        let mean_score = scores.iter().sum::<f64>() / n;
        let variance =
            scores.iter().map(|score| (score - mean_score).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let mut statistics = vec![
            ("objective/kl", estimate.mean_kl),
            ("objective/kl_coef", self.control.coefficient()),
            ("objective/entropy", -old_log_probs.iter().sum::<f64>() / n),
        ];
        statistics.extend(terms.means());
        statistics.extend([("ppo/mean_scores", mean_score), ("ppo/std_scores", variance.sqrt())]);
        statistics
    }

    /// Writes a checkpoint: adapter or weights, value head, optimiser, β, running moments, steps, and the
    /// caller's `state`.
    ///
    /// # Errors
    /// The file cannot be written; what stood there before stays.
    pub fn save(&self, path: &Path, state: Value) -> Result<()> {
        let mut checkpoint = Checkpoint::new("ppo", serde_json::to_value(self.options)?, self.step, state);
        checkpoint.inner = json!({ "kl_coefficient": self.control.coefficient(), "moments": self.moments });
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
        let Some(mut saved) = checkpoint::read(path, "ppo", &options)? else { return Ok(None) };
        let coefficient = saved.inner["kl_coefficient"].as_f64();
        let coefficient = coefficient.ok_or_else(|| Error::new("the checkpoint lacks kl_coefficient"))?;
        let moments = serde_json::from_value(saved.inner["moments"].take())?;
        let (memory, steps) = saved.take_optimizer()?;
        self.optimizer.restore(memory, steps)?;
        restore(self.optimizer.parameters(), saved.take("parameter/"))?;
        self.control.set(coefficient);
        self.moments = moments;
        self.step = saved.step;
        Ok(Some(saved.state))
    }
}
