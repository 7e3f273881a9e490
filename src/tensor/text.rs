//! Tensors as text and as nested lists.

use candle_core::DType;

use super::arithmetic::to_i64;
use super::{NamedTensor, is_float};
use crate::error::{Error, Result};

/// A tensor's elements as nested lists, from the first axis to the last.
#[derive(Debug, Clone, PartialEq)]
pub enum Nested {
    /// An element with a fraction.
    Number(f64),
    /// An integer element.
    Integer(i64),
    /// The elements along an axis.
    List(Vec<Nested>),
}

/// Elements shown at each end of an axis.
const ENDS: usize = 3;

impl NamedTensor {
    /// The elements as nested lists.
    ///
    /// # Errors
    /// The elements cannot be read from the device.
    pub fn to_nested(&self) -> Result<Nested> {
        let elements: Vec<Nested> = match is_float(self.dtype()) {
            true => self.numbers()?.into_iter().map(Nested::Number).collect(),
            false => to_i64(&self.tensor)?.into_iter().map(Nested::Integer).collect(),
        };
        let mut elements = elements.into_iter();
        Ok(nest(self.dims(), &mut elements))
    }

    /// The elements in rows, as `f64`.
    ///
    /// # Errors
    /// The elements cannot be read from the device.
    pub fn numbers(&self) -> Result<Vec<f64>> {
        Ok(self.tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
    }

    /// The only element.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn item(&self) -> Result<Nested> {
        if self.len() != 1 {
            return Err(Error::new(format!("item: expected one element, found {} in {self}", self.len())));
        }
        match self.flatten()?.to_nested()? {
            Nested::List(mut items) => Ok(items.pop().unwrap_or(Nested::List(Vec::new()))),
            item => Ok(item),
        }
    }

    /// Shape, format and some of the values, as `print` shows a tensor.
    pub fn summary(&self) -> String {
        match self.excerpt() {
            Ok(values) => format!("{self} {values}"),
            Err(_) => self.to_string(),
        }
    }

    fn excerpt(&self) -> Result<String> {
        // Only what is shown leaves the device.
        let mut shown = self.tensor.clone();
        for axis in 0..self.rank() {
            let length = self.dims()[axis];
            if length > 2 * ENDS {
                let (head, tail) = (shown.narrow(axis, 0, ENDS)?, shown.narrow(axis, length - ENDS, ENDS)?);
                shown = candle_core::Tensor::cat(&[head, tail], axis)?;
            }
        }
        let nested = Self::from(shown.contiguous()?).to_nested()?;
        Ok(write(&nested, self.dims()))
    }
}

fn nest(dims: &[usize], elements: &mut impl Iterator<Item = Nested>) -> Nested {
    match dims.split_first() {
        None => elements.next().unwrap_or(Nested::List(Vec::new())),
        Some((length, rest)) => Nested::List((0..*length).map(|_| nest(rest, elements)).collect()),
    }
}

/// The list as text; `dims` are the lengths before anything was left out.
fn write(nested: &Nested, dims: &[usize]) -> String {
    match nested {
        Nested::Integer(value) => value.to_string(),
        Nested::Number(value) => number(*value),
        Nested::List(items) => {
            let (length, rest) =
                dims.split_first().map_or((items.len(), dims), |(length, rest)| (*length, rest));
            let mut parts: Vec<String> = Vec::new();
            // Of a deep tensor only the first row of each outer axis is shown.
            let shown = if rest.len() >= 2 { items.len().min(1) } else { items.len() };
            for (index, item) in items.iter().take(shown).enumerate() {
                if length > 2 * ENDS && index == ENDS {
                    parts.push("…".into());
                }
                parts.push(write(item, rest));
            }
            if shown < items.len() {
                parts.push("…".into());
            }
            format!("[{}]", parts.join(", "))
        }
    }
}

/// A number to five significant digits.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return if value.is_nan() { "NaN".into() } else { format!("{value}") };
    }
    let magnitude = value.abs();
    if (1e-4..1e6).contains(&magnitude) {
        let decimals = (4 - magnitude.log10().floor() as i32).max(0) as usize;
        let text = format!("{value:.decimals$}");
        return match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        };
    }
    format!("{value:.4e}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use candle_core::{Device, Tensor};

    fn counting(dims: &[usize]) -> NamedTensor {
        let count = dims.iter().product::<usize>();
        NamedTensor::from_numbers((0..count).map(|x| x as f64).collect(), dims, DType::F32, &Device::Cpu)
            .unwrap()
    }

    #[test]
    fn a_summary_shows_shape_format_and_both_ends() {
        assert_eq!(counting(&[]).summary(), "tensor [] f32 0");
        assert_eq!(counting(&[3]).summary(), "tensor [3] f32 [0, 1, 2]");
        assert_eq!(counting(&[9]).summary(), "tensor [9] f32 [0, 1, 2, …, 6, 7, 8]");
        assert_eq!(counting(&[2, 2]).summary(), "tensor [2, 2] f32 [[0, 1], [2, 3]]");
        assert_eq!(counting(&[2, 2, 2]).summary(), "tensor [2, 2, 2] f32 [[[0, 1], [2, 3]], …]");
        assert_eq!(counting(&[0, 3]).summary(), "tensor [0, 3] f32 []");
        let ids = NamedTensor::from(Tensor::new(&[1_u32, 2], &Device::Cpu).unwrap());
        assert_eq!(ids.summary(), "tensor [2] u32 [1, 2]");
    }

    #[test]
    fn numbers_have_five_digits() {
        let cases =
            [(0.1, "0.1"), (123.456789, "123.46"), (-1.0, "-1"), (1e-9, "1.0000e-9"), (1e6, "1.0000e6")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(100_000.0), "100000");
        assert_eq!(number(f64::NEG_INFINITY), "-inf");
    }

    #[test]
    fn one_element_is_an_item() {
        assert_eq!(counting(&[1, 1]).item().unwrap(), Nested::Number(0.0));
        assert!(counting(&[2]).item().is_err());
    }
}
