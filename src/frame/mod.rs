//! Tables: what every analysis returns, in long form, one observation a row.
//!
//! A [`Frame`] never changes: an operation gives a new one and shares the columns that stay the same.
//! Columns are held by polars; the rest of the crate sees [`Cell`], [`Kind`] and [`Column`] alone.
//!
//! Nulls mean "no value". NaN is a value: it spreads through aggregates as it does through arithmetic,
//! and only sorting sets both aside, at the end.

mod cell;
mod csv;
mod group;
mod join;
mod ops;
mod parquet;
mod render;
mod reshape;
mod store;

use std::sync::Arc;

use polars::prelude::DataFrame;

pub use cell::{Cell, Column, Kind};
pub use group::{Aggregate, Stat};
pub use join::Join;
pub use ops::Order;

use crate::error::{Context, Error, Result, did_you_mean};

/// An immutable table with named columns of equal length. A clone costs a pointer.
#[derive(Clone)]
pub struct Frame(Arc<DataFrame>);

impl Frame {
    /// A table of these columns, in this order.
    ///
    /// # Errors
    /// Two columns of one name; columns of unequal length.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = (S, Column)>) -> Result<Self> {
        let columns: Vec<(String, Column)> =
            columns.into_iter().map(|(name, column)| (name.into(), column)).collect();
        check_unique(columns.iter().map(|(name, _)| name.as_str()))?;
        if let Some((first, column)) = columns.first() {
            let rows = column.len();
            if let Some((name, column)) = columns.iter().find(|(_, column)| column.len() != rows) {
                return Err(Error::new(format!(
                    "columns of one table have the same length: \"{first}\" has {rows} rows, \"{name}\" has {}",
                    column.len()
                )));
            }
        }
        Self::from_polars_columns(
            columns.into_iter().map(|(name, column)| store::pack(&name, column)).collect(),
        )
    }

    /// A table of these rows. The columns are the names of all rows, in the order they first appear; a row
    /// without one of them has a null there.
    ///
    /// # Errors
    /// A name twice in one row; values of different kinds in one column (integers among floats become floats).
    pub fn from_rows(rows: &[Vec<(String, Cell)>]) -> Result<Self> {
        let mut index = std::collections::HashMap::new();
        let mut columns: Vec<(String, Vec<Cell>)> = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            for (name, cell) in row {
                let column = *index.entry(name.as_str()).or_insert_with(|| {
                    columns.push((name.clone(), Vec::with_capacity(rows.len())));
                    columns.len() - 1
                });
                let Some((_, cells)) = columns.get_mut(column) else { continue };
                if cells.len() > number {
                    return Err(Error::new(format!("row {number} has two values for column \"{name}\"")));
                }
                cells.resize(number, Cell::Null);
                cells.push(cell.clone());
            }
        }
        let columns = columns
            .into_iter()
            .map(|(name, mut cells)| {
                cells.resize(rows.len(), Cell::Null);
                let column = Column::from_cells(cells).within(|| format!("column \"{name}\""))?;
                Ok((name, column))
            })
            .collect::<Result<Vec<_>>>()?;
        Self::new(columns)
    }

    /// The number of rows.
    pub fn height(&self) -> usize {
        self.0.height()
    }

    /// The number of columns.
    pub fn width(&self) -> usize {
        self.0.width()
    }

    /// True where there is no row.
    pub fn is_empty(&self) -> bool {
        self.height() == 0
    }

    /// The names of the columns, in order.
    pub fn names(&self) -> Vec<&str> {
        self.0.columns().iter().map(|column| column.name().as_str()).collect()
    }

    /// True where a column has this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.get_column_index(name).is_some()
    }

    /// What a column holds.
    ///
    /// # Errors
    /// No column of this name.
    pub fn kind(&self, name: &str) -> Result<Kind> {
        store::kind(self.polars_column(name)?)
    }

    /// The values of a column.
    ///
    /// # Errors
    /// No column of this name.
    pub fn column(&self, name: &str) -> Result<Column> {
        store::unpack(self.polars_column(name)?)
    }

    /// The values of a column, row by row.
    ///
    /// # Errors
    /// No column of this name.
    pub fn cells(&self, name: &str) -> Result<Vec<Cell>> {
        Ok(self.column(name)?.cells())
    }

    /// The numbers in a column, row by row: integers as floats, a null as NaN.
    ///
    /// # Errors
    /// No column of this name, or one that holds no numbers.
    pub fn floats(&self, name: &str) -> Result<Vec<f64>> {
        let column = self.column(name)?;
        match column.kind().is_numeric().then(|| column.numbers()).flatten() {
            Some(numbers) => Ok(numbers.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect()),
            None => Err(self.wrong_kind(name, "numbers", column.kind())),
        }
    }

    /// The values of a column as text, row by row, a null as `null`; see [`Cell`]'s display.
    ///
    /// # Errors
    /// No column of this name.
    pub fn labels(&self, name: &str) -> Result<Vec<String>> {
        Ok(self.cells(name)?.iter().map(Cell::to_string).collect())
    }

    /// One row: its values by column, in the order of the columns.
    ///
    /// # Errors
    /// `row` is past the end.
    pub fn row(&self, row: usize) -> Result<Vec<(String, Cell)>> {
        if row >= self.height() {
            return Err(Error::new(format!("row {row} of a table of {} rows", self.height()))
                .hint("rows count from 0"));
        }
        let one = self.slice(row, 1);
        one.names().into_iter().map(|name| Ok((name.to_string(), one.column(name)?.get(0)))).collect()
    }

    /// All rows, each with its values by column, in the order of the columns.
    pub fn rows(&self) -> Result<Vec<Vec<(String, Cell)>>> {
        let columns = self.columns()?;
        Ok((0..self.height())
            .map(|row| columns.iter().map(|(name, column)| (name.clone(), column.get(row))).collect())
            .collect())
    }

    /// All columns, with their names.
    pub fn columns(&self) -> Result<Vec<(String, Column)>> {
        self.0
            .columns()
            .iter()
            .map(|column| Ok((column.name().to_string(), store::unpack(column)?)))
            .collect()
    }

    fn from_polars(data: DataFrame) -> Self {
        Self(Arc::new(data))
    }

    fn from_polars_columns(columns: Vec<polars::prelude::Column>) -> Result<Self> {
        Ok(Self::from_polars(DataFrame::new_infer_height(columns)?))
    }

    fn polars_column(&self, name: &str) -> Result<&polars::prelude::Column> {
        let index = self.0.get_column_index(name);
        index.and_then(|index| self.0.columns().get(index)).ok_or_else(|| self.unknown(name))
    }

    /// Every name is a column, and none stands twice.
    fn check_names<S: AsRef<str>>(&self, names: &[S]) -> Result<()> {
        if let Some(name) = names.iter().find(|name| !self.has(name.as_ref())) {
            return Err(self.unknown(name.as_ref()));
        }
        check_unique(names.iter().map(AsRef::as_ref))
    }

    fn unknown(&self, name: &str) -> Error {
        let names = self.names();
        let error = Error::new(format!("no column \"{name}\"; the columns are {}", listed(&names)));
        match did_you_mean(name, names.iter().copied()) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    fn wrong_kind(&self, name: &str, expected: &str, found: Kind) -> Error {
        let error = Error::new(format!("expected {expected} in column \"{name}\", found {found}"));
        let numeric: Vec<&str> =
            self.names().into_iter().filter(|name| self.kind(name).is_ok_and(Kind::is_numeric)).collect();
        match numeric.is_empty() {
            true => error,
            false => error.hint(format!("columns of numbers: {}", listed(&numeric))),
        }
    }
}

/// Equal where names, kinds, order and values are equal; NaN equals NaN.
impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals_missing(&other.0)
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// `"a", "b" and "c"`; the first dozen where there are many.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let quoted: Vec<String> = names.iter().take(SHOWN).map(|name| format!("\"{name}\"")).collect();
    match (quoted.as_slice(), names.len()) {
        ([], _) => "none".to_string(),
        (_, count) if count > SHOWN => format!("{} and {} more", quoted.join(", "), count - SHOWN),
        ([one], _) => one.clone(),
        ([head @ .., last], _) => format!("{} and {last}", head.join(", ")),
    }
}

fn check_unique<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(Error::new(format!("column \"{name}\" stands twice"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
