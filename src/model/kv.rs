//! Keys and values of earlier positions: passed into a forward, never kept by the model.

use candle_core::Tensor;

use super::tree::TokenTree;
use crate::error::Result;

/// What a forward leaves for the forwards that continue its sequences.
#[derive(Debug, Clone)]
pub struct KvCache {
    pub(super) tree: TokenTree,
    pub(super) layers: Vec<LayerKv>,
    /// Nodes whose keys and values are here, in every layer.
    pub(super) done: usize,
}

impl KvCache {
    /// The empty cache of sequences that are about to run.
    pub fn new(tree: TokenTree, n_layers: usize) -> Self {
        Self { tree, layers: vec![LayerKv::default(); n_layers], done: 0 }
    }

    /// The sequences as far as they have run, or are about to.
    pub fn tree(&self) -> &TokenTree {
        &self.tree
    }

    /// Keys and values of a layer as they enter attention, [node, kv_head, d_head]; none before a forward.
    pub(crate) fn layer(&self, layer: usize) -> Option<&(Tensor, Tensor)> {
        self.layers.get(layer)?.held.as_ref()
    }

    /// Continues each sequence with tokens for the next forward to run; an empty continuation leaves a
    /// sequence where it is.
    ///
    /// # Errors
    /// Where there is not one continuation a sequence.
    pub fn extend(&mut self, continuations: &[Vec<u32>]) -> Result<()> {
        self.tree.extend(continuations)
    }
}

/// One layer's keys and values, [node, kv_head, d_head].
#[derive(Debug, Clone, Default)]
pub struct LayerKv {
    held: Option<(Tensor, Tensor)>,
    /// Nodes that count: what a forward that failed half way had added beyond them is dropped.
    done: usize,
}

impl LayerKv {
    /// Adds the keys and values of new nodes and gives those of all nodes.
    pub(super) fn append(&mut self, k: Tensor, v: Tensor) -> Result<(Tensor, Tensor)> {
        let (k, v) = match &self.held {
            Some((held_k, held_v)) if self.done > 0 => (
                Tensor::cat(&[&held_k.narrow(0, 0, self.done)?, &k], 0)?,
                Tensor::cat(&[&held_v.narrow(0, 0, self.done)?, &v], 0)?,
            ),
            _ => (k, v),
        };
        self.held = Some((k.clone(), v.clone()));
        Ok((k, v))
    }

    /// The first `done` nodes are whole.
    pub(super) fn settle(&mut self, done: usize) {
        self.done = done;
    }
}
