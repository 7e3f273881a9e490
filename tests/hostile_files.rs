//! Files that lie: each ends in an error that names file and tensor, expected and found, at once and
//! without memory for what a header merely claims.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mora::model::open::{OpenOptions, open};
use mora::model::reference::Reference;
use serde_json::{Value, json};

/// Remembers the largest allocation of the process.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// More than any of these small files needs (regular expressions compile into some hundred
/// kilobytes), and far less than any of them claims.
const SMALL: usize = 8 << 20;

/// Opening fails, quickly and in little memory; returns what it says.
fn fault(path: &Path) -> String {
    let attempt = || {
        let start = Instant::now();
        let result = Reference::from_str(path.to_str().unwrap())
            .and_then(|reference| open(&reference, &OpenOptions::default()));
        let Err(error) = result else { panic!("{} opened", path.display()) };
        (start.elapsed(), error.to_string())
    };
    // A machine under load may be slow once: the quickest of three counts.
    let attempts = [attempt(), attempt(), attempt()];
    let quickest = attempts.iter().map(|(time, _)| *time).min().unwrap();
    assert!(quickest < Duration::from_millis(100), "{quickest:?} for: {}", attempts[0].1);
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < SMALL, "an allocation of {largest} bytes");
    attempts[0].1.clone()
}

fn says(path: &Path, expected: &[&str]) {
    let what = fault(path);
    for part in expected {
        assert!(what.contains(part), "expected {part:?} in: {what}");
    }
}

/// A model folder: a Llama of one layer, width 4, one head, eight tokens.
struct Folder(tempfile::TempDir);

const CONFIG: &str = r#"{"model_type": "llama", "hidden_size": 4, "num_attention_heads": 1, "intermediate_size": 8,
    "num_hidden_layers": 1, "vocab_size": 8, "max_position_embeddings": 16, "tie_word_embeddings": true}"#;

fn tensors() -> Vec<(&'static str, Vec<u64>)> {
    vec![
        ("model.embed_tokens.weight", vec![8, 4]),
        ("model.norm.weight", vec![4]),
        ("model.layers.0.input_layernorm.weight", vec![4]),
        ("model.layers.0.post_attention_layernorm.weight", vec![4]),
        ("model.layers.0.self_attn.q_proj.weight", vec![4, 4]),
        ("model.layers.0.self_attn.k_proj.weight", vec![4, 4]),
        ("model.layers.0.self_attn.v_proj.weight", vec![4, 4]),
        ("model.layers.0.self_attn.o_proj.weight", vec![4, 4]),
        ("model.layers.0.mlp.gate_proj.weight", vec![8, 4]),
        ("model.layers.0.mlp.up_proj.weight", vec![8, 4]),
        ("model.layers.0.mlp.down_proj.weight", vec![4, 8]),
    ]
}

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("config.json", CONFIG);
        let tokenizer = json!({
            "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
            "post_processor": null, "decoder": null,
            "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
        });
        folder.write("tokenizer.json", &tokenizer.to_string());
        let (header, data) = header();
        folder.weights(&header, &data);
        folder
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn weights(&self, header: &Value, data: &[u8]) {
        let header = header.to_string();
        let length = header.len() as u64;
        let bytes = [&length.to_le_bytes(), header.as_bytes(), data].concat();
        std::fs::write(self.0.path().join("model.safetensors"), bytes).unwrap();
    }

    /// Opens after a change to the header.
    fn says(&self, change: impl Fn(&mut Value), expected: &[&str]) {
        let (mut header, data) = header();
        change(&mut header);
        self.weights(&header, &data);
        says(&self.path(), expected);
    }

    /// Opens after a change to config.json.
    fn config_says(&self, change: impl Fn(&mut Value), expected: &[&str]) {
        let mut config: Value = serde_json::from_str(CONFIG).unwrap();
        change(&mut config);
        self.write("config.json", &config.to_string());
        says(&self.path(), expected);
    }
}

