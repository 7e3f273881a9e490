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
pub mod site;
pub mod tap;
pub mod tokenizer;
pub mod tree;
pub mod weights;

use std::sync::Arc;

use self::decoder::Decoder;
use self::tokenizer::Tokenizer;

/// A decoder with its tokenizer. Copies share both.
#[derive(Clone)]
pub struct Model {
    reference: Arc<str>,
    decoder: Arc<Decoder>,
    tokenizer: Arc<Tokenizer>,
}

impl Model {
    /// A model from its parts; `reference` is what it was opened as.
    pub fn new(reference: &str, decoder: Decoder, tokenizer: Tokenizer) -> Self {
        Self { reference: reference.into(), decoder: Arc::new(decoder), tokenizer: Arc::new(tokenizer) }
    }

    /// What the model was opened as.
    pub fn reference(&self) -> &str {
        &self.reference
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
