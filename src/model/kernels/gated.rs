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
                        arch.dispatch(Chunk { act: *self, out, gate, up });
                    },
                );
            })
        };
        Ok((CpuStorage::F32(out), gate_layout.shape().clone()))
    }
}

/// A stretch of the output with its inputs. A type of its own, since a closure's body is not always
/// compiled for the vectors that it is dispatched to.
struct Chunk<'a> {
    act: Gate,
    out: &'a mut [MaybeUninit<f32>],
    gate: &'a [f32],
    up: &'a [f32],
}

impl pulp::NullaryFnOnce for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let elements = self.out.iter_mut().zip(self.gate).zip(self.up);
        match self.act {
            Gate::Silu => {
                for ((out, &gate), &up) in elements {
                    out.write(silu(gate) * up);
                }
            }
            Gate::GeluTanh => {
                for ((out, &gate), &up) in elements {
                    out.write(gelu_tanh(gate) * up);
                }
            }
        }
    }
}
