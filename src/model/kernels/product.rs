//! Matrix products on the CPU, in blocks.
//!
//! gemm's own division of labour splits narrow outputs badly: the output is cut into blocks here, one for
//! each thread, each computed by one call. gemm adds up the sums of a small output in another order than
//! those of a large one. No block is so small unless the whole output is, so results do not depend on the
//! number of threads.

use gemm::{Parallelism, gemm};
use rayon::prelude::*;

/// Columns of a block, at least: one row of them is already more than gemm's 16 × 16 small outputs.
const MIN_COLUMNS: usize = 272;
/// Rows of a block, at least: more than gemm's 64 × 64 middling outputs.
const MIN_ROWS: usize = 80;
/// Columns below which rows are not divided, as a block might be a small output.
const MIN_WIDTH: usize = 16;

/// A matrix in memory.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row after row of `width` values.
    pub fn of(values: &'a [f32], width: usize) -> Self {
        Self { values, row_stride: width, column_stride: 1 }
    }

    pub fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }

    /// This matrix times `right`, over `k`.
    pub fn times(self, right: Self, k: usize) -> Term<'a> {
        Term { left: self, right, k, factor: 1.0 }
    }

    /// From a row and a column on: pointer and strides.
    fn at(&self, row: usize, column: usize) -> Pointed<*const f32> {
        let start = self.values.as_ptr().wrapping_add(row * self.row_stride + column * self.column_stride);
        (start, self.row_stride as isize, self.column_stride as isize)
    }

    /// Whether a matrix of this size lies inside the values.
    fn reaches(&self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.values.len()
    }
}

/// A product of a sum: `factor · left` [m, k] `· right` [k, n].
#[derive(Clone, Copy)]
pub struct Term<'a> {
    pub left: Matrix<'a>,
    pub right: Matrix<'a>,
    pub k: usize,
    pub factor: f32,
}

/// Σ `terms` + `bias` [n]: [m, n], row after row.
pub fn multiply(terms: &[Term], (m, n): (usize, usize), bias: Option<&[f32]>) -> Vec<f32> {
    assert!(!terms.is_empty() && bias.is_none_or(|bias| bias.len() == n));
    assert!(terms.iter().all(|term| term.left.reaches(m, term.k) && term.right.reaches(term.k, n)));
    // SAFETY: the blocks cover all of the output.
    unsafe {
        super::filled(m * n, |out| {
            let out = Output(out.as_mut_ptr().cast());
            blocks(m, n, rayon::current_num_threads())
                .into_par_iter()
                .for_each(|block| block.fill(&out, terms, bias, n));
        })
    }
}

/// The output [m, n], written by blocks that do not overlap.
struct Output(*mut f32);
// SAFETY: see above.
unsafe impl Sync for Output {}

/// A block of the output: its first row and column, its rows and columns.
#[derive(Debug, Clone, Copy)]
struct Block {
    row: usize,
    column: usize,
    rows: usize,
    columns: usize,
}

/// An output [m, n] in about as many blocks as there are threads, columns first.
fn blocks(m: usize, n: usize, threads: usize) -> Vec<Block> {
    let by_columns = threads.min(n / MIN_COLUMNS).max(1);
    let by_rows = if n < MIN_WIDTH { 1 } else { (threads / by_columns).min(m / MIN_ROWS).max(1) };
    // Whole vectors a block; the last one takes what is left.
    let (rows, columns) = (parts(m, by_rows), parts(n, by_columns));
    rows.iter()
        .flat_map(|&(row, rows)| {
            columns.iter().map(move |&(column, columns)| Block { row, column, rows, columns })
        })
        .collect()
}

/// `count` things in `parts` parts of a multiple of 16, and what is left in the last: start and length.
fn parts(count: usize, parts: usize) -> Vec<(usize, usize)> {
    let len = if parts == 1 { count } else { count / parts / 16 * 16 };
    let part = |part: usize| (part * len, if part + 1 == parts { count - part * len } else { len });
    (0..parts).map(part).collect()
}

impl Block {
    /// Computes the block.
    ///
    /// # Safety
    /// `out` must reach rows of `n` values and the terms their sizes; no other block may overlap this one.
    unsafe fn fill(self, out: &Output, terms: &[Term], bias: Option<&[f32]>, n: usize) {
        let Self { row, column, rows, columns } = self;
        // SAFETY: the block lies inside the output and its factors inside theirs, as the caller promises.
        unsafe {
            let out = out.0.add(row * n + column);
            if let Some(bias) = bias {
                let bias = &bias[column..][..columns];
                (0..rows).for_each(|row| out.add(row * n).copy_from_nonoverlapping(bias.as_ptr(), columns));
            }
            for (i, Term { left, right, k, factor }) in terms.iter().enumerate() {
                on_this_thread(
                    (rows, columns, *k),
                    (out, n as isize, 1),
                    left.at(row, 0),
                    right.at(0, column),
                    *factor,
                    bias.is_some() || i > 0,
                );
            }
        }
    }
}

/// A matrix as pointer, row stride and column stride.
pub type Pointed<P> = (P, isize, isize);

/// `out (+)= factor · left · right` for (m, n, k) matrices, on this thread.
///
/// # Safety
/// The pointers must reach the matrices that the sizes and strides describe; `out` is not read unless
/// `accumulate`.
pub unsafe fn on_this_thread(
    (m, n, k): (usize, usize, usize),
    out: Pointed<*mut f32>,
    left: Pointed<*const f32>,
    right: Pointed<*const f32>,
    factor: f32,
    accumulate: bool,
) {
    #[cfg(feature = "meter")]
    let start = meter::now();
    // SAFETY: as promised by the caller.
    unsafe {
        gemm(
            m,
            n,
            k,
            out.0,
            out.2,
            out.1,
            accumulate,
            left.0,
            left.2,
            left.1,
            right.0,
            right.2,
            right.1,
            1.0,
            factor,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
    #[cfg(feature = "meter")]
    meter::add(meter::now() - start, 2 * (m * n * k) as u64);
}

/// What products cost: for benches alone, which switch the feature `meter` on.
#[cfg(feature = "meter")]
pub mod meter {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    static NANOSECONDS: AtomicU64 = AtomicU64::new(0);
    static OPERATIONS: AtomicU64 = AtomicU64::new(0);

    /// Nanoseconds of processor time that this thread has had.
    pub(super) fn now() -> u64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call writes to `time` alone.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }

    pub(super) fn add(nanoseconds: u64, operations: u64) {
        NANOSECONDS.fetch_add(nanoseconds, Relaxed);
        OPERATIONS.fetch_add(operations, Relaxed);
    }

    /// Seconds of processor time in products, and their multiplications and additions, since the last call.
    pub fn take() -> (f64, f64) {
        let seconds = NANOSECONDS.swap(0, Relaxed) as f64 * 1e-9;
        (seconds, OPERATIONS.swap(0, Relaxed) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_the_output_once() {
        for (m, n) in [(1, 1), (1, 5000), (15, 576), (833, 192), (833, 1536), (2000, 130), (321, 300)] {
            for threads in [1, 2, 3, 16, 64] {
                let mut seen = vec![0u8; m * n];
                for block in blocks(m, n, threads) {
                    for row in block.row..block.row + block.rows {
                        seen[row * n + block.column..][..block.columns]
                            .iter_mut()
                            .for_each(|seen| *seen += 1);
                    }
                }
                assert!(seen.iter().all(|&seen| seen == 1), "{m} x {n} on {threads} threads");
            }
        }
    }
}
