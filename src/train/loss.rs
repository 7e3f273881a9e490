//! What a supervised step makes smaller.

use candle_core::{D, Tensor};

use super::example::{Example, Targets, inputs};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::decoder::Output;
use crate::model::pass::{Pass, Read};
use crate::model::tap::NoTap;
use crate::model::tree::TokenTree;

/// log P of chosen tokens: of `logits` [n, d_vocab] at `tokens` [n], as [n].
///
/// # Errors
/// A token outside the vocabulary.
pub fn token_log_probs(logits: &Tensor, tokens: &[u32]) -> Result<Tensor> {
    let targets = Tensor::new(tokens, logits.device())?;
    Ok(crate::model::kernels::log_prob::log_prob(logits, &targets)?)
}

/// Entropy of each row's distribution, in nats: of `logits` [n, d_vocab] as [n]. No gradient.
///
/// # Errors
/// Where the device is out of memory.
pub fn entropies(logits: &Tensor) -> Result<Tensor> {
    let log_p = candle_nn::ops::log_softmax(&logits.detach(), D::Minus1)?;
    Ok((log_p.exp()? * log_p)?.sum(D::Minus1)?.neg()?)
}

/// A forward of `sequences` that reads `cells` (row, position), for a loss.
///
/// `apart`: sequences share nothing, as random dropout wants it.
///
/// # Errors
/// As [`Decoder::forward`](crate::model::decoder::Decoder::forward).
pub fn read(
    model: &Model,
    tree: &TokenTree,
    cells: Vec<(usize, usize)>,
    keep_normed: bool,
) -> Result<Output> {
    let mut tap = NoTap;
    let pass = Pass { keep_normed, ..Pass::new(&mut tap, Read::At(cells)) };
    model.decoder().forward(tree, pass)
}

/// The tree of a batch: shared, unless inputs are dropped at random, which every row is to suffer apart.
///
/// # Errors
/// A sequence without tokens, or none.
pub fn tree(sequences: &[Vec<u32>], is_dropping: bool) -> Result<TokenTree> {
    if is_dropping { TokenTree::separate(sequences) } else { TokenTree::shared(sequences) }
}

/// Next-token cross-entropy: −Σ log P(token) / `total`, over the counted tokens of `examples`.
///
/// # Errors
/// As [`read`].
pub fn cross_entropy(model: &Model, examples: &[Example], total: f64, is_dropping: bool) -> Result<Tensor> {
    let tree = tree(&inputs(examples), is_dropping)?;
    let Targets { cells, tokens, weights } = Targets::of(&tree, examples, |_| 1.0);
    let logits = logits(read(model, &tree, cells, false)?)?;
    let weights = Tensor::new(weights, logits.device())?;
    Ok(((token_log_probs(&logits, &tokens)? * weights)?.sum_all()? * (-1.0 / total))?)
}

/// log P of each example's counted tokens together: [example].
///
/// # Errors
/// As [`read`].
pub fn sequence_log_probs(model: &Model, examples: &[Example], is_dropping: bool) -> Result<Tensor> {
    let tree = tree(&inputs(examples), is_dropping)?;
    let (mut cells, mut tokens, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for (row, example) in examples.iter().enumerate() {
        cells.extend((example.from - 1..example.tokens.len() - 1).map(|position| (row, position)));
        tokens.extend_from_slice(&example.tokens[example.from..]);
        ends.push(tokens.len());
    }
    let log_probs = token_log_probs(&logits(read(model, &tree, cells, false)?)?, &tokens)?;
    // A product with a matrix of ones sums each example's stretch, and has a backward.
    let mut member = vec![0f32; ends.len() * tokens.len()];
    let mut start = 0;
    for (row, end) in ends.into_iter().enumerate() {
        member[row * tokens.len() + start..row * tokens.len() + end].fill(1.0);
        start = end;
    }
    let member = Tensor::from_vec(member, (examples.len(), tokens.len()), log_probs.device())?;
    Ok(member.matmul(&log_probs.unsqueeze(1)?)?.squeeze(1)?)
}

/// What a preference loss is, and what it says of the pairs.
#[derive(Debug)]
pub struct Preference {
    /// The loss, a scalar.
    pub loss: Tensor,
    /// β · (log π − log π_ref) of each chosen completion.
    pub chosen_rewards: Vec<f32>,
    /// The same of each rejected one.
    pub rejected_rewards: Vec<f32>,
}

/// Direct preference optimisation (Rafailov and others, 2023):
/// −log σ(β · [(log π(c) − log π_ref(c)) − (log π(r) − log π_ref(r))]), summed over the pairs and divided by
/// `total`. A completion's log-probability is the sum over its tokens.
///
/// # Errors
/// As [`read`].
pub fn preference(
    model: &Model,
    reference: &Model,
    pairs: &[(Example, Example)],
    beta: f64,
    total: f64,
    is_dropping: bool,
) -> Result<Preference> {
    let examples: Vec<Example> =
        pairs.iter().flat_map(|(chosen, rejected)| [chosen.clone(), rejected.clone()]).collect();
    let gain = (sequence_log_probs(model, &examples, is_dropping)?
        - sequence_log_probs(reference, &examples, false)?.detach())?;
    let rewards = (gain * beta)?.reshape((pairs.len(), 2))?;
    let (chosen, rejected) = (rewards.narrow(1, 0, 1)?.squeeze(1)?, rewards.narrow(1, 1, 1)?.squeeze(1)?);
    let margin = (&chosen - &rejected)?;
    // −log σ(x) = max(−x, 0) + log(1 + e^(−|x|)), which no x overflows.
    let soft = (margin.abs()?.neg()?.exp()? + 1.0)?.log()?;
    let loss = ((margin.neg()?.relu()? + soft)?.sum_all()? * (1.0 / total))?;
    Ok(Preference {
        loss,
        chosen_rewards: chosen.detach().to_vec1()?,
        rejected_rewards: rejected.detach().to_vec1()?,
    })
}

/// The logits of an output that was asked for some.
pub(super) fn logits(output: Output) -> Result<Tensor> {
    output.logits.ok_or_else(|| Error::new("the forward read no logits"))
}
