//! Parts of tensors, and tensors with a part replaced.

use candle_core::{DType, Tensor};

use super::{Axis, NamedTensor, shape_text};
use crate::error::{Error, Result};

/// What to take along one axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// Everything.
    All,
    /// One place (negative from the end); the axis is gone afterwards.
    At(i64),
    /// From a place up to but not including another (negative from the end); no end means all that follows.
    Range(i64, Option<i64>),
    /// Several places, in the order given.
    Many(Vec<i64>),
}

impl NamedTensor {
    /// The part that `picks` name, one for each leading axis.
    ///
    /// # Errors
    /// There are more picks than axes, or a place is outside its axis.
    pub fn pick(&self, picks: &[Pick]) -> Result<Self> {
        self.check_count(picks)?;
        let mut tensor = self.tensor.clone();
        let mut names = self.names_or_blank();
        // From the last axis on, so that an axis that goes does not move those before it.
        for (axis, pick) in picks.iter().enumerate().rev() {
            match pick {
                Pick::All => {}
                Pick::At(place) => {
                    tensor = narrowed(&tensor, axis, self.place(axis, *place)?, 1)?.squeeze(axis)?;
                    names.remove(axis);
                }
                Pick::Range(start, end) => {
                    let (start, length) = self.range(axis, *start, *end)?;
                    tensor = narrowed(&tensor, axis, start, length)?;
                }
                Pick::Many(places) => {
                    let places = places.iter().map(|place| Ok(self.place(axis, *place)? as u32));
                    let places = places.collect::<Result<Vec<u32>>>()?;
                    let count = places.len();
                    let index = Tensor::from_vec(places, count, tensor.device())?;
                    tensor = tensor.contiguous()?.index_select(&index, axis)?;
                }
            }
        }
        Ok(Self::with_names(tensor, Some(names)))
    }

    /// The part of one axis.
    ///
    /// # Errors
    /// There is no such axis, or a place is outside it.
    pub fn pick_axis(&self, axis: &Axis, pick: Pick) -> Result<Self> {
        let axis = self.axis(axis)?;
        let mut picks = vec![Pick::All; axis];
        picks.push(pick);
        self.pick(&picks)
    }

    /// A copy in which the part that `picks` name holds `value`, which is stretched to the part's shape.
    ///
    /// # Errors
    /// As [`NamedTensor::pick`], or the value's shape does not stretch to the part's; places in any order
    /// ([`Pick::Many`]) cannot be replaced.
    pub fn with_part(&self, picks: &[Pick], value: &Self) -> Result<Self> {
        self.check_count(picks)?;
        let mut region = Vec::with_capacity(self.rank());
        let mut part_dims = Vec::new();
        for (axis, length) in self.dims().iter().enumerate() {
            let (start, count, stays) = match picks.get(axis).unwrap_or(&Pick::All) {
                Pick::All => (0, *length, true),
                Pick::At(place) => (self.place(axis, *place)?, 1, false),
                Pick::Range(start, end) => {
                    let (start, count) = self.range(axis, *start, *end)?;
                    (start, count, true)
                }
                Pick::Many(_) => {
                    return Err(Error::new(
                        "only single places and ranges can be replaced, found an array of places",
                    )
                    .hint(
                        "replace one place after the other, or choose with a mask: mask.choose(new, old)",
                    ));
                }
            };
            region.push((start, count));
            if stays {
                part_dims.push(count);
            }
        }
        let value = value.to_dtype(self.dtype())?.broadcast_to(&part_dims).map_err(|_| {
            Error::new(format!(
                "cannot put a value of shape {} into a part of shape {}",
                shape_text(value.dims()),
                shape_text(&part_dims)
            ))
        })?;
        if value.is_empty() {
            return Ok(self.clone());
        }
        let counts: Vec<usize> = region.iter().map(|(_, count)| *count).collect();
        let mut patch = value.tensor.reshape(counts.as_slice())?;
        let mut mask = Tensor::ones(counts.as_slice(), DType::U8, self.device())?;
        for (axis, (start, count)) in region.iter().enumerate() {
            let after = self.dims()[axis] - start - count;
            patch = patch.pad_with_zeros(axis, *start, after)?;
            mask = mask.pad_with_zeros(axis, *start, after)?;
        }
        Ok(self.like(mask.where_cond(&patch.contiguous()?, &self.tensor.contiguous()?)?))
    }

    fn check_count(&self, picks: &[Pick]) -> Result<()> {
        match picks.len() <= self.rank() {
            true => Ok(()),
            false => {
                Err(Error::new(format!("{} indices for {self}, which has {} axes", picks.len(), self.rank())))
            }
        }
    }

