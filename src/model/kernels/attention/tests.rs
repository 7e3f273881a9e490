//! The tree's attention and its gradients against dense attention with a mask, in float64.
#![allow(clippy::unwrap_used)]

use candle_core::{D, DType, Device, Var};

use super::*;
use crate::model::kernels::tests::{agree, random};
use crate::model::tree::TokenTree;

/// Sequences that share beginnings of several lengths, some of them longer than a block of queries.
fn sequences() -> Vec<Vec<u32>> {
    let common: Vec<u32> = (0..70).collect();
    let mut sequences: Vec<Vec<u32>> = [3usize, 41, 70]
        .iter()
        .map(|&n| [&common[..n], &[900 + n as u32; 37][..n / 2 + 1]].concat())
        .collect();
    sequences.push([&common[..41], &[7, 8, 9]].concat());
    sequences.push(vec![500]);
    sequences
}

fn attention(tree: &TokenTree, softcap: Option<f32>, window: Option<usize>) -> Attention {
    let runs = Arc::new(QueryRun::whole(tree.segments().iter().cloned()));
    Attention {
        batches: Arc::new(vec![Batch { runs, n_nodes: tree.len(), copies: 1 }]),
        first_node: 0,
        beginning: None,
        scale: 0.4,
        softcap,
        window,
    }
}

/// 0 where a node sees another, −∞ where not.
fn mask(tree: &TokenTree, window: Option<usize>) -> Tensor {
    let n = tree.len();
    let mut mask = vec![f64::NEG_INFINITY; n * n];
    for row in tree.rows() {
        for (position, &query) in row.iter().enumerate() {
            let first = window.map_or(0, |window| (position + 1).saturating_sub(window));
            row[first..=position].iter().for_each(|&key| mask[query as usize * n + key as usize] = 0.0);
        }
    }
    Tensor::from_vec(mask, (n, n), &Device::Cpu).unwrap()
}

/// softmax(cap(scale · q·kᵀ) + mask) · v of all nodes at once.
fn dense(attention: &Attention, t: &[Tensor], mask: &Tensor) -> Result<Tensor> {
    let group = t[0].dim(1)? / t[1].dim(1)?;
    let heads: Vec<u32> = (0..t[0].dim(1)?).map(|head| (head / group) as u32).collect();
    let heads = Tensor::new(heads, &Device::Cpu)?;
    let q = t[0].transpose(0, 1)?.contiguous()?;
    let k = t[1].index_select(&heads, 1)?.transpose(0, 1)?.contiguous()?;
    let v = t[2].index_select(&heads, 1)?.transpose(0, 1)?.contiguous()?;
    let scores = (q.matmul(&k.t()?)? * f64::from(attention.scale))?;
    let scores = match attention.softcap.map(f64::from) {
        Some(cap) => ((scores / cap)?.tanh()? * cap)?,
        None => scores,
    };
    let pattern = candle_nn::ops::softmax(&scores.broadcast_add(mask)?, D::Minus1)?;
    pattern.matmul(&v)?.transpose(0, 1)
}

#[test]
fn gradients_are_those_of_dense_attention() {
    for tree in [TokenTree::shared(&sequences()).unwrap(), TokenTree::separate(&sequences()).unwrap()] {
        for (heads, kv_heads, d_head) in [(4, 2, 8), (3, 1, 5), (2, 2, 64)] {
            for (softcap, window) in [(None, None), (Some(1.5), None), (None, Some(5)), (Some(0.7), Some(40))]
            {
                let n = tree.len();
                let arguments = [
                    (random(&[n, heads, d_head], 1) * 2.0).unwrap(),
                    (random(&[n, kv_heads, d_head], 2) * 2.0).unwrap(),
                    random(&[n, kv_heads, d_head], 3),
                ];
                let attention = attention(&tree, softcap, window);
                let mask = mask(&tree, window);
                let kernel = |t: &[Tensor]| attention.forward(&t[0], &t[1], &t[2]);
                agree(&arguments, 100.0, kernel, |t| dense(&attention, t, &mask));
            }
        }
    }
}

/// Where a pass continues, earlier keys stand before the new ones: they get gradients too.
#[test]
fn keys_of_a_beginning_get_gradients() {
    let mut tree = TokenTree::shared(&[vec![1, 2, 3, 4], vec![1, 2, 5]]).unwrap();
    let first_node = tree.len();
    tree.extend(&[vec![6, 7, 8], vec![9]]).unwrap();
    let (n, queries) = (tree.len(), tree.len() - first_node);
    let segments = tree.segments().iter().filter(|segment| segment.nodes.start >= first_node).cloned();
    let batch = Batch { runs: Arc::new(QueryRun::whole(segments)), n_nodes: queries, copies: 1 };
    let attention =
        Attention { batches: Arc::new(vec![batch]), first_node, ..attention(&tree, None, Some(4)) };
    let mask = mask(&tree, Some(4)).narrow(0, first_node, queries).unwrap();
    let arguments = [random(&[queries, 2, 6], 1), random(&[n, 1, 6], 2), random(&[n, 1, 6], 3)];
    let kernel = |t: &[Tensor]| attention.forward(&t[0], &t[1], &t[2]);
    agree(&arguments, 100.0, kernel, |t| dense(&attention, t, &mask));
}

#[test]
fn given_keys_have_no_backward_and_say_so() {
    let tree = TokenTree::shared(&[vec![1, 2, 3]]).unwrap();
    let mut tail = tree.clone();
    tail.extend(&[vec![4]]).unwrap();
    let segments = tail.segments().iter().skip(1).cloned();
    let batch = Batch { runs: Arc::new(QueryRun::whole(segments)), n_nodes: 1, copies: 1 };
    let beginning = Some((random(&[3, 1, 4], 1), random(&[3, 1, 4], 2)));
    let attention = Attention {
        batches: Arc::new(vec![batch]),
        first_node: 3,
        beginning,
        ..attention(&tree, None, None)
    };
    let own = [random(&[1, 1, 4], 3), random(&[1, 1, 4], 4)];
    let q = Var::from_tensor(&random(&[1, 2, 4], 5)).unwrap();
    let z = attention.forward(&q, &own[0], &own[1]).unwrap();
    assert!(z.backward().unwrap_err().to_string().contains("no backward"));
    assert!(!attention.forward(&q.detach(), &own[0], &own[1]).unwrap().track_op());
    assert_eq!(z.dtype(), DType::F32);
}
