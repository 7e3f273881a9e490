//! Decoder language models that can be looked into: files, weights, tokenizer, forward.

pub mod activation;
pub mod attention;
pub mod block;
pub mod config;
pub mod decoder;
pub mod generate;
mod kernels;
pub mod kv;
pub mod linear;
pub mod mlp;
pub mod norm;
pub mod open;
pub mod pass;
pub mod prompt;
pub mod reference;
pub mod rope;
pub mod side_path;
pub mod site;
pub mod tap;
pub mod tokenizer;
pub mod tree;
pub mod weights;

use std::sync::Arc;

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
}

/// The adapter of a model, by name, and the decoder without it.
#[derive(Clone)]
struct Carried {
    name: Arc<str>,
    base: Arc<Decoder>,
}

impl Model {
    /// A model from its parts; `reference` is what it was opened as.
    pub fn new(reference: &str, decoder: Decoder, tokenizer: Tokenizer) -> Self {
        Self {
            reference: reference.into(),
            decoder: Arc::new(decoder),
            tokenizer: Arc::new(tokenizer),
            adapter: None,
            merged: Vec::new(),
        }
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
            return Err(Error::new(format!("{} carries no adapter to merge", self.title())));
        };
        let decoder = Arc::new(self.decoder.merged()?);
        let merged = self.merged.iter().chain([name]).cloned().collect();
        Ok(Self { decoder, adapter: None, merged, ..self.clone() })
    }

    /// The decoder.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
}
