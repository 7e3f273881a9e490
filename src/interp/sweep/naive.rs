//! The plain engine: one hooked forward for each cell, of plain operations on rows that share nothing. The
//! fast engine is held equal to it.

use std::collections::HashSet;

use candle_core::{DType, Tensor};

use super::part::Part;
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::interp::cache::{Cache, CacheTap};
use crate::interp::metric::{Scoring, Table};
use crate::interp::positions::Positions;
use crate::model::Model;
use crate::model::activation::Activation;
use crate::model::pass::{Pass, Read};
use crate::model::site::{Point, Site};
use crate::model::tap::{NoTap, Tap};
use crate::model::tree::TokenTree;

/// What the plain engine puts in.
pub enum PlainValues {
    /// What the source's rows held, in the sites' axes.
    Run(Cache),
    /// Zeros.
    Zero,
    /// The mean over these rows' positions.
    Mean(Cache),
    /// A tensor that broadcasts to one position's value.
    Fixed(Tensor),
    /// The value plus a tensor.
    Add(Tensor),
}

/// For each row, for each position, the (row, position) of the source that is put in there.
pub type PutIn = [Vec<Option<(usize, usize)>>];

/// What `sites` hold for `sequences`, every row computed apart.
pub fn run_apart(
    model: &Model,
    sequences: &[Vec<u32>],
    sites: impl IntoIterator<Item = Site>,
) -> Result<Cache> {
    let mut tap = CacheTap::new(sites, Positions::All);
    let tree = TokenTree::separate(sequences)?;
    model.decoder().forward(&tree, plain(&mut tap, Read::Nothing))?;
    Ok(tap.into_cache())
}

/// The logits at the metric's reads with `parts` patched at `put_in`.
///
/// # Errors
/// Where a value does not fit, or the forward fails.
pub fn run_cell(plan: &Plan, values: &PlainValues, parts: &[Part], put_in: &PutIn) -> Result<Table> {
    let mut tap = PlainPatch { values, parts, put_in };
    logits(plan.model, &plan.scoring, &mut tap)
}

/// The logits at the metric's reads of the clean run.
///
/// # Errors
/// Where the forward fails.
pub fn run_clean(model: &Model, scoring: &Scoring) -> Result<Table> {
    logits(model, scoring, &mut NoTap)
}

/// The logits at the metric's reads of a run that `tap` sees.
///
/// # Errors
/// Where the forward fails.
pub(super) fn logits(model: &Model, scoring: &Scoring, tap: &mut dyn Tap) -> Result<Table> {
    let tree = TokenTree::separate(scoring.sequences())?;
    let read = Read::At(scoring.reads().to_vec());
    let output = model.decoder().forward(&tree, plain(tap, read))?;
    Table::new(&output.logits.ok_or_else(|| Error::new("the forward gave no logits"))?)
}

/// Runs the plan's rows apart, with plain operations, seen by `tap`.
///
/// # Errors
/// Where the forward fails.
pub(super) fn run_plain(plan: &Plan, tap: &mut dyn Tap, read: Read) -> Result<()> {
    let tree = TokenTree::separate(plan.scoring.sequences())?;
    plan.model.decoder().forward(&tree, plain(tap, read))?;
    Ok(())
}

/// A forward of plain operations throughout: no fused kernel, and none of its faults.
fn plain(tap: &mut dyn Tap, read: Read) -> Pass<'_> {
    Pass { plain: true, ..Pass::new(tap, read) }
}

/// Patches parts at some places.
pub(super) struct PlainPatch<'a> {
    /// What is put in.
    pub values: &'a PlainValues,
    /// The parts.
    pub parts: &'a [Part],
    /// The places.
    pub put_in: &'a PutIn,
}

impl Tap for PlainPatch<'_> {
    fn wants(&self, site: &Site) -> bool {
        self.parts.iter().any(|part| part.site() == *site)
    }

    fn edits(&self) -> bool {
        true
    }

    fn visit(&mut self, site: &Site, value: &Activation) -> Result<Option<Tensor>> {
        Ok(Some(self.patched(site, &value.tensor()?)?))
    }
}

