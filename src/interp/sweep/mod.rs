//! Patch sweeps: what happens to a metric when a part of the model takes another run's value, for many parts
//! and positions.
//!
//! A [`Cell`] is a set of parts and a choice of positions that are patched together, or a path from such a set
//! to the [`Receiver`]s that alone read its change; a sweep runs every cell on every prompt. The fast engine
//! ([`wave`]) computes only what a cell can change; the plain one ([`naive`]) runs hooked forwards for each
//! cell, and is what the fast one is checked against.

mod cell;
mod circuit;
mod effects;
mod fingerprint;
mod forest;
pub mod naive;
mod naive_paths;
mod part;
mod paths;
mod plan;
mod readout;
mod receiver;
mod record;
mod shelf;
mod spot;
mod store;
mod values;
mod wave;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use candle_core::Tensor;

pub use self::cell::Cell;
use self::cell::Place;
pub use self::circuit::{Circuit, Direction, Greedy, Step};
pub use self::effects::{Effects, means};
use self::forest::Forest;
use self::naive::PlainValues;
pub use self::part::Part;
pub use self::plan::{Donor, Plan};
use self::readout::Readout;
pub use self::receiver::{Input, Receiver};
use self::record::Recording;
use self::shelf::Shelf;
pub use self::spot::{Align, Spot, Where};
pub use self::store::Store;
use self::values::Values;
use self::wave::{Wave, source_sites};
use crate::error::{Context, Error, Result};
use crate::interp::metric::Table;
use crate::memory;
use crate::model::Model;
use crate::model::config::ArchConfig;
use crate::model::prompt::Prompt;
use crate::model::rope::RopeTable;
use crate::model::site::Site;
use crate::progress;

/// Rows of a chunk: enough for the rate of large matrix products, few enough to stop and save often.
const CHUNK_ROWS: usize = 4096;
/// Memory in bytes that a machine is taken to have left which does not say.
const UNTOLD: usize = 4 << 30;

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
    /// How.
    pub engine: Engine,
    /// Bytes that the sweep may take; a quarter of the free memory where `None`.
    pub budget: Option<usize>,
}

/// What several runs of a sweep share.
#[derive(Default)]
pub struct Session<'a> {
    /// Gives the numbers in place of the metric; needs all logits.
    pub judge: Option<Box<Judge<'a>>>,
    /// Where finished cells are kept.
    pub store: Option<Store>,
    /// Clean runs, to be used again.
    shelf: Shelf,
}

impl<'a> Session<'a> {
    /// A session whose finished cells are kept.
    pub fn stored(store: Store) -> Self {
        Self { store: Some(store), ..Self::default() }
    }

    /// A session in which `judge` gives the numbers.
    pub fn judged(judge: Box<Judge<'a>>) -> Self {
        Self { judge: Some(judge), ..Self::default() }
    }
}

impl<'a> Sweep<'a> {
    /// The sweep the other way: the source patched with the prompts' values.
    ///
    /// # Errors
    /// Where values come from no run.
    pub fn reversed(&self) -> Result<Self> {
        Ok(Self {
            plan: self.plan.reversed()?,
            source: Source::Run,
            spots: self.spots.iter().map(Spot::reversed).collect(),
            engine: self.engine,
            budget: self.budget,
        })
    }

    /// Runs every cell.
    ///
    /// # Errors
    /// Where a cell does not fit the model, a forward fails or the work is interrupted; finished cells
    /// are then in the session's store.
    pub fn run(&self, cells: &[Cell], session: &mut Session) -> Result<Effects> {
        let config = self.plan.model.decoder().config();
        if cells.is_empty() {
            return Err(Error::new("no components to patch"));
        }
        if let Source::Fixed(tensor) | Source::Add(tensor) = &self.source
            && fingerprint::numbers(tensor).iter().any(|value| !value.is_finite())
        {
            return Err(Error::new("the source holds values that are no numbers (NaN or infinite)"));
        }
        for cell in cells {
            if cell.parts.is_empty() {
                return Err(Error::new("a cell without components patches nothing"));
            }
            cell.parts.iter().try_for_each(|part| part.check(config))?;
            receiver::check(&cell.parts, &cell.receivers, config)?;
        }
        match self.engine {
            Engine::Fast if is_fast(self.plan.model) => self.fast(cells, session),
            _ => self.naive(cells, session),
        }
    }

