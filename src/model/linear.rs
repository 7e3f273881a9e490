//! y = x · Wᵀ + b

use candle_core::Tensor;

use super::kernels;
use crate::error::Result;

/// A linear map with weight [out, in] and, in some families, a bias [out].
#[derive(Debug, Clone)]
pub struct Linear {
    /// [out, in]
    pub weight: Tensor,
    /// [out]
    pub bias: Option<Tensor>,
}

impl Linear {
    /// [node, in] to [node, out]; `fused` where no gradient is wanted.
    pub fn forward(&self, x: &Tensor, fused: bool) -> Result<Tensor> {
        if fused && kernels::apply_to(&[x, &self.weight]) {
            return Ok(kernels::linear::linear(x, &self.weight, self.bias.as_ref())?);
        }
        let y = x.matmul(&self.weight.t()?)?;
        Ok(match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }
}
