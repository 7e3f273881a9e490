//! A decoder's shape from a Hugging Face `config.json`, as transformers 4 and 5 write it.
//!
//! Absent fields take the defaults of the family's configuration class in transformers 5.23.

mod fields;
mod gpt;
mod rope;

use serde_json::Value;

use self::fields::Fields;
use super::{Activation, ArchConfig, LayerConfig, NormConfig, NormKind};
use crate::error::{Error, Result, did_you_mean};

/// The families that can be read, by their `model_type`.
const FAMILIES: [&str; 10] =
    ["gemma", "gemma2", "gemma3", "gemma3_text", "gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3"];

/// Deeper than any decoder; a file cannot make the reader build more layers than this.
const MOST_LAYERS: usize = 4096;

impl ArchConfig {
    /// Reads the parsed `config.json` of a model in Hugging Face layout.
    ///
    /// # Errors
    /// An unknown `model_type` (the supported ones are listed), a feature that the decoder does not
    /// have (rope scalings but linear and llama3, mixtures of experts, quantised checkpoints,
    /// bidirectional attention), and fields that hold no sensible value, all by name.
    pub fn from_hf(json: &Value) -> Result<Self> {
        let top = Fields::of(json, "config.json")?;
        let family = top.text("model_type")?.ok_or_else(|| {
            Error::new("config.json has no model_type").hint(format!("one of: {}", FAMILIES.join(", ")))
        })?;
        if !FAMILIES.contains(&family) {
            let error = Error::new(format!("model_type \"{family}\" is not supported"));
            let near = did_you_mean(family, FAMILIES).map(|near| format!("{near} ")).unwrap_or_default();
            return Err(error.hint(format!("{near}supported: {}", FAMILIES.join(", "))));
        }
        refuse(top)?;
        let config = match family {
            "gemma" => gemma(top)?,
            "gemma2" => gemma2(top)?,
            "gemma3" => gemma3(top.object("text_config")?.unwrap_or(top), top)?,
            "gemma3_text" => gemma3(top, top)?,
            "gpt2" => gpt::gpt2(top)?,
            "gpt_neox" => gpt::gpt_neox(top)?,
            "llama" => llama(top)?,
            "mistral" => mistral(top)?,
            "qwen2" => qwen(top, Qwen::Two)?,
            _ => qwen(top, Qwen::Three)?,
        };
        config.validate()?;
        Ok(config)
    }
}

/// Features that would change the numbers and that the decoder does not have.
fn refuse(json: Fields) -> Result<()> {
    for (name, what) in [
        ("quantization_config", "quantised checkpoints in Hugging Face layout"),
        ("num_local_experts", "mixtures of experts"),
        ("num_experts", "mixtures of experts"),
        ("n_routed_experts", "mixtures of experts"),
    ] {
        if json.get(name).is_some() {
            return Err(Error::new(format!("config.json has {name}: {what} are not supported"))
                .hint("use the float checkpoint of a dense model, or a GGUF file"));
        }
    }
    for (name, what) in [
        ("use_bidirectional_attention", "bidirectional attention"),
        ("scale_attn_by_inverse_layer_idx", "attention scaled by the layer's number"),
        ("add_cross_attention", "cross-attention"),
    ] {
        if json.flag_or(name, false)? {
            return Err(Error::new(format!("config.json sets {name}: {what} is not supported")));
        }
    }
    Ok(())
}

/// The names and defaults of what every family has.
struct Base {
    family: &'static str,
    vocab_size: usize,
    d_model: usize,
    n_heads: usize,
    n_kv_heads: Option<usize>,
    d_head: Option<usize>,
    d_mlp: usize,
    n_ctx: usize,
    n_layers: usize,
    eps: f64,
    tied: bool,
    activation: &'static str,
}

