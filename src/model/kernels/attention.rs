//! Attention over a [`TokenTree`](crate::model::tree::TokenTree), segment by segment.
//!
//! softmax(cap · tanh(scale · q·kᵀ / cap) + mask) · v, where a node sees the nodes of its prefix and the
//! ones before it in its segment, within the window. One task takes a block of queries of one key/value
//! head, with all query heads that share it; nothing larger than a block's scores is ever held.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use gemm::{Parallelism, gemm};
use rayon::prelude::*;

use super::math::{exp_and_sum, max, tanh};
use crate::model::tree::Segment;

/// Queries of a block: with the heads that share keys, enough rows for a good matrix product, few
/// enough that a causal block wastes little of it.
const BLOCK: usize = 32;

/// What attention computes, besides its inputs.
#[derive(Debug, Clone)]
pub struct Attention {
    /// The segments whose nodes are queries.
    pub segments: Arc<Vec<Segment>>,
    /// Nodes of the tree that came before the queries: query row 0 is this node.
    pub first_node: usize,
    /// Factor on q·k.
    pub scale: f32,
    /// `cap · tanh(scores / cap)`
    pub softcap: Option<f32>,
    /// Positions that a query sees, itself included.
    pub window: Option<usize>,
}

impl Attention {
    /// Attention of `q` [query node, head, d_head] to `k` and `v` [node, kv_head, d_head]; gives
    /// [query node, head, d_head].
    pub fn forward(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        q.contiguous()?.apply_op3_no_bwd(&k.contiguous()?, &v.contiguous()?, self)
    }
}

/// A block of consecutive queries of one segment, for one key/value head.
struct Task<'a> {
    segment: &'a Segment,
    /// Nodes whose queries are taken.
    queries: Range<usize>,
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
    k: &'a [f32],
    v: &'a [f32],
    n_kv_heads: usize,
    /// Query heads that share a key/value head.
    group: usize,
    d_head: usize,
}

/// The output, written by tasks in disjoint pieces.
struct Output(*mut MaybeUninit<f32>);
// SAFETY: each (query node, head) is written by exactly one task.
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
        let (n_queries, n_heads, d_head) = q_layout.shape().dims3()?;
        let (n_nodes, n_kv_heads, _) = k_layout.shape().dims3()?;
        let covered: usize = self.segments.iter().map(|segment| segment.nodes.len()).sum();
        if covered != n_queries || self.first_node + n_queries != n_nodes {
            candle_core::bail!(
                "attention of {n_queries} queries to {n_nodes} nodes over segments of {covered}, after {}",
                self.first_node
            );
        }
        let heads = Heads {
            q: super::values(q, q_layout)?,
            k: super::values(k, k_layout)?,
            v: super::values(v, v_layout)?,
            n_kv_heads,
            group: n_heads / n_kv_heads,
            d_head,
        };
        let tasks: Vec<Task> = self
            .segments
            .iter()
            .flat_map(|segment| {
                segment.nodes.clone().step_by(BLOCK).flat_map(move |start| {
                    let queries = start..(start + BLOCK).min(segment.nodes.end);
                    (0..n_kv_heads).map(move |kv_head| Task { segment, queries: queries.clone(), kv_head })
                })
            })
            .collect();
        let arch = pulp::Arch::new();
        // SAFETY: the segments cover every query node (checked above), and the tasks of a block every head.
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
}

impl Attention {
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
        let (rows, keys) = (task.queries.len() * group, end - seen_from);

        let queries = resized(&mut scratch.queries, rows * d_head);
        let scores = resized(&mut scratch.scores, rows * keys);
        let result = resized(&mut scratch.out, rows * d_head);
        let query_offset =
            |node: usize| ((node - self.first_node) * n_kv_heads + task.kv_head) * group * d_head;
        for (node, queries) in task.queries.clone().zip(queries.chunks_exact_mut(group * d_head)) {
            let q = &heads.q[query_offset(node)..][..group * d_head];
            queries.iter_mut().zip(q).for_each(|(query, q)| *query = q * self.scale);
        }

        // The keys in view, as runs of nodes with the column at which each begins.
        let own = task.segment.nodes.start..task.queries.end;
        let mut runs = Vec::with_capacity(task.segment.prefix.len() + 1);
        let mut position = 0;
        for run in task.segment.prefix.iter().chain([&own]) {
            let hidden = seen_from.saturating_sub(position);
            if hidden < run.len() {
                runs.push((position + hidden - seen_from, run.start + hidden..run.end));
            }
            position += run.len();
        }
        let key_offset = |node: usize| (node * n_kv_heads + task.kv_head) * d_head;
        let key_stride = (n_kv_heads * d_head) as isize;

        for (column, run) in &runs {
            // SAFETY: scores [rows, keys] at `column`, queries [rows, d_head] and the run's keys are all
            // inside their slices, with these strides.
            unsafe {
                product(
                    (rows, run.len(), d_head),
                    (scores.as_mut_ptr().add(*column), keys as isize, 1),
                    (queries.as_ptr(), d_head as isize, 1),
                    (heads.k.as_ptr().add(key_offset(run.start)), 1, key_stride),
                    false,
                );
            }
        }
        arch.dispatch(Softmax {
            scores,
            keys,
            group,
            start,
            seen_from,
            window: self.window,
            softcap: self.softcap,
        });
        for (index, (column, run)) in runs.iter().enumerate() {
            // SAFETY: as above; the first product overwrites the result, the others add to it.
            unsafe {
                product(
                    (rows, d_head, run.len()),
                    (result.as_mut_ptr(), d_head as isize, 1),
                    (scores.as_ptr().add(*column), keys as isize, 1),
                    (heads.v.as_ptr().add(key_offset(run.start)), key_stride, 1),
                    index > 0,
                );
            }
        }
        for (node, result) in task.queries.clone().zip(result.chunks_exact(group * d_head)) {
            // SAFETY: this block's queries and head belong to this task alone.
            unsafe { out.write(query_offset(node), result) };
        }
    }
}

/// The softmax of a block's scores [query · head of the group, key].
struct Softmax<'a> {
    scores: &'a mut [f32],
    keys: usize,
    group: usize,
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
            let position = self.start + row / self.group;
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

/// A matrix as pointer, row stride and column stride.
type Matrix<P> = (P, isize, isize);

/// `out (+)= left · right` for (m, n, k) matrices, on this thread.
///
/// # Safety
/// The pointers must reach the matrices that the sizes and strides describe; `out` is not read unless
/// `accumulate`.
unsafe fn product(
    (m, n, k): (usize, usize, usize),
    out: Matrix<*mut f32>,
    left: Matrix<*const f32>,
    right: Matrix<*const f32>,
    accumulate: bool,
) {
    // SAFETY: as promised by the caller.
    unsafe {
        gemm(
            m,
            n,
            k,
            out.0,
            out.2,
            out.1,
            accumulate,
            left.0,
            left.2,
            left.1,
            right.0,
            right.2,
            right.1,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
