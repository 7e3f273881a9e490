//! The fast engine: many patched variants of a few prompts in one pass up the layers.
//!
//! A cell's variant differs from the clean run in its dirty nodes alone, and from its first patched layer
//! on. So the pass begins at the lowest layer of its cells, with the dirty nodes' clean values; a cell joins
//! where its first patch is, at one of four [`Stage`]s of a layer, and from there on all cells' nodes go
//! through the layers as the rows of one matrix. Their keys and values continue the clean run's. In the last
//! layer only what the metric reads goes on, and the unembedding computes only the tokens that count.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use candle_core::Tensor;

use super::forest::{Forest, Nodes};
use super::part::Part;
use super::paths::Arrivals;
use super::readout::Readout;
use super::record::Recording;
use super::values::{Values, replace};
use crate::error::{Error, Result};
use crate::interp::metric::Table;
use crate::interrupt;
use crate::model::attention::{Attention, Batch};
use crate::model::block::Block;
use crate::model::decoder::Decoder;
use crate::model::norm::Norm;
use crate::model::rope::RopeTable;
use crate::model::site::{Point, Site};

/// Where in a layer a variant begins to differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Before attention.
    Start,
    /// At the heads' outputs.
    Heads,
    /// Between attention and MLP, and in the MLP.
    Middle,
    /// At what the MLP adds.
    End,
}

impl Stage {
    /// The stage at which a patch takes effect.
    pub fn of(point: Point) -> Self {
        match point {
            Point::Pattern | Point::Z | Point::AttnOut => Self::Heads,
            Point::ResidMid | Point::MlpPost => Self::Middle,
            Point::MlpOut | Point::ResidPost => Self::End,
            _ => Self::Start,
        }
    }
}

/// One variant: parts that are patched together.
#[derive(Debug, Clone)]
pub struct Variant {
    /// What is patched.
    pub parts: Vec<Part>,
    /// Which forest says where.
    pub forest: usize,
    /// What is put in where it is not the source's: what reaches a path's receivers.
    pub arrivals: Option<Arrivals>,
}

impl Variant {
    /// Where it begins to differ.
    pub fn entry(&self) -> Option<(usize, Stage)> {
        self.parts.iter().map(|part| (part.layer, Stage::of(part.point))).min()
    }

    /// The heads or neurons that are patched at a site (`None` for all of it); empty where none is.
    fn at(&self, site: Site) -> Vec<Option<usize>> {
        self.parts.iter().filter(|part| part.site() == site).map(|part| part.index).collect()
    }
}

/// What all variants of a sweep stand on.
pub struct Wave<'a> {
    /// The model that is patched.
    pub decoder: &'a Decoder,
    /// Its clean run.
    pub clean: &'a Recording,
    /// What is put in.
    pub values: &'a Values,
    /// The nodes that can change, for each choice of positions.
    pub forests: &'a [Forest],
    /// What is read at the end.
    pub readout: &'a Readout<'a>,
    /// Angles of all positions, by rotary table.
    pub ropes: &'a [RopeTable],
}

/// The sites of the clean run that variants entering at `layer` and `stage` need.
pub fn clean_sites(layer: usize, stage: Stage) -> Vec<Site> {
    let points: &[Point] = match stage {
        Stage::Start => &[Point::ResidPre],
        Stage::Heads => &[Point::ResidPre, Point::Z],
        Stage::Middle => &[Point::ResidPre, Point::AttnOut],
        Stage::End => &[Point::ResidPre, Point::AttnOut, Point::MlpOut],
    };
    points.iter().map(|&point| Site::block(layer, point)).collect()
}

/// The sites of the source that a patch of `part` needs: a pattern is made again from queries and keys.
pub fn source_sites(part: &Part) -> Vec<Site> {
    match part.point {
        Point::Pattern => [Point::Q, Point::K].map(|point| Site::block(part.layer, point)).to_vec(),
        _ => vec![part.site()],
    }
}

