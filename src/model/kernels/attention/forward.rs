//! The forward: one task a block of queries and key/value head.

use std::cell::RefCell;

use rayon::prelude::*;

use super::block::{Block, Rows, Sizes};
use super::softmax::Softmax;
use super::{Attention, Output};
use crate::model::kernels::{filled, resized};

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

impl Attention {
    /// What the queries `q` [query, head, d_head] get, of the same shape.
    pub(super) fn attend(&self, q: &[f32], k: Rows, v: Rows, sizes: Sizes) -> Vec<f32> {
        let blocks = self.blocks(sizes.n_kv_heads);
        // SAFETY: the runs cover every row of queries (checked in `sizes`), and the blocks every head.
        unsafe {
            filled(q.len(), |out| {
                let out = Output(out.as_mut_ptr());
                blocks.par_iter().for_each(|block| {
                    SCRATCH.with_borrow_mut(|scratch| self.run(block, q, (k, v), sizes, scratch, &out));
                });
            })
        }
    }

    fn run(
        &self,
        block: &Block,
        q: &[f32],
        (k, v): (Rows, Rows),
        sizes: Sizes,
        scratch: &mut Scratch,
        out: &Output,
    ) {
        let view = block.view(self, sizes);
        let queries = resized(&mut scratch.queries, view.rows * sizes.d_head);
        let scores = resized(&mut scratch.scores, view.rows * view.keys);
        let result = resized(&mut scratch.out, view.rows * sizes.d_head);
        block.gather(q, sizes, self.scale, queries);
        view.dot(scores, queries, k);
        let (window, softcap) = (self.window, self.softcap);
        pulp::Arch::new().dispatch(Softmax { scores, view: &view, window, softcap, slopes: None });
        view.sum(result, scores, v);
        for (at, result) in block.offsets(sizes).zip(result.chunks_exact(sizes.group * sizes.d_head)) {
            // SAFETY: this block's queries and head belong to this task alone.
            unsafe { out.write(at, result) };
        }
    }
}
