//! Gradients of whole decoders: every family, the fused path over a shared tree.
//!
//! The reference is candle's own backward through plain operations over separate rows, and finite
//! differences of the loss. Each kernel alone is held to float64 beside it, in `src/model/kernels`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::{BTreeMap, HashMap};

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use common::{Reference, families, family, log_softmax, weights};
use mora::model::config::ArchConfig;
use mora::model::decoder::Decoder;
use mora::model::log_prob;
use mora::model::pass::{Pass, Read};
use mora::model::side_path::SidePath;
use mora::model::site::{Point, Site};
use mora::model::tap::{NoTap, Tap};
use mora::model::tree::TokenTree;
use mora::model::weights::Weights;
use mora::random::Random;

/// What a loss is of: sequences, and the log-probabilities of tokens at cells of them.
struct Task {
    sequences: Vec<Vec<u32>>,
    cells: Vec<(usize, usize)>,
    targets: Vec<u32>,
}

impl Task {
    /// The fixture's sequences, and others that begin as they do.
    fn of(reference: &Reference) -> Self {
        let mut sequences = reference.sequences.clone();
        for sequence in &reference.sequences {
            let half = sequence.len() / 2;
            sequences.push(sequence[..half].iter().chain(sequence[half..].iter().rev()).copied().collect());
        }
        let all = sequences.iter().enumerate();
        let cells: Vec<(usize, usize)> = all
            .flat_map(|(row, tokens)| (0..tokens.len() - 1).map(move |pos| (row, pos)))
            .filter(|(row, pos)| (row + pos) % 2 == 0)
            .collect();
        let targets = cells.iter().map(|&(row, pos)| sequences[row][pos + 1]).collect();
        Self { sequences, cells, targets }
    }

    fn tree(&self) -> TokenTree {
        let (shared, separate) = (TokenTree::shared(&self.sequences).unwrap(), self.separate());
        assert!(shared.len() < separate.len());
        shared
    }

    fn separate(&self) -> TokenTree {
        TokenTree::separate(&self.sequences).unwrap()
    }

    fn logits(&self, decoder: &Decoder, tree: &TokenTree, plain: bool, tap: &mut dyn Tap) -> Tensor {
        let pass = Pass { plain, ..Pass::new(tap, Read::At(self.cells.clone())) };
        decoder.forward(tree, pass).unwrap().logits.unwrap()
    }

    fn backward(&self, decoder: &Decoder, tree: &TokenTree, plain: bool, tap: &mut dyn Tap) -> GradStore {
        let targets = Tensor::new(self.targets.as_slice(), &Device::Cpu).unwrap();
        let logits = self.logits(decoder, tree, plain, tap);
        log_prob(&logits, &targets).unwrap().sum_all().unwrap().backward().unwrap()
    }

    /// The loss, added up in float64.
    fn loss(&self, decoder: &Decoder, tree: &TokenTree) -> f64 {
        let logits = self.logits(decoder, tree, false, &mut NoTap);
        let rows = self.targets.iter().enumerate();
        rows.map(|(row, &target)| log_softmax(&logits.get(row).unwrap()).0[target as usize]).sum()
    }
}

/// A family's fixture with all its weights trained.
struct Trained {
    config: ArchConfig,
    vars: BTreeMap<String, Var>,
}

impl Trained {
    fn of(name: &str) -> Self {
        let (config, weights) = weights(&family(name), "config.json", DType::F32);
        let var = |(name, tensor): (&str, &Tensor)| (name.to_string(), Var::from_tensor(tensor).unwrap());
        Self { config, vars: weights.iter().map(var).collect() }
    }

    fn decoder(&self) -> Decoder {
        let tensors = self.vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone()));
        Decoder::new(self.config.clone(), &mut Weights::new(tensors.collect())).unwrap()
    }

    /// The decoder with `step` times `directions` added to the weights.
    fn moved(&self, directions: &BTreeMap<&str, Tensor>, step: f64) -> Decoder {
        let moved = |(name, var): (&String, &Var)| {
            let there = (var.as_tensor() + (&directions[name.as_str()] * step).unwrap()).unwrap();
            (name.clone(), there.detach())
        };
        let tensors: HashMap<String, Tensor> = self.vars.iter().map(moved).collect();
        Decoder::new(self.config.clone(), &mut Weights::new(tensors)).unwrap()
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |max, value| max.max(value.abs()))
}

