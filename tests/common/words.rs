//! Fixture models with a tokenizer of words: token n is "wn".

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use mora::model::Model;
use safetensors::{Dtype, SafeTensors};

use super::{family, open_model};

/// A family's fixture as a model whose texts are words like "w3 w17".
pub fn model(name: &str) -> Model {
    opened(name, |_, tensor| tensor)
}

/// A "fine-tune" of a family's fixture: every matrix moved a little, the same way each time.
pub fn tuned(name: &str) -> Model {
    opened(name, |index, tensor| {
        if tensor.rank() < 2 {
            return tensor;
        }
        let len = tensor.elem_count();
        let moved: Vec<f32> = (0..len).map(|i| ((i * 7 + index * 13) % 101) as f32 / 101.0 - 0.5).collect();
        let moved = Tensor::from_vec(moved, tensor.shape(), &Device::Cpu).unwrap();
        let scale = tensor.sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
        (tensor + (moved * f64::from(scale)).unwrap()).unwrap()
    })
}

/// A family's fixture with a tokenizer of other words: token n is "vn".
pub fn renamed(name: &str) -> Model {
    named(name, "v", |_, tensor| tensor)
}

/// A family's fixture with a weight that is no number.
pub fn broken(name: &str) -> Model {
    opened(name, |index, tensor| match index {
        0 => (tensor * f64::NAN).unwrap(),
        _ => tensor,
    })
}

fn opened(name: &str, change: impl Fn(usize, Tensor) -> Tensor) -> Model {
    named(name, "w", change)
}

fn named(name: &str, letter: &str, change: impl Fn(usize, Tensor) -> Tensor) -> Model {
    let (from, to) = (family(name), tempfile::tempdir().unwrap());
    let config = std::fs::read_to_string(from.join("config.json")).unwrap();
    std::fs::write(to.path().join("config.json"), &config).unwrap();
    let bytes = std::fs::read(from.join("model.safetensors")).unwrap();
    let weights = SafeTensors::deserialize(&bytes).unwrap();
    let mut names = weights.names();
    names.sort();
    // GPT-2 and NeoX keep masks as truth values among their weights, which no model reads.
    let changed: HashMap<String, Tensor> = names
        .iter()
        .enumerate()
        .map(|(index, name)| (index, name.to_string(), weights.tensor(name).unwrap()))
        .filter(|(_, _, view)| view.dtype() != Dtype::BOOL)
        .map(|(index, name, view)| {
            let dtype = DType::try_from(view.dtype()).unwrap();
            let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu).unwrap();
            (name, change(index, tensor.to_dtype(DType::F32).unwrap()))
        })
        .collect();
    candle_core::safetensors::save(&changed, to.path().join("model.safetensors")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    write_tokenizer(&to.path().join("tokenizer.json"), letter, config["vocab_size"].as_u64().unwrap());
    open_model(to.path().to_str().unwrap())
}

fn write_tokenizer(path: &Path, letter: &str, words: u64) {
    let vocab: serde_json::Map<String, serde_json::Value> =
        (0..words).map(|id| (format!("{letter}{id}"), id.into())).collect();
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": format!("{letter}0") },
    });
    std::fs::write(path, serde_json::to_string(&json).unwrap()).unwrap();
}
