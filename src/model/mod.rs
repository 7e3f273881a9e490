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
pub mod reference;
pub mod rope;
pub mod site;
pub mod tap;
pub mod tokenizer;
pub mod tree;
pub mod weights;
