//! Rotation of the leading dimensions of each head, by halves: the pair (x_i, x_{i+r/2}) turns by the
//! position's angle i.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

struct Rope {
    /// Turns back.
    inverse: bool,
}

/// Rotates `x` [node, head, d_head] by `cos` and `sin` [node, d_rotary / 2].
pub fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op3(cos, sin, Rope { inverse: false })
}

impl CustomOp3 for Rope {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        cos: &CpuStorage,
        cos_layout: &Layout,
        sin: &CpuStorage,
        sin_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, heads, d_head) = x_layout.shape().dims3()?;
        let half = cos_layout.shape().dims2()?.1;
        let x = super::values(x, x_layout)?;
        let (cos, sin) = (super::values(cos, cos_layout)?, super::values(sin, sin_layout)?);
        let width = heads * d_head;
        let rows = super::rows_per_task(width);
        let turn = if self.inverse { -1.0 } else { 1.0 };
        let arch = pulp::Arch::new();
        // SAFETY: the chunks cover all of the output, and each head is written whole: two rotated halves
        // and the rest.
        let out = unsafe {
            super::filled(x.len(), |out| {
                let tables = cos.par_chunks(rows * half).zip(sin.par_chunks(rows * half));
                out.par_chunks_mut(rows * width).zip(x.par_chunks(rows * width)).zip(tables).for_each(
                    |((out, x), (cos, sin))| {
                        arch.dispatch(Nodes { width, d_head, half, turn, out, x, cos, sin });
                    },
                );
            })
        };
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    /// A rotation's transpose is its inverse. The angles are constants.
    fn bwd(
        &self,
        _: &Tensor,
        cos: &Tensor,
        sin: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let back = Rope { inverse: !self.inverse };
        Ok((Some(gradient.contiguous()?.apply_op3_no_bwd(cos, sin, &back)?), None, None))
    }
}

/// Some nodes of the output with their inputs.
struct Nodes<'a> {
    /// Heads · d_head.
    width: usize,
    d_head: usize,
    /// Half the rotated dimensions of a head.
    half: usize,
    /// The sines' sign.
    turn: f32,
    out: &'a mut [MaybeUninit<f32>],
    x: &'a [f32],
    cos: &'a [f32],
    sin: &'a [f32],
}

impl pulp::NullaryFnOnce for Nodes<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { width, d_head, half, turn, .. } = self;
        let tables = self.cos.chunks_exact(half).zip(self.sin.chunks_exact(half));
        let nodes = self.out.chunks_exact_mut(width).zip(self.x.chunks_exact(width));
        for ((out, x), (cos, sin)) in nodes.zip(tables) {
            for (out, x) in out.chunks_exact_mut(d_head).zip(x.chunks_exact(d_head)) {
                let (x1, x2) = (&x[..half], &x[half..2 * half]);
                let (out1, rest) = out.split_at_mut(half);
                let (out2, through) = rest.split_at_mut(half);
                for i in 0..half {
                    let sin = turn * sin[i];
                    out1[i].write(x1[i] * cos[i] - x2[i] * sin);
                    out2[i].write(x2[i] * cos[i] + x1[i] * sin);
                }
                for (out, x) in through.iter_mut().zip(&x[2 * half..]) {
                    out.write(*x);
                }
            }
        }
    }
}
