//! Element by element: arithmetic, comparison, functions of one number.

use candle_core::{DType, Tensor};

use super::{NamedTensor, check_size, is_float, shape_text, to_float};
use crate::error::{Error, Result};

/// What two elements make together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// a + b
    Add,
    /// a − b
    Subtract,
    /// a · b
    Multiply,
    /// a / b, always with fractions
    Divide,
    /// the greater
    Maximum,
    /// the smaller
    Minimum,
    /// 1 where a = b, else 0
    Equal,
    /// 1 where a ≠ b, else 0
    NotEqual,
    /// 1 where a < b, else 0
    Less,
    /// 1 where a ≤ b, else 0
    LessOrEqual,
    /// 1 where a > b, else 0
    Greater,
    /// 1 where a ≥ b, else 0
    GreaterOrEqual,
}

/// A function of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unary {
    Negate,
    Abs,
    Exp,
    Log,
    Sqrt,
    Square,
    Tanh,
    Sigmoid,
    Relu,
    Gelu,
    Sin,
    Cos,
    Floor,
    Ceil,
    Round,
    Sign,
    Reciprocal,
}

impl Binary {
    fn verb(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Subtract => "subtract",
            Self::Multiply => "multiply",
            Self::Divide => "divide",
            _ => "compare",
        }
    }

    fn compares(self) -> bool {
        !matches!(
            self,
            Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Maximum | Self::Minimum
        )
    }
}

/// The format in which two formats meet.
pub(super) fn common_dtype(a: DType, b: DType) -> DType {
    match (is_float(a), is_float(b)) {
        _ if a == b => a,
        (true, false) => a,
        (false, true) => b,
        (true, true) if a == DType::F64 || b == DType::F64 => DType::F64,
        (true, true) => DType::F32,
        (false, false) => DType::I64,
    }
}

/// The shape to which two shapes broadcast: axes are aligned at the end, and a 1 stretches.
fn common_shape(verb: &str, a: &NamedTensor, b: &NamedTensor) -> Result<Vec<usize>> {
    let rank = a.rank().max(b.rank());
    let length = |tensor: &NamedTensor, axis: usize| {
        (axis + tensor.rank()).checked_sub(rank).map_or(1, |axis| tensor.dims()[axis])
    };
    (0..rank)
        .map(|axis| match (length(a, axis), length(b, axis)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            (x, y) => {
                let error = Error::new(format!(
                    "cannot {verb} tensors of shapes {} and {}: {x} and {y} meet on axis {}",
                    shape_text(a.dims()),
                    shape_text(b.dims()),
                    axis as i64 - rank as i64
                ));
                Err(error.hint("axes are aligned at the end; lengths must be equal, or one of them 1"))
            }
        })
        .collect()
}

/// Names of a broadcast result: those of the operands, where they do not contradict each other.
fn common_names(rank: usize, a: &NamedTensor, b: &NamedTensor) -> Option<Vec<String>> {
    let name = |tensor: &NamedTensor, axis: usize| -> String {
        let own = (axis + tensor.rank()).checked_sub(rank);
        own.and_then(|axis| tensor.names()?.get(axis).cloned()).unwrap_or_default()
    };
    let merge = |axis: usize| match (name(a, axis), name(b, axis)) {
        (x, y) if y.is_empty() || x == y => x,
        (x, y) if x.is_empty() => y,
        _ => String::new(),
    };
    Some((0..rank).map(merge).collect())
}

impl NamedTensor {
    /// `self` and `other` element by element; shapes broadcast.
    ///
    /// # Errors
    /// The shapes do not broadcast, an integer result overflows, or the result does not fit into memory.
    pub fn binary(&self, op: Binary, other: &Self) -> Result<Self> {
        let dims = common_shape(op.verb(), self, other)?;
        let dtype = common_dtype(self.dtype(), other.dtype());
        check_size(&dims, dtype)?;
        let names = common_names(dims.len(), self, other);
        if !self.device().same_device(other.device()) {
            return Err(Error::new(format!("cannot {} tensors on different devices", op.verb())));
        }
        let exact = !is_float(dtype) && !op.compares() && op != Binary::Divide;
        let tensor = match exact {
            true => integers(op, &self.tensor.broadcast_as(&*dims)?, &other.tensor.broadcast_as(&*dims)?)?,
            false => {
                let dtype = if op == Binary::Divide && !is_float(dtype) { DType::F32 } else { dtype };
                let (a, b) = (self.tensor.to_dtype(dtype)?, other.tensor.to_dtype(dtype)?);
                match op {
                    Binary::Add => a.broadcast_add(&b),
                    Binary::Subtract => a.broadcast_sub(&b),
                    Binary::Multiply => a.broadcast_mul(&b),
                    Binary::Divide => a.broadcast_div(&b),
                    Binary::Maximum => a.broadcast_maximum(&b),
                    Binary::Minimum => a.broadcast_minimum(&b),
                    Binary::Equal => a.broadcast_eq(&b),
                    Binary::NotEqual => a.broadcast_ne(&b),
                    Binary::Less => a.broadcast_lt(&b),
                    Binary::LessOrEqual => a.broadcast_le(&b),
                    Binary::Greater => a.broadcast_gt(&b),
                    Binary::GreaterOrEqual => a.broadcast_ge(&b),
                }?
            }
        };
        Ok(Self::with_names(tensor, names))
    }