fn header() -> (Value, Vec<u8>) {
    let (mut header, mut at) = (json!({}), 0);
    for (name, shape) in tensors() {
        let end = at + 4 * shape.iter().product::<u64>();
        header[name] = json!({"dtype": "F32", "shape": shape, "data_offsets": [at, end]});
        at = end;
    }
    (header, vec![0; at as usize])
}

const FILE: &str = "model.safetensors";
const Q: &str = "model.layers.0.self_attn.q_proj.weight";

#[test]
fn the_untouched_folder_opens() {
    let folder = Folder::new();
    open(&Reference::from_str(folder.path().to_str().unwrap()).unwrap(), &OpenOptions::default()).unwrap();
}

#[test]
fn truncated_safetensors() {
    let folder = Folder::new();
    let file = folder.path().join(FILE);
    let whole = std::fs::read(&file).unwrap();
    for (length, expected) in [
        (0, "at least 8"),
        (5, "at least 8"),
        (8, "header claims"),
        (200, "header claims"),
        (whole.len() - 1, "bytes"),
    ] {
        std::fs::write(&file, &whole[..length]).unwrap();
        says(&folder.path(), &[FILE, expected]);
    }
}

#[test]
fn a_header_length_that_lies() {
    let folder = Folder::new();
    let file = folder.path().join(FILE);
    let whole = std::fs::read(&file).unwrap();
    for length in [u64::MAX, 1 << 60, 1 << 33, whole.len() as u64] {
        std::fs::write(&file, [&length.to_le_bytes(), &whole[8..]].concat()).unwrap();
        says(&folder.path(), &[FILE, &format!("claims {length} bytes")]);
    }
    for length in [0u64, 3, 100] {
        std::fs::write(&file, [&length.to_le_bytes(), &whole[8..]].concat()).unwrap();
        says(&folder.path(), &[FILE, "broken header"]);
    }
}

#[test]
fn offsets_that_lie() {
    let folder = Folder::new();
    let offsets = |offsets: Value| move |header: &mut Value| header[Q]["data_offsets"] = offsets.clone();
    folder.says(offsets(json!([1u64 << 60, (1u64 << 60) + 64])), &[FILE, Q, "but the file holds"]);
    folder.says(offsets(json!([0, u64::MAX])), &[FILE, Q, "but the file holds"]);
    folder.says(offsets(json!([200, 136])), &[FILE, Q, "200 to 136"]);
    folder.says(offsets(json!([176, 180])), &[FILE, Q, "4 bytes are stored, expected 64"]);
    folder.says(offsets(json!([128, 192])), &[FILE, Q, "overlap"]);
    folder.says(offsets(json!([-1, 64])), &[FILE, "broken header"]);
    folder.says(offsets(json!([0.5, 64])), &[FILE, "broken header"]);
}

#[test]
fn shapes_and_types_that_lie() {
    let folder = Folder::new();
    let shape = |shape: Value| move |header: &mut Value| header[Q]["shape"] = shape.clone();
    folder.says(shape(json!([2, 8])), &[FILE, Q, "shape [2, 8], expected [4, 4]"]);
    folder.says(shape(json!([16])), &[FILE, Q, "shape [16], expected [4, 4]"]);
    folder.says(shape(json!([4, 4, 1])), &[FILE, Q, "expected [4, 4]"]);
    folder.says(shape(json!([1u64 << 60, 4])), &[FILE, Q, "64 bytes are stored"]);
    folder.says(shape(json!([1u64 << 60, 1u64 << 60])), &[FILE, Q, "more elements than can be counted"]);
    let dtype = |dtype: &'static str| move |header: &mut Value| header[Q]["dtype"] = json!(dtype);
    folder.says(dtype("I32"), &[FILE, Q, "type I32, expected a float type"]);
    folder.says(dtype("F16"), &[FILE, Q, "64 bytes are stored, expected 32 for F16"]);
    folder.says(dtype("nonsense"), &[FILE, Q, "nonsense"]);
}

