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

    /// The stored row of each of `rows` rows; `None` where each is its own. A stored row of a transposed
    /// matrix is a column in the file.
    pub fn rows(self, rows: usize, d_head: usize) -> Option<Vec<u32>> {
        match self {
            Arrange::AsIs | Arrange::Transposed => None,
            _ => Some((0..rows).map(|row| self.source_row(row, rows, d_head) as u32).collect()),
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn source(bytes: &[u8], stored: &Stored, arrange: Arrange, d_head: usize) -> Vec<f32> {
        let count = bytes.len() / stored.bytes(stored.block()).unwrap() * stored.block();
        let shape = match arrange {
            Arrange::AsIs => vec![count],
            Arrange::TransposedThird(_) | Arrange::HeadThird(_) => vec![count / 12, 4],
            _ => vec![count / 4, 4],
        };
        let source = Source { bytes, stored, arrange, d_head, shift: 0.0 };
        let tensor = read::<f32>(&source, &shape, &Device::Cpu).unwrap();
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// Values by gguf-py 0.19.0 (`gguf.dequantize`); see `tests/fixtures/make_gguf.py`.
    #[test]
    fn every_quantisation_decodes_as_in_gguf_py() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gguf/types.json");
        let fixture: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let types = fixture["types"].as_object().unwrap();
        assert_eq!(types.len(), 13);
        for (name, blocks) in types {
            let stored = Stored::Ggml(match name.as_str() {
                "F32" => GgmlDType::F32,
                "F16" => GgmlDType::F16,
                "BF16" => GgmlDType::BF16,
                "Q4_0" => GgmlDType::Q4_0,
                "Q4_1" => GgmlDType::Q4_1,
                "Q5_0" => GgmlDType::Q5_0,
                "Q5_1" => GgmlDType::Q5_1,
                "Q8_0" => GgmlDType::Q8_0,
                "Q2_K" => GgmlDType::Q2K,
                "Q3_K" => GgmlDType::Q3K,
                "Q4_K" => GgmlDType::Q4K,
                "Q5_K" => GgmlDType::Q5K,
                _ => GgmlDType::Q6K,
            });
            let hex = blocks["bytes"].as_str().unwrap();
            let bytes: Vec<u8> = (0..hex.len() / 2)
                .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            let expected: Vec<f32> = blocks["values"]
                .as_array()
                .unwrap()
                .iter()
                .map(|value| value.as_f64().unwrap() as f32)
                .collect();
            // Bytes at an odd address must give the same.
            let shifted = [&[0], bytes.as_slice()].concat();
            for bytes in [bytes.as_slice(), &shifted[1..]] {
                let values = source(bytes, &stored, Arrange::AsIs, 1);
                assert_eq!(values.len(), expected.len(), "{name}");
                // Both multiply factor, scale and number in float32, in orders of their own.
                let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
                for (value, expected) in values.iter().zip(&expected) {
                    assert!(
                        (value - expected).abs() <= 4.0 * f32::EPSILON * largest,
                        "{name}: {value} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn layouts_are_undone() {
        let f32s = Stored::Ggml(GgmlDType::F32);
        let bytes =
            |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|value| value.to_le_bytes()).collect() };
        // Two heads of four rows; row r holds r·10 and up.
        let rows = |order: &[usize]| -> Vec<f32> {
            order.iter().flat_map(|row| (0..4).map(move |column| (10 * row + column) as f32)).collect()
        };
        let wanted = rows(&[0, 1, 2, 3, 4, 5, 6, 7]);
        let interleaved = bytes(&rows(&[0, 2, 1, 3, 4, 6, 5, 7]));
        assert_eq!(source(&interleaved, &f32s, Arrange::Interleaved, 4), wanted);

        // Per head of two rows: query, key, value.
        let fused = bytes(&rows(&[0, 1, 20, 21, 30, 31, 2, 3, 22, 23, 32, 33]));
        assert_eq!(source(&fused, &f32s, Arrange::HeadThird(0), 2), rows(&[0, 1, 2, 3]));
        assert_eq!(source(&fused, &f32s, Arrange::HeadThird(1), 2), rows(&[20, 21, 22, 23]));
        assert_eq!(source(&fused, &f32s, Arrange::HeadThird(2), 2), rows(&[30, 31, 32, 33]));

        // [in, out]: more rows than one stripe, and no whole number of stripes.
        let out = 150;
        let stored: Vec<f32> =
            (0..4).flat_map(|column| (0..out).map(move |row| (10 * row + column) as f32)).collect();
        let order: Vec<usize> = (0..out).collect();
        assert_eq!(source(&bytes(&stored), &f32s, Arrange::Transposed, 1), rows(&order));
        for third in 0..3 {
            let wanted = rows(&order[50 * third..50 * (third + 1)]);
            assert_eq!(source(&bytes(&stored), &f32s, Arrange::TransposedThird(third), 1), wanted);
        }
    }
}
