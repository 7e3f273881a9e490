//! Attention over a [`TokenTree`](crate::model::tree::TokenTree), segment by segment.
//!
//! softmax(cap · tanh(scale · q·kᵀ / cap) + mask) · v, where a node sees the nodes of its prefix and the
//! ones before it in its segment, within the window. One task takes a block of queries of one key/value
//! head, with all query heads that share it; nothing larger than a block's scores is ever held.
//!
//! The queries may be *copies* of the same nodes, each with keys and values of its own, that continue one
//! common beginning: many variants of a few prompts. What they share is then multiplied once for all of them.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Storage, Tensor};
use rayon::prelude::*;

use super::math::{exp_and_sum, max, tanh};
use super::product::product;
use crate::model::tree::Segment;

/// Queries of a block: with the heads that share keys, enough rows for a good matrix product, few
/// enough that a causal block wastes little of it.
const BLOCK: usize = 32;

/// What attention computes, besides its inputs.
#[derive(Debug, Clone)]
pub struct Attention {
    /// The queries, in the order of their rows.
    pub batches: Arc<Vec<Batch>>,
    /// Nodes before this one are the common beginning.
    pub first_node: usize,
    /// Keys and values of the common beginning [node, kv_head, d_head]; where `None`, those given with the
    /// queries begin with them.
    pub beginning: Option<(Tensor, Tensor)>,
    /// Factor on q·k.
    pub scale: f32,
    /// `cap · tanh(scores / cap)`
    pub softcap: Option<f32>,
    /// Positions that a query sees, itself included.
    pub window: Option<usize>,
}

/// Copies of the same nodes. Rows of keys are [copy, node], rows of queries [copy, query].
#[derive(Debug, Clone)]
pub struct Batch {
    /// The runs of nodes whose queries are taken, in the order of their rows.
    pub runs: Arc<Vec<QueryRun>>,
    /// Nodes of a copy.
    pub n_nodes: usize,
    /// How many copies there are.
    pub copies: usize,
}

/// Consecutive nodes of a segment whose queries are taken.
#[derive(Debug, Clone)]
pub struct QueryRun {
    /// The segment that they lie in.
    pub segment: Segment,
    /// The nodes.
    pub nodes: Range<usize>,
}

impl QueryRun {
    /// All nodes of each segment.
    pub fn whole(segments: impl IntoIterator<Item = Segment>) -> Vec<Self> {
        segments.into_iter().map(|segment| Self { nodes: segment.nodes.clone(), segment }).collect()
    }
}

impl Batch {
    fn n_queries(&self) -> usize {
        self.runs.iter().map(|run| run.nodes.len()).sum()
    }
}

impl Attention {
    /// Attention of `q` [query, head, d_head] to `k` and `v` [node, kv_head, d_head]; gives
    /// [query, head, d_head].
    pub fn forward(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        q.contiguous()?.apply_op3_no_bwd(&k.contiguous()?, &v.contiguous()?, self)
    }

    /// All blocks of queries.
    fn tasks(&self, n_kv_heads: usize) -> Vec<Task<'_>> {
        let mut tasks = Vec::new();
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
                        let block = Task {
                            segment: &run.segment,
                            query_row: run_row + first * n_queries + start - run.nodes.start,
                            query_stride: n_queries,
                            queries: queries.clone(),
                            copies: copies_at_once.min(batch.copies - first),
                            key_row: key_row + first * batch.n_nodes,
                            key_stride: batch.n_nodes,
                            kv_head: 0,
                        };
                        tasks.extend((0..n_kv_heads).map(|kv_head| Task { kv_head, ..block.clone() }));
                    }
                }
                run_row += run.nodes.len();
            }
            key_row += batch.copies * batch.n_nodes;
            query_row += batch.copies * n_queries;
        }
        tasks
    }
}

/// A block of consecutive queries of one segment in some copies, for one key/value head.
#[derive(Clone)]
struct Task<'a> {
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

/// Memory that a thread uses again for each task.
#[derive(Default)]
struct Scratch {
    queries: Vec<f32>,
    scores: Vec<f32>,
    out: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Sizes and memory shared by all tasks.
struct Heads<'a> {
    q: &'a [f32],
    /// Keys and values of the common beginning.
    beginning: KeysAndValues<'a>,
    /// Keys and values of the copies.
    own: KeysAndValues<'a>,
    n_kv_heads: usize,
    /// Query heads that share a key/value head.
    group: usize,
    d_head: usize,
}

#[derive(Clone, Copy)]
struct KeysAndValues<'a> {
    k: &'a [f32],
    v: &'a [f32],
}

