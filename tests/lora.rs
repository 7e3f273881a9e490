//! Adapters against peft, and what must hold of them whatever the weights.
//!
//! The fixtures are made by `tests/fixtures/make_lora.py`, which names its versions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use candle_core::{DType, Tensor};
use common::{
    adapted, adapter, adapter_folder, adapters, base_of, distance, expected_logits, logits, logits_distance,
    open_model, rounding,
};
use mora::interp::attribution::{AttributionOptions, logit_attribution};
use mora::interp::metric::Contrast;
use mora::lora::Adapter;
use mora::lora::apply::with_adapter;
use mora::lora::norms::{Grouping, cosine, cosines, norms};
use mora::model::activation::Activation;
use mora::model::decoder::Decoder;
use mora::model::pass::{Pass, Read};
use mora::model::site::{Point, Site};
use mora::model::tap::Tap;
use mora::model::tree::TokenTree;

/// What is asked of float32: logits of order 10, sums of some hundred terms.
const TOLERANCE: f32 = 1e-4;

/// A change that no rounding makes.
const CHANGED: f32 = 1e-2;

/// Equal but for another order of summing and rounding.
fn is_near(found: &Tensor, expected: &Tensor) -> bool {
    distance(found, expected) <= rounding(expected)
}

fn each_adapter(check: impl Fn(&str, &Adapter, &Decoder, &[u32])) {
    for name in adapters() {
        let adapter = adapter(&name);
        let (base, tokens) = base_of(&adapter);
        check(&name, &adapter, &base, &tokens);
    }
}

#[test]
fn logits_are_those_of_peft() {
    each_adapter(|name, adapter, base, tokens| {
        let expected = expected_logits(&adapter_folder(name));
        let distance = logits_distance(&logits(&adapted(base, adapter), tokens), &expected);
        assert!(distance <= TOLERANCE, "{name}: the logits are off by {distance}");
        let change = logits_distance(&logits(base, tokens), &expected);
        assert!(change >= CHANGED, "{name}: the adapter moves no logit by more than {change}");
    });
}

#[test]
fn merged_weights_give_what_the_side_path_gives() {
    each_adapter(|name, adapter, base, tokens| {
        let beside = adapted(base, adapter);
        let merged = beside.merged().unwrap();
        let expected = logits(&merged, tokens);
        assert!(is_near(&logits(&beside, tokens), &expected), "{name}");
        // A merged decoder is a base like any other.
        let twice = adapted(&merged, adapter);
        assert!(logits_distance(&logits(&twice, tokens), &expected) >= CHANGED, "{name}");
    });
}

/// The names and weights of all projections.
fn weights(decoder: &Decoder) -> Vec<(String, Tensor)> {
    let blocks = decoder.blocks().iter().enumerate();
    blocks
        .flat_map(|(layer, block)| {
            block
                .linears()
                .map(move |(name, linear)| (format!("blocks.{layer}.{name}"), linear.weight.clone()))
        })
        .collect()
}

#[test]
fn the_base_is_shared() {
    each_adapter(|name, adapter, base, _| {
        let beside = adapted(base, adapter);
        let paths = adapter.side_paths(base.config()).unwrap();
        for ((weight, theirs), (_, mine)) in weights(base).iter().zip(weights(&beside)) {
            assert_eq!(theirs.id(), mine.id(), "{name}: {weight} was copied");
        }
        assert_eq!(beside.unembed_weight().id(), base.unembed_weight().id(), "{name}");
        // Merging copies what the adapter changes and nothing else.
        for ((weight, theirs), (_, mine)) in weights(base).iter().zip(weights(&beside.merged().unwrap())) {
            let changed = paths.iter().any(|(path, _)| path == weight);
            assert_eq!(theirs.id() == mine.id(), !changed, "{name}: {weight}");
        }
    });
}

#[test]
fn a_model_carries_one_adapter() {
    let base = open_model("mora/tiny-ipd");
    let (a, b) = (adapter("tiny_ipd_a"), adapter("tiny_ipd_b"));
    let tokens = [2, 17, 301, 5];
    let of = |model: &mora::model::Model| logits(model.decoder(), &tokens);
    let with_a = with_adapter(&base, &a).unwrap();
    assert_eq!((base.adapter(), with_a.adapter()), (None, Some("tiny_ipd_a")));
    assert_eq!(with_a.title(), "mora/tiny-ipd + tiny_ipd_a");
    let switched = with_adapter(&with_a, &b).unwrap();
    assert_eq!(distance(&of(&switched), &of(&with_adapter(&base, &b).unwrap())), 0.0);
    assert_eq!(distance(&of(&switched.base()), &of(&base)), 0.0);
    assert_eq!(switched.base().title(), "mora/tiny-ipd");
    let merged = with_a.merged().unwrap();
    assert_eq!(merged.title(), "mora/tiny-ipd merged with tiny_ipd_a");
    assert_eq!(merged.adapter(), None);
    assert!(merged.merged().err().unwrap().what().contains("carries no adapter"));
    let both = with_adapter(&merged, &b).unwrap();
    assert_eq!(both.title(), "mora/tiny-ipd merged with tiny_ipd_a + tiny_ipd_b");
    let sum = with_adapter(&base, &a.plus(&b).unwrap()).unwrap();
    assert!(is_near(&of(&both), &of(&sum)));
}

