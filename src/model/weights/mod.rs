//! Weights under one naming, whatever the file: safetensors (single, sharded, embedded) or GGUF.
//!
//! A load has two steps. The plan looks at headers alone and finds every weight of
//! [`ArchConfig::tensors`] in the files: what is missing, unexpected, of another shape or of no
//! float type fails here, before a byte of data is read. Then each tensor is converted from the
//! mapped file to its dtype and device, one after the other, each in parallel; no memory is taken
//! but the weights' own.

mod arrange;
pub mod bytes;
pub mod gguf;
pub mod modules;
mod names;
mod plan;
pub mod safetensors;
pub mod store;
pub mod write;

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};

use self::arrange::{Arrange, Source};
use self::plan::Plan;
use self::store::{Entry, Store, Stored};
use super::config::ArchConfig;
use crate::error::{Error, Result, did_you_mean};
use crate::{interrupt, progress};

/// The weights of one decoder, by canonical name, on their way from files into a decoder.
#[derive(Debug, Default)]
pub struct Weights {
    label: String,
    tensors: HashMap<String, Tensor>,
}

/// One tensor as it is stored, read into float32 on the CPU.
///
/// # Errors
/// Names the file and the tensor where it holds no plain floats.
pub fn read_plain(store: &Store, name: &str, entry: &Entry) -> Result<Tensor> {
    if matches!(entry.stored, Stored::Other(_)) || entry.stored.block() > 1 {
        return Err(Error::new(format!(
            "{}: tensor \"{name}\": type {}, expected F32, F16, BF16 or F64",
            store.file_name(entry),
            entry.stored
        )));
    }
    let source = Source {
        bytes: store.bytes(entry),
        stored: &entry.stored,
        arrange: Arrange::AsIs,
        d_head: 1,
        shift: 0.0,
    };
    arrange::read::<f32>(&source, &entry.shape, &Device::Cpu)
}

/// Which naming the files follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Safetensors as transformers writes them.
    HuggingFace,
    /// GGUF as llama.cpp's converter writes it.
    Gguf,
}

impl Weights {
    /// Loads all weights that `config` asks for.
    ///
    /// # Errors
    /// Headers that do not fit the config (names the file and the tensors, expected and found), a
    /// `dtype` that is no float type, Ctrl-C.
    pub fn load(
        store: &Store,
        dialect: Dialect,
        config: &ArchConfig,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let plan = Plan::new(store, dialect, config)?;
        let mut bar = progress::bytes("loading weights", plan.bytes());
        let mut tensors = HashMap::with_capacity(plan.steps.len());
        for step in &plan.steps {
            interrupt::check()?;
            let source = step.source(store, config.d_head);
            let tensor = match dtype {
                DType::F32 => arrange::read::<f32>(&source, &step.spec.shape, device),
                DType::F64 => arrange::read::<f64>(&source, &step.spec.shape, device),
                DType::F16 => arrange::read::<f16>(&source, &step.spec.shape, device),
                DType::BF16 => arrange::read::<bf16>(&source, &step.spec.shape, device),
                other => {
                    return Err(Error::new(format!("weights cannot be loaded as {other:?}"))
                        .hint("one of: f32, bf16, f16, f64"));
                }
            };
            tensors.insert(step.spec.name.clone(), tensor.map_err(|error| error.within(&step.spec.name))?);
            bar.advance(step.entry.range.len() as u64);
        }
        Ok(Self { label: store.label(), tensors })
    }

    /// True where the files hold an unembedding of their own.
    pub fn has_unembed(store: &Store, dialect: Dialect, config: &ArchConfig) -> bool {
        plan::has_unembed(store, dialect, config)
    }

    /// Weights that are at hand already.
    pub fn new(tensors: HashMap<String, Tensor>) -> Self {
        Self { label: "weights".to_owned(), tensors }
    }

    /// Takes a weight out, so that no second copy of it stays alive.
    ///
    /// # Errors
    /// Names the files and the tensor that is not there, or was taken before.
    pub fn take(&mut self, name: &str) -> Result<Tensor> {
        self.tensors.remove(name).ok_or_else(|| {
            let error = Error::new(format!("{}: no weight \"{name}\"", self.label));
            match did_you_mean(name, self.tensors.keys().map(String::as_str)) {
                Some(near) => error.hint(near),
                None => error,
            }
        })
    }

    /// A weight by its canonical name, if it is there and was not taken.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// The weights that were not taken yet, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Number of weights that were not taken yet.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// True where all weights were taken.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }
}
