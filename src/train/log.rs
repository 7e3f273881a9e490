//! The log of a training: a table that grows, on disk as well, and a line that says where it stands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use crate::error::Result;
use crate::frame::{Cell, Frame};
use crate::progress::{self, Bar};

/// Rows of named numbers, one a step.
pub struct TrainingLog {
    rows: Vec<Vec<(String, Cell)>>,
    /// A value of each column, which those to come have to go with.
    kinds: BTreeMap<String, Cell>,
    path: Option<PathBuf>,
    bar: Bar,
    last: Instant,
}

impl TrainingLog {
    /// An empty log, kept as a CSV file where there is a path. `steps` is how many rows are to come.
    pub fn new(path: Option<PathBuf>, steps: u64) -> Self {
        Self {
            rows: Vec::new(),
            kinds: BTreeMap::new(),
            path,
            bar: progress::bar("training", steps),
            last: Instant::now(),
        }
    }

    /// Adds a row, with the `seconds` since the last one, and writes the file anew, whole. The first few
    /// numbers are shown beside the bar.
    ///
    /// # Errors
    /// Values of different kinds in one column, and the row is not kept; the file cannot be written.
    pub fn record(&mut self, row: Vec<(String, Cell)>) -> Result<()> {
        let seconds = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        let mut row = ordered(row);
        self.bar.say(&line(&row));
        if !row.iter().any(|(name, _)| name == "seconds") {
            row.push(("seconds".to_owned(), Cell::Float(seconds)));
        }
        // A row that does not fit is not kept: the table would be lost.
        let kinds = row.iter().filter_map(|(name, _)| self.kinds.get_key_value(name));
        let kinds = kinds.map(|(name, cell)| (name.clone(), cell.clone())).collect();
        Frame::from_rows(&[kinds, row.clone()])?;
        for (name, cell) in row.iter().filter(|(_, cell)| *cell != Cell::Null) {
            self.kinds.entry(name.clone()).or_insert_with(|| cell.clone());
        }
        self.rows.push(row);
        self.bar.advance(1);
        if let Some(path) = &self.path {
            self.frame()?.write_csv(path)?;
        }
        Ok(())
    }

    /// Puts rows of an earlier part of the training in front, as one goes on from a checkpoint.
    pub fn go_on_from(&mut self, rows: Vec<Vec<(String, Cell)>>) {
        self.bar.advance(rows.len() as u64);
        self.rows.splice(..0, rows.into_iter().map(ordered));
    }

    /// All rows so far.
    pub fn rows(&self) -> &[Vec<(String, Cell)>] {
        &self.rows
    }

    /// The table so far.
    ///
    /// # Errors
    /// Values of different kinds in one column.
    pub fn frame(&self) -> Result<Frame> {
        Frame::from_rows(&self.rows)
    }
}

/// The step leads and the seconds close a row: a script's map has no order of its own.
fn ordered(mut row: Vec<(String, Cell)>) -> Vec<(String, Cell)> {
    row.sort_by_key(|(name, _)| match name.as_str() {
        "step" => 0,
        "seconds" => 2,
        _ => 1,
    });
    row
}

/// A few numbers of a row, for a person.
fn line(row: &[(String, Cell)]) -> String {
    const SHOWN: usize = 6;
    let shown = row.iter().filter_map(|(name, cell)| {
        let short = name.rsplit('/').next().unwrap_or(name);
        match cell {
            Cell::Int(value) => Some(format!("{short} {value}")),
            Cell::Float(value) => Some(format!("{short} {value:.3}")),
            _ => None,
        }
    });
    shown.take(SHOWN).collect::<Vec<_>>().join("  ")
}