#[test]
fn a_sum_is_both_one_after_the_other() {
    let (a, b) = (adapter("llama"), adapter("llama_qv"));
    let (base, tokens) = base_of(&a);
    let sum = logits(&adapted(&base, &a.plus(&b).unwrap()), &tokens);
    let after = adapted(&adapted(&base, &a).merged().unwrap(), &b);
    assert!(is_near(&sum, &logits(&after, &tokens)));
    // Of equal scales too, whose factors stay as they are.
    let twice = a.plus(&a).unwrap();
    let doubled = logits(&adapted(&base, &a.scaled(2.0).unwrap()), &tokens);
    assert!(is_near(&doubled, &logits(&adapted(&base, &twice), &tokens)));
    let gone = a.plus(&a.scaled(-1.0).unwrap()).unwrap();
    assert!(is_near(&logits(&adapted(&base, &gone), &tokens), &logits(&base, &tokens)));
    let off = a.scaled(0.0).unwrap();
    assert_eq!(distance(&logits(&adapted(&base, &off), &tokens), &logits(&base, &tokens)), 0.0);
    assert_eq!(twice.ranks(), Some((6, 6)));
}

#[test]
fn parts_are_cut_and_exchanged() {
    let (a, b) = (adapter("llama"), adapter("llama_qv"));
    let (base, tokens) = base_of(&a);
    let of = |adapter: &Adapter| logits(&adapted(&base, adapter), &tokens);
    let part = |text: &str| text.parse::<mora::lora::part::Parts>().unwrap();
    for (text, count) in [
        ("L1", 7),
        ("L1_MLP", 3),
        ("L1_ATTN", 4),
        ("L1-L2_MLP", 6),
        ("L0-1", 14),
        ("MLP", 9),
        ("ATTN", 12),
        ("q_proj", 3),
        ("mlp.up_proj", 3),
        ("model.layers.2.mlp.up_proj", 1),
        ("layers.2.mlp.up_proj", 1),
        ("*.layers.[12].mlp.*_proj", 6),
    ] {
        let kept = a.keep(&part(text)).unwrap();
        let zeroed = a.zero(&part(text)).unwrap();
        assert_eq!(kept.modules().len(), count, "{text}");
        assert_eq!(zeroed.modules().len(), 21 - count, "{text}");
        assert_eq!(distance(&of(&kept.plus(&zeroed).unwrap()), &of(&a)), 0.0, "{text}");
        let exchanged = a.with_part(&part(text), &b).unwrap();
        let expected = match b.keep(&part(text)) {
            Ok(theirs) => zeroed.plus(&theirs).unwrap(),
            Err(_) => zeroed,
        };
        assert_eq!(distance(&of(&exchanged), &of(&expected)), 0.0, "{text}");
    }
    let everything = a.zero(&part("L0-L2")).unwrap();
    assert_eq!(distance(&of(&everything), &logits(&base, &tokens)), 0.0);
    assert_eq!(everything.to_string(), "llama without L0-L2: no changed modules");
    // A DoRA's modules keep their magnitudes.
    let dora = adapter("llama_dora");
    let cut = dora.keep(&part("L1")).unwrap();
    assert_eq!(cut.modules().len(), 3);
    assert!(distance(&of(&cut), &of(&dora)) >= CHANGED);
}

#[test]
fn float32_paths_lie_beside_bf16_weights() {
    for name in ["llama", "llama_sharded_dora", "gpt2"] {
        let adapter = adapter(name);
        let reference = adapter_folder(name);
        let base = adapter.config().base.clone().unwrap();
        let (single, tokens) = base_of(&adapter);
        let half = common::decoder_as(std::path::Path::new(&base), "config.json", DType::BF16);
        let beside = adapted(&half, &adapter);
        let expected = expected_logits(&reference);
        let off = logits_distance(&logits(&beside, &tokens), &expected);
        // The base alone is off by what bfloat16 does to it; the path adds roundings of its sums alone.
        let base_off = distance(&logits(&half, &tokens), &logits(&single, &tokens));
        assert!(off > 0.0 && off <= 4.0 * base_off, "{name}: {off} where the base is off by {base_off}");
        let merged = beside.merged().unwrap();
        assert!(weights(&merged).iter().all(|(_, weight)| weight.dtype() == DType::BF16), "{name}");
        assert!(logits_distance(&logits(&merged, &tokens), &expected) <= 4.0 * base_off, "{name}");
    }
}

