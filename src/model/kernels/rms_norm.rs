//! Root-mean-square norm of each row: `x / sqrt(mean(x²) + eps) · weight`.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::held;
use super::math::{dot_of_three, sum_of_squares};

struct RmsNorm {
    eps: f32,
}

/// Normalises the last axis of `x` [.., d] with `weight` [d].
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let op = RmsNorm { eps: eps as f32 };
    x.contiguous()?.apply_op2(weight, op)
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

    /// With r = 1 / sqrt(mean(x²) + eps) and h = gradient · weight: r·h − x · r³ · mean(h·x) for x, and
    /// Σ gradient · x · r over the rows for the weight.
    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let (xs, weights, gradients) = (held(x), held(weight), held(&gradient));
        let (xs, weights, gradients) = (xs.values()?, weights.values()?, gradients.values()?);
        let d = weights.len();
        let task = super::rows_per_task(d) * d;
        let arch = pulp::Arch::new();
        // A part for each task, empty where the weight is a constant.
        let width = if weight.track_op() { d } else { 0 };
        let mut parts = vec![vec![0f32; width]; xs.len().div_ceil(task)];
        // SAFETY: the chunks cover all of the output, row by row.
        let d_x = unsafe {
            super::filled(xs.len(), |out| {
                let inputs = xs.par_chunks(task).zip(gradients.par_chunks(task));
                out.par_chunks_mut(task).zip(&mut parts).zip(inputs).for_each(
                    |((out, d_weight), (x, gradient))| {
                        let rows = Rows { eps: self.eps, weight: weights, out, x };
                        arch.dispatch(BackwardRows { rows, gradient, d_weight });
                    },
                );
            })
        };
        let d_weight = match weight.track_op() {
            true => Some(Tensor::from_vec(super::column_sums(&parts.concat(), d), d, weight.device())?),
            false => None,
        };
        Ok((super::tracked(x, Tensor::from_vec(d_x, x.shape(), x.device())?), d_weight))
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

/// Some rows of the gradient of x, and their part of the weight's where it is not empty.
struct BackwardRows<'a> {
    rows: Rows<'a>,
    gradient: &'a [f32],
    d_weight: &'a mut [f32],
}

impl pulp::NullaryFnOnce for BackwardRows<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Rows { eps, weight, out, x } = self.rows;
        let d = weight.len();
        let inputs = x.chunks_exact(d).zip(self.gradient.chunks_exact(d));
        for (out, (x, gradient)) in out.chunks_exact_mut(d).zip(inputs) {
            let factor = 1.0 / (sum_of_squares(x) / d as f32 + eps).sqrt();
            let along = dot_of_three(gradient, weight, x) / d as f32 * factor * factor;
            for (((out, x), g), w) in out.iter_mut().zip(x).zip(gradient).zip(weight) {
                out.write(factor * (g * w - x * along));
            }
            for ((d_weight, g), x) in self.d_weight.iter_mut().zip(gradient).zip(x) {
                *d_weight += g * x * factor;
            }
        }
    }
}
