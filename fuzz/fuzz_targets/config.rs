//! A `config.json`: the decoder's shape, its sites, and a forward with fresh weights where they are few.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use mora::model::config::ArchConfig;
use mora::model::tokenizer::Tokenizer;
use mora::model::weights::bytes::FileBytes;
use mora::train::fresh::{FreshOptions, fresh};
use mora_fuzz::{MOST_BYTES, llama, run_model, tokenizer_files};

/// Weights of which a forward is run: more would be slow and show nothing new.
const FEW: usize = 20_000;

static TOKENIZER: LazyLock<Arc<Tokenizer>> = LazyLock::new(|| {
    mora::tensor::limit_memory(MOST_BYTES);
    let files = tokenizer_files(llama::TOKENIZER.as_bytes());
    Arc::new(Tokenizer::from_files(&files).expect("a sound tokenizer"))
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(json) = FileBytes::made("config.json", bytes.to_vec()).json() else { return };
    let Ok(config) = ArchConfig::from_hf(&json) else { return };
    let weights = config.tensors();
    let sites = config.sites();
    assert!(sites.len() >= config.n_layers());
    let count = |shape: &[usize]| shape.iter().fold(1_usize, |product, size| product.saturating_mul(*size));
    let total = weights.iter().fold(0_usize, |sum, spec| sum.saturating_add(count(&spec.shape)));
    // What cannot be held is refused before it is made.
    if (total <= FEW || total > MOST_BYTES)
        && let Ok(model) = fresh(&json, TOKENIZER.clone(), "fuzzed", FreshOptions::default())
    {
        assert!(total <= FEW, "{total} weights were made");
        run_model(&model);
    }
});
