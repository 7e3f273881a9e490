//! Opening whole models: embedded, from a directory in both naming forms, from GGUF files.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;

use candle_core::{DType, Device, Tensor};
use mora::model::config::{ArchConfig, RopeScaling};
use mora::model::decoder::Decoder;
use mora::model::open::{OpenOptions, Opened, open};
use mora::model::reference::Reference;
use mora::model::weights::{Weights, bytes::FileBytes};

fn opened(text: &str) -> mora::Result<Opened> {
    open(&Reference::from_str(text)?, &OpenOptions::default())
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // The model's adapters lie in folders of their own.
        if entry.file_type().unwrap().is_dir() {
            continue;
        }
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn asset(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/tiny-ipd").join(name)
}

#[test]
fn the_embedded_model_opens() {
    let mut model = opened("mora/tiny-ipd").unwrap();
    assert_eq!(model.config.n_layers(), 26);
    assert_eq!(model.config.n_heads, 8);
    assert_eq!(model.config.embed_scale, 8.0);
    assert_eq!(model.weights.len(), model.config.tensors().len());
    for spec in model.config.tensors() {
        let tensor = model.weights.get(&spec.name).unwrap();
        assert_eq!((tensor.dims(), tensor.dtype()), (spec.shape.as_slice(), DType::F32), "{}", spec.name);
    }
    Decoder::new(model.config, &mut model.weights).unwrap();
    assert!(model.weights.is_empty());
    assert!(model.weights.take("embed.weight").unwrap_err().what().contains("embed.weight"));
}

#[test]
fn a_directory_hashes_as_its_listing_does() {
    let folder = tempfile::tempdir().unwrap();
    copy(asset("").as_path(), folder.path());
    let model = opened(folder.path().to_str().unwrap()).unwrap();
    let embedded = opened("mora/tiny-ipd").unwrap();
    assert_eq!(model.files.hash(), embedded.files.hash());
    let mut lines: Vec<String> = model
        .files
        .list()
        .iter()
        .map(|file| {
            let name = Path::new(file.name()).file_name().unwrap().to_str().unwrap().to_owned();
            format!("{}  {name}\n", file.sha256())
        })
        .collect();
    lines.sort_by_key(|line| line[66..].to_owned());
    let listing = folder.path().join("listing");
    std::fs::write(&listing, lines.concat()).unwrap();
    assert_eq!(model.files.hash(), FileBytes::open(&listing).unwrap().sha256());
}

#[test]
fn other_dtypes_round_the_same_weights() {
    let read = |dtype: DType| {
        let options = OpenOptions { dtype, device: Device::Cpu };
        let mut model = open(&Reference::from_str("mora/tiny-ipd").unwrap(), &options).unwrap();
        model.weights.take("blocks.0.mlp.up.weight").unwrap()
    };
    let exact = read(DType::F64);
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        let tensor = read(dtype);
        assert_eq!(tensor.dtype(), dtype);
        let rounded = exact.to_dtype(dtype).unwrap();
        assert_eq!(common::distance(&tensor, &rounded), 0.0, "{dtype:?}");
    }
    let options = OpenOptions { dtype: DType::U8, device: Device::Cpu };
    let error = open(&Reference::from_str("mora/tiny-ipd").unwrap(), &options).err().unwrap();
    assert!(error.to_string().contains("f32, bf16"), "{error}");
}

/// `config.json` is in the form of transformers 5, `config_v4.json` the same model in that of 4.
#[test]
fn both_forms_of_a_config_mean_the_same() {
    let mut both = 0;
    for family in common::families() {
        let read = |name: &str| {
            let file = FileBytes::open(&common::family(&family).join(name)).ok()?;
            Some(ArchConfig::from_hf(&file.json().unwrap()).unwrap())
        };
        if let Some(older) = read("config_v4.json") {
            assert_eq!(read("config.json").unwrap(), older, "{family}");
            both += 1;
        }
    }
    assert!(both >= 8);
}

