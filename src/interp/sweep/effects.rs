//! What a sweep found: one number for each cell and prompt, and its tables.

use candle_core::{Device, Tensor};

use super::cell::joined;
use super::{Cell, Spot, Sweep};
use crate::error::{Error, Result};
use crate::frame::{Aggregate, Cell as Value, Column, Frame, Stat};

/// What a sweep measures, as [`means`] tells it.
const MEASURED: [&str; 5] = ["baseline", "source_value", "patched", "delta", "flipped"];

/// Means of what a sweep measured, for each combination of values in `keys`: `baseline`, `source_value`, `patched`,
/// `delta`, `flipped` (the fraction that is) and `normalised`, the mean delta over the mean of source_value −
/// baseline. A mean of the rows' own ratios would be ruled by the prompts on which source and baseline happen to
/// agree. Null where there is no source or the two means are equal. A table of both ways keeps `direction` apart,
/// named or not.
///
/// # Errors
/// A key that is no column, or is what was measured.
pub fn means(frame: &Frame, keys: &[String]) -> Result<Frame> {
    let mut keys = keys.to_vec();
    if frame.has("direction") && !keys.iter().any(|key| key == "direction") {
        keys.insert(0, "direction".to_string());
    }
    let aggregates = MEASURED.map(|name| Aggregate::new(name, Stat::Mean).named(name));
    let means = frame.group_by(&keys, &aggregates)?;
    let (baseline, source) = (means.floats("baseline")?, means.floats("source_value")?);
    let whole = source.into_iter().zip(baseline).map(|(source, baseline)| source - baseline);
    let normalised = means.floats("delta")?.into_iter().zip(whole).map(|(delta, whole)| {
        let ratio = delta / whole;
        ratio.is_finite().then_some(ratio)
    });
    means.with_column("normalised", Column::Float(normalised.collect()))
}

/// What a sweep found.
#[derive(Debug, Clone)]
pub struct Effects {
    cells: Vec<Cell>,
    spots: Vec<Spot>,
    /// The metric of the clean run, by prompt.
    pub baseline: Vec<f64>,
    /// The metric of the source's run, by prompt, where values come from a run.
    pub source: Option<Vec<f64>>,
    /// The metric of each cell, by prompt.
    pub patched: Vec<Vec<f64>>,
}

impl Effects {
    pub(super) fn new(
        sweep: &Sweep,
        cells: &[Cell],
        baseline: Vec<f64>,
        source: Option<Vec<f64>>,
        patched: Vec<Option<Vec<f64>>>,
    ) -> Result<Self> {
        let patched = patched
            .into_iter()
            .zip(cells)
            .map(|(found, cell)| found.ok_or_else(|| Error::new(format!("{} was not run", cell.name()))))
            .collect::<Result<Vec<_>>>()?;
        let n_prompts = sweep.plan.prompts.len();
        for values in patched.iter().chain([&baseline]).chain(&source) {
            if values.len() != n_prompts {
                return Err(Error::new(format!(
                    "the metric gave {} numbers for {n_prompts} prompts",
                    values.len()
                )));
            }
        }
        Ok(Self { cells: cells.to_vec(), spots: sweep.spots.clone(), baseline, source, patched })
    }

    /// The cells, in the order of `patched`.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The names of the cells' positions.
    pub fn spot(&self, cell: &Cell) -> &str {
        &self.spots[cell.spot].label
    }