/// Keys get one constant each from their bias. Where nothing turns them, it moves all scores of a query
/// alike, and the softmax does not see it.
fn is_without_effect(config: &ArchConfig, name: &str) -> bool {
    let Some((layer, "attn.k.bias")) = name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.'))
    else {
        return false;
    };
    config.attn_softcap.is_none() && config.layers[layer.parse::<usize>().unwrap()].rope.is_none()
}

/// Holds gradients of `vars` to each other: all there, none zero, equal but for rounding. The terms that are
/// summed differ in order and in where a position that rows share is counted; some thousand roundings of the
/// largest gradient of all are room for the layers that they pass.
fn compare(
    family: &str,
    config: &ArchConfig,
    vars: &BTreeMap<String, Var>,
    found: &GradStore,
    expected: &GradStore,
) {
    let of = |store: &GradStore, name: &str, var: &Var| {
        values(store.get(var).unwrap_or_else(|| panic!("{family}: {name} has no gradient")))
    };
    let scale = vars.iter().map(|(name, var)| largest(&of(expected, name, var))).fold(0f32, f32::max);
    for (name, var) in vars {
        let (found, expected) = (of(found, name, var), of(expected, name, var));
        assert_eq!(found.len(), expected.len());
        // A tensor's own gradients decide, down to where all is the rounding of larger ones.
        let own = largest(&expected).max(1e-3 * scale);
        let tolerance = 1000.0 * f32::EPSILON * own;
        let moves = largest(&found) > tolerance;
        assert_eq!(moves, !is_without_effect(config, name), "{family}: {name} moves by {}", largest(&found));
        for (found, expected) in found.iter().zip(expected) {
            let distance = (found - expected).abs();
            assert!(distance <= tolerance, "{family}: {name}: {found} for {expected}, own {own}");
        }
    }
}

#[test]
fn every_weight_gets_the_gradient_of_plain_operations() {
    for name in families() {
        let task = Task::of(&Reference::of(&family(&name)));
        let trained = Trained::of(&name);
        let decoder = trained.decoder();
        let found = task.backward(&decoder, &task.tree(), false, &mut NoTap);
        let expected = task.backward(&decoder, &task.separate(), true, &mut NoTap);
        compare(&name, &trained.config, &trained.vars, &found, &expected);
    }
}

/// Sees the patterns, for which attention takes its plain way.
struct Patterns;

impl Tap for Patterns {
    fn wants(&self, site: &Site) -> bool {
        site.point == Point::Pattern || site.point == Point::Ln1Normalized
    }

    fn visit(&mut self, _: &Site, _: &mora::model::activation::Activation) -> mora::Result<Option<Tensor>> {
        Ok(None)
    }
}

#[test]
fn a_tap_on_patterns_leaves_the_gradients() {
    for name in families() {
        let task = Task::of(&Reference::of(&family(&name)));
        let trained = Trained::of(&name);
        let decoder = trained.decoder();
        let found = task.backward(&decoder, &task.tree(), false, &mut Patterns);
        let expected = task.backward(&decoder, &task.tree(), false, &mut NoTap);
        compare(&name, &trained.config, &trained.vars, &found, &expected);
    }
}

