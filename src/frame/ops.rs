//! Operations on whole columns and rows: choose, rename, add, filter, sort, cut, stack.

use std::cmp::Ordering;

use polars::prelude::{self as pl, BooleanChunked, IdxCa, IdxSize, NewChunkedArray};

use super::{Column, Frame, Kind, check_unique, listed, store};
use crate::error::{Context, Error, Result};

/// Which way a column is sorted. Nulls and NaN come last both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Small to large; text by its bytes; false before true.
    Ascending,
    /// Large to small.
    Descending,
}

impl Frame {
    /// These columns, in this order.
    ///
    /// # Errors
    /// A name that is no column; a name twice.
    pub fn select<S: AsRef<str>>(&self, names: &[S]) -> Result<Self> {
        self.check_names(names)?;
        let columns = names
            .iter()
            .map(|name| self.polars_column(name.as_ref()).cloned())
            .collect::<Result<Vec<_>>>()?;
        // A selection of no columns has no rows either: there is nothing that says how many.
        Self::from_polars_columns(columns)
    }

    /// All columns but these.
    ///
    /// # Errors
    /// A name that is no column.
    pub fn drop<S: AsRef<str>>(&self, names: &[S]) -> Result<Self> {
        self.check_names(names)?;
        let kept: Vec<&str> = self
            .names()
            .into_iter()
            .filter(|kept| !names.iter().any(|name| name.as_ref() == *kept))
            .collect();
        self.select(&kept)
    }

    /// Gives columns new names; each pair is (old, new).
    ///
    /// # Errors
    /// An old name that is no column; a new name that another column has.
    pub fn rename<A: AsRef<str>, B: AsRef<str>>(&self, names: &[(A, B)]) -> Result<Self> {
        let old: Vec<&str> = names.iter().map(|(old, _)| old.as_ref()).collect();
        self.check_names(&old)?;
        let renamed: Vec<pl::Column> = self
            .0
            .columns()
            .iter()
            .map(|column| match names.iter().find(|(old, _)| old.as_ref() == column.name().as_str()) {
                Some((_, new)) => column.clone().with_name(new.as_ref().into()),
                None => column.clone(),
            })
            .collect();
        check_unique(renamed.iter().map(|column| column.name().as_str()))?;
        Self::from_polars_columns(renamed)
    }

    /// Puts a column in the place of the one of its name, or after the last one.
    ///
    /// # Errors
    /// The column has another length than the table.
    pub fn with_column(&self, name: &str, column: Column) -> Result<Self> {
        if self.width() > 0 && column.len() != self.height() {
            return Err(Error::new(format!(
                "expected {} values for column \"{name}\", one for each row, found {}",
                self.height(),
                column.len()
            )));
        }
        let mut columns = self.0.columns().to_vec();
        let packed = store::pack(name, column);
        match self.0.get_column_index(name).and_then(|index| columns.get_mut(index)) {
            Some(place) => *place = packed,
            None => columns.push(packed),
        }
        Self::from_polars_columns(columns)
    }

    /// The rows whose place in `keep` is true.
    ///
    /// # Errors
    /// `keep` has another length than the table.
    pub fn filter(&self, keep: &[bool]) -> Result<Self> {
        if keep.len() != self.height() {
            return Err(Error::new(format!(
                "expected {} truth values, one for each row, found {}",
                self.height(),
                keep.len()
            )));
        }
        let mask = BooleanChunked::from_slice("keep".into(), keep);
        Ok(Self::from_polars(self.0.filter(&mask)?))
    }

    /// The rows in the order of the first column, where it is equal in that of the second, and so on.
    /// Rows equal in all of them keep their order. Nulls and NaN come last.
    ///
    /// # Errors
    /// A name that is no column.
    pub fn sort<S: AsRef<str>>(&self, by: &[(S, Order)]) -> Result<Self> {
        let keys = by
            .iter()
            .map(|(name, order)| Ok((self.column(name.as_ref())?, *order)))
            .collect::<Result<Vec<_>>>()?;
        let mut rows: Vec<usize> = (0..self.height()).collect();
        rows.sort_by(|&a, &b| {
            keys.iter()
                .map(|(column, order)| compare(column, *order, a, b))
                .find(|ordering| ordering.is_ne())
                .unwrap_or(Ordering::Equal)
        });
        self.take(&rows)
    }

    /// The rows with the largest numbers in a column, whatever their sign, largest first: `count` of them, or
    /// all where there are fewer. Nulls and NaN come last; equal ones keep their order.
    ///
    /// # Errors
    /// No column of this name, or one that holds no numbers.
    pub fn top(&self, name: &str, count: usize) -> Result<Self> {
        let sizes: Vec<Option<f64>> = self.floats(name)?.iter().map(|value| Some(value.abs())).collect();
        let sizes = Column::Float(sizes);
        let mut rows: Vec<usize> = (0..self.height()).collect();
        rows.sort_by(|&a, &b| compare(&sizes, Order::Descending, a, b));
        rows.truncate(count);
        self.take(&rows)
    }

    /// The first rows: `count` of them, or all where there are fewer.
    pub fn head(&self, count: usize) -> Self {
        self.slice(0, count)
    }

    /// The last rows: `count` of them, or all where there are fewer.
    pub fn tail(&self, count: usize) -> Self {
        self.slice(self.height().saturating_sub(count), count)
    }

