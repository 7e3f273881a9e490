//! The bytes of one file: mapped from disk, or compiled into the program.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
use sha2::{Digest, Sha256};

use crate::error::{Context, Error, Result};
use crate::progress;

/// Bytes hashed between two steps of progress.
const CHUNK: usize = 1 << 24;

/// A file's bytes with the name that errors give it. Cheap to clone.
#[derive(Clone)]
pub struct FileBytes {
    name: Arc<str>,
    data: Data,
}

#[derive(Clone)]
enum Data {
    Mapped(Arc<Mmap>),
    Static(&'static [u8]),
    Made(Arc<[u8]>),
}

impl FileBytes {
    /// Maps a file into memory. Its pages are read when they are looked at.
    ///
    /// # Errors
    /// Names the path where it is no readable file.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        // Asked before opening: opening a pipe would wait for its writer.
        let metadata = std::fs::metadata(path).within(|| &name)?;
        if !metadata.is_file() {
            return Err(Error::new(format!("{name}: expected a file")));
        }
        let file = File::open(path).within(|| &name)?;
        // SAFETY: the map is read only. Should another program shorten the file meanwhile, the
        // system stops this one with a bus error; no program that maps model files can prevent it.
        let map = unsafe { Mmap::map(&file) }.within(|| &name)?;
        Ok(Self { name: name.into(), data: Data::Mapped(Arc::new(map)) })
    }

    /// Bytes that are part of the program.
    pub fn embedded(name: &str, bytes: &'static [u8]) -> Self {
        Self { name: name.into(), data: Data::Static(bytes) }
    }

    /// Bytes that were made in memory.
    pub fn made(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), data: Data::Made(bytes.into()) }
    }

    /// The path, or the embedded name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes as UTF-8 text.
    ///
    /// # Errors
    /// Names the file where it is no UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(self)
            .map_err(|error| Error::new(format!("{}: no UTF-8 text: {error}", self.name)))
    }

    /// The bytes as JSON.
    ///
    /// # Errors
    /// Names the file, and line and column, where it is no JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(self).within(|| format!("{}: no JSON", self.name))
    }

    /// SHA-256 of the bytes, in lower-case hexadecimal.
    pub fn sha256(&self) -> String {
        let mut bar = progress::bytes("hashing the file", self.len() as u64);
        let mut hasher = Sha256::new();
        for chunk in self.chunks(CHUNK) {
            hasher.update(chunk);
            bar.advance(chunk.len() as u64);
        }
        hex(&hasher.finalize())
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.data {
            Data::Mapped(map) => map,
            Data::Static(bytes) => bytes,
            Data::Made(bytes) => bytes,
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
