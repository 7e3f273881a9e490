//! From the rows of a table to the data of a figure.

use candle_core::DType;
use rhai::Dynamic;

use crate::error::{Error, Result};
use crate::frame::{Cell, Column, Frame, Order};
use crate::interp::component::Component;
use crate::plot::{BarGroup, Edge, FigureOptions, HeatMap, Node, PointGroup, Series};
use crate::script::options::Options;
use crate::tensor::NamedTensor;

/// The options that every figure has; `x_label` and `y_label` stand where the script gives none.
///
/// # Errors
/// An option of another type.
pub fn figure_options(options: &mut Options, x_label: &str, y_label: &str) -> Result<FigureOptions> {
    let text = |text: String| (!text.is_empty()).then_some(text);
    let (x_range, y_range) = (range(options, "x_range")?, range(options, "y_range")?);
    let mut size = |name| -> Result<Option<u32>> {
        // What does not fit into 32 bits is far out of the range that the figure checks.
        Ok(options.maybe::<usize>(name)?.map(|size| u32::try_from(size).unwrap_or(u32::MAX)))
    };
    let (width, height) = (size("width")?, size("height")?);
    Ok(FigureOptions {
        title: options.maybe::<String>("title")?.and_then(text),
        caption: options.maybe::<String>("caption")?.and_then(text),
        x_label: text(options.get("x_label", x_label.to_owned())?),
        y_label: text(options.get("y_label", y_label.to_owned())?),
        width,
        height,
        x_range,
        y_range,
        no_legend: !options.get("legend", true)?,
    })
}

/// The option `name` as two numbers.
///
/// # Errors
/// The option is not an array of two numbers.
pub fn range(options: &mut Options, name: &'static str) -> Result<Option<(f64, f64)>> {
    match options.maybe::<Vec<f64>>(name)?.as_deref() {
        None => Ok(None),
        Some([low, high]) => Ok(Some((*low, *high))),
        Some(other) => {
            Err(Error::new(format!("option \"{name}\": expected [low, high], found {} numbers", other.len())))
        }
    }
}

/// The rows of each group under its name, in the order they first appear; all rows under "" without a group.
fn groups(frame: &Frame, group: Option<&str>) -> Result<Vec<(String, Frame)>> {
    let Some(group) = group else { return Ok(vec![(String::new(), frame.clone())]) };
    let named = |part: Frame| Ok((part.labels(group)?.into_iter().next().unwrap_or_default(), part));
    frame.split(&[group])?.into_iter().map(named).collect()
}

/// Lower and upper ends in two columns, or a distance to both sides in one.
#[derive(Debug, Default)]
pub struct Bounds {
    /// Column of the lower ends.
    pub low: Option<String>,
    /// Column of the upper ends.
    pub high: Option<String>,
    /// Column of the distance to both sides.
    pub around: Option<String>,
}

impl Bounds {
    /// Reads `lo` and `hi`, or `error`.
    ///
    /// # Errors
    /// One of `lo` and `hi` without the other, or `error` beside them.
    pub fn of(options: &mut Options) -> Result<Self> {
        let low = options.maybe::<String>("lo")?;
        let high = options.maybe::<String>("hi")?;
        let around = options.maybe::<String>("error")?;
        if low.is_some() != high.is_some() || (low.is_some() && around.is_some()) {
            return Err(Error::new("bounds are the columns \"lo\" and \"hi\" together, or \"error\" alone"));
        }
        Ok(Self { low, high, around })
    }

    /// The ends around `values`, row by row; empty where there are no bounds.
    fn ends(&self, frame: &Frame, values: &[f64]) -> Result<Vec<(f64, f64)>> {
        Ok(match (&self.low, &self.high, &self.around) {
            (Some(low), Some(high), _) => frame.floats(low)?.into_iter().zip(frame.floats(high)?).collect(),
            (_, _, Some(around)) => {
                let around = frame.floats(around)?;
                values.iter().zip(around).map(|(value, around)| (value - around, value + around)).collect()
            }
            _ => Vec::new(),
        })
    }
}

