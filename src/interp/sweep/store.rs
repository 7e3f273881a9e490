//! Finished cells on disk, so that a sweep that was stopped goes on where it was.
//!
//! A folder with `sweep.json`, which says what was swept, and one file for each finished chunk. Every file is
//! written whole; numbers are kept to the bit.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::error::{Context, Error, Result};
use crate::save::write_whole;

/// A folder of finished cells.
pub struct Store {
    folder: PathBuf,
    cells: HashMap<String, Vec<f64>>,
    /// The number of the next chunk's file.
    next: usize,
}

impl Store {
    /// The store in `folder`, which need not exist.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), cells: HashMap::new(), next: 0 }
    }

    /// Reads what is there of the sweep that `fingerprint` describes.
    ///
    /// # Errors
    /// Where the folder holds another sweep, with what differs; where a file is damaged.
    pub fn open(&mut self, fingerprint: &[(&'static str, String)]) -> Result<()> {
        std::fs::create_dir_all(&self.folder).within(|| format!("cannot make {}", self.folder.display()))?;
        let mut described: Map<String, Value> = fingerprint
            .iter()
            .map(|(name, value)| (name.to_string(), json!(format!("{:x}", Digested(value)))))
            .collect();
        described.insert("mora".into(), json!(env!("CARGO_PKG_VERSION")));
        let path = self.folder.join("sweep.json");
        if !path.exists() {
            return write_json(&path, &Value::Object(described));
        }
        let found = read_json(&path)?;
        for (name, expected) in &described {
            if found.get(name) != Some(expected) {
                return Err(Error::new(format!(
                    "{} holds another sweep: its {name} is not this one's",
                    self.folder.display()
                ))
                .hint("give another folder, or delete this one to begin again"));
            }
        }
        self.read_chunks()
    }

    fn read_chunks(&mut self) -> Result<()> {
        for number in 0.. {
            let path = self.folder.join(file_name(number));
            if !path.exists() {
                self.next = number;
                return Ok(());
            }
            let damaged = || Error::new("is no chunk of a sweep").within(path.display());
            let chunk = read_json(&path)?;
            for (name, values) in chunk.as_object().ok_or_else(damaged)? {
                let values = values.as_array().ok_or_else(damaged)?;
                let bits = values.iter().map(|bits| u64::from_str_radix(bits.as_str()?, 16).ok());
                let values = bits.map(|bits| bits.map(f64::from_bits)).collect::<Option<Vec<f64>>>();
                self.cells.insert(name.clone(), values.ok_or_else(damaged)?);
            }
        }
        Ok(())
    }

    /// A finished cell's numbers.
    pub fn get(&self, cell: &str, n_prompts: usize) -> Option<Vec<f64>> {
        self.cells.get(cell).filter(|values| values.len() == n_prompts).cloned()
    }

    /// Keeps finished cells.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn add<'a>(&mut self, cells: impl Iterator<Item = (String, &'a [f64])>) -> Result<()> {
        let bits =
            |values: &[f64]| values.iter().map(|value| json!(format!("{:016x}", value.to_bits()))).collect();
        let chunk: Map<String, Value> =
            cells.map(|(name, values)| (name, Value::Array(bits(values)))).collect();
        write_json(&self.folder.join(file_name(self.next)), &Value::Object(chunk))?;
        self.next += 1;
        Ok(())
    }
}

fn file_name(number: usize) -> String {
    format!("chunk-{number:06}.json")
}

struct Digested<'a>(&'a str);

impl std::fmt::LowerHex for Digested<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Sha256::digest(self.0.as_bytes()).iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    write_whole(path, |file| Ok(serde_json::to_writer(file, value).map_err(std::io::Error::from)?))
}

fn read_json(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).within(|| path.display())?;
    serde_json::from_str(&text).map_err(|error| Error::new(error.to_string())).within(|| path.display())
}