    fn judge(&self, table: &Table, session: &mut Session) -> Result<Vec<f64>> {
        match &mut session.judge {
            Some(judge) => judge(table),
            None => self.plan.scoring.values_of(table),
        }
    }

    /// The metric of the source's own prompts.
    fn judge_source(&self, table: &Table, session: &mut Session) -> Result<Vec<f64>> {
        match &mut session.judge {
            Some(judge) => judge(table),
            None => self.donor()?.scoring.values_of(table),
        }
    }

    fn naive(&self, cells: &[Cell], session: &mut Session) -> Result<Effects> {
        let sites: HashSet<Site> = cells.iter().flat_map(|cell| &cell.parts).map(Part::site).collect();
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
        let baseline = self.judge(&naive::run_clean(self.plan.model, &self.plan.scoring)?, session)?;
        let source = match &self.plan.donor {
            Some(donor) => Some(self.judge_source(&naive::run_clean(donor.model, &donor.scoring)?, session)?),
            None => None,
        };
        let mut patched = self.resume(cells, &baseline, source.as_deref(), session)?;
        let frozen = match cells.iter().any(Cell::is_path) {
            true => Some(naive_paths::run_clean(&self.plan, cells)?),
            false => None,
        };
        let mut bar = progress::bar("patching", cells.len() as u64);
        for (cell, patched) in cells.iter().zip(&mut patched) {
            if patched.is_none() {
                let put_in = self.plan.put_in(&self.spots[cell.spot]);
                let table = match &frozen {
                    Some(clean) if cell.is_path() => {
                        naive_paths::run_path(&self.plan, &values, clean, cell, &put_in)
                    }
                    _ => naive::run_cell(&self.plan, &values, &cell.parts, &put_in),
                };
                let table = table.within(|| cell.name())?;
                let found = self.judge(&table, session)?;
                self.keep(&[(cell, &found)], session)?;
                *patched = Some(found);
            }
            bar.advance(1);
        }
        Effects::new(self, cells, baseline, source, patched)
    }

    fn fast(&self, cells: &[Cell], session: &mut Session) -> Result<Effects> {
        let decoder = self.plan.model.decoder();
        let ropes = ropes(decoder.config(), &self.plan, decoder.device())?;
        let mut demand = self.plan.scoring.demand();
        if session.judge.is_some() {
            demand.whole.fill(true);
        }
        let mut order: Vec<&Cell> = cells.iter().collect();
        order.sort_by_key(|cell| (cell.entry(decoder.config()), cell.spot));

        let mut found: HashMap<&Cell, Vec<f64>> = HashMap::new();
        let mut clean_values = None;
        let mut bar = progress::bar("patching", cells.len() as u64);
        for window in self.windows(&order) {
            let runs = self.record(&window, session)?;
            let (forests, forest_of) = self.forests(&window, &runs)?;
            let readout = Readout::new(decoder, &demand, &runs.logits)?;
            if clean_values.is_none() {
                let baseline = self.judge(readout.clean(), session)?;
                let source = match &runs.source_logits {
                    Some(logits) => Some(self.judge_source(&Table::new(logits)?, session)?),
                    None => None,
                };
                let kept = self.resume(cells, &baseline, source.as_deref(), session)?;
                found.extend(cells.iter().zip(kept).filter_map(|(cell, values)| Some((cell, values?))));
                clean_values = Some((baseline, source));
            }
            let wave = Wave {
                decoder,
                clean: &runs.clean,
                values: &runs.values,
                forests: &forests,
                readout: &readout,
                ropes: &ropes,
            };
            let left: Vec<&Cell> = window.iter().copied().filter(|cell| !found.contains_key(cell)).collect();
            bar.advance((window.len() - left.len()) as u64);
            let rows = |cell: &Cell| forests[forest_of[&cell.place()]].all.len;
            for chunk in self.chunks(&left, rows) {
                let variants = wave.variants(&chunk, |cell| forest_of[&cell.place()])?;
                let tables = wave.run(&variants)?;
                let values =
                    tables.iter().map(|table| self.judge(table, session)).collect::<Result<Vec<_>>>()?;
                let named: Vec<_> = chunk.iter().copied().zip(&values).collect();
                self.keep(&named, session)?;
                bar.advance(chunk.len() as u64);
                found.extend(chunk.into_iter().zip(values));
            }
        }
        let (baseline, source) = clean_values.ok_or_else(|| Error::new("nothing was run"))?;
        let patched = cells.iter().map(|cell| found.get(cell).cloned()).collect();
        Effects::new(self, cells, baseline, source, patched)
    }

