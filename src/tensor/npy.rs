//! NumPy's npy format, version 1 to 3: a magic string, a header that is a Python dictionary, the elements.
//!
//! Own code: candle's reader trusts the header's lengths, and a file may lie.

use std::io::Write;

use candle_core::{DType, Device, Tensor};
use half::f16;

use super::check_size;
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Header and elements start at a multiple of this.
const ALIGNMENT: usize = 64;

/// Writes a tensor. `bf16`, which NumPy does not know, is written as `f32`.
///
/// # Errors
/// The file cannot be written, or NumPy has no such format.
pub fn write(tensor: &Tensor, file: &mut dyn Write) -> Result<()> {
    let tensor = if tensor.dtype() == DType::BF16 { tensor.to_dtype(DType::F32)? } else { tensor.clone() };
    let kind = match tensor.dtype() {
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::U8 => "|u1",
        DType::U32 => "<u4",
        DType::I16 => "<i2",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        other => return Err(Error::new(format!("npy files hold no {}", other.as_str()))),
    };
    let lengths = tensor.dims().iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let comma = if tensor.rank() == 1 { "," } else { "" };
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({lengths}{comma}), }}");
    let unpadded = MAGIC.len() + 4 + header.len() + 1;
    header.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    header.push('\n');
    let length =
        u16::try_from(header.len()).map_err(|_| Error::new("too many axes for the header of an npy file"))?;
    file.write_all(MAGIC)?;
    file.write_all(&[1, 0])?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(header.as_bytes())?;

    macro_rules! elements {
        ($type:ty) => {
            for value in tensor.flatten_all()?.to_vec1::<$type>()? {
                file.write_all(&value.to_le_bytes())?;
            }
        };
    }
    match tensor.dtype() {
        DType::F16 => elements!(f16),
        DType::F32 => elements!(f32),
        DType::F64 => elements!(f64),
        DType::U8 => elements!(u8),
        DType::U32 => elements!(u32),
        DType::I16 => elements!(i16),
        DType::I32 => elements!(i32),
        _ => elements!(i64),
    }
    Ok(())
}

/// Reads a tensor. Booleans become `u8`.
///
/// # Errors
/// The bytes are no npy file, are cut off, or hold a format that candle does not know.
pub fn read(bytes: &[u8], device: &Device) -> Result<Tensor> {
    let cut = || Error::new("the npy file ends inside its header");
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| Error::new("not an npy file: it does not begin with \\x93NUMPY"))?;
    let (version, rest) = rest.split_at_checked(2).ok_or_else(cut)?;
    let (length, rest) = match version[0] {
        1 => {
            let (length, rest) = rest.split_at_checked(2).ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes([length[0], length[1]])), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_at_checked(4).ok_or_else(cut)?;
            (u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize, rest)
        }
        other => return Err(Error::new(format!("npy version {other}, expected 1 to 3"))),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header =
        std::str::from_utf8(header).map_err(|_| Error::new("the header of the npy file is no text"))?;
    let descr = text(value(header, "descr")?)?;
    let fortran = match value(header, "fortran_order")? {
        text if text.starts_with("True") => true,
        text if text.starts_with("False") => false,
        text => return Err(Error::new(format!("fortran_order: expected True or False, found {text:.20}"))),
    };
    let mut dims = shape(value(header, "shape")?)?;

    let (order, kind) = descr.split_at_checked(1).unwrap_or(("", descr));
    let big_endian = match order {
        "<" | "|" | "=" => false,
        ">" => true,
        _ => return Err(Error::new(format!("descr: expected a type such as <f4, found {descr:.20}"))),
    };
    let (dtype, width) = match kind {
        "f2" => (DType::F16, 2),
        "f4" => (DType::F32, 4),
        "f8" => (DType::F64, 8),
        "b1" | "u1" => (DType::U8, 1),
        "u4" => (DType::U32, 4),
        "i2" => (DType::I16, 2),
        "i4" => (DType::I32, 4),
        "i8" => (DType::I64, 8),
        _ => {
            return Err(Error::new(format!("npy files of type {descr:.20} cannot be read"))
                .hint("convert in NumPy: array.astype(\"float32\")"));
        }
    };
    let count = check_size(&dims, dtype)?;
    if count.checked_mul(width) != Some(data.len()) {
        return Err(Error::new(format!(
            "the header declares {count} elements of {width} bytes, and {} bytes follow",
            data.len()
        )));
    }
    let mut data = data.to_vec();
    if big_endian {
        data.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    if fortran {
        dims.reverse();
    }
    let tensor = Tensor::from_raw_buffer(&data, dtype, &dims, device)?;
    match fortran && dims.len() > 1 {
        true => Ok(tensor.permute((0..dims.len()).rev().collect::<Vec<_>>())?.contiguous()?),
        false => Ok(tensor),
    }
}