/// Keeps `attn.hook_result` and `hook_attn_out` of every layer.
#[derive(Default)]
struct Results(Vec<(Site, Tensor)>);

impl Tap for Results {
    fn wants(&self, site: &Site) -> bool {
        matches!(site.point, Point::Result | Point::AttnOut)
    }

    fn visit(&mut self, site: &Site, value: &Activation) -> mora::Result<Option<Tensor>> {
        self.0.push((*site, value.tensor()?));
        Ok(None)
    }
}

#[test]
fn what_reads_weights_sees_the_adapter() {
    each_adapter(|name, adapter, base, tokens| {
        let decoder = adapted(base, adapter);
        let sequences = [tokens.to_vec()];
        // Logits do not change where each head's output is seen.
        let mut results = Results::default();
        let tree = TokenTree::shared(&sequences).unwrap();
        let seen = decoder.forward(&tree, Pass::new(&mut results, Read::All)).unwrap().logits.unwrap();
        assert!(is_near(&seen.get(0).unwrap(), &logits(&decoder, tokens)), "{name}");
        assert_eq!(results.0.len(), 2 * decoder.config().n_layers(), "{name}");

        let contrasts = [Contrast { tokens: tokens.to_vec(), plus: 5, minus: Some(7) }];
        let options = AttributionOptions { heads: true, neurons: vec![0, 1], ..Default::default() };
        let frame = logit_attribution(&decoder, &contrasts, &options).unwrap();
        for remainder in frame.floats("remainder").unwrap() {
            assert!(remainder.abs() <= 1e-4, "{name}: a remainder of {remainder}");
        }
    });
}

/// Expected: numpy 2.4.6 on the full matrices, in float64.
#[test]
fn norms_and_cosines_are_those_of_the_full_matrices() {
    let text = std::fs::read_to_string(adapter_folder("numbers.json")).unwrap();
    let numbers: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (a, b) = (adapter("llama"), adapter("llama_qv"));
    let near = |found: f64, expected: f64| (found - expected).abs() <= 1e-10 * expected.abs().max(1.0);
    let name = |layer: usize, module: &str| format!("model.layers.{layer}.{module}");

    let rows = norms(&a, Grouping::Module, 3).unwrap();
    assert_eq!(rows.len(), 21);
    let mut squares = vec![0.0; 3];
    for row in &rows {
        let module = name(row.group.layer, row.group.module.unwrap());
        let expected = numbers["norms"][&module].as_f64().unwrap();
        assert!(near(row.norm, expected), "{module}: {} for {expected}", row.norm);
        let values: Vec<f64> = numbers["singular_values"][&module]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect();
        assert_eq!(row.singular_values.len(), 3);
        for (found, expected) in row.singular_values.iter().zip(values) {
            assert!(near(*found, expected), "{module}: {found} for {expected}");
        }
        squares[row.group.layer] += expected * expected;
    }
    for (row, square) in norms(&a, Grouping::Layer, 3).unwrap().iter().zip(&squares) {
        assert!(near(row.norm, square.sqrt()) && row.singular_values.is_empty());
    }
    assert_eq!(norms(&a, Grouping::Component, 0).unwrap().len(), 6);

    assert!(near(cosine(&a, &b).unwrap(), numbers["cosine"].as_f64().unwrap()));
    let rows = cosines(&a, &b, Grouping::Module).unwrap();
    assert_eq!(rows.len(), 21);
    for row in &rows {
        let module = name(row.group.layer, row.group.module.unwrap());
        match (row.cosine, numbers["cosines"].get(&module)) {
            (Some(found), Some(expected)) => assert!(near(found, expected.as_f64().unwrap()), "{module}"),
            (None, None) => assert_eq!(row.other_norm, 0.0),
            (found, expected) => panic!("{module}: {found:?} for {expected:?}"),
        }
    }
    assert!(near(cosine(&a, &a.scaled(-0.5).unwrap()).unwrap(), -1.0));
    let doubled = a.plus(&a).unwrap();
    for (twice, once) in
        norms(&doubled, Grouping::Module, 6).unwrap().iter().zip(norms(&a, Grouping::Module, 3).unwrap())
    {
        assert!(near(twice.norm, 2.0 * once.norm));
        for (twice, once) in twice.singular_values.iter().zip(&once.singular_values) {
            assert!(near(*twice, 2.0 * once));
        }
        // The other half of the rank is empty; √ε is what the way over squares leaves of nothing.
        assert!(twice.singular_values[3..].iter().all(|value| *value <= 1e-7 * twice.singular_values[0]));
    }
}
