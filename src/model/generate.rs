//! Sampling, token by token, with taps active at every step.

use candle_transformers::generation::{LogitsProcessor, Sampling};

use super::decoder::Decoder;
use super::kv::KvCache;
use super::pass::{Pass, Read};
use super::tap::Tap;
use super::tree::TokenTree;
use crate::error::{Error, Result};
use crate::progress;

/// How tokens are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateOptions {
    /// At most this many new tokens a prompt.
    pub max_new_tokens: usize,
    /// Logits are divided by it; 0 takes the likeliest token.
    pub temperature: f64,
    /// Only the k likeliest tokens.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens that together reach this probability.
    pub top_p: Option<f64>,
    /// Makes sampling repeatable. Each prompt draws from a stream of its own.
    pub seed: u64,
    /// A prompt ends after one of these; it is part of what is returned.
    pub stop: Vec<u32>,
}

impl GenerateOptions {
    fn sampling(&self) -> Result<Sampling> {
        let Self { temperature, top_k, top_p, .. } = *self;
        if !temperature.is_finite() || temperature < 0.0 {
            return Err(Error::new(format!("a temperature of {temperature}, expected 0 or more")));
        }
        if top_k == Some(0) {
            return Err(Error::new("top_k is 0, expected 1 or more"));
        }
        if let Some(p) = top_p.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
            return Err(Error::new(format!("top_p is {p}, expected more than 0 and at most 1")));
        }
        Ok(match (top_k, top_p) {
            _ if temperature == 0.0 => Sampling::ArgMax,
            (None, None) => Sampling::All { temperature },
            (Some(k), None) => Sampling::TopK { k, temperature },
            (None, Some(p)) => Sampling::TopP { p, temperature },
            (Some(k), Some(p)) => Sampling::TopKThenTopP { k, p, temperature },
        })
    }
}

/// Continues each prompt; gives the new tokens of each.
///
/// # Errors
/// Where an option is out of range, a forward fails, a logit is not a number, or the work is interrupted.
pub fn generate(
    decoder: &Decoder,
    prompts: &[Vec<u32>],
    options: &GenerateOptions,
    tap: &mut dyn Tap,
) -> Result<Vec<Vec<u32>>> {
    let sampling = options.sampling()?;
    let mut samplers: Vec<LogitsProcessor> = (0..prompts.len() as u64)
        .map(|row| LogitsProcessor::from_sampling(options.seed.wrapping_add(row), sampling.clone()))
        .collect();
    let mut kv = KvCache::new(TokenTree::for_tap(prompts, tap)?, decoder.config().n_layers());
    let mut generated = vec![Vec::new(); prompts.len()];
    let mut running: Vec<usize> = (0..prompts.len()).collect();
    let mut bar = progress::bar("generating tokens", options.max_new_tokens as u64);
    for step in 0..options.max_new_tokens {
        let logits = match decoder.forward_with(&mut kv, Pass::new(tap, Read::Last))?.logits {
            Some(logits) => logits,
            None => break,
        };
        let mut continuations = vec![Vec::new(); prompts.len()];
        for (index, &row) in running.iter().enumerate() {
            let logits = logits.get(index)?;
            if logits.max(0)?.to_scalar::<f32>()?.is_nan() || logits.sum_all()?.to_scalar::<f32>()?.is_nan() {
                return Err(Error::new(format!("prompt {row}: a logit of step {step} is not a number")));
            }
            let token = samplers[row].sample(&logits)?;
            generated[row].push(token);
            continuations[row].push(token);
        }
        bar.advance(1);
        running.retain(|&row| generated[row].last().is_none_or(|token| !options.stop.contains(token)));
        if running.is_empty() || step + 1 == options.max_new_tokens {
            break;
        }
        for (row, continuation) in continuations.iter_mut().enumerate() {
            if !running.contains(&row) {
                continuation.clear();
            }
        }
        kv.extend(&continuations)?;
    }
    Ok(generated)
}