#[test]
fn tensors_that_are_missing_or_unexpected() {
    let folder = Folder::new();
    let without =
        |name: &'static str| move |header: &mut Value| drop(header.as_object_mut().unwrap().remove(name));
    folder.says(without(Q), &[FILE, "1 of 11 tensors are missing", Q]);
    folder.says(without("model.embed_tokens.weight"), &[FILE, "missing", "model.embed_tokens.weight"]);
    let more = |header: &mut Value| {
        header["model.layers.1.extra.weight"] = json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]});
    };
    folder.says(more, &[FILE, "1 tensors have no place in a llama decoder", "model.layers.1.extra.weight"]);
    folder.says(|header| *header = json!({}), &[FILE, "0 tensors"]);
    folder.says(|header| *header = json!([]), &[FILE, "broken header"]);
    let twice = r#"{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#;
    let bytes = [&(twice.len() as u64).to_le_bytes(), twice.as_bytes()].concat();
    std::fs::write(folder.path().join(FILE), bytes).unwrap();
    says(&folder.path(), &[FILE, "\"a\" is stored twice"]);
}

#[test]
fn shards_outside_the_folder() {
    let folder = Folder::new();
    let index = "model.safetensors.index.json";
    for shard in
        ["../model.safetensors", "/etc/passwd", "sub/model.safetensors", "..\\x.safetensors", "x.bin"]
    {
        folder.write(index, &json!({"weight_map": {Q: shard}}).to_string());
        says(&folder.path(), &[index, Q, "same folder"]);
    }
    folder.write(index, &json!({"weight_map": {Q: "model-00001-of-00002.safetensors"}}).to_string());
    says(&folder.path(), &[index, "model-00001-of-00002.safetensors", "not in the folder"]);
    for broken in ["{}", "{\"weight_map\": {}}", "{\"weight_map\": []}"] {
        folder.write(index, broken);
        says(&folder.path(), &[index, "weight_map"]);
    }
    folder.write(index, "{");
    says(&folder.path(), &[index, "no JSON"]);
}

#[test]
fn configs_that_make_no_decoder() {
    let folder = Folder::new();
    let set = |name: &'static str, value: Value| move |config: &mut Value| config[name] = value.clone();
    folder.config_says(set("num_attention_heads", json!(0)), &["config.json", "num_attention_heads is 0"]);
    folder.config_says(set("num_attention_heads", json!(-3)), &["num_attention_heads is -3"]);
    folder.config_says(set("num_attention_heads", json!("8")), &["num_attention_heads is \"8\""]);
    folder.config_says(set("num_attention_heads", json!(3)), &["4 does not divide into 3"]);
    folder.config_says(set("num_key_value_heads", json!(0)), &["num_key_value_heads is 0"]);
    folder.config_says(set("num_key_value_heads", json!(2)), &["1 attention heads cannot share 2"]);
    folder.config_says(set("num_hidden_layers", json!(0)), &["num_hidden_layers is 0"]);
    folder.config_says(set("num_hidden_layers", json!(1u64 << 60)), &["num_hidden_layers"]);
    folder.config_says(set("num_hidden_layers", json!(1 << 20)), &["expected up to 4096"]);
    folder.config_says(set("num_hidden_layers", json!(4096)), &[FILE, "expected at least 24576"]);
    folder
        .config_says(set("vocab_size", json!(1u64 << 28)), &[FILE, "shape [8, 4], expected [268435456, 4]"]);
    folder.config_says(set("hidden_size", json!(1.5)), &["hidden_size is 1.5"]);
    folder.config_says(set("head_dim", json!(3)), &["3 rotary dimensions"]);
    // A share of the head that rounds down to nothing.
    let nothing_rotated = |config: &mut Value| {
        *config =
            json!({"model_type": "gpt_neox", "hidden_size": 2, "num_attention_heads": 2, "rotary_pct": 0.5});
    };
    folder.config_says(nothing_rotated, &["0 rotary dimensions", "from 2 up to the head width 1"]);
    folder.config_says(set("rms_norm_eps", json!(-1.0)), &["rms_norm_eps is -1"]);
    folder.config_says(set("rope_theta", json!(0)), &["rope_theta is 0"]);
    folder.config_says(set("hidden_act", json!("mish")), &["activation \"mish\"", "supported"]);
    folder.config_says(
        set("model_type", json!("lama")),
        &["\"lama\" is not supported", "did you mean \"llama\""],
    );
    folder.config_says(set("model_type", Value::Null), &["no model_type"]);
    folder.config_says(set("num_local_experts", json!(8)), &["mixtures of experts"]);
    folder.config_says(set("quantization_config", json!({})), &["quantised checkpoints"]);
    for kind in ["yarn", "dynamic", "longrope"] {
        let scaling = json!({"rope_type": kind, "factor": 4.0});
        folder.config_says(set("rope_scaling", scaling.clone()), &[&format!("rope scaling \"{kind}\"")]);
        folder.config_says(set("rope_parameters", scaling), &[&format!("rope scaling \"{kind}\"")]);
    }
    folder.config_says(set("rope_scaling", json!({"type": "linear"})), &["factor is missing"]);
    folder.write("config.json", "[]");
    says(&folder.path(), &["config.json is a list, expected an object"]);
    folder.write("config.json", "");
    says(&folder.path(), &["config.json", "no JSON"]);
    folder.write("config.json", &"[".repeat(100_000));
    says(&folder.path(), &["config.json", "no JSON"]);
}