    /// `count` rows from `start` on, as far as there are any.
    pub fn slice(&self, start: usize, count: usize) -> Self {
        let start = start.min(self.height());
        Self::from_polars(self.0.slice(start as i64, count.min(self.height() - start)))
    }

    /// The first row of every distinct combination of values in these columns (of all columns where none is
    /// named), in the order they appear.
    ///
    /// # Errors
    /// A name that is no column.
    pub fn unique<S: AsRef<str>>(&self, columns: &[S]) -> Result<Self> {
        let all = self.names();
        let names: Vec<&str> = match columns {
            [] => all,
            some => some.iter().map(AsRef::as_ref).collect(),
        };
        if names.is_empty() {
            return Ok(self.clone());
        }
        let firsts: Vec<usize> =
            self.groups(&names)?.iter().filter_map(|rows| rows.first().copied()).collect();
        self.take(&firsts)
    }

    /// The rows of all tables, one table after the other. The columns are matched by name and stand in the
    /// order of the first table; integers meet floats as floats.
    ///
    /// # Errors
    /// No table; a column that one table has and another has not; columns of kinds that do not go together.
    pub fn concat(frames: &[Self]) -> Result<Self> {
        let Some((first, rest)) = frames.split_first() else {
            return Err(Error::new("expected at least one table to stack, found none"));
        };
        for (number, frame) in rest.iter().enumerate() {
            let missing: Vec<&str> = first.names().into_iter().filter(|name| !frame.has(name)).collect();
            let extra: Vec<&str> = frame.names().into_iter().filter(|name| !first.has(name)).collect();
            let number = number + 1;
            match (missing.as_slice(), extra.as_slice()) {
                ([], []) => {}
                ([], extra) => {
                    return Err(Error::new(format!("table {number} has {} beyond the first", listed(extra)))
                        .hint("stacked tables have the same columns; select or add columns first"));
                }
                (missing, _) => {
                    return Err(Error::new(format!("table {number} lacks {}", listed(missing)))
                        .hint("stacked tables have the same columns; select or add columns first"));
                }
            }
        }
        let columns = first
            .names()
            .into_iter()
            .map(|name| {
                let parts = frames.iter().map(|frame| frame.column(name)).collect::<Result<Vec<_>>>()?;
                Ok((name, stack(parts).within(|| format!("column \"{name}\""))?))
            })
            .collect::<Result<Vec<_>>>()?;
        Self::new(columns)
    }

    /// These rows, in this order; every one of them is a row of the table.
    pub(super) fn take(&self, rows: &[usize]) -> Result<Self> {
        let rows = rows.iter().map(|&row| IdxSize::try_from(row)).collect::<Result<Vec<_>, _>>();
        let rows = rows.map_err(|_| Error::new("a table of more than 2^32 rows"))?;
        Ok(Self::from_polars(self.0.take(&IdxCa::from_vec("rows".into(), rows))?))
    }
}

/// How two rows of a column stand to each other: missing values after all others, whatever the order.
fn compare(column: &Column, order: Order, a: usize, b: usize) -> Ordering {
    fn by<T>(
        values: &[Option<T>],
        (a, b): (usize, usize),
        order: Order,
        compare: impl Fn(&T, &T) -> Ordering,
        missing: impl Fn(&T) -> bool,
    ) -> Ordering {
        let at = |row: usize| values.get(row).and_then(Option::as_ref);
        // 0 for a value, 1 for NaN, 2 for null.
        let rank = |value: Option<&T>| value.map_or(2, |value| u8::from(missing(value)));
        let (a, b) = (at(a), at(b));
        match (rank(a), rank(b), a, b) {
            (0, 0, Some(a), Some(b)) if order == Order::Descending => compare(b, a),
            (0, 0, Some(a), Some(b)) => compare(a, b),
            (a, b, ..) => a.cmp(&b),
        }
    }
    let rows = (a, b);
    match column {
        Column::Float(values) => by(
            values,
            rows,
            order,
            |a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal),
            |value| value.is_nan(),
        ),
        Column::Int(values) => by(values, rows, order, i64::cmp, |_| false),
        Column::Text(values) => by(values, rows, order, String::cmp, |_| false),
        Column::Bool(values) => by(values, rows, order, bool::cmp, |_| false),
    }
}

/// One column after the other, in the kind that holds them all. Nulls alone go with any kind.
fn stack(parts: Vec<Column>) -> Result<Column> {
    let mut kind: Option<Kind> = None;
    for (number, part) in parts.iter().enumerate() {
        if part.null_count() == part.len() {
            continue;
        }
        kind = match kind {
            None => Some(part.kind()),
            Some(kind) => Some(kind.widen(part.kind()).ok_or_else(|| {
                Error::new(format!(
                    "expected {kind} as in the tables before, found {} in table {number}",
                    part.kind()
                ))
            })?),
        };
    }
    let Some(kind) = kind.or_else(|| parts.first().map(Column::kind)) else {
        return Ok(Column::Float(Vec::new()));
    };
    let mut all = Column::nulls(kind, 0);
    for part in parts {
        match (&mut all, part.cast(kind)) {
            (Column::Float(all), Some(Column::Float(part))) => all.extend(part),
            (Column::Int(all), Some(Column::Int(part))) => all.extend(part),
            (Column::Text(all), Some(Column::Text(part))) => all.extend(part),
            (Column::Bool(all), Some(Column::Bool(part))) => all.extend(part),
            // `kind` was widened over all parts above.
            _ => return Err(Error::new(format!("a column that does not read as {kind}"))),
        }
    }
    Ok(all)
}
