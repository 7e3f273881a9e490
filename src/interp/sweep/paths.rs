//! Path patching (Wang et al. 2022; Goldowsky-Dill et al. 2023): a sender's change reaches its receivers along
//! the residual stream alone.
//!
//! With every other head and MLP frozen to the clean run, a sender changes the residual stream above it by one
//! Δ: what its part of the layer adds with the value put in, through W_O or W_down and any post-norm, less what
//! it adds in the clean run. A receiver's new value is its projection of the clean residual plus Δ. The wave
//! puts in all receivers' new values together, at the positions where the sender was patched, and runs freely
//! above them. To the logits as a receiver, Δ itself is added at the end of the residual stream: beside other
//! receivers that is the direct effect on top of theirs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use candle_core::Tensor;

use super::Cell;
use super::forest::Nodes;
use super::part::Part;
use super::receiver::{Receiver, base, parts_of, writes};
use super::values::replace;
use super::wave::{Extent, Variant, Wave, post};
use crate::error::{Error, Result};
use crate::model::config::ArchConfig;
use crate::model::linear::Linear;
use crate::model::site::{Point, Site};

/// What reaches a variant's receivers, by the site where it is put in.
#[derive(Debug, Clone, Default)]
pub struct Arrivals(HashMap<Site, Arrival>);

#[derive(Debug, Clone)]
struct Arrival {
    /// [patched node, …], of the receiving heads alone where the site has heads.
    value: Tensor,
    /// For each node its row of `value`, any where it is not patched: u32 [node].
    rows: Tensor,
}

impl Arrivals {
    /// `own` [node, …] with what arrives at `site` put in at the patched nodes and the given heads.
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn patched(
        &self,
        own: &Tensor,
        site: Site,
        indices: &[Option<usize>],
        nodes: &Nodes,
    ) -> Result<Tensor> {
        // Nothing arrives where no node that is under way is patched.
        let Some(Arrival { value, rows }) = self.0.get(&site) else { return Ok(own.clone()) };
        let mut put_in = value.index_select(rows, 0)?;
        if let Some(heads) = indices.iter().copied().collect::<Option<Vec<usize>>>() {
            let column = |head: usize| heads.iter().position(|own| *own == head).unwrap_or(0) as u32;
            let columns: Vec<u32> = (0..own.dim(1)?).map(column).collect();
            put_in = put_in.index_select(&Tensor::new(columns, own.device())?, 1)?;
        }
        if site.point == Point::ResidPost {
            put_in = (own + put_in)?;
        }
        replace(own, &put_in, indices, nodes)
    }
}

/// The patched ones among a forest's nodes.
struct Patched {
    nodes: Nodes,
    /// For each of the forest's nodes its number among the patched ones, 0 where it is none: u32 [node].
    rows: Tensor,
}

impl Patched {
    /// `None` where no node is patched.
    fn of(nodes: &Nodes) -> Result<Option<Self>> {
        let (mut chosen, mut rows) = (Vec::new(), Vec::with_capacity(nodes.len));
        for (node, &is_patched) in nodes.is_patched.iter().enumerate() {
            rows.push(if is_patched { chosen.len() as u32 } else { 0 });
            if is_patched {
                chosen.push(node as u32);
            }
        }
        if chosen.is_empty() {
            return Ok(None);
        }
        let positions = chosen.iter().map(|&node| nodes.positions[node as usize]).collect();
        let device = nodes.clean.device();
        let (len, chosen) = (chosen.len(), Tensor::new(chosen, device)?);
        Ok(Some(Self {
            nodes: Nodes {
                len,
                clean: nodes.clean.index_select(&chosen, 0)?,
                source: nodes.source.index_select(&chosen, 0)?,
                is_patched: vec![true; len],
                positions,
                runs: Arc::default(),
            },
            rows: Tensor::new(rows, device)?,
        }))
    }
}

/// A sender whose Δ is wanted at some nodes.
type Sent<'a> = (&'a [Part], &'a Patched);

/// Where a Δ arrives: the variant and the sender's number.
type Member = (usize, usize);

