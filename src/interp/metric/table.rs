//! Logits on the host, as a metric reads them.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use crate::error::{Error, Result};

/// A token that counts, and at which read.
pub type Step = (usize, u32);

/// The logits at each read of a scoring. What variants of a run have in common can be shared.
#[derive(Debug, Clone)]
pub struct Table(pub Vec<Arc<Row>>);

/// The logits at one read: all of the vocabulary, or those of the tokens that count.
#[derive(Debug, Clone)]
pub struct Row {
    /// The tokens, ascending, where only some are here.
    tokens: Option<Arc<[u32]>>,
    logits: Vec<f32>,
    /// ln Σ e^logit over the whole vocabulary; NaN where only some logits are here.
    log_sum: f64,
}

impl Row {
    /// All logits.
    pub fn whole(logits: Vec<f32>) -> Self {
        let log_sum = log_sum_exp(&logits);
        Self { tokens: None, logits, log_sum }
    }

    /// The logits of `tokens`, which ascend.
    pub fn chosen(tokens: Arc<[u32]>, logits: Vec<f32>) -> Self {
        Self { tokens: Some(tokens), logits, log_sum: f64::NAN }
    }

    fn logit(&self, token: u32) -> f64 {
        let index = match &self.tokens {
            Some(tokens) => tokens.binary_search(&token).ok(),
            None => Some(token as usize),
        };
        index.and_then(|index| self.logits.get(index)).map_or(f64::NAN, |&logit| f64::from(logit))
    }
}

impl Table {
    /// The table of logits [read, d_vocab].
    pub fn new(logits: &Tensor) -> Result<Self> {
        let logits: Vec<Vec<f32>> = logits.to_dtype(DType::F32)?.to_vec2()?;
        Ok(Self(logits.into_iter().map(|row| Arc::new(Row::whole(row))).collect()))
    }

    /// The logits as a tensor [read, d_vocab].
    ///
    /// # Errors
    /// Where only some tokens' logits are here.
    pub fn whole(&self) -> Result<Tensor> {
        if self.0.iter().any(|row| row.tokens.is_some()) {
            return Err(Error::new("only some tokens' logits were computed"));
        }
        let width = self.0.first().map_or(0, |row| row.logits.len());
        let values: Vec<f32> = self.0.iter().flat_map(|row| row.logits.iter().copied()).collect();
        Ok(Tensor::from_vec(values, (self.0.len(), width), &Device::Cpu)?)
    }

    /// The logit of a token.
    pub fn logit(&self, (read, token): Step) -> f64 {
        self.0[read].logit(token)
    }

    /// log P of an answer.
    pub fn log_prob(&self, answer: &[Step]) -> f64 {
        answer.iter().map(|&step| self.logit(step) - self.0[step.0].log_sum).sum()
    }

    /// log P(plus) − log P(minus). Where both read the same distribution its normaliser cancels, and is not
    /// asked for.
    pub fn log_odds(&self, plus: &[Step], minus: &[Step]) -> f64 {
        let logits = |answer: &[Step]| answer.iter().map(|&step| self.logit(step)).sum::<f64>();
        let normalisers: f64 = balance(plus, minus)
            .into_iter()
            .map(|(read, count)| f64::from(count) * self.0[read].log_sum)
            .sum();
        logits(plus) - logits(minus) - normalisers
    }

    /// −Σ p log p at a read, in nats.
    pub fn entropy(&self, read: usize) -> f64 {
        let Row { logits, log_sum, .. } = &*self.0[read];
        let log_probs = logits.iter().map(|&logit| f64::from(logit) - log_sum);
        -log_probs
            .map(|log_p| if log_p == f64::NEG_INFINITY { 0.0 } else { log_p.exp() * log_p })
            .sum::<f64>()
    }

    /// Σ p log(p / q) in nats, where q is the distribution at a read and p that of the reference's logits.
    pub fn kl(&self, reference: &Tensor, read: usize) -> Result<f64> {
        let reference: Vec<f32> = reference.to_dtype(DType::F32)?.to_vec1()?;
        let Row { logits, log_sum: q_sum, .. } = &*self.0[read];
        if reference.len() != logits.len() {
            return Err(Error::new(format!(
                "kl needs two distributions over one vocabulary, found {} and {} tokens",
                reference.len(),
                logits.len()
            )));
        }
        let p_sum = log_sum_exp(&reference);
        let terms = reference.iter().zip(logits).map(|(&p, &q)| {
            let (log_p, log_q) = (f64::from(p) - p_sum, f64::from(q) - q_sum);
            if log_p == f64::NEG_INFINITY { 0.0 } else { log_p.exp() * (log_p - log_q) }
        });
        Ok(terms.sum())
    }
}

/// How often each read's normaliser counts in log P(plus) − log P(minus); reads where it cancels are left out.
pub fn balance(plus: &[Step], minus: &[Step]) -> Vec<(usize, i32)> {
    let mut counts: Vec<(usize, i32)> = Vec::new();
    let steps = plus.iter().map(|step| (step.0, 1)).chain(minus.iter().map(|step| (step.0, -1)));
    for (read, sign) in steps {
        match counts.iter_mut().find(|(counted, _)| *counted == read) {
            Some((_, count)) => *count += sign,
            None => counts.push((read, sign)),
        }
    }
    counts.retain(|(_, count)| *count != 0);
    counts
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = logits.iter().fold(f64::NEG_INFINITY, |max, &logit| max.max(f64::from(logit)));
    max + logits.iter().map(|&logit| (f64::from(logit) - max).exp()).sum::<f64>().ln()
}
