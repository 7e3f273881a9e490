//! The values of a table: one cell, and one column of cells of one kind.

use std::fmt;

use crate::error::{Error, Result};

/// One value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A real number; NaN and the infinities are values, not [`Cell::Null`].
    Float(f64),
    /// Text.
    Text(String),
}

impl Cell {
    /// The kind of the value; nothing for [`Cell::Null`].
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Null => None,
            Self::Bool(_) => Some(Kind::Bool),
            Self::Int(_) => Some(Kind::Int),
            Self::Float(_) => Some(Kind::Float),
            Self::Text(_) => Some(Kind::Text),
        }
    }

    /// True for [`Cell::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The number in an integer or a float.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }
}

/// The value in full: floats as the shortest text that reads back to the same bits, `null` for none.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_string())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What a column holds. Every kind has room for nulls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Real numbers, 64 bits.
    Float,
    /// Whole numbers, 64 bits, signed.
    Int,
    /// Text, UTF-8.
    Text,
    /// True or false.
    Bool,
}

impl Kind {
    /// True for floats and integers.
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Float | Self::Int)
    }

    /// The kind that holds both: integers widen to floats, nothing else widens.
    pub(super) fn widen(self, other: Self) -> Option<Self> {
        match (self, other) {
            (a, b) if a == b => Some(a),
            (a, b) if a.is_numeric() && b.is_numeric() => Some(Self::Float),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float => "number",
            Self::Int => "integer",
            Self::Text => "string",
            Self::Bool => "bool",
        })
    }
}

/// A column of values of one kind, without a name.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Real numbers.
    Float(Vec<Option<f64>>),
    /// Whole numbers.
    Int(Vec<Option<i64>>),
    /// Text.
    Text(Vec<Option<String>>),
    /// True or false.
    Bool(Vec<Option<bool>>),
}

impl Column {
    /// A column of floats, none of them null.
    pub fn floats(values: impl IntoIterator<Item = f64>) -> Self {
        Self::Float(values.into_iter().map(Some).collect())
    }

    /// A column of integers, none of them null.
    pub fn ints(values: impl IntoIterator<Item = i64>) -> Self {
        Self::Int(values.into_iter().map(Some).collect())
    }

    /// A column of text, none of it null.
    pub fn texts<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Self {
        Self::Text(values.into_iter().map(|value| Some(value.into())).collect())
    }

    /// A column of truth values, none of them null.
    pub fn bools(values: impl IntoIterator<Item = bool>) -> Self {
        Self::Bool(values.into_iter().map(Some).collect())
    }

    /// A column of these cells. Integers among floats become floats; a column of nulls alone is a float
    /// column.
    ///
    /// # Errors
    /// Cells of kinds that do not go together, such as text and numbers.
    pub fn from_cells(cells: impl IntoIterator<Item = Cell>) -> Result<Self> {
        let cells: Vec<Cell> = cells.into_iter().collect();
        let mut kind: Option<Kind> = None;
        for (row, cell) in cells.iter().enumerate() {
            let Some(found) = cell.kind() else { continue };
            kind = match kind {
                None => Some(found),
                Some(kind) => Some(kind.widen(found).ok_or_else(|| {
                    Error::new(format!("expected {kind} as in the rows above, found {found} in row {row}"))
                        .hint("a column holds one kind of value, or no value")
                })?),
            };
        }
        Ok(match kind.unwrap_or(Kind::Float) {
            Kind::Float => Self::Float(cells.iter().map(Cell::number).collect()),
            Kind::Int => Self::Int(pick(cells, |cell| if let Cell::Int(v) = cell { Some(v) } else { None })),
            Kind::Text => {
                Self::Text(pick(cells, |cell| if let Cell::Text(v) = cell { Some(v) } else { None }))
            }
            Kind::Bool => {
                Self::Bool(pick(cells, |cell| if let Cell::Bool(v) = cell { Some(v) } else { None }))
            }
        })
    }

