//! Groups of rows and what is told of each: means, counts, quantiles.

use std::fmt;
use std::str::FromStr;

use super::{Column, Frame, Kind};
use crate::error::{Context, Error, Result, did_you_mean};

/// One number (or value) that stands for many. Nulls are left out; NaN spreads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stat {
    /// Arithmetic mean; of truth values, the fraction that is true. Null for no values.
    Mean,
    /// Sum; an integer column sums to integers. Zero for no values.
    Sum,
    /// Smallest value; also of text.
    Min,
    /// Largest value; also of text.
    Max,
    /// The middle value, or the mean of the two.
    Median,
    /// Standard deviation with n − 1 below the root. Null for fewer than two values.
    Std,
    /// Variance with n − 1 below. Null for fewer than two values.
    Var,
    /// How many values there are, nulls not counted.
    Count,
    /// The value in the first row, null or not.
    First,
    /// The value in the last row, null or not.
    Last,
    /// The value below which a fraction of the values lies, in [0, 1]; linear between neighbours.
    Quantile(f64),
}

impl Stat {
    const NAMES: [&str; 11] =
        ["mean", "sum", "min", "max", "median", "std", "var", "count", "first", "last", "q0.25"];
}

impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Median => "median",
            Self::Std => "std",
            Self::Var => "var",
            Self::Count => "count",
            Self::First => "first",
            Self::Last => "last",
            Self::Quantile(fraction) => return write!(f, "q{fraction}"),
        })
    }
}

/// Reads a name: `mean`, `std`, …; `q0.9` is the 0.9 quantile.
impl FromStr for Stat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "mean" => Self::Mean,
            "sum" => Self::Sum,
            "min" => Self::Min,
            "max" => Self::Max,
            "median" => Self::Median,
            "std" => Self::Std,
            "var" => Self::Var,
            "count" => Self::Count,
            "first" => Self::First,
            "last" => Self::Last,
            _ => match name.strip_prefix('q').and_then(|fraction| fraction.parse::<f64>().ok()) {
                Some(fraction) if (0.0..=1.0).contains(&fraction) => Self::Quantile(fraction),
                Some(_) => {
                    return Err(Error::new(format!("expected a quantile from q0 to q1, found \"{name}\"")));
                }
                None => {
                    return Err(Error::new(format!("no statistic \"{name}\"")).hint(
                        did_you_mean(name, Self::NAMES)
                            .unwrap_or_else(|| format!("one of {}", Self::NAMES.join(", "))),
                    ));
                }
            },
        })
    }
}

/// A statistic of a column, and the name of the column that holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The column whose values are gathered.
    pub column: String,
    /// What is told of them.
    pub stat: Stat,
    /// The new column's name.
    pub name: String,
}

impl Aggregate {
    /// A statistic of a column under the name `{stat}_{column}`, such as `mean_delta` or `q0.9_delta`.
    pub fn new(column: impl Into<String>, stat: Stat) -> Self {
        let column = column.into();
        Self { name: format!("{stat}_{column}"), column, stat }
    }

    /// The same under another name.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }
}

impl Frame {
    /// One row for each distinct combination of values in the key columns, in the order they first appear:
    /// the keys, then each aggregate under its name. Null and NaN are keys like any other. Without keys,
    /// one row for the whole table.
    ///
    /// # Errors
    /// A name that is no column; a statistic of numbers asked of text; two results of one name; a sum of
    /// integers past 2^63.
    pub fn group_by<S: AsRef<str>>(&self, keys: &[S], aggregates: &[Aggregate]) -> Result<Self> {
        self.check_names(keys)?;
        let groups = if keys.is_empty() { vec![(0..self.height()).collect()] } else { self.groups(keys)? };
        let firsts: Vec<Option<usize>> = groups.iter().map(|rows| rows.first().copied()).collect();
        let mut columns = Vec::with_capacity(keys.len() + aggregates.len());
        for key in keys {
            columns.push((key.as_ref().to_string(), self.column(key.as_ref())?.take(&firsts)));
        }
        for Aggregate { column, stat, name } in aggregates {
            let values = self.column(column)?;
            let aggregate = aggregate(&values, &groups, *stat).within(|| format!("column \"{column}\""))?;
            columns.push((name.clone(), aggregate));
        }
        Self::new(columns)
    }