    fn donor(&self) -> Result<&Donor<'_>> {
        self.plan.donor.as_ref().ok_or_else(|| Error::new("there is no run to take values from"))
    }

    /// A cell's name in the store.
    fn key(&self, cell: &Cell) -> String {
        format!("{} @ {}", cell.name(), self.spots[cell.spot].label)
    }

    fn keep(&self, cells: &[(&Cell, &Vec<f64>)], session: &mut Session) -> Result<()> {
        let Some(store) = &mut session.store else { return Ok(()) };
        store.add(cells.iter().map(|(cell, values)| (self.key(cell), values.as_slice())))
    }

    /// What the store has of these cells; a store of another sweep is refused.
    fn resume(
        &self,
        cells: &[Cell],
        baseline: &[f64],
        source: Option<&[f64]>,
        session: &mut Session,
    ) -> Result<Vec<Option<Vec<f64>>>> {
        for (what, values) in [("the prompts", baseline), ("the source", source.unwrap_or_default())] {
            if let Some(prompt) = values.iter().position(|value| value.is_nan()) {
                return Err(Error::new(format!("the metric of {what} is not a number on prompt {prompt}"))
                    .hint("a run whose logits are NaN cannot be patched from or into"));
            }
        }
        let Some(store) = &mut session.store else { return Ok(vec![None; cells.len()]) };
        store.open(&self.fingerprint(baseline, source))?;
        Ok(cells.iter().map(|cell| store.get(&self.key(cell), baseline.len())).collect())
    }

    /// The cells in `order`, cut where the clean runs' values of their layers fill half the budget.
    fn windows<'c>(&self, order: &[&'c Cell]) -> Vec<Vec<&'c Cell>> {
        let config = self.plan.model.decoder().config();
        let nodes: usize = self.plan.scoring.sequences().iter().map(Vec::len).sum();
        let per_site = nodes * config.d_model.max(config.n_heads * config.d_head) * size_of::<f32>();
        let allowed = (self.budget() / 2 / per_site.max(1)).max(1);
        let mut windows: Vec<Vec<&Cell>> = Vec::new();
        let mut sites = HashSet::new();
        for &cell in order {
            sites.extend(cell.needed(config));
            if sites.len() > allowed || windows.is_empty() {
                sites = cell.needed(config).into_iter().collect();
                windows.push(Vec::new());
            }
            if let Some(window) = windows.last_mut() {
                window.push(cell);
            }
        }
        windows
    }

    fn budget(&self) -> usize {
        self.budget.unwrap_or_else(|| memory::available().unwrap_or(UNTOLD) / 4)
    }

    /// The clean runs that a window's cells stand on. Prompts and sources of one model are run together, so
    /// that what they have in common is computed once.
    fn record(&self, window: &[&Cell], session: &mut Session) -> Result<Runs> {
        let (scoring, decoder) = (&self.plan.scoring, self.plan.model.decoder());
        let sites: HashSet<Site> = window.iter().flat_map(|cell| cell.needed(decoder.config())).collect();
        let (n_rows, n_reads) = (scoring.sequences().len(), scoring.reads().len());
        let shelf = &mut session.shelf;
        let donor = self.plan.donor.as_ref();
        if let (Source::Run, Some(donor)) = (&self.source, donor)
            && std::ptr::eq(donor.model.decoder(), decoder)
        {
            // Both ways of a sweep run the same rows in the same order.
            let (first, second) = match self.plan.is_reversed() {
                false => (scoring, &donor.scoring),
                true => (&donor.scoring, scoring),
            };
            let clean = shelf.run(decoder, &[first, second], sites)?;
            let logits = clean.logits()?;
            let (source_rows, source_reads) = (donor.scoring.sequences().len(), donor.scoring.reads().len());
            let (rows, reads, put_in, put_in_reads) = match self.plan.is_reversed() {
                false => (0, 0, n_rows, n_reads),
                true => (source_rows, source_reads, 0, 0),
            };
            return Ok(Runs {
                logits: logits.narrow(0, reads, n_reads)?,
                source_logits: Some(logits.narrow(0, put_in_reads, source_reads)?),
                values: Values::Run { run: clean.clone(), first_row: put_in },
                first_row: rows,
                clean,
            });
        }
        let clean = shelf.run(decoder, &[scoring], sites.clone())?;
        let mut source_logits = None;
        let values = match &self.source {
            Source::Run => {
                let donor = self.donor()?;
                let run = shelf.run(donor.model.decoder(), &[&donor.scoring], sites)?;
                source_logits = Some(run.logits()?.clone());
                Values::Run { run, first_row: 0 }
            }
            Source::Zero => Values::Zero,
            Source::Mean(prompts) => {
                let put_in = window.iter().flat_map(|cell| &cell.parts).flat_map(source_sites).collect();
                Values::Mean(Recording::means(decoder, &sequences_of(prompts), put_in)?)
            }
            Source::Fixed(tensor) => Values::Fixed(tensor.clone()),
            Source::Add(tensor) => Values::Add(tensor.clone()),
        };
        Ok(Runs { logits: clean.logits()?.clone(), source_logits, values, first_row: 0, clean })
    }

    /// The forests of a window's cells, and which one a place has.
    fn forests(&self, window: &[&Cell], runs: &Runs) -> Result<(Vec<Forest>, HashMap<Place, usize>)> {
        let (mut forests, mut forest_of) = (Vec::new(), HashMap::new());
        for cell in window {
            let place = cell.place();
            if let Entry::Vacant(entry) = forest_of.entry(place) {
                entry.insert(forests.len());
                forests.push(self.plan.forest(&self.spots[place.0], runs, place.1)?);
            }
        }
        Ok((forests, forest_of))
    }

    /// Cells that run together: as many as the budget has room for.
    fn chunks<'c>(&self, cells: &[&'c Cell], rows: impl Fn(&Cell) -> usize) -> Vec<Vec<&'c Cell>> {
        let config = self.plan.model.decoder().config();
        let heads = (config.n_heads + config.n_kv_heads) * config.d_head;
        let arrivals = cells.iter().map(|cell| paths::width(&cell.receivers, config)).max().unwrap_or(0);
        let per_row = (8 * config.d_model + 4 * heads + 3 * config.d_mlp + arrivals) * size_of::<f32>();
        let allowed = (self.budget() / 2 / per_row.max(1)).clamp(1, CHUNK_ROWS);
        let mut chunks: Vec<Vec<&Cell>> = Vec::new();
        let mut filled = 0;
        for &cell in cells {
            let rows = rows(cell);
            match chunks.last_mut() {
                Some(chunk) if filled + rows <= allowed => {
                    chunk.push(cell);
                    filled += rows;
                }
                _ => {
                    chunks.push(vec![cell]);
                    filled = rows;
                }
            }
        }
        chunks
    }
}

/// What a window's cells stand on.
struct Runs {
    /// The clean run.
    clean: Arc<Recording>,
    /// Its first row of the prompts.
    first_row: usize,
    /// [read, d_vocab] of the prompts.
    logits: Tensor,
    /// What is put in.
    values: Values,
    /// The logits of the source, where values come from a run.
    source_logits: Option<Tensor>,
}

/// True where the fused operations of the fast engine can run the model.
fn is_fast(model: &Model) -> bool {
    model.decoder().device().is_cpu() && model.decoder().dtype() == candle_core::DType::F32
}

fn sequences_of(prompts: &[Prompt]) -> Vec<Vec<u32>> {
    prompts.iter().map(|prompt| prompt.tokens.clone()).collect()
}

/// The angles of all positions of the sweep's rows, by rotary table.
fn ropes(config: &ArchConfig, plan: &Plan, device: &candle_core::Device) -> Result<Vec<RopeTable>> {
    let rows = plan.scoring.sequences().iter();
    let longest = rows.map(Vec::len).max().unwrap_or(0);
    let positions: Vec<u32> = (0..longest as u32).collect();
    config.ropes.iter().map(|rope| RopeTable::new(rope, &positions, device)).collect()
}
