//! The singular value decomposition.

use super::matrix::{Matrix, dot};
use crate::error::{Error, Result};
use crate::interrupt;

/// X = U Σ Vᵀ with the singular values in descending order.
pub struct Svd {
    /// Singular values, as many as the shorter side of X.
    pub values: Vec<f64>,
    /// Uᵀ, a row for each singular value; as long as X is high.
    pub left: Matrix,
    /// Vᵀ, a row for each singular value; as long as X is wide. Rows of singular value 0 are zero in the longer of the two.
    pub right: Matrix,
}

/// Decomposes by rotating pairs of rows until all are orthogonal.
///
/// One-sided Jacobi rotations (M. R. Hestenes, 1958), which find small singular values to full accuracy
/// (J. Demmel and K. Veselić, 1992). About 30 · s² · l multiplications for sides s ≤ l.
pub fn svd(matrix: &Matrix) -> Result<Svd> {
    let is_wide = matrix.height() <= matrix.width();
    let mut rows = if is_wide { matrix.clone() } else { matrix.transposed() };
    let size = rows.height();
    let mut turned = Matrix::zeros(size, size);
    for place in 0..size {
        turned.row_mut(place)[place] = 1.0;
    }
    orthogonalise(&mut rows, &mut turned)?;
    let lengths: Vec<f64> = rows.rows().map(|row| dot(row, row).sqrt()).collect();
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| lengths[b].total_cmp(&lengths[a]));
    // `rows` is now R · X for a rotation R: its rows are σ vᵀ, those of R are uᵀ.
    let mut long = Matrix::zeros(size, rows.width());
    let mut short = Matrix::zeros(size, size);
    for (place, &from) in order.iter().enumerate() {
        short.row_mut(place).copy_from_slice(turned.row(from));
        if lengths[from] > 0.0 {
            let unit = rows.row(from).iter().map(|value| value / lengths[from]);
            long.row_mut(place).iter_mut().zip(unit).for_each(|(to, value)| *to = value);
        }
    }
    let values = order.into_iter().map(|place| lengths[place]).collect();
    let (left, right) = if is_wide { (short, long) } else { (long, short) };
    Ok(Svd { values, left, right })
}

/// Rotates rows of `rows`, and those of `turned` with them, until the former are orthogonal.
fn orthogonalise(rows: &mut Matrix, turned: &mut Matrix) -> Result<()> {
    /// Sweeps over all pairs; some ten are enough.
    const SWEEPS: usize = 60;
    let size = rows.height();
    let tolerance = f64::EPSILON * (rows.width() as f64).sqrt();
    let scale = rows.rows().map(|row| dot(row, row)).fold(0.0, f64::max);
    for _ in 0..SWEEPS {
        let mut is_done = true;
        for first in 0..size {
            interrupt::check()?;
            for second in first + 1..size {
                let (a, b) = rows.two_rows_mut(first, second);
                let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
                // A row that is nothing but rounding has no direction to be orthogonal with.
                let negligible = f64::EPSILON * f64::EPSILON * scale;
                if aa <= negligible || bb <= negligible || ab.abs() <= tolerance * (aa * bb).sqrt() {
                    continue;
                }
                is_done = false;
                let zeta = (bb - aa) / (2.0 * ab);
                let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                rotate(a, b, cosine, cosine * tangent);
                let (a, b) = turned.two_rows_mut(first, second);
                rotate(a, b, cosine, cosine * tangent);
            }
        }
        if is_done {
            return Ok(());
        }
    }
    Err(Error::new(format!("no singular values found after {SWEEPS} sweeps")))
}

fn rotate(a: &mut [f64], b: &mut [f64], cosine: f64, sine: f64) {
    for (x, y) in a.iter_mut().zip(b) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
}
