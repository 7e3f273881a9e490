//! The same elements in another shape.

use candle_core::DType;

use super::{Axis, NamedTensor, check_size, shape_text};
use crate::error::{Error, Result};

impl NamedTensor {
    /// Another shape for the same elements; one length may be −1 and is then worked out. Names are lost.
    ///
    /// # Errors
    /// The shapes hold different numbers of elements; both are named.
    pub fn reshape(&self, dims: &[i64]) -> Result<Self> {
        let refuse = |why: &str| {
            Error::new(format!(
                "cannot reshape {} ({} elements) to {dims:?}: {why}",
                shape_text(self.dims()),
                self.len()
            ))
        };
        if dims.iter().any(|length| *length < -1) || dims.iter().filter(|length| **length == -1).count() > 1 {
            return Err(refuse("expected lengths of 0 or more, and at most one −1"));
        }
        let known = dims
            .iter()
            .filter(|length| **length >= 0)
            .try_fold(1_usize, |product, length| product.checked_mul(*length as usize))
            .ok_or_else(|| refuse("it holds too many elements"))?;
        let missing = match dims.contains(&-1) {
            false if known == self.len() => 0,
            false => return Err(refuse(&format!("it holds {known} elements"))),
            true if known == 0 || !self.len().is_multiple_of(known) => {
                return Err(refuse(&format!("{known} does not divide {}", self.len())));
            }
            true => self.len() / known,
        };
        let dims: Vec<usize> =
            dims.iter().map(|length| if *length == -1 { missing } else { *length as usize }).collect();
        Ok(self.tensor.reshape(dims)?.into())
    }

    /// All elements along one axis.
    ///
    /// # Errors
    /// The device has no memory for a copy.
    pub fn flatten(&self) -> Result<Self> {
        Ok(self.tensor.flatten_all()?.into())
    }

    /// Two axes exchanged.
    ///
    /// # Errors
    /// There is no such axis.
    pub fn transpose(&self, a: &Axis, b: &Axis) -> Result<Self> {
        let (a, b) = (self.axis(a)?, self.axis(b)?);
        let mut names = self.names_or_blank();
        names.swap(a, b);
        Ok(Self::with_names(self.tensor.transpose(a, b)?, Some(names)))
    }

