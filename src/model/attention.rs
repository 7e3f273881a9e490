//! Attention: z = softmax(cap(scale · q·kᵀ) + mask) · v per head, then W_O.
//!
//! Two ways to the same z. The fused one goes through the tree and never holds the scores. The plain one
//! holds them as [batch, head, query, key]: it is taken where a tap wants them, where plain operations are
//! asked for, and on other devices and dtypes. Both have a backward.

use std::sync::Arc;

use candle_core::{D, DType, Tensor};

use super::config::ArchConfig;
use super::kernels;
pub(crate) use super::kernels::attention::{Batch, QueryRun};
use super::kv::LayerKv;
use super::linear::Linear;
use super::norm::Norm;
use super::pass::Stage;
use super::site::{Point, Site};
use crate::error::Result;

/// One layer's attention.
#[derive(Debug, Clone)]
pub struct Attention {
    /// [head · d_head, d_model]
    pub q: Linear,
    /// [kv_head · d_head, d_model]
    pub k: Linear,
    /// [kv_head · d_head, d_model]
    pub v: Linear,
    /// [d_model, head · d_head]
    pub o: Linear,
    /// Norms of each query and key head before rotation.
    pub qk_norm: Option<(Norm, Norm)>,
    /// Query heads.
    pub n_heads: usize,
    /// Key/value heads.
    pub n_kv_heads: usize,
    /// Width of a head.
    pub d_head: usize,
    /// Factor on q·k.
    pub scale: f64,
    /// `cap · tanh(scores / cap)`
    pub softcap: Option<f64>,
    /// Positions a query sees, itself included.
    pub window: Option<usize>,
    /// Index of the layer's rotary table.
    pub rope: Option<usize>,
}

impl Attention {
    /// The attention of `layer`, without its weights' values: sizes from the configuration.
    pub(super) fn new(
        config: &ArchConfig,
        layer: usize,
        [q, k, v, o]: [Linear; 4],
        qk_norm: Option<(Norm, Norm)>,
    ) -> Self {
        Self {
            q,
            k,
            v,
            o,
            qk_norm,
            n_heads: config.n_heads,
            n_kv_heads: config.n_kv_heads,
            d_head: config.d_head,
            scale: config.attn_scale,
            softcap: config.attn_softcap,
            window: config.layers[layer].window,
            rope: config.layers[layer].rope,
        }
    }