    /// A tensor that holds `number` alone, in the format in which it meets this tensor: a float tensor
    /// keeps its own, an integer tensor becomes `f32`.
    ///
    /// # Errors
    /// The device has no memory for it.
    pub fn scalar_like(&self, number: f64) -> Result<Self> {
        let dtype = if is_float(self.dtype()) { self.dtype() } else { DType::F32 };
        Ok(Tensor::new(number, self.device())?.to_dtype(dtype)?.into())
    }

    /// A tensor that holds `integer` alone, in the format in which it meets this tensor: this tensor's
    /// own where that has fractions, else `i64`.
    ///
    /// # Errors
    /// The device has no memory for it.
    pub fn integer_like(&self, integer: i64) -> Result<Self> {
        match is_float(self.dtype()) {
            true => self.scalar_like(integer as f64),
            false => Ok(Tensor::new(integer, self.device())?.into()),
        }
    }

    /// A function of each element.
    ///
    /// # Errors
    /// An integer result overflows, or the device has no memory for it.
    pub fn unary(&self, op: Unary) -> Result<Self> {
        let keeps_integers = matches!(
            op,
            Unary::Negate
                | Unary::Abs
                | Unary::Square
                | Unary::Floor
                | Unary::Ceil
                | Unary::Round
                | Unary::Sign
        );
        if keeps_integers && !is_float(self.dtype()) {
            return self.integer_unary(op);
        }
        let x = to_float(&self.tensor)?;
        let y = match op {
            Unary::Negate => x.neg(),
            Unary::Abs => x.abs(),
            Unary::Exp => x.exp(),
            Unary::Log => x.log(),
            Unary::Sqrt => x.sqrt(),
            Unary::Square => x.sqr(),
            Unary::Tanh => x.tanh(),
            Unary::Sigmoid => return Ok(self.like(sigmoid(&x)?)),
            Unary::Relu => x.relu(),
            Unary::Gelu => x.gelu_erf(),
            Unary::Sin => x.sin(),
            Unary::Cos => x.cos(),
            Unary::Floor => x.floor(),
            Unary::Ceil => x.ceil(),
            Unary::Round => x.round(),
            Unary::Sign => x.sign(),
            Unary::Reciprocal => x.recip(),
        }?;
        Ok(self.like(y))
    }

    fn integer_unary(&self, op: Unary) -> Result<Self> {
        let values = to_i64(&self.tensor)?;
        let f = |value: i64| match op {
            Unary::Negate => value.checked_neg(),
            Unary::Abs => value.checked_abs(),
            Unary::Square => value.checked_mul(value),
            Unary::Sign => Some(value.signum()),
            _ => Some(value),
        };
        let values = values.into_iter().map(f).collect::<Option<Vec<i64>>>().ok_or_else(overflow)?;
        Ok(self.like(Tensor::from_vec(values, self.dims(), self.device())?))
    }

    /// Each element to the power of `exponent`.
    ///
    /// # Errors
    /// The device has no memory for it.
    pub fn power(&self, exponent: f64) -> Result<Self> {
        Ok(self.like(to_float(&self.tensor)?.powf(exponent)?))
    }

    /// Each element, not below `low` nor above `high`.
    ///
    /// # Errors
    /// `low` is greater than `high`.
    pub fn clamp(&self, low: f64, high: f64) -> Result<Self> {
        if low > high || low.is_nan() || high.is_nan() {
            return Err(Error::new(format!("clamp: expected low ≤ high, found {low} and {high}")));
        }
        let low = self.scalar_like(low)?;
        let high = self.scalar_like(high)?;
        self.binary(Binary::Maximum, &low)?.binary(Binary::Minimum, &high)
    }

    /// Elements of `yes` where this tensor is not 0, of `no` elsewhere; shapes broadcast.
    ///
    /// # Errors
    /// The shapes do not broadcast.
    pub fn choose(&self, yes: &Self, no: &Self) -> Result<Self> {
        let both =
            Self::from(Tensor::zeros(common_shape("choose from", yes, no)?, DType::U8, self.device())?);
        let dims = common_shape("choose by", self, &both)?;
        let dtype = common_dtype(yes.dtype(), no.dtype());
        check_size(&dims, dtype)?;
        let condition = self.tensor.ne(&self.tensor.zeros_like()?)?;
        let spread = |tensor: &Tensor| -> Result<Tensor> {
            Ok(tensor.to_dtype(dtype)?.broadcast_as(&*dims)?.contiguous()?)
        };
        let chosen = condition
            .broadcast_as(&*dims)?
            .contiguous()?
            .where_cond(&spread(&yes.tensor)?, &spread(&no.tensor)?)?;
        Ok(Self::with_names(chosen, common_names(dims.len(), self, yes)))
    }