#[test]
fn an_absent_tie_is_decided_by_the_files() {
    let folder = tempfile::tempdir().unwrap();
    copy(&common::family("llama"), folder.path());
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(asset(name), folder.path().join(name)).unwrap();
    }
    let config = folder.path().join("config.json");
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    json.as_object_mut().unwrap().remove("tie_word_embeddings");
    std::fs::write(&config, json.to_string()).unwrap();
    let path = folder.path().to_str().unwrap();
    assert!(!opened(path).unwrap().config.tied_embeddings);

    let weights = folder.path().join("model.safetensors");
    let mut tensors: HashMap<String, Tensor> =
        candle_core::safetensors::load(&weights, &Device::Cpu).unwrap();
    tensors.remove("lm_head.weight").unwrap();
    candle_core::safetensors::save(&tensors, &weights).unwrap();
    assert!(opened(path).unwrap().config.tied_embeddings);

    json["tie_word_embeddings"] = false.into();
    std::fs::write(&config, json.to_string()).unwrap();
    let error = opened(path).err().unwrap().to_string();
    assert!(error.contains("lm_head.weight") && error.contains("missing"), "{error}");
}

#[test]
fn a_folder_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let fault = || opened(path).err().unwrap().to_string();
    std::fs::write(folder.path().join("weights.gguf"), b"").unwrap();
    assert!(fault().contains("no config.json") && fault().contains("weights.gguf"));
    std::fs::remove_file(folder.path().join("weights.gguf")).unwrap();
    std::fs::copy(asset("config.json"), folder.path().join("config.json")).unwrap();
    std::fs::write(folder.path().join("tokenizer.model"), b"").unwrap();
    assert!(fault().contains("no tokenizer.json") && fault().contains("AutoTokenizer"));
    std::fs::copy(asset("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    assert!(fault().contains("no model.safetensors"));
    std::fs::write(folder.path().join("pytorch_model.bin"), b"").unwrap();
    assert!(fault().contains("pickled") && fault().contains("safe_serialization"));
}

#[test]
fn smollm2_opens_from_its_gguf() {
    let Some(path) = common::real_model("SmolLM2-135M-Instruct.Q4_1.gguf") else { return };
    let model = opened(path.to_str().unwrap()).unwrap();
    let config = &model.config;
    assert_eq!((config.n_layers(), config.n_heads, config.n_kv_heads), (30, 9, 3));
    assert_eq!((config.d_model, config.d_head, config.d_mlp, config.vocab_size), (576, 64, 1536, 49_152));
    assert_eq!((config.norm.eps, config.ropes[0].theta), (1e-5, 100_000.0));
    assert!(config.tied_embeddings);
    assert_eq!(model.files.hash(), common::real_fixture("smollm2")["sha256"]);
    check_finite(&model.weights);
}

#[test]
fn gemma3_opens_from_its_gguf() {
    let Some(path) = common::real_model("gemma-3-270m-q4_k_m.gguf") else { return };
    let model = opened(path.to_str().unwrap()).unwrap();
    let config = &model.config;
    assert_eq!((config.n_layers(), config.n_heads, config.n_kv_heads), (18, 4, 1));
    assert_eq!((config.d_model, config.d_head, config.d_mlp, config.vocab_size), (640, 256, 2048, 262_144));
    assert_eq!(config.embed_scale, f64::from(640f32.sqrt()));
    assert_eq!((config.norm.weight_offset, config.attn_scale), (1.0, 0.0625));
    let windows: Vec<bool> = config.layers.iter().map(|layer| layer.window == Some(512)).collect();
    assert_eq!(windows, (0..18).map(|layer| (layer + 1) % 6 != 0).collect::<Vec<_>>());
    let thetas: Vec<f64> =
        config.layers.iter().map(|layer| config.ropes[layer.rope.unwrap()].theta).collect();
    assert_eq!(thetas[4..6], [10_000.0, 1_000_000.0]);
    assert!(config.ropes.iter().all(|rope| rope.scaling == RopeScaling::None));
    assert!(config.qk_norm && config.post_norms && config.attn_softcap.is_none());
    check_finite(&model.weights);
}

fn check_finite(weights: &Weights) {
    for (name, tensor) in weights.iter() {
        let largest = tensor.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(largest.is_finite() && largest > 0.0, "{name}: {largest}");
    }
}
