//! Making tensors, within the memory of the machine.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{DType, Device, Tensor};

use super::{NamedTensor, shape_text};
use crate::error::{Error, Result};
use crate::random::Random;

/// Fails where a tensor of `dims` and `dtype` would not fit into memory; gives its number of elements.
///
/// # Errors
/// Says the shape, what it needs and what there is.
pub fn check_size(dims: &[usize], dtype: DType) -> Result<usize> {
    let elements = dims.iter().try_fold(1_usize, |product, length| product.checked_mul(*length));
    let bytes = elements.and_then(|elements| elements.checked_mul(dtype.size_in_bytes().max(1)));
    match (elements, bytes) {
        (Some(elements), Some(bytes)) if bytes <= memory() => Ok(elements),
        _ => {
            let exact: f64 =
                dims.iter().map(|length| *length as f64).product::<f64>() * dtype.size_in_bytes() as f64;
            let what = format!("a tensor of shape {} in {}", shape_text(dims), dtype.as_str());
            Err(too_large(&what, exact))
        }
    }
}

/// Fails where something of so many bytes would not fit into memory; `what` says what it is.
///
/// # Errors
/// Says what it is, what it needs and what there is.
pub fn check_bytes(what: &str, bytes: f64) -> Result<()> {
    if bytes <= memory() as f64 { Ok(()) } else { Err(too_large(what, bytes)) }
}

fn too_large(what: &str, bytes: f64) -> Error {
    Error::new(format!("{what} needs {}, and there is {}", size_text(bytes), size_text(memory() as f64)))
}

fn size_text(bytes: f64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let power = (bytes.max(1.0).log2() / 10.0).floor().min(6.0);
    format!("{:.1} {}", bytes / 1024_f64.powf(power), units[power as usize])
}

/// The most that tensors may take, where the run has a limit; 0 for none.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// Refuses tensors that are larger than so many bytes.
pub fn limit_memory(bytes: usize) {
    LIMIT.store(bytes, Ordering::Relaxed);
}

/// Memory of the machine in bytes, or the run's limit; where the system does not say, the most a vector can hold.
fn memory() -> usize {
    match LIMIT.load(Ordering::Relaxed) {
        0 => machine(),
        limit => machine().min(limit),
    }
}

fn machine() -> usize {
    static MEMORY: OnceLock<usize> = OnceLock::new();
    *MEMORY.get_or_init(|| crate::memory::total().unwrap_or(isize::MAX as usize))
}

impl NamedTensor {
    /// Numbers in rows, in the given format.
    ///
    /// # Errors
    /// The shape does not hold as many elements as there are values, or does not fit into memory.
    pub fn from_numbers(values: Vec<f64>, dims: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        let expected = check_size(dims, dtype)?;
        if expected != values.len() {
            return Err(Error::new(format!(
                "{} values for a tensor of shape {}, which holds {expected}",
                values.len(),
                shape_text(dims)
            )));
        }
        Ok(Tensor::from_vec(values, dims, device)?.to_dtype(dtype)?.into())
    }

    /// Integers in rows, `i64`.
    ///
    /// # Errors
    /// The shape does not hold as many elements as there are values, or does not fit into memory.
    pub fn from_integers(values: Vec<i64>, dims: &[usize], device: &Device) -> Result<Self> {
        let expected = check_size(dims, DType::I64)?;
        if expected != values.len() {
            return Err(Error::new(format!(
                "{} values for a tensor of shape {}, which holds {expected}",
                values.len(),
                shape_text(dims)
            )));
        }
        Ok(Tensor::from_vec(values, dims, device)?.into())
    }

    /// A tensor with the same number everywhere.
    ///
    /// # Errors
    /// The shape does not fit into memory.
    pub fn full(value: f64, dims: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        check_size(dims, dtype)?;
        let value = Tensor::new(value, device)?.to_dtype(dtype)?;
        Ok(value.broadcast_as(dims)?.contiguous()?.into())
    }

