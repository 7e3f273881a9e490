//! A Llama of one layer, width 4, one head and eight tokens, and the files that it may be opened from.

use std::path::Path;

use serde_json::{Value, json};

/// Its `config.json`.
pub const CONFIG: &str = r#"{"model_type": "llama", "hidden_size": 4, "num_attention_heads": 1, "intermediate_size": 8,
    "num_hidden_layers": 1, "vocab_size": 8, "max_position_embeddings": 16, "tie_word_embeddings": true}"#;

/// Its `tokenizer.json`.
pub const TOKENIZER: &str = r#"{"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
    "post_processor": null, "decoder": null,
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<s>": 3, "</s>": 4}, "merges": ["a b"]}}"#;

/// Its weights by the names of its `model.safetensors`.
pub const WEIGHTS: [(&str, &[u64]); 11] = [
    ("model.embed_tokens.weight", &[8, 4]),
    ("model.norm.weight", &[4]),
    ("model.layers.0.input_layernorm.weight", &[4]),
    ("model.layers.0.post_attention_layernorm.weight", &[4]),
    ("model.layers.0.self_attn.q_proj.weight", &[4, 4]),
    ("model.layers.0.self_attn.k_proj.weight", &[4, 4]),
    ("model.layers.0.self_attn.v_proj.weight", &[4, 4]),
    ("model.layers.0.self_attn.o_proj.weight", &[4, 4]),
    ("model.layers.0.mlp.gate_proj.weight", &[8, 4]),
    ("model.layers.0.mlp.up_proj.weight", &[8, 4]),
    ("model.layers.0.mlp.down_proj.weight", &[4, 8]),
];

/// An adapter of q_proj and the MLP's down projection, rank 2.
pub const ADAPTER: [(&str, &[u64]); 4] = [
    ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", &[2, 4]),
    ("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight", &[4, 2]),
    ("base_model.model.model.layers.0.mlp.down_proj.lora_A.weight", &[2, 8]),
    ("base_model.model.model.layers.0.mlp.down_proj.lora_B.weight", &[4, 2]),
];

/// A safetensors file of these tensors: every number the same.
pub fn safetensors(tensors: &[(&str, &[u64])]) -> Vec<u8> {
    let (mut header, mut at) = (json!({}), 0);
    for (name, shape) in tensors {
        let end = at + 4 * shape.iter().product::<u64>();
        header[*name] = json!({"dtype": "F32", "shape": shape, "data_offsets": [at, end]});
        at = end;
    }
    let header = Value::to_string(&header);
    let data = 0.25_f32.to_le_bytes().repeat(at as usize / 4);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}

/// Lays its files into a folder.
pub fn write(folder: &Path) {
    std::fs::write(folder.join("config.json"), CONFIG).expect("a folder to write into");
    std::fs::write(folder.join("tokenizer.json"), TOKENIZER).expect("a folder to write into");
    std::fs::write(folder.join("model.safetensors"), safetensors(&WEIGHTS)).expect("a folder to write into");
}
