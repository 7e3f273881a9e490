//! From a file's layout to [out, in] rows in the dtype that computes.

use candle_core::quantized::k_quants::{
    BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K, BlockQ8_0,
    QK_K,
};
use candle_core::quantized::{GgmlDType, GgmlType};
use candle_core::{Device, Tensor, WithDType};
use half::{bf16, f16};
use rayon::prelude::*;

use super::store::Stored;
use crate::error::Result;

/// How a file lays out a matrix [out, in] (or a bias [out]) that the decoder wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrange {
    /// As it is wanted.
    AsIs,
    /// [in, out] (GPT-2's `Conv1D`).
    Transposed,
    /// [in, 3·out]: queries, keys, values; this third of them.
    TransposedThird(usize),
    /// [3·out, in]: for each head its query, key and value rows; this third of each.
    HeadThird(usize),
    /// The two halves of each head's rows lie interleaved: 0, d/2, 1, d/2 + 1, …
    Interleaved,
}

impl Arrange {
    /// The shape in the file of a weight with this shape in the decoder.
    pub fn stored_shape(self, wanted: &[usize]) -> Vec<usize> {
        let mut shape = wanted.to_vec();
        match self {
            Arrange::AsIs | Arrange::Interleaved => {}
            Arrange::Transposed => shape.reverse(),
            Arrange::TransposedThird(_) => {
                shape.reverse();
                if let Some(out) = shape.last_mut() {
                    *out = out.saturating_mul(3);
                }
            }
            Arrange::HeadThird(_) => {
                if let Some(out) = shape.first_mut() {
                    *out = out.saturating_mul(3);
                }
            }
        }
        shape
    }

    /// The stored row that becomes row `row`, where rows stay rows.
    fn source_row(self, row: usize, rows: usize, d_head: usize) -> usize {
        let (head, within) = (row / d_head, row % d_head);
        match self {
            Arrange::AsIs | Arrange::Transposed => row,
            Arrange::TransposedThird(third) => third * rows + row,
            Arrange::HeadThird(third) => (3 * head + third) * d_head + within,
            Arrange::Interleaved => {
                let half = (d_head / 2).max(1);
                head * d_head + 2 * (within % half) + within / half
            }
        }
    }
}

/// What is to be read: bytes whose length, block structure and shape were checked by the header.
pub struct Source<'a> {
    /// The tensor's bytes.
    pub bytes: &'a [u8],
    /// How its numbers are stored.
    pub stored: &'a Stored,
    /// How the file lays it out.
    pub arrange: Arrange,
    /// Rows of one head, where the layout goes by heads.
    pub d_head: usize,
    /// Added to every number.
    pub shift: f32,
}

/// A dtype in which the decoder computes.
pub trait Element: WithDType + Send + Sync {
    /// Zero, which fills fresh memory.
    const ZERO: Self;
    /// Rounds to this dtype.
    fn of(value: f32) -> Self;
}

impl Element for f32 {
    const ZERO: Self = 0.0;
    fn of(value: f32) -> Self {
        value
    }
}

impl Element for f64 {
    const ZERO: Self = 0.0;
    fn of(value: f32) -> Self {
        value.into()
    }
}

impl Element for f16 {
    const ZERO: Self = f16::ZERO;
    fn of(value: f32) -> Self {
        f16::from_f32(value)
    }
}

impl Element for bf16 {
    const ZERO: Self = bf16::ZERO;
    fn of(value: f32) -> Self {
        bf16::from_f32(value)
    }
}

/// Elements that one thread converts at a time; a whole number of the largest blocks.
const CHUNK: usize = 256 * QK_K;

/// Reads a tensor of the wanted shape, in parallel, with no memory but the result's.
///
/// # Errors
/// Where the device cannot take it.
pub fn read<T: Element>(source: &Source, shape: &[usize], device: &Device) -> Result<Tensor> {
    let count = shape.iter().product();
    let mut out = vec![T::ZERO; count];
    let (rows, width) = match shape {
        [rows, width] => (*rows, *width),
        _ => (count, 1),
    };
    match source.arrange {
        Arrange::AsIs => out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
            source.decode(chunk * CHUNK, out);
        }),
        Arrange::Transposed | Arrange::TransposedThird(_) if shape.len() == 2 => {
            source.transpose(&mut out, rows, width);
        }
        arrange => {
            let block = (CHUNK / width.max(1)).max(1);
            out.par_chunks_mut(block * width).enumerate().for_each(|(chunk, out)| {
                for (row, out) in out.chunks_mut(width).enumerate() {
                    let from = arrange.source_row(chunk * block + row, rows, source.d_head);
                    source.decode(from * width, out);
                }
            });
        }
    }
    Ok(Tensor::from_vec(out, shape, device)?)
}

