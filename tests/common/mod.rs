//! What several test files share.
#![allow(dead_code, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod golden;
pub mod planted;
pub mod script;
pub mod words;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use candle_core::{DType, Device, Tensor};
use mora::lora::Adapter;
use mora::model::Model;
use mora::model::config::ArchConfig;
use mora::model::decoder::Decoder;
use mora::model::open::{OpenOptions, open};
use mora::model::pass::{Pass, Read};
use mora::model::reference::Reference as ModelReference;
use mora::model::tap::NoTap;
use mora::model::tree::TokenTree;
use mora::model::weights::bytes::FileBytes;
use mora::model::weights::store::Store;
use mora::model::weights::{Dialect, Weights, safetensors};

/// The folder of a family's fixture.
pub fn family(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families").join(name)
}

/// The names of all family fixtures.
pub fn families() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 9, "the families' fixtures are not there");
    names
}

/// The decoder of a fixture folder, described by `config`, in float32.
pub fn decoder(folder: &Path, config: &str) -> Decoder {
    decoder_as(folder, config, DType::F32)
}

/// The decoder of a fixture folder in another number format.
pub fn decoder_as(folder: &Path, config: &str, dtype: DType) -> Decoder {
    let (config, mut weights) = weights(folder, config, dtype);
    Decoder::new(config, &mut weights).unwrap()
}

/// The configuration and weights of a fixture folder.
pub fn weights(folder: &Path, config: &str, dtype: DType) -> (ArchConfig, Weights) {
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join(config)).unwrap()).unwrap();
    let config = ArchConfig::from_hf(&json).unwrap();
    let mut store = Store::default();
    let index = folder.join("model.safetensors.index.json");
    let files = match index.exists() {
        true => safetensors::shards(&FileBytes::open(&index).unwrap()).unwrap(),
        false => vec!["model.safetensors".to_string()],
    };
    for file in files {
        safetensors::add(&mut store, FileBytes::open(&folder.join(file)).unwrap()).unwrap();
    }
    let weights = Weights::load(&store, Dialect::HuggingFace, &config, dtype, &Device::Cpu).unwrap();
    (config, weights)
}

/// What transformers computed for a fixture: see `tests/fixtures/make_families.py`.
pub struct Reference {
    pub tensors: HashMap<String, Tensor>,
    pub sequences: Vec<Vec<u32>>,
}

impl Reference {
    pub fn of(folder: &Path) -> Self {
        let tensors =
            candle_core::safetensors::load(folder.join("reference.safetensors"), &Device::Cpu).unwrap();
        let sequences = (0..)
            .map_while(|i| tensors.get(&format!("tokens.{i}")))
            .map(|tokens| tokens.to_dtype(DType::U32).unwrap().to_vec1().unwrap())
            .collect();
        Self { tensors, sequences }
    }
}

/// The folder of an adapter's fixture: see `tests/fixtures/make_lora.py`.
pub fn adapter_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lora").join(name)
}

/// The names of all adapters' fixtures that peft made.
pub fn adapters() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(adapter_folder(""))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("expected.safetensors").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 16, "the adapters' fixtures are not there");
    names
}

/// An adapter's fixture.
pub fn adapter(name: &str) -> Adapter {
    let reference = ModelReference::Directory(adapter_folder(name));
    mora::lora::files::open(&reference).unwrap().0
}

/// The base that an adapter's fixture was made for, and the tokens that its logits are of.
pub fn base_of(adapter: &Adapter) -> (Decoder, Vec<u32>) {
    let base = adapter.config().base.clone().unwrap();
    match base.strip_prefix("tests/fixtures/families/") {
        Some(name) => {
            let folder = family(name);
            (decoder(&folder, "config.json"), Reference::of(&folder).sequences[0].clone())
        }
        None => (open_model("mora/tiny-ipd").decoder().clone(), vec![2, 17, 301, 5, 599, 42, 7, 640]),
    }
}

