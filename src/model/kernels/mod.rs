//! Fused float32 operations for the CPU.
//!
//! Each does in one pass over memory what candle does in several, forward and backward. candle keeps an
//! operation for a backward only where an argument is tracked, and each backward gives gradients of
//! tracked arguments alone. Nothing here depends on the number of threads. On other devices and in other
//! dtypes the plain operations beside each call are taken, and tests hold the two equal.

pub mod attention;
pub mod gated;
pub mod linear;
pub mod log_prob;
mod math;
pub(crate) mod product;
pub mod rms_norm;
pub mod rope;
pub mod side_path;
pub mod softcap;
#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;
use std::ops::Deref;

use candle_core::{CpuStorage, DType, Layout, Storage, Tensor};
use rayon::prelude::*;

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

/// A tensor's memory, held while it is read.
struct Held<'a, G> {
    storage: G,
    layout: &'a Layout,
}

fn held(tensor: &Tensor) -> Held<'_, impl Deref<Target = Storage>> {
    let (storage, layout) = tensor.storage_and_layout();
    Held { storage, layout }
}

impl<G: Deref<Target = Storage>> Held<'_, G> {
    /// The contiguous float32 values.
    fn values(&self) -> candle_core::Result<&[f32]> {
        match &*self.storage {
            Storage::Cpu(storage) => values(storage, self.layout),
            _ => candle_core::bail!("expected a tensor on the CPU"),
        }
    }
}

/// A gradient of `argument`, if one is wanted.
fn tracked(argument: &Tensor, gradient: Tensor) -> Option<Tensor> {
    argument.track_op().then_some(gradient)
}

/// Σ over the rows of [row, width].
fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    let add = |rows: &[f32]| {
        let mut total = vec![0f32; width];
        for row in rows.chunks_exact(width) {
            total.iter_mut().zip(row).for_each(|(total, value)| *total += value);
        }
        total
    };
    let parts: Vec<Vec<f32>> = values.par_chunks(rows_per_task(width) * width.max(1)).map(add).collect();
    add(&parts.concat())
}

/// The first `len` elements, whatever they hold.
fn resized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
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