impl Source<'_> {
    /// Reads `out.len()` numbers from the stored number `start` on; both are whole blocks.
    fn decode<T: Element>(&self, start: usize, out: &mut [T]) {
        let bytes = |size: usize| {
            let range = start / self.stored.block() * size;
            let length = out.len() / self.stored.block() * size;
            self.bytes.get(range..range + length).unwrap_or_default()
        };
        match self.stored {
            Stored::Ggml(dtype) => {
                let bytes = bytes(dtype.type_size());
                match dtype {
                    GgmlDType::F32 => blocks::<f32, T>(bytes, out, self.shift),
                    GgmlDType::F16 => blocks::<f16, T>(bytes, out, self.shift),
                    GgmlDType::BF16 => blocks::<bf16, T>(bytes, out, self.shift),
                    GgmlDType::Q4_0 => blocks::<BlockQ4_0, T>(bytes, out, self.shift),
                    GgmlDType::Q4_1 => blocks::<BlockQ4_1, T>(bytes, out, self.shift),
                    GgmlDType::Q5_0 => blocks::<BlockQ5_0, T>(bytes, out, self.shift),
                    GgmlDType::Q5_1 => blocks::<BlockQ5_1, T>(bytes, out, self.shift),
                    GgmlDType::Q8_0 => blocks::<BlockQ8_0, T>(bytes, out, self.shift),
                    GgmlDType::Q2K => blocks::<BlockQ2K, T>(bytes, out, self.shift),
                    GgmlDType::Q3K => blocks::<BlockQ3K, T>(bytes, out, self.shift),
                    GgmlDType::Q4K => blocks::<BlockQ4K, T>(bytes, out, self.shift),
                    GgmlDType::Q5K => blocks::<BlockQ5K, T>(bytes, out, self.shift),
                    GgmlDType::Q6K => blocks::<BlockQ6K, T>(bytes, out, self.shift),
                    // The readers give no tensor these types.
                    GgmlDType::Q8_1 | GgmlDType::Q8K => {}
                }
            }
            Stored::F64 => {
                for (bytes, out) in bytes(8).as_chunks::<8>().0.iter().zip(out) {
                    *out = T::from_f64(f64::from_le_bytes(*bytes) + f64::from(self.shift));
                }
            }
            Stored::Other(_) => {}
        }
    }

    /// Reads [in, all columns] into [rows, width]: a stripe of columns at a time, so that both
    /// sides are touched in runs.
    fn transpose<T: Element>(&self, out: &mut [T], rows: usize, width: usize) {
        const STRIPE: usize = 64;
        let (first, columns) = match self.arrange {
            Arrange::TransposedThird(third) => (third * rows, 3 * rows),
            _ => (0, rows),
        };
        out.par_chunks_mut(STRIPE * width).enumerate().for_each(|(stripe, out)| {
            let mut run = [T::ZERO; STRIPE];
            let stripe_rows = out.len() / width;
            let Some(run) = run.get_mut(..stripe_rows) else { return };
            for column in 0..width {
                self.decode(column * columns + first + stripe * STRIPE, run);
                for (out, value) in out.iter_mut().skip(column).step_by(width).zip(run.iter()) {
                    *out = *value;
                }
            }
        });
    }
}

/// Decodes whole blocks of a GGML type.
fn blocks<B: GgmlType, T: Element>(bytes: &[u8], out: &mut [T], shift: f32) {
    // SAFETY: GGML's blocks are plain numbers; every pattern of bits is one.
    let (before, body, after) = unsafe { bytes.align_to::<B>() };
    if before.is_empty() && after.is_empty() {
        return decode_blocks(body, out, shift);
    }
    // Bytes compiled into the program, and some safetensors headers, lie at odd addresses.
    let mut aligned = vec![B::zeros(); bytes.len() / size_of::<B>()];
    // SAFETY: as above, the other way round; the byte view covers exactly the vector's memory.
    let view = unsafe {
        std::slice::from_raw_parts_mut(aligned.as_mut_ptr().cast::<u8>(), size_of_val(aligned.as_slice()))
    };
    if let Some(bytes) = bytes.get(..view.len()) {
        view.copy_from_slice(bytes);
    }
    decode_blocks(&aligned, out, shift);
}

fn decode_blocks<B: GgmlType, T: Element>(blocks: &[B], out: &mut [T], shift: f32) {
    let mut buffer = [0f32; QK_K];
    let per_step = QK_K / B::BLCK_SIZE;
    for (blocks, out) in blocks.chunks(per_step).zip(out.chunks_mut(per_step * B::BLCK_SIZE)) {
        let Some(buffer) = buffer.get_mut(..blocks.len() * B::BLCK_SIZE) else { return };
        B::to_float(blocks, buffer);
        for (out, value) in out.iter_mut().zip(buffer) {
            *out = T::of(*value + shift);
        }
    }
}
