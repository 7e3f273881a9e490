//! Optimisers: AdamW and SGD, as torch has them.

mod kernel;

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::gradient::Gradients;
use super::trainable::Parameter;
use crate::error::{Error, Result};

/// Which rule turns gradients into steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Rule {
    /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019); without decay it is Adam.
    AdamW {
        /// Decay of the mean of gradients.
        beta1: f64,
        /// Decay of the mean of their squares.
        beta2: f64,
        /// Added to the root of the squares.
        eps: f64,
        /// Each step takes rate · decay of a weight away.
        weight_decay: f64,
    },
    /// Gradient descent: v ← momentum · v + g, w ← w − rate · v.
    Sgd {
        /// Share of the last step's direction that is kept.
        momentum: f64,
        /// Added to the gradient, times the weight.
        weight_decay: f64,
    },
}

impl Rule {
    /// AdamW with torch's defaults and this decay.
    pub fn adam_w(weight_decay: f64) -> Self {
        Self::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay }
    }

    /// Fails where a constant is out of range.
    ///
    /// # Errors
    /// Names it.
    pub fn check(&self) -> Result<()> {
        let share = |name: &str, value: f64| match (0.0..1.0).contains(&value) {
            true => Ok(()),
            false => Err(Error::new(format!("{name} is {value}, expected 0 to below 1"))),
        };
        let positive = |name: &str, value: f64| match value.is_finite() && value >= 0.0 {
            true => Ok(()),
            false => Err(Error::new(format!("{name} is {value}, expected 0 or more"))),
        };
        match *self {
            Self::AdamW { beta1, beta2, eps, weight_decay } => {
                share("beta1", beta1)?;
                share("beta2", beta2)?;
                positive("eps", eps)?;
                positive("weight_decay", weight_decay)
            }
            Self::Sgd { momentum, weight_decay } => {
                share("momentum", momentum)?;
                positive("weight_decay", weight_decay)
            }
        }
    }

    /// What the rule remembers of each parameter.
    fn slots(&self) -> &'static [&'static str] {
        match self {
            Self::AdamW { .. } => &["mean", "square"],
            Self::Sgd { momentum: 0.0, .. } => &[],
            Self::Sgd { .. } => &["velocity"],
        }
    }
}

/// A rule with what it remembers.
#[derive(Debug, Clone)]
pub struct Optimizer {
    rule: Rule,
    parameters: Vec<Parameter>,
    /// For each parameter the rule's slots.
    memory: Vec<Vec<Tensor>>,
    /// Steps that were taken, by parameter: one without a gradient does not move, nor age.
    steps: Vec<u64>,
}

impl Optimizer {
    /// An optimiser of `parameters` that remembers nothing yet.
    ///
    /// # Errors
    /// A constant out of range; where the device is out of memory.
    pub fn new(rule: Rule, parameters: Vec<Parameter>) -> Result<Self> {
        rule.check()?;
        let zeros = |parameter: &Parameter| -> Result<Vec<Tensor>> {
            let (shape, device) = (parameter.var.shape(), parameter.var.device());
            rule.slots().iter().map(|_| Ok(Tensor::zeros(shape, DType::F32, device)?)).collect()
        };
        let memory = parameters.iter().map(zeros).collect::<Result<_>>()?;
        Ok(Self { rule, steps: vec![0; parameters.len()], parameters, memory })
    }

    /// The rule.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The tensors that it moves.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Moves every parameter that has a gradient, at a learning rate.
    ///
    /// # Errors
    /// Where the device is out of memory.
    pub fn step(&mut self, gradients: &Gradients, rate: f64) -> Result<()> {
        for (index, gradient) in gradients.tensors().iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let (var, memory) = (&self.parameters[index].var, &self.memory[index]);
            self.steps[index] += 1;
            match self.rule {
                Rule::AdamW { beta1, beta2, eps, weight_decay } => {
                    let steps = self.steps[index] as f64;
                    let step = kernel::Adam {
                        beta1,
                        beta2,
                        eps,
                        keep: 1.0 - rate * weight_decay,
                        rate: rate / (1.0 - beta1.powf(steps)),
                        root: (1.0 - beta2.powf(steps)).sqrt(),
                    };
                    step.apply(var, gradient, &memory[0], &memory[1])?;
                }
                Rule::Sgd { momentum, weight_decay } => {
                    let gradient = match weight_decay {
                        0.0 => gradient.clone(),
                        decay => (gradient + (var.as_detached_tensor() * decay)?)?,
                    };
                    let direction = match memory.first() {
                        None => gradient,
                        Some(velocity) => {
                            let velocity = ((velocity * momentum)? + gradient)?;
                            self.memory[index][0] = velocity.clone();
                            velocity
                        }
                    };
                    var.set(&(var.as_detached_tensor() - (direction * rate)?)?)?;
                }
            }
        }
        Ok(())
    }

    /// What it remembers, by name, and the steps of each parameter.
    pub fn state(&self) -> (BTreeMap<String, Tensor>, &[u64]) {
        let mut tensors = BTreeMap::new();
        for (parameter, memory) in self.parameters.iter().zip(&self.memory) {
            for (slot, tensor) in self.rule.slots().iter().zip(memory) {
                tensors.insert(format!("{slot}.{}", parameter.name), tensor.clone());
            }
        }
        (tensors, &self.steps)
    }

    /// Takes back what [`Optimizer::state`] gave.
    ///
    /// # Errors
    /// Names what is missing, of another shape, or without a place.
    pub fn restore(&mut self, mut tensors: BTreeMap<String, Tensor>, steps: Vec<u64>) -> Result<()> {
        if steps.len() != self.parameters.len() {
            return Err(Error::new(format!(
                "steps of {} parameters, expected {}",
                steps.len(),
                self.parameters.len()
            )));
        }
        let mut memory = Vec::with_capacity(self.memory.len());
        for parameter in &self.parameters {
            let mut slots = Vec::new();
            for slot in self.rule.slots() {
                let name = format!("{slot}.{}", parameter.name);
                let tensor =
                    tensors.remove(&name).ok_or_else(|| Error::new(format!("no tensor \"{name}\"")))?;
                if tensor.dims() != parameter.var.dims() {
                    return Err(Error::new(format!(
                        "tensor \"{name}\" is {:?}, expected {:?}",
                        tensor.dims(),
                        parameter.var.dims()
                    )));
                }
                slots.push(tensor.to_device(parameter.var.device())?);
            }
            memory.push(slots);
        }
        if let Some(name) = tensors.keys().next() {
            return Err(Error::new(format!("tensor \"{name}\" has no place here")));
        }
        (self.memory, self.steps) = (memory, steps);
        Ok(())
    }
}
