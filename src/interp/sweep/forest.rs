//! The nodes that a patch can change.
//!
//! A patch at a position changes nothing before it, and nothing where the value put in equals the value that
//! is there. What is left of each row, from its first change on, is its *dirty* part. Rows that are equal
//! up to a position, in their tokens and in what is put in, share that part too: the dirty parts form a
//! forest, whose trees continue paths of the clean run.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::error::Result;
use crate::model::attention::QueryRun;
use crate::model::tree::{Segment, TokenTree};

/// The dirty nodes of all rows, for one choice of positions.
pub struct Forest {
    /// Every dirty node.
    pub all: Nodes,
    /// Those whose logits are read.
    pub reads: Nodes,
    /// For each read of the metric its place in `reads`; `None` where it cannot change.
    pub read_rows: Vec<Option<usize>>,
}

/// Some nodes of a forest, in the order of their rows.
pub struct Nodes {
    /// How many there are.
    pub len: usize,
    /// For each the node of the clean run that it may differ from: u32 [len].
    pub clean: Tensor,
    /// For each the node of the source that is put in or stands beside it, 0 for none: u32 [len].
    pub source: Tensor,
    /// For each, whether it is patched.
    pub is_patched: Vec<bool>,
    /// For each its position.
    pub positions: Vec<u32>,
    /// Their queries.
    pub runs: Arc<Vec<QueryRun>>,
}

/// A row as the forest sees it.
pub struct Row<'a> {
    /// Its tokens.
    pub tokens: &'a [u32],
    /// Its nodes in the clean run.
    pub clean: &'a [u32],
    /// For each position the source's node, where one is put in that could differ.
    pub source: Vec<Option<u32>>,
    /// For each position the source's node that stands beside it, where it counts as changed though nothing
    /// is put in there.
    pub beside: Vec<Option<u32>>,
}

impl Forest {
    /// The dirty nodes of `rows` after a clean run of `first_node` nodes, read at (row, position) pairs.
    pub fn new(rows: &[Row], first_node: usize, reads: &[(usize, usize)], device: &Device) -> Result<Self> {
        // Rows share what they have in common of tokens and of what is put in: such a pair is a token here.
        let mut pairs = HashMap::new();
        let sequences: Vec<Vec<u32>> = rows
            .iter()
            .map(|row| {
                let keys = row.tokens.iter().zip(&row.source).zip(&row.beside);
                keys.map(|key| {
                    let next = pairs.len() as u32;
                    *pairs.entry(key).or_insert(next)
                })
                .collect()
            })
            .collect();
        let tree = TokenTree::shared(&sequences)?;
        let dirty = Dirty::of(&tree, rows);
        let runs = dirty.segments(&tree, rows, first_node);

        let place = |&(row, position): &(usize, usize)| dirty.number[tree.rows()[row][position] as usize];
        let mut read: Vec<usize> = reads.iter().filter_map(place).collect();
        read.sort_unstable();
        read.dedup();
        let read_rows =
            reads.iter().map(|cell| place(cell).and_then(|own| read.binary_search(&own).ok())).collect();
        let read_runs = QueryRun::whole(runs.iter().cloned()).into_iter().flat_map(|run| {
            let nodes = run.nodes.clone();
            let chosen: Vec<usize> =
                read.iter().map(|own| own + first_node).filter(|node| nodes.contains(node)).collect();
            consecutive(&chosen)
                .into_iter()
                .map(move |nodes| QueryRun { segment: run.segment.clone(), nodes })
                .collect::<Vec<_>>()
        });
        let read_runs: Vec<QueryRun> = read_runs.collect();
        let every: Vec<usize> = (0..dirty.cells.len()).collect();
        Ok(Self {
            all: dirty.nodes(&every, rows, QueryRun::whole(runs.iter().cloned()), device)?,
            reads: dirty.nodes(&read, rows, read_runs, device)?,
            read_rows,
        })
    }
}

/// Which nodes of the tree of pairs are dirty.
struct Dirty {
    /// For each node of the tree its number among the dirty ones.
    number: Vec<Option<usize>>,
    /// For each dirty node a (row, position) that stands for it.
    cells: Vec<(usize, usize)>,
}

impl Dirty {
    fn of(tree: &TokenTree, rows: &[Row]) -> Self {
        let mut is_dirty = vec![None; tree.len()];
        for (r, (nodes, row)) in tree.rows().iter().zip(rows).enumerate() {
            let changed = (0..nodes.len()).find(|&p| row.source[p].is_some() || row.beside[p].is_some());
            for position in changed.unwrap_or(nodes.len())..nodes.len() {
                is_dirty[nodes[position] as usize].get_or_insert((r, position));
            }
        }
        let cells = is_dirty.iter().flatten().copied().collect();
        let mut count = 0;
        let number = is_dirty
            .iter()
            .map(|cell| {
                cell.is_some().then(|| {
                    count += 1;
                    count - 1
                })
            })
            .collect();
        Self { number, cells }
    }

    /// The dirty part of each segment of the tree, as nodes after the clean run's, behind a prefix of clean
    /// and dirty ones.
    fn segments(&self, tree: &TokenTree, rows: &[Row], first_node: usize) -> Vec<Segment> {
        let mut segments = Vec::new();
        for segment in tree.segments() {
            let Some(first) = segment.nodes.clone().find(|&node| self.number[node].is_some()) else {
                continue;
            };
            let Some(number) = self.number[first] else { continue };
            let (row, depth) = self.cells[number];
            let nodes = first_node + number..first_node + number + segment.nodes.end - first;
            let path: Vec<usize> = (0..depth)
                .map(|position| match self.number[tree.rows()[row][position] as usize] {
                    Some(number) => first_node + number,
                    None => rows[row].clean[position] as usize,
                })
                .collect();
            let split = path.iter().position(|&node| node >= first_node).unwrap_or(depth);
            // Where the clean part ends a run ends, though the next number may happen to follow.
            let prefix = [consecutive(&path[..split]), consecutive(&path[split..])].concat();
            segments.push(Segment { nodes, prefix });
        }
        segments
    }

    fn nodes(&self, chosen: &[usize], rows: &[Row], runs: Vec<QueryRun>, device: &Device) -> Result<Nodes> {
        let cells = || chosen.iter().map(|&own| self.cells[own]);
        let source = |(row, position): (usize, usize)| rows[row].source[position];
        let beside = |(row, position): (usize, usize)| rows[row].beside[position];
        let clean: Vec<u32> = cells().map(|(row, position)| rows[row].clean[position]).collect();
        Ok(Nodes {
            len: chosen.len(),
            clean: Tensor::new(clean, device)?,
            source: Tensor::new(
                cells().map(|cell| source(cell).or(beside(cell)).unwrap_or(0)).collect::<Vec<_>>(),
                device,
            )?,
            is_patched: cells().map(|cell| source(cell).is_some()).collect(),
            positions: cells().map(|(_, position)| position as u32).collect(),
            runs: Arc::new(runs),
        })
    }
}

/// Ascending numbers as ranges.
fn consecutive(numbers: &[usize]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some(run) if run.end == number => run.end += 1,
            _ => runs.push(number..number + 1),
        }
    }
    runs
}