/// The distinct values of a column as labels, with each row's place among them: numbers in their order,
/// others in the order they first appear.
fn places(frame: &Frame, name: &str) -> Result<(Vec<String>, Vec<usize>)> {
    let distinct = frame.select(&[name])?.unique(&[name])?;
    let distinct = match frame.kind(name)?.is_numeric() {
        true => distinct.sort(&[(name, Order::Ascending)])?,
        false => distinct,
    };
    let labels = distinct.labels(name)?;
    let index: std::collections::HashMap<&str, usize> =
        labels.iter().enumerate().map(|(place, label)| (label.as_str(), place)).collect();
    let rows =
        frame.labels(name)?.iter().map(|label| index.get(label.as_str()).copied().unwrap_or(0)).collect();
    Ok((labels, rows))
}

/// Bars of the values in `y` by the labels in `x`, in the order the labels first appear.
///
/// # Errors
/// No such column; a column of numbers that holds none; several rows for one bar.
pub fn bars(
    frame: &Frame,
    (x, y): (&str, &str),
    group: Option<&str>,
    bounds: &Bounds,
) -> Result<(Vec<String>, Vec<BarGroup>)> {
    let keys: Vec<&str> = std::iter::once(x).chain(group).collect();
    frame.check_single(&keys)?;
    let labels = frame.unique(&[x])?.labels(x)?;
    let index: std::collections::HashMap<&str, usize> =
        labels.iter().enumerate().map(|(place, label)| (label.as_str(), place)).collect();
    let missing = (f64::NAN, f64::NAN);
    let mut bars = Vec::new();
    for (name, part) in groups(frame, group)? {
        let found = part.floats(y)?;
        let ends = bounds.ends(&part, &found)?;
        let mut values = vec![f64::NAN; labels.len()];
        let mut errors = vec![missing; if ends.is_empty() { 0 } else { labels.len() }];
        for (row, label) in part.labels(x)?.iter().enumerate() {
            let Some(&place) = index.get(label.as_str()) else { continue };
            if let (Some(value), Some(found)) = (values.get_mut(place), found.get(row)) {
                *value = *found;
            }
            if let (Some(error), Some(ends)) = (errors.get_mut(place), ends.get(row)) {
                *error = *ends;
            }
        }
        bars.push(BarGroup { name, values, errors });
    }
    Ok((labels, bars))
}

/// Lines of `y` over `x`, each from small x to large.
///
/// # Errors
/// No such column; a column of numbers that holds none; several rows for one point.
pub fn lines(
    frame: &Frame,
    (x, y): (&str, &str),
    group: Option<&str>,
    bounds: &Bounds,
) -> Result<Vec<Series>> {
    let keys: Vec<&str> = std::iter::once(x).chain(group).collect();
    frame.check_single(&keys)?;
    let series = |(name, part): (String, Frame)| {
        let part = part.sort(&[(x, Order::Ascending)])?;
        let values = part.floats(y)?;
        let band = bounds.ends(&part, &values)?;
        Ok(Series { name, points: part.floats(x)?.into_iter().zip(values).collect(), band })
    };
    groups(frame, group)?.into_iter().map(series).collect()
}

/// Points at (`x`, `y`), with what stands beside them.
///
/// # Errors
/// No such column; a column of numbers that holds none.
pub fn points(
    frame: &Frame,
    (x, y): (&str, &str),
    group: Option<&str>,
    label: Option<&str>,
) -> Result<Vec<PointGroup>> {
    let beside = |part: &Frame| -> Result<Vec<String>> {
        match label {
            Some(label) => {
                let text = |cell: &Cell| if cell.is_null() { String::new() } else { cell.to_string() };
                Ok(part.cells(label)?.iter().map(text).collect())
            }
            None => Ok(Vec::new()),
        }
    };
    let group_of = |(name, part): (String, Frame)| {
        let points = part.floats(x)?.into_iter().zip(part.floats(y)?).collect();
        Ok(PointGroup { name, points, labels: beside(&part)? })
    };
    groups(frame, group)?.into_iter().map(group_of).collect()
}

/// The matrix of `value` with `y` down and `x` across; NaN where there is no row.
///
/// # Errors
/// No such column; a value that is no number; several rows for one cell.
pub fn matrix(frame: &Frame, (x, y): (&str, &str), value: &str) -> Result<HeatMap> {
    frame.check_single(&[y, x])?;
    let (row_labels, rows) = places(frame, y)?;
    let (column_labels, columns) = places(frame, x)?;
    let mut values = vec![vec![f64::NAN; column_labels.len()]; row_labels.len()];
    for ((row, column), found) in rows.into_iter().zip(columns).zip(frame.floats(value)?) {
        if let Some(cell) = values.get_mut(row).and_then(|row| row.get_mut(column)) {
            *cell = found;
        }
    }
    Ok(HeatMap { values, row_labels, column_labels, ..HeatMap::default() })
}