impl Wave<'_> {
    /// The variants of `cells`, with what reaches the receivers of those that are paths.
    ///
    /// # Errors
    /// Where a source's value does not fit.
    pub fn variants(&self, cells: &[&Cell], forest_of: impl Fn(&Cell) -> usize) -> Result<Vec<Variant>> {
        let config = self.decoder.config();
        let patched = self.patched(cells.iter().filter(|cell| cell.is_path()).map(|cell| forest_of(cell)))?;
        let mut sent: Vec<Sent> = Vec::new();
        let mut number_of = HashMap::new();
        let mut arriving: BTreeMap<(Site, Vec<usize>), Vec<Member>> = BTreeMap::new();
        let mut variants = Vec::with_capacity(cells.len());
        for (index, cell) in cells.iter().enumerate() {
            let forest = forest_of(cell);
            if !cell.is_path() {
                variants.push(Variant { parts: cell.parts.clone(), forest, arrivals: None });
                continue;
            }
            let parts = parts_of(&cell.receivers, config);
            for at_site in parts.chunk_by(|a, b| a.site() == b.site()) {
                let site = at_site[0].site();
                let place = (forest, extent(at_site[0], config.n_layers()));
                let Some(patched) = patched.get(&place) else { continue };
                let number = *number_of.entry((cell.parts.as_slice(), place)).or_insert_with(|| {
                    sent.push((cell.parts.as_slice(), patched));
                    sent.len() - 1
                });
                let heads = at_site.iter().filter_map(|part| part.index).collect();
                arriving.entry((site, heads)).or_default().push((index, number));
            }
            variants.push(Variant { parts, forest, arrivals: Some(Arrivals::default()) });
        }
        let deltas = self.deltas(&sent)?;
        for ((site, heads), members) in arriving {
            let values = self.received(site, &heads, &members, &sent, &deltas)?;
            for ((variant, number), value) in members.into_iter().zip(values) {
                if let Some(Arrivals(arrivals)) = &mut variants[variant].arrivals {
                    arrivals.insert(site, Arrival { value, rows: sent[number].1.rows.clone() });
                }
            }
        }
        Ok(variants)
    }

    /// The patched nodes of `forests`, where there are any.
    fn patched(&self, forests: impl Iterator<Item = usize>) -> Result<HashMap<(usize, Extent), Patched>> {
        let mut patched = HashMap::new();
        for forest in forests.collect::<BTreeSet<usize>>() {
            for extent in [Extent::All, Extent::Reads] {
                if let Some(nodes) = Patched::of(self.forests[forest].nodes(extent))? {
                    patched.insert((forest, extent), nodes);
                }
            }
        }
        Ok(patched)
    }

    /// For each sender by how much it changes the residual stream: [patched node, d_model].
    fn deltas(&self, sent: &[Sent]) -> Result<Vec<Tensor>> {
        let written: BTreeSet<Site> = sent
            .iter()
            .flat_map(|(sender, _)| *sender)
            .map(|part| Site::block(part.layer, writes(part.point)))
            .collect();
        let mut sums: Vec<Option<Tensor>> = vec![None; sent.len()];
        for out in written {
            let inner = match out.point {
                Point::AttnOut => Site { point: Point::Z, ..out },
                _ => Site { point: Point::MlpPost, ..out },
            };
            let mut changed = self.through(inner, sent)?;
            for (number, (sender, Patched { nodes, .. })) in sent.iter().enumerate() {
                let by_whole = sender.iter().any(|part| part.site() == out);
                let through = changed.remove(&number);
                if through.is_none() && !by_whole {
                    continue;
                }
                let clean = self.clean.get(out)?.index_select(&nodes.clean, 0)?;
                let mut value = through.unwrap_or_else(|| clean.clone());
                if by_whole {
                    value = self.values.patched(&value, out, &[None], nodes)?;
                }
                let delta = (value - clean)?;
                sums[number] = Some(match sums[number].take() {
                    Some(sum) => (sum + delta)?,
                    None => delta,
                });
            }
        }
        sums.into_iter().map(|sum| sum.ok_or_else(|| Error::new("a path has no sender"))).collect()
    }

    /// What the part of a layer behind `inner` (heads' outputs or neurons) adds, by the number of each sender
    /// that patches something there.
    fn through(&self, inner: Site, sent: &[Sent]) -> Result<HashMap<usize, Tensor>> {
        let (mut numbers, mut edited) = (Vec::new(), Vec::new());
        for (number, (sender, Patched { nodes, .. })) in sent.iter().enumerate() {
            let indices: Vec<Option<usize>> =
                sender.iter().filter(|part| part.site() == inner).map(|part| part.index).collect();
            if !indices.is_empty() {
                let own = self.clean.get(inner)?.index_select(&nodes.clean, 0)?;
                edited.push(self.values.patched(&own, inner, &indices, nodes)?);
                numbers.push(number);
            }
        }
        if numbers.is_empty() {
            return Ok(HashMap::new());
        }
        let block = &self.decoder.blocks()[inner.layer.unwrap_or(0)];
        let edited = Tensor::cat(&edited, 0)?;
        let out = match inner.point {
            Point::Z => post(&block.ln1_post, block.attn.o.forward(&edited.flatten_from(1)?, true)?)?,
            _ => post(&block.ln2_post, block.mlp.down.forward(&edited, true)?)?,
        };
        let lens: Vec<usize> = numbers.iter().map(|&number| sent[number].1.nodes.len).collect();
        Ok(numbers.into_iter().zip(split(&out, &lens)?).collect())
    }

    /// What the receivers at `site` make of the clean residual plus each member's Δ: [patched node, …].
    fn received(
        &self,
        site: Site,
        heads: &[usize],
        members: &[Member],
        sent: &[Sent],
        deltas: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        let Some(base) = base(site, self.decoder.config()) else {
            return Ok(members.iter().map(|&(_, number)| deltas[number].clone()).collect());
        };
        let clean = self.clean.get(base)?;
        let resid = members
            .iter()
            .map(|&(_, number)| Ok((clean.index_select(&sent[number].1.nodes.clean, 0)? + &deltas[number])?))
            .collect::<Result<Vec<Tensor>>>()?;
        let lens: Vec<usize> = members.iter().map(|&(_, number)| sent[number].1.nodes.len).collect();
        let (resid, block) = (Tensor::cat(&resid, 0)?, &self.decoder.blocks()[site.layer.unwrap_or(0)]);
        let attn = &block.attn;
        let projected = |projection: &Linear| {
            attn.heads(&of_heads(projection, heads, attn.d_head)?, &block.ln1.forward(&resid, true)?, true)
        };
        let value = match site.point {
            Point::Q => projected(&attn.q)?,
            Point::K => projected(&attn.k)?,
            Point::V => projected(&attn.v)?,
            _ => {
                let hidden = block.mlp.hidden(&block.ln2.forward(&resid, true)?, true)?;
                post(&block.ln2_post, block.mlp.down.forward(&hidden, true)?)?
            }
        };
        split(&value, &lens)
    }
}