    fn place(&self, axis: usize, place: i64) -> Result<usize> {
        let length = self.dims()[axis];
        let from_start = if place < 0 { place.saturating_add(length as i64) } else { place };
        match usize::try_from(from_start).ok().filter(|place| *place < length) {
            Some(place) => Ok(place),
            None => Err(Error::new(format!(
                "index {place} is outside axis {} of {self}, which has {length}",
                self.axis_label(axis)
            ))
            .hint(match length {
                0 => "the axis is empty".to_owned(),
                length => format!("places go from 0 to {}; -1 is the last", length - 1),
            })),
        }
    }

    /// Start and length of a range.
    fn range(&self, axis: usize, start: i64, end: Option<i64>) -> Result<(usize, usize)> {
        let length = self.dims()[axis] as i64;
        let from_start = |place: i64| if place < 0 { place.saturating_add(length) } else { place };
        let (first, last) = (from_start(start), end.map_or(length, from_start));
        if first < 0 || last > length || first > last {
            let end = end.map_or(String::new(), |end| end.to_string());
            return Err(Error::new(format!(
                "range {start}..{end} is outside axis {} of {self}, which has {length}",
                self.axis_label(axis)
            ))
            .hint(format!("a range lies in 0..{length} and begins before it ends")));
        }
        Ok((first as usize, (last - first) as usize))
    }
}

/// A part of an axis. An empty one is a tensor of its own: candle panics where a view begins behind the end
/// of its memory.
fn narrowed(tensor: &Tensor, axis: usize, start: usize, length: usize) -> Result<Tensor> {
    let mut dims = tensor.dims().to_vec();
    dims[axis] = length;
    match dims.contains(&0) {
        true => Ok(Tensor::zeros(dims, tensor.dtype(), tensor.device())?),
        false => Ok(tensor.narrow(axis, start, length)?),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn counting() -> NamedTensor {
        let tensor = Tensor::arange(0_f32, 12.0, &Device::Cpu).unwrap().reshape((3, 4)).unwrap();
        NamedTensor::named(tensor, &["pos", "d"]).unwrap()
    }

    #[test]
    fn parts_are_numpys() {
        // Expected: numpy 2.3 on np.arange(12).reshape(3, 4).
        let rows = |picks: &[Pick]| counting().pick(picks).unwrap().tensor().to_vec2::<f32>().unwrap();
        let row = |picks: &[Pick]| counting().pick(picks).unwrap().tensor().to_vec1::<f32>().unwrap();
        assert_eq!(row(&[Pick::At(-1)]), [8.0, 9.0, 10.0, 11.0]);
        assert_eq!(row(&[Pick::All, Pick::At(1)]), [1.0, 5.0, 9.0]);
        assert_eq!(rows(&[Pick::Range(0, Some(2)), Pick::Range(-2, None)]), [[2.0, 3.0], [6.0, 7.0]]);
        assert_eq!(row(&[Pick::Many(vec![2, 0, -1]), Pick::At(0)]), [8.0, 0.0, 8.0]);
        assert_eq!(counting().pick(&[Pick::Range(1, Some(1))]).unwrap().dims(), [0, 4]);
    }

    #[test]
    fn places_outside_name_axis_and_length() {
        let error = counting().pick(&[Pick::All, Pick::At(4)]).unwrap_err();
        assert_eq!(error.what(), "index 4 is outside axis 1 (d) of tensor [pos 3, d 4] f32, which has 4");
        for picks in [
            vec![Pick::At(i64::MIN)],
            vec![Pick::Range(2, Some(1))],
            vec![Pick::Range(0, Some(i64::MAX))],
            vec![Pick::Range(-9, None)],
            vec![Pick::Many(vec![3])],
            vec![Pick::All, Pick::All, Pick::All],
        ] {
            assert!(counting().pick(&picks).is_err(), "{picks:?}");
        }
    }

    #[test]
    fn a_part_is_replaced_in_a_copy() {
        let zero = counting().scalar_like(0.0).unwrap();
        let changed = counting().with_part(&[Pick::At(1), Pick::Range(1, Some(3))], &zero).unwrap();
        let rows = changed.tensor().to_vec2::<f32>().unwrap();
        assert_eq!(rows, [[0.0, 1.0, 2.0, 3.0], [4.0, 0.0, 0.0, 7.0], [8.0, 9.0, 10.0, 11.0]]);
        assert_eq!(changed.names(), counting().names());
        let wide = NamedTensor::full(1.0, &[5], DType::F32, &Device::Cpu).unwrap();
        let error = counting().with_part(&[Pick::At(0)], &wide).unwrap_err();
        assert_eq!(error.what(), "cannot put a value of shape [5] into a part of shape [4]");
    }
}
