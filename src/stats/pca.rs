//! Principal components.

use super::matrix::Matrix;
use super::similarity::has_variation;
use super::svd::svd;
use crate::error::{Error, Result};

/// Principal components of a set of observations.
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    /// The mean of each column.
    pub mean: Vec<f64>,
    /// The components, one a row, as long as the observations are wide: orthogonal, of length 1, the entry of
    /// greatest magnitude positive.
    pub components: Matrix,
    /// Where each observation lies along each component: [observation, component].
    pub scores: Matrix,
    /// The variance along each component, with divisor n − 1.
    pub variances: Vec<f64>,
    /// The share of all variance along each component.
    pub shares: Vec<f64>,
}

/// The first `count` principal components of observations, one a row; without a count all that have variance.
///
/// By the singular value decomposition of the centred observations.
///
/// # Errors
/// Fewer than two observations, all of them equal, no component asked for, or more than have variance.
pub fn pca(observations: &Matrix, count: Option<usize>) -> Result<Pca> {
    let (n, width) = (observations.height(), observations.width());
    if n < 2 {
        return Err(Error::new(format!("expected at least 2 observations, found {n}")));
    }
    if !has_variation(observations) {
        return Err(Error::new(format!("all {n} observations are equal")));
    }
    let centred = observations.centred();
    let parts = svd(&centred)?;
    // What rounding leaves of a direction without variance, as numpy's matrix_rank counts it.
    let least = parts.values[0] * n.max(width) as f64 * f64::EPSILON;
    let rank = parts.values.iter().take_while(|value| **value > least).count();
    let count = count.unwrap_or(rank);
    if count == 0 || count > rank {
        return Err(Error::new(format!(
            "expected 1 to {rank} components, found {count}: {n} observations of width {width} vary in {rank} directions"
        )));
    }
    let total: f64 = parts.values.iter().map(|value| value * value).sum();
    let mut components = Matrix::zeros(count, width);
    let mut scores = Matrix::zeros(n, count);
    for (place, component) in components.rows_mut().enumerate() {
        let (direction, along) = (parts.right.row(place), parts.left.row(place));
        let sign = largest(direction).signum();
        component.iter_mut().zip(direction).for_each(|(to, value)| *to = sign * value);
        for (score, value) in scores.rows_mut().zip(along) {
            score[place] = sign * value * parts.values[place];
        }
    }
    let squares = parts.values.iter().take(count).map(|value| value * value);
    Ok(Pca {
        mean: observations.means(),
        variances: squares.clone().map(|square| square / (n as f64 - 1.0)).collect(),
        shares: squares.map(|square| square / total).collect(),
        components,
        scores,
    })
}

/// The entry of greatest magnitude.
fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, |most: f64, value| if value.abs() > most.abs() { value } else { most })
}
