//! Script values as tensors, axes, shapes and indices, and back.

use candle_core::{DType, Device};
use rhai::Dynamic;

use crate::error::{Error, Result};
use crate::script::value::{FromScript, describe, script_value};
use crate::tensor::{Axis, NamedTensor, Nested, Pick};

script_value! { NamedTensor: "a tensor" }

impl FromScript for Axis {
    fn expected() -> String {
        "an axis: a number or a name".into()
    }
    fn from_script(value: &Dynamic) -> Option<Self> {
        match value.as_int() {
            Ok(number) => Some(Self::Number(number)),
            Err(_) => String::from_script(value).map(Self::Name),
        }
    }
}

/// One axis, or several.
pub struct Axes(pub Vec<Axis>);

impl FromScript for Axes {
    fn expected() -> String {
        "an axis (a number or a name) or an array of axes".into()
    }
    fn from_script(value: &Dynamic) -> Option<Self> {
        Axis::from_script(value).map(|axis| vec![axis]).or_else(|| Vec::from_script(value)).map(Self)
    }
}

/// Lengths of axes: an integer or an array of them.
pub struct Dims(pub Vec<usize>);

impl FromScript for Dims {
    fn expected() -> String {
        "a shape: an integer or an array of integers, each 0 or more".into()
    }
    fn from_script(value: &Dynamic) -> Option<Self> {
        usize::from_script(value).map(|length| vec![length]).or_else(|| Vec::from_script(value)).map(Self)
    }
}

impl FromScript for Pick {
    fn expected() -> String {
        "an index: an integer, a range such as 1..3, an array of integers, or () for the whole axis".into()
    }
    fn from_script(value: &Dynamic) -> Option<Self> {
        if value.is_unit() {
            return Some(Self::All);
        }
        if let Ok(place) = value.as_int() {
            return Some(Self::At(place));
        }
        if let Some(range) = value.read_lock::<std::ops::Range<i64>>() {
            return Some(Self::Range(range.start, Some(range.end)));
        }
        if let Some(range) = value.read_lock::<std::ops::RangeInclusive<i64>>() {
            // 1..=-1 reaches the last element, and no number stands for the place behind it.
            let end = Some(*range.end()).filter(|end| *end != -1);
            return Some(Self::Range(*range.start(), end.map(|end| end.saturating_add(1))));
        }
        if let Some(tensor) = value.read_lock::<NamedTensor>() {
            return match tensor.to_nested().ok()? {
                Nested::List(items) => items.iter().map(integer).collect::<Option<_>>().map(Self::Many),
                item => integer(&item).map(Self::At),
            };
        }
        Vec::from_script(value).map(Self::Many)
    }
}

fn integer(nested: &Nested) -> Option<i64> {
    match nested {
        Nested::Integer(value) => Some(*value),
        _ => None,
    }
}

/// The index of `tensor[…]`: an array is one index for each axis.
pub fn picks(function: &str, index: &Dynamic) -> Result<Vec<Pick>> {
    let one = |value: &Dynamic| {
        Pick::from_script(value).ok_or_else(|| {
            Error::new(format!("{function}: expected {}, found {}", Pick::expected(), describe(value)))
        })
    };
    match index.as_array_ref() {
        Ok(array) => array.iter().map(one).collect(),
        Err(_) => Ok(vec![one(index)?]),
    }
}

/// A tensor, or a number as a tensor that meets `like`.
pub fn operand(function: &str, name: &str, value: &Dynamic, like: &NamedTensor) -> Result<NamedTensor> {
    if let Some(tensor) = NamedTensor::from_script(value) {
        return Ok(tensor);
    }
    if let Ok(integer) = value.as_int() {
        return like.integer_like(integer);
    }
    match value.as_float() {
        Ok(number) => like.scalar_like(number),
        Err(_) => Err(Error::new(format!(
            "{function}: {name}: expected a tensor or a number, found {}",
            describe(value)
        ))),
    }
}

/// A number, or nested arrays of numbers, as a tensor: `i64` where all are integers, `u8` where all are
/// true or false, else `f32`.
pub fn from_arrays(value: &Dynamic, dtype: Option<DType>, device: &Device) -> Result<NamedTensor> {
    if let Some(tensor) = NamedTensor::from_script(value) {
        return match dtype {
            Some(dtype) => tensor.to_dtype(dtype),
            None => Ok(tensor),
        };
    }
    let mut elements = Elements::default();
    let mut dims = Vec::new();
    let mut depth = value.clone();
    while let Some(first) = depth.as_array_ref().ok().map(|array| (array.len(), array.first().cloned())) {
        dims.push(first.0);
        depth = first.1.unwrap_or(Dynamic::UNIT);
    }
    elements.read(value, &dims, &mut Vec::new())?;
    let Elements { numbers, integers, has_numbers, has_bools } = elements;
    let tensor = match (has_numbers, has_bools) {
        (false, false) if !integers.is_empty() => NamedTensor::from_integers(integers, &dims, device)?,
        (false, true) => NamedTensor::from_numbers(numbers, &dims, DType::U8, device)?,
        _ => NamedTensor::from_numbers(numbers, &dims, dtype.unwrap_or(DType::F32), device)?,
    };
    match dtype {
        Some(dtype) => tensor.to_dtype(dtype),
        None => Ok(tensor),
    }
}

#[derive(Default)]
struct Elements {
    numbers: Vec<f64>,
    integers: Vec<i64>,
    has_numbers: bool,
    has_bools: bool,
}

impl Elements {
    fn read(&mut self, value: &Dynamic, dims: &[usize], place: &mut Vec<usize>) -> Result<()> {
        let at = |place: &[usize]| match place.is_empty() {
            true => String::new(),
            false => format!(" at {place:?}"),
        };
        match (value.as_array_ref(), dims.split_first()) {
            (Ok(array), Some((length, rest))) => {
                if array.len() != *length {
                    return Err(Error::new(format!(
                        "tensor: expected {length} elements{}, found {}: all rows must be equally long",
                        at(place),
                        array.len()
                    )));
                }
                for (index, element) in array.iter().enumerate() {
                    place.push(index);
                    self.read(element, rest, place)?;
                    place.pop();
                }
                Ok(())
            }
            (Err(_), None) => self.push(value).ok_or_else(|| {
                Error::new(format!("tensor: expected a number{}, found {}", at(place), describe(value)))
            }),
            _ => Err(Error::new(format!(
                "tensor: arrays nested {} deep, found {}{}",
                place.len() + dims.len(),
                describe(value),
                at(place)
            ))),
        }
    }

    fn push(&mut self, value: &Dynamic) -> Option<()> {
        if let Ok(integer) = value.as_int() {
            self.integers.push(integer);
            self.numbers.push(integer as f64);
        } else if let Ok(number) = value.as_float() {
            self.has_numbers = true;
            self.numbers.push(number);
        } else {
            self.has_bools = true;
            self.numbers.push(f64::from(value.as_bool().ok()?));
        }
        Some(())
    }
}

/// Nested lists as arrays.
pub fn to_dynamic(nested: Nested) -> Dynamic {
    match nested {
        Nested::Number(value) => value.into(),
        Nested::Integer(value) => value.into(),
        Nested::List(items) => items.into_iter().map(to_dynamic).collect::<rhai::Array>().into(),
    }
}
