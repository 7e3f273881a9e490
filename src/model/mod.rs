//! Decoder language models that can be looked into: files, weights, tokenizer, forward.

pub mod activation;
pub mod config;
mod kernels;
pub mod site;
pub mod tap;
pub mod tree;
pub mod weights;
