//! The MLP: down(act(up(x))), or down(act(gate(x)) · up(x)) where gated.

use candle_core::Tensor;

use super::config::Activation;
use super::kernels::{self, gated::Gate};
use super::linear::Linear;
use super::pass::Stage;
use super::site::{Point, Site};
use crate::error::Result;

/// One layer's MLP.
#[derive(Debug, Clone)]
pub struct Mlp {
    /// [d_mlp, d_model], in gated MLPs.
    pub gate: Option<Linear>,
    /// [d_mlp, d_model]
    pub up: Linear,
    /// [d_model, d_mlp]
    pub down: Linear,
    /// The non-linearity.
    pub activation: Activation,
}

impl Mlp {
    /// [node, d_model] to [node, d_model].
    pub(super) fn forward(&self, x: &Tensor, layer: usize, stage: &mut Stage) -> Result<Tensor> {
        let fused = stage.is_fused();
        let hidden = match &self.gate {
            Some(gate) => {
                let gate = stage.see(Site::block(layer, Point::MlpPre), gate.forward(x, fused)?)?;
                let up = stage.see(Site::block(layer, Point::MlpPreLinear), self.up.forward(x, fused)?)?;
                self.gated(&gate, &up, fused)?
            }
            None => {
                let up = stage.see(Site::block(layer, Point::MlpPre), self.up.forward(x, fused)?)?;
                self.act(&up)?
            }
        };
        let hidden = stage.see(Site::block(layer, Point::MlpPost), hidden)?;
        self.down.forward(&hidden, fused)
    }

    /// The neurons: [node, d_model] to [node, d_mlp], seen by nobody.
    pub(crate) fn hidden(&self, x: &Tensor, fused: bool) -> Result<Tensor> {
        let up = self.up.forward(x, fused)?;
        match &self.gate {
            Some(gate) => self.gated(&gate.forward(x, fused)?, &up, fused),
            None => self.act(&up),
        }
    }

    fn gated(&self, gate: &Tensor, up: &Tensor, fused: bool) -> Result<Tensor> {
        let kernel = match self.activation {
            Activation::Silu => Some(Gate::Silu),
            Activation::GeluTanh => Some(Gate::GeluTanh),
            Activation::Gelu | Activation::Relu => None,
        };
        match kernel {
            Some(kernel) if fused && kernels::apply_to(&[gate, up]) => {
                Ok(kernels::gated::gated(gate, up, kernel)?)
            }
            _ => Ok((self.act(gate)? * up)?),
        }
    }

    fn act(&self, x: &Tensor) -> Result<Tensor> {
        Ok(match self.activation {
            Activation::Silu => x.silu()?,
            Activation::Gelu => x.gelu_erf()?,
            Activation::GeluTanh => x.gelu()?,
            Activation::Relu => x.relu()?,
        })
    }
}
