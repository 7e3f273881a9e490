//! The norms of decoder families: x / sqrt(mean(x²) + eps) · w, and with the mean taken out, + b.

use candle_core::{D, DType, Tensor};

use super::config::{NormConfig, NormKind};
use super::kernels;
use super::pass::Stage;
use super::site::{Point, Site};
use crate::error::Result;

/// A norm over the last axis.
#[derive(Debug, Clone)]
pub struct Norm {
    /// What each element is multiplied by, the family's offset added: [width].
    pub weight: Tensor,
    /// The weight as files hold it, without the family's offset: [width].
    pub stored: Tensor,
    /// What is added then: [width].
    pub bias: Option<Tensor>,
    /// Which norm.
    pub kind: NormKind,
    /// Added to the variance.
    pub eps: f64,
}

/// Where a norm's scale and normalised value are seen.
#[derive(Debug, Clone, Copy)]
pub struct NormSites {
    scale: Point,
    normalized: Point,
}

impl NormSites {
    pub(super) const LN1: Self = Self { scale: Point::Ln1Scale, normalized: Point::Ln1Normalized };
    pub(super) const LN1_POST: Self =
        Self { scale: Point::Ln1PostScale, normalized: Point::Ln1PostNormalized };
    pub(super) const LN2: Self = Self { scale: Point::Ln2Scale, normalized: Point::Ln2Normalized };
    pub(super) const LN2_POST: Self =
        Self { scale: Point::Ln2PostScale, normalized: Point::Ln2PostNormalized };
    pub(super) const FINAL: Self = Self { scale: Point::LnFinalScale, normalized: Point::LnFinalNormalized };
}

impl Norm {
    /// A norm from its stored weight [width] and bias, kept in float32 as every family computes it.
    pub fn new(weight: &Tensor, bias: Option<Tensor>, config: &NormConfig) -> Result<Self> {
        let stored = weight.to_dtype(DType::F32)?;
        let weight = stored.clone();
        let weight = if config.weight_offset == 0.0 { weight } else { (weight + config.weight_offset)? };
        let bias = bias.map(|bias| bias.to_dtype(DType::F32)).transpose()?;
        Ok(Self { weight, stored, bias, kind: config.kind, eps: config.eps })
    }

    /// The norm of `x` [node, width], seen at the `sites` of `layer`.
    pub(super) fn forward_at(
        &self,
        x: &Tensor,
        layer: Option<usize>,
        sites: NormSites,
        stage: &mut Stage,
    ) -> Result<Tensor> {
        let (scale, normalized) =
            (Site { layer, point: sites.scale }, Site { layer, point: sites.normalized });
        if !stage.wants(&scale) && !stage.wants(&normalized) {
            return self.forward(x, stage.is_fused());
        }
        let (centred, divisor) = self.divide(x)?;
        let divisor = stage.see(scale, divisor)?;
        let value = stage.see(normalized, centred.broadcast_div(&divisor)?)?;
        self.weigh(&value, x.dtype())
    }

    /// The norm of `x` [.., width]; `fused` where a kernel may be taken.
    pub fn forward(&self, x: &Tensor, fused: bool) -> Result<Tensor> {
        if fused && self.kind == NormKind::Rms && kernels::apply_to(&[x]) {
            return Ok(kernels::rms_norm::rms_norm(x, &self.weight, self.eps)?);
        }
        let (centred, divisor) = self.divide(x)?;
        self.weigh(&centred.broadcast_div(&divisor)?, x.dtype())
    }

    /// What is divided [.., width], and by what [.., 1]; in float32.
    pub fn divide(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = x.to_dtype(DType::F32)?;
        let centred = match self.kind {
            NormKind::Rms => x,
            NormKind::Layer => x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?,
        };
        let divisor = (centred.sqr()?.mean_keepdim(D::Minus1)? + self.eps)?.sqrt()?;
        Ok((centred, divisor))
    }

    fn weigh(&self, normalized: &Tensor, dtype: DType) -> Result<Tensor> {
        let weighed = normalized.broadcast_mul(&self.weight)?;
        let weighed = match &self.bias {
            Some(bias) => weighed.broadcast_add(bias)?,
            None => weighed,
        };
        Ok(weighed.to_dtype(dtype)?)
    }
}
