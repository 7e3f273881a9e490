//! Products and joins of tensors.

use candle_core::{DType, Tensor};

use super::arithmetic::common_dtype;
use super::{Axis, NamedTensor, check_size, is_float, shape_text};
use crate::error::{Error, Result};

/// The matrix product: [.., m, k] · [.., k, n] → [.., m, n], leading axes broadcast. A vector on the left is
/// a row, on the right a column, and its axis is gone from the result.
///
/// # Errors
/// The shapes do not fit; both are named.
pub fn matmul(a: &NamedTensor, b: &NamedTensor) -> Result<NamedTensor> {
    let refuse = |why: &str| {
        Error::new(format!(
            "cannot multiply matrices of shapes {} and {}: {why}",
            shape_text(a.dims()),
            shape_text(b.dims())
        ))
    };
    if a.rank() == 0 || b.rank() == 0 {
        return Err(refuse("a tensor without axes is no matrix").hint("`*` multiplies by a number"));
    }
    let dtype = match common_dtype(a.dtype(), b.dtype()) {
        dtype if is_float(dtype) => dtype,
        _ => DType::F32,
    };
    let mut left = a.tensor().to_dtype(dtype)?;
    let mut right = b.tensor().to_dtype(dtype)?;
    if a.rank() == 1 {
        left = left.unsqueeze(0)?;
    }
    if b.rank() == 1 {
        right = right.unsqueeze(1)?;
    }
    let (inner, other) = (left.dims()[left.rank() - 1], right.dims()[right.rank() - 2]);
    if inner != other {
        return Err(refuse(&format!("the left has {inner} columns, the right {other} rows")));
    }
    let (left_batch, right_batch) = (&left.dims()[..left.rank() - 2], &right.dims()[..right.rank() - 2]);
    let rank = left_batch.len().max(right_batch.len());
    let length =
        |batch: &[usize], axis: usize| (axis + batch.len()).checked_sub(rank).map_or(1, |axis| batch[axis]);
    let mut dims = Vec::with_capacity(rank + 2);
    for axis in 0..rank {
        dims.push(match (length(left_batch, axis), length(right_batch, axis)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            (x, y) => return Err(refuse(&format!("leading axes of lengths {x} and {y} do not broadcast"))),
        });
    }
    dims.extend([left.dims()[left.rank() - 2], right.dims()[right.rank() - 1]]);
    let elements = check_size(&dims, dtype)?;
    let product = match elements == 0 || inner == 0 {
        true => Tensor::zeros(&*dims, dtype, left.device())?,
        false => left.contiguous()?.broadcast_matmul(&right.contiguous()?)?,
    };

    let (names_a, names_b) = (a.names_or_blank(), b.names_or_blank());
    let longer = if a.rank() >= b.rank() { &names_a } else { &names_b };
    let mut names: Vec<String> = longer.iter().take(rank).cloned().collect();
    let mut product = product;
    if b.rank() == 1 {
        product = product.squeeze(product.rank() - 1)?;
    }
    if a.rank() == 1 {
        let row_axis = if b.rank() == 1 { product.rank() - 1 } else { product.rank() - 2 };
        product = product.squeeze(row_axis)?;
    } else {
        names.push(names_a[a.rank() - 2].clone());
    }
    if b.rank() > 1 {
        names.push(names_b[b.rank() - 1].clone());
    }
    Ok(NamedTensor::with_names(product, Some(without_repeats(names))))
}

/// A name that comes twice says nothing: its later axes lose it.
fn without_repeats(names: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let fresh = !kept.contains(&name);
        kept.push(if fresh { name } else { String::new() });
    }
    kept
}

/// Tensors joined along an axis they have.
///
/// # Errors
/// There is no tensor, or another axis differs; both shapes are named.
pub fn cat(tensors: &[NamedTensor], axis: &Axis) -> Result<NamedTensor> {
    let Some(first) = tensors.first() else { return Err(Error::new("cat: expected at least one tensor")) };
    let number = first.axis(axis)?;
    for other in tensors {
        let fits = other.rank() == first.rank()
            && other.dims().iter().zip(first.dims()).enumerate().all(|(at, (x, y))| at == number || x == y);
        if !fits {
            return Err(Error::new(format!(
                "cannot join tensors of shapes {} and {} along axis {}: their other axes must be equal",
                shape_text(first.dims()),
                shape_text(other.dims()),
                first.axis_label(number)
            )));
        }
    }
    let (tensors, dtype) = in_common_dtype(tensors)?;
    let mut dims = first.dims().to_vec();
    dims[number] = tensors.iter().map(|tensor| tensor.dims()[number]).sum();
    check_size(&dims, dtype)?;
    Ok(first.like(Tensor::cat(&tensors, number)?))
}

