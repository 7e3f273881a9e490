//! Interventions ready made: taps that replace what a site holds.

use candle_core::{DType, Tensor};

use super::positions::Positions;
use crate::error::{Error, Result};
use crate::model::activation::Activation;
use crate::model::site::{Axes, Point, Site};
use crate::model::tap::Tap;
use crate::random::Random;

/// What is put in the place of a value.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Zeros.
    Zero,
    /// The mean over all real positions of all prompts of this forward; in patterns and scores over the
    /// prompts that have the query.
    Mean,
    /// A tensor that broadcasts to the value: a cached value, one vector, one position.
    Replace(Tensor),
    /// The value of another prompt of this forward at the same position: for each prompt, which. The two
    /// must be equally long.
    Resample(Vec<usize>),
    /// The value plus normal noise of this standard deviation. A prompt's noise depends on its place among
    /// the prompts, on the site and on the position, not on the other prompts.
    Noise {
        /// Standard deviation.
        std: f64,
        /// Makes the noise repeatable.
        seed: u64,
    },
    /// The value plus a vector, times a strength.
    Add {
        /// Broadcasts to the value.
        vector: Tensor,
        /// Factor on the vector.
        strength: f64,
    },
    /// In attention patterns: no weight on these key positions, the rest scaled to sum to 1.
    KnockOut(Positions),
}

/// One edit, where it applies.
#[derive(Debug, Clone)]
pub struct Intervention {
    /// The sites that are edited.
    pub sites: Vec<Site>,
    /// Only these heads, at sites that have a head axis; all where `None`.
    pub heads: Option<Vec<usize>>,
    /// Only these positions of each prompt; query positions, in patterns and scores. In generation they
    /// count from the prompt's start too, and "from the end" means the newest token.
    pub positions: Positions,
    /// The edit.
    pub edit: Edit,
}

impl Tap for Intervention {
    fn wants(&self, site: &Site) -> bool {
        self.sites.contains(site)
    }

    fn edits(&self) -> bool {
        true
    }

    fn visit(&mut self, site: &Site, value: &Activation) -> Result<Option<Tensor>> {
        let current = value.tensor()?;
        let edited = self.edited(site, value, &current)?;
        let mask = self.mask(site, value, &current)?;
        Ok(Some(match mask {
            Some(mask) => mask.broadcast_as(current.shape())?.where_cond(&edited, &current)?,
            None => edited,
        }))
    }
}

impl Intervention {
    /// The value edited everywhere.
    fn edited(&self, site: &Site, value: &Activation, current: &Tensor) -> Result<Tensor> {
        let edited = match &self.edit {
            Edit::Zero => current.zeros_like()?,
            Edit::Mean => mean(value, current)?.broadcast_as(current.shape())?,
            Edit::Replace(source) => fitted(source, current, "the source")?,
            Edit::Resample(rows) => resampled(rows, value, current)?,
            Edit::Noise { std, seed } => (current + (noise(*seed, site, value, current)? * *std)?)?,
            Edit::Add { vector, strength } => {
                (current + (fitted(vector, current, "the vector")? * *strength)?)?
            }
            Edit::KnockOut(keys) => knocked_out(keys, site, value, current)?,
        };
        Ok(edited.contiguous()?)
    }

    /// 1 where the edit applies, broadcastable to the value; `None` where it applies everywhere.
    fn mask(&self, site: &Site, value: &Activation, current: &Tensor) -> Result<Option<Tensor>> {
        if self.positions == Positions::All && self.heads.is_none() {
            return Ok(None);
        }
        let axes = site.point.axes();
        let dims = current.dims();
        let grid = value.grid();
        let positions = factors(&self.positions.covered(grid)?, grid.batch(), grid.width());
        // Patterns are [batch, head, query, key]; all others [batch, pos, ...].
        let (position_shape, head_axis) = match axes {
            Axes::Pattern => (vec![grid.batch(), 1, grid.width(), 1], Some(1)),
            Axes::Head | Axes::KvHead | Axes::Result => (vec![grid.batch(), grid.width(), 1, 1], Some(2)),
            Axes::Residual | Axes::Mlp | Axes::Scale => (vec![grid.batch(), grid.width(), 1], None),
        };
        let mask = Tensor::from_vec(positions, position_shape, current.device())?;
        let mask = match (&self.heads, head_axis) {
            (None, _) => mask,
            (Some(_), None) => {
                return Err(Error::new("this site has no heads")
                    .hint(format!("its axes are [{}]", axes.names().join(", "))));
            }
            (Some(heads), Some(axis)) => {
                let n_heads = dims[axis];
                let mut chosen = vec![0f32; n_heads];
                for &head in heads {
                    match chosen.get_mut(head) {
                        Some(chosen) => *chosen = 1.0,
                        None => {
                            return Err(Error::new(format!("there is no head {head}"))
                                .hint(format!("this site has {n_heads}: 0–{}", n_heads - 1)));
                        }
                    }
                }
                let mut shape = vec![1; 4];
                shape[axis] = n_heads;
                mask.broadcast_mul(&Tensor::from_vec(chosen, shape, current.device())?)?
            }
        };
        Ok(Some(mask.to_dtype(DType::U8)?))
    }
}