/// The output, written by tasks in disjoint pieces.
struct Output(*mut MaybeUninit<f32>);
// SAFETY: each (query, head) is written by exactly one task.
unsafe impl Sync for Output {}

impl Output {
    /// # Safety
    /// `at + values.len()` lies inside the output, and no other task writes there.
    unsafe fn write(&self, at: usize, values: &[f32]) {
        // SAFETY: as promised by the caller.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.0.add(at).cast(), values.len()) };
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "tree-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (k, v) = (super::values(k, k_layout)?, super::values(v, v_layout)?);
        match &self.beginning {
            Some((base_k, base_v)) => {
                let ((base_k, k_layout_base), (base_v, v_layout_base)) =
                    (base_k.storage_and_layout(), base_v.storage_and_layout());
                let (Storage::Cpu(base_k), Storage::Cpu(base_v)) = (&*base_k, &*base_v) else {
                    candle_core::bail!("the beginning's keys lie on another device")
                };
                let (base_k, base_v) =
                    (super::values(base_k, k_layout_base)?, super::values(base_v, v_layout_base)?);
                let beginning = KeysAndValues { k: base_k, v: base_v };
                self.attend(q, q_layout, k_layout, beginning, KeysAndValues { k, v })
            }
            None => {
                let (_, n_kv_heads, d_head) = k_layout.shape().dims3()?;
                let split = (self.first_node * n_kv_heads * d_head).min(k.len());
                let ((base_k, k), (base_v, v)) = (k.split_at(split), v.split_at(split));
                let beginning = KeysAndValues { k: base_k, v: base_v };
                self.attend(q, q_layout, k_layout, beginning, KeysAndValues { k, v })
            }
        }
    }
}

impl Attention {
    fn attend(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k_layout: &Layout,
        beginning: KeysAndValues,
        own: KeysAndValues,
    ) -> Result<(CpuStorage, Shape)> {
        let (n_queries, n_heads, d_head) = q_layout.shape().dims3()?;
        let (_, n_kv_heads, _) = k_layout.shape().dims3()?;
        let width = n_kv_heads * d_head;
        let queries: usize = self.batches.iter().map(|batch| batch.copies * batch.n_queries()).sum();
        let nodes: usize = self.batches.iter().map(|batch| batch.copies * batch.n_nodes).sum();
        let sizes = [beginning.k.len(), beginning.v.len(), own.k.len(), own.v.len()];
        if queries != n_queries
            || sizes != [self.first_node * width, self.first_node * width, nodes * width, nodes * width]
        {
            candle_core::bail!(
                "attention of {queries} queries to {nodes} nodes after {}, given {n_queries} queries and {} nodes",
                self.first_node,
                own.k.len() / width
            );
        }
        let heads = Heads {
            q: super::values(q, q_layout)?,
            beginning,
            own,
            n_kv_heads,
            group: n_heads / n_kv_heads,
            d_head,
        };
        let tasks = self.tasks(n_kv_heads);
        let arch = pulp::Arch::new();
        // SAFETY: the runs cover every row of queries (checked above), and the tasks of a block every head.
        let out = unsafe {
            super::filled(heads.q.len(), |out| {
                let out = Output(out.as_mut_ptr());
                tasks.par_iter().for_each(|task| {
                    SCRATCH.with_borrow_mut(|scratch| self.run(task, &heads, scratch, &out, arch));
                });
            })
        };
        Ok((CpuStorage::F32(out), q_layout.shape().clone()))
    }

