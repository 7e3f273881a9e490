//! What tells one decoder family from another, as data.
//!
//! Every difference between Gemma, Llama, GPT-2 and the rest is a field here. A forward reads fields
//! and never asks for a family's name. [`hf`] reads the fields from a `config.json`, [`gguf`] from a
//! GGUF file's metadata.

pub mod gguf;
pub mod hf;

use super::site::{Point, Site};
use crate::error::{Error, Result};

/// Shape and arithmetic of one decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ArchConfig {
    /// The family's name (`gemma2`, `llama`, …), for people to read.
    pub family: String,
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Query heads per layer.
    pub n_heads: usize,
    /// Key/value heads per layer; divides `n_heads`.
    pub n_kv_heads: usize,
    /// Width of one head.
    pub d_head: usize,
    /// Hidden width of the MLP.
    pub d_mlp: usize,
    /// Longest sequence the model was made for, in tokens.
    pub n_ctx: usize,
    /// Factor on token embeddings (Gemma: √d_model, rounded in the model's own dtype).
    pub embed_scale: f64,
    /// Position embeddings are looked up in a table of `n_ctx` rows (GPT-2) instead of rotated in.
    pub learned_positions: bool,
    /// The rotary tables that layers refer to.
    pub ropes: Vec<RopeConfig>,
    /// What differs from layer to layer; one entry a layer.
    pub layers: Vec<LayerConfig>,
    /// All norms of the model.
    pub norm: NormConfig,
    /// A second norm on the output of attention and of the MLP, before it is added to the residual.
    pub post_norms: bool,
    /// Norms on each query and key head before rotation.
    pub qk_norm: bool,
    /// Attention and MLP both read the block's input and are added together (GPT-NeoX).
    pub parallel_residual: bool,
    /// Factor on q·k.
    pub attn_scale: f64,
    /// `c · tanh(scores / c)` before the mask.
    pub attn_softcap: Option<f64>,
    /// `c · tanh(logits / c)`.
    pub final_softcap: Option<f64>,
    /// Biases on the query, key and value projections.
    pub qkv_bias: bool,
    /// Bias on attention's output projection.
    pub attn_out_bias: bool,
    /// Biases on the MLP's projections.
    pub mlp_bias: bool,
    /// The MLP's non-linearity.
    pub activation: Activation,
    /// `down(act(gate(x)) · up(x))` instead of `down(act(up(x)))`.
    pub gated: bool,
    /// The unembedding is the embedding transposed.
    pub tied_embeddings: bool,
}

/// What may differ between layers.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerConfig {
    /// A query sees this many positions, itself included; `None` sees all before it.
    pub window: Option<usize>,
    /// Index into [`ArchConfig::ropes`]; `None` where positions are not rotated in.
    pub rope: Option<usize>,
}

/// One rotary table.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeConfig {
    /// Base of the geometric series of wavelengths.
    pub theta: f64,
    /// Leading dimensions of a head that are rotated; the rest pass through.
    pub d_rotary: usize,
    /// Change of the frequencies for longer contexts.
    pub scaling: RopeScaling,
}

/// How rotary frequencies are stretched.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All frequencies divided by `factor`.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Llama 3: low frequencies divided by `factor`, high ones kept, a ramp between.
    Llama3 {
        /// The divisor of low frequencies.
        factor: f64,
        /// Wavelengths above `original_context / low_freq_factor` are low frequencies.
        low_freq_factor: f64,
        /// Wavelengths below `original_context / high_freq_factor` are high frequencies.
        high_freq_factor: f64,
        /// Context length the model was first trained for.
        original_context: f64,
    },
}

/// How the model normalises.
#[derive(Debug, Clone, PartialEq)]
pub struct NormConfig {
    /// Root mean square, or mean and variance.
    pub kind: NormKind,
    /// Added to the variance.
    pub eps: f64,
    /// Added to the stored weight (Gemma stores w and multiplies by 1 + w).
    pub weight_offset: f64,
}

/// The two norms of decoder families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// `x / sqrt(mean(x²) + eps) · w`
    Rms,
    /// `(x − mean(x)) / sqrt(var(x) + eps) · w + b`
    Layer,
}

/// The MLP's non-linearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)`
    Silu,
    /// `x · Φ(x)`
    Gelu,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// `max(x, 0)`
    Relu,
}

/// A weight that the decoder needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Canonical name, such as `blocks.3.attn.q.weight`.
    pub name: String,
    /// Shape; matrices are [out, in] whatever the file's layout.
    pub shape: Vec<usize>,
}

impl ArchConfig {
    /// Every weight of the decoder by its canonical name, in the order of a forward.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut specs = Vec::new();
        let mut add = |name: String, shape: &[usize]| specs.push(TensorSpec { name, shape: shape.to_vec() });
        let (d, q, kv) = (self.d_model, self.n_heads * self.d_head, self.n_kv_heads * self.d_head);
        let norm_parts: &[&str] = match self.norm.kind {
            NormKind::Rms => &["weight"],
            NormKind::Layer => &["weight", "bias"],
        };

