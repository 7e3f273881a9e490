//! Decoder language models that can be looked into: files, weights, tokenizer, forward.

pub mod activation;
pub mod attention;
pub mod block;
pub mod config;
pub mod decoder;
pub mod generate;
pub(crate) mod kernels;
pub mod kv;
pub mod linear;
pub mod mlp;
pub mod norm;
pub mod open;
pub mod pass;
pub mod prompt;
pub mod reference;
pub mod rope;
mod save;
pub mod side_path;
pub mod site;
pub mod tap;
pub mod tokenizer;
pub mod tree;
pub mod weights;

pub use self::kernels::log_prob::log_prob;

use std::sync::Arc;

use serde_json::Value;

use self::decoder::Decoder;
#[cfg(feature = "meter")]
pub use self::kernels::product::meter;
use self::side_path::SidePath;
use self::tokenizer::Tokenizer;
use crate::error::{Error, Result};

/// A decoder with its tokenizer, and at most one adapter beside its weights. Copies share all of it.
#[derive(Clone)]
pub struct Model {
    reference: Arc<str>,
    decoder: Arc<Decoder>,
    tokenizer: Arc<Tokenizer>,
    adapter: Option<Carried>,
    /// The adapters that were written into the weights.
    merged: Vec<Arc<str>>,
    /// What the decoder was made from, where it was a `config.json`.
    config_json: Option<Arc<Value>>,
}

/// The adapter of a model, by name, and the decoder without it.
#[derive(Clone)]
struct Carried {
    name: Arc<str>,
    base: Arc<Decoder>,
}

impl Model {
    /// A model from its parts; `reference` is what it was opened as.
    pub fn new(reference: &str, decoder: Decoder, tokenizer: impl Into<Arc<Tokenizer>>) -> Self {
        Self {
            reference: reference.into(),
            decoder: Arc::new(decoder),
            tokenizer: tokenizer.into(),
            adapter: None,
            merged: Vec::new(),
            config_json: None,
        }
    }

    /// The same, with the `config.json` that the decoder was made from.
    pub fn with_config_json(self, json: Value) -> Self {
        Self { config_json: Some(json.into()), ..self }
    }

    /// The `config.json` that the decoder was made from; none for a GGUF file.
    pub fn config_json(&self) -> Option<&Value> {
        self.config_json.as_deref()
    }

    /// What the model was opened as.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The model by name, with what was done to its weights: `org/name merged with A + B`, where A was
    /// written into the weights and B lies beside them.
    pub fn title(&self) -> String {
        let mut title = self.reference.to_string();
        for name in &self.merged {
            title += &format!(" merged with {name}");
        }
        if let Some(Carried { name, .. }) = &self.adapter {
            title += &format!(" + {name}");
        }
        title
    }

    /// This model with an adapter's side paths, by the names of their projections, in place of the adapter
    /// that it carries. The weights are shared.
    ///
    /// # Errors
    /// As [`Decoder::with_side_paths`].
    pub fn with_side_paths<'a>(
        &self,
        adapter: &str,
        paths: impl IntoIterator<Item = (&'a str, &'a SidePath)>,
    ) -> Result<Self> {
        let base = self.base();
        let decoder = Arc::new(base.decoder.with_side_paths(paths)?);
        let adapter = Some(Carried { name: adapter.into(), base: base.decoder.clone() });
        Ok(Self { decoder, adapter, ..base })
    }

    /// The name of the adapter that lies beside the weights.
    pub fn adapter(&self) -> Option<&str> {
        self.adapter.as_ref().map(|adapter| &*adapter.name)
    }

    /// This model without its adapter. The weights are shared.
    pub fn base(&self) -> Self {
        match &self.adapter {
            Some(Carried { base, .. }) => Self { decoder: base.clone(), adapter: None, ..self.clone() },
            None => self.clone(),
        }
    }

    /// This model with its adapter written into the weights, in the weights' own dtype. Weights that the
    /// adapter leaves alone are shared.
    ///
    /// # Errors
    /// Where there is no adapter, or as [`Decoder::merged`].
    pub fn merged(&self) -> Result<Self> {
        let Some(Carried { name, .. }) = &self.adapter else {
            return Err(Error::new(format!("{} carries no adapter to merge", self.title()))
                .hint("put one on first: base.with_adapter(adapter).merged()"));
        };
        let decoder = Arc::new(self.decoder.merged()?);
        let merged = self.merged.iter().chain([name]).cloned().collect();
        Ok(Self { decoder, adapter: None, merged, ..self.clone() })
    }

    /// This model with another decoder in the place of its own, and no adapter.
    pub fn with_decoder(&self, decoder: Decoder) -> Self {
        Self { decoder: Arc::new(decoder), adapter: None, ..self.clone() }
    }

    /// The decoder.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The tokenizer, to be shared with another model.
    pub fn shared_tokenizer(&self) -> Arc<Tokenizer> {
        self.tokenizer.clone()
    }
}
