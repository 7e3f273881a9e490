//! The files behind a reference to a model in Hugging Face layout.

use std::path::PathBuf;

use super::hub::{Hub, OFFLINE, Snapshot};
use super::{Reference, embedded, pickled};
use crate::error::{Error, Result};
use crate::model::tokenizer;
use crate::model::weights::bytes::FileBytes;
use crate::model::weights::safetensors;

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const PICKLED: [&str; 2] = ["pytorch_model.bin", "pytorch_model.bin.index.json"];

/// A folder of files, wherever it is.
pub enum Folder {
    /// Compiled into the program.
    Embedded(&'static embedded::Model),
    /// On disk.
    Directory(PathBuf),
    /// On the hub, in its cache.
    Hub(Box<Snapshot>),
}

/// The files of one model.
pub struct ModelFiles {
    /// `config.json`
    pub config: FileBytes,
    /// The tokenizer's files.
    pub tokenizer: tokenizer::Files,
    /// One weight file, or all shards.
    pub weights: Vec<FileBytes>,
}

impl Folder {
    /// The folder of a reference; `None` for a GGUF file, which is all there is.
    ///
    /// # Errors
    /// A repository without a place for the hub's cache.
    pub fn of(reference: &Reference) -> Result<Option<Self>> {
        Ok(match reference {
            Reference::Embedded(name) => {
                embedded::MODELS.iter().find(|model| model.name == *name).map(Folder::Embedded)
            }
            Reference::Directory(path) => Some(Folder::Directory(path.clone())),
            Reference::Gguf(_) => None,
            Reference::Hub(repository) => {
                Some(Folder::Hub(Box::new(Hub::from_env()?.snapshot(repository.clone())?)))
            }
        })
    }

    /// A file by its name, or `None` where the folder does not have it.
    ///
    /// # Errors
    /// A file that cannot be read or downloaded.
    pub fn find(&self, name: &str) -> Result<Option<FileBytes>> {
        match self {
            Folder::Embedded(model) => {
                let file = model.files.iter().find(|(known, _)| *known == name);
                Ok(file.map(|(_, bytes)| FileBytes::embedded(&format!("mora/{}/{name}", model.name), bytes)))
            }
            Folder::Directory(folder) => {
                let path = folder.join(name);
                if path.exists() { FileBytes::open(&path).map(Some) } else { Ok(None) }
            }
            Folder::Hub(snapshot) => snapshot.find(name)?.map(|path| FileBytes::open(&path)).transpose(),
        }
    }

    /// Finds all files of a model. Small files come first, so that a download that was broken off
    /// never leaves weights without them.
    ///
    /// # Errors
    /// Names the file that is missing, with what is there instead: a GGUF file, pickled weights.
    pub fn model(&self) -> Result<ModelFiles> {
        let config = self.needed("config.json")?;
        let tokenizer = tokenizer::Files {
            tokenizer: self.needed("tokenizer.json")?,
            config: self.find("tokenizer_config.json")?,
            special_tokens: self.find("special_tokens_map.json")?,
            chat_template: match self.find("chat_template.jinja")? {
                Some(file) => Some(file),
                None => self.find("chat_template.json")?,
            },
            generation: self.find("generation_config.json")?,
            model: Some(config.clone()),
        };
        Ok(ModelFiles { config, tokenizer, weights: self.weights()? })
    }

    fn weights(&self) -> Result<Vec<FileBytes>> {
        if let Some(index) = self.find(INDEX)? {
            return safetensors::shards(&index)?
                .iter()
                .map(|shard| {
                    self.find(shard)?.ok_or_else(|| {
                        Error::new(format!("{}: shard \"{shard}\" is not in the folder", index.name()))
                            .hint("the download is not complete")
                    })
                })
                .collect();
        }
        match self.find(WEIGHTS)? {
            Some(file) => Ok(vec![file]),
            None => Err(self.missing(WEIGHTS)),
        }
    }

    fn needed(&self, name: &str) -> Result<FileBytes> {
        self.find(name)?.ok_or_else(|| self.missing(name))
    }

    /// What to say of a file that is not there.
    fn missing(&self, name: &str) -> Error {
        let names = self.names();
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        if name == WEIGHTS
            && let Some(file) = PICKLED.iter().find(|file| has(file))
        {
            return pickled(&format!("{}/{file}", self.label()));
        }
        let error = Error::new(format!("{}: no {name}", self.label()));
        if let Some(gguf) = names.iter().find(|name| name.ends_with(".gguf")) {
            return error.hint(match self {
                Folder::Hub(_) => {
                    format!("the repository holds GGUF files: download {gguf} and give its path")
                }
                _ => format!("the folder holds {gguf}: give the file's path"),
            });
        }
        if let Folder::Hub(snapshot) = self
            && snapshot.is_offline()
        {
            return error.hint(OFFLINE);
        }
        if name == "tokenizer.json" && (has("tokenizer.model") || has("vocab.json")) {
            return error
                .hint("make one: in Python, AutoTokenizer.from_pretrained(…).save_pretrained(folder)");
        }
        error
            .hint("a model needs config.json, tokenizer.json and model.safetensors (or shards with an index)")
    }

    /// Names of all files, as far as they are known.
    pub fn names(&self) -> Vec<String> {
        match self {
            Folder::Embedded(model) => model.files.iter().map(|(name, _)| (*name).to_owned()).collect(),
            Folder::Directory(folder) => std::fs::read_dir(folder)
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect(),
            Folder::Hub(snapshot) => snapshot.names(),
        }
    }

    /// The folder's path or name, for messages.
    pub fn label(&self) -> String {
        match self {
            Folder::Embedded(model) => format!("mora/{}", model.name),
            Folder::Directory(folder) => folder.display().to_string(),
            Folder::Hub(snapshot) => snapshot.repository().to_string(),
        }
    }
}

impl ModelFiles {
    /// All files in one list.
    pub fn all(&self) -> Vec<FileBytes> {
        let small = [
            Some(&self.config),
            Some(&self.tokenizer.tokenizer),
            self.tokenizer.config.as_ref(),
            self.tokenizer.special_tokens.as_ref(),
            self.tokenizer.chat_template.as_ref(),
            self.tokenizer.generation.as_ref(),
        ];
        small.into_iter().flatten().chain(&self.weights).cloned().collect()
    }
}
