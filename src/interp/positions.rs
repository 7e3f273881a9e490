//! Which positions of each prompt an analysis looks at.

use crate::error::{Error, Result};
use crate::model::activation::Grid;

/// Positions of a row, resolved against its length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Positions {
    /// Every position.
    #[default]
    All,
    /// The last position of each row.
    Last,
    /// The same positions in each row; negative ones count from its end.
    At(Vec<i64>),
    /// Positions of its own for each row.
    PerRow(Vec<Vec<usize>>),
}

impl Positions {
    /// The positions of row `row`, which has `len` positions.
    ///
    /// # Errors
    /// Where a position lies outside the row.
    pub fn of(&self, row: usize, len: usize) -> Result<Vec<usize>> {
        let outside = |position: i64| {
            Error::new(format!("prompt {row} has no position {position}")).hint(format!(
                "it has {len} tokens: 0–{} or, from the end, -1 to -{len}",
                len.saturating_sub(1)
            ))
        };
        match self {
            Self::All => Ok((0..len).collect()),
            Self::Last => Ok(len.checked_sub(1).into_iter().collect()),
            Self::At(positions) => positions
                .iter()
                .map(|&position| {
                    let from_start =
                        if position < 0 { position.saturating_add(len as i64) } else { position };
                    match usize::try_from(from_start) {
                        Ok(found) if found < len => Ok(found),
                        _ => Err(outside(position)),
                    }
                })
                .collect(),
            Self::PerRow(rows) => match rows.get(row) {
                None => Err(Error::new(format!(
                    "positions are given for {} prompts, not for prompt {row}",
                    rows.len()
                ))),
                Some(positions) => match positions.iter().find(|&&position| position >= len) {
                    Some(&position) => Err(outside(position as i64)),
                    None => Ok(positions.clone()),
                },
            },
        }
    }

    /// (row, position) pairs of rows with these `lengths`, row by row.
    ///
    /// # Errors
    /// Where a position lies outside a row.
    pub fn cells(&self, lengths: &[usize]) -> Result<Vec<(usize, usize)>> {
        let mut cells = Vec::new();
        for (row, &len) in lengths.iter().enumerate() {
            cells.extend(self.of(row, len)?.into_iter().map(|position| (row, position)));
        }
        Ok(cells)
    }

    /// Where in a pass these positions lie: (row, place) pairs. Positions count from the start of each
    /// prompt, and a pass that continues prompts covers only what is new in them.
    ///
    /// # Errors
    /// Where a position lies outside a row.
    pub fn covered(&self, grid: &Grid) -> Result<Vec<(usize, usize)>> {
        let place = |(row, position): (usize, usize)| Some((row, position.checked_sub(grid.starts()[row])?));
        Ok(self.cells(&grid.whole_lengths())?.into_iter().filter_map(place).collect())
    }
}