#[test]
fn tokenizers_that_contradict_themselves() {
    let folder = Folder::new();
    let model = |model: Value| {
        folder.write(
            "tokenizer.json",
            &json!({"version": "1.0", "added_tokens": [], "model": model}).to_string(),
        );
        says(&folder.path(), &["tokenizer.json"]);
    };
    model(json!({"type": "BPE", "vocab": {}, "merges": []}));
    model(json!({"type": "BPE", "vocab": {"a": 0}, "merges": ["a a"]}));
    model(json!({"type": "BPE", "vocab": {"a": 0, "bb": 1}, "merges": [["bb", "bb"]]}));
    model(json!({"type": "BPE", "vocab": {"a": 0}, "merges": ["a c"]}));
    model(
        json!({"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"], "continuing_subword_prefix": "####"}),
    );
    model(json!({"type": "BPE", "vocab": {"a": -1}, "merges": []}));
    model(json!({"type": "Unheard"}));
    model(json!({"type": "Unigram", "unk_id": 7, "vocab": [["a", 0.0]]}));
    for broken in ["", "{}", "[]", "{\"model\": null}", "not json"] {
        folder.write("tokenizer.json", broken);
        says(&folder.path(), &["tokenizer.json"]);
    }
}

#[test]
fn tokenizers_that_multiply_texts() {
    let folder = Folder::new();
    let tokenizer = |part: &str, list: &str| {
        let replace = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"});
        json!({
            "version": "1.0", "added_tokens": [],
            part: {"type": "Sequence", list: vec![replace; 12]},
            "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
        })
    };
    for (part, list) in [("normalizer", "normalizers"), ("decoder", "decoders")] {
        folder.write("tokenizer.json", &tokenizer(part, list).to_string());
        says(&folder.path(), &["tokenizer.json", part, "1000000000000 times as long"]);
    }
}

#[test]
fn a_chat_template_that_does_not_parse() {
    let folder = Folder::new();
    folder.write("chat_template.jinja", "{% for x in %}");
    says(&folder.path(), &["chat template does not parse"]);
}

/// A GGUF file in the making.
#[derive(Clone, Default)]
struct Gguf {
    keys: Vec<u8>,
    n_keys: u64,
    tensors: Vec<u8>,
    n_tensors: u64,
    data: Vec<u8>,
}

