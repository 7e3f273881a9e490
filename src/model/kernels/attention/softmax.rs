//! The softmax of a block's scores, and its backward.

use super::block::View;
use crate::model::kernels::math::{dot, exp_and_sum, max, tanh};

/// Replaces a block's scores [row, key] by the weights of the keys.
pub(super) struct Softmax<'a> {
    pub scores: &'a mut [f32],
    pub view: &'a View,
    pub window: Option<usize>,
    pub softcap: Option<f32>,
    /// Where the soft-cap's slopes go, if they are wanted.
    pub slopes: Option<&'a mut [f32]>,
}

impl pulp::NullaryFnOnce for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let View { keys, queries, start, seen_from, sizes, .. } = *self.view;
        for (row, scores) in self.scores.chunks_exact_mut(keys).enumerate() {
            let position = start + row / sizes.group % queries;
            let first = self.window.map_or(0, |window| (position + 1).saturating_sub(window)) - seen_from;
            let end = position + 1 - seen_from;
            // What the query may not see gets no weight.
            scores[..first].fill(0.0);
            scores[end..].fill(0.0);
            let visible = &mut scores[first..end];
            if let Some(cap) = self.softcap {
                match &mut self.slopes {
                    None => {
                        for x in visible.iter_mut() {
                            *x = cap * tanh(*x / cap);
                        }
                    }
                    Some(slopes) => {
                        for (x, slope) in visible.iter_mut().zip(&mut slopes[row * keys + first..]) {
                            let capped = tanh(*x / cap);
                            *slope = 1.0 - capped * capped;
                            *x = cap * capped;
                        }
                    }
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

/// Replaces the gradient of a block's weights by that of its scores before soft-cap and mask:
/// weight · (gradient − Σ weight · gradient) · slope.
pub(super) struct SoftmaxBackward<'a> {
    pub weights: &'a [f32],
    pub gradient: &'a mut [f32],
    pub slopes: Option<&'a [f32]>,
    pub keys: usize,
}

impl pulp::NullaryFnOnce for SoftmaxBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = self.gradient.chunks_exact_mut(self.keys).zip(self.weights.chunks_exact(self.keys));
        for (row, (gradient, weights)) in rows.enumerate() {
            let mean = dot(weights, gradient);
            for (gradient, weight) in gradient.iter_mut().zip(weights) {
                *gradient = weight * (*gradient - mean);
            }
            if let Some(slopes) = self.slopes {
                let slopes = &slopes[row * self.keys..][..self.keys];
                gradient.iter_mut().zip(slopes).for_each(|(gradient, slope)| *gradient *= slope);
            }
        }
    }
}
