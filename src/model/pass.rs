//! One forward: what is asked of it, and what it keeps while it runs.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::activation::{Activation, Grid};
use super::config::ArchConfig;
use super::kernels::attention::{Batch, QueryRun};
use super::rope::RopeTable;
use super::site::Site;
use super::tap::Tap;
use super::tree::TokenTree;
use crate::error::{Context, Result};

/// Which logits a forward computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// None: the forward is run for what its taps see.
    Nothing,
    /// At the last position of each row: [batch, d_vocab].
    Last,
    /// Everywhere: [batch, pos, d_vocab], zeros where a row is shorter.
    All,
    /// At (row, pos) pairs: [pair, d_vocab].
    At(Vec<(usize, usize)>),
}

/// What is asked of a forward.
pub struct Pass<'a> {
    /// Sees, and may edit, values.
    pub tap: &'a mut dyn Tap,
    /// Which logits to compute.
    pub read: Read,
    /// Blocks from this one on are not run, and no logits computed.
    pub stop_at_layer: Option<usize>,
    /// Plain operations alone, none of [`kernels`](super::kernels): what those are held to.
    pub plain: bool,
    /// Gives the final normed residual where logits are read too: [`Output::normed`](super::decoder::Output).
    pub keep_normed: bool,
}

impl<'a> Pass<'a> {
    /// A whole forward that reads `read`, seen by `tap`.
    pub fn new(tap: &'a mut dyn Tap, read: Read) -> Self {
        Self { tap, read, stop_at_layer: None, plain: false, keep_normed: false }
    }

    /// Stops before block `layer`.
    pub fn stop_at(mut self, layer: Option<usize>) -> Self {
        self.stop_at_layer = layer;
        self
    }
}

/// What the blocks of a running forward share.
pub(super) struct Stage<'a> {
    tap: &'a mut dyn Tap,
    plain: bool,
    first_node: usize,
    /// The nodes of this pass.
    grid: Arc<Grid>,
    /// Those and all before them.
    whole_grid: Arc<Grid>,
    /// The queries of this pass.
    batches: Arc<Vec<Batch>>,
    positions: Vec<u32>,
    ropes: Vec<Rope>,
    masks: Vec<(Option<usize>, Tensor)>,
    device: Device,
}

struct Rope {
    config: super::config::RopeConfig,
    table: Option<RopeTable>,
}

impl<'a> Stage<'a> {
    /// The stage for the nodes of `tree` from `first_node` on.
    pub fn new(
        config: &ArchConfig,
        tree: &TokenTree,
        first_node: usize,
        tap: &'a mut dyn Tap,
        plain: bool,
        device: &Device,
    ) -> Self {
        let grid = Arc::new(Grid::new(tree, first_node));
        let whole_grid = match first_node {
            0 => grid.clone(),
            _ => Arc::new(Grid::new(tree, 0)),
        };
        Self {
            tap,
            plain,
            first_node,
            grid,
            whole_grid,
            batches: Arc::new(vec![Batch {
                runs: Arc::new(QueryRun::whole(
                    tree.segments().iter().filter(|segment| segment.nodes.start >= first_node).cloned(),
                )),
                n_nodes: tree.len() - first_node,
                copies: 1,
            }]),
            positions: tree.positions()[first_node..].to_vec(),
            ropes: config.ropes.iter().map(|config| Rope { config: config.clone(), table: None }).collect(),
            masks: Vec::new(),
            device: device.clone(),
        }
    }

    /// True where fused operations may be taken.
    pub fn is_fused(&self) -> bool {
        !self.plain
    }

    pub fn wants(&self, site: &Site) -> bool {
        self.tap.wants(site)
    }

    /// Shows the packed `value` [node, …] to the tap and gives what it leaves.
    pub fn see(&mut self, site: Site, value: Tensor) -> Result<Tensor> {
        self.visit(site, value, Activation::packed)
    }

    /// The same for a value that is [batch, …] already.
    pub fn see_dense(&mut self, site: Site, value: Tensor) -> Result<Tensor> {
        self.visit(site, value, Activation::dense)
    }

    fn visit(
        &mut self,
        site: Site,
        value: Tensor,
        activation: impl FnOnce(Tensor, Arc<Grid>) -> Activation,
    ) -> Result<Tensor> {
        if !self.tap.wants(&site) {
            return Ok(value);
        }
        let activation = activation(value, self.grid.clone());
        match self.tap.visit(&site, &activation).within(|| site)? {
            Some(replacement) => activation.replaced_by(&replacement).within(|| site),
            None => Ok(activation.raw().clone()),
        }
    }

    pub fn grid(&self) -> &Arc<Grid> {
        &self.grid
    }

    pub fn whole_grid(&self) -> &Arc<Grid> {
        &self.whole_grid
    }

    pub fn first_node(&self) -> usize {
        self.first_node
    }

    pub fn batches(&self) -> Arc<Vec<Batch>> {
        self.batches.clone()
    }

    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// The angles of this pass's nodes, made at their first use.
    pub fn rope(&mut self, index: usize) -> Result<RopeTable> {
        let rope = &mut self.ropes[index];
        if let Some(table) = &rope.table {
            return Ok(table.clone());
        }
        let table = RopeTable::new(&rope.config, &self.positions, &self.device)?;
        Ok(rope.table.insert(table).clone())
    }

    /// 0 where a query may look and −∞ where not: [batch or 1, 1, query, key].
    pub fn mask(&mut self, window: Option<usize>) -> Result<Tensor> {
        if let Some((_, mask)) = self.masks.iter().find(|(of, _)| *of == window) {
            return Ok(mask.clone());
        }
        let (queries, keys) = (self.grid.width(), self.whole_grid.width());
        // Rows that all start at position 0 share one mask.
        let starts: &[usize] = if self.first_node == 0 { &[0] } else { self.grid.starts() };
        let mut mask = Vec::with_capacity(starts.len() * queries * keys);
        for start in starts {
            for query in *start..start + queries {
                let low = window.map_or(0, |window| (query + 1).saturating_sub(window));
                mask.extend((0..keys).map(|key| match (low..=query).contains(&key) {
                    true => 0f32,
                    false => f32::NEG_INFINITY,
                }));
            }
        }
        let mask = Tensor::from_vec(mask, (starts.len(), 1, queries, keys), &self.device)?;
        self.masks.push((window, mask.clone()));
        Ok(mask)
    }
}
