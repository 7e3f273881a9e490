//! The kernels' gradients against those of plain operations in float64.
#![allow(clippy::unwrap_used)]

use candle_core::{D, DType, Device, Result, Tensor, Var};

use super::*;
use crate::random::Random;

/// Numbers in −1..1.
pub fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut random = Random::new(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| 2.0 * random.uniform() as f32 - 1.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub fn on<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// The gradients of Σ seed ∘ of(arguments), and of(arguments).
fn gradients(
    of: &(dyn Fn(&[Tensor]) -> Result<Tensor> + Sync),
    arguments: &[Tensor],
    dtype: DType,
) -> (Vec<Vec<f64>>, Tensor) {
    let vars: Vec<Var> =
        arguments.iter().map(|t| Var::from_tensor(&t.to_dtype(dtype).unwrap()).unwrap()).collect();
    let out = of(&vars.iter().map(|var| var.as_tensor().clone()).collect::<Vec<_>>()).unwrap();
    let seed = random(out.dims(), 99).to_dtype(out.dtype()).unwrap();
    let store = (&out * seed).unwrap().sum_all().unwrap().backward().unwrap();
    let values = |t: &Tensor| t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    (vars.iter().map(|var| values(store.get(var).unwrap())).collect(), out.detach())
}

/// Holds a kernel to plain operations: its values and gradients to within `units` roundings of the largest,
/// equal bits for any number of threads, and no gradient for an argument that is a constant.
pub fn agree(
    arguments: &[Tensor],
    units: f64,
    kernel: impl Fn(&[Tensor]) -> Result<Tensor> + Sync,
    plain: impl Fn(&[Tensor]) -> Result<Tensor> + Sync,
) {
    let (found, out) = on(1, || gradients(&kernel, arguments, DType::F32));
    let (expected, plain_out) = gradients(&plain, arguments, DType::F64);
    let values =
        |t: &Tensor| t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let pairs =
        found.iter().cloned().chain([values(&out)]).zip(expected.into_iter().chain([values(&plain_out)]));
    for (which, (found, expected)) in pairs.enumerate() {
        let largest = expected.iter().fold(0f64, |max, x| max.max(x.abs()));
        let tolerance = units * f64::from(f32::EPSILON) * largest;
        assert!(largest > 0.0 && found.len() == expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            let distance = (found - expected).abs();
            assert!(distance <= tolerance, "argument {which}: {found} for {expected}, off by {distance:e}");
        }
    }
    for threads in [2, 5] {
        assert_eq!(on(threads, || gradients(&kernel, arguments, DType::F32)).0, found, "{threads} threads");
    }
    for trained in 0..arguments.len() {
        let var = Var::from_tensor(&arguments[trained]).unwrap();
        let mut mixed = arguments.to_vec();
        mixed[trained] = var.as_tensor().clone();
        let store = kernel(&mixed).unwrap().backward().unwrap();
        for (which, argument) in mixed.iter().enumerate() {
            assert_eq!(store.get(argument).is_some(), which == trained, "argument {which}");
        }
    }
    assert!(!kernel(arguments).unwrap().track_op(), "constants leave a graph");
}

#[test]
fn linear_has_the_gradients_of_a_product() {
    for (m, n, k) in [(1, 1, 1), (7, 5, 3), (401, 700, 130), (130, 64, 576), (3, 600, 2), (90, 17, 300)] {
        let arguments = [random(&[m, k], 1), random(&[n, k], 2), random(&[n], 3)];
        let plain = |t: &[Tensor]| t[0].matmul(&t[1].t()?)?.broadcast_add(&t[2]);
        agree(&arguments, 60.0, |t| linear::linear(&t[0], &t[1], Some(&t[2])), plain);
        let plain = |t: &[Tensor]| t[0].matmul(&t[1].t()?);
        agree(&arguments[..2], 60.0, |t| linear::linear(&t[0], &t[1], None), plain);
    }
}

#[test]
fn a_side_path_has_the_gradients_of_its_products() {
    for (n, input, out, rank) in [(1, 1, 1, 1), (7, 5, 3, 2), (301, 200, 577, 64), (90, 576, 64, 8)] {
        let arguments = [random(&[n, input], 1), random(&[rank, input], 2), random(&[out, rank], 3)];
        let weight = random(&[out, input], 4);
        let scale = 0.7;
        let kernel = |t: &[Tensor]| side_path::side_path(&t[0], &weight, &t[1], &t[2], scale);
        let plain = |t: &[Tensor]| {
            let path = t[0].matmul(&t[1].t()?)?.matmul(&t[2].t()?)? * scale;
            t[0].matmul(&weight.to_dtype(DType::F64)?.t()?)? + path?
        };
        agree(&arguments, 60.0, kernel, plain);
    }
}

#[test]
fn rms_norm_has_the_gradients_of_plain_operations() {
    for (rows, d, eps) in [(1, 1, 1e-5), (3, 7, 1e-6), (130, 577, 1e-5), (1000, 64, 0.1)] {
        let arguments = [random(&[rows, d], 1), random(&[d], 2)];
        let plain = |t: &[Tensor]| {
            let divisor = (t[0].sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
            t[0].broadcast_div(&divisor)?.broadcast_mul(&t[1])
        };
        // A row of one value has no direction to change in: its gradient is what cancels.
        if d > 1 {
            agree(&arguments, 60.0, |t| rms_norm::rms_norm(&t[0], &t[1], eps), plain);
        }
    }
}

#[test]
fn gated_has_the_gradients_of_plain_operations() {
    for len in [1, 31, 70_001] {
        let arguments = [(random(&[len], 1) * 9.0).unwrap(), random(&[len], 2)];
        agree(&arguments, 20.0, |t| gated::gated(&t[0], &t[1], gated::Gate::Silu), |t| t[0].silu()? * &t[1]);
        let kernel = |t: &[Tensor]| gated::gated(&t[0], &t[1], gated::Gate::GeluTanh);
        agree(&arguments, 20.0, kernel, |t| t[0].gelu()? * &t[1]);
    }
}

#[test]
fn rope_has_the_gradients_of_plain_operations() {
    for (nodes, heads, d_head, half) in [(1, 1, 2, 1), (301, 3, 64, 32), (9, 2, 10, 3)] {
        let angles = (random(&[nodes, half], 5) * 3.0).unwrap();
        let (cos, sin) = (angles.cos().unwrap(), angles.sin().unwrap());
        let plain = |t: &[Tensor]| {
            let table = |t: &Tensor| t.to_dtype(DType::F64)?.unsqueeze(1);
            let (cos, sin) = (table(&cos)?, table(&sin)?);
            let (x1, x2) = (t[0].narrow(2, 0, half)?, t[0].narrow(2, half, half)?);
            let mut parts = vec![
                (x1.broadcast_mul(&cos)? - x2.broadcast_mul(&sin)?)?,
                (x2.broadcast_mul(&cos)? + x1.broadcast_mul(&sin)?)?,
            ];
            if d_head > 2 * half {
                parts.push(t[0].narrow(2, 2 * half, d_head - 2 * half)?);
            }
            Tensor::cat(&parts, 2)
        };
        agree(&[random(&[nodes, heads, d_head], 1)], 4.0, |t| rope::rope(&t[0], &cos, &sin), plain);
    }
}

#[test]
fn softcap_has_the_gradients_of_plain_operations() {
    for len in [1, 33, 50_001] {
        let x = (random(&[len], 1) * 60.0).unwrap();
        agree(&[x], 10.0, |t| softcap::softcap(&t[0], 30.0), |t| (t[0].clone() / 30.0)?.tanh()? * 30.0);
    }
}

#[test]
fn log_prob_is_that_of_log_softmax() {
    for (n, d_vocab) in [(1, 2), (5, 33), (3, 50_001)] {
        let logits = (random(&[n, d_vocab], 1) * 12.0).unwrap();
        let targets: Vec<u32> = (0..n).map(|row| ((row * 7919 + 1) % d_vocab) as u32).collect();
        let targets = Tensor::new(targets, &Device::Cpu).unwrap();
        let plain = |t: &[Tensor]| {
            let all = candle_nn::ops::log_softmax(&t[0], D::Minus1)?;
            all.gather(&targets.unsqueeze(1)?, 1)?.squeeze(1)
        };
        agree(std::slice::from_ref(&logits), 30.0, |t| log_prob::log_prob(&t[0], &targets), plain);
        // In another dtype the plain operations.
        let other = log_prob::log_prob(&logits.to_dtype(DType::F64).unwrap(), &targets).unwrap();
        let own = log_prob::log_prob(&logits, &targets).unwrap();
        let distance = (own - other).unwrap().abs().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
        assert!(distance <= 30.0 * f32::EPSILON * 24.0, "{distance}");
    }
    let logits = random(&[2, 5], 1);
    let of = |targets: &[u32]| log_prob::log_prob(&logits, &Tensor::new(targets, &Device::Cpu).unwrap());
    assert!(of(&[1, 5]).unwrap_err().to_string().contains("token 5"));
    assert!(of(&[1]).unwrap_err().to_string().contains("1 targets"));
}
