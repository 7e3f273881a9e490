//! Log-probabilities of chosen tokens: log softmax(logits)[target], without those of all others.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp2, D, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::held;
use super::math::{exp, max, sum_of_exp};

struct LogProb;

/// The log-probability of each of `targets` (u32, [n]) under `logits` [n, d_vocab]: float32, [n].
///
/// # Errors
/// Where shapes do not fit or a target is no token.
pub fn log_prob(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    if logits.dims2()?.0 != targets.dims1()? {
        candle_core::bail!("{} targets for logits {:?}", targets.dims1()?, logits.dims());
    }
    if super::apply_to(&[logits]) {
        return logits.contiguous()?.apply_op2(&targets.contiguous()?, LogProb);
    }
    let all = candle_nn::ops::log_softmax(&logits.to_dtype(DType::F32)?, D::Minus1)?;
    all.gather(&targets.unsqueeze(1)?, 1)?.squeeze(1)
}

impl CustomOp2 for LogProb {
    fn name(&self) -> &'static str {
        "log-prob"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        logits_layout: &Layout,
        targets: &CpuStorage,
        targets_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, d_vocab) = logits_layout.shape().dims2()?;
        let logits = super::values(logits, logits_layout)?;
        let targets = tokens(targets, targets_layout)?;
        if let Some(target) = targets.iter().find(|&&target| target as usize >= d_vocab) {
            candle_core::bail!("token {target} lies outside the {d_vocab} logits");
        }
        let arch = pulp::Arch::new();
        let rows = logits.par_chunks_exact(d_vocab.max(1)).zip(targets);
        let out: Vec<f32> = rows
            .map(|(logits, &target)| logits[target as usize] - arch.dispatch(LogSumExp { logits }))
            .collect();
        Ok((CpuStorage::F32(out), Shape::from(n)))
    }

    /// gradient · (onehot(target) − softmax(logits)). Of the sum of exponentials the result knows all.
    fn bwd(
        &self,
        logits: &Tensor,
        targets: &Tensor,
        result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, d_vocab) = logits.dims2()?;
        let targets = targets.to_vec1::<u32>()?;
        let gradient = gradient.contiguous()?;
        let (values, results, gradients) = (held(logits), held(result), held(&gradient));
        let (values, results, gradients) = (values.values()?, results.values()?, gradients.values()?);
        let arch = pulp::Arch::new();
        // SAFETY: each row of the output is written whole.
        let out = unsafe {
            super::filled(values.len(), |out| {
                let rows =
                    out.par_chunks_exact_mut(d_vocab.max(1)).zip(values.par_chunks_exact(d_vocab.max(1)));
                let cells = targets.par_iter().zip(results).zip(gradients);
                rows.zip(cells).for_each(|((out, logits), ((&target, result), &gradient))| {
                    let log_sum_exp = logits[target as usize] - result;
                    arch.dispatch(BackwardRow { out, logits, log_sum_exp, gradient });
                    // SAFETY: written just now.
                    let of_target = out[target as usize].assume_init();
                    out[target as usize].write(of_target + gradient);
                });
            })
        };
        Ok((Some(Tensor::from_vec(out, logits.shape(), logits.device())?), None))
    }
}

fn tokens<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [u32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::U32(tokens), Some((start, end))) => Ok(&tokens[start..end]),
        _ => candle_core::bail!("expected tokens as contiguous u32"),
    }
}

/// log Σ e^logit
struct LogSumExp<'a> {
    logits: &'a [f32],
}

impl pulp::NullaryFnOnce for LogSumExp<'_> {
    type Output = f32;

    #[inline(always)]
    fn call(self) -> f32 {
        let shift = max(self.logits);
        shift + sum_of_exp(self.logits, shift).ln()
    }
}

/// −gradient · softmax(logits)
struct BackwardRow<'a> {
    out: &'a mut [MaybeUninit<f32>],
    logits: &'a [f32],
    log_sum_exp: f32,
    gradient: f32,
}

impl pulp::NullaryFnOnce for BackwardRow<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (out, logit) in self.out.iter_mut().zip(self.logits) {
            out.write(-self.gradient * exp(logit - self.log_sum_exp));
        }
    }
}
