//! Supervised steps: loss, gradients, one move of the parameters.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Trainable;
use super::checkpoint::{self, Checkpoint};
use super::example::Example;
use super::gradient::Gradients;
use super::loss;
use super::optimizer::{Optimizer, Rule};
use super::schedule::Schedule;
use super::trainable::restore;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::model::Model;
use crate::model::side_path::Dropout;

/// How a [`Trainer`] steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrainerOptions {
    /// What turns gradients into steps.
    pub rule: Rule,
    /// The learning rate of each step.
    pub schedule: Schedule,
    /// The largest norm of all gradients together.
    pub clip: Option<f64>,
    /// Parts that a batch is run in, one after the other, for less memory. The step is that of the whole.
    pub accumulate: usize,
    /// Seed of what dropout leaves out.
    pub seed: u64,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// The loss before the step.
    pub loss: f64,
    /// Norm of the gradients, before clipping.
    pub norm: f64,
    /// Learning rate.
    pub rate: f64,
    /// Steps taken, this one counted.
    pub step: u64,
    /// What else the loss says, by name.
    pub more: Vec<(&'static str, f64)>,
}

/// Takes supervised steps on what is trained.
pub struct Trainer {
    trainable: Trainable,
    options: TrainerOptions,
    optimizer: Optimizer,
    step: u64,
}

impl Trainer {
    /// A trainer that has taken no step.
    ///
    /// # Errors
    /// An option out of range.
    pub fn new(trainable: Trainable, options: TrainerOptions) -> Result<Self> {
        options.schedule.check()?;
        if options.accumulate == 0 {
            return Err(Error::new("accumulate is 0, expected 1 or more parts of a batch"));
        }
        if options.clip.is_some_and(|clip| !clip.is_finite() || clip <= 0.0) {
            return Err(Error::new("clip must be a norm of more than 0"));
        }
        let optimizer = Optimizer::new(options.rule, trainable.parameters().to_vec())?;
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

    /// One step down the mean next-token cross-entropy of the counted tokens of `examples`.
    ///
    /// # Errors
    /// No examples; a loss or gradient that is not finite, in which case nothing was changed; Ctrl-C.
    pub fn cross_entropy(&mut self, examples: &[Example]) -> Result<Stepped> {
        check_batch(examples.len())?;
        let total = examples.iter().map(Example::counted).sum::<usize>() as f64;
        let is_dropping = self.is_dropping();
        let parts = self.parts(examples);
        let stepped = self
            .update(parts.into_iter(), |model, part| loss::cross_entropy(model, part, total, is_dropping))?;
        Ok(Stepped { more: vec![("tokens", total)], ..stepped })
    }

    /// One step of direct preference optimisation on (chosen, rejected) pairs, the model before training
    /// being the reference; see [`loss::preference`].
    ///
    /// # Errors
    /// As [`Trainer::cross_entropy`].
    pub fn preference(&mut self, pairs: &[(Example, Example)], beta: f64) -> Result<Stepped> {
        check_batch(pairs.len())?;
        if !beta.is_finite() || beta <= 0.0 {
            return Err(Error::new(format!("beta is {beta}, expected more than 0")));
        }
        let (total, is_dropping) = (pairs.len() as f64, self.is_dropping());
        let reference = self.trainable.reference().clone();
        let (mut chosen, mut rejected) = (Vec::new(), Vec::new());
        let parts = self.parts(pairs);
        let stepped = self.update(parts.into_iter(), |model, part| {
            let preference = loss::preference(model, &reference, part, beta, total, is_dropping)?;
            chosen.extend(preference.chosen_rewards);
            rejected.extend(preference.rejected_rewards);
            Ok(preference.loss)
        })?;
        let mean = |values: &[f32]| values.iter().map(|&value| f64::from(value)).sum::<f64>() / total;
        let preferred = chosen.iter().zip(&rejected).filter(|(chosen, rejected)| chosen > rejected).count();
        let more = vec![
            ("chosen_reward", mean(&chosen)),
            ("rejected_reward", mean(&rejected)),
            ("accuracy", preferred as f64 / total),
        ];
        Ok(Stepped { more, ..stepped })
    }

    /// One step down a loss of the caller's own: a scalar tensor made from the model's outputs.
    ///
    /// # Errors
    /// The loss fails, is no scalar, or does not depend on what is trained; as [`Trainer::cross_entropy`].
    pub fn custom(&mut self, loss: impl FnOnce(&Model) -> Result<Tensor>) -> Result<Stepped> {
        let mut loss = Some(loss);
        self.update(std::iter::once(()), |model, ()| match loss.take() {
            Some(loss) => loss(model),
            None => Err(Error::new("the loss was computed already")),
        })
    }

    /// Gradients of the losses of all parts, then one move. Where anything fails nothing has moved.
    fn update<T>(
        &mut self,
        parts: impl Iterator<Item = T>,
        mut loss: impl FnMut(&Model, T) -> Result<Tensor>,
    ) -> Result<Stepped> {
        let (mut gradients, mut total) = (Gradients::default(), 0.0);
        for (part, input) in parts.enumerate() {
            interrupt::check()?;
            let model = self.trainable.live(self.dropout(part as u64))?;
            let loss = loss(&model, input)?;
            total += backward(&loss, self.optimizer.parameters(), &mut gradients)?;
        }
        let norm = gradients.norm(self.optimizer.parameters())?;
        if let Some(clip) = self.options.clip {
            gradients.clip(norm, clip)?;
        }
        let rate = self.options.schedule.at(self.step);
        self.optimizer.step(&gradients, rate)?;
        self.step += 1;
        Ok(Stepped { loss: total, norm, rate, step: self.step, more: Vec::new() })
    }

    /// A batch in the parts that it is run in.
    fn parts<'a, T>(&self, batch: &'a [T]) -> Vec<&'a [T]> {
        batch.chunks(batch.len().div_ceil(self.options.accumulate).max(1)).collect()
    }

    fn is_dropping(&self) -> bool {
        self.trainable.dropout() > 0.0
    }

    /// What this step's part leaves out: a matter of the seed and the step alone.
    fn dropout(&self, part: u64) -> Option<Dropout> {
        let share = self.trainable.dropout();
        (share > 0.0).then(|| Dropout::new(share, self.options.seed, self.step, part))
    }

    /// Writes a checkpoint: parameters, optimiser, steps, and the caller's `state`.
    ///
    /// # Errors
    /// The file cannot be written; what stood there before stays.
    pub fn save(&self, path: &Path, state: Value) -> Result<()> {
        let mut checkpoint =
            Checkpoint::new("trainer", serde_json::to_value(self.options)?, self.step, state);
        checkpoint.add_parameters(self.optimizer.parameters())?;
        checkpoint.add_optimizer(&self.optimizer)?;
        checkpoint.write(path)
    }

    /// Goes on from a checkpoint, where there is one; gives the caller's state.
    ///
    /// # Errors
    /// A file that is damaged, or that another training with other options or parameters wrote.
    pub fn resume(&mut self, path: &Path) -> Result<Option<Value>> {
        let Some(mut saved) = checkpoint::read(path, "trainer", &serde_json::to_value(self.options)?)? else {
            return Ok(None);
        };
        let (memory, steps) = saved.take_optimizer()?;
        let parameters: BTreeMap<String, Tensor> = saved.take("parameter/");
        self.optimizer.restore(memory, steps)?;
        restore(self.trainable.parameters(), parameters)?;
        self.step = saved.step;
        Ok(Some(saved.state))
    }
}

