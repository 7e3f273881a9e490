//! What depends on the order of elements along an axis: sorting, the greatest few, running sums.

use std::cmp::Ordering;

use candle_core::Tensor;

use super::arithmetic::to_i64;
use super::{Axis, NamedTensor, is_float};
use crate::error::{Error, Result};

/// Elements, and where along the axis each of them was.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// The elements.
    pub values: NamedTensor,
    /// Their places, `i64`.
    pub indices: NamedTensor,
}

/// Numbers with NaN after all others; equal elements keep their order (the sort is stable).
fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

impl NamedTensor {
    /// Elements along an axis in order. NaN comes last, equal elements keep their order.
    ///
    /// # Errors
    /// There is no such axis.
    pub fn sorted(&self, axis: &Axis, descending: bool) -> Result<Ordered> {
        let axis = self.axis(axis)?;
        self.ordered(axis, self.dims()[axis], descending)
    }

    /// The `count` greatest elements along an axis, the greatest first; NaN is less than all.
    ///
    /// # Errors
    /// There is no such axis, or it has fewer elements.
    pub fn top(&self, count: usize, axis: &Axis) -> Result<Ordered> {
        let axis = self.axis(axis)?;
        let length = self.dims()[axis];
        if count > length {
            return Err(Error::new(format!(
                "top_k: expected at most {length}, the length of axis {}, found {count}",
                self.axis_label(axis)
            )));
        }
        self.ordered(axis, count, true)
    }

    fn ordered(&self, axis: usize, count: usize, descending: bool) -> Result<Ordered> {
        let rows = self.tensor.transpose(axis, self.rank() - 1)?.contiguous()?;
        let length = self.dims()[axis];
        let mut dims = rows.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = count;
        }
        // Integers are compared as integers: beyond 2⁵³ they have no exact neighbour in f64.
        let exact = if is_float(self.dtype()) { Vec::new() } else { to_i64(&rows)? };
        let numbers: Vec<f64> = match exact.is_empty() {
            true => Self::from(rows.clone()).numbers()?,
            false => Vec::new(),
        };
        let order = |a: usize, b: usize| {
            if !exact.is_empty() {
                return if descending { exact[b].cmp(&exact[a]) } else { exact[a].cmp(&exact[b]) };
            }
            let (a, b) = (numbers[a], numbers[b]);
            match descending && !a.is_nan() && !b.is_nan() {
                true => compare(b, a),
                false => compare(a, b),
            }
        };
        let mut places = Vec::with_capacity(dims.iter().product());
        if length > 0 {
            for start in (0..self.len()).step_by(length) {
                let mut row: Vec<usize> = (start..start + length).collect();
                if count < length && count > 0 {
                    // Ties are broken by place, as the stable sort breaks them.
                    row.select_nth_unstable_by(count - 1, |a, b| order(*a, *b).then(a.cmp(b)));
                    row.truncate(count);
                }
                row.sort_by(|a, b| order(*a, *b).then(a.cmp(b)));
                places.extend(row.iter().take(count).map(|place| (place - start) as i64));
            }
        }
        let indices = Tensor::from_vec(places, dims, self.device())?;
        let values = match indices.elem_count() {
            0 => Tensor::zeros(indices.shape(), self.dtype(), self.device())?,
            _ => rows.gather(&indices, rows.rank() - 1)?,
        };
        let back = |tensor: Tensor| -> Result<Self> {
            Ok(self.like(tensor.transpose(axis, self.rank() - 1)?.contiguous()?))
        };
        Ok(Ordered { values: back(values)?, indices: back(indices)? })
    }

    /// Running sums along an axis, added up in `f64` (integers exactly).
    ///
    /// # Errors
    /// There is no such axis, or an integer sum overflows.
    pub fn running_sum(&self, axis: &Axis) -> Result<Self> {
        let axis = self.axis(axis)?;
        let rows = self.tensor.transpose(axis, self.rank() - 1)?.contiguous()?;
        let length = self.dims()[axis].max(1);
        let sums = match is_float(self.dtype()) {
            true => {
                let mut values = Self::from(rows.clone()).numbers()?;
                for row in values.chunks_mut(length) {
                    let mut sum = 0.0;
                    row.iter_mut().for_each(|value| {
                        sum += *value;
                        *value = sum;
                    });
                }
                Tensor::from_vec(values, rows.shape(), self.device())?.to_dtype(self.dtype())?
            }
            false => {
                let mut values = to_i64(&rows)?;
                for row in values.chunks_mut(length) {
                    let mut sum = 0_i64;
                    for value in row {
                        sum = sum
                            .checked_add(*value)
                            .ok_or_else(|| Error::new("the sum does not fit into 64-bit integers"))?;
                        *value = sum;
                    }
                }
                Tensor::from_vec(values, rows.shape(), self.device())?
            }
        };
        Ok(self.like(sums.transpose(axis, self.rank() - 1)?.contiguous()?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    fn floats(values: &[f64], dims: &[usize]) -> NamedTensor {
        NamedTensor::from_numbers(values.to_vec(), dims, DType::F32, &Device::Cpu).unwrap()
    }

    fn rows(tensor: &NamedTensor) -> Vec<Vec<f32>> {
        tensor.tensor().to_dtype(DType::F32).unwrap().to_vec2().unwrap()
    }

    #[test]
    fn the_greatest_few_with_their_places() {
        let x = floats(&[3.0, 1.0, 3.0, f64::NAN, 5.0, 2.0, 0.0, -1.0], &[2, 4]);
        let top = x.top(3, &Axis::Number(1)).unwrap();
        assert_eq!(rows(&top.values), [[3.0, 3.0, 1.0], [5.0, 2.0, 0.0]]);
        assert_eq!(rows(&top.indices), [[0.0, 2.0, 1.0], [0.0, 1.0, 2.0]]);
        assert!(x.top(5, &Axis::Number(1)).is_err());
        assert_eq!(x.top(0, &Axis::Number(1)).unwrap().values.dims(), [2, 0]);
    }

    #[test]
    fn sorting_works_along_any_axis_and_puts_nan_last() {
        let x = floats(&[3.0, f64::NAN, 1.0, 2.0], &[2, 2]);
        let down = x.sorted(&Axis::Number(0), false).unwrap();
        assert_eq!(rows(&down.values)[0], [1.0, 2.0]);
        assert_eq!(rows(&down.indices), [[1.0, 1.0], [0.0, 0.0]]);
        let row = floats(&[f64::NAN, 1.0, 2.0], &[3]).sorted(&Axis::Number(0), true).unwrap();
        assert_eq!(row.indices.tensor().to_vec1::<i64>().unwrap(), [2, 1, 0]);
    }

    #[test]
    fn great_integers_are_told_apart() {
        let ids = NamedTensor::from_integers(vec![1 << 53, (1 << 53) + 1], &[2], &Device::Cpu).unwrap();
        let top = ids.top(1, &Axis::Number(0)).unwrap();
        assert_eq!(top.indices.tensor().to_vec1::<i64>().unwrap(), [1]);
    }

    #[test]
    fn running_sums_along_either_axis() {
        let x = floats(&[1.0, 2.0, 3.0, 4.0], &[2, 2]);
        assert_eq!(rows(&x.running_sum(&Axis::Number(1)).unwrap()), [[1.0, 3.0], [3.0, 7.0]]);
        assert_eq!(rows(&x.running_sum(&Axis::Number(0)).unwrap()), [[1.0, 2.0], [4.0, 6.0]]);
    }
}
