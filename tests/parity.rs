//! mora's forward against transformers, for a tiny random model of every family.
//!
//! The fixtures are made by `tests/fixtures/make_families.py`, which names its versions. They hold a
//! sliding window shorter than the sequences, grouped-query attention, soft-caps and scaled rotations.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::HashSet;

use candle_core::Tensor;
use common::{Reference, decoder, distance, families, family, rounding};
use mora::model::activation::Activation;
use mora::model::decoder::Decoder;
use mora::model::kv::KvCache;
use mora::model::pass::{Pass, Read};
use mora::model::site::Site;
use mora::model::tap::{NoTap, Tap};
use mora::model::tree::TokenTree;

/// The bound for float32. The fixtures' values are of order 1 to 10, and their sums have some
/// hundred terms: rounding alone makes about 1e-6 · 10.
const TOLERANCE: f32 = 1e-4;

/// Keeps every site that a forward can show.
#[derive(Default)]
struct KeepAll(Vec<(Site, Tensor)>);

impl Tap for KeepAll {
    fn wants(&self, _: &Site) -> bool {
        true
    }

    fn visit(&mut self, site: &Site, value: &Activation) -> mora::Result<Option<Tensor>> {
        self.0.push((*site, value.tensor()?));
        Ok(None)
    }
}

fn logits(decoder: &Decoder, tree: &TokenTree) -> Tensor {
    decoder.forward(tree, Pass::new(&mut NoTap, Read::All)).unwrap().logits.unwrap()
}

fn each_family(check: impl Fn(&str, &Decoder, &Reference)) {
    for name in families() {
        let folder = family(&name);
        check(&name, &decoder(&folder, "config.json"), &Reference::of(&folder));
    }
}

/// Row `row` of a padded value, cut to its real positions, on the axes that have positions.
fn row(value: &Tensor, row: usize, len: usize, site: Option<&Site>) -> Tensor {
    let value = value.get(row).unwrap();
    match site.map(|site| site.point.axes().names()) {
        Some(["batch", "head", "query", "key"]) => {
            value.narrow(1, 0, len).unwrap().narrow(2, 0, len).unwrap()
        }
        _ => value.narrow(0, 0, len).unwrap(),
    }
}

#[test]
fn every_site_is_that_of_transformers() {
    each_family(|name, decoder, reference| {
        for tree in [TokenTree::shared(&reference.sequences), TokenTree::separate(&reference.sequences)] {
            let mut seen = KeepAll::default();
            decoder.forward(&tree.unwrap(), Pass::new(&mut seen, Read::Nothing)).unwrap();
            let sites: Vec<Site> = seen.0.iter().map(|(site, _)| *site).collect();
            assert_eq!(sites, decoder.sites(), "{name}: the sites and their order");

            let mut compared = HashSet::new();
            for (site, value) in &seen.0 {
                for (i, tokens) in reference.sequences.iter().enumerate() {
                    let Some(expected) = reference.tensors.get(&format!("{i}/{site}")) else { continue };
                    let found = row(value, i, tokens.len(), Some(site));
                    let distance = distance(&found, expected);
                    assert!(distance <= TOLERANCE, "{name}: {site} of sequence {i} is off by {distance}");
                    compared.insert(*site);
                }
            }
            // Nothing that transformers gave goes uncompared, and nothing that mora has goes unchecked, but
            // in a fixture that is about the names of its weights alone.
            let is_whole = reference.tensors.contains_key("0/hook_embed");
            let unchecked: Vec<String> =
                sites.iter().filter(|site| !compared.contains(site)).map(Site::to_string).collect();
            assert!(unchecked.is_empty() || !is_whole, "{name}: no reference for {unchecked:?}");
            for key in reference.tensors.keys() {
                if let Some((_, site)) = key.split_once('/') {
                    assert!(
                        compared.contains(&site.parse::<Site>().unwrap()),
                        "{name}: {key} was not compared"
                    );
                }
            }
        }
    });
}

#[test]
fn logits_are_those_of_transformers() {
    each_family(|name, decoder, reference| {
        for tree in [TokenTree::shared(&reference.sequences), TokenTree::separate(&reference.sequences)] {
            let logits = logits(decoder, &tree.unwrap());
            for (i, tokens) in reference.sequences.iter().enumerate() {
                let distance = distance(
                    &row(&logits, i, tokens.len(), None),
                    &reference.tensors[&format!("logits.{i}")],
                );
                assert!(distance <= TOLERANCE, "{name}: the logits of sequence {i} are off by {distance}");
            }
        }
    });
}

#[test]
fn both_forms_of_a_config_describe_one_model() {
    let mut compared = 0;
    for name in families() {
        let folder = family(&name);
        if folder.join("config_v4.json").exists() {
            let (new, old) = (decoder(&folder, "config.json"), decoder(&folder, "config_v4.json"));
            assert_eq!(new.config(), old.config(), "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 5, "only {compared} configs in the form of transformers 4");
}

#[test]
fn a_cache_of_keys_and_values_changes_nothing() {
    each_family(|name, decoder, reference| {
        let whole = logits(decoder, &TokenTree::shared(&reference.sequences).unwrap());
        for cut in [1, 4, 9] {
            let beginnings: Vec<Vec<u32>> = reference.sequences.iter().map(|s| s[..cut].to_vec()).collect();
            let rests: Vec<Vec<u32>> = reference.sequences.iter().map(|s| s[cut..].to_vec()).collect();
            let mut kv = KvCache::new(TokenTree::shared(&beginnings).unwrap(), decoder.config().n_layers());
            decoder.forward_with(&mut kv, Pass::new(&mut NoTap, Read::Nothing)).unwrap();
            kv.extend(&rests).unwrap();
            for tap in [&mut KeepAll::default() as &mut dyn Tap, &mut NoTap] {
                // The plain attention, which a tap on patterns asks for, and the fused one.
                let continued = decoder.forward_with(&mut kv.clone(), Pass::new(tap, Read::All)).unwrap();
                let continued = continued.logits.unwrap();
                for (i, rest) in rests.iter().enumerate() {
                    let expected = whole.get(i).unwrap().narrow(0, cut, rest.len()).unwrap();
                    let distance = distance(&row(&continued, i, rest.len(), None), &expected);
                    assert!(distance <= rounding(&expected), "{name}: sequence {i} cut at {cut}: {distance}");
                }
            }
        }
    });
}

#[test]
fn plain_operations_give_the_same_numbers() {
    each_family(|name, decoder, reference| {
        let tree = TokenTree::shared(&reference.sequences).unwrap();
        let fused = logits(decoder, &tree);
        let mut tap = NoTap;
        let pass = Pass { plain: true, ..Pass::new(&mut tap, Read::All) };
        let plain = decoder.forward(&tree, pass).unwrap().logits.unwrap();
        let distance = distance(&fused, &plain);
        assert!(distance <= rounding(&plain), "{name}: fused and plain differ by {distance}");
    });
}
