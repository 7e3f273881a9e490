//! Headers of safetensors files, single or sharded.
//!
//! A file is an eight-byte length, a JSON header of that length, and the tensors' bytes. Nothing is
//! believed: every length and offset is checked against the file before it is used, and no memory
//! is set aside for what a header merely claims.

use std::collections::BTreeSet;
use std::fmt;

use candle_core::quantized::GgmlDType;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::bytes::FileBytes;
use super::store::{Entry, Store, Stored};
use crate::error::{Context, Error, Result};

/// The format's own limit on the header's length, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// Reads the header of one file and adds its tensors to the store.
///
/// # Errors
/// Names the file and, where it is known, the tensor: a truncated file, a header length outside the
/// file, a header that is no such JSON, offsets outside the file, overlapping or repeated tensors, a
/// byte count that is not the shape's.
pub fn add(store: &mut Store, file: FileBytes) -> Result<()> {
    let entries = header(&file).within(|| file.name())?;
    store.add(file, entries)
}

/// The shards that a `model.safetensors.index.json` names, each once, in order.
///
/// # Errors
/// An index that is no such JSON, names no shard, or names one outside its own folder.
pub fn shards(index: &FileBytes) -> Result<Vec<String>> {
    let json = index.json()?;
    let map = json.get("weight_map").and_then(|map| map.as_object());
    let Some(map) = map.filter(|map| !map.is_empty()) else {
        return Err(Error::new(format!("{}: expected a weight_map that names shards", index.name())));
    };
    let mut names = BTreeSet::new();
    for (tensor, shard) in map {
        match shard.as_str() {
            Some(shard) if is_plain_name(shard) => names.insert(shard.to_owned()),
            _ => {
                return Err(Error::new(format!(
                    "{}: tensor \"{tensor}\" lies in {shard}, expected the name of a .safetensors file in the same folder",
                    index.name()
                )));
            }
        };
    }
    Ok(names.into_iter().collect())
}

/// A file name without any folder, so that an index cannot lead outside its own.
fn is_plain_name(name: &str) -> bool {
    name.ends_with(".safetensors") && !name.contains(['/', '\\', ':', '\0']) && !name.starts_with('.')
}

fn header(file: &[u8]) -> Result<Vec<(String, Entry)>> {
    let Some((length, rest)) = file.split_first_chunk::<8>() else {
        return Err(Error::new(format!(
            "truncated: {} bytes, expected a safetensors header of at least 8",
            file.len()
        )));
    };
    let length = u64::from_le_bytes(*length);
    if length > LONGEST_HEADER || length > rest.len() as u64 {
        return Err(Error::new(format!(
            "the header claims {length} bytes, but {} follow (and at most {LONGEST_HEADER} are allowed)",
            rest.len()
        ))
        .hint("the file is truncated or no safetensors file"));
    }
    let (json, data) = rest.split_at(length as usize);
    let Header(tensors) = serde_json::from_slice(json).within(|| "broken header")?;
    let start = 8 + json.len();
    tensors
        .into_iter()
        .map(|(name, tensor)| {
            let entry = tensor.entry(start, data.len()).within(|| format!("tensor \"{name}\""))?;
            Ok((name, entry))
        })
        .collect()
}

/// The header's tensors in its own order; `__metadata__` is left out.
struct Header(Vec<(String, Described)>);

#[derive(Deserialize)]
struct Described {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tensors;

        impl<'de> Visitor<'de> for Tensors {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut tensors = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        tensors.push((name, map.next_value()?));
                    }
                }
                Ok(Header(tensors))
            }
        }

        deserializer.deserialize_map(Tensors)
    }
}

impl Described {
    fn entry(self, start: usize, length: usize) -> Result<Entry> {
        let [from, to] = self.data_offsets;
        if from > to || to > length as u64 {
            return Err(Error::new(format!(
                "bytes {from} to {to} of the data, but the file holds {length} bytes of it"
            )));
        }
        let stored = match self.dtype.as_str() {
            "F32" => Stored::Ggml(GgmlDType::F32),
            "F16" => Stored::Ggml(GgmlDType::F16),
            "BF16" => Stored::Ggml(GgmlDType::BF16),
            "F64" => Stored::F64,
            _ => Stored::Other(self.dtype),
        };
        let count = self.shape.iter().try_fold(1u64, |product, size| product.checked_mul(*size));
        let Some(count) = count.filter(|count| *count <= usize::MAX as u64) else {
            return Err(Error::new(format!("shape {:?} has more elements than can be counted", self.shape)));
        };
        if !matches!(stored, Stored::Other(_))
            && stored.bytes(count as usize).map(|b| b as u64) != Some(to - from)
        {
            return Err(Error::new(format!(
                "{} bytes are stored, expected {} for {stored} of shape {:?}",
                to - from,
                stored.bytes(count as usize).map_or("more".to_owned(), |bytes| bytes.to_string()),
                self.shape
            )));
        }
        Ok(Entry {
            file: 0,
            stored,
            shape: self.shape.iter().map(|size| *size as usize).collect(),
            range: start + from as usize..start + to as usize,
        })
    }
}
