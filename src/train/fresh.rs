//! Fresh models: random weights for a configuration.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::interrupt;
use crate::model::Model;
use crate::model::config::{ArchConfig, TensorSpec};
use crate::model::decoder::Decoder;
use crate::model::tokenizer::Tokenizer;
use crate::model::weights::Weights;
use crate::random::Random;
use crate::tensor::check_bytes;

/// How a fresh model starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FreshOptions {
    /// Standard deviation of matrices and embeddings.
    pub deviation: f64,
    /// What layers add to the residual stream starts smaller by 1/√(2 · layers): the last projections of
    /// attention and MLP (GPT-2's way), or the norms behind them where the family has those.
    pub scale_residual: bool,
    /// Seed of the weights.
    pub seed: u64,
}

impl Default for FreshOptions {
    fn default() -> Self {
        Self { deviation: 0.02, scale_residual: true, seed: 0 }
    }
}

/// A model of random weights for `json`, a `config.json` as transformers writes it. Weights are normal, biases 0,
/// norms 1.
///
/// # Errors
/// As [`ArchConfig::from_hf`]; a vocabulary smaller than the tokenizer's; weights that would not fit into memory; work
/// that was stopped.
pub fn fresh(json: &Value, tokenizer: Arc<Tokenizer>, name: &str, options: FreshOptions) -> Result<Model> {
    let config = ArchConfig::from_hf(json)?;
    if !options.deviation.is_finite() || options.deviation <= 0.0 {
        return Err(Error::new(format!("a deviation of {}, expected more than 0", options.deviation)));
    }
    if config.vocab_size < tokenizer.vocab_size() {
        return Err(Error::new(format!(
            "vocab_size is {}, but the tokenizer has {} tokens",
            config.vocab_size,
            tokenizer.vocab_size()
        )));
    }
    let weights = config.tensors();
    let count = |spec: &TensorSpec| spec.shape.iter().map(|size| *size as f64).product::<f64>();
    let bytes = weights.iter().map(count).sum::<f64>() * DType::F32.size_in_bytes() as f64;
    check_bytes("a model of this configuration", bytes)?;
    let mut random = Random::new(options.seed);
    let shrink = match options.scale_residual {
        true => 1.0 / (2.0 * config.n_layers() as f64).sqrt(),
        false => 1.0,
    };
    let mut tensors = HashMap::new();
    for spec in weights {
        let count: usize = spec.shape.iter().product();
        let is_last = spec.name.ends_with("attn.o.weight") || spec.name.ends_with("mlp.down.weight");
        let values: Vec<f32> = match spec.shape.as_slice() {
            [_, width] => {
                let shrink = if is_last && !config.post_norms { shrink } else { 1.0 };
                let mut values = Vec::with_capacity(count);
                while values.len() < count {
                    interrupt::check()?;
                    let row = (0..*width).map(|_| (random.normal() * options.deviation * shrink) as f32);
                    values.extend(row);
                }
                values
            }
            _ if spec.name.ends_with(".bias") => vec![0.0; count],
            _ => {
                let one = if spec.name.contains("_post.") { shrink } else { 1.0 };
                vec![(one - config.norm.weight_offset) as f32; count]
            }
        };
        tensors.insert(spec.name, Tensor::from_vec(values, spec.shape, &Device::Cpu)?);
    }
    debug_assert!(tensors.values().all(|tensor: &Tensor| tensor.dtype() == DType::F32));
    let decoder = Decoder::new(config, &mut Weights::new(tensors))?;
    Ok(Model::new(name, decoder, tokenizer).with_config_json(json.clone()))
}