    /// One row for each cell and prompt that has the cell's positions: `component`, `layer`, `kind`, `head`,
    /// `position`, `prompt`, `baseline`, `source_value`, `patched`, `delta` (patched − baseline),
    /// `normalised` (delta over source_value − baseline) and `flipped` (the metric changed its sign).
    ///
    /// Cells of several parts have no layer or head, and are of the kind `group`. For paths `sender`
    /// and `receiver` stand in the place of the first four columns.
    ///
    /// # Errors
    /// Where the table cannot be made.
    pub fn frame(&self) -> Result<Frame> {
        let n_prompts = self.baseline.len();
        let rows: Vec<(usize, usize)> = (0..self.cells.len())
            .flat_map(|cell| (0..n_prompts).map(move |prompt| (cell, prompt)))
            .filter(|&(cell, prompt)| !self.spots[self.cells[cell].spot].pairs[prompt].is_empty())
            .collect();
        let cells = || rows.iter().map(|&(cell, _)| &self.cells[cell]);
        let single = |cell: &Cell| (cell.parts.len() == 1).then(|| cell.parts[0]);
        let int = |value: Option<usize>| value.map_or(Value::Null, |value| Value::Int(value as i64));
        let position = |cell: &Cell| {
            let label = self.spot(cell);
            label.parse().map_or_else(|_| Value::Text(label.to_string()), Value::Int)
        };
        let positions: Vec<Value> = cells().map(position).collect();
        let all_numbers = positions.iter().all(|value| matches!(value, Value::Int(_)));
        let positions = match all_numbers {
            true => Column::from_cells(positions)?,
            false => Column::texts(cells().map(|cell| self.spot(cell).to_string())),
        };
        let baseline = || rows.iter().map(|&(_, prompt)| self.baseline[prompt]);
        let patched = || rows.iter().map(|&(cell, prompt)| self.patched[cell][prompt]);
        let source: Vec<f64> = match &self.source {
            Some(source) => rows.iter().map(|&(_, prompt)| source[prompt]).collect(),
            None => vec![f64::NAN; rows.len()],
        };
        let normalised = baseline().zip(patched()).zip(&source).map(|((baseline, patched), source)| {
            let whole = source - baseline;
            if whole == 0.0 { f64::NAN } else { (patched - baseline) / whole }
        });
        let number = |value: f64| if value.is_nan() { Value::Null } else { Value::Float(value) };
        let optional = |values: Vec<f64>| match values.iter().all(|value| value.is_nan()) {
            true => Ok(Column::nulls(crate::frame::Kind::Float, values.len())),
            false => Column::from_cells(values.into_iter().map(number)),
        };
        let mut columns = match self.cells.iter().any(Cell::is_path) {
            true => vec![
                ("sender", Column::texts(cells().map(|cell| joined(&cell.parts)))),
                ("receiver", Column::texts(cells().map(|cell| joined(&cell.receivers)))),
            ],
            false => vec![
                ("component", Column::texts(cells().map(Cell::name))),
                ("layer", Column::from_cells(cells().map(|cell| int(single(cell).map(|part| part.layer))))?),
                ("kind", Column::texts(cells().map(|cell| single(cell).map_or("group", |part| part.kind())))),
                (
                    "head",
                    Column::from_cells(cells().map(|cell| int(single(cell).and_then(|part| part.index))))?,
                ),
            ],
        };
        columns.extend([
            ("position", positions),
            ("prompt", Column::ints(rows.iter().map(|&(_, prompt)| prompt as i64))),
            ("baseline", Column::floats(baseline())),
            ("source_value", optional(source.clone())?),
            ("patched", Column::floats(patched())),
            (
                "delta",
                Column::floats(baseline().zip(patched()).map(|(baseline, patched)| patched - baseline)),
            ),
            ("normalised", optional(normalised.collect())?),
            (
                "flipped",
                Column::bools(baseline().zip(patched()).map(|(baseline, patched)| baseline * patched < 0.0)),
            ),
        ]);
        Frame::new(columns)
    }

    /// Mean delta over prompts as a grid [layer, head] of the cells of one kind with a head, or [layer,
    /// position] of the cells without; NaN where there is no such cell.
    ///
    /// # Errors
    /// Where no cell is of that kind.
    pub fn grid(&self, kind: &str) -> Result<Tensor> {
        let mut found = Vec::new();
        for (cell, patched) in self.cells.iter().zip(&self.patched) {
            let [part] = cell.parts.as_slice() else { continue };
            if part.kind() != kind {
                continue;
            }
            let column = part.index.unwrap_or_else(|| self.spot(cell).parse().unwrap_or(0));
            let spot = &self.spots[cell.spot];
            let deltas: Vec<f64> = (0..patched.len())
                .filter(|&prompt| !spot.pairs[prompt].is_empty())
                .map(|prompt| patched[prompt] - self.baseline[prompt])
                .collect();
            found.push((part.layer, column, deltas.iter().sum::<f64>() / deltas.len() as f64));
        }
        let (Some(rows), Some(columns)) =
            (found.iter().map(|cell| cell.0 + 1).max(), found.iter().map(|cell| cell.1 + 1).max())
        else {
            let mut kinds: Vec<&str> =
                self.cells.iter().flat_map(|cell| &cell.parts).map(|p| p.kind()).collect();
            kinds.sort_unstable();
            kinds.dedup();
            return Err(Error::new(format!("the sweep has no cells of kind \"{kind}\""))
                .hint(format!("it has {}", kinds.join(", "))));
        };
        let mut values = vec![f32::NAN; rows * columns];
        for (row, column, mean) in found {
            values[row * columns + column] = mean as f32;
        }
        Ok(Tensor::from_vec(values, (rows, columns), &Device::Cpu)?)
    }
}