impl Gguf {
    /// The same Llama of one layer, width 4, eight tokens.
    fn new() -> Self {
        let mut gguf = Self::default();
        gguf.text("general.architecture", "llama");
        for (key, value) in [
            ("block_count", 1u32),
            ("context_length", 16),
            ("embedding_length", 4),
            ("feed_forward_length", 8),
            ("attention.head_count", 1),
        ] {
            gguf.number(&format!("llama.{key}"), value);
        }
        gguf.key("llama.attention.layer_norm_rms_epsilon", 6, &1e-5f32.to_le_bytes());
        gguf.text("tokenizer.ggml.model", "gpt2");
        gguf.texts("tokenizer.ggml.tokens", &["a", "b", "ab", "c", "d", "e", "f", "g"]);
        gguf.texts("tokenizer.ggml.merges", &["a b"]);
        for (name, shape) in tensors() {
            let name = name
                .replace("model.embed_tokens", "token_embd")
                .replace("model.norm", "output_norm")
                .replace("model.layers.0.", "blk.0.")
                .replace("input_layernorm", "attn_norm")
                .replace("post_attention_layernorm", "ffn_norm")
                .replace("self_attn.o_proj", "attn_output")
                .replace("self_attn.", "attn_")
                .replace("mlp.", "ffn_")
                .replace("_proj", "");
            gguf.tensor(&name, &shape, 0, None);
        }
        gguf
    }

    fn key(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.keys.extend(string(key));
        self.keys.extend(kind.to_le_bytes());
        self.keys.extend(value);
        self.n_keys += 1;
    }

