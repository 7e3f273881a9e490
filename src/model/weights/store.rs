//! What tensors lie where: the headers of all weight files of one model.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use candle_core::quantized::GgmlDType;

use super::bytes::FileBytes;
use crate::error::{Error, Result};

/// How a tensor's numbers are stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// Plain or in quantised blocks, in GGML's terms.
    Ggml(GgmlDType),
    /// 64-bit floats.
    F64,
    /// Something that holds no weights mora can read, by the file's own name for it.
    Other(String),
}

impl Stored {
    /// Numbers in one block; 1 where every number stands alone.
    pub fn block(&self) -> usize {
        match self {
            Stored::Ggml(dtype) => dtype.block_size(),
            _ => 1,
        }
    }

    /// Bytes that `count` numbers take; `None` where they make no whole number of blocks, where the
    /// size is not known, and on overflow.
    pub fn bytes(&self, count: usize) -> Option<usize> {
        let size = match self {
            Stored::Ggml(dtype) => dtype.type_size(),
            Stored::F64 => 8,
            Stored::Other(_) => return None,
        };
        count.is_multiple_of(self.block()).then(|| (count / self.block()).checked_mul(size)).flatten()
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stored::Ggml(dtype) => write!(f, "{dtype:?}"),
            Stored::F64 => f.write_str("F64"),
            Stored::Other(name) => f.write_str(name),
        }
    }
}

/// One tensor of a file, as its header describes it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Index into [`Store::files`].
    pub file: usize,
    /// How the numbers are stored.
    pub stored: Stored,
    /// Shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// Where in the file the bytes lie; checked to be inside it.
    pub range: Range<usize>,
}

/// All tensors of a model's weight files, by the files' own names.
#[derive(Default)]
pub struct Store {
    /// The weight files.
    pub files: Vec<FileBytes>,
    /// Stored name → where it lies.
    pub entries: BTreeMap<String, Entry>,
}

impl Store {
    /// Adds a file with the tensors of its header.
    ///
    /// # Errors
    /// A tensor that another file holds as well, or tensors of this file that overlap.
    pub fn add(&mut self, file: FileBytes, entries: Vec<(String, Entry)>) -> Result<()> {
        let mut taken: Vec<(Range<usize>, &str)> = entries
            .iter()
            .filter(|(_, entry)| !entry.range.is_empty())
            .map(|(name, entry)| (entry.range.clone(), name.as_str()))
            .collect();
        taken.sort_by_key(|(range, _)| range.start);
        for pair in taken.windows(2) {
            if let [(first, left), (second, right)] = pair
                && second.start < first.end
            {
                return Err(Error::new(format!(
                    "{}: tensors \"{left}\" (bytes {} to {}) and \"{right}\" (bytes {} to {}) overlap",
                    file.name(),
                    first.start,
                    first.end,
                    second.start,
                    second.end
                )));
            }
        }
        for (name, mut entry) in entries {
            entry.file = self.files.len();
            if self.entries.contains_key(&name) {
                return Err(Error::new(format!("{}: tensor \"{name}\" is stored twice", file.name())));
            }
            self.entries.insert(name, entry);
        }
        self.files.push(file);
        Ok(())
    }

    /// The tensor's bytes in its file.
    pub fn bytes(&self, entry: &Entry) -> &[u8] {
        self.files.get(entry.file).and_then(|file| file.get(entry.range.clone())).unwrap_or_default()
    }

    /// The name of the tensor's file.
    pub fn file_name(&self, entry: &Entry) -> &str {
        self.files.get(entry.file).map_or("", |file| file.name())
    }

    /// The weight files as one label for messages: the one file, or the first and how many follow.
    pub fn label(&self) -> String {
        match self.files.as_slice() {
            [] => "no file".to_owned(),
            [file] => file.name().to_owned(),
            [file, others @ ..] => format!("{} and {} more", file.name(), others.len()),
        }
    }
}
