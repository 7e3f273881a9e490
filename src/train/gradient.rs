//! Gradients of the trained tensors: gathered over microbatches, checked, clipped.

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, Storage, Tensor};
use rayon::prelude::*;

use super::trainable::Parameter;
use crate::error::{Error, Result};

/// One gradient a parameter, in the parameters' order; none where a loss did not depend on it.
#[derive(Debug, Clone, Default)]
pub struct Gradients(Vec<Option<Tensor>>);

impl Gradients {
    /// Adds what a backward pass left for `parameters`.
    ///
    /// # Errors
    /// Where the device is out of memory.
    pub fn add(&mut self, parameters: &[Parameter], store: &mut GradStore) -> Result<()> {
        self.0.resize(parameters.len(), None);
        for (sum, parameter) in self.0.iter_mut().zip(parameters) {
            let Some(gradient) = store.remove(parameter.var.as_tensor()) else { continue };
            *sum = Some(match sum.take() {
                Some(before) => (before + gradient)?,
                None => gradient.contiguous()?,
            });
        }
        Ok(())
    }

    /// The gradients, one a parameter.
    pub fn tensors(&self) -> &[Option<Tensor>] {
        &self.0
    }

    /// The norm √Σ g² over all parameters.
    ///
    /// # Errors
    /// Names the first parameter whose gradient is not finite.
    pub fn norm(&self, parameters: &[Parameter]) -> Result<f64> {
        let mut total = 0.0;
        for (gradient, parameter) in self.0.iter().zip(parameters) {
            let Some(gradient) = gradient else { continue };
            let square = sum_of_squares(gradient)?;
            if !square.is_finite() {
                return Err(Error::new(format!("the gradient of {} is not finite", parameter.name)).hint(
                    "the step was not taken; a lower learning rate, clipping, or other data may help",
                ));
            }
            total += square;
        }
        Ok(total.sqrt())
    }

    /// Scales all gradients so that their norm is at most `limit`, as torch's `clip_grad_norm_` does:
    /// by limit / (norm + 1e-6) where that is below 1.
    ///
    /// # Errors
    /// Where the device is out of memory.
    pub fn clip(&mut self, norm: f64, limit: f64) -> Result<()> {
        let factor = limit / (norm + 1e-6);
        if factor < 1.0 {
            for gradient in self.0.iter_mut().flatten() {
                *gradient = (&*gradient * factor)?;
            }
        }
        Ok(())
    }
}

/// Elements of a partial sum. Fixed, so that the sum is the same whatever the number of threads.
const BLOCK: usize = 1 << 14;

/// Σ x², in float64 on the CPU.
fn sum_of_squares(tensor: &Tensor) -> Result<f64> {
    let (storage, layout) = tensor.storage_and_layout();
    if let Storage::Cpu(CpuStorage::F32(values)) = &*storage
        && let Some((start, end)) = layout.contiguous_offsets()
    {
        let square = |values: &[f32]| values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
        let sums: Vec<f64> = values[start..end].par_chunks(BLOCK).map(square).collect();
        return Ok(sums.into_iter().sum());
    }
    drop(storage);
    Ok(f64::from(tensor.sqr()?.sum_all()?.to_scalar::<f32>()?))
}
