//! The product with a weight: `x · Wᵀ + b`, and its backward: `g · W` for x, `gᵀ · x` for W, `Σ g` for b.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::held;
use super::product::{Matrix, multiply};

struct Linear;

/// `x` [.., in] times `weight` [out, in], plus `bias` [out]: [.., out].
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    match bias {
        Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, Linear),
        None => x.apply_op2(&weight, Linear),
    }
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        product((x, xl), (w, wl), None)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        gradients(x, weight, gradient)
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        product((x, xl), (w, wl), Some(super::values(bias, bias_layout)?))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (d_x, d_weight) = gradients(x, weight, gradient)?;
        let d_bias = match bias.track_op() {
            true => {
                let sums = super::column_sums(held(&gradient.contiguous()?).values()?, bias.elem_count());
                Some(Tensor::from_vec(sums, bias.shape(), bias.device())?)
            }
            false => None,
        };
        Ok((d_x, d_weight, d_bias))
    }
}

type Argument<'a> = (&'a CpuStorage, &'a Layout);

fn product(x: Argument, weight: Argument, bias: Option<&[f32]>) -> Result<(CpuStorage, Shape)> {
    let (n, k) = weight.1.shape().dims2()?;
    let mut dims = x.1.dims().to_vec();
    if dims.last() != Some(&k) || bias.is_some_and(|bias| bias.len() != n) {
        candle_core::bail!("linear map of {:?} by a weight {:?}", x.1.dims(), weight.1.dims());
    }
    if let Some(last) = dims.last_mut() {
        *last = n;
    }
    let (x, weight) = (super::values(x.0, x.1)?, super::values(weight.0, weight.1)?);
    let m = x.len() / k.max(1);
    let term = Matrix::of(x, k).times(Matrix::of(weight, k).transposed(), k);
    let out = multiply(&[term], (m, n), bias);
    Ok((CpuStorage::F32(out), Shape::from(dims)))
}

/// The gradients of `x` [.., in] and `weight` [out, in], from that of the product [.., out].
fn gradients(x: &Tensor, weight: &Tensor, gradient: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
    let gradient = gradient.contiguous()?;
    let (xs, weights, gradients) = (held(x), held(weight), held(&gradient));
    let (out, input) = weight.dims2()?;
    let rows = x.elem_count() / input.max(1);
    let gradients = Matrix::of(gradients.values()?, out);
    let d_x = match x.track_op() {
        true => {
            let term = gradients.times(Matrix::of(weights.values()?, input), out);
            let d_x = multiply(&[term], (rows, input), None);
            Some(Tensor::from_vec(d_x, x.shape(), x.device())?)
        }
        false => None,
    };
    let d_weight = match weight.track_op() {
        true => {
            let term = gradients.transposed().times(Matrix::of(xs.values()?, input), rows);
            let d_weight = multiply(&[term], (out, input), None);
            Some(Tensor::from_vec(d_weight, weight.shape(), weight.device())?)
        }
        false => None,
    };
    Ok((d_x, d_weight))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn equals_the_plain_product_for_any_number_of_threads() {
        let (m, k, n) = (401, 700, 800);
        let x = Tensor::randn(0f32, 1.0, (m, k), &Device::Cpu).unwrap();
        let weight = Tensor::randn(0f32, 1.0, (n, k), &Device::Cpu).unwrap();
        let bias = Tensor::randn(0f32, 1.0, n, &Device::Cpu).unwrap();
        let plain = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| linear(&x, &weight, Some(&bias)).unwrap().to_vec2::<f32>().unwrap())
        };
        let one = on(1);
        // A sum of k products of unit normals: each rounding is at most half a unit of a value near √k.
        let tolerance = (k as f32).sqrt() * f32::EPSILON * (k as f32).sqrt();
        for (ours, plain) in one.iter().flatten().zip(plain.to_vec2::<f32>().unwrap().iter().flatten()) {
            assert!((ours - plain).abs() < tolerance, "{ours} against {plain}");
        }
        for threads in [2, 3, 16] {
            assert_eq!(on(threads), one, "{threads} threads");
        }
    }

    #[test]
    fn a_weight_that_does_not_fit_is_an_error() {
        let x = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
        let weight = Tensor::zeros((4, 5), DType::F32, &Device::Cpu).unwrap();
        assert!(linear(&x, &weight, None).is_err());
    }
}