    /// The integers `start`, `start + step`, … before `end`.
    ///
    /// # Errors
    /// The step is 0, or the result does not fit into memory.
    pub fn arange(start: i64, end: i64, step: i64, device: &Device) -> Result<Self> {
        if step == 0 {
            return Err(Error::new("arange: expected a step other than 0"));
        }
        let runs = (step > 0 && start < end) || (step < 0 && start > end);
        let distance = if runs { start.abs_diff(end) } else { 0 };
        let count = usize::try_from(distance.div_ceil(step.unsigned_abs())).unwrap_or(usize::MAX);
        check_size(&[count], DType::I64)?;
        let values: Vec<i64> =
            (0..count as i64).map(|index| start.wrapping_add(index.wrapping_mul(step))).collect();
        Self::from_integers(values, &[count], device)
    }

    /// `count` numbers from `start` to `end`, both included, at equal distances; `f32`.
    ///
    /// # Errors
    /// The result does not fit into memory.
    pub fn linspace(start: f64, end: f64, count: usize, device: &Device) -> Result<Self> {
        check_size(&[count], DType::F64)?;
        let last = count.saturating_sub(1).max(1) as f64;
        let at = |index: usize| {
            let t = index as f64 / last;
            start * (1.0 - t) + end * t
        };
        Self::from_numbers((0..count).map(at).collect(), &[count], DType::F32, device)
    }

    /// The identity matrix, [size, size], `f32`.
    ///
    /// # Errors
    /// The result does not fit into memory.
    pub fn eye(size: usize, device: &Device) -> Result<Self> {
        check_size(&[size, size], DType::F64)?;
        Ok(Tensor::eye(size, DType::F32, device)?.into())
    }

    /// Numbers that `draw` gives, `f32`.
    ///
    /// # Errors
    /// The shape does not fit into memory.
    pub fn random(
        dims: &[usize],
        device: &Device,
        random: &mut Random,
        draw: impl Fn(&mut Random) -> f64,
    ) -> Result<Self> {
        let count = check_size(dims, DType::F64)?;
        let values: Vec<f64> = (0..count).map(|_| draw(random)).collect();
        Self::from_numbers(values, dims, DType::F32, device)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_asked_for() {
        let cpu = Device::Cpu;
        let error = NamedTensor::full(0.0, &[1 << 40, 1 << 40], DType::F32, &cpu).unwrap_err();
        assert!(error.what().starts_with("a tensor of shape [1099511627776, 1099511627776] in f32 needs"));
        assert!(NamedTensor::arange(0, i64::MAX, 1, &cpu).is_err());
        assert!(NamedTensor::arange(i64::MIN, i64::MAX, 1, &cpu).is_err());
        assert!(NamedTensor::eye(1 << 32, &cpu).is_err());
    }

    #[test]
    fn arange_counts_both_ways() {
        let values = |start, end, step| {
            NamedTensor::arange(start, end, step, &Device::Cpu).unwrap().tensor().to_vec1::<i64>().unwrap()
        };
        assert_eq!(values(0, 5, 2), [0, 2, 4]);
        assert_eq!(values(5, 0, -2), [5, 3, 1]);
        assert_eq!(values(3, 3, 1), Vec::<i64>::new());
        assert_eq!(values(i64::MAX - 2, i64::MAX, 1), [i64::MAX - 2, i64::MAX - 1]);
    }

    #[test]
    fn linspace_reaches_both_ends() {
        let line = NamedTensor::linspace(-1.0, 1.0, 5, &Device::Cpu).unwrap();
        assert_eq!(line.tensor().to_vec1::<f32>().unwrap(), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(
            NamedTensor::linspace(2.0, 3.0, 1, &Device::Cpu).unwrap().tensor().to_vec1::<f32>().unwrap(),
            [2.0]
        );
    }
}
