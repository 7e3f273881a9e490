//! Patch sweeps: what happens to a metric when a part of the model takes another run's value, for many parts
//! and positions.
//!
//! A [`Cell`] is a set of parts and a choice of positions that are patched together; a sweep runs every
//! cell on every prompt. The fast engine ([`wave`]) computes only what a cell can change; the plain one
//! ([`naive`]) runs one hooked forward a cell, and is what the fast one is checked against.

mod effects;
mod forest;
mod memory;
pub mod naive;
mod part;
mod plan;
mod readout;
mod record;
mod spot;
mod store;
mod values;
mod wave;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use candle_core::Tensor;

pub use self::effects::Effects;
use self::forest::Forest;
use self::naive::PlainValues;
pub use self::part::Part;
pub use self::plan::{Donor, Plan};
use self::readout::Readout;
use self::record::Recording;
pub use self::spot::{Align, Spot, Where};
pub use self::store::Store;
use self::values::Values;
use self::wave::{Stage, Variant, Wave, clean_sites, source_sites};
use crate::error::{Context, Error, Result};
use crate::interp::metric::{Demand, Table};
use crate::model::Model;
use crate::model::config::ArchConfig;
use crate::model::prompt::Prompt;
use crate::model::rope::RopeTable;
use crate::model::site::{Point, Site};
use crate::progress;

/// Rows of a chunk: enough for the rate of large matrix products, few enough to stop and save often.
const CHUNK_ROWS: usize = 4096;

/// What is put in the place of the patched values.
#[derive(Clone)]
pub enum Source<'a> {
    /// What the plan's donor holds at the corresponding positions.
    Run,
    /// Zeros.
    Zero,
    /// The mean over all positions of these prompts of the patched model.
    Mean(&'a [Prompt]),
    /// A tensor that broadcasts to the value at one position.
    Fixed(Tensor),
    /// The value plus a tensor that broadcasts to it.
    Add(Tensor),
}

/// Parts and positions that are patched together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What is patched.
    pub parts: Vec<Part>,
    /// Which of the sweep's spots.
    pub spot: usize,
}

impl Cell {
    /// The names of its parts, joined by `+`.
    pub fn name(&self) -> String {
        self.parts.iter().map(Part::to_string).collect::<Vec<_>>().join("+")
    }

    fn by_pattern(&self) -> bool {
        self.parts.iter().any(|part| part.point == Point::Pattern)
    }
}

/// On what a cell's forest depends: its spot, and whether it patches patterns.
type Place = (usize, bool);

/// How the cells are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// Only what a cell can change; on the CPU, in float32. Elsewhere the plain engine is taken.
    #[default]
    Fast,
    /// One hooked forward for each cell.
    Naive,
}

/// One number per prompt from the logits at the metric's reads.
pub type Judge<'a> = dyn FnMut(&Table) -> Result<Vec<f64>> + 'a;

/// A sweep: what is patched, where, with what, and what is measured.
pub struct Sweep<'a> {
    /// The prompts beside their sources.
    pub plan: Plan<'a>,
    /// What is put in.
    pub source: Source<'a>,
    /// The choices of positions.
    pub spots: Vec<Spot>,
    /// What is patched in each run.
    pub cells: Vec<Cell>,
    /// How.
    pub engine: Engine,
    /// Bytes that the sweep may take; a quarter of the free memory where `None`.
    pub budget: Option<usize>,
    /// Where finished cells are kept.
    pub store: Option<Store>,
}

