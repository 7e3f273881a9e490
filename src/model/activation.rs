//! A value of a forward, as a tap sees it.

use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device, Tensor};

use super::tree::TokenTree;
use crate::error::{Error, Result};

/// How the packed nodes of a forward lie in a padded [batch, pos] grid.
///
/// A pass that continues from cached keys and values covers only the new nodes: position 0 of the grid
/// is then the first new token of each row.
#[derive(Debug)]
pub struct Grid {
    /// For each row, its nodes, counted from the first node of the pass.
    rows: Vec<Vec<u32>>,
    /// For each row, how many of its positions ran before the pass.
    starts: Vec<usize>,
    /// Nodes in the pass.
    n_nodes: usize,
    /// Longest row.
    width: usize,
    /// For each node the cell (row · width + pos) that stands for it.
    cells: Vec<u32>,
    /// Packed and padded are the same memory: equal rows that share nothing.
    is_dense: bool,
    index: OnceLock<Tensor>,
    inverse: OnceLock<Tensor>,
}

impl Grid {
    /// The grid of the tree's nodes from `first_node` on.
    pub fn new(tree: &TokenTree, first_node: usize) -> Self {
        let rows: Vec<Vec<u32>> = tree
            .rows()
            .iter()
            .map(|row| {
                row.iter()
                    .filter(|&&node| node as usize >= first_node)
                    .map(|node| node - first_node as u32)
                    .collect()
            })
            .collect();
        let starts = tree.rows().iter().zip(&rows).map(|(all, new)| all.len() - new.len()).collect();
        let n_nodes = tree.len() - first_node;
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut cells = vec![0; n_nodes];
        for (r, row) in rows.iter().enumerate() {
            for (position, &node) in row.iter().enumerate() {
                cells[node as usize] = (r * width + position) as u32;
            }
        }
        let is_dense = rows.iter().flatten().copied().eq(0..n_nodes as u32) && n_nodes == rows.len() * width;
        Self {
            rows,
            starts,
            n_nodes,
            width,
            cells,
            is_dense,
            index: OnceLock::new(),
            inverse: OnceLock::new(),
        }
    }

    /// Rows of the grid.
    pub fn batch(&self) -> usize {
        self.rows.len()
    }

    /// Longest row, in positions.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Length of each row, without padding.
    pub fn lengths(&self) -> Vec<usize> {
        self.rows.iter().map(Vec::len).collect()
    }

    /// For each row, the position in its sequence that its first position here has: 0 but in a pass that
    /// continues.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// Length of each row with what ran before the pass.
    pub fn whole_lengths(&self) -> Vec<usize> {
        self.rows.iter().zip(&self.starts).map(|(row, start)| start + row.len()).collect()
    }

    /// The packed node at a row and position.
    pub fn node(&self, row: usize, position: usize) -> Option<usize> {
        self.rows.get(row)?.get(position).map(|&node| node as usize)
    }

    /// Packed [node, …] to padded [batch, pos, …]; padding holds zeros.
    pub fn pad(&self, packed: &Tensor) -> Result<Tensor> {
        let mut shape = vec![self.batch(), self.width];
        shape.extend(&packed.dims()[1..]);
        if self.is_dense {
            return Ok(packed.reshape(shape)?);
        }
        let ragged = self.rows.iter().any(|row| row.len() < self.width);
        let source = match ragged {
            true => {
                let mut blank = packed.dims().to_vec();
                blank[0] = 1;
                Tensor::cat(&[packed, &Tensor::zeros(blank, packed.dtype(), packed.device())?], 0)?
            }
            false => packed.clone(),
        };
        let index = cached(&self.index, packed.device(), || {
            let blank = self.n_nodes as u32;
            self.rows
                .iter()
                .flat_map(|row| (0..self.width).map(|p| row.get(p).copied().unwrap_or(blank)))
                .collect()
        })?;
        Ok(source.contiguous()?.index_select(&index, 0)?.reshape(shape)?)
    }

    /// Padded [batch, pos, …] to packed [node, …]. Where rows share a node, one of them stands for it.
    pub fn pack(&self, padded: &Tensor) -> Result<Tensor> {
        let rest = &padded.dims()[2..];
        let mut flat = vec![self.batch() * self.width];
        flat.extend(rest);
        let flat = padded.contiguous()?.reshape(flat)?;
        if self.is_dense {
            return Ok(flat);
        }
        let inverse = cached(&self.inverse, padded.device(), || self.cells.clone())?;
        Ok(flat.index_select(&inverse, 0)?)
    }
}