    fn number(&mut self, key: &str, value: u32) {
        self.key(key, 4, &value.to_le_bytes());
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key, 8, &string(value));
    }

    fn texts(&mut self, key: &str, values: &[&str]) {
        let mut bytes = [&8u32.to_le_bytes()[..], &(values.len() as u64).to_le_bytes()].concat();
        values.iter().for_each(|value| bytes.extend(string(value)));
        self.key(key, 9, &bytes);
    }

    /// Describes a tensor and, where no offset is given, adds its float32 data.
    fn tensor(&mut self, name: &str, shape: &[u64], kind: u32, offset: Option<u64>) {
        self.tensors.extend(string(name));
        self.tensors.extend((shape.len() as u32).to_le_bytes());
        shape.iter().rev().for_each(|size| self.tensors.extend(size.to_le_bytes()));
        self.tensors.extend(kind.to_le_bytes());
        self.tensors.extend(offset.unwrap_or(self.data.len() as u64).to_le_bytes());
        self.n_tensors += 1;
        if offset.is_none() {
            self.data.resize(self.data.len() + 4 * shape.iter().product::<u64>() as usize, 0);
            self.data.resize(self.data.len().next_multiple_of(32), 0);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(self.n_tensors.to_le_bytes());
        bytes.extend(self.n_keys.to_le_bytes());
        bytes.extend(&self.keys);
        bytes.extend(&self.tensors);
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(&self.data);
        bytes
    }

    fn says(&self, expected: &[&str]) {
        written(&self.bytes(), |path| says(path, &[&["small.gguf"], expected].concat()));
    }
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn written(bytes: &[u8], check: impl Fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.gguf");
    std::fs::write(&path, bytes).unwrap();
    check(&path);
}

#[test]
fn the_untouched_gguf_opens() {
    written(&Gguf::new().bytes(), |path| {
        open(&Reference::from_str(path.to_str().unwrap()).unwrap(), &OpenOptions::default()).unwrap();
    });
}

#[test]
fn a_gguf_cut_anywhere() {
    let whole = Gguf::new().bytes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.gguf");
    for length in (0..whole.len()).step_by(7) {
        std::fs::write(&path, &whole[..length]).unwrap();
        says(&path, &["small.gguf"]);
    }
}

#[test]
fn a_gguf_with_any_byte_changed_never_panics() {
    let whole = Gguf::new().bytes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.gguf");
    for at in 0..whole.len() - Gguf::new().data.len() {
        for value in [0x00, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            std::fs::write(&path, &bytes).unwrap();
            let _ = open(&Reference::from_str(path.to_str().unwrap()).unwrap(), &OpenOptions::default());
        }
    }
    assert!(LARGEST.load(Ordering::Relaxed) < SMALL);
}

#[test]
fn a_gguf_that_claims_too_much() {
    let mut gguf = Gguf::new();
    gguf.n_keys = 1 << 60;
    gguf.says(&["claims 1152921504606846976 metadata keys"]);
    let mut gguf = Gguf::new();
    gguf.n_tensors = 1 << 60;
    gguf.says(&["claims 1152921504606846976 tensors"]);
    for kind in [0u32, 4, 8, 10, 12] {
        let mut gguf = Gguf::new();
        gguf.key("long", 9, &[&kind.to_le_bytes()[..], &(1u64 << 60).to_le_bytes()].concat());
        gguf.says(&["\"long\"", "claims 1152921504606846976 array elements"]);
    }
    let mut gguf = Gguf::new();
    gguf.key("long", 8, &(1u64 << 60).to_le_bytes());
    gguf.says(&["\"long\"", "claims 1152921504606846976 bytes of text"]);
    let mut gguf = Gguf::new();
    gguf.key("deep", 9, &[&9u32.to_le_bytes()[..], &1u64.to_le_bytes()].concat().repeat(1000));
    gguf.says(&["\"deep\"", "array of arrays"]);
    let mut gguf = Gguf::new();
    gguf.key("odd", 99, &[]);
    gguf.says(&["\"odd\"", "value type 99"]);
    let mut gguf = Gguf::new();
    gguf.text("general.architecture", "llama");
    gguf.says(&["general.architecture", "stored twice"]);
    for alignment in [0, 3, u32::MAX] {
        let mut gguf = Gguf::new();
        gguf.number("general.alignment", alignment);
        gguf.says(&["general.alignment", "power of two"]);
    }
}

#[test]
fn gguf_tensors_that_lie() {
    let extra = |shape: &[u64], kind: u32, offset: u64| {
        let mut gguf = Gguf::new();
        gguf.tensor("extra.weight", shape, kind, Some(offset));
        gguf
    };
    extra(&[1 << 60, 4], 0, 0).says(&["\"extra.weight\""]);
    extra(&[1 << 60, 1 << 60], 0, 0).says(&["\"extra.weight\"", "more elements than can be counted"]);
    extra(&[1 << 60], 2, 0).says(&["\"extra.weight\"", "but the file ends"]);
    extra(&[4, 4], 0, 1 << 60).says(&["\"extra.weight\"", "but the file ends"]);
    extra(&[4, 4], 0, u64::MAX).says(&["\"extra.weight\"", "but the file ends"]);
    extra(&[4, 4], 0, 0).says(&["\"extra.weight\"", "\"token_embd.weight\"", "overlap"]);
    extra(&[4, 4], 2, 0).says(&["\"extra.weight\"", "no whole number of Q4_0 blocks of 32"]);
    extra(&[1; 9], 0, 0).says(&["\"extra.weight\"", "9 dimensions"]);
    extra(&[4, 4], 17, 0).says(&["extra.weight", "no place in a llama decoder"]);
    let mut twice = Gguf::new();
    twice.tensor("output_norm.weight", &[4], 0, None);
    twice.says(&["\"output_norm.weight\" is stored twice"]);
    let mut wrong = Gguf::new();
    wrong.number("llama.attention.head_count_kv", 1);
    wrong.number("llama.attention.key_length", 8);
    wrong.says(&["\"blk.0.attn_q.weight\"", "shape [4, 4], expected [8, 4]"]);
    let mut odd = Gguf::new();
    odd.tensor("output.weight", &[8, 4], 17, Some(0));
    odd.says(&["\"output.weight\"", "GGML type 17, expected a float type"]);
}

#[test]
fn gguf_metadata_that_makes_no_decoder() {
    let with = |key: &str, value: u32| {
        let mut gguf = Gguf::new();
        let start = string(key);
        let at = gguf.keys.windows(start.len()).position(|window| window == start).unwrap() + start.len() + 4;
        gguf.keys[at..at + 4].copy_from_slice(&value.to_le_bytes());
        gguf
    };
    with("llama.attention.head_count", 0).says(&["llama.attention.head_count is 0"]);
    with("llama.attention.head_count", 3).says(&["4 does not divide into 3"]);
    with("llama.block_count", 0).says(&["llama.block_count is 0"]);
    with("llama.block_count", u32::MAX).says(&["llama.block_count"]);
    with("llama.block_count", 4000).says(&["expected at least 24000"]);
    with("llama.block_count", 2).says(&["12"]);
    with("llama.embedding_length", u32::MAX).says(&["llama.embedding_length"]);
    let mut gguf = Gguf::new();
    gguf.number("llama.expert_count", 8);
    gguf.says(&["mixtures of experts"]);
    let mut gguf = Gguf::new();
    gguf.text("llama.rope.scaling.type", "yarn");
    gguf.says(&["\"yarn\" is not supported"]);
    let mut gguf = Gguf::default();
    gguf.text("general.architecture", "mamba");
    gguf.says(&["\"mamba\" is not supported", "llama"]);
    Gguf::default().says(&["no general.architecture"]);
}

#[test]
fn gguf_vocabularies_that_contradict_themselves() {
    let bare = || {
        let mut gguf = Gguf::new();
        let start = string("tokenizer.ggml.model");
        let at = gguf.keys.windows(start.len()).position(|window| window == start).unwrap();
        gguf.keys.truncate(at);
        gguf.n_keys -= 3;
        gguf
    };
    bare().says(&["no tokenizer.ggml.model"]);
    let vocab = |kind: &str, tokens: &[&str], merges: &[&str]| {
        let mut gguf = bare();
        gguf.text("tokenizer.ggml.model", kind);
        gguf.texts("tokenizer.ggml.tokens", tokens);
        gguf.texts("tokenizer.ggml.merges", merges);
        gguf
    };
    vocab("gpt2", &[], &[]).says(&["tokenizer.ggml.tokens is empty"]);
    vocab("bert", &["a"], &[]).says(&["\"bert\" is not supported"]);
    vocab("gpt2", &["a", "b"], &["a b"]).says(&["joins \"a\" and \"b\"", "\"ab\" is no token"]);
    vocab("gpt2", &["a", "b"], &["ab"]).says(&["\"ab\", expected two tokens"]);
    let mut gguf = vocab("gpt2", &["a"], &[]);
    gguf.number("tokenizer.ggml.bos_token_id", 9);
    gguf.says(&["tokenizer.ggml.bos_token_id is 9, the vocabulary has 1"]);
    let mut gguf = vocab("gpt2", &["a"], &[]);
    gguf.text("tokenizer.ggml.pre", "unheard");
    gguf.says(&["tokenizer.ggml.pre \"unheard\""]);
    let mut gguf = vocab("llama", &["a", "b"], &[]);
    gguf.key("tokenizer.ggml.scores", 9, &[&6u32.to_le_bytes()[..], &1u64.to_le_bytes(), &[0; 4]].concat());
    gguf.says(&["tokenizer.ggml.scores has 1 entries for 2 tokens"]);
    let mut gguf = vocab("llama", &["a", "b"], &[]);
    gguf.key(
        "tokenizer.ggml.token_type",
        9,
        &[&5u32.to_le_bytes()[..], &1u64.to_le_bytes(), &[0; 4]].concat(),
    );
    gguf.says(&["tokenizer.ggml.token_type has 1 entries for 2 tokens"]);
    let mut gguf = bare();
    gguf.number("tokenizer.ggml.model", 7);
    gguf.says(&["tokenizer.ggml.model is 7, expected a text"]);
}

#[test]
fn no_gguf_at_all() {
    written(b"", |path| says(path, &["small.gguf", "does not begin with \"GGUF\""]));
    written(b"GGML\x01\0\0\0", |path| says(path, &["does not begin with \"GGUF\""]));
    written(b"GGUF\x01\0\0\0", |path| says(path, &["version 1"]));
    written(b"GGUF\0\0\0\x03", |path| says(path, &["version 50331648"]));
}
