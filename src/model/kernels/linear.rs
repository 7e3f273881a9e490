//! The product with a weight: `x · Wᵀ + b`, and its backward: `g · W` for x, `gᵀ · x` for W, `Σ g` for b.
//!
//! gemm's own division of labour splits narrow outputs badly: the output is cut into blocks here, one for
//! each thread, each computed by one call. gemm adds up the sums of a small output in another order than
//! those of a large one. No block is so small unless the whole output is, so results do not depend on the
//! number of threads.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};
use gemm::{Parallelism, gemm};
use rayon::prelude::*;

use super::held;

/// Columns of a block, at least: one row of them is already more than gemm's 16 × 16 small outputs.
const MIN_COLUMNS: usize = 272;
/// Rows of a block, at least: more than gemm's 64 × 64 middling outputs.
const MIN_ROWS: usize = 80;
/// Columns below which rows are not divided, as a block might be a small output.
const MIN_WIDTH: usize = 16;

struct Linear;

/// `x` [.., in] times `weight` [out, in], plus `bias` [out]: [.., out].
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    match bias {
        Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, Linear),
        None => x.apply_op2(&weight, Linear),
    }
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        product((x, xl), (w, wl), None)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        gradients(x, weight, gradient)
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        product((x, xl), (w, wl), Some(super::values(bias, bias_layout)?))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (d_x, d_weight) = gradients(x, weight, gradient)?;
        let d_bias = match bias.track_op() {
            true => {
                let sums = super::column_sums(held(&gradient.contiguous()?).values()?, bias.elem_count());
                Some(Tensor::from_vec(sums, bias.shape(), bias.device())?)
            }
            false => None,
        };
        Ok((d_x, d_weight, d_bias))
    }
}

type Argument<'a> = (&'a CpuStorage, &'a Layout);

fn product(x: Argument, weight: Argument, bias: Option<&[f32]>) -> Result<(CpuStorage, Shape)> {
    let (n, k) = weight.1.shape().dims2()?;
    let mut dims = x.1.dims().to_vec();
    if dims.last() != Some(&k) || bias.is_some_and(|bias| bias.len() != n) {
        candle_core::bail!("linear map of {:?} by a weight {:?}", x.1.dims(), weight.1.dims());
    }
    if let Some(last) = dims.last_mut() {
        *last = n;
    }
    let (x, weight) = (super::values(x.0, x.1)?, super::values(weight.0, weight.1)?);
    let m = x.len() / k.max(1);
    let out = multiply(Matrix::of(x, k), Matrix::of(weight, k).transposed(), (m, n, k), bias);
    Ok((CpuStorage::F32(out), Shape::from(dims)))
}

/// The gradients of `x` [.., in] and `weight` [out, in], from that of the product [.., out].
fn gradients(x: &Tensor, weight: &Tensor, gradient: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
    let gradient = gradient.contiguous()?;
    let (xs, weights, gradients) = (held(x), held(weight), held(&gradient));
    let (out, input) = weight.dims2()?;
    let rows = x.elem_count() / input.max(1);
    let gradients = Matrix::of(gradients.values()?, out);
    let d_x = match x.track_op() {
        true => {
            let d_x = multiply(gradients, Matrix::of(weights.values()?, input), (rows, input, out), None);
            Some(Tensor::from_vec(d_x, x.shape(), x.device())?)
        }
        false => None,
    };
    let d_weight = match weight.track_op() {
        true => {
            let xs = Matrix::of(xs.values()?, input);
            let d_weight = multiply(gradients.transposed(), xs, (out, input, rows), None);
            Some(Tensor::from_vec(d_weight, weight.shape(), weight.device())?)
        }
        false => None,
    };
    Ok((d_x, d_weight))
}

/// A matrix in memory.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row after row of `width` values.
    fn of(values: &'a [f32], width: usize) -> Self {
        Self { values, row_stride: width, column_stride: 1 }
    }

    fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }

    /// Whether a matrix of this size lies inside the values.
    fn reaches(&self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.values.len()
    }
}

/// `left` [m, k] · `right` [k, n] + `bias` [n], row after row.
fn multiply(left: Matrix, right: Matrix, (m, n, k): (usize, usize, usize), bias: Option<&[f32]>) -> Vec<f32> {
    assert!(left.reaches(m, k) && right.reaches(k, n) && bias.is_none_or(|bias| bias.len() == n));
    // SAFETY: the blocks cover all of the output.
    unsafe {
        super::filled(m * n, |out| {
            let out = Output(out.as_mut_ptr().cast());
            blocks(m, n, rayon::current_num_threads())
                .into_par_iter()
                .for_each(|block| block.fill(&out, left, right, bias, (n, k)));
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
    /// Computes the block of `left` [m, k] · `right` [k, n].
    ///
    /// # Safety
    /// `out` must reach [m, n] values and the matrices their sizes; no other block may overlap this one.
    unsafe fn fill(
        self,
        out: &Output,
        left: Matrix,
        right: Matrix,
        bias: Option<&[f32]>,
        (n, k): (usize, usize),
    ) {
        let Self { row, column, rows, columns } = self;
        // SAFETY: the block lies inside the output and its factors inside theirs, as the caller promises.
        unsafe {
            let out = out.0.add(row * n + column);
            if let Some(bias) = bias {
                let bias = &bias[column..][..columns];
                (0..rows).for_each(|row| out.add(row * n).copy_from_nonoverlapping(bias.as_ptr(), columns));
            }
            gemm(
                rows,
                columns,
                k,
                out,
                1,
                n as isize,
                bias.is_some(),
                left.values.as_ptr().wrapping_add(row * left.row_stride),
                left.column_stride as isize,
                left.row_stride as isize,
                right.values.as_ptr().wrapping_add(column * right.column_stride),
                right.column_stride as isize,
                right.row_stride as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::{DType, Device};

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

    #[test]
    fn equals_the_plain_product_for_any_number_of_threads() {
        let (m, k, n) = (401, 700, 800);
        let x = Tensor::randn(0f32, 1.0, (m, k), &Device::Cpu).unwrap();
        let weight = Tensor::randn(0f32, 1.0, (n, k), &Device::Cpu).unwrap();
        let bias = Tensor::randn(0f32, 1.0, n, &Device::Cpu).unwrap();
        let plain = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| linear(&x, &weight, Some(&bias)).unwrap().to_vec2::<f32>().unwrap())
        };
        let one = on(1);
        // A sum of k products of unit normals: each rounding is at most half a unit of a value near √k.
        let tolerance = (k as f32).sqrt() * f32::EPSILON * (k as f32).sqrt();
        for (ours, plain) in one.iter().flatten().zip(plain.to_vec2::<f32>().unwrap().iter().flatten()) {
            assert!((ours - plain).abs() < tolerance, "{ours} against {plain}");
        }
        for threads in [2, 3, 16] {
            assert_eq!(on(threads), one, "{threads} threads");
        }
    }

    #[test]
    fn a_weight_that_does_not_fit_is_an_error() {
        let x = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
        let weight = Tensor::zeros((4, 5), DType::F32, &Device::Cpu).unwrap();
        assert!(linear(&x, &weight, None).is_err());
    }
}
