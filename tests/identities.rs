//! What must hold whatever the weights: parts sum to wholes, a patch from oneself changes nothing, sharing
//! changes nothing, an edit reaches what it should and nothing else. Checked on every family's fixture.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use candle_core::{DType, Tensor};
use common::{Reference, decoder, distance, families, family};
use mora::interp::attribution::{AttributionOptions, logit_attribution};
use mora::interp::cache::{CacheOptions, run_with_cache};
use mora::interp::intervene::{Edit, Intervention};
use mora::interp::lens::lens_logits;
use mora::interp::metric::Contrast;
use mora::interp::positions::Positions;
use mora::model::activation::Activation;
use mora::model::decoder::Decoder;
use mora::model::generate::{GenerateOptions, generate};
use mora::model::pass::{Pass, Read};
use mora::model::site::{Point, Site, SiteGlob};
use mora::model::tap::{NoTap, Tap, Taps};
use mora::model::tree::TokenTree;

fn each_family(check: impl Fn(&str, &Decoder, &[Vec<u32>])) {
    for name in families() {
        let folder = family(&name);
        check(&name, &decoder(&folder, "config.json"), &Reference::of(&folder).sequences);
    }
}

fn options(globs: &[&str], read: Read) -> CacheOptions {
    CacheOptions {
        sites: globs.iter().map(|glob| glob.parse::<SiteGlob>().unwrap()).collect(),
        positions: Positions::All,
        stop_at_layer: None,
        read,
    }
}

fn last_logits(decoder: &Decoder, sequences: &[Vec<u32>], tap: &mut dyn Tap) -> Tensor {
    let tree = TokenTree::for_tap(sequences, tap).unwrap();
    decoder.forward(&tree, Pass::new(tap, Read::Last)).unwrap().logits.unwrap()
}

fn edit(site: Site, edit: Edit) -> Intervention {
    Intervention { sites: vec![site], heads: None, positions: Positions::All, edit }
}

#[test]
fn the_residual_is_the_sum_of_its_parts() {
    each_family(|name, decoder, sequences| {
        let options = options(
            &["*hook_embed", "*.hook_attn_out", "*.hook_mlp_out", "*.hook_resid_post"],
            Read::Nothing,
        );
        let (_, cache) = run_with_cache(decoder, sequences, &options, &mut NoTap).unwrap();
        let mut sum = cache.get(&Site::global(Point::Embed)).unwrap();
        if decoder.config().learned_positions {
            let (_, cache) = run_with_cache(
                decoder,
                sequences,
                &self::options(&["hook_pos_embed"], Read::Nothing),
                &mut NoTap,
            )
            .unwrap();
            sum = (sum + cache.get(&Site::global(Point::PosEmbed)).unwrap()).unwrap();
        }
        for layer in 0..decoder.config().n_layers() {
            for point in [Point::AttnOut, Point::MlpOut] {
                sum = (sum + cache.get(&Site::block(layer, point)).unwrap()).unwrap();
            }
            let resid = cache.get(&Site::block(layer, Point::ResidPost)).unwrap();
            // The same additions in another order at most.
            assert!(distance(&sum, &resid) <= 1e-5, "{name}: layer {layer}");
        }
    });
}