/// Tensors of one shape joined along a new axis, put before axis `at` (negative from the end).
///
/// # Errors
/// There is no tensor, or the shapes differ; both are named.
pub fn stack(tensors: &[NamedTensor], at: i64) -> Result<NamedTensor> {
    let Some(first) = tensors.first() else { return Err(Error::new("stack: expected at least one tensor")) };
    for other in tensors {
        if other.dims() != first.dims() {
            return Err(Error::new(format!(
                "cannot stack tensors of shapes {} and {}: they must be equal",
                shape_text(first.dims()),
                shape_text(other.dims())
            )));
        }
    }
    let at = first.new_axis(at)?;
    let (tensors, dtype) = in_common_dtype(tensors)?;
    let mut dims = first.dims().to_vec();
    dims.insert(at, tensors.len());
    check_size(&dims, dtype)?;
    let mut names = first.names_or_blank();
    names.insert(at, String::new());
    Ok(NamedTensor::with_names(Tensor::stack(&tensors, at)?, Some(names)))
}

fn in_common_dtype(tensors: &[NamedTensor]) -> Result<(Vec<Tensor>, DType)> {
    let mut dtypes = tensors.iter().map(NamedTensor::dtype);
    let first = dtypes.next().unwrap_or(DType::F32);
    let dtype = dtypes.fold(first, common_dtype);
    let converted: candle_core::Result<Vec<Tensor>> =
        tensors.iter().map(|tensor| tensor.tensor().to_dtype(dtype)).collect();
    Ok((converted?, dtype))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn counting(dims: &[usize]) -> NamedTensor {
        let count = dims.iter().product::<usize>();
        NamedTensor::from_numbers((0..count).map(|x| x as f64).collect(), dims, DType::F32, &Device::Cpu)
            .unwrap()
    }

    #[test]
    fn products_have_the_shapes_of_numpys_matmul() {
        // Expected: numpy 2.3, (np.empty(a) @ np.empty(b)).shape.
        let cases: [(&[usize], &[usize], &[usize]); 8] = [
            (&[2, 3], &[3, 4], &[2, 4]),
            (&[3], &[3], &[]),
            (&[2, 3], &[3], &[2]),
            (&[3], &[3, 4], &[4]),
            (&[5, 2, 3], &[3, 4], &[5, 2, 4]),
            (&[5, 1, 2, 3], &[7, 3, 4], &[5, 7, 2, 4]),
            (&[3], &[5, 3, 4], &[5, 4]),
            (&[5, 2, 3], &[3], &[5, 2]),
        ];
        for (a, b, expected) in cases {
            assert_eq!(matmul(&counting(a), &counting(b)).unwrap().dims(), expected, "{a:?} @ {b:?}");
        }
        // [0 1 2; 3 4 5] · [0 1 2] = [5, 14]
        let product = matmul(&counting(&[2, 3]), &counting(&[3])).unwrap();
        assert_eq!(product.tensor().to_vec1::<f32>().unwrap(), [5.0, 14.0]);
    }

    #[test]
    fn products_that_do_not_fit_name_both_shapes() {
        let error = matmul(&counting(&[2, 3]), &counting(&[4, 2])).unwrap_err();
        assert_eq!(
            error.what(),
            "cannot multiply matrices of shapes [2, 3] and [4, 2]: the left has 3 columns, the right 4 rows"
        );
        assert!(matmul(&counting(&[2, 2, 3]), &counting(&[3, 3, 2])).is_err());
        assert!(matmul(&counting(&[]), &counting(&[3])).is_err());
    }

    #[test]
    fn a_product_takes_names_from_rows_and_columns() {
        let a = NamedTensor::named(counting(&[2, 3]).into_tensor(), &["pos", "d_model"]).unwrap();
        let b = NamedTensor::named(counting(&[3, 4]).into_tensor(), &["d_model", "vocab"]).unwrap();
        assert_eq!(matmul(&a, &b).unwrap().to_string(), "tensor [pos 2, vocab 4] f32");
    }

    #[test]
    fn joins_check_the_other_axes() {
        let axis = Axis::Number(0);
        assert_eq!(cat(&[counting(&[2, 3]), counting(&[1, 3])], &axis).unwrap().dims(), [3, 3]);
        assert!(cat(&[counting(&[2, 3]), counting(&[2, 4])], &axis).is_err());
        assert!(cat(&[], &axis).is_err());
        assert_eq!(stack(&[counting(&[2, 3]), counting(&[2, 3])], -1).unwrap().dims(), [2, 3, 2]);
        assert!(stack(&[counting(&[2]), counting(&[3])], 0).is_err());
    }
}