    fn run(&self, task: &Task, heads: &Heads, scratch: &mut Scratch, out: &Output, arch: pulp::Arch) {
        let Heads { group, d_head, n_kv_heads, .. } = *heads;
        let depth: usize = task.segment.prefix.iter().map(Range::len).sum();
        // Position of the block's first and one past its last query; keys lie at 0..end.
        let start = depth + task.queries.start - task.segment.nodes.start;
        let end = start + task.queries.len();
        let first_seen =
            |position: usize| self.window.map_or(0, |window| (position + 1).saturating_sub(window));
        // No query of the block sees a key before this.
        let seen_from = first_seen(start);
        let per_copy = task.queries.len() * group;
        let (rows, keys) = (task.copies * per_copy, end - seen_from);

        let queries = resized(&mut scratch.queries, rows * d_head);
        let scores = resized(&mut scratch.scores, rows * keys);
        let result = resized(&mut scratch.out, rows * d_head);
        let query_offset = |copy: usize, query: usize| {
            ((task.query_row + copy * task.query_stride + query) * n_kv_heads + task.kv_head) * group * d_head
        };
        let all =
            || (0..task.copies).flat_map(|copy| (0..task.queries.len()).map(move |query| (copy, query)));
        for ((copy, query), queries) in all().zip(queries.chunks_exact_mut(group * d_head)) {
            let q = &heads.q[query_offset(copy, query)..][..group * d_head];
            queries.iter_mut().zip(q).for_each(|(query, q)| *query = q * self.scale);
        }

        let runs = self.visible(task, seen_from, per_copy);
        let (d_head_stride, key_stride) = (d_head as isize, (n_kv_heads * d_head) as isize);
        let key_offset = |row: usize| (row * n_kv_heads + task.kv_head) * d_head;
        for run in &runs {
            let keys_of = if run.is_own { heads.own.k } else { heads.beginning.k };
            // SAFETY: scores [rows, keys] at the run's rows and column, queries [rows, d_head] and the run's
            // keys are all inside their slices, with these strides.
            unsafe {
                product(
                    (run.rows.len(), run.keys.len(), d_head),
                    (scores.as_mut_ptr().add(run.rows.start * keys + run.column), keys as isize, 1),
                    (queries.as_ptr().add(run.rows.start * d_head), d_head_stride, 1),
                    (keys_of.as_ptr().add(key_offset(run.keys.start)), 1, key_stride),
                    false,
                );
            }
        }
        arch.dispatch(Softmax {
            scores,
            keys,
            group,
            queries: task.queries.len(),
            start,
            seen_from,
            window: self.window,
            softcap: self.softcap,
        });
        result.fill(0.0);
        for run in &runs {
            let values_of = if run.is_own { heads.own.v } else { heads.beginning.v };
            // SAFETY: as above.
            unsafe {
                product(
                    (run.rows.len(), d_head, run.keys.len()),
                    (result.as_mut_ptr().add(run.rows.start * d_head), d_head_stride, 1),
                    (scores.as_ptr().add(run.rows.start * keys + run.column), keys as isize, 1),
                    (values_of.as_ptr().add(key_offset(run.keys.start)), key_stride, 1),
                    true,
                );
            }
        }
        for ((copy, query), result) in all().zip(result.chunks_exact(group * d_head)) {
            // SAFETY: this block's queries and head belong to this task alone.
            unsafe { out.write(query_offset(copy, query), result) };
        }
    }

    /// The keys in view of a block, as runs of consecutive ones, each with the rows of scores that see it
    /// and the column at which it begins. The common beginning is seen by all copies, the rest by its own.
    fn visible(&self, task: &Task, seen_from: usize, per_copy: usize) -> Vec<Visible> {
        let last = task.segment.nodes.start..task.queries.end;
        let mut runs = Vec::new();
        let mut position = 0;
        for nodes in task.segment.prefix.iter().chain([&last]) {
            let hidden = seen_from.saturating_sub(position);
            if hidden < nodes.len() {
                let column = position + hidden - seen_from;
                let nodes = nodes.start + hidden..nodes.end;
                if nodes.start < self.first_node {
                    runs.push(Visible {
                        rows: 0..task.copies * per_copy,
                        keys: nodes,
                        column,
                        is_own: false,
                    });
                } else {
                    runs.extend((0..task.copies).map(|copy| {
                        let first = task.key_row + copy * task.key_stride + nodes.start - self.first_node;
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
struct Visible {
    rows: Range<usize>,
    /// Rows of keys, of the beginning or of the copies.
    keys: Range<usize>,
    /// Where their scores begin in a row.
    column: usize,
    is_own: bool,
}

/// The softmax of a block's scores [copy · query · head of the group, key].
struct Softmax<'a> {
    scores: &'a mut [f32],
    keys: usize,
    group: usize,
    /// Queries of a copy.
    queries: usize,
    /// Position of the first query.
    start: usize,
    /// Position of the first key.
    seen_from: usize,
    window: Option<usize>,
    softcap: Option<f32>,
}

impl pulp::NullaryFnOnce for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (row, scores) in self.scores.chunks_exact_mut(self.keys).enumerate() {
            let position = self.start + row / self.group % self.queries;
            let first =
                self.window.map_or(0, |window| (position + 1).saturating_sub(window)) - self.seen_from;
            let end = position + 1 - self.seen_from;
            // What the query may not see gets no weight.
            scores[..first].fill(0.0);
            scores[end..].fill(0.0);
            let visible = &mut scores[first..end];
            if let Some(cap) = self.softcap {
                for x in visible.iter_mut() {
                    *x = cap * tanh(*x / cap);
                }
            }
            let shift = max(visible);
            let factor = 1.0 / exp_and_sum(visible, shift);
            for x in visible {
                *x *= factor;
            }
        }
    }
}

/// The first `len` elements, whatever they hold.
fn resized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}
