//! A decoder's shape from a GGUF file's metadata and tensor descriptions.
//!
//! What the metadata leaves out follows llama.cpp, which writes and reads these files: family
//! defaults for sliding windows and softcaps, biases and a separate unembedding where their tensors
//! are present.

use super::hf::gemma_embed_scale;
use super::{Activation, ArchConfig, LayerConfig, NormConfig, NormKind, RopeConfig, RopeScaling};
use crate::error::{Error, Result, did_you_mean};
use crate::model::weights::gguf::Metadata;
use crate::model::weights::store::{Entry, Store, Stored};

const FAMILIES: [&str; 6] = ["gemma", "gemma2", "gemma3", "llama", "qwen2", "qwen3"];
const MOST_LAYERS: usize = 4096;

impl ArchConfig {
    /// Reads metadata and tensor descriptions of a GGUF file.
    ///
    /// # Errors
    /// An architecture that is not supported (the supported ones are listed), a missing or senseless
    /// key, and features that the decoder does not have, all by name.
    pub fn from_gguf(metadata: &Metadata, store: &Store) -> Result<Self> {
        let family = metadata
            .text("general.architecture")?
            .ok_or_else(|| Error::new("the metadata has no general.architecture"))?;
        if !FAMILIES.contains(&family) {
            let error = Error::new(format!("GGUF architecture \"{family}\" is not supported"));
            let near = did_you_mean(family, FAMILIES).map(|near| format!("{near} ")).unwrap_or_default();
            return Err(error.hint(format!("{near}supported: {}", FAMILIES.join(", "))));
        }
        let keys = Keys { metadata, family };
        if keys.count("expert_count")?.is_some_and(|experts| experts > 0) {
            return Err(Error::new(format!("{family}.expert_count: mixtures of experts are not supported")));
        }
        let mut config = common(&keys, store)?;
        if family.starts_with("gemma") {
            config.embed_scale = gemma_embed_scale(config.d_model);
            config.norm.weight_offset = 1.0;
            config.activation = Activation::GeluTanh;
        }
        match family {
            "gemma2" => gemma2(&keys, &mut config)?,
            "gemma3" => gemma3(&keys, &mut config)?,
            _ => {
                config.ropes = vec![keys.rope(config.d_head, 10_000.0, store)?];
                let window = keys.count("attention.sliding_window")?.filter(|window| *window > 0);
                config.layers.iter_mut().for_each(|layer| layer.window = window);
            }
        }
        config.validate()?;
        Ok(config)
    }
}

/// The keys of one architecture: `llama.block_count` and so on.
struct Keys<'a> {
    metadata: &'a Metadata,
    family: &'a str,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.family)
    }

    fn count(&self, name: &str) -> Result<Option<usize>> {
        self.metadata.count(&self.key(name))
    }

    fn size(&self, name: &str) -> Result<usize> {
        match self.count(name)? {
            Some(size) if size > 0 && size <= 1 << 28 => Ok(size),
            Some(size) => Err(Error::new(format!("{} is {size}, expected 1 to {}", self.key(name), 1 << 28))),
            None => Err(Error::new(format!("the metadata has no {}", self.key(name)))),
        }
    }

    fn positive(&self, name: &str) -> Result<Option<f64>> {
        match self.metadata.number(&self.key(name))? {
            Some(number) if number <= 0.0 => {
                Err(Error::new(format!("{} is {number}, expected a number above 0", self.key(name))))
            }
            number => Ok(number),
        }
    }

    fn rope(&self, d_head: usize, theta: f64, store: &Store) -> Result<RopeConfig> {
        let d_rotary = self.count("rope.dimension_count")?.unwrap_or(d_head);
        if d_rotary != d_head {
            return Err(Error::new(format!(
                "{} is {d_rotary}, expected the whole head of {d_head}",
                self.key("rope.dimension_count")
            )));
        }
        let theta = self.positive("rope.freq_base")?.unwrap_or(theta);
        let scaling = match store.entries.get("rope_freqs.weight") {
            Some(entry) => llama3_scaling(&frequency_divisors(store, entry)?, theta, d_rotary)?,
            None => self.scaling()?,
        };
        Ok(RopeConfig { theta, d_rotary, scaling })
    }

    fn scaling(&self) -> Result<RopeScaling> {
        match self.metadata.text(&self.key("rope.scaling.type"))? {
            None | Some("none") => Ok(RopeScaling::None),
            Some("linear") => match self.positive("rope.scaling.factor")? {
                Some(factor) => Ok(RopeScaling::Linear { factor }),
                None => Err(Error::new(format!("the metadata has no {}", self.key("rope.scaling.factor")))),
            },
            Some(other) => Err(Error::new(format!(
                "{} \"{other}\" is not supported, expected none or linear",
                self.key("rope.scaling.type")
            ))),
        }
    }
}

