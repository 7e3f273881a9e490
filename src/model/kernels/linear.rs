//! The product with a weight: `x · Wᵀ + b`.
//!
//! gemm's own division of labour splits narrow outputs badly: the output is cut into blocks here, one for
//! each thread, each computed by one call. gemm adds up the sums of a small output in another order than
//! those of a large one. No block is so small unless the whole output is, so results do not depend on the
//! number of threads.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::product::product as multiply;

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
        Some(bias) => x.apply_op3_no_bwd(&weight, &bias.contiguous()?, &Linear),
        None => x.apply_op2_no_bwd(&weight, &Linear),
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
    // SAFETY: the blocks cover all of the output.
    let out = unsafe {
        super::filled(m * n, |out| {
            let out = Output(out.as_mut_ptr().cast());
            blocks(m, n, rayon::current_num_threads())
                .into_par_iter()
                .for_each(|block| block.fill(&out, x, weight, bias, n));
        })
    };
    Ok((CpuStorage::F32(out), Shape::from(dims)))
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
    /// Computes the block: `x` [m, k] times `weight` [n, k].
    ///
    /// # Safety
    /// `out` must reach [m, n] values, and no other block may overlap this one.
    unsafe fn fill(self, out: &Output, x: &[f32], weight: &[f32], bias: Option<&[f32]>, n: usize) {
        let Self { row, column, rows, columns } = self;
        let k = weight.len() / n;
        let (x, weight) = (&x[row * k..][..rows * k], &weight[column * k..][..columns * k]);
        // SAFETY: the block lies inside the output, as the caller promises; `x` and `weight` were cut to it.
        unsafe {
            let out = out.0.add(row * n + column);
            if let Some(bias) = bias {
                let bias = &bias[column..][..columns];
                (0..rows).for_each(|row| out.add(row * n).copy_from_nonoverlapping(bias.as_ptr(), columns));
            }
            multiply(
                (rows, columns, k),
                (out, n as isize, 1),
                (x.as_ptr(), k as isize, 1),
                (weight.as_ptr(), 1, k as isize),
                bias.is_some(),
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