    /// [`Frame::group_by`] with the mean of every other column of numbers, each under its own name.
    ///
    /// # Errors
    /// A key that is no column.
    pub fn mean_by<S: AsRef<str>>(&self, keys: &[S]) -> Result<Self> {
        self.check_names(keys)?;
        let aggregates: Vec<Aggregate> = self
            .names()
            .into_iter()
            .filter(|name| !keys.iter().any(|key| key.as_ref() == *name))
            .filter(|name| self.kind(name).is_ok_and(Kind::is_numeric))
            .map(|name| Aggregate::new(name, Stat::Mean).named(name))
            .collect();
        self.group_by(keys, &aggregates)
    }

    /// The table's rows in parts, one for each distinct combination of values in the key columns, in the
    /// order they first appear.
    ///
    /// # Errors
    /// No key; a key that is no column.
    pub fn split<S: AsRef<str>>(&self, keys: &[S]) -> Result<Vec<Self>> {
        if keys.is_empty() {
            return Err(Error::new("expected at least one column to split by, found none"));
        }
        self.groups(keys)?.iter().map(|rows| self.take(rows)).collect()
    }

    /// Checks that no two rows agree in the key columns, as where each is to be one bar or one cell.
    ///
    /// # Errors
    /// A key that is no column; rows that agree, with the first such values and a hint.
    pub fn check_single<S: AsRef<str>>(&self, keys: &[S]) -> Result<()> {
        let groups = self.groups(keys)?;
        let Some(rows) = groups.iter().find(|rows| rows.len() > 1) else { return Ok(()) };
        let first = rows.first().copied().unwrap_or(0);
        let names: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        let values = names
            .iter()
            .map(|name| Ok(format!("{name} = {}", self.column(name)?.get(first))))
            .collect::<Result<Vec<_>>>()?;
        Err(Error::new(format!("expected one row for {}, found {}", values.join(", "), rows.len()))
            .hint(format!("take a mean first, as with mean_by({names:?}), or filter the rows")))
    }

    /// One row for each column: its kind, how many values and nulls it has, and for numbers the mean, the
    /// standard deviation, the smallest, the median and the largest value.
    ///
    /// # Errors
    /// None for a table that was built.
    pub fn describe(&self) -> Result<Self> {
        let columns = self.columns()?;
        let rows: Vec<usize> = (0..self.height()).collect();
        let stat = |stat: Stat| {
            Column::Float(
                columns
                    .iter()
                    .map(|(_, column)| {
                        column
                            .kind()
                            .is_numeric()
                            .then(|| column.numbers())
                            .flatten()
                            .and_then(|all| number(stat, &mut gather(&all, &rows)))
                    })
                    .collect(),
            )
        };
        Self::new([
            ("column", Column::texts(columns.iter().map(|(name, _)| name.clone()))),
            ("kind", Column::texts(columns.iter().map(|(_, column)| column.kind().to_string()))),
            (
                "count",
                Column::ints(columns.iter().map(|(_, column)| (column.len() - column.null_count()) as i64)),
            ),
            ("nulls", Column::ints(columns.iter().map(|(_, column)| column.null_count() as i64))),
            ("mean", stat(Stat::Mean)),
            ("std", stat(Stat::Std)),
            ("min", stat(Stat::Min)),
            ("median", stat(Stat::Median)),
            ("max", stat(Stat::Max)),
        ])
    }

    /// The rows of each distinct combination of values in these columns, in the order they first appear.
    pub(super) fn groups<S: AsRef<str>>(&self, keys: &[S]) -> Result<Vec<Vec<usize>>> {
        self.check_names(keys)?;
        let grouped = self.0.group_by_stable(keys.iter().map(AsRef::as_ref))?;
        Ok(grouped
            .get_groups()
            .iter()
            .map(|group| match group {
                polars::prelude::GroupsIndicator::Idx((_, rows)) => {
                    rows.iter().map(|&row| row as usize).collect()
                }
                polars::prelude::GroupsIndicator::Slice([start, count]) => {
                    (start as usize..start as usize + count as usize).collect()
                }
            })
            .collect())
    }
}