#[test]
fn attribution_sums_to_the_logit_difference() {
    each_family(|name, decoder, sequences| {
        let (plus, minus) = (5, 7);
        let contrasts: Vec<Contrast> = sequences
            .iter()
            .map(|tokens| Contrast { tokens: tokens.clone(), plus, minus: Some(minus) })
            .collect();
        let logits: Vec<Vec<f32>> = last_logits(decoder, sequences, &mut NoTap).to_vec2().unwrap();
        for (heads, neurons) in [(true, vec![]), (false, vec![]), (true, vec![0, 1])] {
            let n_neurons = neurons.len();
            let options = AttributionOptions { heads, neurons, ..Default::default() };
            let frame = logit_attribution(decoder, &contrasts, &options).unwrap();
            for remainder in frame.floats("remainder").unwrap() {
                assert!(remainder.abs() <= 1e-4, "{name}: a remainder of {remainder}");
            }
            // Not only do the parts sum to what the frame calls the difference: it is the logits' own.
            let prompts = frame.floats("prompt").unwrap();
            let contributions = frame.floats("contribution").unwrap();
            for (prompt, logits) in logits.iter().enumerate() {
                let sum: f64 = prompts
                    .iter()
                    .zip(&contributions)
                    .filter(|(p, _)| **p == prompt as f64)
                    .map(|(_, c)| c)
                    .sum();
                let uncapped = |logit: f32| match decoder.config().final_softcap {
                    Some(cap) => cap * f64::from(logit / cap as f32).atanh(),
                    None => f64::from(logit),
                };
                let expected = uncapped(logits[plus as usize]) - uncapped(logits[minus as usize]);
                // Undoing the soft-cap loses digits where it is steep.
                let tolerance = if decoder.config().final_softcap.is_some() { 1e-2 } else { 1e-4 };
                assert!((sum - expected).abs() <= tolerance, "{name}: {sum} for {expected}");
            }
            let components = frame.labels("component").unwrap();
            let count = |kind: &str| components.iter().filter(|c| c.contains(kind)).count() / sequences.len();
            let layers = decoder.config().n_layers();
            assert_eq!(count("_MLP") - count("_MLP_BIAS"), layers - n_neurons, "{name}");
            if heads {
                assert_eq!(count("H"), layers * decoder.config().n_heads, "{name}");
            }
        }
    });
}

#[test]
fn a_patch_from_oneself_changes_nothing() {
    each_family(|name, decoder, sequences| {
        let clean = decoder
            .forward(&TokenTree::separate(sequences).unwrap(), Pass::new(&mut NoTap, Read::Last))
            .unwrap()
            .logits
            .unwrap();
        let (_, cache) =
            run_with_cache(decoder, sequences, &options(&["*"], Read::Nothing), &mut SeparateTap).unwrap();
        for site in decoder.sites() {
            // Each site is recomputed by other operations where it is seen; compare with the run that saw it.
            let mut look = edit(site, Edit::Replace(cache.get(&site).unwrap()));
            let patched = last_logits(decoder, sequences, &mut look);
            let distance = distance(&patched, &clean);
            assert!(distance <= 1e-4, "{name}: {site} patched from itself moves a logit by {distance}");
        }
    });
}

/// Wants nothing, but keeps rows apart as an edit would.
struct SeparateTap;

impl Tap for SeparateTap {
    fn wants(&self, _: &Site) -> bool {
        false
    }
    fn edits(&self) -> bool {
        true
    }
    fn visit(&mut self, _: &Site, _: &Activation) -> mora::Result<Option<Tensor>> {
        Ok(None)
    }
}

#[test]
fn an_edit_acts_where_it_is_told_and_nowhere_else() {
    each_family(|name, decoder, sequences| {
        let site = Site::block(1, Point::Z);
        let everything = options(&["blocks.1.attn.hook_z"], Read::Nothing);
        let (_, clean) = run_with_cache(decoder, sequences, &everything, &mut SeparateTap).unwrap();
        let clean = clean.get(&site).unwrap();
        let mut tap = Intervention {
            sites: vec![site],
            heads: Some(vec![2]),
            positions: Positions::At(vec![-1, 3]),
            edit: Edit::Zero,
        };
        let (_, edited) = run_with_cache(decoder, sequences, &everything, &mut tap).unwrap();
        let edited: Vec<f32> = edited.get(&site).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let (_, width, heads, d_head) = clean.dims4().unwrap();
        for (i, (before, after)) in
            clean.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().zip(&edited).enumerate()
        {
            let (head, position, row) =
                (i / d_head % heads, i / d_head / heads % width, i / d_head / heads / width);
            let is_edited = head == 2 && (position == 3 || position + 1 == sequences[row].len());
            let expected = if is_edited { 0.0 } else { *before };
            assert_eq!(*after, expected, "{name}: row {row}, position {position}, head {head}");
        }
    });
}

#[test]
fn knocked_out_keys_get_no_weight_and_the_rest_sums_to_one() {
    each_family(|name, decoder, sequences| {
        let site = Site::block(0, Point::Pattern);
        let mut tap = edit(site, Edit::KnockOut(Positions::At(vec![1, 2])));
        let (_, cache) = run_with_cache(
            decoder,
            sequences,
            &options(&["blocks.0.attn.hook_pattern"], Read::Nothing),
            &mut tap,
        )
        .unwrap();
        let pattern = cache.get(&site).unwrap();
        let dropped =
            pattern.narrow(3, 1, 2).unwrap().abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
        assert_eq!(dropped, 0.0, "{name}");
        let sums: Vec<f32> = pattern.sum(3).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        // With a window, a query may have seen nothing but the dropped keys: it then keeps no weight.
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5 || *sum == 0.0), "{name}");
    });
}

