//! Fused float32 operations for the CPU.
//!
//! Each does in one pass over memory what candle does in several. None has a backward: a forward that is
//! differentiated, runs on another device or in another dtype takes the plain operations beside each
//! call, and a test holds the two equal.

pub mod attention;
pub mod gated;
pub mod linear;
mod math;
pub mod product;
pub mod rms_norm;
pub mod rope;

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, DType, Layout, Tensor};

/// True where the fused operations can take these tensors.
pub fn apply_to(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|tensor| tensor.dtype() == DType::F32 && tensor.device().is_cpu())
}

/// The contiguous float32 values of a custom op's argument.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    let CpuStorage::F32(values) = storage else { candle_core::bail!("expected float32") };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => candle_core::bail!("expected a contiguous tensor"),
    }
}

/// A vector of `len` values that `fill` writes, each of them.
///
/// Fresh memory is not cleared first: these outputs are megabytes, made in every layer.
///
/// # Safety
/// `fill` must write every element.
unsafe fn filled(len: usize, fill: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut out = Vec::with_capacity(len);
    fill(&mut out.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is there, and the caller promises that `fill` wrote all of it.
    unsafe { out.set_len(len) };
    out
}

/// Rows of a row-wise kernel that one task takes: enough work to be worth a task.
fn rows_per_task(width: usize) -> usize {
    (1usize << 15).div_ceil(width.max(1))
}
