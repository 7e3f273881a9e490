//! Rotary position embedding: the pair (x_i, x_{i+r/2}) of a head turns by pos · f_i.

use std::f32::consts::PI;

use candle_core::{D, Device, Tensor};

use super::config::{RopeConfig, RopeScaling};
use super::kernels;
use crate::error::Result;

/// Cosines and sines of the angles of a pass's nodes.
#[derive(Debug, Clone)]
pub struct RopeTable {
    /// [node, d_rotary / 2]
    cos: Tensor,
    /// [node, d_rotary / 2]
    sin: Tensor,
}

impl RopeTable {
    /// The angles of nodes at `positions`.
    ///
    /// Frequencies and angles are float32, as transformers computes them: at far positions a more exact
    /// angle would be a different one.
    pub fn new(config: &RopeConfig, positions: &[u32], device: &Device) -> Result<Self> {
        let frequencies = frequencies(config);
        let angles =
            positions.iter().flat_map(|&position| frequencies.iter().map(move |f| position as f32 * f));
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles.map(|angle| (angle.cos(), angle.sin())).unzip();
        let shape = (positions.len(), frequencies.len());
        Ok(Self { cos: Tensor::from_vec(cos, shape, device)?, sin: Tensor::from_vec(sin, shape, device)? })
    }

    /// The angles of some of its nodes: u32 [n].
    pub(crate) fn select(&self, nodes: &Tensor) -> Result<Self> {
        Ok(Self { cos: self.cos.index_select(nodes, 0)?, sin: self.sin.index_select(nodes, 0)? })
    }

    /// Rotates the leading dimensions of `x` [node, head, d_head]; `fused` where a kernel may be taken.
    pub fn rotate(&self, x: &Tensor, fused: bool) -> Result<Tensor> {
        if fused && kernels::apply_to(&[x]) {
            return Ok(kernels::rope::rope(x, &self.cos, &self.sin)?);
        }
        let half = self.cos.dim(1)?;
        let cos = self.cos.unsqueeze(1)?.to_dtype(x.dtype())?;
        let sin = self.sin.unsqueeze(1)?.to_dtype(x.dtype())?;
        let (x1, x2) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
        let mut parts = vec![
            (x1.broadcast_mul(&cos)? - x2.broadcast_mul(&sin)?)?,
            (x2.broadcast_mul(&cos)? + x1.broadcast_mul(&sin)?)?,
        ];
        let rest = x.dim(D::Minus1)? - 2 * half;
        if rest > 0 {
            parts.push(x.narrow(D::Minus1, 2 * half, rest)?);
        }
        Ok(Tensor::cat(&parts, D::Minus1)?)
    }
}

/// f_i = θ^(−2i/r), stretched as the configuration says.
fn frequencies(config: &RopeConfig) -> Vec<f32> {
    let plain = (0..config.d_rotary / 2)
        .map(|i| 1.0 / (config.theta as f32).powf((2 * i) as f32 / config.d_rotary as f32));
    match config.scaling {
        RopeScaling::None => plain.collect(),
        RopeScaling::Linear { factor } => plain.map(|f| f / factor as f32).collect(),
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
            let (factor, context) = (factor as f32, original_context as f32);
            let (low, high) = (low_freq_factor as f32, high_freq_factor as f32);
            plain
                .map(|f| {
                    // Turns within the original context: few are stretched, many kept, a ramp between.
                    let turns = context * f / (2.0 * PI);
                    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    (1.0 - kept) * f / factor + kept * f
                })
                .collect()
        }
    }
}
