//! Many elements to one, along axes; and what looks along one axis: softmax, running sums.

use candle_core::{D, DType, Tensor};

use super::arithmetic::to_i64;
use super::{Axis, NamedTensor, is_float, shape_text, to_float};
use crate::error::{Error, Result};

/// How elements become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// Their variance; the divisor is the count less `correction`.
    Variance {
        /// 1 for an estimate from a sample, 0 for the elements themselves.
        correction: usize,
    },
    /// The square root of their variance.
    Deviation {
        /// As for the variance.
        correction: usize,
    },
    /// The greatest.
    Max,
    /// The smallest.
    Min,
    /// The square root of the sum of their squares.
    Norm,
}

impl Reduction {
    fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Variance { .. } => "variance",
            Self::Deviation { .. } => "std",
            Self::Max => "max",
            Self::Min => "min",
            Self::Norm => "norm",
        }
    }

    /// Fewest elements that can be reduced.
    fn least(self) -> usize {
        match self {
            Self::Sum | Self::Norm => 0,
            Self::Mean | Self::Max | Self::Min => 1,
            Self::Variance { correction } | Self::Deviation { correction } => correction + 1,
        }
    }
}

impl NamedTensor {
    /// Reduces `axes`, all of them where none is given. The axes are gone from the result, or stay with
    /// length 1 where `keep` is set.
    ///
    /// # Errors
    /// There is no such axis, too few elements are reduced, or an integer sum overflows.
    pub fn reduce(&self, how: Reduction, axes: Option<&[Axis]>, keep: bool) -> Result<Self> {
        let mut numbers = match axes {
            None => (0..self.rank()).collect(),
            Some(axes) => axes.iter().map(|axis| self.axis(axis)).collect::<Result<Vec<usize>>>()?,
        };
        numbers.sort_unstable();
        if let Some(twice) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::new(format!(
                "{}: axis {} comes twice",
                how.name(),
                self.axis_label(twice[0])
            )));
        }
        let reduced: usize = numbers.iter().map(|axis| self.dims()[*axis]).product();
        if reduced < how.least() {
            return Err(Error::new(format!(
                "{} needs at least {} elements, found {reduced} in shape {}",
                how.name(),
                how.least(),
                shape_text(self.dims())
            )));
        }
        // The reduced axes come last, as one.
        let mut order: Vec<usize> = (0..self.rank()).filter(|axis| !numbers.contains(axis)).collect();
        let mut rest: Vec<usize> = order.iter().map(|axis| self.dims()[*axis]).collect();
        order.extend(&numbers);
        rest.push(reduced);
        let rows = match self.rank() {
            0 => self.tensor.reshape(1)?,
            _ => self.tensor.permute(order)?.contiguous()?.reshape(rest)?,
        };
        let mut tensor = self.reduce_rows(how, &rows)?;
        let mut names = self.names_or_blank();
        if keep {
            let mut dims = self.dims().to_vec();
            numbers.iter().for_each(|axis| dims[*axis] = 1);
            tensor = tensor.reshape(dims)?;
        } else {
            numbers.iter().rev().for_each(|axis| {
                names.remove(*axis);
            });
        }
        Ok(Self::with_names(tensor, Some(names)))
    }

    /// Reduces the last axis of `rows`.
    fn reduce_rows(&self, how: Reduction, rows: &Tensor) -> Result<Tensor> {
        let own = self.dtype();
        if !is_float(own) && matches!(how, Reduction::Sum | Reduction::Max | Reduction::Min) {
            return reduce_integers(how, rows);
        }
        let width = rows.dims()[rows.rank() - 1];
        // Half formats are too coarse to add up in.
        let x = match own {
            DType::F64 | DType::F32 => rows.clone(),
            _ => rows.to_dtype(DType::F32)?,
        };
        let variance = |correction: usize| -> Result<Tensor> {
            let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
            Ok((centred.sqr()?.sum(D::Minus1)? / (width - correction) as f64)?)
        };
        let y = match how {
            Reduction::Sum => x.sum(D::Minus1)?,
            Reduction::Mean => x.mean(D::Minus1)?,
            Reduction::Variance { correction } => variance(correction)?,
            Reduction::Deviation { correction } => variance(correction)?.sqrt()?,
            Reduction::Max => x.max(D::Minus1)?,
            Reduction::Min => x.min(D::Minus1)?,
            Reduction::Norm => x.sqr()?.sum(D::Minus1)?.sqrt()?,
        };
        Ok(if is_float(own) { y.to_dtype(own)? } else { y })
    }

    /// Where the greatest (or smallest) element lies along an axis; `i64`. The first of equals.
    ///
    /// # Errors
    /// There is no such axis, or it is empty.
    pub fn arg_extreme(&self, axis: &Axis, greatest: bool) -> Result<Self> {
        let number = self.axis(axis)?;
        if self.dims()[number] == 0 {
            let name = if greatest { "argmax" } else { "argmin" };
            return Err(Error::new(format!(
                "{name} needs at least 1 element, found 0 in shape {}",
                shape_text(self.dims())
            )));
        }
        let x = self.tensor.contiguous()?;
        let places = if greatest { x.argmax(number)? } else { x.argmin(number)? };
        let mut names = self.names_or_blank();
        names.remove(number);
        Ok(Self::with_names(places.to_dtype(DType::I64)?, Some(names)))
    }

    /// eˣ / Σ eˣ along an axis.
    ///
    /// # Errors
    /// There is no such axis.
    pub fn softmax(&self, axis: &Axis) -> Result<Self> {
        let number = self.axis(axis)?;
        if self.is_empty() {
            return Ok(self.clone());
        }
        Ok(self.like(candle_nn::ops::softmax(&to_float(&self.tensor)?, number)?))
    }

    /// x − log Σ eˣ along an axis.
    ///
    /// # Errors
    /// There is no such axis.
    pub fn log_softmax(&self, axis: &Axis) -> Result<Self> {
        let number = self.axis(axis)?;
        if self.is_empty() {
            return Ok(self.clone());
        }
        Ok(self.like(candle_nn::ops::log_softmax(&to_float(&self.tensor)?, number)?))
    }
}