    /// True where shapes agree and no element differs by more than `tolerance`; NaN is close to nothing.
    ///
    /// # Errors
    /// The shapes differ.
    pub fn is_close(&self, other: &Self, tolerance: f64) -> Result<bool> {
        if self.dims() != other.dims() {
            return Err(Error::new(format!(
                "cannot compare tensors of shapes {} and {}",
                shape_text(self.dims()),
                shape_text(other.dims())
            )));
        }
        let (a, b) = (self.numbers()?, other.numbers()?);
        Ok(a.iter().zip(&b).all(|(a, b)| a == b || (a - b).abs() <= tolerance))
    }
}

/// 1 / (1 + e⁻ˣ), by tanh, which does not overflow.
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    Ok(((((x * 0.5)?.tanh()?) + 1.0)? * 0.5)?)
}

/// Elements as integers, in rows.
pub(super) fn to_i64(tensor: &Tensor) -> Result<Vec<i64>> {
    Ok(tensor.to_dtype(DType::I64)?.flatten_all()?.to_vec1::<i64>()?)
}

fn overflow() -> Error {
    Error::new("the result does not fit into 64-bit integers")
        .hint("convert to numbers with fractions first: .to_dtype(\"f64\")")
}

fn integers(op: Binary, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let f = |(x, y): (i64, i64)| match op {
        Binary::Add => x.checked_add(y),
        Binary::Subtract => x.checked_sub(y),
        Binary::Multiply => x.checked_mul(y),
        Binary::Minimum => Some(x.min(y)),
        _ => Some(x.max(y)),
    };
    let pairs = to_i64(a)?.into_iter().zip(to_i64(b)?);
    let values = pairs.map(f).collect::<Option<Vec<i64>>>().ok_or_else(overflow)?;
    Ok(Tensor::from_vec(values, a.dims(), a.device())?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn floats(values: &[f64], dims: &[usize]) -> NamedTensor {
        NamedTensor::from_numbers(values.to_vec(), dims, DType::F32, &Device::Cpu).unwrap()
    }

    fn ints(values: &[i64]) -> NamedTensor {
        NamedTensor::from_integers(values.to_vec(), &[values.len()], &Device::Cpu).unwrap()
    }

    #[test]
    fn shapes_that_do_not_meet_are_both_named() {
        let error = floats(&[0.0; 6], &[2, 3]).binary(Binary::Add, &floats(&[0.0; 4], &[4])).unwrap_err();
        assert_eq!(error.what(), "cannot add tensors of shapes [2, 3] and [4]: 3 and 4 meet on axis -1");
    }

    #[test]
    fn names_survive_where_they_agree() {
        let a = NamedTensor::named(floats(&[0.0; 6], &[2, 3]).into_tensor(), &["batch", "pos"]).unwrap();
        let b = floats(&[1.0; 3], &[3]);
        assert_eq!(a.binary(Binary::Add, &b).unwrap().to_string(), "tensor [batch 2, pos 3] f32");
        let c = NamedTensor::named(floats(&[0.0; 3], &[3]).into_tensor(), &["head"]).unwrap();
        assert_eq!(a.binary(Binary::Add, &c).unwrap().to_string(), "tensor [batch 2, 3] f32");
    }

    #[test]
    fn integer_overflow_is_an_error_and_division_has_fractions() {
        assert!(ints(&[i64::MAX]).binary(Binary::Add, &ints(&[1])).is_err());
        assert!(ints(&[i64::MIN]).unary(Unary::Negate).is_err());
        let quotient = ints(&[1, 0]).binary(Binary::Divide, &ints(&[2, 0])).unwrap();
        let values = quotient.tensor().to_vec1::<f32>().unwrap();
        assert_eq!(values[0], 0.5);
        assert!(values[1].is_nan());
    }

    #[test]
    fn formats_meet_in_the_wider() {
        assert_eq!(common_dtype(DType::I64, DType::BF16), DType::BF16);
        assert_eq!(common_dtype(DType::F16, DType::BF16), DType::F32);
        assert_eq!(common_dtype(DType::U8, DType::U32), DType::I64);
        assert_eq!(common_dtype(DType::F32, DType::F64), DType::F64);
    }

    #[test]
    fn choose_broadcasts_all_three() {
        let mask = ints(&[1, 0, 2]);
        let chosen = mask.choose(&floats(&[1.0, 2.0], &[2, 1]), &floats(&[9.0], &[])).unwrap();
        assert_eq!(chosen.tensor().to_vec2::<f32>().unwrap(), [[1.0, 9.0, 1.0], [2.0, 9.0, 2.0]]);
    }

    #[test]
    fn nan_is_close_to_nothing() {
        let nan = floats(&[f64::NAN], &[1]);
        assert!(!nan.is_close(&nan, 1.0).unwrap());
        let infinite = floats(&[f64::INFINITY], &[1]);
        assert!(infinite.is_close(&infinite, 0.0).unwrap());
    }
}
