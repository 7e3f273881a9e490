//! Queries with the responses that were sampled for them, and what a model says of each response token.

use candle_core::{D, Tensor};

use super::loss::{entropies, logits, read, token_log_probs};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::tree::TokenTree;

/// A query, and the response to it, in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// Query and response.
    tokens: Vec<u32>,
    /// Tokens of the query.
    query: usize,
}

impl Rollout {
    /// A query with a response.
    ///
    /// # Errors
    /// Either of no tokens.
    pub fn new(query: &[u32], response: &[u32]) -> Result<Self> {
        if query.is_empty() {
            return Err(Error::new("the query has no tokens"));
        }
        if response.is_empty() {
            return Err(Error::new("the response has no tokens, so that nothing can be learned from it")
                .hint("sample at least one token, or leave the query out"));
        }
        Ok(Self { tokens: [query, response].concat(), query: query.len() })
    }

    /// Tokens of the response.
    pub fn response(&self) -> &[u32] {
        &self.tokens[self.query..]
    }

    /// Tokens of the query.
    pub fn query(&self) -> &[u32] {
        &self.tokens[..self.query]
    }
}

/// Rollouts with queries, responses and a score each.
///
/// # Errors
/// Lists of unequal lengths or of none, an empty query or response, a score that is not finite.
pub fn rollouts(queries: &[Vec<u32>], responses: &[Vec<u32>], scores: &[f64]) -> Result<Vec<Rollout>> {
    if queries.len() != responses.len() || queries.len() != scores.len() {
        return Err(Error::new(format!(
            "{} queries, {} responses and {} scores, expected as many of each",
            queries.len(),
            responses.len(),
            scores.len()
        )));
    }
    if queries.is_empty() {
        return Err(Error::new("no queries to learn from").hint("give at least one"));
    }
    if let Some(index) = scores.iter().position(|score| !score.is_finite()) {
        return Err(Error::new(format!("score {index} is {}, expected a finite number", scores[index])));
    }
    queries
        .iter()
        .zip(responses)
        .enumerate()
        .map(|(index, (query, response))| {
            Rollout::new(query, response).map_err(|error| error.within(format!("response {index}")))
        })
        .collect()
}

/// What a model says of response tokens, response after response: all [token] or [token, …].
pub struct Said {
    /// log P of each token, at temperature 1.
    pub log_probs: Tensor,
    /// Entropy of the distribution that each was drawn from, in nats; no gradient.
    pub entropies: Tensor,
    /// The last hidden state that predicts each, after the final norm: [token, d_model].
    pub hidden: Option<Tensor>,
}

/// Runs rollouts and reads where their response tokens are predicted.
///
/// # Errors
/// As a forward.
pub fn said(model: &Model, rollouts: &[Rollout], keep_hidden: bool) -> Result<Said> {
    let sequences: Vec<Vec<u32>> =
        rollouts.iter().map(|rollout| rollout.tokens[..rollout.tokens.len() - 1].to_vec()).collect();
    let tree = TokenTree::shared(&sequences)?;
    let (mut cells, mut tokens) = (Vec::new(), Vec::new());
    for (row, rollout) in rollouts.iter().enumerate() {
        cells.extend((rollout.query - 1..rollout.tokens.len() - 1).map(|position| (row, position)));
        tokens.extend_from_slice(rollout.response());
    }
    let output = read(model, &tree, cells, keep_hidden)?;
    let hidden = output.normed.clone();
    let logits = logits(output)?;
    Ok(Said { log_probs: token_log_probs(&logits, &tokens)?, entropies: entropies(&logits)?, hidden })
}

/// A float32 tensor's numbers.
///
/// # Errors
/// Where the device fails.
pub fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.detach().flatten_all()?.to_vec1::<f32>()?.into_iter().map(f64::from).collect())
}

/// A column [n, 1] as [n].
pub(super) fn flat(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.squeeze(D::Minus1)?)
}
