//! Headers of GGUF files: metadata and tensor descriptions.
//!
//! Nothing is believed: counts and lengths are compared with the bytes that are left before memory
//! is set aside, so that a short file cannot claim a long array.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::quantized::GgmlDType;

use super::bytes::FileBytes;
use super::store::{Entry, Stored};
use crate::error::{Context, Error, Result};

/// A value of a GGUF file's metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any integer type.
    Integer(i128),
    /// Any float type.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A text.
    Text(String),
    /// An array of texts.
    Texts(Vec<String>),
    /// An array of integers.
    Integers(Vec<i64>),
    /// An array of floats.
    Floats(Vec<f32>),
    /// An array of true and false.
    Bools(Vec<bool>),
}

/// The metadata of a GGUF file, by key.
#[derive(Debug, Default)]
pub struct Metadata {
    values: BTreeMap<String, Value>,
}

/// A parsed GGUF header.
pub struct Gguf {
    /// The metadata.
    pub metadata: Metadata,
    /// The tensors, with shapes outermost dimension first.
    pub entries: Vec<(String, Entry)>,
}

impl Gguf {
    /// Reads the header of a GGUF file, version 2 or 3, little endian.
    ///
    /// # Errors
    /// Names the file and the key or tensor: a truncated file, counts and lengths beyond the file,
    /// an unknown version or value type, tensors outside the file.
    pub fn read(file: &FileBytes) -> Result<Self> {
        parse(file).within(|| file.name())
    }
}

impl Metadata {
    /// The value under a key, whatever its type.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// A text.
    ///
    /// # Errors
    /// Another type under that key.
    pub fn text(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "a text", |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// True or false.
    ///
    /// # Errors
    /// Another type under that key.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", |value| match value {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        })
    }

    /// A whole number from 0 up.
    ///
    /// # Errors
    /// Another type under that key, or a negative number.
    pub fn count(&self, key: &str) -> Result<Option<usize>> {
        self.typed(key, "a whole number from 0 up", |value| match value {
            Value::Integer(number) => usize::try_from(*number).ok(),
            _ => None,
        })
    }

    /// A finite number.
    ///
    /// # Errors
    /// Another type under that key, or an infinite number.
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", |value| match value {
            Value::Float(number) => Some(*number).filter(|number| number.is_finite()),
            Value::Integer(number) => Some(*number as f64),
            _ => None,
        })
    }

    /// An array of texts.
    ///
    /// # Errors
    /// Another type under that key.
    pub fn texts(&self, key: &str) -> Result<Option<&[String]>> {
        self.typed(key, "an array of texts", |value| match value {
            Value::Texts(texts) => Some(texts.as_slice()),
            _ => None,
        })
    }

    /// An array of integers.
    ///
    /// # Errors
    /// Another type under that key.
    pub fn integers(&self, key: &str) -> Result<Option<&[i64]>> {
        self.typed(key, "an array of integers", |value| match value {
            Value::Integers(integers) => Some(integers.as_slice()),
            _ => None,
        })
    }

    /// An array of floats.
    ///
    /// # Errors
    /// Another type under that key.
    pub fn floats(&self, key: &str) -> Result<Option<&[f32]>> {
        self.typed(key, "an array of floats", |value| match value {
            Value::Floats(floats) => Some(floats.as_slice()),
            _ => None,
        })
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => Err(Error::new(format!("{key} is {}, expected {expected}", value.describe()))),
        }
    }
}

impl Value {
    fn describe(&self) -> String {
        match self {
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Text(_) => "a text".to_owned(),
            Value::Texts(list) => format!("an array of {} texts", list.len()),
            Value::Integers(list) => format!("an array of {} integers", list.len()),
            Value::Floats(list) => format!("an array of {} floats", list.len()),
            Value::Bools(list) => format!("an array of {} flags", list.len()),
        }
    }
}

fn parse(file: &[u8]) -> Result<Gguf> {
    let mut reader = Reader { bytes: file, at: 0 };
    if reader.take(4).ok() != Some(b"GGUF") {
        return Err(Error::new("no GGUF file: it does not begin with \"GGUF\""));
    }
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        return Err(Error::new(format!("GGUF version {version} is not supported, expected 2 or 3")));
    }
    let (n_tensors, n_keys) = (reader.u64()?, reader.u64()?);
    // The shortest key takes 13 bytes, the shortest tensor description 24.
    reader.expect("metadata keys", n_keys, 13)?;
    reader.expect("tensors", n_tensors, 24)?;

    let mut metadata = Metadata::default();
    for index in 0..n_keys {
        let key = reader.text().within(|| format!("metadata key {index}"))?;
        let value = reader.value().within(|| format!("metadata \"{key}\""))?;
        if metadata.values.insert(key.clone(), value).is_some() {
            return Err(Error::new(format!("metadata \"{key}\" is stored twice")));
        }
    }
    let mut described = Vec::new();
    for index in 0..n_tensors {
        let name = reader.text().within(|| format!("tensor {index}"))?;
        let tensor = reader.tensor().within(|| format!("tensor \"{name}\""))?;
        described.push((name, tensor));
    }

    let alignment = metadata.count("general.alignment")?.unwrap_or(32);
    if !alignment.is_power_of_two() || alignment > 1 << 20 {
        return Err(Error::new(format!("general.alignment is {alignment}, expected a power of two")));
    }
    let start = reader.at.next_multiple_of(alignment);
    let entries = described
        .into_iter()
        .map(|(name, tensor)| {
            let entry = tensor.entry(start, file.len()).within(|| format!("tensor \"{name}\""))?;
            Ok((name, entry))
        })
        .collect::<Result<_>>()?;
    Ok(Gguf { metadata, entries })
}

