//! A frozen weight with a low-rank path beside it: `x · Wᵀ + s · (x · Aᵀ) · Bᵀ` in one operation.
//!
//! With g the gradient of the result and h = s · g · B: `g · W + h · A` for x, `hᵀ · x` for A and
//! `s · gᵀ · (x · Aᵀ)` for B. The weight is a constant here, no argument: it gets no gradient. As separate
//! operations candle would hold and add up three gradients as large as the result.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::linear::linear;
use super::product::{Matrix, Term, multiply};
use super::{held, values};

struct SidePath {
    /// W [out, in]
    weight: Tensor,
    /// x · Aᵀ [.., r]
    low: Tensor,
    scale: f32,
}

/// `x` [.., in] times `weight` [out, in], a constant, and `scale` times the path of `a` [r, in] and
/// `b` [out, r]: [.., out].
pub fn side_path(x: &Tensor, weight: &Tensor, a: &Tensor, b: &Tensor, scale: f64) -> Result<Tensor> {
    let (x, a) = (x.contiguous()?, a.contiguous()?);
    let low = linear(&x.detach(), &a.detach(), None)?;
    let op = SidePath { weight: weight.detach().contiguous()?, low, scale: scale as f32 };
    x.apply_op3(&a, &b.contiguous()?, op)
}

impl CustomOp3 for SidePath {
    fn name(&self) -> &'static str {
        "side-path"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((out, input), (rows, rank)) = (self.weight.dims2()?, b_layout.shape().dims2()?);
        let mut dims = x_layout.dims().to_vec();
        if dims.last() != Some(&input) || rows != out || self.low.dims().last() != Some(&rank) {
            candle_core::bail!(
                "a path of rank {rank} to {rows} outputs beside a weight {:?} for {dims:?}",
                self.weight.dims()
            );
        }
        dims.pop();
        let n = dims.iter().product();
        dims.push(out);
        let (weight, low) = (held(&self.weight), held(&self.low));
        let weight = Matrix::of(weight.values()?, input).transposed();
        let b = Matrix::of(values(b, b_layout)?, rank).transposed();
        let path = Term { factor: self.scale, ..Matrix::of(low.values()?, rank).times(b, rank) };
        let terms = [Matrix::of(values(x, x_layout)?, input).times(weight, input), path];
        Ok((CpuStorage::F32(multiply(&terms, (n, out), None)), Shape::from(dims)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let (gradients, xs, weights) = (held(&gradient), held(x), held(&self.weight));
        let (a_held, b_held, lows) = (held(a), held(b), held(&self.low));
        let (out, input) = self.weight.dims2()?;
        let rank = b.dim(1)?;
        let n = self.low.elem_count() / rank.max(1);
        let g = Matrix::of(gradients.values()?, out);
        let like =
            |tensor: &Tensor, values: Vec<f32>| Tensor::from_vec(values, tensor.shape(), tensor.device());

        let mut d_low = Vec::new();
        if x.track_op() || a.track_op() {
            let back = Term { factor: self.scale, ..g.times(Matrix::of(b_held.values()?, rank), out) };
            d_low = multiply(&[back], (n, rank), None);
        }
        let h = Matrix::of(&d_low, rank);
        let d_x = match x.track_op() {
            true => {
                let weight = g.times(Matrix::of(weights.values()?, input), out);
                let path = h.times(Matrix::of(a_held.values()?, input), rank);
                Some(like(x, multiply(&[weight, path], (n, input), None))?)
            }
            false => None,
        };
        let d_a = match a.track_op() {
            true => {
                let term = h.transposed().times(Matrix::of(xs.values()?, input), n);
                Some(like(a, multiply(&[term], (rank, input), None))?)
            }
            false => None,
        };
        let d_b = match b.track_op() {
            true => {
                let low = g.transposed().times(Matrix::of(lows.values()?, rank), n);
                let low = Term { factor: self.scale, ..low };
                Some(like(b, multiply(&[low], (out, rank), None))?)
            }
            false => None,
        };
        Ok((d_x, d_a, d_b))
    }
}
