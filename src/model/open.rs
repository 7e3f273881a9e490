//! From a reference to everything that a model is made of.

use std::sync::OnceLock;

use candle_core::{DType, Device};
use sha2::{Digest, Sha256};

use super::Model;
use super::config::ArchConfig;
use super::decoder::Decoder;
use super::reference::Reference;
use super::reference::files::Folder;
use super::tokenizer::Tokenizer;
use super::weights::bytes::{FileBytes, hex};
use super::weights::gguf::Gguf;
use super::weights::store::Store;
use super::weights::{Dialect, Weights, safetensors};
use crate::error::{Context, Error, Result};

/// How weights are to be held.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The dtype that the forward computes in.
    pub dtype: DType,
    /// Where the weights live.
    pub device: Device,
}

impl Default for OpenOptions {
    /// Float32 on the CPU.
    fn default() -> Self {
        Self { dtype: DType::F32, device: Device::Cpu }
    }
}

/// A model's parts, ready to be put together.
pub struct Opened {
    /// What was asked for.
    pub reference: Reference,
    /// The decoder's shape.
    pub config: ArchConfig,
    /// The decoder's weights.
    pub weights: Weights,
    /// Text to tokens and back.
    pub tokenizer: Tokenizer,
    /// The files it came from.
    pub files: Files,
    /// Its `config.json`, where it has one.
    pub config_json: Option<serde_json::Value>,
}

impl Opened {
    /// Puts the parts together: the model, and the files it came from.
    ///
    /// # Errors
    /// Where a weight is missing.
    pub fn into_model(mut self) -> Result<(Model, Files)> {
        let decoder = Decoder::new(self.config, &mut self.weights)?;
        let model = Model::new(&self.reference.to_string(), decoder, self.tokenizer);
        let model = match self.config_json {
            Some(json) => model.with_config_json(json),
            None => model,
        };
        Ok((model, self.files))
    }
}

/// The files a model or an adapter was read from.
pub struct Files {
    list: Vec<FileBytes>,
    hash: OnceLock<String>,
}

impl Files {
    /// These files, in the order of reading.
    pub(crate) fn new(list: Vec<FileBytes>) -> Self {
        Self { list, hash: OnceLock::new() }
    }

    /// The files' names and contents.
    pub fn list(&self) -> &[FileBytes] {
        &self.list
    }

    /// One SHA-256 for all of them, in hexadecimal, computed at the first call (which reads every
    /// file): of the file itself where there is one, else of the lines that `sha256sum` prints for
    /// the files in order of their names.
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| match self.list.as_slice() {
            [file] => file.sha256(),
            files => {
                let mut lines: Vec<(&str, String)> = files
                    .iter()
                    .map(|file| (file.name().rsplit(['/', '\\']).next().unwrap_or_default(), file.sha256()))
                    .collect();
                lines.sort();
                let lines: String = lines.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
                hex(&Sha256::digest(lines.as_bytes()))
            }
        })
    }
}

/// Opens a model: finds its files (downloading what is not in the hub's cache), reads its shape,
/// checks all headers, and loads tokenizer and weights.
///
/// # Errors
/// Whatever is wrong with the files, by file and name; a device that is out of memory; Ctrl-C.
pub fn open(reference: &Reference, options: &OpenOptions) -> Result<Opened> {
    match Folder::of(reference)? {
        Some(folder) => open_folder(reference, &folder, options),
        None => open_gguf(reference, options),
    }
}

fn open_folder(reference: &Reference, folder: &Folder, options: &OpenOptions) -> Result<Opened> {
    let files = folder.model()?;
    let json = files.config.json()?;
    let mut config = ArchConfig::from_hf(&json).within(|| files.config.name())?;
    let mut store = Store::default();
    for file in &files.weights {
        safetensors::add(&mut store, file.clone())?;
    }
    // Where the config leaves it open, the files decide: no unembedding of its own means a shared one.
    let says = |json: &serde_json::Value| json.get("tie_word_embeddings").is_some_and(|tied| !tied.is_null());
    let is_open = !says(&json) && !json.get("text_config").is_some_and(says);
    if is_open && !Weights::has_unembed(&store, Dialect::HuggingFace, &config) {
        config.tied_embeddings = true;
    }
    let (tokenizer, weights) = together(
        || Tokenizer::from_files(&files.tokenizer),
        || Weights::load(&store, Dialect::HuggingFace, &config, options.dtype, &options.device),
    )?;
    let files = Files::new(files.all());
    let config_json = Some(json);
    Ok(Opened { reference: reference.clone(), config, weights, tokenizer, files, config_json })
}

fn open_gguf(reference: &Reference, options: &OpenOptions) -> Result<Opened> {
    let Reference::Gguf(path) = reference else {
        return Err(Error::new(format!("{reference} has no files")));
    };
    let file = FileBytes::open(path)?;
    let Gguf { metadata, entries } = Gguf::read(&file)?;
    let mut store = Store::default();
    store.add(file.clone(), entries)?;
    let config = ArchConfig::from_gguf(&metadata, &store).within(|| file.name())?;
    let (tokenizer, weights) = together(
        || Tokenizer::from_gguf(&metadata).within(|| file.name()),
        || Weights::load(&store, Dialect::Gguf, &config, options.dtype, &options.device),
    )?;
    let files = Files::new(vec![file]);
    Ok(Opened { reference: reference.clone(), config, weights, tokenizer, files, config_json: None })
}

/// Reads the tokenizer on a thread of its own while this one loads the weights: a device's memory
/// belongs to the thread that opened it.
fn together<T: Send, W>(
    tokenizer: impl FnOnce() -> Result<T> + Send,
    weights: impl FnOnce() -> Result<W>,
) -> Result<(T, W)> {
    std::thread::scope(|scope| {
        let reading = scope.spawn(tokenizer);
        let weights = weights();
        let tokenizer = reading.join().map_err(|_| Error::new("reading the tokenizer failed"))?;
        Ok((tokenizer?, weights?))
    })
}
