//! Samples from scripts, and results for them.

use candle_core::{DType, Device, Tensor};
use rhai::{Array, Dynamic, Map};

use crate::error::{Context, Error, Result};
use crate::script::options::Options;
use crate::script::value::{FromScript, describe};
use crate::stats::{
    Alternative, Approach, BootstrapMethod, BootstrapPlan, Differences, Draws, Estimate, Interval, Matrix,
    Settings, Test, Zeros,
};
use crate::tensor::NamedTensor;

/// The numbers of an array.
///
/// # Errors
/// Names the first element that is none.
pub fn numbers(name: &str, values: &Array) -> Result<Vec<f64>> {
    let number = |(place, value): (usize, &Dynamic)| {
        f64::from_script(value).ok_or_else(|| {
            let error =
                Error::new(format!("{name}: expected numbers, found {} at place {place}", describe(value)));
            match value.is_unit() {
                true => error.hint("() is no value: leave such rows out with filter"),
                false => error,
            }
        })
    };
    values.iter().enumerate().map(number).collect()
}

/// Differences that are given.
pub fn differences(values: &Array) -> Result<Differences> {
    Differences::new(numbers("the differences", values)?)
}

/// Differences of two samples.
pub fn between(a: &Array, b: &Array) -> Result<Differences> {
    Differences::between(&numbers("a", a)?, &numbers("b", b)?)
}

/// Arrays of numbers in an array.
pub fn groups(name: &str, groups: &Array) -> Result<Vec<Vec<f64>>> {
    let group = |(place, group): (usize, &Dynamic)| match group.as_array_ref() {
        Ok(group) => numbers(&format!("{name} {place}"), &group),
        Err(_) => {
            let found = describe(group);
            Err(Error::new(format!(
                "expected an array of arrays of numbers, found {found} as {name} {place}"
            )))
        }
    };
    groups.iter().enumerate().map(group).collect()
}

/// A vector: an array of numbers, or a tensor of one axis.
pub fn vector(name: &str, values: &Dynamic) -> Result<Vec<f64>> {
    if let Ok(array) = values.as_array_ref() {
        return numbers(name, &array);
    }
    match NamedTensor::from_script(values) {
        Some(tensor) if tensor.rank() == 1 => elements(&tensor),
        _ => {
            let found = shape_of(values);
            Err(Error::new(format!(
                "{name}: expected an array of numbers or a tensor of one axis, found {found}"
            )))
        }
    }
}

/// A matrix: a tensor [observation, feature], or an array of rows.
pub fn matrix(name: &str, values: &Dynamic) -> Result<Matrix> {
    if let Ok(array) = values.as_array_ref() {
        let rows = groups("row", &array).within(|| name.to_owned())?;
        let columns = rows.first().map_or(0, Vec::len);
        if let Some(place) = rows.iter().position(|row| row.len() != columns) {
            let found = rows[place].len();
            return Err(Error::new(format!("{name}: row {place} has {found} numbers, row 0 has {columns}")));
        }
        return Matrix::new(columns, rows.concat()).within(|| name.to_owned());
    }
    match NamedTensor::from_script(values) {
        Some(tensor) if tensor.rank() == 2 => {
            Matrix::new(tensor.dims()[1], elements(&tensor)?).within(|| name.to_owned())
        }
        _ => {
            let found = shape_of(values);
            Err(Error::new(format!(
                "{name}: expected a tensor of two axes or an array of rows, found {found}"
            )))
        }
    }
}

fn shape_of(values: &Dynamic) -> String {
    NamedTensor::from_script(values).map_or_else(|| describe(values), |tensor| tensor.to_string())
}

