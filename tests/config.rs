//! Published `config.json` files, and what they mean.
#![allow(clippy::unwrap_used)]

use mora::model::config::{Activation, ArchConfig, NormKind, RopeScaling};
use serde_json::{Value, json};

fn config(json: Value) -> ArchConfig {
    ArchConfig::from_hf(&json).unwrap()
}

#[test]
fn gemma_2_2b() {
    let config = config(json!({
        "model_type": "gemma2", "hidden_size": 2304, "num_hidden_layers": 26, "intermediate_size": 9216,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 256_000,
        "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "query_pre_attn_scalar": 256,
        "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0, "sliding_window": 4096, "max_position_embeddings": 8192, "attention_bias": false,
    }));
    assert_eq!((config.n_layers(), config.n_heads, config.n_kv_heads, config.d_head), (26, 8, 4, 256));
    assert_eq!(
        (config.attn_softcap, config.final_softcap, config.attn_scale),
        (Some(50.0), Some(30.0), 0.0625)
    );
    assert_eq!((config.embed_scale, config.norm.weight_offset), (48.0, 1.0));
    assert_eq!((config.layers[0].window, config.layers[1].window), (Some(4096), None));
    assert!(config.tied_embeddings && config.post_norms && config.gated);
    assert_eq!(config.activation, Activation::GeluTanh);
}

#[test]
fn llama_3_2_1b() {
    let config = config(json!({
        "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16, "intermediate_size": 8192,
        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128_256,
        "rms_norm_eps": 1e-5, "rope_theta": 500_000.0, "hidden_act": "silu", "tie_word_embeddings": true,
        "max_position_embeddings": 131_072, "mlp_bias": false, "attention_bias": false, "pretraining_tp": 1,
        "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    }));
    assert_eq!((config.ropes[0].theta, config.ropes[0].d_rotary), (500_000.0, 64));
    let expected = RopeScaling::Llama3 {
        factor: 32.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_context: 8192.0,
    };
    assert_eq!(config.ropes[0].scaling, expected);
    assert_eq!((config.attn_scale, config.norm.weight_offset, config.embed_scale), (0.125, 0.0, 1.0));
    assert!(config.tied_embeddings && !config.qkv_bias);
}

#[test]
fn gemma_3_with_eyes_is_read_as_its_text() {
    let config = config(json!({
        "model_type": "gemma3", "vision_config": {"hidden_size": 1152}, "image_token_index": 262_144,
        "text_config": {"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240,
            "num_hidden_layers": 34, "sliding_window": 1024, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}},
    }));
    assert_eq!(
        (config.n_layers(), config.n_heads, config.n_kv_heads, config.vocab_size),
        (34, 8, 4, 262_208)
    );
    let global: Vec<usize> = (0..34).filter(|layer| config.layers[*layer].window.is_none()).collect();
    assert_eq!(global, [5, 11, 17, 23, 29]);
    assert_eq!((config.ropes[0].theta, config.ropes[1].theta), (10_000.0, 1_000_000.0));
    assert_eq!(config.ropes[0].scaling, RopeScaling::None);
    assert_eq!(config.ropes[1].scaling, RopeScaling::Linear { factor: 8.0 });
    assert_eq!((config.layers[4].rope, config.layers[5].rope), (Some(0), Some(1)));
    assert!(config.qk_norm && config.attn_softcap.is_none() && config.final_softcap.is_none());
}

#[test]
fn mistral_slides_unless_it_says_null() {
    let mistral = |window: Option<Value>| {
        let mut json = json!({"model_type": "mistral", "num_hidden_layers": 2});
        if let Some(window) = window {
            json["sliding_window"] = window;
        }
        config(json).layers[1].window
    };
    assert_eq!(mistral(None), Some(4096));
    assert_eq!(mistral(Some(json!(1024))), Some(1024));
    assert_eq!(mistral(Some(Value::Null)), None);
}

#[test]
fn qwen_biases_norms_and_windows() {
    let two = config(json!({"model_type": "qwen2", "hidden_size": 896, "num_attention_heads": 14,
        "num_key_value_heads": 2, "num_hidden_layers": 24, "sliding_window": 32768, "use_sliding_window": false}));
    assert!(two.qkv_bias && !two.attn_out_bias && !two.qk_norm);
    assert_eq!((two.d_head, two.layers[23].window), (64, None));
    let sliding = config(json!({"model_type": "qwen2", "num_hidden_layers": 4, "use_sliding_window": true,
        "sliding_window": 8, "max_window_layers": 2}));
    let windows: Vec<_> = sliding.layers.iter().map(|layer| layer.window).collect();
    assert_eq!(windows, [None, None, Some(8), Some(8)]);
    let three = config(json!({"model_type": "qwen3", "hidden_size": 1024, "num_attention_heads": 16,
        "num_key_value_heads": 8}));
    assert!(three.qk_norm && !three.qkv_bias);
    assert_eq!(three.d_head, 128);
}

#[test]
fn the_gpts() {
    let gpt2 = config(
        json!({"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_ctx": 1024,
        "n_positions": 1024, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "vocab_size": 50257}),
    );
    assert!(gpt2.learned_positions && gpt2.qkv_bias && gpt2.mlp_bias && !gpt2.gated && gpt2.tied_embeddings);
    assert_eq!((gpt2.d_mlp, gpt2.n_ctx, gpt2.norm.kind), (3072, 1024, NormKind::Layer));
    assert!(gpt2.layers.iter().all(|layer| layer.rope.is_none()));
    let pythia = config(json!({"model_type": "gpt_neox", "hidden_size": 512, "num_attention_heads": 8,
        "num_hidden_layers": 6, "intermediate_size": 2048, "rotary_pct": 0.25, "rotary_emb_base": 10000,
        "hidden_act": "gelu", "use_parallel_residual": true, "vocab_size": 50304, "tie_word_embeddings": false}));
    assert!(pythia.parallel_residual && !pythia.tied_embeddings);
    assert_eq!((pythia.ropes[0].d_rotary, pythia.ropes[0].theta), (16, 10_000.0));
    assert_eq!(pythia.activation, Activation::Gelu);
}