#[test]
fn taps_compose_in_order() {
    each_family(|name, decoder, sequences| {
        let site = Site::block(0, Point::MlpOut);
        let one = Tensor::ones(1, DType::F32, decoder.device()).unwrap();
        let add = || edit(site, Edit::Add { vector: one.clone(), strength: 2.0 });
        let see = |taps: Vec<&mut dyn Tap>| {
            let mut taps = Taps::new(taps);
            let (_, cache) = run_with_cache(
                decoder,
                sequences,
                &options(&["blocks.0.hook_mlp_out"], Read::Nothing),
                &mut taps,
            )
            .unwrap();
            cache.get(&site).unwrap().get(0).unwrap().max_all().unwrap().to_scalar::<f32>().unwrap()
        };
        assert_eq!(see(vec![&mut edit(site, Edit::Zero), &mut add()]), 2.0, "{name}");
        assert_eq!(see(vec![&mut add(), &mut edit(site, Edit::Zero)]), 0.0, "{name}");
    });
}

#[test]
fn the_lens_after_the_last_layer_is_the_model() {
    each_family(|name, decoder, sequences| {
        let last = decoder.config().n_layers() - 1;
        let glob = format!("blocks.{last}.hook_resid_post");
        let (logits, cache) =
            run_with_cache(decoder, sequences, &options(&[&glob], Read::All), &mut NoTap).unwrap();
        let lens = lens_logits(decoder, &cache.get(&Site::block(last, Point::ResidPost)).unwrap()).unwrap();
        for (row, sequence) in sequences.iter().enumerate() {
            let cut = |t: &Tensor| t.get(row).unwrap().narrow(0, 0, sequence.len()).unwrap();
            assert!(distance(&cut(&lens), &cut(logits.as_ref().unwrap())) <= 1e-5, "{name}");
        }
    });
}

#[test]
fn greedy_generation_is_the_argmax_of_whole_forwards() {
    each_family(|name, decoder, sequences| {
        let sampling = GenerateOptions {
            max_new_tokens: 6,
            temperature: 0.0,
            top_k: None,
            top_p: None,
            seed: 0,
            stop: Vec::new(),
        };
        let generated = generate(decoder, sequences, &sampling, &mut NoTap).unwrap();
        // With an edit active at every step, and rows kept apart for it.
        let site = Site::block(0, Point::MlpOut);
        let edited = generate(decoder, sequences, &sampling, &mut edit(site, Edit::Zero)).unwrap();
        for (tokens, tap) in
            [(generated, &mut NoTap as &mut dyn Tap), (edited, &mut edit(site, Edit::Zero) as &mut dyn Tap)]
        {
            let mut whole = sequences.to_vec();
            for _ in 0..6 {
                let next: Vec<u32> = last_logits(decoder, &whole, tap).argmax(1).unwrap().to_vec1().unwrap();
                whole.iter_mut().zip(next).for_each(|(row, token)| row.push(token));
            }
            for (row, (whole, prompt)) in whole.iter().zip(sequences).enumerate() {
                assert_eq!(tokens[row], whole[prompt.len()..], "{name}: row {row}");
            }
        }
    });
}

#[test]
fn sampling_repeats_with_its_seed() {
    let decoder = decoder(&family("llama"), "config.json");
    let sequences = Reference::of(&family("llama")).sequences;
    let sample = |seed, top_k, top_p| {
        let sampling =
            GenerateOptions { max_new_tokens: 12, temperature: 1.5, top_k, top_p, seed, stop: Vec::new() };
        generate(&decoder, &sequences, &sampling, &mut NoTap).unwrap()
    };
    assert_eq!(sample(3, None, None), sample(3, None, None));
    assert_ne!(sample(3, None, None), sample(4, None, None));
    assert_eq!(sample(3, Some(1), None), sample(9, Some(1), None), "one candidate leaves no choice");
    assert_eq!(sample(3, Some(5), Some(1e-9)), sample(9, Some(5), Some(1e-9)));
}