/// Adds the gradients of a loss to `gradients`; gives its value.
///
/// # Errors
/// A loss that is no scalar, not finite, or depends on none of the parameters.
pub(super) fn backward(
    loss: &Tensor,
    parameters: &[super::trainable::Parameter],
    gradients: &mut Gradients,
) -> Result<f64> {
    if loss.elem_count() != 1 {
        return Err(Error::new(format!("the loss is a tensor {:?}, expected a single number", loss.dims()))
            .hint("end with .mean() or .sum()"));
    }
    let value = f64::from(loss.flatten_all()?.to_dtype(candle_core::DType::F32)?.to_vec1::<f32>()?[0]);
    if !value.is_finite() {
        return Err(not_finite(value, parameters));
    }
    let mut store = loss.backward()?;
    gradients.add(parameters, &mut store)?;
    if gradients.tensors().iter().all(Option::is_none) {
        return Err(Error::new("the loss does not depend on anything that is trained")
            .hint("compute it from the model that the closure is given, with tensor operations alone"));
    }
    Ok(value)
}

/// Says that a loss is not finite, and which parameter is not either.
fn not_finite(value: f64, parameters: &[super::trainable::Parameter]) -> Error {
    let is_spoilt = |parameter: &&super::trainable::Parameter| {
        let sum = parameter.var.as_detached_tensor().sum_all().and_then(|sum| sum.to_scalar::<f32>());
        !sum.is_ok_and(f32::is_finite)
    };
    let error = match parameters.iter().find(is_spoilt) {
        Some(parameter) => {
            Error::new(format!("the loss is {value}: {} holds values that are not finite", parameter.name))
        }
        None => Error::new(format!("the loss is {value}, though all trained tensors are finite")),
    };
    error.hint("the step was not taken; go back to the last checkpoint, lower the learning rate or clip")
}

fn check_batch(len: usize) -> Result<()> {
    match len {
        0 => Err(Error::new("an empty batch has no loss").hint("give at least one example")),
        _ => Ok(()),
    }
}