/// Central differences of steps h and h/2 along random directions, extrapolated: their error is less than
/// what the two differ by, and the loss's rounding over the step.
#[test]
fn gradients_are_finite_differences() {
    // What the wider step changes the loss by, about: large beside its rounding, small beside its curvature.
    const CHANGE: f64 = 0.2;
    for name in families() {
        let task = Task::of(&Reference::of(&family(&name)));
        let trained = Trained::of(&name);
        let tree = task.tree();
        let store = task.backward(&trained.decoder(), &tree, false, &mut NoTap);
        let mut random = Random::new(7);
        for direction in 0..3 {
            // Each tensor moves by about its own size, partly at random and partly along its gradient, so
            // that what is measured is larger than its rounding.
            let mut slope = 0.0;
            let mut directions = BTreeMap::new();
            for (name, var) in &trained.vars {
                let (weight, gradient) = (values(var), values(store.get(var).unwrap()));
                let size = |values: &[f32]| {
                    let squares = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
                    (squares / values.len() as f64).sqrt()
                };
                let (unit, along) = (size(&weight).max(0.01), size(&gradient).max(1e-30));
                let moves: Vec<f32> = gradient
                    .iter()
                    .map(|g| (unit * (random.normal() + 0.3 * f64::from(*g) / along)) as f32)
                    .collect();
                let pairs = moves.iter().zip(&gradient);
                slope += pairs.map(|(d, g)| f64::from(*d) * f64::from(*g)).sum::<f64>();
                directions.insert(name.as_str(), Tensor::from_vec(moves, var.shape(), &Device::Cpu).unwrap());
            }
            let step = CHANGE / slope.abs();
            let difference = |step: f64| {
                let at = |step: f64| task.loss(&trained.moved(&directions, step), &tree);
                (at(step) - at(-step)) / (2.0 * step)
            };
            let (wide, narrow) = (difference(step), difference(step / 2.0));
            let extrapolated = (4.0 * narrow - wide) / 3.0;
            // Each log-probability has some ten roundings of a logit of about 4; they are independent.
            let rounding = 40.0 * f64::from(f32::EPSILON) * (task.cells.len() as f64).sqrt() / step;
            let tolerance = (wide - narrow).abs() + rounding;
            let what =
                format!("{name}, direction {direction}: {extrapolated} for {slope}, within {tolerance}");
            assert!((extrapolated - slope).abs() <= tolerance, "{what}");
            assert!(tolerance < 0.02 * slope.abs(), "too coarse: {what}");
        }
    }
}

#[test]
fn side_paths_are_trained_and_the_frozen_weights_are_not() {
    for name in families() {
        let task = Task::of(&Reference::of(&family(&name)));
        let frozen = Trained::of(&name);
        let (config, mut plain) = weights(&family(&name), "config.json", DType::F32);
        let tensors: Vec<Tensor> = plain.iter().map(|(_, tensor)| tensor.clone()).collect();
        let decoder = Decoder::new(config, &mut plain).unwrap();

        let mut random = Random::new(3);
        let mut normal = |shape: (usize, usize)| {
            let values: Vec<f32> = (0..shape.0 * shape.1).map(|_| 0.1 * random.normal() as f32).collect();
            Var::from_vec(values, shape, &Device::Cpu).unwrap()
        };
        let (mut vars, mut paths) = (BTreeMap::new(), Vec::new());
        for (layer, block) in decoder.blocks().iter().enumerate() {
            for (part, linear) in block.linears() {
                let (out, input) = linear.weight.dims2().unwrap();
                let (a, b) = (normal((3, input)), normal((out, 3)));
                let (a_of, b_of) = (a.as_tensor().clone(), b.as_tensor().clone());
                paths.push((format!("blocks.{layer}.{part}"), SidePath::new(a_of, b_of, 0.7, None).unwrap()));
                vars.insert(format!("{layer}.{part}.A"), a);
                vars.insert(format!("{layer}.{part}.B"), b);
            }
        }
        let adapted =
            decoder.with_side_paths(paths.iter().map(|(name, path)| (name.as_str(), path))).unwrap();
        let found = task.backward(&adapted, &task.tree(), false, &mut NoTap);
        let expected = task.backward(&adapted, &task.separate(), true, &mut NoTap);
        compare(&name, &frozen.config, &vars, &found, &expected);
        assert!(
            tensors.iter().all(|tensor| found.get(tensor).is_none()),
            "{name}: a frozen weight's gradient"
        );
    }
}

/// The value that the unembedding multiplies, at the cells that are read, tracked as the logits are.
#[test]
fn the_normed_residual_is_kept_where_asked() {
    for name in families() {
        let task = Task::of(&Reference::of(&family(&name)));
        let trained = Trained::of(&name);
        let (decoder, tree) = (trained.decoder(), task.tree());
        for read in [Read::At(task.cells.clone()), Read::Last, Read::All] {
            let mut tap = NoTap;
            let output = decoder
                .forward(&tree, Pass { keep_normed: true, ..Pass::new(&mut tap, read.clone()) })
                .unwrap();
            let (logits, normed) = (output.logits.unwrap(), output.normed.unwrap());
            let again = decoder.unembed(&normed.flatten_to(normed.rank() - 2).unwrap(), true).unwrap();
            let again = again.reshape(logits.shape()).unwrap();
            assert!(common::distance(&again, &logits) <= common::rounding(&logits), "{name} {read:?}");
            assert!(normed.track_op());
            let output = decoder.forward(&tree, Pass::new(&mut NoTap, read)).unwrap();
            assert!(output.normed.is_none());
        }
    }
}
