//! The gated MLP's hidden layer: `act(gate) · up` in one pass.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::math::{gelu_tanh, silu};

/// The non-linearities that have a fused form.
#[derive(Debug, Clone, Copy)]
pub enum Gate {
    /// `x · sigmoid(x)`
    Silu,
    /// GELU by its tanh approximation.
    GeluTanh,
}

/// `act(gate) · up`, element by element.
pub fn gated(gate: &Tensor, up: &Tensor, act: Gate) -> Result<Tensor> {
    gate.contiguous()?.apply_op2_no_bwd(&up.contiguous()?, &act)
}

impl CustomOp2 for Gate {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        gate_layout: &Layout,
        up: &CpuStorage,
        up_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (super::values(gate, gate_layout)?, super::values(up, up_layout)?);
        let task = super::rows_per_task(1);
        let arch = pulp::Arch::new();
        // SAFETY: the chunks cover all of the output.
        let out = unsafe {
            super::filled(gate.len(), |out| {
                out.par_chunks_mut(task).zip(gate.par_chunks(task)).zip(up.par_chunks(task)).for_each(
                    |((out, gate), up)| {
                        // Closures, not the functions themselves: what stands behind a function's name is
                        // not compiled for the machine's vectors.
                        arch.dispatch(
                            #[inline(always)]
                            #[allow(clippy::redundant_closure)]
                            || match self {
                                Self::Silu => multiply(
                                    out,
                                    gate,
                                    up,
                                    #[inline(always)]
                                    |x| silu(x),
                                ),
                                Self::GeluTanh => multiply(
                                    out,
                                    gate,
                                    up,
                                    #[inline(always)]
                                    |x| gelu_tanh(x),
                                ),
                            },
                        );
                    },
                );
            })
        };
        Ok((CpuStorage::F32(out), gate_layout.shape().clone()))
    }
}

#[inline(always)]
fn multiply(out: &mut [MaybeUninit<f32>], gate: &[f32], up: &[f32], act: impl Fn(f32) -> f32) {
    for ((out, &gate), &up) in out.iter_mut().zip(gate).zip(up) {
        out.write(act(gate) * up);
    }
}
