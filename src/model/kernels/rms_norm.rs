//! Root-mean-square norm of each row: `x / sqrt(mean(x²) + eps) · weight`.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::math::sum_of_squares;

struct RmsNorm {
    eps: f32,
}

/// Normalises the last axis of `x` [.., d] with `weight` [d].
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let op = RmsNorm { eps: eps as f32 };
    x.contiguous()?.apply_op2_no_bwd(weight, &op)
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (super::values(x, x_layout)?, super::values(weight, weight_layout)?);
        let d = weight.len();
        let task = super::rows_per_task(d) * d;
        let arch = pulp::Arch::new();
        // SAFETY: the chunks cover all of the output, row by row.
        let out = unsafe {
            super::filled(x.len(), |out| {
                out.par_chunks_mut(task).zip(x.par_chunks(task)).for_each(|(out, x)| {
                    arch.dispatch(Rows { eps: self.eps, weight, out, x });
                });
            })
        };
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

/// Some rows of the output with their inputs.
struct Rows<'a> {
    eps: f32,
    weight: &'a [f32],
    out: &'a mut [MaybeUninit<f32>],
    x: &'a [f32],
}

impl pulp::NullaryFnOnce for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let d = self.weight.len();
        for (out, x) in self.out.chunks_exact_mut(d).zip(self.x.chunks_exact(d)) {
            let factor = 1.0 / (sum_of_squares(x) / d as f32 + self.eps).sqrt();
            for ((out, x), w) in out.iter_mut().zip(x).zip(self.weight) {
                out.write(x * factor * w);
            }
        }
    }
}