fn common(keys: &Keys, store: &Store) -> Result<ArchConfig> {
    let d_model = keys.size("embedding_length")?;
    let n_heads = keys.size("attention.head_count")?;
    let n_kv_heads = match keys.count("attention.head_count_kv")? {
        Some(_) => keys.size("attention.head_count_kv")?,
        None => n_heads,
    };
    let d_head = match keys.count("attention.key_length")? {
        Some(_) => keys.size("attention.key_length")?,
        None if d_model.is_multiple_of(n_heads) => d_model / n_heads,
        None => {
            return Err(Error::new(format!(
                "a width of {d_model} does not divide into {n_heads} attention heads"
            )));
        }
    };
    if let Some(value_length) = keys.count("attention.value_length")?.filter(|length| *length != d_head) {
        return Err(Error::new(format!(
            "{} is {value_length}, expected {d_head} as for keys",
            keys.key("attention.value_length")
        )));
    }
    let n_layers = keys.size("block_count")?;
    if n_layers > MOST_LAYERS {
        return Err(Error::new(format!(
            "{} is {n_layers}, expected up to {MOST_LAYERS}",
            keys.key("block_count")
        )));
    }
    let Some(embedding) = store.entries.get("token_embd.weight") else {
        return Err(Error::new("tensor \"token_embd.weight\" is missing"));
    };
    let has = |name: &str| store.entries.contains_key(name);
    let eps = keys.positive("attention.layer_norm_rms_epsilon")?.ok_or_else(|| {
        Error::new(format!("the metadata has no {}", keys.key("attention.layer_norm_rms_epsilon")))
    })?;
    Ok(ArchConfig {
        family: keys.family.to_owned(),
        vocab_size: embedding.shape.first().copied().unwrap_or(0),
        d_model,
        n_heads,
        n_kv_heads,
        d_head,
        d_mlp: keys.size("feed_forward_length")?,
        n_ctx: keys.size("context_length")?,
        embed_scale: 1.0,
        learned_positions: false,
        ropes: Vec::new(),
        layers: vec![LayerConfig { window: None, rope: Some(0) }; n_layers],
        // Written as a 32-bit float from a decimal number: read the decimal number back.
        norm: NormConfig { kind: NormKind::Rms, eps: shortest(eps), weight_offset: 0.0 },
        post_norms: false,
        qk_norm: has("blk.0.attn_q_norm.weight"),
        parallel_residual: false,
        attn_scale: (d_head as f64).powf(-0.5),
        attn_softcap: None,
        final_softcap: None,
        qkv_bias: has("blk.0.attn_q.bias"),
        attn_out_bias: has("blk.0.attn_output.bias"),
        mlp_bias: has("blk.0.ffn_up.bias"),
        activation: Activation::Silu,
        gated: true,
        tied_embeddings: !has("output.weight"),
    })
}

/// The double nearest to the shortest decimal number that the 32-bit float stands for.
fn shortest(number: f64) -> f64 {
    (number as f32).to_string().parse().unwrap_or(number)
}

fn gemma2(keys: &Keys, config: &mut ArchConfig) -> Result<()> {
    config.ropes =
        vec![RopeConfig { theta: theta(keys, 10_000.0)?, d_rotary: config.d_head, scaling: keys.scaling()? }];
    config.post_norms = true;
    config.attn_softcap = Some(keys.positive("attn_logit_softcapping")?.unwrap_or(50.0));
    config.final_softcap = Some(keys.positive("final_logit_softcapping")?.unwrap_or(30.0));
    config.attn_scale = attn_scale(config, 46);
    let window = keys.count("attention.sliding_window")?.unwrap_or(4096);
    for (layer, config) in config.layers.iter_mut().enumerate() {
        config.window = (layer % 2 == 0).then_some(window);
    }
    Ok(())
}

fn gemma3(keys: &Keys, config: &mut ArchConfig) -> Result<()> {
    let local = keys.positive("rope.freq_base_swa")?.unwrap_or(10_000.0);
    config.ropes = vec![
        RopeConfig { theta: local, d_rotary: config.d_head, scaling: RopeScaling::None },
        RopeConfig { theta: theta(keys, 1_000_000.0)?, d_rotary: config.d_head, scaling: keys.scaling()? },
    ];
    config.post_norms = true;
    config.qk_norm = true;
    config.attn_scale = attn_scale(config, 62);
    config.final_softcap = keys.positive("final_logit_softcapping")?;
    let window = keys.count("attention.sliding_window")?.unwrap_or(4096);
    let pattern = keys.count("attention.sliding_window_pattern")?.unwrap_or(6);
    if pattern == 0 {
        return Err(Error::new(format!("{} is 0", keys.key("attention.sliding_window_pattern"))));
    }
    for (layer, config) in config.layers.iter_mut().enumerate() {
        let slides = (layer + 1) % pattern != 0;
        config.window = slides.then_some(window);
        config.rope = Some(if slides { 0 } else { 1 });
    }
    Ok(())
}

