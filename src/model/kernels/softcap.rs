//! The soft-cap `cap · tanh(x / cap)`.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::held;
use super::math::tanh;

struct Softcap {
    cap: f32,
}

/// `cap · tanh(x / cap)`, element by element.
pub fn softcap(x: &Tensor, cap: f64) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Softcap { cap: cap as f32 })
}

impl CustomOp1 for Softcap {
    fn name(&self) -> &'static str {
        "softcap"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = super::values(x, layout)?;
        let task = super::rows_per_task(1);
        let arch = pulp::Arch::new();
        // SAFETY: the chunks cover all of the output.
        let out = unsafe {
            super::filled(x.len(), |out| {
                out.par_chunks_mut(task)
                    .zip(x.par_chunks(task))
                    .for_each(|(out, x)| arch.dispatch(Chunk { cap: self.cap, out, x }));
            })
        };
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    /// gradient · (1 − (result / cap)²)
    fn bwd(&self, x: &Tensor, result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.contiguous()?;
        let (results, gradients) = (held(result), held(&gradient));
        let (results, gradients) = (results.values()?, gradients.values()?);
        let task = super::rows_per_task(1);
        let arch = pulp::Arch::new();
        // SAFETY: the chunks cover all of the output.
        let d_x = unsafe {
            super::filled(results.len(), |out| {
                let inputs = results.par_chunks(task).zip(gradients.par_chunks(task));
                out.par_chunks_mut(task).zip(inputs).for_each(|(out, (result, gradient))| {
                    arch.dispatch(BackwardChunk { cap: self.cap, out, result, gradient });
                });
            })
        };
        Ok(Some(Tensor::from_vec(d_x, x.shape(), x.device())?))
    }
}

/// A stretch of the output.
struct Chunk<'a> {
    cap: f32,
    out: &'a mut [MaybeUninit<f32>],
    x: &'a [f32],
}

impl pulp::NullaryFnOnce for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (out, x) in self.out.iter_mut().zip(self.x) {
            out.write(self.cap * tanh(x / self.cap));
        }
    }
}

/// A stretch of the gradient.
struct BackwardChunk<'a> {
    cap: f32,
    out: &'a mut [MaybeUninit<f32>],
    result: &'a [f32],
    gradient: &'a [f32],
}

impl pulp::NullaryFnOnce for BackwardChunk<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for ((out, result), gradient) in self.out.iter_mut().zip(self.result).zip(self.gradient) {
            let tanh = result / self.cap;
            out.write(gradient * (1.0 - tanh * tanh));
        }
    }
}
