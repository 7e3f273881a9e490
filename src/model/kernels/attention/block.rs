//! Blocks of queries: where their values lie, which keys they see, and the products with those.

use std::ops::Range;

use super::Attention;
use crate::model::kernels::product::on_this_thread;
use crate::model::tree::Segment;

/// Queries of a block: with the heads that share keys, enough rows for a good matrix product, few
/// enough that a causal block wastes little of it.
const BLOCK: usize = 32;

/// Sizes that all blocks share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub n_kv_heads: usize,
    /// Query heads that share a key/value head.
    pub group: usize,
    pub d_head: usize,
}

/// Keys or values, [node, kv_head, d_head]: those of the common beginning and those of the copies.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub beginning: &'a [f32],
    pub own: &'a [f32],
}

impl<'a> Rows<'a> {
    /// All in one, the beginning first.
    pub fn split(values: &'a [f32], at: usize) -> Self {
        let (beginning, own) = values.split_at(at.min(values.len()));
        Self { beginning, own }
    }

    pub fn len(&self) -> usize {
        self.beginning.len() + self.own.len()
    }
}

/// A block of consecutive queries of one segment in some copies, for one key/value head.
#[derive(Clone)]
pub(super) struct Block<'a> {
    segment: &'a Segment,
    /// Nodes whose queries are taken.
    queries: Range<usize>,
    /// Copies in the block.
    copies: usize,
    /// Row of the first copy's first query, and rows from one copy to the next.
    query_row: usize,
    query_stride: usize,
    /// Row of the first copy's first key, and rows from one copy to the next.
    key_row: usize,
    key_stride: usize,
    kv_head: usize,
}

impl Attention {
    /// All blocks of queries of the first `n_kv_heads` key/value heads.
    pub(super) fn blocks(&self, n_kv_heads: usize) -> Vec<Block<'_>> {
        let mut blocks = Vec::new();
        let (mut key_row, mut query_row) = (0, 0);
        for batch in self.batches.iter() {
            let n_queries = batch.n_queries();
            let mut run_row = query_row;
            for run in batch.runs.iter() {
                // Short runs make a block of several copies.
                let copies_at_once = (BLOCK / run.nodes.len().max(1)).max(1);
                for start in run.nodes.clone().step_by(BLOCK) {
                    let queries = start..(start + BLOCK).min(run.nodes.end);
                    for first in (0..batch.copies).step_by(copies_at_once) {
                        let block = Block {
                            segment: &run.segment,
                            query_row: run_row + first * n_queries + start - run.nodes.start,
                            query_stride: n_queries,
                            queries: queries.clone(),
                            copies: copies_at_once.min(batch.copies - first),
                            key_row: key_row + first * batch.n_nodes,
                            key_stride: batch.n_nodes,
                            kv_head: 0,
                        };
                        blocks.extend((0..n_kv_heads).map(|kv_head| block.of_head(kv_head)));
                    }
                }
                run_row += run.nodes.len();
            }
            key_row += batch.copies * batch.n_nodes;
            query_row += batch.copies * n_queries;
        }
        blocks
    }
}

impl Block<'_> {
    /// The same queries for another key/value head.
    pub fn of_head(&self, kv_head: usize) -> Self {
        Self { kv_head, ..self.clone() }
    }

    /// Where each query of the block begins in [query, head, d_head]; the heads of its group follow.
    pub fn offsets(&self, sizes: Sizes) -> impl Iterator<Item = usize> {
        let Sizes { n_kv_heads, group, d_head } = sizes;
        let (row, stride, kv_head, queries) =
            (self.query_row, self.query_stride, self.kv_head, self.queries.len());
        (0..self.copies).flat_map(move |copy| {
            (0..queries)
                .map(move |query| ((row + copy * stride + query) * n_kv_heads + kv_head) * group * d_head)
        })
    }

    /// Copies the block's part of [query, head, d_head], times `factor`, into [row, d_head].
    pub fn gather(&self, values: &[f32], sizes: Sizes, factor: f32, into: &mut [f32]) {
        let width = sizes.group * sizes.d_head;
        for (at, into) in self.offsets(sizes).zip(into.chunks_exact_mut(width)) {
            into.iter_mut().zip(&values[at..][..width]).for_each(|(into, value)| *into = value * factor);
        }
    }

    /// What the block sees in `attention`.
    pub fn view(&self, attention: &Attention, sizes: Sizes) -> View {
        let depth: usize = self.segment.prefix.iter().map(Range::len).sum();
        // Position of the block's first and one past its last query; keys lie at 0..end.
        let start = depth + self.queries.start - self.segment.nodes.start;
        let end = start + self.queries.len();
        // No query of the block sees a key before this.
        let seen_from = attention.window.map_or(0, |window| (start + 1).saturating_sub(window));
        let per_copy = self.queries.len() * sizes.group;
        View {
            runs: self.runs(seen_from, per_copy, attention.first_node),
            rows: self.copies * per_copy,
            keys: end - seen_from,
            queries: self.queries.len(),
            start,
            seen_from,
            kv_head: self.kv_head,
            sizes,
        }
    }

    /// The keys in view, as runs of consecutive ones. The common beginning is seen by all copies, the rest
    /// by its own.
    fn runs(&self, seen_from: usize, per_copy: usize, first_node: usize) -> Vec<Visible> {
        let last = self.segment.nodes.start..self.queries.end;
        let mut runs = Vec::new();
        let mut position = 0;
        for nodes in self.segment.prefix.iter().chain([&last]) {
            let hidden = seen_from.saturating_sub(position);
            if hidden < nodes.len() {
                let column = position + hidden - seen_from;
                let nodes = nodes.start + hidden..nodes.end;
                if nodes.start < first_node {
                    let rows = 0..self.copies * per_copy;
                    runs.push(Visible { rows, keys: nodes, column, is_own: false });
                } else {
                    runs.extend((0..self.copies).map(|copy| {
                        let first = self.key_row + copy * self.key_stride + nodes.start - first_node;
                        let rows = copy * per_copy..(copy + 1) * per_copy;
                        Visible { rows, keys: first..first + nodes.len(), column, is_own: true }
                    }));
                }
            }
            position += nodes.len();
        }
        runs
    }
}