fn reduce_integers(how: Reduction, rows: &Tensor) -> Result<Tensor> {
    let (width, dims) = (rows.dims()[rows.rank() - 1], &rows.dims()[..rows.rank() - 1]);
    let values = to_i64(rows)?;
    let count: usize = dims.iter().product();
    let row = |index: usize| &values[index * width..(index + 1) * width];
    let reduce = |row: &[i64]| match how {
        Reduction::Max => row.iter().max().copied(),
        Reduction::Min => row.iter().min().copied(),
        _ => row.iter().try_fold(0_i64, |sum, value| sum.checked_add(*value)),
    };
    let results = (0..count).map(|index| reduce(row(index))).collect::<Option<Vec<i64>>>();
    let results = results.ok_or_else(|| Error::new("the sum does not fit into 64-bit integers"))?;
    Ok(Tensor::from_vec(results, dims, rows.device())?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]
    fn cube() -> NamedTensor {
        let tensor = Tensor::arange(0_f32, 12.0, &Device::Cpu).unwrap().reshape((2, 2, 3)).unwrap();
        NamedTensor::named(tensor, &["batch", "pos", "d"]).unwrap()
    }

    fn values(tensor: &NamedTensor) -> Vec<f32> {
        tensor.tensor().to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn reductions_are_numpys() {
        // Expected: numpy 2.3 on np.arange(12.).reshape(2, 2, 3).
        let axis = |name: &str| [Axis::Name(name.into())];
        let reduce = |how, axes: &[Axis]| cube().reduce(how, Some(axes), false).unwrap();
        assert_eq!(values(&reduce(Reduction::Sum, &axis("batch"))), [6.0, 8.0, 10.0, 12.0, 14.0, 16.0]);
        assert_eq!(values(&reduce(Reduction::Mean, &axis("pos"))), [1.5, 2.5, 3.5, 7.5, 8.5, 9.5]);
        assert_eq!(values(&reduce(Reduction::Max, &[Axis::Number(0), Axis::Number(-1)])), [8.0, 11.0]);
        assert_eq!(values(&reduce(Reduction::Variance { correction: 1 }, &axis("d"))), [1.0; 4]);
        let population = values(&reduce(Reduction::Deviation { correction: 0 }, &axis("d")));
        // np.std([0, 1, 2]) = 0.816496580927726
        assert!(population.iter().all(|value| (value - 0.816_496_6).abs() < 1e-6));
        assert_eq!(values(&cube().reduce(Reduction::Norm, None, false).unwrap()), [506_f32.sqrt()]);
        assert_eq!(reduce(Reduction::Sum, &axis("pos")).to_string(), "tensor [batch 2, d 3] f32");
        let kept = cube().reduce(Reduction::Sum, Some(&axis("pos")), true).unwrap();
        assert_eq!(kept.to_string(), "tensor [batch 2, pos 1, d 3] f32");
        assert_eq!(cube().reduce(Reduction::Sum, None, false).unwrap().dims(), [0_usize; 0]);
        assert_eq!(values(&cube().arg_extreme(&Axis::Number(1), true).unwrap()), [1.0; 6]);
        assert_eq!(values(&cube().arg_extreme(&Axis::Number(1), false).unwrap()), [0.0; 6]);
    }

    #[test]
    fn too_few_elements_are_refused() {
        let empty = NamedTensor::full(0.0, &[2, 0], DType::F32, &Device::Cpu).unwrap();
        let last = [Axis::Number(1)];
        assert_eq!(values(&empty.reduce(Reduction::Sum, Some(&last), false).unwrap()), [0.0, 0.0]);
        for how in [Reduction::Mean, Reduction::Max, Reduction::Variance { correction: 1 }] {
            assert!(empty.reduce(how, Some(&last), false).is_err(), "{how:?}");
        }
        assert!(empty.arg_extreme(&last[0], true).is_err());
        let one = NamedTensor::full(0.0, &[1], DType::F32, &Device::Cpu).unwrap();
        assert!(one.reduce(Reduction::Deviation { correction: 1 }, None, false).is_err());
        assert!(cube().reduce(Reduction::Sum, Some(&[Axis::Number(0), Axis::Number(-3)]), false).is_err());
    }

    #[test]
    fn integer_sums_stay_exact() {
        let big = NamedTensor::from_integers(vec![i64::MAX, 1], &[2], &Device::Cpu).unwrap();
        assert!(big.reduce(Reduction::Sum, None, false).is_err());
        let ids = NamedTensor::from_integers(vec![(1 << 53) + 1, 1], &[2], &Device::Cpu).unwrap();
        assert_eq!(
            ids.reduce(Reduction::Sum, None, false).unwrap().tensor().to_scalar::<i64>().unwrap(),
            (1 << 53) + 2
        );
    }

    #[test]
    fn softmax_survives_great_numbers() {
        let x = NamedTensor::from_numbers(vec![1000.0, 1000.0], &[2], DType::F32, &Device::Cpu).unwrap();
        assert_eq!(values(&x.softmax(&Axis::Number(0)).unwrap()), [0.5, 0.5]);
        let log = values(&x.log_softmax(&Axis::Number(0)).unwrap());
        // One f32 rounding of 1000 + ln 2 bounds the error.
        assert!(log.iter().all(|value| (value + std::f32::consts::LN_2).abs() < 1e-4));
    }
}
