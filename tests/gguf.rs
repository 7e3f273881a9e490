//! GGUF files against what transformers and gguf-py read from them (see `tests/fixtures/make_gguf.py`,
//! made with transformers 5.23.0 and gguf 0.19.0).
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use mora::model::config::{ArchConfig, RopeScaling};
use mora::model::decoder::Decoder;
use mora::model::weights::bytes::FileBytes;
use mora::model::weights::gguf::Gguf;
use mora::model::weights::store::Store;
use mora::model::weights::{Dialect, Weights, safetensors};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gguf").join(name)
}

fn from_gguf(family: &str) -> (ArchConfig, Weights) {
    let file = FileBytes::open(&fixture(&format!("{family}.gguf"))).unwrap();
    let Gguf { metadata, entries } = Gguf::read(&file).unwrap();
    let mut store = Store::default();
    store.add(file, entries).unwrap();
    let config = ArchConfig::from_gguf(&metadata, &store).unwrap();
    let weights = Weights::load(&store, Dialect::Gguf, &config, DType::F32, &Device::Cpu).unwrap();
    (config, weights)
}

fn from_folder(family: &str) -> (ArchConfig, Weights) {
    let folder = common::family(family);
    let json = FileBytes::open(&folder.join("config.json")).unwrap().json().unwrap();
    let config = ArchConfig::from_hf(&json).unwrap();
    let mut store = Store::default();
    safetensors::add(&mut store, FileBytes::open(&folder.join("model.safetensors")).unwrap()).unwrap();
    let weights = Weights::load(&store, Dialect::HuggingFace, &config, DType::F32, &Device::Cpu).unwrap();
    (config, weights)
}

#[test]
fn weights_are_those_of_the_folder() {
    for family in ["llama", "qwen2", "gemma2", "gemma3"] {
        let (config, weights) = from_gguf(family);
        let (_, expected) = from_folder(family);
        for spec in config.tensors() {
            let found = weights.get(&spec.name).unwrap();
            let mut expected = expected.get(&spec.name).unwrap().clone();
            // Norms were stored plus one, which rounds them.
            let is_norm = spec.name.contains("ln") || spec.name.contains("_norm");
            if config.norm.weight_offset == 1.0 && is_norm {
                expected = ((expected + 1.0).unwrap() - 1.0).unwrap();
            }
            assert_eq!(common::distance(found, &expected), 0.0, "{family}: {}", spec.name);
        }
    }
}

/// The rows of a GGUF file's queries and keys lie in another order, which adapters must not see.
#[test]
fn an_adapter_fits_the_weights_of_a_gguf_file() {
    for (family, name) in [("llama", "llama"), ("qwen2", "qwen2_patterns"), ("gemma2", "gemma2")] {
        let adapter = common::adapter(name);
        let (described, mut weights) = from_gguf(family);
        assert!(adapter.side_paths(&described).is_ok(), "{family}");
        // The file says less of the rotation than the folder does.
        let (config, _) = from_folder(family);
        let base = Decoder::new(config, &mut weights).unwrap();
        let (_, tokens) = common::base_of(&adapter);
        let logits = common::logits(&common::adapted(&base, &adapter), &tokens);
        let expected = common::expected_logits(&common::adapter_folder(name));
        assert!(common::logits_distance(&logits, &expected) <= 1e-4, "{family}");
    }
}

#[test]
fn configs_are_those_of_the_folder() {
    for family in ["llama", "qwen2", "gemma2", "gemma3"] {
        let (found, _) = from_gguf(family);
        let (mut expected, _) = from_folder(family);
        // What a GGUF file does not say: the parts of Llama's own rope scaling (they are a tensor), by
        // what else than the head's width queries are scaled, and which layers of a tiny model slide.
        match family {
            "llama" => expected.ropes[0].scaling = RopeScaling::None,
            "qwen2" => expected.layers.iter_mut().for_each(|layer| layer.window = None),
            "gemma2" => expected.attn_scale = found.attn_scale,
            _ => {
                expected.attn_scale = found.attn_scale;
                expected.ropes[0].theta = 10_000.0;
                for (layer, config) in expected.layers.iter_mut().enumerate() {
                    (config.window, config.rope) =
                        if (layer + 1) % 6 == 0 { (None, Some(1)) } else { (Some(5), Some(0)) };
                }
            }
        }
        assert_eq!(found, expected);
    }
}
