//! The families with mean-and-variance norms and biases: GPT-2 and GPT-NeoX.

use super::fields::Fields;
use super::{activation, even_heads, layer_count, rope};
use crate::error::Result;
use crate::model::config::{ArchConfig, LayerConfig, NormConfig, NormKind, RopeConfig};

pub(super) fn gpt2(json: Fields) -> Result<ArchConfig> {
    let either = |name: &str, alias: &str, default: usize| -> Result<usize> {
        Ok(json.size(name)?.or(json.size(alias)?).unwrap_or(default))
    };
    let d_model = either("n_embd", "hidden_size", 768)?;
    let n_heads = either("n_head", "num_attention_heads", 12)?;
    let d_head = even_heads(d_model, n_heads)?;
    let layers = if json.has("n_layer") { "n_layer" } else { "num_hidden_layers" };
    let scaled = json.flag_or("scale_attn_weights", true)?;
    Ok(ArchConfig {
        family: "gpt2".to_owned(),
        vocab_size: json.size_or("vocab_size", 50_257)?,
        d_model,
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        d_mlp: json.size_or("n_inner", 4 * d_model)?,
        n_ctx: either("n_positions", "max_position_embeddings", 1024)?,
        embed_scale: 1.0,
        learned_positions: true,
        ropes: Vec::new(),
        layers: vec![LayerConfig { window: None, rope: None }; layer_count(json, layers, 12)?],
        norm: NormConfig {
            kind: NormKind::Layer,
            eps: json.positive_or("layer_norm_epsilon", 1e-5)?,
            weight_offset: 0.0,
        },
        post_norms: false,
        qk_norm: false,
        parallel_residual: false,
        attn_scale: if scaled { (d_head as f64).powf(-0.5) } else { 1.0 },
        attn_softcap: None,
        final_softcap: None,
        qkv_bias: true,
        attn_out_bias: true,
        mlp_bias: true,
        activation: activation(json.text("activation_function")?.unwrap_or("gelu_new"))?,
        gated: false,
        tied_embeddings: json.flag_or("tie_word_embeddings", true)?,
    })
}

pub(super) fn gpt_neox(json: Fields) -> Result<ArchConfig> {
    let d_model = json.size_or("hidden_size", 6144)?;
    let n_heads = json.size_or("num_attention_heads", 64)?;
    let d_head = even_heads(d_model, n_heads)?;
    let bias = json.flag_or("attention_bias", true)?;
    let rope: RopeConfig = rope::shared(json, d_head, Some(0.25))?;
    let n_layers = layer_count(json, "num_hidden_layers", 44)?;
    Ok(ArchConfig {
        family: "gpt_neox".to_owned(),
        vocab_size: json.size_or("vocab_size", 50_432)?,
        d_model,
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        d_mlp: json.size_or("intermediate_size", 24_576)?,
        n_ctx: json.size_or("max_position_embeddings", 2048)?,
        embed_scale: 1.0,
        learned_positions: false,
        ropes: vec![rope],
        layers: vec![LayerConfig { window: None, rope: Some(0) }; n_layers],
        norm: NormConfig {
            kind: NormKind::Layer,
            eps: json.positive_or("layer_norm_eps", 1e-5)?,
            weight_offset: 0.0,
        },
        post_norms: false,
        qk_norm: false,
        parallel_residual: json.flag_or("use_parallel_residual", true)?,
        attn_scale: (d_head as f64).powf(-0.5),
        attn_softcap: None,
        final_softcap: None,
        qkv_bias: bias,
        attn_out_bias: bias,
        mlp_bias: true,
        activation: activation(json.text("hidden_act")?.unwrap_or("gelu"))?,
        gated: false,
        tied_embeddings: json.flag_or("tie_word_embeddings", false)?,
    })
}