/// What follows `'key':` in the header.
fn value<'a>(header: &'a str, key: &str) -> Result<&'a str> {
    [format!("'{key}'"), format!("\"{key}\"")]
        .iter()
        .find_map(|quoted| header.split_once(quoted.as_str()))
        .and_then(|(_, rest)| rest.trim_start().strip_prefix(':'))
        .map(str::trim_start)
        .ok_or_else(|| Error::new(format!("the header of the npy file has no {key}")))
}

fn text(value: &str) -> Result<&str> {
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let inner = quote.and_then(|quote| value[1..].split_once(quote));
    inner
        .map(|(inner, _)| inner)
        .ok_or_else(|| Error::new("descr: expected a string in the header of the npy file"))
}

fn shape(value: &str) -> Result<Vec<usize>> {
    let inner = value.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(inner, _)| inner);
    let inner = inner.ok_or_else(|| Error::new("shape: expected a tuple in the header of the npy file"))?;
    let lengths = inner.split(',').map(str::trim).filter(|length| !length.is_empty());
    lengths
        .map(|length| {
            length.parse().map_err(|_| Error::new(format!("shape: expected an integer, found {length:.20}")))
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    // Expected: the bytes that numpy 2.3 writes, np.save(f, np.array([[1, 2]], dtype="<i2")).
    #[test]
    fn the_bytes_are_numpys() {
        let mut expected = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        expected.extend(b"{'descr': '<i2', 'fortran_order': False, 'shape': (1, 2), }");
        expected.resize(127, b' ');
        expected.push(b'\n');
        expected.extend([1, 0, 2, 0]);
        let mut written = Vec::new();
        write(&Tensor::new(&[[1_i16, 2]], &Device::Cpu).unwrap(), &mut written).unwrap();
        assert_eq!(written, expected);
        assert_eq!(read(&written, &Device::Cpu).unwrap().to_vec2::<i16>().unwrap(), [[1, 2]]);
    }

    #[test]
    fn column_order_and_big_endian_are_read() {
        let header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2), }";
        let tensor = read(&file(header, &[0, 1, 0, 2, 0, 3, 0, 4]), &Device::Cpu).unwrap();
        assert_eq!(tensor.to_vec2::<i16>().unwrap(), [[1, 3], [2, 4]]);
    }

    #[test]
    fn shapes_of_any_rank_come_back() {
        for dims in [&[][..], &[3], &[2, 0, 3], &[1, 2, 1, 2]] {
            for dtype in [DType::F16, DType::F32, DType::F64, DType::U8, DType::U32, DType::I64] {
                let tensor = Tensor::ones(dims, dtype, &Device::Cpu).unwrap();
                let mut bytes = Vec::new();
                write(&tensor, &mut bytes).unwrap();
                let again = read(&bytes, &Device::Cpu).unwrap();
                assert_eq!((again.dims(), again.dtype()), (dims, dtype));
            }
        }
    }

    #[test]
    fn files_that_lie_are_errors() {
        let lies = [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846976,), }", 4),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9), }", 4),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 4),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 4),
            ("{'descr': 'é', 'fortran_order': False, 'shape': (1,), }", 4),
            ("{'fortran_order': False, 'shape': (1,), }", 4),
            ("{'descr': '<f4', 'fortran_order': Perhaps, 'shape': (1,), }", 4),
            ("", 0),
        ];
        for (header, count) in lies {
            assert!(read(&file(header, &vec![0; count]), &Device::Cpu).is_err(), "{header}");
        }
        assert!(read(b"\x93NUMPY\x02\x00\xff\xff\xff\xff", &Device::Cpu).is_err());
        assert!(read(b"", &Device::Cpu).is_err());
    }
}
