//! What adapts from step to step: β, and the scores' running moments.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How β is set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KlOptions {
    /// β at the start.
    pub start: f64,
    /// It moves towards a distance.
    pub is_adaptive: bool,
    /// The distance: mean over responses of Σ_t (log π − log π_ref), in nats.
    pub target: f64,
    /// Responses over which it moves.
    pub horizon: f64,
}

impl Default for KlOptions {
    fn default() -> Self {
        Self { start: 0.2, is_adaptive: true, target: 6.0, horizon: 10_000.0 }
    }
}

impl KlOptions {
    pub(super) fn check(&self) -> Result<()> {
        if !self.start.is_finite() || self.start < 0.0 {
            return Err(Error::new(format!("a KL coefficient of {}, expected 0 or more", self.start)));
        }
        for (name, value) in [("KL target", self.target), ("KL horizon", self.horizon)] {
            if !value.is_finite() || value <= 0.0 {
                return Err(Error::new(format!("a {name} of {value}, expected more than 0")));
            }
        }
        Ok(())
    }
}

/// β ← β · (1 + clip(KL / target − 1, ±0.2) · n / horizon) (Ziegler and others, 2019)
#[derive(Debug, Clone, Copy)]
pub struct KlControl {
    options: KlOptions,
    coefficient: f64,
}

impl KlControl {
    /// β at its start.
    pub fn new(options: KlOptions) -> Self {
        Self { options, coefficient: options.start }
    }

    /// β
    pub fn coefficient(&self) -> f64 {
        self.coefficient
    }

    /// Sets β, as a checkpoint does.
    pub fn set(&mut self, coefficient: f64) {
        self.coefficient = coefficient;
    }

    /// Moves β after a step on `responses` at a mean distance `kl`.
    pub fn update(&mut self, kl: f64, responses: usize) {
        if self.options.is_adaptive {
            let error = (kl / self.options.target - 1.0).clamp(-0.2, 0.2);
            self.coefficient *= 1.0 + error * responses as f64 / self.options.horizon;
        }
    }
}

/// Mean and variance of all scores so far (Chan and others' parallel form).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Moments {
    /// Scores so far.
    pub count: f64,
    /// Their mean.
    pub mean: f64,
    /// Sum of squared differences from it.
    squares: f64,
}

impl Moments {
    /// These moments with more scores.
    pub fn updated(self, scores: &[f64]) -> Self {
        let n = scores.len() as f64;
        if scores.is_empty() {
            return self;
        }
        let mean = scores.iter().sum::<f64>() / n;
        let squares = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>();
        let (count, step) = (self.count + n, mean - self.mean);
        Self {
            count,
            mean: self.mean + step * n / count,
            squares: self.squares + squares + step * step * self.count * n / count,
        }
    }

    /// The unbiased standard deviation; 0 for one score.
    pub fn deviation(&self) -> f64 {
        if self.count > 1.0 { (self.squares / (self.count - 1.0)).sqrt() } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_parts_are_those_of_the_whole() {
        let scores = [3.0, -6.0, 0.0, 4.5, 1.0, 1.0, -2.0];
        let whole = Moments::default().updated(&scores);
        let parts = Moments::default().updated(&scores[..3]).updated(&scores[3..4]).updated(&scores[4..]);
        assert!((whole.mean - parts.mean).abs() < 1e-15);
        assert!((whole.deviation() - parts.deviation()).abs() < 1e-14);
        let variance = scores.iter().map(|s| (s - 1.5 / 7.0_f64).powi(2)).sum::<f64>() / 6.0;
        assert!((whole.deviation() - variance.sqrt()).abs() < 1e-14);
        assert_eq!(Moments::default().updated(&[2.0]).deviation(), 0.0);
    }

    #[test]
    fn the_coefficient_follows_the_distance_within_its_bounds() {
        let mut control = KlControl::new(KlOptions::default());
        control.update(60.0, 5);
        assert_eq!(control.coefficient(), 0.2 * (1.0 + 0.2 * 5.0 / 10_000.0));
        control.set(0.2);
        control.update(6.6, 1000);
        assert!((control.coefficient() - 0.2 * 1.01).abs() < 1e-12);
        let mut fixed = KlControl::new(KlOptions { is_adaptive: false, ..KlOptions::default() });
        fixed.update(60.0, 5);
        assert_eq!(fixed.coefficient(), 0.2);
    }
}