impl PlainPatch<'_> {
    /// `current` [batch, …], a value at `site`, with the parts there patched.
    ///
    /// # Errors
    /// Where a value does not fit.
    pub fn patched(&self, site: &Site, current: &Tensor) -> Result<Tensor> {
        let put_in = match self.values {
            PlainValues::Run(source) => self.corresponding(&source.get(site)?, current, site)?,
            PlainValues::Zero => current.zeros_like()?,
            PlainValues::Mean(cache) => mean(cache, site)?.broadcast_as(current.shape())?,
            PlainValues::Fixed(tensor) => tensor.broadcast_as(current.shape())?,
            PlainValues::Add(tensor) => current.broadcast_add(tensor)?,
        };
        let mask = mask(self.parts, self.put_in, site, current)?;
        Ok(mask.broadcast_as(current.shape())?.where_cond(&put_in.contiguous()?, current)?)
    }

    /// The source's values at the places of this value's, anything where nothing is put in.
    fn corresponding(&self, source: &Tensor, current: &Tensor, site: &Site) -> Result<Tensor> {
        let is_pattern = site.point == Point::Pattern;
        // Patterns are [batch, head, query, key]; all others [batch, pos, ...].
        let source = if is_pattern { source.transpose(1, 2)? } else { source.clone() };
        let (batch, width) = match is_pattern {
            true => (current.dim(0)?, current.dim(2)?),
            false => (current.dim(0)?, current.dim(1)?),
        };
        let source_width = source.dim(1)?;
        let index: Vec<u32> = (0..batch)
            .flat_map(|row| (0..width).map(move |position| (row, position)))
            .map(|(row, position)| match self.put_in[row].get(position).copied().flatten() {
                Some((row, position)) => (row * source_width + position) as u32,
                None => 0,
            })
            .collect();
        let mut flat = vec![source.dim(0)? * source_width];
        flat.extend(&source.dims()[2..]);
        let chosen =
            source.contiguous()?.reshape(flat)?.index_select(&Tensor::new(index, current.device())?, 0)?;
        let mut shape = vec![batch, width];
        shape.extend(&source.dims()[2..]);
        let chosen = chosen.reshape(shape)?;
        if !is_pattern {
            return Ok(chosen);
        }
        let (chosen, keys) = (chosen.transpose(1, 2)?, current.dim(3)?);
        match chosen.dim(3)? {
            found if found >= keys => Ok(chosen.narrow(3, 0, keys)?),
            found => Ok(chosen.pad_with_zeros(3, 0, keys - found)?),
        }
    }
}

/// 1 where something is put in at `site`, broadcastable to the value there.
///
/// # Errors
/// Where the device has no memory for it.
pub(super) fn mask(parts: &[Part], put_in: &PutIn, site: &Site, current: &Tensor) -> Result<Tensor> {
    let indices: Vec<Option<usize>> =
        parts.iter().filter(|part| part.site() == *site).map(|part| part.index).collect();
    let (position_axis, index_axis) = if site.point == Point::Pattern { (2, 1) } else { (1, 2) };
    let (batch, width) = (current.dim(0)?, current.dim(position_axis)?);
    let place =
        |row: usize, position: usize| u8::from(put_in[row].get(position).is_some_and(Option::is_some));
    let places: Vec<u8> = (0..batch)
        .flat_map(|row| (0..width).map(move |position| (row, position)))
        .map(|(r, p)| place(r, p))
        .collect();
    let mut shape = vec![1; current.rank()];
    (shape[0], shape[position_axis]) = (batch, width);
    let mask = Tensor::from_vec(places, shape, current.device())?;
    let Some(chosen) = indices.into_iter().collect::<Option<HashSet<usize>>>() else { return Ok(mask) };
    let count = current.dim(index_axis)?;
    let columns: Vec<u8> = (0..count).map(|index| u8::from(chosen.contains(&index))).collect();
    let mut shape = vec![1; current.rank()];
    shape[index_axis] = count;
    Ok(mask.broadcast_mul(&Tensor::from_vec(columns, shape, current.device())?.to_dtype(DType::U8)?)?)
}

/// The mean of a site over all real positions of the rows that were run: [1, 1, …].
fn mean(cache: &Cache, site: &Site) -> Result<Tensor> {
    let cells = Positions::All.cells(&cache.lengths(site)?)?;
    Ok(cache.at(site, &cells)?.mean_keepdim(0)?.unsqueeze(0)?)
}
