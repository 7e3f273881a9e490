//! Matrices of numbers: rows are observations, columns what was measured.

use candle_core::{Device, Tensor};

use super::sample;
use crate::error::{Error, Result};

/// A matrix of finite numbers, row after row.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    columns: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// The matrix of this many columns from its `values`, row after row.
    ///
    /// # Errors
    /// No column, values that fill no whole number of rows, a value that is not finite or above 1e150.
    pub fn new(columns: usize, values: Vec<f64>) -> Result<Self> {
        if columns == 0 || !values.len().is_multiple_of(columns) {
            let found = values.len();
            return Err(Error::new(format!("{found} values do not fill rows of {columns}")));
        }
        if let Some(place) = sample::find_unusable(&values) {
            let (row, column) = (place / columns, place % columns);
            return Err(Error::new(format!("row {row}, column {column} is {}", values[place])));
        }
        Ok(Self { columns, values })
    }

    pub(super) fn zeros(rows: usize, columns: usize) -> Self {
        Self { columns, values: vec![0.0; rows * columns] }
    }

    /// Number of rows.
    pub fn height(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.columns
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> + Clone {
        self.values.chunks_exact(self.columns)
    }

    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        self.values.chunks_exact_mut(self.columns)
    }

    /// A row that is there.
    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    pub(super) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// Two rows, of which `first` comes before `second`.
    pub(super) fn two_rows_mut(&mut self, first: usize, second: usize) -> (&mut [f64], &mut [f64]) {
        let (head, tail) = self.values.split_at_mut(second * self.columns);
        (&mut head[first * self.columns..(first + 1) * self.columns], &mut tail[..self.columns])
    }

    pub(super) fn transposed(&self) -> Self {
        let rows = self.height();
        let mut result = Self::zeros(self.columns, rows);
        for (place, row) in self.rows().enumerate() {
            for (column, value) in row.iter().enumerate() {
                result.values[column * rows + place] = *value;
            }
        }
        result
    }

    /// The mean of each column.
    pub(super) fn means(&self) -> Vec<f64> {
        (0..self.columns)
            .map(|column| sample::sum(self.rows().map(|row| row[column])) / self.height() as f64)
            .collect()
    }

    /// Each column less its mean.
    pub(super) fn centred(&self) -> Self {
        let means = self.means();
        let mut result = self.clone();
        for row in result.rows_mut() {
            row.iter_mut().zip(&means).for_each(|(value, mean)| *value -= mean);
        }
        result
    }

    /// selfᵀ · other, for as many rows.
    pub(super) fn transpose_times(&self, other: &Self) -> Result<Self> {
        let tensor = |matrix: &Self| {
            Tensor::from_slice(&matrix.values, (matrix.height(), matrix.columns), &Device::Cpu)
        };
        let product = tensor(self)?.t()?.matmul(&tensor(other)?)?;
        Ok(Self { columns: other.columns, values: product.flatten_all()?.to_vec1()? })
    }
}

/// The inner product, in eight partial sums: they go into one vector register.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}
