//! The backward. With S = scale · q·kᵀ capped and masked, P = softmax(S) and z = P·v:
//!
//! dv = Pᵀ·dz, dP = dz·vᵀ, dS = P ∘ (dP − Σ P∘dP) ∘ (1 − tanh²), dq = scale · dS·k, dk = scale · dSᵀ·q
//! (Dao, 2023, FlashAttention-2, algorithm 2).
//!
//! Keys are seen by many blocks. A task takes a fixed share of the blocks of one key/value head and adds up
//! dk and dv in memory of its own, for the keys that it sees; the shares are then summed in their order. So
//! results do not depend on the number of threads.

use std::cell::RefCell;
use std::ops::Range;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::block::{Block, Rows, Sizes, Visible};
use super::softmax::{Softmax, SoftmaxBackward};
use super::{Attention, Output};
use crate::model::kernels::{filled, held, resized};

/// Tasks, about: enough for many threads, few enough that a task's keys are not seen by all others.
const TASKS: usize = 32;

/// Memory that a thread uses again for each block.
#[derive(Default)]
struct Scratch {
    queries: Vec<f32>,
    weights: Vec<f32>,
    slopes: Vec<f32>,
    dz: Vec<f32>,
    scores: Vec<f32>,
    dq: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What all tasks read, and where dq goes.
struct Inputs<'a> {
    q: &'a [f32],
    k: Rows<'a>,
    v: Rows<'a>,
    dz: &'a [f32],
    sizes: Sizes,
    dq: &'a Output,
}

impl Attention {
    /// The gradients of q, k and v.
    pub(super) fn gradients(&self, q: &Tensor, k: &Tensor, v: &Tensor, dz: &Tensor) -> Result<[Tensor; 3]> {
        let dz = dz.contiguous()?;
        let (q_held, k_held, v_held, dz) = (held(q), held(k), held(v), held(&dz));
        let (q_values, k_values) = (q_held.values()?, k_held.values()?);
        let width = k.dims().iter().skip(1).product::<usize>();
        let split = self.first_node * width;
        let (keys, values) = (Rows::split(k_values, split), Rows::split(v_held.values()?, split));
        let sizes = self.sizes(q.shape(), k.shape(), keys.beginning.len(), keys.own.len())?;

        let dz_values = dz.values()?;
        let mut shares = Vec::new();
        // SAFETY: the runs cover every row of queries (checked in `sizes`), and the shares every head.
        let dq = unsafe {
            filled(q_values.len(), |out| {
                let dq = &Output(out.as_mut_ptr());
                let inputs = Inputs { q: q_values, k: keys, v: values, dz: dz_values, sizes, dq };
                shares = self.shares(&inputs);
            })
        };
        let (dk, dv) = sum(&shares, k_values.len() / width.max(1), sizes);
        Ok([
            Tensor::from_vec(dq, q.shape(), q.device())?,
            Tensor::from_vec(dk, k.shape(), k.device())?,
            Tensor::from_vec(dv, v.shape(), v.device())?,
        ])
    }

    /// The gradients of keys and values by shares: [kv_head, share].
    fn shares(&self, inputs: &Inputs) -> Vec<Share> {
        let n_kv_heads = inputs.sizes.n_kv_heads;
        let blocks = self.blocks(1);
        let per_share = blocks.len().div_ceil(TASKS.div_ceil(n_kv_heads)).max(1);
        let tasks: Vec<(usize, &[Block])> = (0..n_kv_heads)
            .flat_map(|kv_head| blocks.chunks(per_share).map(move |blocks| (kv_head, blocks)))
            .collect();
        let share = |&(kv_head, blocks): &(usize, &[Block])| {
            let blocks: Vec<Block> = blocks.iter().map(|block| block.of_head(kv_head)).collect();
            let mut share = Share::new(self, kv_head, &blocks, inputs.sizes);
            SCRATCH.with_borrow_mut(|scratch| {
                blocks.iter().for_each(|block| self.run_back(block, inputs, &mut share, scratch));
            });
            share
        };
        tasks.par_iter().map(share).collect()
    }

