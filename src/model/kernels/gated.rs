//! The gated MLP's hidden layer: `act(gate) · up` in one pass.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::held;
use super::math::{gelu_tanh, gelu_tanh_and_slope, silu, silu_and_slope};

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
    gate.contiguous()?.apply_op2(&up.contiguous()?, act)
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

    /// gradient · up · act'(gate), and gradient · act(gate).
    fn bwd(
        &self,
        gate: &Tensor,
        up: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let (gates, ups, gradients) = (held(gate), held(up), held(&gradient));
        let (gates, ups, gradients) = (gates.values()?, ups.values()?, gradients.values()?);
        let task = super::rows_per_task(1);
        let arch = pulp::Arch::new();
        let mut d_gate = Vec::new();
        // SAFETY: the chunks cover all of both outputs.
        let d_up = unsafe {
            super::filled(gates.len(), |d_up| {
                d_gate = super::filled(gates.len(), |d_gate| {
                    let outputs = d_gate.par_chunks_mut(task).zip(d_up.par_chunks_mut(task));
                    let inputs =
                        gates.par_chunks(task).zip(ups.par_chunks(task)).zip(gradients.par_chunks(task));
                    outputs.zip(inputs).for_each(|((d_gate, d_up), ((gate, up), gradient))| {
                        arch.dispatch(BackwardChunk { act: *self, d_gate, d_up, gate, up, gradient });
                    });
                });
            })
        };
        let d_gate = Tensor::from_vec(d_gate, gate.shape(), gate.device())?;
        let d_up = Tensor::from_vec(d_up, up.shape(), up.device())?;
        Ok((super::tracked(gate, d_gate), super::tracked(up, d_up)))
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

/// A stretch of both gradients.
struct BackwardChunk<'a> {
    act: Gate,
    d_gate: &'a mut [MaybeUninit<f32>],
    d_up: &'a mut [MaybeUninit<f32>],
    gate: &'a [f32],
    up: &'a [f32],
    gradient: &'a [f32],
}

impl BackwardChunk<'_> {
    #[inline(always)]
    fn each(self, act: impl Fn(f32) -> (f32, f32)) {
        let inputs = self.gate.iter().zip(self.up).zip(self.gradient);
        for ((d_gate, d_up), ((&gate, &up), &gradient)) in self.d_gate.iter_mut().zip(self.d_up).zip(inputs) {
            let (value, slope) = act(gate);
            d_gate.write(gradient * up * slope);
            d_up.write(gradient * value);
        }
    }
}

impl pulp::NullaryFnOnce for BackwardChunk<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        match self.act {
            Gate::Silu => self.each(silu_and_slope),
            Gate::GeluTanh => self.each(gelu_tanh_and_slope),
        }
    }
}