impl Sweep<'_> {
    /// Runs every cell. The metric's own numbers are taken, or those of `judge`, which needs all logits.
    ///
    /// # Errors
    /// Where a cell does not fit the model, a forward fails or the work is interrupted; finished cells
    /// are then in the store.
    pub fn run(mut self, judge: Option<&mut Judge>) -> Result<Effects> {
        let config = self.plan.model.decoder().config();
        for cell in &self.cells {
            if cell.parts.is_empty() {
                return Err(Error::new("a cell without components patches nothing"));
            }
            cell.parts.iter().try_for_each(|part| part.check(config))?;
        }
        if self.cells.is_empty() {
            return Err(Error::new("no components to patch"));
        }
        let mut demand = self.plan.scoring.demand();
        if judge.is_some() {
            demand.whole.fill(true);
        }
        let scoring = self.plan.scoring.clone();
        let mut plain = move |table: &Table| scoring.values_of(table);
        let judge: &mut Judge = match judge {
            Some(judge) => judge,
            None => &mut plain,
        };
        let mut store = self.store.take();
        match self.engine {
            Engine::Fast if is_fast(self.plan.model) => self.fast(&demand, judge, store.as_mut()),
            _ => self.naive(judge, store.as_mut()),
        }
    }

    fn naive(&self, judge: &mut Judge, mut store: Option<&mut Store>) -> Result<Effects> {
        let sites: HashSet<Site> = self.parts().map(|part| part.site()).collect();
        let values = match &self.source {
            Source::Run => {
                let donor = self.donor()?;
                PlainValues::Run(naive::run_apart(donor.model, donor.scoring.sequences(), sites)?)
            }
            Source::Zero => PlainValues::Zero,
            Source::Mean(prompts) => {
                PlainValues::Mean(naive::run_apart(self.plan.model, &sequences_of(prompts), sites)?)
            }
            Source::Fixed(tensor) => PlainValues::Fixed(tensor.clone()),
            Source::Add(tensor) => PlainValues::Add(tensor.clone()),
        };
        let baseline = judge(&naive::run_clean(self.plan.model, &self.plan.scoring)?)?;
        let source = match &self.plan.donor {
            Some(donor) => Some(judge(&naive::run_clean(donor.model, &donor.scoring)?)?),
            None => None,
        };
        let mut patched = self.resume(&baseline, source.as_deref(), store.as_deref_mut())?;
        let mut bar = progress::bar("patching", self.cells.len() as u64);
        for (index, cell) in self.cells.iter().enumerate() {
            if patched[index].is_none() {
                let put_in = self.plan.put_in(&self.spots[cell.spot]);
                let table =
                    naive::run_cell(&self.plan, &values, &cell.parts, &put_in).within(|| cell.name())?;
                let found = judge(&table)?;
                if let Some(store) = store.as_deref_mut() {
                    store.add(&[(self.key(cell), found.clone())])?;
                }
                patched[index] = Some(found);
            }
            bar.advance(1);
        }
        Effects::new(self, baseline, source, patched)
    }

    fn fast(&self, demand: &Demand, judge: &mut Judge, mut store: Option<&mut Store>) -> Result<Effects> {
        let decoder = self.plan.model.decoder();
        let ropes = ropes(decoder.config(), &self.plan, decoder.device())?;
        let mut order: Vec<usize> = (0..self.cells.len()).collect();
        let entry = |cell: &Cell| cell.parts.iter().map(|part| (part.layer, Stage::of(part.point))).min();
        order.sort_by_key(|&index| (entry(&self.cells[index]), self.cells[index].spot));

        let mut patched: Option<Vec<Option<Vec<f64>>>> = None;
        let (mut baseline, mut source) = (Vec::new(), None);
        let mut bar = progress::bar("patching", self.cells.len() as u64);
        for window in self.windows(&order) {
            let Runs { clean, logits, values, source_logits } = self.record(&window)?;
            let (forests, forest_of) = self.forests(&window, &clean, &values)?;
            let readout = Readout::new(decoder, demand, &logits)?;
            if patched.is_none() {
                baseline = judge(readout.clean())?;
                source = match source_logits {
                    Some(logits) => Some(judge(&Table::new(&logits)?)?),
                    None => None,
                };
                patched = Some(self.resume(&baseline, source.as_deref(), store.as_deref_mut())?);
            }
            let Some(patched) = &mut patched else { continue };
            let wave = Wave {
                decoder,
                clean: &clean,
                values: &values,
                forests: &forests,
                readout: &readout,
                ropes: &ropes,
            };
            let before = window.len();
            let left: Vec<usize> = window.into_iter().filter(|&index| patched[index].is_none()).collect();
            bar.advance((before - left.len()) as u64);
            let rows = |index: &usize| forests[forest_of[&self.place(*index)]].all.len;
            for chunk in self.chunks(&left, rows) {
                let variants: Vec<Variant> = chunk
                    .iter()
                    .map(|&index| Variant {
                        parts: self.cells[index].parts.clone(),
                        forest: forest_of[&self.place(index)],
                    })
                    .collect();
                let tables = wave.run(&variants)?;
                let found = tables.iter().map(&mut *judge).collect::<Result<Vec<_>>>()?;
                if let Some(store) = store.as_deref_mut() {
                    let named = chunk.iter().map(|&index| self.key(&self.cells[index]));
                    store.add(&named.zip(found.iter().cloned()).collect::<Vec<_>>())?;
                }
                for (&index, found) in chunk.iter().zip(found) {
                    patched[index] = Some(found);
                }
                bar.advance(chunk.len() as u64);
            }
        }
        Effects::new(self, baseline, source, patched.unwrap_or_default())
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.cells.iter().flat_map(|cell| &cell.parts)
    }

    fn donor(&self) -> Result<&Donor<'_>> {
        self.plan.donor.as_ref().ok_or_else(|| Error::new("there is no run to take values from"))
    }

    fn place(&self, index: usize) -> Place {
        (self.cells[index].spot, self.cells[index].by_pattern())
    }

    /// A cell's name in the store.
    fn key(&self, cell: &Cell) -> String {
        format!("{} @ {}", cell.name(), self.spots[cell.spot].label)
    }

    /// What the store has of these cells; a store of another sweep is refused.
    fn resume(
        &self,
        baseline: &[f64],
        source: Option<&[f64]>,
        store: Option<&mut Store>,
    ) -> Result<Vec<Option<Vec<f64>>>> {
        let Some(store) = store else { return Ok(vec![None; self.cells.len()]) };
        store.open(&self.fingerprint(baseline, source))?;
        Ok(self.cells.iter().map(|cell| store.get(&self.key(cell), baseline.len())).collect())
    }

    /// All on which the numbers of a cell depend but its name. The baseline stands for the weights.
    fn fingerprint(&self, baseline: &[f64], source: Option<&[f64]>) -> Vec<(&'static str, String)> {
        let bits = |values: &[f64]| values.iter().map(|value| format!("{:016x}", value.to_bits())).collect();
        let put_in: Vec<_> = self.spots.iter().map(|spot| (&spot.label, self.plan.put_in(spot))).collect();
        let what = match &self.source {
            Source::Run => "run".to_string(),
            Source::Zero => "zero".to_string(),
            Source::Mean(prompts) => format!("mean {:?}", sequences_of(prompts)),
            Source::Fixed(tensor) => format!("fixed {}", tensor_bits(tensor)),
            Source::Add(tensor) => format!("add {}", tensor_bits(tensor)),
        };
        vec![
            ("model", self.plan.model.reference().to_string()),
            ("engine", format!("{:?}", self.engine)),
            ("prompts", format!("{:?}", self.plan.scoring.sequences())),
            ("metric", format!("{:?}", self.plan.scoring.reads())),
            ("positions", format!("{put_in:?}")),
            ("source", what),
            ("source prompts", format!("{:?}", self.plan.donor.as_ref().map(|d| d.scoring.sequences()))),
            ("baseline", bits(baseline)),
            ("source's metric", source.map(bits).unwrap_or_default()),
        ]
    }

    /// The cells in `order`, cut where the clean run's values of their layers fill half the budget.
    fn windows(&self, order: &[usize]) -> Vec<Vec<usize>> {
        let config = self.plan.model.decoder().config();
        let nodes: usize = self.plan.scoring.sequences().iter().map(Vec::len).sum();
        let per_site = nodes * config.d_model.max(config.n_heads * config.d_head) * size_of::<f32>();
        let allowed = (self.budget() / 2 / per_site.max(1)).max(1);
        let mut windows: Vec<Vec<usize>> = Vec::new();
        let mut sites = HashSet::new();
        for &index in order {
            let cell = &self.cells[index];
            sites.extend(needed(cell));
            if sites.len() > allowed || windows.is_empty() {
                sites = needed(cell).collect();
                windows.push(Vec::new());
            }
            if let Some(window) = windows.last_mut() {
                window.push(index);
            }
        }
        windows
    }

    fn budget(&self) -> usize {
        self.budget.unwrap_or_else(|| memory::free() / 4)
    }

    /// The clean runs that a window's cells stand on. Prompts and sources of one model are run together, so
    /// that what they have in common is computed once.
    fn record(&self, window: &[usize]) -> Result<Runs> {
        let cells = || window.iter().map(|&index| &self.cells[index]);
        let entries = cells()
            .filter_map(|cell| cell.parts.iter().map(|part| (part.layer, Stage::of(part.point))).min());
        let mut sites: HashSet<Site> = entries.flat_map(|(layer, stage)| clean_sites(layer, stage)).collect();
        let put_in: HashSet<Site> = cells().flat_map(|cell| &cell.parts).flat_map(source_sites).collect();
        let (scoring, decoder) = (&self.plan.scoring, self.plan.model.decoder());
        let mut sequences = scoring.sequences().to_vec();
        let mut reads = scoring.reads().to_vec();
        let (n_rows, n_reads) = (sequences.len(), reads.len());
        let shared = match (&self.source, &self.plan.donor) {
            (Source::Run, Some(donor)) if std::ptr::eq(donor.model.decoder(), decoder) => {
                sequences.extend_from_slice(donor.scoring.sequences());
                reads.extend(donor.scoring.reads().iter().map(|&(row, position)| (n_rows + row, position)));
                sites.extend(&put_in);
                true
            }
            _ => false,
        };
        let clean = Arc::new(Recording::new(decoder, &sequences, sites, reads)?);
        let all = clean.logits()?;
        let logits = all.narrow(0, 0, n_reads)?;
        let mut source_logits = None;
        let values = match &self.source {
            Source::Run if shared => {
                source_logits = Some(all.narrow(0, n_reads, all.dim(0)? - n_reads)?);
                Values::Run { run: clean.clone(), first_row: n_rows }
            }
            Source::Run => {
                let Donor { model, scoring, .. } = self.donor()?;
                let (sequences, reads) = (scoring.sequences(), scoring.reads().to_vec());
                let run = Arc::new(Recording::new(model.decoder(), sequences, put_in, reads)?);
                source_logits = Some(run.logits()?.clone());
                Values::Run { run, first_row: 0 }
            }
            Source::Zero => Values::Zero,
            Source::Mean(prompts) => Values::Mean(Recording::means(decoder, &sequences_of(prompts), put_in)?),
            Source::Fixed(tensor) => Values::Fixed(tensor.clone()),
            Source::Add(tensor) => Values::Add(tensor.clone()),
        };
        Ok(Runs { logits, clean, values, source_logits })
    }

    /// The forests of a window's cells, and which one a place has.
    fn forests(
        &self,
        window: &[usize],
        clean: &Recording,
        values: &Values,
    ) -> Result<(Vec<Forest>, HashMap<Place, usize>)> {
        let (mut forests, mut forest_of) = (Vec::new(), HashMap::new());
        for &index in window {
            let place = self.place(index);
            if let std::collections::hash_map::Entry::Vacant(entry) = forest_of.entry(place) {
                entry.insert(forests.len());
                let device = self.plan.model.decoder().device();
                forests.push(self.plan.forest(&self.spots[place.0], clean, values, place.1, device)?);
            }
        }
        Ok((forests, forest_of))
    }

    /// Cells that run together: as many as the budget has room for.
    fn chunks(&self, cells: &[usize], rows: impl Fn(&usize) -> usize) -> Vec<Vec<usize>> {
        let config = self.plan.model.decoder().config();
        let heads = (config.n_heads + config.n_kv_heads) * config.d_head;
        let per_row = (8 * config.d_model + 4 * heads + 3 * config.d_mlp) * size_of::<f32>();
        let allowed = (self.budget() / 2 / per_row.max(1)).clamp(1, CHUNK_ROWS);
        let mut chunks: Vec<Vec<usize>> = Vec::new();
        let mut filled = 0;
        for &index in cells {
            let rows = rows(&index);
            match chunks.last_mut() {
                Some(chunk) if filled + rows <= allowed => {
                    chunk.push(index);
                    filled += rows;
                }
                _ => {
                    chunks.push(vec![index]);
                    filled = rows;
                }
            }
        }
        chunks
    }
}