/// Numbers that one row of a path takes beside those of its variant: what arrives, and Δ.
pub fn width(receivers: &[Receiver], config: &ArchConfig) -> usize {
    let received = parts_of(receivers, config).into_iter();
    let widths = received.map(|part| if part.index.is_some() { config.d_head } else { config.d_model });
    match receivers.is_empty() {
        true => 0,
        false => widths.sum::<usize>() + config.d_model,
    }
}

/// At which nodes of a variant a receiver's value is put in: see [`Wave`].
fn extent(part: Part, n_layers: usize) -> Extent {
    match part.layer + 1 == n_layers && !matches!(part.point, Point::K | Point::V) {
        true => Extent::Reads,
        false => Extent::All,
    }
}

/// The rows of a projection to heads that belong to `heads`.
fn of_heads(projection: &Linear, heads: &[usize], d_head: usize) -> Result<Linear> {
    let rows = heads.iter().flat_map(|head| head * d_head..(head + 1) * d_head);
    let rows: Vec<u32> = rows.map(|row| row as u32).collect();
    let rows = Tensor::new(rows, projection.weight.device())?;
    let bias = projection.bias.as_ref().map(|bias| bias.index_select(&rows, 0)).transpose()?;
    Ok(Linear::new(projection.effective_weight()?.index_select(&rows, 0)?, bias))
}

/// `value` cut along its first axis.
fn split(value: &Tensor, lens: &[usize]) -> Result<Vec<Tensor>> {
    let mut first = 0;
    let mut pieces = Vec::with_capacity(lens.len());
    for &len in lens {
        pieces.push(value.narrow(0, first, len)?);
        first += len;
    }
    Ok(pieces)
}