/// Consecutive keys that some rows of a block's scores see.
pub(super) struct Visible {
    rows: Range<usize>,
    /// Rows of keys, of the beginning or of the copies.
    pub keys: Range<usize>,
    /// Where their scores begin in a row.
    column: usize,
    pub is_own: bool,
}

/// The keys that a block sees, and its scores [row, key]: rows are [copy, query, head of the group].
pub(super) struct View {
    pub runs: Vec<Visible>,
    pub rows: usize,
    pub keys: usize,
    /// Queries of a copy.
    pub queries: usize,
    /// Position of the first query.
    pub start: usize,
    /// Position of the first key.
    pub seen_from: usize,
    kv_head: usize,
    pub sizes: Sizes,
}

impl View {
    /// `scores` [row, key] = `left` [row, d_head] · `keys`ᵀ
    pub fn dot(&self, scores: &mut [f32], left: &[f32], keys: Rows) {
        let d_head = self.sizes.d_head;
        assert!(scores.len() >= self.rows * self.keys && left.len() >= self.rows * d_head);
        for run in &self.runs {
            let keys = self.first(run, keys);
            // SAFETY: scores [rows, keys] at the run's rows and column, left [rows, d_head] and the run's
            // keys are all inside their slices, with these strides.
            unsafe {
                on_this_thread(
                    (run.rows.len(), run.keys.len(), d_head),
                    (scores.as_mut_ptr().add(run.rows.start * self.keys + run.column), self.keys as isize, 1),
                    (left.as_ptr().add(run.rows.start * d_head), d_head as isize, 1),
                    (keys.as_ptr(), 1, self.key_stride()),
                    1.0,
                    false,
                );
            }
        }
    }

    /// `out` [row, d_head] = `weights` [row, key] · `values`
    pub fn sum(&self, out: &mut [f32], weights: &[f32], values: Rows) {
        let d_head = self.sizes.d_head;
        assert!(out.len() >= self.rows * d_head && weights.len() >= self.rows * self.keys);
        out.fill(0.0);
        for run in &self.runs {
            let values = self.first(run, values);
            // SAFETY: as in `dot`.
            unsafe {
                on_this_thread(
                    (run.rows.len(), d_head, run.keys.len()),
                    (out.as_mut_ptr().add(run.rows.start * d_head), d_head as isize, 1),
                    (weights.as_ptr().add(run.rows.start * self.keys + run.column), self.keys as isize, 1),
                    (values.as_ptr(), self.key_stride(), 1),
                    1.0,
                    true,
                );
            }
        }
    }

    /// Adds `weights`ᵀ [key, row] · `left` [row, d_head] of one run to `out` [key of the run, d_head].
    pub fn spread(&self, run: &Visible, out: &mut [f32], weights: &[f32], left: &[f32]) {
        let d_head = self.sizes.d_head;
        assert!(out.len() >= run.keys.len() * d_head);
        assert!(weights.len() >= self.rows * self.keys && left.len() >= self.rows * d_head);
        // SAFETY: as in `dot`, and `out` reaches the run's keys.
        unsafe {
            on_this_thread(
                (run.keys.len(), d_head, run.rows.len()),
                (out.as_mut_ptr(), d_head as isize, 1),
                (weights.as_ptr().add(run.rows.start * self.keys + run.column), 1, self.keys as isize),
                (left.as_ptr().add(run.rows.start * d_head), d_head as isize, 1),
                1.0,
                true,
            );
        }
    }

    /// The values of this head from the run's first key on, up to the end of its last.
    fn first<'a>(&self, run: &Visible, rows: Rows<'a>) -> &'a [f32] {
        let Sizes { n_kv_heads, d_head, .. } = self.sizes;
        let rows = if run.is_own { rows.own } else { rows.beginning };
        let offset = |row: usize| (row * n_kv_heads + self.kv_head) * d_head;
        &rows[offset(run.keys.start)..offset(run.keys.end - 1) + d_head]
    }

    fn key_stride(&self) -> isize {
        (self.sizes.n_kv_heads * self.sizes.d_head) as isize
    }
}