/// One value for each group.
pub(super) fn aggregate(column: &Column, groups: &[Vec<usize>], stat: Stat) -> Result<Column> {
    match (stat, column) {
        (Stat::Count, _) => {
            let cells = column.cells();
            let count = |rows: &Vec<usize>| {
                rows.iter().filter(|&&row| cells.get(row).is_some_and(|cell| !cell.is_null())).count()
            };
            Ok(Column::ints(groups.iter().map(|rows| count(rows) as i64)))
        }
        (Stat::First, _) => {
            Ok(column.take(&groups.iter().map(|rows| rows.first().copied()).collect::<Vec<_>>()))
        }
        (Stat::Last, _) => {
            Ok(column.take(&groups.iter().map(|rows| rows.last().copied()).collect::<Vec<_>>()))
        }
        (Stat::Min | Stat::Max, Column::Int(_) | Column::Text(_) | Column::Bool(_)) => {
            extreme(column, groups, stat == Stat::Max)
        }
        (Stat::Sum, Column::Int(values)) => {
            let sum = |rows: &Vec<usize>| {
                gather(values, rows).iter().try_fold(0i64, |sum, value| sum.checked_add(*value))
            };
            let sums: Option<Vec<i64>> = groups.iter().map(sum).collect();
            sums.map(Column::ints).ok_or_else(|| {
                Error::new("the sum of these integers does not fit in 64 bits").hint("sum floats instead")
            })
        }
        _ => {
            let numbers = column.numbers().ok_or_else(|| {
                Error::new(format!("expected numbers for \"{stat}\", found {}", column.kind()))
                    .hint("of strings there are count, first, last, min and max")
            })?;
            Ok(Column::Float(groups.iter().map(|rows| number(stat, &mut gather(&numbers, rows))).collect()))
        }
    }
}

/// The values in these rows that are not null.
fn gather<T: Copy>(values: &[Option<T>], rows: &[usize]) -> Vec<T> {
    rows.iter().filter_map(|&row| values.get(row).copied().flatten()).collect()
}

/// Smallest or largest of values that have a total order.
fn extreme(column: &Column, groups: &[Vec<usize>], largest: bool) -> Result<Column> {
    fn of<T: Ord>(values: &[Option<T>], rows: &[usize], largest: bool) -> Option<usize> {
        let present = rows.iter().copied().filter_map(|row| Some((values.get(row)?.as_ref()?, row)));
        let best = match largest {
            true => present.max_by(|a, b| a.0.cmp(b.0)),
            false => present.min_by(|a, b| a.0.cmp(b.0)),
        };
        best.map(|(_, row)| row)
    }
    let rows: Vec<Option<usize>> = groups
        .iter()
        .map(|rows| match column {
            Column::Int(values) => of(values, rows, largest),
            Column::Text(values) => of(values, rows, largest),
            Column::Bool(values) => of(values, rows, largest),
            Column::Float(_) => None,
        })
        .collect();
    Ok(column.take(&rows))
}

/// A statistic of numbers; nothing where too few of them are there. May reorder them.
fn number(stat: Stat, values: &mut [f64]) -> Option<f64> {
    let count = values.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
    match stat {
        Stat::Sum => Some(values.iter().sum::<f64>() + 0.0),
        Stat::Count => Some(count),
        _ if values.is_empty() => None,
        Stat::Mean => Some(mean(values)),
        Stat::Min => values.iter().copied().reduce(|a, b| if a.is_nan() || a < b { a } else { b }),
        Stat::Max => values.iter().copied().reduce(|a, b| if a.is_nan() || a > b { a } else { b }),
        Stat::Median => quantile(0.5, values),
        Stat::Quantile(fraction) => quantile(fraction, values),
        Stat::Std => number(Stat::Var, values).map(f64::sqrt),
        Stat::Var if values.len() < 2 => None,
        Stat::Var => {
            let mean = mean(values);
            Some(values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0))
        }
        Stat::First => values.first().copied(),
        Stat::Last => values.last().copied(),
    }
}

fn quantile(fraction: f64, values: &mut [f64]) -> Option<f64> {
    if values.iter().any(|value| value.is_nan()) {
        return Some(f64::NAN);
    }
    values.sort_by(f64::total_cmp);
    let place = fraction * (values.len() - 1) as f64;
    let below = *values.get(place.floor() as usize)?;
    let above = *values.get(place.ceil() as usize)?;
    // Equal neighbours are taken as they are: two infinities have no difference.
    Some(if below == above { below } else { below + (above - below) * place.fract() })
}
