//! Between mora's columns and polars' own.

use polars::prelude::{self as pl, DataType, NamedFrom, Series};

use super::{Column, Kind};
use crate::error::{Error, Result};

/// A named polars column of these values.
pub(super) fn pack(name: &str, column: Column) -> pl::Column {
    let series = match column {
        Column::Float(values) => Series::new(name.into(), values),
        Column::Int(values) => Series::new(name.into(), values),
        Column::Text(values) => Series::new(name.into(), values),
        Column::Bool(values) => Series::new(name.into(), values),
    };
    series.into()
}

/// The values of a polars column, which has passed [`normalise`] or come from [`pack`].
pub(super) fn unpack(column: &pl::Column) -> Result<Column> {
    Ok(match kind(column)? {
        Kind::Float => Column::Float(column.f64()?.iter().collect()),
        Kind::Int => Column::Int(column.i64()?.iter().collect()),
        Kind::Text => Column::Text(column.str()?.iter().map(|text| text.map(str::to_string)).collect()),
        Kind::Bool => Column::Bool(column.bool()?.iter().collect()),
    })
}

/// What a polars column of one of the four kinds holds.
pub(super) fn kind(column: &pl::Column) -> Result<Kind> {
    match column.dtype() {
        DataType::Float64 => Ok(Kind::Float),
        DataType::Int64 => Ok(Kind::Int),
        DataType::String => Ok(Kind::Text),
        DataType::Boolean => Ok(Kind::Bool),
        other => Err(unsupported(column.name(), other)),
    }
}

/// A polars column of any type, as one of the four kinds.
///
/// # Errors
/// A type that none of the kinds holds exactly: lists, structures, dates, unsigned integers past 2^63.
pub(super) fn normalise(column: &pl::Column) -> Result<pl::Column> {
    use DataType as D;
    let to = match column.dtype() {
        D::Float64 | D::Int64 | D::String | D::Boolean => return Ok(column.clone()),
        D::Float32 | D::Null => D::Float64,
        D::Int8 | D::Int16 | D::Int32 | D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => D::Int64,
        D::Categorical(..) | D::Enum(..) => D::String,
        other => return Err(unsupported(column.name(), other)),
    };
    column.strict_cast(&to).map_err(|error| {
        Error::new(format!("column \"{}\" of type {} does not fit: {error}", column.name(), column.dtype()))
    })
}

fn unsupported(name: &str, found: &DataType) -> Error {
    Error::new(format!("expected numbers, integers, strings or bools in column \"{name}\", found {found}"))
}