/// The decoder with an adapter's side paths.
pub fn adapted(base: &Decoder, adapter: &Adapter) -> Decoder {
    let paths = adapter.side_paths(base.config()).unwrap();
    base.with_side_paths(paths.iter().map(|(name, path)| (name.as_str(), path))).unwrap()
}

/// A sequence's logits: [pos, d_vocab].
pub fn logits(decoder: &Decoder, tokens: &[u32]) -> Tensor {
    let tree = TokenTree::shared(&[tokens.to_vec()]).unwrap();
    let output = decoder.forward(&tree, Pass::new(&mut NoTap, Read::All)).unwrap();
    output.logits.unwrap().get(0).unwrap()
}

/// What peft computed for an adapter: the logits of the last positions, or of all.
pub fn expected_logits(folder: &Path) -> Tensor {
    candle_core::safetensors::load(folder.join("expected.safetensors"), &Device::Cpu).unwrap()["logits"]
        .clone()
}

/// How far mora's logits lie from peft's.
pub fn logits_distance(found: &Tensor, expected: &Tensor) -> f32 {
    let rows = expected.dim(0).unwrap();
    distance(&found.narrow(0, found.dim(0).unwrap() - rows, rows).unwrap(), expected)
}

/// The largest difference between two tensors; equal infinities do not differ.
pub fn distance(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let flat = |t: &Tensor| t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    flat(a)
        .iter()
        .zip(flat(b))
        .map(|(&a, b)| if a == b { 0.0 } else { (a - b).abs() })
        .fold(0.0, |max, d| if d.is_nan() || d > max { d } else { max })
}

/// What two orders of summing the same terms may differ by: some hundred float32 roundings of the largest.
pub fn rounding(values: &Tensor) -> f32 {
    let largest = values.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
    100.0 * f32::EPSILON * largest.max(1.0)
}

/// A real model's file, from `$MORA_TEST_MODELS` or `~/.cache/mora-models`. Where it is not there,
/// the test says so and passes, or fails where `MORA_REAL_MODELS=1` asks for it.
pub fn real_model(file: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("MORA_TEST_MODELS") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::home_dir().unwrap().join(".cache/mora-models"),
    };
    let path = folder.join(file);
    if path.exists() {
        return Some(path);
    }
    let what = format!("{} is not there: run scripts/fetch_test_models.sh", path.display());
    assert!(std::env::var("MORA_REAL_MODELS").as_deref() != Ok("1"), "{what}");
    eprintln!("skipped: {what}");
    None
}

/// What other programs computed for a trained model: see `tests/fixtures/make_real.py`.
pub fn real_fixture(name: &str) -> serde_json::Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/real");
    serde_json::from_str(&std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap()).unwrap()
}

/// A model as `load_model` opens it: float32, on the CPU.
pub fn open_model(reference: &str) -> Model {
    open(&ModelReference::from_str(reference).unwrap(), &OpenOptions::default())
        .unwrap()
        .into_model()
        .unwrap()
        .0
}

/// The user's turns of the fifteen prompts: see `tests/fixtures/make_prompts.py`.
pub fn ipd_turns() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ipd_prompts.json");
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let prompts = json["prompts"].as_array().unwrap();
    prompts.iter().map(|prompt| prompt["text"].as_str().unwrap().to_owned()).collect()
}

/// log softmax of a row of logits, in float64, and the logarithm of Σ e^logit.
pub fn log_softmax(logits: &Tensor) -> (Vec<f64>, f64) {
    let logits: Vec<f32> = logits.to_vec1().unwrap();
    let max = f64::from(logits.iter().fold(f32::NEG_INFINITY, |max, &logit| max.max(logit)));
    let sum = max + logits.iter().map(|&logit| (f64::from(logit) - max).exp()).sum::<f64>().ln();
    (logits.iter().map(|&logit| f64::from(logit) - sum).collect(), sum)
}