/// The variants under way, as rows [variant, node]; none where nothing has joined yet.
#[derive(Default)]
struct Rows {
    variants: Vec<usize>,
    value: Option<Tensor>,
}

impl Rows {
    /// Adds rows below those that are there.
    fn add(&mut self, value: Option<Tensor>) -> Result<()> {
        self.value = match (self.value.take(), value) {
            (Some(above), Some(below)) => Some(Tensor::cat(&[above, below], 0)?),
            (above, below) => above.or(below),
        };
        Ok(())
    }
}

/// Which of a forest's nodes are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    /// All that can change.
    All,
    /// Those that are read, in the last layer.
    Reads,
}

impl Forest {
    /// The nodes of an extent.
    pub fn nodes(&self, extent: Extent) -> &Nodes {
        match extent {
            Extent::All => &self.all,
            Extent::Reads => &self.reads,
        }
    }
}

impl Wave<'_> {
    /// The logits at the metric's reads under each variant.
    ///
    /// # Errors
    /// Where a forward fails, or the work is interrupted.
    pub fn run(&self, variants: &[Variant]) -> Result<Vec<Table>> {
        let pass = WavePass { wave: self, variants, angles: RefCell::default() };
        let n_layers = self.decoder.config().n_layers();
        let first =
            variants.iter().filter_map(Variant::entry).map(|(layer, _)| layer).min().unwrap_or(n_layers);
        let mut rows = Rows::default();
        for layer in first..n_layers {
            interrupt::check()?;
            rows = pass.layer(rows, layer, layer + 1 == n_layers)?;
        }
        self.readout.tables(self.decoder, rows.value.as_ref(), &rows.variants, variants, self.forests)
    }
}

struct WavePass<'a> {
    wave: &'a Wave<'a>,
    variants: &'a [Variant],
    /// The angles of the rows under way, by rotary table and extent, for as long as no variant joins.
    angles: RefCell<Angles>,
}

#[derive(Default)]
struct Angles {
    variants: Vec<usize>,
    tables: HashMap<(usize, bool), RopeTable>,
}