/// The components of a circuit: their names in `component`, their place in `layer`, `kind` and `head` (where one
/// of these columns is not there, all are taken from the names), their values in `value`, and whether they belong to the
/// circuit in `chosen`.
///
/// # Errors
/// No such column; a column of another kind; a component twice; a layer or head that is no count; a name that is no
/// component's.
pub fn nodes(frame: &Frame, value: &str, chosen: Option<&str>) -> Result<Vec<Node>> {
    frame.check_single(&["component"])?;
    let names = frame.labels("component")?;
    let values = frame.floats(value)?;
    let chosen = match chosen.map(|name| Ok::<_, Error>((name, frame.column(name)?))).transpose()? {
        None => vec![false; names.len()],
        Some((_, Column::Bool(chosen))) => chosen.into_iter().map(|chosen| chosen == Some(true)).collect(),
        Some((name, column)) => {
            let found = column.kind();
            return Err(Error::new(format!("expected bools in column \"{name}\", found {found}")));
        }
    };
    let is_placed = ["layer", "kind", "head"].iter().all(|column| frame.has(column));
    let places = if is_placed { places_in(frame)? } else { places_of(&names)? };
    let parts = names.into_iter().zip(places).zip(values).zip(chosen);
    Ok(parts
        .map(|(((name, (layer, kind, head)), value), chosen)| Node { name, layer, kind, head, value, chosen })
        .collect())
}

/// Layer, kind and head of a component.
type Place = (Option<usize>, String, Option<usize>);

fn places_in(frame: &Frame) -> Result<Vec<Place>> {
    let count = |name: &str| -> Result<Vec<Option<usize>>> {
        let whole = |number: f64| match number {
            missing if missing.is_nan() => Ok(None),
            count if count >= 0.0 && count.fract() == 0.0 => Ok(Some(count as usize)),
            other => Err(Error::new(format!("expected whole numbers in column \"{name}\", found {other}"))),
        };
        frame.floats(name)?.into_iter().map(whole).collect()
    };
    let (layers, kinds, heads) = (count("layer")?, frame.labels("kind")?, count("head")?);
    Ok(layers.into_iter().zip(kinds).zip(heads).map(|((layer, kind), head)| (layer, kind, head)).collect())
}

fn places_of(names: &[String]) -> Result<Vec<Place>> {
    let place = |name: &String| {
        let component: Component = name.parse()?;
        Ok((component.layer(), component.kind().to_owned(), component.head()))
    };
    names.iter().map(place).collect()
}

/// What passes between components: columns `from`, `to` and `weight`.
///
/// # Errors
/// No such column; weights that are no numbers.
pub fn edges(frame: &Frame) -> Result<Vec<Edge>> {
    let ends = frame.labels("from")?.into_iter().zip(frame.labels("to")?);
    Ok(ends.zip(frame.floats("weight")?).map(|((from, to), weight)| Edge { from, to, weight }).collect())
}

/// A tensor of two axes as a matrix; labels are numbers from 0 where none are given.
///
/// # Errors
/// A tensor of other axes.
pub fn matrix_of(
    tensor: &NamedTensor,
    row_labels: Option<Vec<Dynamic>>,
    column_labels: Option<Vec<Dynamic>>,
) -> Result<HeatMap> {
    let &[rows, columns] = tensor.dims() else {
        return Err(Error::new(format!("heatmap: expected a tensor of two axes, found {}", tensor.rank())));
    };
    let values = tensor.tensor().to_dtype(DType::F64)?.to_vec2::<f64>()?;
    let labels = |given: Option<Vec<Dynamic>>, count: usize| match given {
        Some(labels) => labels.iter().map(Dynamic::to_string).collect(),
        None => (0..count).map(|number| number.to_string()).collect(),
    };
    Ok(HeatMap {
        values,
        row_labels: labels(row_labels, rows),
        column_labels: labels(column_labels, columns),
        ..HeatMap::default()
    })
}
