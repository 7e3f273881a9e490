//! Attention over a [`TokenTree`](crate::model::tree::TokenTree), segment by segment.
//!
//! softmax(cap · tanh(scale · q·kᵀ / cap) + mask) · v, where a node sees the nodes of its prefix and the
//! ones before it in its segment, within the window. One task takes a block of queries of one key/value
//! head, with all query heads that share it; nothing larger than a block's scores is ever held.
//!
//! The queries may be *copies* of the same nodes, each with keys and values of its own, that continue one
//! common beginning: many variants of a few prompts. What they share is then multiplied once for all of them.
//!
//! The backward computes the scores again, block by block as the forward does.

mod backward;
mod block;
mod forward;
mod softmax;
#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use self::block::{Rows, Sizes};
use super::held;
use crate::model::tree::Segment;

/// What attention computes, besides its inputs.
#[derive(Debug, Clone)]
pub struct Attention {
    /// The queries, in the order of their rows.
    pub batches: Arc<Vec<Batch>>,
    /// Nodes before this one are the common beginning.
    pub first_node: usize,
    /// Keys and values of the common beginning [node, kv_head, d_head]; where `None`, those given with the
    /// queries begin with them.
    pub beginning: Option<(Tensor, Tensor)>,
    /// Factor on q·k.
    pub scale: f32,
    /// `cap · tanh(scores / cap)`
    pub softcap: Option<f32>,
    /// Positions that a query sees, itself included.
    pub window: Option<usize>,
}

/// Copies of the same nodes. Rows of keys are [copy, node], rows of queries [copy, query].
#[derive(Debug, Clone)]
pub struct Batch {
    /// The runs of nodes whose queries are taken, in the order of their rows.
    pub runs: Arc<Vec<QueryRun>>,
    /// Nodes of a copy.
    pub n_nodes: usize,
    /// How many copies there are.
    pub copies: usize,
}

/// Consecutive nodes of a segment whose queries are taken.
#[derive(Debug, Clone)]
pub struct QueryRun {
    /// The segment that they lie in.
    pub segment: Segment,
    /// The nodes.
    pub nodes: Range<usize>,
}

impl QueryRun {
    /// All nodes of each segment.
    pub fn whole(segments: impl IntoIterator<Item = Segment>) -> Vec<Self> {
        segments.into_iter().map(|segment| Self { nodes: segment.nodes.clone(), segment }).collect()
    }
}

impl Batch {
    fn n_queries(&self) -> usize {
        self.runs.iter().map(|run| run.nodes.len()).sum()
    }
}

impl Attention {
    /// Attention of `q` [query, head, d_head] to `k` and `v` [node, kv_head, d_head]; gives
    /// [query, head, d_head].
    ///
    /// Has a backward where the keys of the beginning, if any, are given with the queries.
    pub fn forward(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        q.contiguous()?.apply_op3(&k.contiguous()?, &v.contiguous()?, self.clone())
    }

    /// The sizes of queries [query, head, d_head] and keys [node, kv_head, d_head].
    ///
    /// # Errors
    /// Where they are not as many as the batches say; `beginning` is the number of values of the common
    /// beginning's keys, `own` that of the copies'.
    fn sizes(&self, q: &Shape, k: &Shape, beginning: usize, own: usize) -> Result<Sizes> {
        let (n_queries, n_heads, d_head) = q.dims3()?;
        let (_, n_kv_heads, _) = k.dims3()?;
        let width = n_kv_heads * d_head;
        let queries: usize = self.batches.iter().map(|batch| batch.copies * batch.n_queries()).sum();
        let nodes: usize = self.batches.iter().map(|batch| batch.copies * batch.n_nodes).sum();
        if queries != n_queries || [beginning, own] != [self.first_node * width, nodes * width] {
            candle_core::bail!(
                "attention of {queries} queries to {nodes} nodes after {}, given {n_queries} queries and {} nodes",
                self.first_node,
                own / width
            );
        }
        Ok(Sizes { n_kv_heads, group: n_heads / n_kv_heads, d_head })
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "tree-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let q = super::values(q, q_layout)?;
        let (k, v) = (super::values(k, k_layout)?, super::values(v, v_layout)?);
        let attend = |k: Rows, v: Rows| {
            if (k.beginning.len(), k.own.len()) != (v.beginning.len(), v.own.len()) {
                candle_core::bail!("attention to {} keys and {} values", k.len(), v.len());
            }
            let sizes = self.sizes(q_layout.shape(), k_layout.shape(), k.beginning.len(), k.own.len())?;
            Ok((CpuStorage::F32(self.attend(q, k, v, sizes)), q_layout.shape().clone()))
        };
        let Some((base_k, base_v)) = &self.beginning else {
            let (_, n_kv_heads, d_head) = k_layout.shape().dims3()?;
            let split = self.first_node * n_kv_heads * d_head;
            return attend(Rows::split(k, split), Rows::split(v, split));
        };
        let (base_k, base_v) = (held(base_k), held(base_v));
        attend(Rows { beginning: base_k.values()?, own: k }, Rows { beginning: base_v.values()?, own: v })
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        if self.beginning.is_some() {
            candle_core::bail!(
                "attention that continues given keys has no backward: give them with the others"
            );
        }
        let [dq, dk, dv] = self.gradients(q, k, v, gradient)?;
        Ok((super::tracked(q, dq), super::tracked(k, dk), super::tracked(v, dv)))
    }
}

/// An output, written by tasks in disjoint pieces.
struct Output(*mut MaybeUninit<f32>);
// SAFETY: each piece is written by exactly one task.
unsafe impl Sync for Output {}

impl Output {
    /// # Safety
    /// `at + values.len()` lies inside the output, and no other task writes there.
    unsafe fn write(&self, at: usize, values: &[f32]) {
        // SAFETY: as promised by the caller.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.0.add(at).cast(), values.len()) };
    }
}