    /// The axes in another order.
    ///
    /// # Errors
    /// Not every axis is named once.
    pub fn permute(&self, order: &[Axis]) -> Result<Self> {
        let order = order.iter().map(|axis| self.axis(axis)).collect::<Result<Vec<usize>>>()?;
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..self.rank()) {
            return Err(Error::new(format!("permute: expected each axis of {self} once, found {order:?}")));
        }
        let names = self.names_or_blank();
        let names = order.iter().map(|axis| names[*axis].clone()).collect();
        Ok(Self::with_names(self.tensor.permute(order)?, Some(names)))
    }

    /// Without an axis of length 1.
    ///
    /// # Errors
    /// There is no such axis, or it is longer.
    pub fn squeeze(&self, axis: &Axis) -> Result<Self> {
        let axis = self.axis(axis)?;
        if self.dims()[axis] != 1 {
            return Err(Error::new(format!(
                "squeeze: expected length 1 on axis {}, found {} in {self}",
                self.axis_label(axis),
                self.dims()[axis]
            )));
        }
        let mut names = self.names_or_blank();
        names.remove(axis);
        Ok(Self::with_names(self.tensor.squeeze(axis)?, Some(names)))
    }

    /// Without all axes of length 1.
    ///
    /// # Errors
    /// None that bad input can cause.
    pub fn squeeze_all(&self) -> Result<Self> {
        let mut squeezed = self.clone();
        for axis in (0..self.rank()).rev().filter(|axis| self.dims()[*axis] == 1) {
            squeezed = squeezed.squeeze(&Axis::Number(axis as i64))?;
        }
        Ok(squeezed)
    }

    /// With a new axis of length 1 before axis `at` (negative from the end, −1 is the last).
    ///
    /// # Errors
    /// There is no such place.
    pub fn unsqueeze(&self, at: i64) -> Result<Self> {
        let at = self.new_axis(at)?;
        let mut names = self.names_or_blank();
        names.insert(at, String::new());
        Ok(Self::with_names(self.tensor.unsqueeze(at)?, Some(names)))
    }

    /// Where a new axis goes.
    pub(super) fn new_axis(&self, at: i64) -> Result<usize> {
        let places = self.rank() as i64 + 1;
        let from_start = if at < 0 { at.saturating_add(places) } else { at };
        match (0..places).contains(&from_start) {
            true => Ok(from_start as usize),
            false => Err(Error::new(format!("no place {at} for a new axis in {self}"))),
        }
    }

    /// Stretched to a shape: axes of length 1, and missing leading ones, repeat.
    ///
    /// # Errors
    /// The shapes do not broadcast; both are named.
    pub fn broadcast_to(&self, dims: &[usize]) -> Result<Self> {
        let lead = dims.len().checked_sub(self.rank());
        let fits = lead.is_some_and(|lead| {
            self.dims().iter().zip(&dims[lead..]).all(|(own, wanted)| own == wanted || *own == 1)
        });
        let Some(lead) = lead.filter(|_| fits) else {
            return Err(Error::new(format!(
                "cannot stretch shape {} to {}",
                shape_text(self.dims()),
                shape_text(dims)
            )));
        };
        check_size(dims, self.dtype())?;
        let mut names = vec![String::new(); lead];
        names.extend(self.names_or_blank());
        Ok(Self::with_names(self.tensor.broadcast_as(dims)?.contiguous()?, Some(names)))
    }

    /// In another number format. Fractions are cut off on the way to integers.
    ///
    /// # Errors
    /// candle has no such conversion.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        Ok(self.like(self.tensor.to_dtype(dtype)?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use candle_core::{Device, Tensor};

    fn named() -> NamedTensor {
        let tensor = Tensor::arange(0_f32, 6.0, &Device::Cpu).unwrap().reshape((1, 2, 3)).unwrap();
        NamedTensor::named(tensor, &["batch", "pos", "d_model"]).unwrap()
    }

    #[test]
    fn names_move_with_their_axes() {
        let by_name = named().transpose(&Axis::Name("pos".into()), &Axis::Number(-1)).unwrap();
        assert_eq!(by_name.to_string(), "tensor [batch 1, d_model 3, pos 2] f32");
        assert_eq!(by_name.squeeze_all().unwrap().to_string(), "tensor [d_model 3, pos 2] f32");
        assert_eq!(named().unsqueeze(-1).unwrap().to_string(), "tensor [batch 1, pos 2, d_model 3, 1] f32");
        let order = [Axis::Number(2), Axis::Number(0), Axis::Number(1)];
        assert_eq!(named().permute(&order).unwrap().to_string(), "tensor [d_model 3, batch 1, pos 2] f32");
    }

    #[test]
    fn reshape_works_one_length_out() {
        assert_eq!(named().reshape(&[3, -1]).unwrap().dims(), [3, 2]);
        for dims in [&[4, -1][..], &[-1, -1], &[5], &[-2, 3], &[0, -1], &[i64::MAX, i64::MAX]] {
            let error = named().reshape(dims).unwrap_err();
            assert!(error.what().starts_with("cannot reshape [1, 2, 3] (6 elements) to"), "{error}");
        }
    }

    #[test]
    fn axes_that_are_not_there_are_refused() {
        assert!(named().transpose(&Axis::Number(3), &Axis::Number(0)).is_err());
        assert!(named().squeeze(&Axis::Number(1)).unwrap_err().what().contains("axis 1 (pos)"));
        assert!(named().unsqueeze(i64::MIN).is_err());
        let error = named().axis(&Axis::Name("dmodel".into())).unwrap_err();
        assert_eq!(error.help(), Some("did you mean \"d_model\"?"));
    }

    #[test]
    fn stretching_repeats() {
        assert_eq!(named().broadcast_to(&[4, 2, 3]).unwrap().dims(), [4, 2, 3]);
        assert!(named().broadcast_to(&[2, 3]).is_err());
        assert!(named().broadcast_to(&[1 << 40, 2, 3]).is_err());
    }
}