/// Reads what all rotary families name alike; the rest starts as Llama has it.
fn rotary_family(json: Fields, base: Base) -> Result<ArchConfig> {
    let d_model = json.size_or("hidden_size", base.d_model)?;
    let n_heads = json.size_or("num_attention_heads", base.n_heads)?;
    let n_kv_heads = json.size_or("num_key_value_heads", base.n_kv_heads.unwrap_or(n_heads))?;
    let d_head = match json.size("head_dim")?.or(base.d_head) {
        Some(d_head) => d_head,
        None => even_heads(d_model, n_heads)?,
    };
    let n_layers = layer_count(json, "num_hidden_layers", base.n_layers)?;
    let named = match json.text("hidden_activation")? {
        Some(name) => Some(name),
        None => json.text("hidden_act")?,
    };
    Ok(ArchConfig {
        family: base.family.to_owned(),
        vocab_size: json.size_or("vocab_size", base.vocab_size)?,
        d_model,
        n_heads,
        n_kv_heads,
        d_head,
        d_mlp: json.size_or("intermediate_size", base.d_mlp)?,
        n_ctx: json.size_or("max_position_embeddings", base.n_ctx)?,
        embed_scale: 1.0,
        learned_positions: false,
        ropes: vec![rope::shared(json, d_head, None)?],
        layers: vec![LayerConfig { window: None, rope: Some(0) }; n_layers],
        norm: NormConfig {
            kind: NormKind::Rms,
            eps: json.positive_or("rms_norm_eps", base.eps)?,
            weight_offset: 0.0,
        },
        post_norms: false,
        qk_norm: false,
        parallel_residual: false,
        attn_scale: (d_head as f64).powf(-0.5),
        attn_softcap: None,
        final_softcap: None,
        qkv_bias: json.flag_or("attention_bias", false)?,
        attn_out_bias: json.flag_or("attention_bias", false)?,
        mlp_bias: false,
        activation: activation(named.unwrap_or(base.activation))?,
        gated: true,
        tied_embeddings: json.flag_or("tie_word_embeddings", base.tied)?,
    })
}

fn layer_count(json: Fields, name: &str, default: usize) -> Result<usize> {
    match json.size_or(name, default)? {
        layers if layers <= MOST_LAYERS => Ok(layers),
        layers => Err(Error::new(format!("{name} is {layers}, expected up to {MOST_LAYERS}"))),
    }
}

fn even_heads(d_model: usize, n_heads: usize) -> Result<usize> {
    if d_model.is_multiple_of(n_heads) {
        Ok(d_model / n_heads)
    } else {
        Err(Error::new(format!("a width of {d_model} does not divide into {n_heads} attention heads")))
    }
}

fn activation(name: &str) -> Result<Activation> {
    match name {
        "silu" | "swish" => Ok(Activation::Silu),
        "gelu" | "gelu_python" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "gelu_python_tanh" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        other => Err(Error::new(format!("activation \"{other}\" is not supported"))
            .hint("supported: silu, gelu, gelu_new, gelu_pytorch_tanh, relu")),
    }
}

/// √d_model as transformers rounds it for a model in float32. (A bfloat16 model rounds it further;
/// mora keeps the float32 value whatever the dtype of the checkpoint.)
pub(in crate::model::config) fn gemma_embed_scale(d_model: usize) -> f64 {
    f64::from((d_model as f64).sqrt() as f32)
}

/// Gemma's own: scaled embeddings, and norms that multiply by 1 + w.
fn gemma_like(json: Fields, base: Base) -> Result<ArchConfig> {
    let mut config = rotary_family(json, base)?;
    config.embed_scale = gemma_embed_scale(config.d_model);
    config.norm.weight_offset = 1.0;
    // Early releases say "gelu" and mean its tanh approximation.
    if config.activation == Activation::Gelu {
        config.activation = Activation::GeluTanh;
    }
    Ok(config)
}

fn gemma(json: Fields) -> Result<ArchConfig> {
    let base = Base {
        family: "gemma",
        d_model: 3072,
        n_heads: 16,
        n_kv_heads: Some(16),
        d_mlp: 24_576,
        n_layers: 28,
        ..GEMMA2
    };
    gemma_like(json, base)
}

/// Gemma 2 by its defaults; the other versions say where they differ.
const GEMMA2: Base = Base {
    family: "gemma2",
    vocab_size: 256_000,
    d_model: 2304,
    n_heads: 8,
    n_kv_heads: Some(4),
    d_head: Some(256),
    d_mlp: 9216,
    n_ctx: 8192,
    n_layers: 26,
    eps: 1e-6,
    tied: true,
    activation: "gelu_pytorch_tanh",
};

/// What the second version brought: post-norms, a query scale of its own, softcaps.
fn gemma2_like(json: Fields, base: Base, softcaps: [Option<f64>; 2]) -> Result<ArchConfig> {
    let mut config = gemma_like(json, base)?;
    config.post_norms = true;
    config.attn_scale = json.positive_or("query_pre_attn_scalar", 256.0)?.powf(-0.5);
    config.attn_softcap = softcap(json, "attn_logit_softcapping", softcaps[0])?;
    config.final_softcap = softcap(json, "final_logit_softcapping", softcaps[1])?;
    Ok(config)
}

fn gemma2(json: Fields) -> Result<ArchConfig> {
    let mut config = gemma2_like(json, GEMMA2, [Some(50.0), Some(30.0)])?;
    slide(json, &mut config, Some(4096), |layer| layer % 2 == 0)?;
    Ok(config)
}

