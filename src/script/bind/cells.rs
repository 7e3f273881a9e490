//! Values, columns and names of a table, as scripts write them, and back.

use std::ops::{Range, RangeInclusive};

use rhai::{Array, Dynamic, Map};

use crate::error::{Context, Error, Result};
use crate::frame::{Cell, Column, Frame};
use crate::script::value::{FromScript, describe};
use crate::tensor::NamedTensor;

impl FromScript for Cell {
    fn expected() -> String {
        "a value of a table: a number, a string, a bool or ()".into()
    }

    fn from_script(value: &Dynamic) -> Option<Self> {
        if value.is_unit() {
            return Some(Self::Null);
        }
        if let Ok(value) = value.as_bool() {
            return Some(value.into());
        }
        if let Ok(value) = value.as_int() {
            return Some(value.into());
        }
        if let Ok(value) = value.as_float() {
            return Some(value.into());
        }
        if let Ok(value) = value.as_char() {
            return Some(value.to_string().into());
        }
        value.as_immutable_string_ref().ok().map(|value| value.as_str().into())
    }
}

/// A cell as a script's value; a null is `()`.
pub fn cell(value: Cell) -> Dynamic {
    match value {
        Cell::Null => Dynamic::UNIT,
        Cell::Bool(value) => value.into(),
        Cell::Int(value) => value.into(),
        Cell::Float(value) => value.into(),
        Cell::Text(value) => value.into(),
    }
}

/// A column as an array.
pub fn cells(column: &Column) -> Array {
    column.cells().into_iter().map(cell).collect()
}

/// A row as a map.
pub fn row(values: Vec<(String, Cell)>) -> Map {
    values.into_iter().map(|(name, value)| (name.into(), cell(value))).collect()
}

/// One column name, or several.
#[derive(Debug, Clone)]
pub struct Names(pub Vec<String>);

impl FromScript for Names {
    fn expected() -> String {
        "a column name or an array of column names".into()
    }

    fn from_script(value: &Dynamic) -> Option<Self> {
        String::from_script(value).map(|name| vec![name]).or_else(|| Vec::from_script(value)).map(Self)
    }
}

/// A column from an array, a range or a tensor of one axis; `None` for a single value.
///
/// # Errors
/// An array of values that are not of one kind, or of no table; a tensor of other axes; no value of a table.
pub fn column(value: &Dynamic) -> Result<Option<Column>> {
    if let Ok(array) = value.as_array_ref() {
        let cells = array.iter().enumerate().map(|(place, value)| {
            Cell::from_script(value).ok_or_else(|| {
                Error::new(format!(
                    "element {place}: expected {}, found {}",
                    Cell::expected(),
                    describe(value)
                ))
            })
        });
        return Column::from_cells(cells.collect::<Result<Vec<_>>>()?).map(Some);
    }
    if let Some(range) = value.read_lock::<Range<i64>>() {
        return whole(range.start, i128::from(range.end)).map(Some);
    }
    if let Some(range) = value.read_lock::<RangeInclusive<i64>>() {
        return whole(*range.start(), i128::from(*range.end()) + 1).map(Some);
    }
    if let Some(tensor) = value.read_lock::<NamedTensor>() {
        return numbers(&tensor).map(Some);
    }
    match Cell::from_script(value) {
        Some(_) => Ok(None),
        None => Err(Error::new(format!(
            "expected an array, a range, a tensor of one axis or a single value, found {}",
            describe(value)
        ))),
    }
}

/// A column for a table of `rows` rows: a single value stands in every row.
///
/// # Errors
/// As [`column`].
pub fn column_of(value: &Dynamic, rows: usize) -> Result<Column> {
    Ok(match column(value)? {
        Some(column) => column,
        None => Column::repeat(&Cell::from_script(value).unwrap_or(Cell::Null), rows),
    })
}

/// The whole numbers from `start` up to but not including `end`.
fn whole(start: i64, end: i128) -> Result<Column> {
    const MOST: i128 = 1 << 32;
    if end - i128::from(start) > MOST {
        return Err(Error::new(format!("a range of {} rows", end - i128::from(start))));
    }
    Ok(Column::ints((i128::from(start)..end).map(|value| value as i64)))
}

fn numbers(tensor: &NamedTensor) -> Result<Column> {
    if tensor.rank() != 1 {
        return Err(Error::new(format!("expected a tensor of one axis, found {} axes", tensor.rank()))
            .hint("take one row of it, or flatten it"));
    }
    if tensor.dtype().is_int() {
        let values = tensor.tensor().to_dtype(candle_core::DType::I64)?.to_vec1::<i64>()?;
        return Ok(Column::ints(values));
    }
    Ok(Column::floats(tensor.tensor().to_dtype(candle_core::DType::F64)?.to_vec1::<f64>()?))
}

/// A table from a map of columns, in the order of their names; single values stand in every row.
///
/// # Errors
/// Columns of unequal length; values that are no column.
pub fn from_columns(columns: &Map) -> Result<Frame> {
    let parsed = columns
        .iter()
        .map(|(name, value)| Ok((name, value, column(value).within(|| format!("column \"{name}\""))?)))
        .collect::<Result<Vec<_>>>()?;
    let rows = parsed.iter().find_map(|(.., column)| column.as_ref().map(Column::len)).unwrap_or(1);
    let columns = parsed
        .into_iter()
        .map(|(name, value, column)| match column {
            Some(column) => Ok((name.as_str(), column)),
            None => Ok((name.as_str(), column_of(value, rows)?)),
        })
        .collect::<Result<Vec<_>>>()?;
    Frame::new(columns)
}

/// A table from an array of maps, one for each row.
///
/// # Errors
/// An element that is no map of values; values of different kinds in one column.
pub fn from_maps(rows: &Array) -> Result<Frame> {
    let rows = rows
        .iter()
        .enumerate()
        .map(|(number, row)| {
            let map = row.as_map_ref().map_err(|_| {
                Error::new(format!("row {number}: expected a map of values, found {}", describe(row)))
            })?;
            map.iter()
                .map(|(name, value)| match Cell::from_script(value) {
                    Some(cell) => Ok((name.to_string(), cell)),
                    None => Err(Error::new(format!(
                        "row {number}, column \"{name}\": expected {}, found {}",
                        Cell::expected(),
                        describe(value)
                    ))),
                })
                .collect::<Result<Vec<_>>>()
        })
        .collect::<Result<Vec<_>>>()?;
    Frame::from_rows(&rows)
}

/// A table from the names of its columns and an array of arrays, one for each row.
///
/// # Errors
/// A row of another length than the names; values of different kinds in one column.
pub fn from_arrays(names: &[String], rows: &Array) -> Result<Frame> {
    let mut columns: Vec<Vec<Cell>> = names.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for (number, row) in rows.iter().enumerate() {
        let values: Vec<Cell> = Vec::from_script(row).ok_or_else(|| {
            Error::new(format!("row {number}: expected an array of values, found {}", describe(row)))
        })?;
        if values.len() != names.len() {
            return Err(Error::new(format!(
                "row {number}: expected {} values, one for each column, found {}",
                names.len(),
                values.len()
            )));
        }
        columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
    }
    let columns = names.iter().zip(columns).map(|(name, cells)| {
        Ok((name.as_str(), Column::from_cells(cells).within(|| format!("column \"{name}\""))?))
    });
    Frame::new(columns.collect::<Result<Vec<_>>>()?)
}
