//! How alike two vectors, or two representations, are.

use super::matrix::Matrix;
use super::sample::{self, Differences};
use crate::error::{Error, Result};

/// Cosine of the angle between two vectors, from −1 to 1.
///
/// # Errors
/// Unequal lengths, no values, a value that is not finite, a vector of zeros.
pub fn cosine_similarity(a: &[f64], b: &[f64]) -> Result<f64> {
    sample::check_pairs(a, b, 1)?;
    let unit = |name: &str, values: &[f64]| {
        let most = sample::scale(values);
        if most == 0.0 {
            return Err(Error::new(format!("{name} is zero: it has no direction")));
        }
        // Scaled first, so that squares neither overflow nor vanish.
        let scaled: Vec<f64> = values.iter().map(|value| value / most).collect();
        let length = sample::sum(scaled.iter().map(|value| value * value)).sqrt();
        Ok(scaled.into_iter().map(|value| value / length).collect::<Vec<_>>())
    };
    let (a, b) = (unit("a", a)?, unit("b", b)?);
    Ok(sample::sum(a.iter().zip(&b).map(|(a, b)| a * b)).clamp(-1.0, 1.0))
}

/// Euclidean distance of two vectors, in their unit.
///
/// # Errors
/// Unequal lengths, no values, a value that is not finite.
pub fn euclidean_distance(a: &[f64], b: &[f64]) -> Result<f64> {
    let differences = Differences::between(a, b)?;
    let differences = differences.values();
    let most = sample::scale(differences);
    if most == 0.0 {
        return Ok(0.0);
    }
    Ok(most * sample::sum(differences.iter().map(|value| (value / most).powi(2))).sqrt())
}

/// Centred kernel alignment of two representations of the same observations, with linear kernels, from 0 to 1:
/// ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) in Frobenius norms of centred columns (S. Kornblith et al., 2019).
///
/// Rows are observations. It does not change where a representation is rotated, scaled or moved.
///
/// # Errors
/// Unequal numbers of rows, fewer than two, a representation whose rows are all equal.
pub fn linear_cka(x: &Matrix, y: &Matrix) -> Result<f64> {
    if x.height() != y.height() {
        return Err(Error::new(format!(
            "expected as many rows, found {} in x and {} in y",
            x.height(),
            y.height()
        )));
    }
    if x.height() < 2 {
        return Err(Error::new(format!("expected at least 2 rows, found {}", x.height())));
    }
    for (name, matrix) in [("x", x), ("y", y)] {
        if !has_variation(matrix) {
            return Err(Error::new(format!("all {} rows of {name} are equal", matrix.height())));
        }
    }
    let (x, y) = (unit_scale(x.centred()), unit_scale(y.centred()));
    // The same numbers come from products over rows or over columns; the shorter side is the smaller matrix.
    let (across, of_x, of_y) = if x.height() < x.width().min(y.width()) {
        let (x, y) = (x.transposed(), y.transposed());
        let (k, l) = (x.transpose_times(&x)?, y.transpose_times(&y)?);
        (inner(&k, &l), norm(&k), norm(&l))
    } else {
        let across = norm(&y.transpose_times(&x)?);
        (across * across, norm(&x.transpose_times(&x)?), norm(&y.transpose_times(&y)?))
    };
    Ok((across / of_x / of_y).clamp(0.0, 1.0))
}

/// True where the rows differ in some column by more than rounding.
pub(super) fn has_variation(matrix: &Matrix) -> bool {
    (0..matrix.width()).any(|column| {
        let values: Vec<f64> = matrix.rows().map(|row| row[column]).collect();
        sample::varies(&values, sample::scale(&values))
    })
}

/// The matrix with 1 as its greatest magnitude: fourth powers neither overflow nor vanish.
fn unit_scale(mut matrix: Matrix) -> Matrix {
    let most = sample::scale(matrix.values());
    matrix.rows_mut().flatten().for_each(|value| *value /= most);
    matrix
}

fn inner(a: &Matrix, b: &Matrix) -> f64 {
    sample::sum(a.values().iter().zip(b.values()).map(|(a, b)| a * b))
}

fn norm(matrix: &Matrix) -> f64 {
    inner(matrix, matrix).sqrt()
}
