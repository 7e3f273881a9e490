//! A set of token sequences as a tree, so that what prompts share is computed once.
//!
//! In a causal decoder a position depends only on the tokens before it. Sequences that begin alike
//! therefore share every value of that beginning. The tree holds each distinct beginning once, as
//! *nodes*; a forward works on the packed nodes, [node, …], without any padding. Only attention needs
//! to know which nodes precede which: it goes [`Segment`] by segment.

use std::ops::Range;

use super::tap::Tap;
use crate::error::{Error, Result};

/// Sequences of tokens, packed.
#[derive(Debug, Clone, Default)]
pub struct TokenTree {
    tokens: Vec<u32>,
    positions: Vec<u32>,
    segments: Vec<Segment>,
    rows: Vec<Vec<u32>>,
}

/// A run of nodes, each the next token after the one before it.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The run's nodes.
    pub nodes: Range<usize>,
    /// Earlier nodes that every node of the run can attend to, as runs in the order of positions.
    pub prefix: Vec<Range<usize>>,
}

impl TokenTree {
    /// Sequences that share what they have in common: each distinct beginning is one run of nodes.
    ///
    /// # Errors
    /// Where a sequence is empty or none is given.
    pub fn shared(sequences: &[Vec<u32>]) -> Result<Self> {
        check(sequences)?;
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        order.sort_by(|&a, &b| sequences[a].cmp(&sequences[b]));
        let mut tree = Self { rows: vec![Vec::new(); sequences.len()], ..Self::default() };
        tree.grow(sequences, &order, 0, &[]);
        Ok(tree)
    }

    /// Sequences that share nothing, so that each can be edited on its own.
    ///
    /// # Errors
    /// Where a sequence is empty or none is given.
    pub fn separate(sequences: &[Vec<u32>]) -> Result<Self> {
        check(sequences)?;
        let mut tree = Self { rows: vec![Vec::new(); sequences.len()], ..Self::default() };
        tree.extend(sequences)?;
        Ok(tree)
    }

    /// Shared, unless the tap may edit: then what rows share may come to differ.
    ///
    /// # Errors
    /// Where a sequence is empty or none is given.
    pub fn for_tap(sequences: &[Vec<u32>], tap: &dyn Tap) -> Result<Self> {
        if tap.edits() { Self::separate(sequences) } else { Self::shared(sequences) }
    }

    /// Adds the sequences in `order` (sorted, equal up to `depth`) below the runs in `prefix`.
    fn grow(&mut self, sequences: &[Vec<u32>], order: &[usize], depth: usize, prefix: &[Range<usize>]) {
        // Work that is left: sorted groups, each with the depth and path it continues from. A stack of
        // our own, since the tree may be as deep as a prompt is long.
        let mut todo = vec![(order.to_vec(), depth, prefix.to_vec())];
        while let Some((order, depth, prefix)) = todo.pop() {
            let mut group = order.iter().copied().filter(|&row| sequences[row].len() > depth).peekable();
            let mut branches = Vec::new();
            while let Some(first) = group.next() {
                let mut members = vec![first];
                while let Some(next) = group.next_if(|&row| sequences[row][depth] == sequences[first][depth])
                {
                    members.push(next);
                }
                branches.push(members);
            }
            for members in branches {
                // A sorted group shares what its first and last members share.
                let (first, last) = (&sequences[members[0]], &sequences[members[members.len() - 1]]);
                let shared = first.iter().zip(last).take_while(|(a, b)| a == b).count();
                let nodes = self.push_run(&first[depth..shared], depth, prefix.clone());
                for &row in &members {
                    self.rows[row].extend(nodes.clone().map(|node| node as u32));
                }
                let mut path = prefix.clone();
                path.push(nodes);
                todo.push((members, shared, path));
            }
        }
    }

    /// Adds `tokens`, at positions from `depth`, as a segment after `prefix`.
    fn push_run(&mut self, tokens: &[u32], depth: usize, prefix: Vec<Range<usize>>) -> Range<usize> {
        let start = self.tokens.len();
        self.tokens.extend_from_slice(tokens);
        self.positions.extend((depth..depth + tokens.len()).map(|position| position as u32));
        let nodes = start..self.tokens.len();
        self.segments.push(Segment { nodes: nodes.clone(), prefix });
        nodes
    }