impl WavePass<'_> {
    /// One layer: what `block.forward` does, with variants joining on the way.
    fn layer(&self, mut rows: Rows, layer: usize, is_last: bool) -> Result<Rows> {
        let block = &self.wave.decoder.blocks()[layer];
        let at = |point| Site::block(layer, point);
        // In the last layer only what is read goes on behind the keys and values.
        let extent = if is_last { Extent::Reads } else { Extent::All };

        let joining = self.joining(layer, Stage::Start);
        rows.add(self.clean(at(Point::ResidPre), &joining, Extent::All)?)?;
        rows.variants.extend(&joining);
        let mut resid = rows;
        resid.value = self.edit(resid.value, at(Point::ResidPre), &resid.variants, Extent::All)?;
        let mut z = Rows { variants: resid.variants.clone(), value: None };
        let mut own_values = None;
        if let Some(x) = resid.value.take() {
            let (heads, v, kept) = self.attend(&x, block, layer, &resid.variants, extent)?;
            (z.value, own_values, resid.value) = (Some(heads), Some(v), Some(kept));
        }

        let joining = self.joining(layer, Stage::Heads);
        let active = resid.variants.len();
        z.add(self.clean(at(Point::Z), &joining, extent)?)?;
        resid.add(self.clean(at(Point::ResidPre), &joining, extent)?)?;
        resid.variants.extend(&joining);
        z.variants.extend(&joining);
        z.value = self.patterns(z.value, own_values, active, &block.attn, layer, &z.variants, extent)?;
        z.value = self.edit(z.value, at(Point::Z), &z.variants, extent)?;
        let attn_out = match z.value {
            Some(z) => {
                let out = block.attn.o.forward(&z.flatten_from(1)?, true)?;
                Some(post(&block.ln1_post, out)?)
            }
            None => None,
        };
        let attn_out = self.edit(attn_out, at(Point::AttnOut), &resid.variants, extent)?;
        let mut after_attn = Rows { variants: resid.variants.clone(), value: sum(&resid.value, attn_out)? };

        let joining = self.joining(layer, Stage::Middle);
        let joined = self.clean(at(Point::ResidPre), &joining, extent)?;
        after_attn.add(sum(&joined, self.clean(at(Point::AttnOut), &joining, extent)?)?)?;
        after_attn.variants.extend(&joining);
        if block.is_parallel {
            resid.add(joined)?;
        } else {
            after_attn.value =
                self.edit(after_attn.value, at(Point::ResidMid), &after_attn.variants, extent)?;
            resid.value = after_attn.value.clone();
        }
        let mlp_out = match &resid.value {
            Some(input) => {
                let hidden = block.mlp.hidden(&block.ln2.forward(input, true)?, true)?;
                let hidden = self.edit(Some(hidden), at(Point::MlpPost), &after_attn.variants, extent)?;
                match hidden {
                    Some(hidden) => Some(post(&block.ln2_post, block.mlp.down.forward(&hidden, true)?)?),
                    None => None,
                }
            }
            None => None,
        };
        let mut mlp_out = Rows { variants: Vec::new(), value: mlp_out };

        let joining = self.joining(layer, Stage::End);
        let joined = self.clean(at(Point::ResidPre), &joining, extent)?;
        after_attn.add(sum(&joined, self.clean(at(Point::AttnOut), &joining, extent)?)?)?;
        after_attn.variants.extend(&joining);
        mlp_out.add(self.clean(at(Point::MlpOut), &joining, extent)?)?;
        let mlp_out = self.edit(mlp_out.value, at(Point::MlpOut), &after_attn.variants, extent)?;
        let resid = sum(&after_attn.value, mlp_out)?;
        let resid = self.edit(resid, at(Point::ResidPost), &after_attn.variants, extent)?;
        Ok(Rows { variants: after_attn.variants, value: resid })
    }

    /// The heads' outputs [row, head, d_head] from residuals [row, d_model] of all dirty nodes, the values
    /// that were attended to, and the residuals of the nodes that go on.
    fn attend(
        &self,
        resid: &Tensor,
        block: &Block,
        layer: usize,
        variants: &[usize],
        extent: Extent,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        let attn = &block.attn;
        let at = |point| Site::block(layer, point);
        let x = block.ln1.forward(resid, true)?;
        let (x_q, kept) = match extent {
            Extent::All => (x.clone(), resid.clone()),
            Extent::Reads => {
                let index = self.read_rows(variants, resid)?;
                (x.index_select(&index, 0)?, resid.index_select(&index, 0)?)
            }
        };
        let edit = |value: Tensor, point, extent| -> Result<Tensor> {
            self.edit(Some(value), at(point), variants, extent)?.ok_or_else(|| Error::new("no rows to edit"))
        };
        let q = edit(attn.heads(&attn.q, &x_q, true)?, Point::Q, extent)?;
        let k = edit(attn.heads(&attn.k, &x, true)?, Point::K, Extent::All)?;
        let v = edit(attn.heads(&attn.v, &x, true)?, Point::V, Extent::All)?;
        let (mut q, mut k) = attn.normed(q, k, true)?;
        if let Some(rope) = attn.rope {
            q = self.angles(rope, variants, extent)?.rotate(&q, true)?;
            k = self.angles(rope, variants, Extent::All)?.rotate(&k, true)?;
        }
        let beginning = self.wave.clean.keys_and_values(layer)?;
        let first_node = self.wave.clean.tree().len();
        let attention = attn.fused(Arc::new(self.batches(variants, extent)), first_node, Some(beginning));
        Ok((attention.forward(&q, &k, &v)?, v, kept))
    }

    /// Puts in heads' outputs with the source's attention pattern on the variant's own values.
    #[allow(clippy::too_many_arguments)]
    fn patterns(
        &self,
        z: Option<Tensor>,
        own_values: Option<Tensor>,
        active: usize,
        attn: &Attention,
        layer: usize,
        variants: &[usize],
        extent: Extent,
    ) -> Result<Option<Tensor>> {
        let site = Site::block(layer, Point::Pattern);
        let Some(z) = z else { return Ok(None) };
        let first_rows = self.first_rows(variants, Extent::All);
        self.edit_with(z, site, variants, extent, |own, place, indices, forest| {
            let nodes = forest.nodes(extent);
            let from_pattern = match self.wave.values {
                Values::Zero => own.zeros_like()?,
                Values::Run { run: source, .. } => {
                    let (clean_k, clean_v) = self.wave.clean.keys_and_values(layer)?;
                    let v = match &own_values {
                        Some(values) if place < active => {
                            values.narrow(0, first_rows[place], forest.all.len)?.contiguous()?
                        }
                        _ => clean_v.index_select(&forest.all.clean, 0)?,
                    };
                    let q = source.get(Site::block(layer, Point::Q))?.index_select(&nodes.source, 0)?;
                    let k = source.get(Site::block(layer, Point::K))?.index_select(&forest.all.source, 0)?;
                    let (mut q, mut k) = attn.normed(q, k, true)?;
                    if let Some(rope) = attn.rope {
                        let at = |nodes: &Nodes| Tensor::new(nodes.positions.as_slice(), q.device());
                        let table = &self.wave.ropes[rope];
                        let (at_q, at_k) = (at(nodes)?, at(&forest.all)?);
                        q = table.select(&at_q)?.rotate(&q, true)?;
                        k = table.select(&at_k)?.rotate(&k, true)?;
                    }
                    let batch = Batch { runs: nodes.runs.clone(), n_nodes: forest.all.len, copies: 1 };
                    let first_node = self.wave.clean.tree().len();
                    attn.fused(Arc::new(vec![batch]), first_node, Some((clean_k, clean_v)))
                        .forward(&q, &k, &v)?
                }
                _ => {
                    return Err(Error::new("patterns are patched from a run, or with zeros")
                        .hint("a mean or a vector in the place of attention weights has no meaning"));
                }
            };
            replace(own, &from_pattern, indices, nodes)
        })
        .map(Some)
    }

    /// The variants that begin to differ here.
    fn joining(&self, layer: usize, stage: Stage) -> Vec<usize> {
        let here = |variant: &Variant| variant.entry() == Some((layer, stage));
        (0..self.variants.len()).filter(|&index| here(&self.variants[index])).collect()
    }

    fn forest(&self, variant: usize) -> &Forest {
        &self.wave.forests[self.variants[variant].forest]
    }

    /// What the clean run holds at the variants' nodes.
    fn clean(&self, site: Site, variants: &[usize], extent: Extent) -> Result<Option<Tensor>> {
        let mut held: HashMap<usize, Tensor> = HashMap::new();
        let mut pieces = Vec::with_capacity(variants.len());
        for &variant in variants {
            let nodes = self.forest(variant).nodes(extent);
            let forest = self.variants[variant].forest;
            if let Some(rows) = held.get(&forest) {
                pieces.push(rows.clone());
            } else if nodes.len > 0 {
                let rows = self.wave.clean.get(site)?.index_select(&nodes.clean, 0)?;
                held.insert(forest, rows.clone());
                pieces.push(rows);
            }
        }
        Ok(if pieces.is_empty() { None } else { Some(Tensor::cat(&pieces, 0)?) })
    }

    /// `value` [row, …] with the values that the variants patch at `site` put in.
    fn edit(
        &self,
        value: Option<Tensor>,
        site: Site,
        variants: &[usize],
        extent: Extent,
    ) -> Result<Option<Tensor>> {
        let Some(value) = value else { return Ok(None) };
        self.edit_with(value, site, variants, extent, |own, place, indices, forest| {
            let nodes = forest.nodes(extent);
            match &self.variants[variants[place]].arrivals {
                Some(arrivals) => arrivals.patched(own, site, indices, nodes),
                None => self.wave.values.patched(own, site, indices, nodes),
            }
        })
        .map(Some)
    }

    /// `value` [row, …], where the rows of each variant that patches something at `site` go through `patched`.
    fn edit_with(
        &self,
        value: Tensor,
        site: Site,
        variants: &[usize],
        extent: Extent,
        mut patched: impl FnMut(&Tensor, usize, &[Option<usize>], &Forest) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let mut pieces = Vec::new();
        let (mut kept, mut row) = (0, 0);
        for (place, &variant) in variants.iter().enumerate() {
            let forest = self.forest(variant);
            let len = forest.nodes(extent).len;
            let indices = self.variants[variant].at(site);
            if !indices.is_empty() && len > 0 {
                if row > kept {
                    pieces.push(value.narrow(0, kept, row - kept)?);
                }
                pieces.push(patched(&value.narrow(0, row, len)?, place, &indices, forest)?);
                kept = row + len;
            }
            row += len;
        }
        if pieces.is_empty() {
            return Ok(value);
        }
        if row > kept {
            pieces.push(value.narrow(0, kept, row - kept)?);
        }
        Ok(Tensor::cat(&pieces, 0)?)
    }

    /// The first row of each variant.
    fn first_rows(&self, variants: &[usize], extent: Extent) -> Vec<usize> {
        let mut row = 0;
        variants
            .iter()
            .map(|&variant| {
                let first = row;
                row += self.forest(variant).nodes(extent).len;
                first
            })
            .collect()
    }

    /// The rows, among those of all dirty nodes, of the nodes that are read.
    fn read_rows(&self, variants: &[usize], like: &Tensor) -> Result<Tensor> {
        let first_node = self.wave.clean.tree().len();
        let mut index = Vec::new();
        for (&variant, first) in variants.iter().zip(self.first_rows(variants, Extent::All)) {
            let reads = self.forest(variant).reads.runs.iter().flat_map(|run| run.nodes.clone());
            index.extend(reads.map(|node| (first + node - first_node) as u32));
        }
        Ok(Tensor::new(index, like.device())?)
    }

    /// The queries of the rows under way; neighbours of one forest are copies of each other.
    fn batches(&self, variants: &[usize], extent: Extent) -> Vec<Batch> {
        let forest_of = |variant: &usize| self.variants[*variant].forest;
        variants
            .chunk_by(|a, b| forest_of(a) == forest_of(b))
            .map(|copies| {
                let forest = self.forest(copies[0]);
                Batch {
                    runs: forest.nodes(extent).runs.clone(),
                    n_nodes: forest.all.len,
                    copies: copies.len(),
                }
            })
            .collect()
    }

    /// The angles of the rows under way.
    fn angles(&self, rope: usize, variants: &[usize], extent: Extent) -> Result<RopeTable> {
        let mut angles = self.angles.borrow_mut();
        if angles.variants != variants {
            *angles = Angles { variants: variants.to_vec(), tables: HashMap::new() };
        }
        let key = (rope, extent == Extent::All);
        if let Some(table) = angles.tables.get(&key) {
            return Ok(table.clone());
        }
        let positions: Vec<u32> = variants
            .iter()
            .flat_map(|&variant| self.forest(variant).nodes(extent).positions.iter().copied())
            .collect();
        let table = self.wave.ropes[rope].select(&Tensor::new(positions, self.wave.decoder.device())?)?;
        angles.tables.insert(key, table.clone());
        Ok(table)
    }
}

/// `out` through a layer's post-norm, where it has one.
pub fn post(norm: &Option<Norm>, out: Tensor) -> Result<Tensor> {
    match norm {
        Some(norm) => norm.forward(&out, true),
        None => Ok(out),
    }
}

fn sum(a: &Option<Tensor>, b: Option<Tensor>) -> Result<Option<Tensor>> {
    Ok(match (a, b) {
        (Some(a), Some(b)) => Some((a + b)?),
        _ => None,
    })
}