fn theta(keys: &Keys, default: f64) -> Result<f64> {
    Ok(keys.positive("rope.freq_base")?.unwrap_or(default))
}

/// The file does not say by what queries are scaled: by the head's width, but for the largest model
/// of each generation (27 billion weights, known by its depth), by the width per query head.
fn attn_scale(config: &ArchConfig, largest: usize) -> f64 {
    let width = if config.n_layers() == largest { config.d_model / config.n_heads } else { config.d_head };
    (width as f64).powf(-0.5)
}

/// The divisors of the rotary frequencies that a Llama-3 file stores as a tensor.
fn frequency_divisors(store: &Store, entry: &Entry) -> Result<Vec<f64>> {
    use candle_core::quantized::GgmlDType::F32;
    if entry.stored != Stored::Ggml(F32) {
        return Err(Error::new(format!("tensor \"rope_freqs.weight\" is {}, expected F32", entry.stored)));
    }
    let chunks = store.bytes(entry).as_chunks::<4>().0;
    Ok(chunks.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect())
}

/// Finds the Llama-3 scaling whose divisors these are.
///
/// The file holds the divisors alone; all Llama-3 models share the other three numbers, so the
/// largest divisor names the scaling, and recomputing all of them proves it.
fn llama3_scaling(divisors: &[f64], theta: f64, d_rotary: usize) -> Result<RopeScaling> {
    const LOW: f64 = 1.0;
    const HIGH: f64 = 4.0;
    const CONTEXT: f64 = 8192.0;
    if divisors.len() != d_rotary / 2 {
        return Err(Error::new(format!(
            "tensor \"rope_freqs.weight\" has {} elements, expected {}",
            divisors.len(),
            d_rotary / 2
        )));
    }
    let factor = divisors.iter().copied().fold(1.0, f64::max);
    let expected = |pair: usize| {
        let wavelength = 2.0 * std::f64::consts::PI * theta.powf(2.0 * pair as f64 / d_rotary as f64);
        if wavelength > CONTEXT / LOW {
            factor
        } else if wavelength < CONTEXT / HIGH {
            1.0
        } else {
            let smooth = (CONTEXT / wavelength - LOW) / (HIGH - LOW);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    };
    let agrees = |(pair, divisor): (usize, &f64)| (divisor / expected(pair) - 1.0).abs() < 1e-4;
    if factor == 1.0 && divisors.iter().all(|divisor| *divisor == 1.0) {
        Ok(RopeScaling::None)
    } else if divisors.iter().enumerate().all(agrees) {
        Ok(RopeScaling::Llama3 {
            factor,
            low_freq_factor: LOW,
            high_freq_factor: HIGH,
            original_context: CONTEXT,
        })
    } else {
        Err(Error::new(
            "tensor \"rope_freqs.weight\" holds other rope divisors than Llama 3's, which are not supported",
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn llama3_divisors_are_recognised() {
        let (theta, d_rotary, factor): (f64, usize, f64) = (500_000.0, 64, 32.0);
        // As llama.cpp's converter computes them (convert_hf_to_gguf.py, LlamaModel, b4000).
        let divisors: Vec<f64> = (0..d_rotary / 2)
            .map(|pair| {
                let frequency = 1.0 / theta.powf(2.0 * pair as f64 / d_rotary as f64);
                let wavelength = 2.0 * std::f64::consts::PI / frequency;
                let divisor = if wavelength < 8192.0 / 4.0 {
                    1.0
                } else if wavelength > 8192.0 {
                    factor
                } else {
                    let smooth = (8192.0 / wavelength - 1.0) / 3.0;
                    1.0 / ((1.0 - smooth) / factor + smooth)
                };
                f64::from(divisor as f32)
            })
            .collect();
        let scaling = llama3_scaling(&divisors, theta, d_rotary).unwrap();
        assert_eq!(
            scaling,
            RopeScaling::Llama3 {
                factor: 32.0,
                low_freq_factor: 1.0,
                high_freq_factor: 4.0,
                original_context: 8192.0
            }
        );
        let mut other = divisors.clone();
        other[20] *= 1.1;
        assert!(llama3_scaling(&other, theta, d_rotary).unwrap_err().what().contains("rope_freqs"));
        assert_eq!(llama3_scaling(&[1.0; 32], theta, d_rotary).unwrap(), RopeScaling::None);
    }

    #[test]
    fn a_float_that_was_written_short_reads_back_as_written() {
        assert_eq!(shortest(f64::from(1e-5f32)), 1e-5);
        assert_eq!(shortest(f64::from(1e-6f32)), 1e-6);
    }
}