    /// Continues each row with tokens of its own; rows no longer share what is added. A row may be
    /// given none.
    ///
    /// # Errors
    /// Where there is not one continuation a row.
    pub fn extend(&mut self, continuations: &[Vec<u32>]) -> Result<()> {
        if continuations.len() != self.rows.len() {
            return Err(Error::new(format!(
                "{} continuations for {} sequences",
                continuations.len(),
                self.rows.len()
            )));
        }
        for (row, tokens) in continuations.iter().enumerate() {
            if tokens.is_empty() {
                continue;
            }
            let (depth, prefix) = (self.rows[row].len(), runs(&self.rows[row]));
            let nodes = self.push_run(tokens, depth, prefix);
            self.rows[row].extend(nodes.map(|node| node as u32));
        }
        Ok(())
    }

    /// The token of each node.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The position of each node in its sequences.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// The runs of nodes; a run comes after all runs in its prefix.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// For each sequence its nodes, by position.
    pub fn rows(&self) -> &[Vec<u32>] {
        &self.rows
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// True where there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}

/// Consecutive nodes as ranges.
fn runs(nodes: &[u32]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for &node in nodes {
        let node = node as usize;
        match runs.last_mut() {
            Some(run) if run.end == node => run.end += 1,
            _ => runs.push(node..node + 1),
        }
    }
    runs
}

fn check(sequences: &[Vec<u32>]) -> Result<()> {
    if sequences.is_empty() {
        return Err(Error::new("no sequences to run").hint("give at least one prompt"));
    }
    match sequences.iter().position(Vec::is_empty) {
        Some(row) => Err(Error::new(format!("sequence {row} has no tokens"))),
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What each row's tokens, positions and visible nodes must be, whatever the sharing.
    fn check_tree(tree: &TokenTree, sequences: &[Vec<u32>]) {
        for (row, sequence) in tree.rows().iter().zip(sequences) {
            let tokens: Vec<u32> = row.iter().map(|&node| tree.tokens()[node as usize]).collect();
            assert_eq!(&tokens, sequence);
            for (position, &node) in row.iter().enumerate() {
                assert_eq!(tree.positions()[node as usize] as usize, position);
                let segment = tree.segments().iter().find(|s| s.nodes.contains(&(node as usize))).unwrap();
                let seen: Vec<u32> = segment
                    .prefix
                    .iter()
                    .cloned()
                    .flatten()
                    .chain(segment.nodes.start..node as usize + 1)
                    .map(|node| node as u32)
                    .collect();
                assert_eq!(seen, row[..=position]);
            }
        }
    }

    fn sequences() -> impl Strategy<Value = Vec<Vec<u32>>> {
        prop::collection::vec(prop::collection::vec(0u32..3, 1..9), 1..9)
    }

    proptest! {
        #[test]
        fn every_row_sees_its_own_past(sequences in sequences(), more in prop::collection::vec(0u32..3, 0..3)) {
            let mut distinct = std::collections::HashSet::new();
            for sequence in &sequences {
                (1..=sequence.len()).for_each(|n| { distinct.insert(sequence[..n].to_vec()); });
            }
            for mut tree in [TokenTree::shared(&sequences).unwrap(), TokenTree::separate(&sequences).unwrap()] {
                check_tree(&tree, &sequences);
                let continuations = vec![more.clone(); sequences.len()];
                tree.extend(&continuations).unwrap();
                let longer: Vec<_> = sequences.iter().map(|s| [s.clone(), more.clone()].concat()).collect();
                check_tree(&tree, &longer);
            }
            prop_assert_eq!(TokenTree::shared(&sequences).unwrap().len(), distinct.len());
        }
    }

    #[test]
    fn empty_input_is_refused() {
        assert!(TokenTree::shared(&[]).is_err());
        assert!(TokenTree::separate(&[vec![1], vec![]]).is_err());
    }
}