/// 1 at these cells and 0 elsewhere, of a grid [batch, width], row by row.
fn factors(cells: &[(usize, usize)], batch: usize, width: usize) -> Vec<f32> {
    let mut factors = vec![0f32; batch * width];
    for (row, place) in cells {
        factors[row * width + place] = 1.0;
    }
    factors
}

/// Standard normal noise in the value's shape, drawn from a stream of its own for each prompt and position.
fn noise(seed: u64, site: &Site, value: &Activation, current: &Tensor) -> Result<Tensor> {
    let mixed = |key: u64, part: usize| Random::new(key ^ part as u64).bits();
    // The seed is mixed by itself first: seeds and layers are both small numbers.
    let layer = site.layer.map_or(0, |layer| layer + 1);
    let site_key = mixed(mixed(Random::new(seed).bits(), layer), site.point as usize);
    let grid = value.grid();
    // Patterns and scores [batch, head, query, key] are drawn as [batch, query, key, head], so that a key's
    // noise does not depend on how many keys there are; all others are [batch, pos, ...] already.
    let is_pattern = !value.has_positions();
    let mut shape = current.dims().to_vec();
    if is_pattern {
        shape[1..].rotate_left(1);
    }
    let mut normal = vec![0f32; current.elem_count()];
    let per_position: usize = shape[2..].iter().product();
    for (row, place) in Positions::All.covered(grid)? {
        let position = grid.starts()[row] + place;
        let mut random = Random::new(mixed(mixed(site_key, row), position));
        let start = (row * shape[1] + place) * per_position;
        normal[start..start + per_position].fill_with(|| random.normal() as f32);
    }
    let noise = Tensor::from_vec(normal, shape, current.device())?;
    let noise = if is_pattern { noise.permute((0, 3, 1, 2))? } else { noise };
    Ok(noise.to_dtype(current.dtype())?)
}

/// `source` in the value's shape and dtype.
fn fitted(source: &Tensor, current: &Tensor, what: &str) -> Result<Tensor> {
    let source = source.to_device(current.device())?.to_dtype(current.dtype())?;
    source.broadcast_as(current.shape()).map_err(|_| {
        Error::new(format!("{what} has shape {:?}, the value {:?}", source.dims(), current.dims()))
            .hint("it must have the value's shape, or broadcast to it")
    })
}

/// The mean over real positions: [1, 1, …] for values with positions, [1, …] for patterns.
fn mean(value: &Activation, current: &Tensor) -> Result<Tensor> {
    let grid = value.grid();
    let cells = Positions::All.covered(grid)?;
    if value.has_positions() {
        return Ok(value.at(&cells)?.mean_keepdim(0)?.unsqueeze(0)?);
    }
    let shape = (grid.batch(), 1, grid.width(), 1);
    let real = Tensor::from_vec(factors(&cells, grid.batch(), grid.width()), shape, current.device())?;
    // Chosen, not multiplied: a score may be −∞.
    let chosen = real.ne(0.0)?.broadcast_as(current.shape())?;
    let sum = chosen.where_cond(current, &current.zeros_like()?)?.sum_keepdim(0)?;
    Ok(sum.broadcast_div(&real.sum_keepdim(0)?.to_dtype(current.dtype())?)?)
}

fn resampled(rows: &[usize], value: &Activation, current: &Tensor) -> Result<Tensor> {
    let lengths = value.grid().lengths();
    if rows.len() != lengths.len() {
        return Err(Error::new(format!(
            "{} rows to resample from, for {} prompts",
            rows.len(),
            lengths.len()
        )));
    }
    for (row, &from) in rows.iter().enumerate() {
        match lengths.get(from) {
            None => return Err(Error::new(format!("there is no prompt {from} to resample from"))),
            Some(len) if *len != lengths[row] => {
                return Err(Error::new(format!(
                    "prompt {row} has {} tokens, prompt {from} has {len}: their positions do not match",
                    lengths[row]
                )));
            }
            Some(_) => {}
        }
    }
    let index: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
    Ok(current.contiguous()?.index_select(&Tensor::new(index, current.device())?, 0)?)
}

fn knocked_out(keys: &Positions, site: &Site, value: &Activation, pattern: &Tensor) -> Result<Tensor> {
    if site.point != Point::Pattern {
        return Err(Error::new("there are no attention weights to knock out")
            .hint("knock-out applies to blocks.N.attn.hook_pattern"));
    }
    // Keys are those of the whole prompts, whatever the pass covers.
    let (batch, _, _, width) = pattern.dims4()?;
    let cells = keys.cells(&value.grid().whole_lengths())?;
    let dropped = Tensor::from_vec(factors(&cells, batch, width), (batch, 1, 1, width), pattern.device())?;
    let kept = pattern.broadcast_mul(&(1.0 - dropped)?.to_dtype(pattern.dtype())?)?;
    let sums = kept.sum_keepdim(3)?;
    // A query that could see nothing else keeps weights of 0.
    let sums = sums.eq(0.0)?.to_dtype(pattern.dtype())?.add(&sums)?;
    Ok(kept.broadcast_div(&sums)?)
}
