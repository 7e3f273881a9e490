//! What a supervised step learns from: token sequences, and which of their tokens count.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::model::tree::TokenTree;

/// A sequence of tokens of which those from `from` on are to be predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The whole sequence.
    pub tokens: Vec<u32>,
    /// The first token that counts; at least 1, as nothing predicts the first token.
    pub from: usize,
}

impl Example {
    /// A sequence whose tokens from `from` on count.
    ///
    /// # Errors
    /// A sequence without a token that counts.
    pub fn new(tokens: Vec<u32>, from: usize) -> Result<Self> {
        let from = from.max(1);
        if from >= tokens.len() {
            return Err(Error::new(format!(
                "none of the {} tokens counts: they would from token {from} on",
                tokens.len()
            ))
            .hint("a completion needs at least one token, and a text at least two"));
        }
        Ok(Self { tokens, from })
    }

    /// How many of its tokens count.
    pub fn counted(&self) -> usize {
        self.tokens.len() - self.from
    }
}

/// Tokens to be predicted by a set of sequences, each place in the tree once.
#[derive(Debug)]
pub struct Targets {
    /// (row, position) where each token is predicted.
    pub cells: Vec<(usize, usize)>,
    /// The token that comes next there.
    pub tokens: Vec<u32>,
    /// What each prediction weighs.
    pub weights: Vec<f32>,
}

impl Targets {
    /// The counted tokens of `examples`, row by row of `tree`, each weighing what `weight` gives its row.
    /// Rows that share a place and the next token share the prediction, which then weighs their sum.
    pub fn of(tree: &TokenTree, examples: &[Example], weight: impl Fn(usize) -> f32) -> Self {
        let mut targets = Self { cells: Vec::new(), tokens: Vec::new(), weights: Vec::new() };
        let mut known: HashMap<(u32, u32), usize> = HashMap::new();
        for (row, (example, nodes)) in examples.iter().zip(tree.rows()).enumerate() {
            let predicted = nodes.iter().zip(example.tokens.iter().skip(1)).enumerate();
            for (position, (&node, &next)) in predicted.skip(example.from - 1) {
                let index = *known.entry((node, next)).or_insert_with(|| {
                    targets.cells.push((row, position));
                    targets.tokens.push(next);
                    targets.weights.push(0.0);
                    targets.cells.len() - 1
                });
                targets.weights[index] += weight(row);
            }
        }
        targets
    }
}

/// The sequences that a forward must run to predict every counted token: the last token predicts nothing.
pub fn inputs(examples: &[Example]) -> Vec<Vec<u32>> {
    examples.iter().map(|example| example.tokens[..example.tokens.len() - 1].to_vec()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shared_predictions_are_made_once_and_weigh_their_sum() {
        let examples = [
            Example::new(vec![1, 2, 3, 4], 2).unwrap(),
            Example::new(vec![1, 2, 3, 5], 2).unwrap(),
            Example::new(vec![1, 2, 7], 0).unwrap(),
        ];
        let tree = TokenTree::shared(&inputs(&examples)).unwrap();
        assert_eq!(tree.len(), 3);
        let targets = Targets::of(&tree, &examples, |row| [1.0, 10.0, 100.0][row]);
        let found: Vec<(u32, f32)> =
            targets.tokens.iter().copied().zip(targets.weights.iter().copied()).collect();
        assert_eq!(found, [(3, 11.0), (4, 1.0), (5, 10.0), (2, 100.0), (7, 100.0)]);
        assert_eq!(targets.cells, [(0, 1), (0, 2), (1, 2), (2, 0), (2, 1)]);
    }

    #[test]
    fn a_sequence_must_hold_something_to_predict() {
        assert!(Example::new(vec![1], 0).is_err());
        assert!(Example::new(vec![1, 2], 2).unwrap_err().to_string().contains("none of the 2 tokens"));
    }
}
