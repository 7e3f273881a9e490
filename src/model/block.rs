//! One block: the residual stream, plus attention, plus the MLP.

use candle_core::Tensor;

use super::attention::Attention;
use super::kv::LayerKv;
use super::linear::Linear;
use super::mlp::Mlp;
use super::norm::{Norm, NormSites};
use super::pass::Stage;
use super::site::{Point, Site};
use crate::error::Result;

/// One layer of the decoder.
#[derive(Debug, Clone)]
pub struct Block {
    /// Before attention.
    pub ln1: Norm,
    /// Attention.
    pub attn: Attention,
    /// On attention's output, in families that have it.
    pub ln1_post: Option<Norm>,
    /// Before the MLP.
    pub ln2: Norm,
    /// The MLP.
    pub mlp: Mlp,
    /// On the MLP's output, in families that have it.
    pub ln2_post: Option<Norm>,
    /// The MLP reads the block's input, not what attention left.
    pub is_parallel: bool,
}

impl Block {
    /// The residual stream [node, d_model] through the block.
    pub(super) fn forward(
        &self,
        resid: Tensor,
        layer: usize,
        kv: Option<&mut LayerKv>,
        stage: &mut Stage,
    ) -> Result<Tensor> {
        let at = |point| Site::block(layer, point);
        let resid = stage.see(at(Point::ResidPre), resid)?;

        let x = self.ln1.forward_at(&resid, Some(layer), NormSites::LN1, stage)?;
        let attn_out = self.attn.forward(&x, layer, kv, stage)?;
        let attn_out = post(&self.ln1_post, attn_out, layer, NormSites::LN1_POST, stage)?;
        let attn_out = stage.see(at(Point::AttnOut), attn_out)?;

        let after_attn = (&resid + attn_out)?;
        let (mlp_input, before_mlp) = match self.is_parallel {
            true => (resid, after_attn),
            false => {
                let mid = stage.see(at(Point::ResidMid), after_attn)?;
                (mid.clone(), mid)
            }
        };
        let x = self.ln2.forward_at(&mlp_input, Some(layer), NormSites::LN2, stage)?;
        let mlp_out = self.mlp.forward(&x, layer, stage)?;
        let mlp_out = post(&self.ln2_post, mlp_out, layer, NormSites::LN2_POST, stage)?;
        let mlp_out = stage.see(at(Point::MlpOut), mlp_out)?;

        stage.see(at(Point::ResidPost), (before_mlp + mlp_out)?)
    }

    /// The norms, by their names inside the block.
    pub fn norms(&self) -> impl Iterator<Item = (&'static str, &Norm)> {
        let (q_norm, k_norm) = self.attn.qk_norm.as_ref().map(|(q, k)| (q, k)).unzip();
        [
            ("ln1", Some(&self.ln1)),
            ("ln1_post", self.ln1_post.as_ref()),
            ("ln2", Some(&self.ln2)),
            ("ln2_post", self.ln2_post.as_ref()),
            ("attn.q_norm", q_norm),
            ("attn.k_norm", k_norm),
        ]
        .into_iter()
        .filter_map(|(name, norm)| Some((name, norm?)))
    }

    /// The linear maps, by their names inside the block, in the order of a forward.
    pub fn linears(&self) -> impl Iterator<Item = (&'static str, &Linear)> {
        let (attn, mlp) = (&self.attn, &self.mlp);
        let gate = mlp.gate.as_ref().map(|gate| ("mlp.gate", gate));
        [("attn.q", &attn.q), ("attn.k", &attn.k), ("attn.v", &attn.v), ("attn.o", &attn.o)]
            .into_iter()
            .chain(gate)
            .chain([("mlp.up", &mlp.up), ("mlp.down", &mlp.down)])
    }

    pub(super) fn linears_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut Linear)> {
        let (attn, mlp) = (&mut self.attn, &mut self.mlp);
        let gate = mlp.gate.as_mut().map(|gate| ("mlp.gate", gate));
        [("attn.q", &mut attn.q), ("attn.k", &mut attn.k), ("attn.v", &mut attn.v), ("attn.o", &mut attn.o)]
            .into_iter()
            .chain(gate)
            .chain([("mlp.up", &mut mlp.up), ("mlp.down", &mut mlp.down)])
    }
}

fn post(
    norm: &Option<Norm>,
    out: Tensor,
    layer: usize,
    sites: NormSites,
    stage: &mut Stage,
) -> Result<Tensor> {
    match norm {
        Some(norm) => norm.forward_at(&out, Some(layer), sites, stage),
        None => Ok(out),
    }
}