fn gemma3(json: Fields, top: Fields) -> Result<ArchConfig> {
    refuse(json)?;
    let tied = top.flag_or("tie_word_embeddings", true)?;
    let base = Base { family: "gemma3", vocab_size: 262_208, n_ctx: 131_072, tied, ..GEMMA2 };
    let mut config = gemma2_like(json, base, [None, None])?;
    config.ropes = rope::by_attention(json, config.d_head)?.to_vec();
    config.qk_norm = true;
    let pattern = match json.size("sliding_window_pattern")? {
        Some(pattern) => pattern,
        None => json.size_or("_sliding_window_pattern", 6)?,
    };
    let slides = slide(json, &mut config, Some(4096), |layer| (layer + 1) % pattern != 0)?;
    for (layer, slides) in config.layers.iter_mut().zip(slides) {
        layer.rope = Some(if slides { 0 } else { 1 });
    }
    Ok(config)
}

/// Llama by its defaults; what followed it says where it differs.
const LLAMA: Base = Base {
    family: "llama",
    vocab_size: 32_000,
    d_model: 4096,
    n_heads: 32,
    n_kv_heads: None,
    d_head: None,
    d_mlp: 11_008,
    n_ctx: 2048,
    n_layers: 32,
    eps: 1e-6,
    tied: false,
    activation: "silu",
};

fn llama(json: Fields) -> Result<ArchConfig> {
    let mut config = rotary_family(json, LLAMA)?;
    config.mlp_bias = json.flag_or("mlp_bias", false)?;
    Ok(config)
}

fn mistral(json: Fields) -> Result<ArchConfig> {
    let base = Base {
        family: "mistral",
        // An explicit null means one key/value head for each query head; an absent field means 8.
        n_kv_heads: (!json.has("num_key_value_heads")).then_some(8),
        d_mlp: 14_336,
        n_ctx: 131_072,
        ..LLAMA
    };
    let mut config = rotary_family(json, base)?;
    config.qkv_bias = false;
    config.attn_out_bias = false;
    slide(json, &mut config, Some(4096), |_| true)?;
    Ok(config)
}

#[derive(PartialEq)]
enum Qwen {
    Two,
    Three,
}

fn qwen(json: Fields, version: Qwen) -> Result<ArchConfig> {
    let three = version == Qwen::Three;
    let base = Base {
        family: if three { "qwen3" } else { "qwen2" },
        vocab_size: 151_936,
        n_kv_heads: (!json.has("num_key_value_heads")).then_some(32),
        d_head: three.then_some(128),
        d_mlp: 22_016,
        n_ctx: 32_768,
        ..LLAMA
    };
    let mut config = rotary_family(json, base)?;
    config.qk_norm = three;
    if !three {
        config.qkv_bias = true;
        config.attn_out_bias = false;
    }
    if json.flag_or("use_sliding_window", false)? {
        // Not a size: 0 is a sensible value here.
        let first = json.number("max_window_layers")?.unwrap_or(28.0);
        slide(json, &mut config, Some(4096), |layer| layer as f64 >= first)?;
    }
    Ok(config)
}

/// A softcap: absent means the family's default, `null` means none.
fn softcap(json: Fields, name: &str, default: Option<f64>) -> Result<Option<f64>> {
    if json.has(name) { json.positive(name) } else { Ok(default) }
}

/// Gives sliding layers their window and returns which layers slide.
///
/// `layer_types` decides where it is written, `pattern` elsewhere. An explicit `null` as
/// `sliding_window` means that nothing slides.
fn slide(
    json: Fields,
    config: &mut ArchConfig,
    default: Option<usize>,
    pattern: impl Fn(usize) -> bool,
) -> Result<Vec<bool>> {
    let n_layers = config.n_layers();
    let slides = match json.get("layer_types") {
        None => (0..n_layers).map(pattern).collect(),
        Some(Value::Array(kinds)) if kinds.len() == n_layers => {
            kinds.iter().map(layer_slides).collect::<Result<Vec<_>>>()?
        }
        Some(Value::Array(kinds)) => {
            return Err(Error::new(format!("layer_types lists {} layers of {n_layers}", kinds.len())));
        }
        Some(_) => return Err(Error::new("layer_types is no list")),
    };
    let window = if json.has("sliding_window") { json.size("sliding_window")? } else { default };
    for (layer, slides) in config.layers.iter_mut().zip(&slides) {
        layer.window = window.filter(|_| *slides);
    }
    Ok(slides)
}

fn layer_slides(kind: &Value) -> Result<bool> {
    match kind.as_str() {
        Some("full_attention") => Ok(false),
        Some("sliding_attention") => Ok(true),
        _ => Err(Error::new(format!(
            "layer type {kind} is not supported, expected \"full_attention\" or \"sliding_attention\""
        ))),
    }
}