    fn run_back(&self, block: &Block, inputs: &Inputs, share: &mut Share, scratch: &mut Scratch) {
        let sizes = inputs.sizes;
        let view = block.view(self, sizes);
        let (n_values, n_scores) = (view.rows * sizes.d_head, view.rows * view.keys);
        let queries = resized(&mut scratch.queries, n_values);
        let weights = resized(&mut scratch.weights, n_scores);
        let mut slopes = self.softcap.map(|_| resized(&mut scratch.slopes, n_scores));
        let dz = resized(&mut scratch.dz, n_values);
        let scores = resized(&mut scratch.scores, n_scores);
        let dq = resized(&mut scratch.dq, n_values);
        let arch = pulp::Arch::new();

        block.gather(inputs.q, sizes, self.scale, queries);
        block.gather(inputs.dz, sizes, 1.0, dz);
        view.dot(weights, queries, inputs.k);
        arch.dispatch(Softmax {
            scores: weights,
            view: &view,
            window: self.window,
            softcap: self.softcap,
            slopes: slopes.as_deref_mut(),
        });
        view.dot(scores, dz, inputs.v);
        arch.dispatch(SoftmaxBackward {
            weights,
            gradient: scores,
            slopes: slopes.as_deref(),
            keys: view.keys,
        });
        view.sum(dq, scores, inputs.k);
        dq.iter_mut().for_each(|dq| *dq *= self.scale);
        for (at, dq) in block.offsets(sizes).zip(dq.chunks_exact(sizes.group * sizes.d_head)) {
            // SAFETY: this block's queries and head belong to this task alone.
            unsafe { inputs.dq.write(at, dq) };
        }
        for run in &view.runs {
            let at = share.offset(self.row(run)) * sizes.d_head;
            view.spread(run, &mut share.dv[at..], weights, dz);
            // The queries have the scale in them already.
            view.spread(run, &mut share.dk[at..], scores, queries);
        }
    }

    /// The row of a run's first key among all keys.
    fn row(&self, run: &Visible) -> usize {
        if run.is_own { self.first_node + run.keys.start } else { run.keys.start }
    }
}

/// The gradients of the keys and values that some blocks of a head see.
struct Share {
    kv_head: usize,
    /// Rows of those keys, as disjoint ranges in their order.
    rows: Vec<Range<usize>>,
    /// [row, d_head]
    dk: Vec<f32>,
    /// [row, d_head]
    dv: Vec<f32>,
}

impl Share {
    fn new(attention: &Attention, kv_head: usize, blocks: &[Block], sizes: Sizes) -> Self {
        let mut seen: Vec<Range<usize>> = Vec::new();
        for block in blocks {
            seen.extend(block.view(attention, sizes).runs.iter().map(|run| {
                let first = attention.row(run);
                first..first + run.keys.len()
            }));
        }
        seen.sort_by_key(|rows| rows.start);
        let mut rows: Vec<Range<usize>> = Vec::new();
        for next in seen {
            match rows.last_mut() {
                Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
                _ => rows.push(next),
            }
        }
        let len = rows.iter().map(Range::len).sum::<usize>() * sizes.d_head;
        Self { kv_head, rows, dk: vec![0.0; len], dv: vec![0.0; len] }
    }

    /// Where a row that the blocks see lies in the share.
    fn offset(&self, row: usize) -> usize {
        let before = self.rows.iter().take_while(|rows| rows.end <= row);
        let offset: usize = before.map(Range::len).sum();
        offset + self.rows.iter().find(|rows| rows.end > row).map_or(0, |rows| row - rows.start)
    }
}

/// The sums of the shares of each head, [node, kv_head, d_head]: dk and dv.
fn sum(shares: &[Share], n_nodes: usize, sizes: Sizes) -> (Vec<f32>, Vec<f32>) {
    let Sizes { n_kv_heads, d_head, .. } = sizes;
    let add = |of: fn(&Share) -> &[f32]| {
        let mut total = vec![0f32; n_nodes * n_kv_heads * d_head];
        for share in shares {
            let rows = share.rows.iter().cloned().flatten();
            for (row, values) in rows.zip(of(share).chunks_exact(d_head)) {
                let at = (row * n_kv_heads + share.kv_head) * d_head;
                total[at..][..d_head].iter_mut().zip(values).for_each(|(total, value)| *total += value);
            }
        }
        total
    };
    rayon::join(|| add(|share| &share.dk), || add(|share| &share.dv))
}