struct Described {
    shape: Vec<usize>,
    stored: Stored,
    offset: u64,
}

impl Described {
    fn entry(self, start: usize, length: usize) -> Result<Entry> {
        let count = self.shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        let Some(count) = count else {
            return Err(Error::new(format!("shape {:?} has more elements than can be counted", self.shape)));
        };
        let range = match (&self.stored, self.stored.bytes(count)) {
            // Its size is not known; it is an error only where the tensor is needed.
            (Stored::Other(_), _) => 0..0,
            (stored, None) => {
                return Err(Error::new(format!(
                    "{count} elements make no whole number of {stored} blocks of {}",
                    stored.block()
                )));
            }
            (_, Some(bytes)) => self.range(start, bytes, length)?,
        };
        Ok(Entry { file: 0, stored: self.stored, shape: self.shape, range })
    }

    fn range(&self, start: usize, bytes: usize, length: usize) -> Result<Range<usize>> {
        usize::try_from(self.offset)
            .ok()
            .and_then(|offset| start.checked_add(offset))
            .and_then(|from| Some(from..from.checked_add(bytes)?))
            .filter(|range| range.end <= length)
            .ok_or_else(|| {
                Error::new(format!(
                    "{bytes} bytes at offset {} of the data, but the file ends {} bytes after its header",
                    self.offset,
                    length.saturating_sub(start)
                ))
                .hint("the file is truncated")
            })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let taken = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end));
        let Some(taken) = taken else {
            return Err(Error::new(format!("truncated: {count} bytes expected, {} left", self.left())));
        };
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Fails where `count` things of at least `size` bytes cannot be left in the file.
    fn expect(&self, what: &str, count: u64, size: u64) -> Result<usize> {
        if count.checked_mul(size).is_none_or(|bytes| bytes > self.left() as u64) {
            return Err(Error::new(format!(
                "the header claims {count} {what}, but only {} bytes are left",
                self.left()
            )));
        }
        Ok(count as usize)
    }

    fn text(&mut self) -> Result<String> {
        let length = self.u64()?;
        let length = self.expect("bytes of text", length, 1)?;
        let bytes = self.take(length)?;
        String::from_utf8(bytes.to_vec())
            .map_err(|_| Error::new(format!("{length} bytes that are no UTF-8 text")))
    }

    fn value(&mut self) -> Result<Value> {
        let kind = self.u32()?;
        if kind == 9 { self.list() } else { self.single(kind) }
    }

    fn single(&mut self, kind: u32) -> Result<Value> {
        Ok(match kind {
            0 => Value::Integer(u8::from_le_bytes(self.array()?).into()),
            1 => Value::Integer(i8::from_le_bytes(self.array()?).into()),
            2 => Value::Integer(u16::from_le_bytes(self.array()?).into()),
            3 => Value::Integer(i16::from_le_bytes(self.array()?).into()),
            4 => Value::Integer(u32::from_le_bytes(self.array()?).into()),
            5 => Value::Integer(i32::from_le_bytes(self.array()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.array()?).into()),
            7 => Value::Bool(u8::from_le_bytes(self.array()?) != 0),
            8 => Value::Text(self.text()?),
            10 => Value::Integer(u64::from_le_bytes(self.array()?).into()),
            11 => Value::Integer(i64::from_le_bytes(self.array()?).into()),
            12 => Value::Float(f64::from_le_bytes(self.array()?)),
            other => return Err(Error::new(format!("value type {other} is unknown, expected 0 to 12"))),
        })
    }

    fn list(&mut self) -> Result<Value> {
        let (kind, count) = (self.u32()?, self.u64()?);
        let size = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => return Err(Error::new("an array of arrays, which no model file needs")),
            other => return Err(Error::new(format!("value type {other} is unknown, expected 0 to 12"))),
        };
        let count = self.expect("array elements", count, size)?;
        // The loops set no memory aside for elements that are not there.
        Ok(match kind {
            8 => Value::Texts((0..count).map(|_| self.text()).collect::<Result<_>>()?),
            7 => Value::Bools(self.take(count)?.iter().map(|byte| *byte != 0).collect()),
            6 | 12 => Value::Floats(
                (0..count)
                    .map(|_| match self.single(kind)? {
                        Value::Float(number) => Ok(number as f32),
                        _ => Err(Error::new("expected a float")),
                    })
                    .collect::<Result<_>>()?,
            ),
            _ => Value::Integers(
                (0..count)
                    .map(|_| match self.single(kind)? {
                        Value::Integer(number) => i64::try_from(number)
                            .map_err(|_| Error::new(format!("integer {number} is too large"))),
                        _ => Err(Error::new("expected an integer")),
                    })
                    .collect::<Result<_>>()?,
            ),
        })
    }

    fn tensor(&mut self) -> Result<Described> {
        let n_dims = self.u32()?;
        if n_dims > 4 {
            return Err(Error::new(format!("{n_dims} dimensions, expected up to 4")));
        }
        let mut shape = (0..n_dims)
            .map(|_| self.u64().map(|size| usize::try_from(size).unwrap_or(usize::MAX)))
            .collect::<Result<Vec<_>>>()?;
        shape.reverse();
        let stored = stored(self.u32()?);
        Ok(Described { shape, stored, offset: self.u64()? })
    }
}

fn stored(kind: u32) -> Stored {
    Stored::Ggml(match kind {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        28 => return Stored::F64,
        other => return Stored::Other(format!("GGML type {other}")),
    })
}
