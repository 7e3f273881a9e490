//! Adam's step in place: two passes over memory on the CPU, plain operations elsewhere.

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Tensor, Var};
use rayon::prelude::*;

/// Elements that one task takes.
const TASK: usize = 1 << 14;

/// One step's constants.
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    /// What is left of a weight after decay.
    pub keep: f64,
    /// The learning rate over the mean's correction.
    pub rate: f64,
    /// The root of the squares' correction.
    pub root: f64,
}

impl Adam {
    /// mean ← β₁ mean + (1 − β₁) g; square ← β₂ square + (1 − β₂) g²;
    /// w ← keep · w − rate · mean / (√square / root + eps)
    pub fn apply(
        &self,
        var: &Var,
        gradient: &Tensor,
        mean: &Tensor,
        square: &Tensor,
    ) -> candle_core::Result<()> {
        if var.device().is_cpu() {
            let gradient = gradient.contiguous()?;
            mean.inplace_op2(&gradient, &Mean { keep: self.beta1 as f32, take: (1.0 - self.beta1) as f32 })?;
            square.inplace_op2(
                &gradient,
                &Square { keep: self.beta2 as f32, take: (1.0 - self.beta2) as f32 },
            )?;
            return var.as_tensor().inplace_op3(mean, square, self);
        }
        // In place as well, so that what the optimiser holds stays the same tensors.
        let new_mean = ((mean * self.beta1)? + (gradient * (1.0 - self.beta1))?)?;
        let new_square = ((square * self.beta2)? + (gradient.sqr()? * (1.0 - self.beta2))?)?;
        mean.slice_set(&new_mean, 0, 0)?;
        square.slice_set(&new_square, 0, 0)?;
        let denominator = ((new_square.sqrt()? * (1.0 / self.root))? + self.eps)?;
        let kept = (var.as_detached_tensor() * self.keep)?;
        var.set(&(kept - (new_mean.div(&denominator)? * self.rate)?)?)
    }
}

/// m ← keep · m + take · g
struct Mean {
    keep: f32,
    take: f32,
}

/// m ← keep · m + take · g²
struct Square {
    keep: f32,
    take: f32,
}

impl InplaceOp2 for Mean {
    fn name(&self) -> &'static str {
        "adam-mean"
    }

    fn cpu_fwd(
        &self,
        m: &mut CpuStorage,
        m_layout: &Layout,
        g: &CpuStorage,
        g_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (m, g) = (values_mut(m, m_layout)?, values(g, g_layout)?);
        m.par_chunks_mut(TASK).zip(g.par_chunks(TASK)).for_each(|(m, g)| {
            for (m, g) in m.iter_mut().zip(g) {
                *m = self.keep * *m + self.take * g;
            }
        });
        Ok(())
    }
}

impl InplaceOp2 for Square {
    fn name(&self) -> &'static str {
        "adam-square"
    }

    fn cpu_fwd(
        &self,
        m: &mut CpuStorage,
        m_layout: &Layout,
        g: &CpuStorage,
        g_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (m, g) = (values_mut(m, m_layout)?, values(g, g_layout)?);
        m.par_chunks_mut(TASK).zip(g.par_chunks(TASK)).for_each(|(m, g)| {
            for (m, g) in m.iter_mut().zip(g) {
                *m = self.keep * *m + self.take * g * g;
            }
        });
        Ok(())
    }
}

impl InplaceOp3 for Adam {
    fn name(&self) -> &'static str {
        "adam-step"
    }

    fn cpu_fwd(
        &self,
        w: &mut CpuStorage,
        w_layout: &Layout,
        mean: &CpuStorage,
        mean_layout: &Layout,
        square: &CpuStorage,
        square_layout: &Layout,
    ) -> candle_core::Result<()> {
        let w = values_mut(w, w_layout)?;
        let (mean, square) = (values(mean, mean_layout)?, values(square, square_layout)?);
        let (keep, rate, inverse, eps) =
            (self.keep as f32, self.rate as f32, (1.0 / self.root) as f32, self.eps as f32);
        w.par_chunks_mut(TASK).zip(mean.par_chunks(TASK)).zip(square.par_chunks(TASK)).for_each(
            |((w, mean), square)| {
                for ((w, mean), square) in w.iter_mut().zip(mean).zip(square) {
                    *w = keep * *w - rate * mean / (square.sqrt() * inverse + eps);
                }
            },
        );
        Ok(())
    }
}

fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&values[start..end]),
        _ => candle_core::bail!("expected contiguous float32 values"),
    }
}

fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> candle_core::Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&mut values[start..end]),
        _ => candle_core::bail!("expected contiguous float32 values"),
    }
}