fn elements(tensor: &NamedTensor) -> Result<Vec<f64>> {
    let tensor = tensor.tensor().to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// The name of an axis of a tensor; "" where it has none.
pub fn axis_name(values: &Dynamic, axis: usize) -> String {
    let tensor = NamedTensor::from_script(values);
    let name = tensor.as_ref().and_then(NamedTensor::names).and_then(|names| names.get(axis));
    name.cloned().unwrap_or_default()
}

/// A matrix as a tensor in f64, with these names of its axes.
pub fn matrix_tensor(matrix: &Matrix, names: [&str; 2]) -> Result<Dynamic> {
    let tensor = Tensor::from_slice(matrix.values(), (matrix.height(), matrix.width()), &Device::Cpu)?;
    Ok(Dynamic::from(NamedTensor::named(tensor, &names)?))
}

/// Numbers as a tensor of one axis in f64, with the name of that.
pub fn vector_tensor(values: &[f64], name: &str) -> Result<Dynamic> {
    let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu)?;
    Ok(Dynamic::from(NamedTensor::named(tensor, &[name])?))
}

/// The options `alternative` and `confidence`.
pub fn settings(options: &mut Options) -> Result<Settings> {
    let alternative = options.choice("alternative", &Alternative::ALL)?;
    Settings::new(alternative, options.get("confidence", 0.95)?)
}

/// The option `method`, where it is exact or asymptotic.
pub fn approach(options: &mut Options) -> Result<Approach> {
    options.choice("method", &Approach::ALL)
}

/// The option `zeros`.
pub fn zeros(options: &mut Options) -> Result<Zeros> {
    options.choice("zeros", &Zeros::ALL)
}

/// The options `draws`, `seed` and `always_draw` of a permutation test.
pub fn draws(options: &mut Options, seed: u64) -> Result<Draws> {
    let default = Draws::default();
    Ok(Draws {
        count: options.get("draws", default.count)?,
        seed: options.get("seed", seed)?,
        always: options.get("always_draw", default.always)?,
    })
}

/// The options `method`, `resamples`, `seed` and `confidence` of a bootstrap.
pub fn plan(options: &mut Options, seed: u64) -> Result<BootstrapPlan> {
    let default = BootstrapPlan::default();
    Ok(BootstrapPlan {
        method: options.choice("method", &BootstrapMethod::ALL)?,
        resamples: options.get("resamples", default.resamples)?,
        seed: options.get("seed", seed)?,
        confidence: options.get("confidence", default.confidence)?,
    })
}

fn or_unit<T: Into<Dynamic>>(value: Option<T>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Into::into)
}

/// The result of a test as a script's map.
pub fn test(test: Test) -> Map {
    let mut map = common(test.method, test.estimate, test.interval, test.n, test.sizes);
    map.insert("statistic".into(), test.statistic.into());
    map.insert("df".into(), or_unit(test.df));
    if test.df_within.is_some() {
        map.insert("df_within".into(), or_unit(test.df_within));
    }
    map.insert("p".into(), test.p.into());
    map.insert("alternative".into(), or_unit(test.alternative.map(|alternative| alternative.to_string())));
    let of = Some(test.estimate_of).filter(|of| !of.is_empty()).map(str::to_owned);
    map.insert("estimate_of".into(), or_unit(of));
    map
}

/// An estimate as a script's map.
pub fn estimate(estimate: Estimate) -> Map {
    let Estimate { method, value, interval, n, sizes } = estimate;
    common(method.into(), Some(value), interval, n, sizes)
}

fn common(
    method: String,
    estimate: Option<f64>,
    interval: Option<Interval>,
    n: usize,
    sizes: Option<(usize, usize)>,
) -> Map {
    let mut map = Map::new();
    map.insert("method".into(), method.into());
    map.insert("estimate".into(), or_unit(estimate));
    map.insert("low".into(), or_unit(interval.map(|interval| interval.low)));
    map.insert("high".into(), or_unit(interval.map(|interval| interval.high)));
    map.insert("confidence".into(), or_unit(interval.map(|interval| interval.confidence)));
    map.insert("n".into(), (n as i64).into());
    if let Some((a, b)) = sizes {
        map.insert("n_a".into(), (a as i64).into());
        map.insert("n_b".into(), (b as i64).into());
    }
    map
}
