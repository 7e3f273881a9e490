//! Learning rates over the steps of a training.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the learning rate changes after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Not at all.
    Constant,
    /// In a straight line to 0 at the last step.
    Linear,
    /// Along half a cosine to 0 at the last step.
    Cosine,
}

/// The learning rate of each step, as transformers' schedules have it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The highest rate.
    pub rate: f64,
    /// What follows the warm-up.
    pub shape: Shape,
    /// Steps in which the rate rises from 0 in a straight line.
    pub warmup: u64,
    /// The last step of a rate that falls; 0 for a constant one.
    pub steps: u64,
}

impl Schedule {
    /// The same rate always.
    pub fn constant(rate: f64) -> Self {
        Self { rate, shape: Shape::Constant, warmup: 0, steps: 0 }
    }

    /// Fails where the rate is no positive number, or a falling rate has no steps to fall in.
    ///
    /// # Errors
    /// Says which.
    pub fn check(&self) -> Result<()> {
        if !self.rate.is_finite() || self.rate <= 0.0 {
            return Err(Error::new(format!("a learning rate of {}, expected more than 0", self.rate)));
        }
        if self.shape != Shape::Constant && self.steps <= self.warmup {
            return Err(Error::new(format!(
                "a learning rate that falls over {} steps after a warm-up of {}",
                self.steps, self.warmup
            ))
            .hint("give `steps`, the whole number of steps of the training"));
        }
        Ok(())
    }

    /// The rate of a step, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.rate * step as f64 / self.warmup as f64;
        }
        let whole = self.steps.saturating_sub(self.warmup).max(1) as f64;
        let done = ((step - self.warmup) as f64 / whole).min(1.0);
        self.rate
            * match self.shape {
                Shape::Constant => 1.0,
                Shape::Linear => 1.0 - done,
                Shape::Cosine => 0.5 * (1.0 + (PI * done).cos()),
            }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rates_rise_and_fall() {
        let schedule = Schedule { rate: 2.0, shape: Shape::Linear, warmup: 2, steps: 6 };
        let rates: Vec<f64> = (0..8).map(|step| schedule.at(step)).collect();
        assert_eq!(rates, [0.0, 1.0, 2.0, 1.5, 1.0, 0.5, 0.0, 0.0]);
        let cosine = Schedule { shape: Shape::Cosine, ..schedule };
        assert!((cosine.at(4) - 1.0).abs() < 1e-15 && cosine.at(6).abs() < 1e-15);
        assert_eq!(Schedule::constant(0.5).at(1000), 0.5);
    }

    #[test]
    fn a_falling_rate_needs_its_length() {
        let schedule = Schedule { shape: Shape::Cosine, ..Schedule::constant(1.0) };
        assert!(schedule.check().unwrap_err().to_string().contains("0 steps after a warm-up of 0"));
        assert!(Schedule::constant(f64::NAN).check().is_err());
        Schedule::constant(1e-3).check().unwrap();
    }
}