    /// A column of `rows` nulls.
    pub fn nulls(kind: Kind, rows: usize) -> Self {
        match kind {
            Kind::Float => Self::Float(vec![None; rows]),
            Kind::Int => Self::Int(vec![None; rows]),
            Kind::Text => Self::Text(vec![None; rows]),
            Kind::Bool => Self::Bool(vec![None; rows]),
        }
    }

    /// A column that holds one value `rows` times.
    pub fn repeat(cell: &Cell, rows: usize) -> Self {
        match cell {
            Cell::Null => Self::nulls(Kind::Float, rows),
            Cell::Bool(value) => Self::Bool(vec![Some(*value); rows]),
            Cell::Int(value) => Self::Int(vec![Some(*value); rows]),
            Cell::Float(value) => Self::Float(vec![Some(*value); rows]),
            Cell::Text(value) => Self::Text(vec![Some(value.clone()); rows]),
        }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Float(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Bool(values) => values.len(),
        }
    }

    /// True where there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the column holds.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Float(_) => Kind::Float,
            Self::Int(_) => Kind::Int,
            Self::Text(_) => Kind::Text,
            Self::Bool(_) => Kind::Bool,
        }
    }

    /// The value in a row; [`Cell::Null`] past the end.
    pub fn get(&self, row: usize) -> Cell {
        match self {
            Self::Float(values) => values.get(row).copied().flatten().into(),
            Self::Int(values) => values.get(row).copied().flatten().into(),
            Self::Text(values) => values.get(row).cloned().flatten().into(),
            Self::Bool(values) => values.get(row).copied().flatten().into(),
        }
    }

    /// All values, row by row.
    pub fn cells(&self) -> Vec<Cell> {
        (0..self.len()).map(|row| self.get(row)).collect()
    }

    /// The numbers in a float or an integer column; truth values count as 0 and 1. Nothing for text.
    pub(super) fn numbers(&self) -> Option<Vec<Option<f64>>> {
        match self {
            Self::Float(values) => Some(values.clone()),
            Self::Int(values) => Some(values.iter().map(|value| value.map(|v| v as f64)).collect()),
            Self::Bool(values) => {
                Some(values.iter().map(|value| value.map(|v| f64::from(u8::from(v)))).collect())
            }
            Self::Text(_) => None,
        }
    }

    /// The number of nulls.
    pub(super) fn null_count(&self) -> usize {
        match self {
            Self::Float(values) => values.iter().filter(|value| value.is_none()).count(),
            Self::Int(values) => values.iter().filter(|value| value.is_none()).count(),
            Self::Text(values) => values.iter().filter(|value| value.is_none()).count(),
            Self::Bool(values) => values.iter().filter(|value| value.is_none()).count(),
        }
    }

    /// The values at these rows; a null where the row is `None`.
    pub(super) fn take(&self, rows: &[Option<usize>]) -> Self {
        fn at<T: Clone>(values: &[Option<T>], rows: &[Option<usize>]) -> Vec<Option<T>> {
            rows.iter().map(|row| row.and_then(|row| values.get(row).cloned().flatten())).collect()
        }
        match self {
            Self::Float(values) => Self::Float(at(values, rows)),
            Self::Int(values) => Self::Int(at(values, rows)),
            Self::Text(values) => Self::Text(at(values, rows)),
            Self::Bool(values) => Self::Bool(at(values, rows)),
        }
    }

    /// The same values as another kind: integers as floats, and nulls alone as anything.
    pub(super) fn cast(self, kind: Kind) -> Option<Self> {
        if self.kind() == kind {
            return Some(self);
        }
        if self.null_count() == self.len() {
            return Some(Self::nulls(kind, self.len()));
        }
        match (self, kind) {
            (column @ Self::Int(_), Kind::Float) => column.numbers().map(Self::Float),
            _ => None,
        }
    }
}

fn pick<T>(cells: Vec<Cell>, value: impl Fn(Cell) -> Option<T>) -> Vec<Option<T>> {
    cells.into_iter().map(value).collect()
}
