//! Tensors whose axes may have names, with every operation checked before it runs.
//!
//! candle computes; this room says in words what does not fit, keeps axis names, converts number
//! formats, and refuses what would not fit into memory. Nothing here panics on bad input.
//!
//! Number formats: an operation between two formats runs in the wider one (a float before an integer,
//! `f64` before `f32` before `bf16` and `f16`); a plain number never changes a float tensor's format.
//! Integer arithmetic is exact, and an overflow is an error.

mod arithmetic;
mod create;
mod file;
mod index;
mod linear;
mod npy;
mod order;
mod reduce;
mod shape;
mod text;

use std::fmt;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

pub use arithmetic::{Binary, Unary};
pub use create::{check_bytes, check_size, limit_memory};
pub use file::{load, load_all, save, save_all};
pub use index::Pick;
pub use linear::{cat, matmul, stack};
pub use order::Ordered;
pub use reduce::Reduction;
pub use text::Nested;
pub(crate) use text::number as number_text;

use crate::error::{Error, Result, did_you_mean};

/// A tensor, with names for its axes where they are known. Cheap to clone.
#[derive(Clone)]
pub struct NamedTensor {
    tensor: Tensor,
    /// One name for each axis; "" for an axis without one.
    names: Option<Arc<[String]>>,
}

/// An axis by number (negative from the end) or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Axis {
    /// By number.
    Number(i64),
    /// By name.
    Name(String),
}

impl From<Tensor> for NamedTensor {
    fn from(tensor: Tensor) -> Self {
        Self { tensor, names: None }
    }
}

impl NamedTensor {
    /// A tensor with a name for each axis, "" for an axis without one.
    ///
    /// # Errors
    /// The number of names is not the tensor's rank, or a name comes twice.
    pub fn named<S: AsRef<str>>(tensor: Tensor, names: &[S]) -> Result<Self> {
        let names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        if names.len() != tensor.rank() {
            return Err(Error::new(format!(
                "{} axis names ({}) for a tensor of {} axes, {}",
                names.len(),
                names.join(", "),
                tensor.rank(),
                shape_text(tensor.dims())
            )));
        }
        for (index, name) in names.iter().enumerate() {
            if !name.is_empty() && names[..index].contains(name) {
                return Err(Error::new(format!("the axis name \"{name}\" comes twice")));
            }
        }
        Ok(Self::with_names(tensor, Some(names)))
    }

    /// A tensor with names that belong to it; names of which nothing is left are dropped.
    fn with_names(tensor: Tensor, names: Option<Vec<String>>) -> Self {
        let names =
            names.filter(|names| names.len() == tensor.rank() && names.iter().any(|name| !name.is_empty()));
        Self { tensor, names: names.map(Into::into) }
    }

    /// This tensor's names on another tensor of the same axes.
    fn like(&self, tensor: Tensor) -> Self {
        match self.names {
            Some(_) if tensor.rank() == self.rank() => Self { tensor, names: self.names.clone() },
            _ => Self { tensor, names: None },
        }
    }

    /// The candle tensor.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The candle tensor, without the names.
    pub fn into_tensor(self) -> Tensor {
        self.tensor
    }

    /// Names of the axes, where they are known.
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    fn names_or_blank(&self) -> Vec<String> {
        self.names().map_or_else(|| vec![String::new(); self.rank()], <[String]>::to_vec)
    }

    /// Length of each axis.
    pub fn dims(&self) -> &[usize] {
        self.tensor.dims()
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.tensor.rank()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.tensor.elem_count()
    }

    /// True where there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number format.
    pub fn dtype(&self) -> DType {
        self.tensor.dtype()
    }

    /// Device.
    pub fn device(&self) -> &Device {
        self.tensor.device()
    }

    /// The number of an axis.
    ///
    /// # Errors
    /// There is no such axis.
    pub fn axis(&self, axis: &Axis) -> Result<usize> {
        match axis {
            Axis::Number(number) => {
                let rank = self.rank() as i64;
                let from_start = if *number < 0 { number.saturating_add(rank) } else { *number };
                if (0..rank).contains(&from_start) {
                    return Ok(from_start as usize);
                }
                Err(Error::new(format!("no axis {number} in {self}")))
            }
            Axis::Name(name) => {
                let names = self.names().unwrap_or_default();
                if let Some(number) = names.iter().position(|known| known == name && !name.is_empty()) {
                    return Ok(number);
                }
                let error = Error::new(format!("no axis \"{name}\" in {self}"));
                Err(match did_you_mean(name, names.iter().map(String::as_str)) {
                    Some(hint) => error.hint(hint),
                    None if names.is_empty() => {
                        error.hint("its axes have no names: give a number, or name them with .named([…])")
                    }
                    None => error,
                })
            }
        }
    }

    /// An axis as people name it: `1`, or `1 (pos)`.
    fn axis_label(&self, axis: usize) -> String {
        match self.names().and_then(|names| names.get(axis)) {
            Some(name) if !name.is_empty() => format!("{axis} ({name})"),
            _ => axis.to_string(),
        }
    }
}

/// A shape as people write it: `[15, 139, 576]`.
pub(crate) fn shape_text(dims: &[usize]) -> String {
    format!("{dims:?}")
}

/// True for the formats with fractions.
fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16)
}

/// The tensor in a format with fractions: its own, or `f32`.
fn to_float(tensor: &Tensor) -> Result<Tensor> {
    Ok(if is_float(tensor.dtype()) { tensor.clone() } else { tensor.to_dtype(DType::F32)? })
}

/// `tensor [15, 139, 576] f32`, with names where they are known: `tensor [batch 15, pos 139] f32`.
impl fmt::Display for NamedTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names_or_blank();
        let axes = names.iter().zip(self.dims()).map(|(name, length)| match name.as_str() {
            "" => length.to_string(),
            name => format!("{name} {length}"),
        });
        write!(f, "tensor [{}] {}", axes.collect::<Vec<_>>().join(", "), self.dtype().as_str())
    }
}

impl fmt::Debug for NamedTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