/// What a window's cells stand on.
struct Runs {
    clean: Arc<Recording>,
    /// [read, d_vocab] of the prompts.
    logits: Tensor,
    values: Values,
    /// The same of the source, where values come from a run.
    source_logits: Option<Tensor>,
}

/// The sites of the clean run and of the source that a cell needs.
fn needed(cell: &Cell) -> impl Iterator<Item = Site> + '_ {
    let entry = cell.parts.iter().map(|part| (part.layer, Stage::of(part.point))).min();
    let clean = entry.into_iter().flat_map(|(layer, stage)| clean_sites(layer, stage));
    clean.chain(cell.parts.iter().flat_map(source_sites))
}

/// True where the fused operations of the fast engine can run the model.
fn is_fast(model: &Model) -> bool {
    model.decoder().device().is_cpu() && model.decoder().dtype() == candle_core::DType::F32
}

fn sequences_of(prompts: &[Prompt]) -> Vec<Vec<u32>> {
    prompts.iter().map(|prompt| prompt.tokens.clone()).collect()
}

fn tensor_bits(tensor: &Tensor) -> String {
    let values =
        tensor.flatten_all().and_then(|flat| flat.to_dtype(candle_core::DType::F32)?.to_vec1::<f32>());
    let bits =
        values.unwrap_or_default().iter().map(|value| format!("{:08x}", value.to_bits())).collect::<String>();
    format!("{:?} {bits}", tensor.dims())
}

/// The angles of all positions of the sweep's rows, by rotary table.
fn ropes(config: &ArchConfig, plan: &Plan, device: &candle_core::Device) -> Result<Vec<RopeTable>> {
    let rows = plan.scoring.sequences().iter();
    let longest = rows.map(Vec::len).max().unwrap_or(0);
    let positions: Vec<u32> = (0..longest as u32).collect();
    config.ropes.iter().map(|rope| RopeTable::new(rope, &positions, device)).collect()
}