    /// [node, d_model] to [node, d_model]; earlier keys and values come from, and new ones go to, `kv`.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        layer: usize,
        kv: Option<&mut LayerKv>,
        stage: &mut Stage,
    ) -> Result<Tensor> {
        let at = |point| Site::block(layer, point);
        let fused = stage.is_fused();
        let q = stage.see(at(Point::Q), self.heads(&self.q, x, fused)?)?;
        let k = stage.see(at(Point::K), self.heads(&self.k, x, fused)?)?;
        let v = stage.see(at(Point::V), self.heads(&self.v, x, fused)?)?;
        let (q, k) = self.place(q, k, layer, stage)?;
        let (k, v) = match kv {
            Some(kv) => kv.append(k, v)?,
            None => (k, v),
        };

        let is_seen = stage.wants(&at(Point::AttnScores)) || stage.wants(&at(Point::Pattern));
        let z = match fused && !is_seen && kernels::apply_to(&[&q, &k, &v]) {
            true => self.fused(stage.batches(), stage.first_node(), None).forward(&q, &k, &v)?,
            false => self.plain(&q, &k, &v, layer, stage)?,
        };
        let z = stage.see(at(Point::Z), z)?;
        if !stage.wants(&at(Point::Result)) {
            return self.o.forward(&z.flatten_from(1)?, fused);
        }
        let result = stage.see(at(Point::Result), self.per_head(&z)?)?;
        let out = result.sum(1)?;
        Ok(match &self.o.bias {
            Some(bias) => out.broadcast_add(bias)?,
            None => out,
        })
    }

    /// The fused attention of `batches` of queries; see [`kernels::attention::Attention`].
    pub(crate) fn fused(
        &self,
        batches: Arc<Vec<Batch>>,
        first_node: usize,
        beginning: Option<(Tensor, Tensor)>,
    ) -> kernels::attention::Attention {
        kernels::attention::Attention {
            batches,
            first_node,
            beginning,
            scale: self.scale as f32,
            softcap: self.softcap.map(|cap| cap as f32),
            window: self.window,
        }
    }

    /// `x` [node, d_model] projected: [node, heads, d_head].
    pub(crate) fn heads(&self, projection: &Linear, x: &Tensor, fused: bool) -> Result<Tensor> {
        Ok(projection.forward(x, fused)?.reshape((x.dim(0)?, (), self.d_head))?)
    }

    /// Queries and keys as they enter the scores: normed, then turned by their position.
    fn place(&self, q: Tensor, k: Tensor, layer: usize, stage: &mut Stage) -> Result<(Tensor, Tensor)> {
        let fused = stage.is_fused();
        let (q, k) = self.normed(q, k, fused)?;
        let Some(rope) = self.rope else { return Ok((q, k)) };
        let table = stage.rope(rope)?;
        let q = stage.see(Site::block(layer, Point::RotQ), table.rotate(&q, fused)?)?;
        let k = stage.see(Site::block(layer, Point::RotK), table.rotate(&k, fused)?)?;
        Ok((q, k))
    }

    /// Queries and keys after the family's norms of each head.
    pub(crate) fn normed(&self, q: Tensor, k: Tensor, fused: bool) -> Result<(Tensor, Tensor)> {
        Ok(match &self.qk_norm {
            Some((q_norm, k_norm)) => (q_norm.forward(&q, fused)?, k_norm.forward(&k, fused)?),
            None => (q, k),
        })
    }

    /// The plain way: `q` [query node, head, d_head], `k` and `v` [node, kv_head, d_head].
    fn plain(&self, q: &Tensor, k: &Tensor, v: &Tensor, layer: usize, stage: &mut Stage) -> Result<Tensor> {
        let (grid, past) = (stage.grid().clone(), stage.whole_grid().clone());
        let (batch, queries, keys) = (grid.batch(), grid.width(), past.width());
        let group = self.n_heads / self.n_kv_heads;
        // Heads that share keys stand below each other, so that GQA needs no copies of keys.
        let stacked = (batch, self.n_kv_heads, group * queries, self.d_head);
        let q = grid.pad(q)?.transpose(1, 2)?.contiguous()?.reshape(stacked)?;
        let k = past.pad(k)?.transpose(1, 2)?.contiguous()?;
        let v = past.pad(v)?.transpose(1, 2)?.contiguous()?;

        let scores = (q.matmul(&k.t()?)? * self.scale)?.to_dtype(DType::F32)?;
        let scores = match self.softcap {
            Some(cap) => ((scores / cap)?.tanh()? * cap)?,
            None => scores,
        };
        let scores = scores.reshape((batch, self.n_heads, queries, keys))?;
        let scores = scores.broadcast_add(&stage.mask(self.window)?)?;
        let scores = stage.see_dense(Site::block(layer, Point::AttnScores), scores)?;
        let pattern = candle_nn::ops::softmax(&scores, D::Minus1)?;
        let pattern = stage.see_dense(Site::block(layer, Point::Pattern), pattern)?;
        let pattern =
            pattern.to_dtype(v.dtype())?.reshape((batch, self.n_kv_heads, group * queries, keys))?;
        let z = pattern.matmul(&v)?.reshape((batch, self.n_heads, queries, self.d_head))?;
        grid.pack(&z.transpose(1, 2)?)
    }

    /// Each head's part of the output: `z` [node, head, d_head] to [node, head, d_model].
    pub fn per_head(&self, z: &Tensor) -> Result<Tensor> {
        let w_o = self.o.effective_weight()?;
        let w_o = w_o.reshape((w_o.dim(0)?, self.n_heads, self.d_head))?;
        let w_o = w_o.permute((1, 2, 0))?.contiguous()?;
        let z = z.transpose(0, 1)?.contiguous()?;
        Ok(z.matmul(&w_o)?.transpose(0, 1)?.contiguous()?)
    }
}