/// The index tensor in `slot`, made at its first use.
fn cached(slot: &OnceLock<Tensor>, device: &Device, make: impl FnOnce() -> Vec<u32>) -> Result<Tensor> {
    if let Some(index) = slot.get() {
        return Ok(index.clone());
    }
    let index = Tensor::new(make(), device)?;
    Ok(slot.get_or_init(|| index).clone())
}

/// A value at a site: kept as the forward has it, given out in the shape of its [`Axes`](super::site::Axes).
#[derive(Debug, Clone)]
pub struct Activation {
    value: Tensor,
    grid: Arc<Grid>,
    is_packed: bool,
}

impl Activation {
    /// A packed value, [node, …].
    pub(super) fn packed(value: Tensor, grid: Arc<Grid>) -> Self {
        Self { value, grid, is_packed: true }
    }

    /// A value that is [batch, …] already (scores and patterns).
    pub(super) fn dense(value: Tensor, grid: Arc<Grid>) -> Self {
        Self { value, grid, is_packed: false }
    }

    /// The value in the site's axes; padding holds zeros.
    ///
    /// # Errors
    /// Where the device has no memory for it.
    pub fn tensor(&self) -> Result<Tensor> {
        if self.is_packed { self.grid.pad(&self.value) } else { Ok(self.value.clone()) }
    }

    /// True where the second axis is the position; scores and patterns have a query and a key axis.
    pub fn has_positions(&self) -> bool {
        self.is_packed
    }

    /// The rows and positions that the value covers.
    pub fn grid(&self) -> &Arc<Grid> {
        &self.grid
    }

    /// The value as the forward has it: [node, …], or the site's own axes for scores and patterns.
    pub fn raw(&self) -> &Tensor {
        &self.value
    }

    /// The value at given (row, position) pairs: [pair, …], for sites with a position axis.
    ///
    /// # Errors
    /// Where a pair lies outside its row, or the site has no position axis.
    pub fn at(&self, cells: &[(usize, usize)]) -> Result<Tensor> {
        if !self.is_packed {
            return Err(Error::new("a pattern has a query and a key axis, no single position"));
        }
        let nodes = cells
            .iter()
            .map(|&(row, position)| match self.grid.node(row, position) {
                Some(node) => Ok(node as u32),
                None => Err(Error::new(format!("row {row} has no position {position}"))),
            })
            .collect::<Result<Vec<u32>>>()?;
        let index = Tensor::new(nodes, self.value.device())?;
        Ok(self.value.contiguous()?.index_select(&index, 0)?)
    }

    /// This value replaced by one given in the site's axes.
    ///
    /// # Errors
    /// Where shape, dtype or device are not those of the value.
    pub(super) fn with(&self, replacement: &Tensor) -> Result<Self> {
        Ok(Self { value: self.replaced_by(replacement)?, ..self.clone() })
    }

    /// The forward's form of a `replacement` given in the site's axes.
    ///
    /// # Errors
    /// Where its shape or dtype is not that of the value.
    pub(super) fn replaced_by(&self, replacement: &Tensor) -> Result<Tensor> {
        let mut expected = self.value.dims().to_vec();
        if self.is_packed {
            expected.splice(..1, [self.grid.batch(), self.grid.width]);
        }
        if replacement.dims() != expected {
            return Err(Error::new(format!(
                "the replacement has shape {:?}, the value {expected:?}",
                replacement.dims()
            ))
            .hint("a hook returns a tensor of the shape it was given, or () to leave the value"));
        }
        if !replacement.device().same_device(self.value.device()) {
            return Err(Error::new("the replacement lies on another device than the value"));
        }
        let replacement = match replacement.dtype() {
            dtype if dtype == self.value.dtype() => replacement.clone(),
            DType::F32 | DType::F64 | DType::BF16 | DType::F16 => replacement.to_dtype(self.value.dtype())?,
            dtype => {
                return Err(Error::new(format!(
                    "the replacement holds {}, the value {}",
                    dtype.as_str(),
                    self.value.dtype().as_str()
                )));
            }
        };
        if self.is_packed { self.grid.pack(&replacement) } else { Ok(replacement.contiguous()?) }
    }
}
