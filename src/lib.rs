//! mora opens language models: hookable decoders, caches, patching, attribution, statistics, tables and
//! figures, with a Rhai host in which researchers compose new analyses.
//!
//! The map of the crate and its invariants stand in `ARCHITECTURE.md`. In short: [`model`], [`frame`],
//! [`stats`] and [`plot`] know nothing of each other; [`lora`], [`interp`] and [`train`] stand on [`model`]; [`script`]
//! binds them all and is the only room that names Rhai; [`cli`] is the only room that touches the terminal.

pub mod cli;
pub mod confined;
pub mod device;
pub mod error;
pub mod frame;
pub mod interp;
pub mod interrupt;
pub mod lora;
pub mod memory;
pub mod model;
mod panics;
pub mod plot;
pub mod progress;
pub mod random;
pub mod save;
pub mod script;
pub mod stats;
pub mod tensor;
pub mod train;

pub use error::{Error, Result};
