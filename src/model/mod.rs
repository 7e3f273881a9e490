//! Decoder language models that can be looked into: files, weights, tokenizer, forward.

pub mod config;