        add("embed.weight".into(), &[self.vocab_size, d]);
        if self.learned_positions {
            add("pos_embed.weight".into(), &[self.n_ctx, d]);
        }
        for layer in 0..self.layers.len() {
            let mut norm = |name: &str, width: usize| {
                for part in norm_parts {
                    add(format!("blocks.{layer}.{name}.{part}"), &[width]);
                }
            };
            norm("ln1", d);
            norm("ln2", d);
            if self.post_norms {
                norm("ln1_post", d);
                norm("ln2_post", d);
            }
            if self.qk_norm {
                norm("attn.q_norm", self.d_head);
                norm("attn.k_norm", self.d_head);
            }
            let mut linear = |name: &str, out: usize, input: usize, bias: bool| {
                add(format!("blocks.{layer}.{name}.weight"), &[out, input]);
                if bias {
                    add(format!("blocks.{layer}.{name}.bias"), &[out]);
                }
            };
            linear("attn.q", q, d, self.qkv_bias);
            linear("attn.k", kv, d, self.qkv_bias);
            linear("attn.v", kv, d, self.qkv_bias);
            linear("attn.o", d, q, self.attn_out_bias);
            if self.gated {
                linear("mlp.gate", self.d_mlp, d, self.mlp_bias);
            }
            linear("mlp.up", self.d_mlp, d, self.mlp_bias);
            linear("mlp.down", d, self.d_mlp, self.mlp_bias);
        }
        for part in norm_parts {
            add(format!("ln_final.{part}"), &[d]);
        }
        if !self.tied_embeddings {
            add("unembed.weight".into(), &[self.vocab_size, d]);
        }
        specs
    }

    /// Every site that a decoder of this shape has, in the order of a forward.
    pub fn sites(&self) -> Vec<Site> {
        let has = |point: &&Point| match point {
            Point::PosEmbed => self.learned_positions,
            Point::ResidMid => !self.parallel_residual,
            Point::MlpPreLinear => self.gated,
            Point::Ln1PostScale
            | Point::Ln1PostNormalized
            | Point::Ln2PostScale
            | Point::Ln2PostNormalized => self.post_norms,
            _ => true,
        };
        let rotated = |layer: usize, point: &Point| match point {
            Point::RotQ | Point::RotK => self.layers[layer].rope.is_some(),
            _ => true,
        };
        let (inside, outside): (Vec<&Point>, Vec<&Point>) =
            Point::ALL.iter().filter(has).partition(|point| point.in_block());
        let (after, before): (Vec<&Point>, Vec<&Point>) =
            outside.into_iter().partition(|point| **point >= Point::LnFinalScale);
        let blocks = (0..self.n_layers()).flat_map(|layer| {
            inside
                .iter()
                .filter(move |point| rotated(layer, point))
                .map(move |&&point| Site::block(layer, point))
        });
        let global =
            |points: Vec<&Point>| points.into_iter().map(|&point| Site::global(point)).collect::<Vec<_>>();
        global(before).into_iter().chain(blocks).chain(global(after)).collect()
    }

    /// Number of layers.
    pub fn n_layers(&self) -> usize {
        self.layers.len()
    }

    /// Fails where the fields contradict each other or describe no decoder.
    ///
    /// # Errors
    /// Names the field, what it holds and what it must hold.
    pub fn validate(&self) -> Result<()> {
        for (field, value) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.d_model),
            ("num_hidden_layers", self.n_layers()),
            ("num_attention_heads", self.n_heads),
            ("num_key_value_heads", self.n_kv_heads),
            ("head_dim", self.d_head),
            ("intermediate_size", self.d_mlp),
            ("max_position_embeddings", self.n_ctx),
        ] {
            // The bound keeps every product of two of them, and a sum of such over layers, inside 64 bits.
            if value == 0 || value > 1 << 28 {
                return Err(Error::new(format!("{field} is {value}, expected 1 to {}", 1 << 28)));
            }
        }
        if !self.n_heads.is_multiple_of(self.n_kv_heads) {
            return Err(Error::new(format!(
                "{} attention heads cannot share {} key/value heads evenly",
                self.n_heads, self.n_kv_heads
            )));
        }
        for rope in &self.ropes {
            if rope.d_rotary == 0 || rope.d_rotary > self.d_head || !rope.d_rotary.is_multiple_of(2) {
                return Err(Error::new(format!(
                    "{} rotary dimensions, expected an even number from 2 up to the head width {}",
                    rope.d_rotary, self.d_head
                )));
            }
        }
        for (layer, config) in self.layers.iter().enumerate() {
            if config.window == Some(0) {
                return Err(Error::new(format!("layer {layer} has a sliding window of 0 positions")));
            }
            if config.rope.is_some_and(|rope| rope >= self.ropes.len()) {
                return Err(Error::new(format!("layer {layer} refers to a rotary table that is not there")));
            }
        }
        Ok(())
    }
}
