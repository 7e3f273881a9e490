//! y = x · Wᵀ + b, and what an adapter adds

use candle_core::Tensor;

use super::kernels;
use super::side_path::SidePath;
use crate::error::Result;

/// A linear map with weight [out, in] and, in some families, a bias [out].
#[derive(Debug, Clone)]
pub struct Linear {
    /// [out, in]
    pub weight: Tensor,
    /// [out]
    pub bias: Option<Tensor>,
    /// An adapter's change of the weight.
    pub side: Option<SidePath>,
}

impl Linear {
    /// The map without an adapter.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias, side: None }
    }

    /// [node, in] to [node, out]; `fused` where a kernel may be taken.
    pub fn forward(&self, x: &Tensor, fused: bool) -> Result<Tensor> {
        let Some(side) = &self.side else { return product(x, &self.weight, self.bias.as_ref(), fused) };
        let y = side.apply(x, &self.weight, fused)?;
        Ok(match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }

    /// The weight [out, in] that the map multiplies by: with the adapter's change written out, where there
    /// is one.
    pub fn effective_weight(&self) -> Result<Tensor> {
        match &self.side {
            Some(side) => side.merge_into(&self.weight),
            None => Ok(self.weight.clone()),
        }
    }
}

/// `x` [node, in] · `weight` [out, in]ᵀ + `bias` [out]; `fused` where a kernel may be taken.
pub(super) fn product(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, fused: bool) -> Result<Tensor> {
    if fused && kernels::apply_to(&[x, weight]) {
        return Ok(kernels::linear::linear(x, weight, bias)?);
    }
    let y = x.matmul(&weight.t()?)?;
    Ok(match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    })
}
