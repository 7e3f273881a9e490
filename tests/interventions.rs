//! Interventions against plain computation on the values that they edit, and against what the edited forward
//! must then give. On the small Gemma 2 of the fixtures: post-norms, two key/value heads, a window.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::OnceLock;

use candle_core::{DType, Device, Tensor};
use common::{Reference, decoder as fixture, distance, family};
use mora::interp::cache::{CacheOptions, run_with_cache};
use mora::interp::intervene::{Edit, Intervention};
use mora::interp::lens::lens_logits;
use mora::interp::positions::Positions;
use mora::model::decoder::Decoder;
use mora::model::generate::{GenerateOptions, generate};
use mora::model::pass::{Pass, Read};
use mora::model::site::{Point, Site};
use mora::model::tap::Tap;
use mora::model::tree::TokenTree;

fn decoder() -> &'static Decoder {
    static DECODER: OnceLock<Decoder> = OnceLock::new();
    DECODER.get_or_init(|| fixture(&family("gemma2"), "config.json"))
}

/// Prompts of 11, 11 and 8 tokens.
fn prompts() -> Vec<Vec<u32>> {
    let sequences = Reference::of(&family("gemma2")).sequences;
    vec![sequences[0][..11].to_vec(), sequences[1].clone(), sequences[2][..8].to_vec()]
}

fn edit_of(edit: Edit, site: Site) -> Intervention {
    Intervention { sites: vec![site], heads: None, positions: Positions::All, edit }
}

/// Changes nothing, but keeps prompts apart as every edit does: arithmetic is then the same to the bit.
fn nothing() -> Intervention {
    Intervention { sites: Vec::new(), heads: None, positions: Positions::All, edit: Edit::Zero }
}

/// What `site` holds after `tap`.
fn seen(sequences: &[Vec<u32>], site: Site, tap: &mut dyn Tap) -> Tensor {
    let options = CacheOptions {
        sites: vec![site.to_string().parse().unwrap()],
        positions: Positions::All,
        stop_at_layer: None,
        read: Read::Nothing,
    };
    run_with_cache(decoder(), sequences, &options, tap).unwrap().1.get(&site).unwrap()
}

fn run(sequences: &[Vec<u32>], tap: &mut dyn Tap) -> mora::Result<Tensor> {
    let tree = TokenTree::separate(sequences).unwrap();
    Ok(decoder().forward(&tree, Pass::new(tap, Read::Last))?.logits.unwrap())
}

fn logits(sequences: &[Vec<u32>], tap: &mut dyn Tap) -> Tensor {
    run(sequences, tap).unwrap()
}

fn error(tap: &mut Intervention) -> mora::Error {
    run(&prompts(), tap).unwrap_err()
}

/// [batch][pos][…], the axes after the position in one.
fn rows(value: &Tensor) -> Vec<Vec<Vec<f32>>> {
    value.flatten_from(2).unwrap().to_vec3().unwrap()
}

/// Calls `check` with prompt, position, index within the position's values, and both values; padding is
/// left out.
fn compare(before: &Tensor, after: &Tensor, mut check: impl FnMut(usize, usize, usize, f32, f32)) {
    assert_eq!(before.dims(), after.dims());
    for (row, ((before, after), prompt)) in rows(before).iter().zip(rows(after)).zip(prompts()).enumerate() {
        for (position, (before, after)) in before.iter().zip(after).take(prompt.len()).enumerate() {
            for (index, (&before, after)) in before.iter().zip(after).enumerate() {
                check(row, position, index, before, after);
            }
        }
    }
}

fn vector(len: usize) -> Tensor {
    let values: Vec<f32> = (0..len).map(|i| (i as f32 * 0.7).sin()).collect();
    Tensor::new(values, &Device::Cpu).unwrap()
}

// Resampling

#[test]
fn resampled_residuals_make_one_prompt_the_other() {
    let prompts = prompts();
    let clean = logits(&prompts, &mut nothing());
    let site = Site::block(1, Point::ResidPre);
    let swapped = logits(&prompts, &mut edit_of(Edit::Resample(vec![1, 0, 2]), site));
    for (row, from) in [(0, 1), (1, 0), (2, 2)] {
        assert_eq!(distance(&swapped.get(row).unwrap(), &clean.get(from).unwrap()), 0.0, "prompt {row}");
    }
    assert!(distance(&clean.get(0).unwrap(), &clean.get(1).unwrap()) > 0.1);
}

#[test]
fn resampling_keeps_to_its_heads_and_positions() {
    let site = Site::block(0, Point::Z);
    let clean = seen(&prompts(), site, &mut nothing());
    let mut tap = Intervention {
        sites: vec![site],
        heads: Some(vec![1, 3]),
        positions: Positions::At(vec![0, -2]),
        edit: Edit::Resample(vec![1, 1, 2]),
    };
    let edited = seen(&prompts(), site, &mut tap);
    let (values, d_head) = (rows(&clean), decoder().config().d_head);
    compare(&clean, &edited, |row, position, index, before, after| {
        let is_edited = row == 0 && (position == 0 || position == 9) && [1, 3].contains(&(index / d_head));
        let expected = if is_edited { values[1][position][index] } else { before };
        assert_eq!(after, expected, "prompt {row}, position {position}");
    });
}

#[test]
fn resampling_needs_prompts_of_one_length() {
    let site = Site::block(1, Point::MlpOut);
    let message = |rows: &[usize]| error(&mut edit_of(Edit::Resample(rows.to_vec()), site)).what().to_owned();
    assert_eq!(
        message(&[2, 1, 0]),
        "blocks.1.hook_mlp_out: prompt 0 has 11 tokens, prompt 2 has 8: their positions do not match"
    );
    assert_eq!(message(&[1, 0]), "blocks.1.hook_mlp_out: 2 rows to resample from, for 3 prompts");
    assert_eq!(message(&[0, 1, 3]), "blocks.1.hook_mlp_out: there is no prompt 3 to resample from");
}

// Means

#[test]
fn the_mean_is_over_all_real_positions() {
    for site in [Site::block(1, Point::MlpOut), Site::block(1, Point::Z), Site::block(0, Point::K)] {
        let clean = seen(&prompts(), site, &mut nothing());
        let width = rows(&clean)[0][0].len();
        let mut mean = vec![0f64; width];
        let positions: usize = prompts().iter().map(Vec::len).sum();
        compare(&clean, &clean, |_, _, index, value, _| mean[index] += f64::from(value) / positions as f64);
        let edited = seen(&prompts(), site, &mut edit_of(Edit::Mean, site));
        compare(&clean, &edited, |row, position, index, _, after| {
            // Thirty values of float32 are added up.
            assert!(
                (f64::from(after) - mean[index]).abs() <= 1e-6,
                "{site}: prompt {row}, position {position}: {after} for {}",
                mean[index]
            );
        });
        let mut tap = edit_of(Edit::Mean, site);
        tap.positions = Positions::Last;
        let partly = seen(&prompts(), site, &mut tap);
        let edited = rows(&edited);
        compare(&clean, &partly, |row, position, index, before, after| {
            let is_edited = position + 1 == prompts()[row].len();
            assert_eq!(after, if is_edited { edited[row][position][index] } else { before }, "{site}");
        });
    }
}

#[test]
fn the_mean_of_patterns_is_over_the_prompts_that_have_the_query() {
    let site = Site::block(1, Point::Pattern);
    let clean = seen(&prompts(), site, &mut nothing());
    let edited = seen(&prompts(), site, &mut edit_of(Edit::Mean, site));
    let lengths: Vec<usize> = prompts().iter().map(Vec::len).collect();
    let weight = |t: &Tensor, row: usize, head: usize, query: usize, key: usize| -> f32 {
        t.get(row).unwrap().get(head).unwrap().get(query).unwrap().get(key).unwrap().to_scalar().unwrap()
    };
    for (row, &len) in lengths.iter().enumerate() {
        for query in 0..len {
            let having: Vec<usize> = (0..lengths.len()).filter(|&row| lengths[row] > query).collect();
            for (head, key) in
                (0..decoder().config().n_heads).flat_map(|head| (0..len).map(move |k| (head, k)))
            {
                let sum: f32 = having.iter().map(|&other| weight(&clean, other, head, query, key)).sum();
                let expected = sum / having.len() as f32;
                let found = weight(&edited, row, head, query, key);
                assert!(
                    (found - expected).abs() <= 1e-6,
                    "prompt {row}, query {query}: {found} for {expected}"
                );
            }
        }
    }
}

// Noise

#[test]
fn noise_repeats_with_its_seed_and_differs_between_sites() {
    let noise = |site: Site, seed: u64| -> Vec<f32> {
        let clean = seen(&prompts(), site, &mut nothing());
        let noisy = seen(&prompts(), site, &mut edit_of(Edit::Noise { std: 0.5, seed }, site));
        let mut added = Vec::new();
        compare(&clean, &noisy, |_, _, _, before, after| added.push(after - before));
        added
    };
    let all = [
        noise(Site::block(0, Point::AttnOut), 1),
        noise(Site::block(0, Point::MlpOut), 1),
        noise(Site::block(1, Point::AttnOut), 1),
        noise(Site::block(0, Point::AttnOut), 2),
        noise(Site::global(Point::Embed), 1),
    ];
    assert_eq!(noise(Site::block(0, Point::AttnOut), 1), all[0]);
    for (i, a) in all.iter().enumerate() {
        let n = a.len() as f64;
        let mean = a.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = a.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
        // Five standard errors.
        assert!(mean.abs() <= 5.0 * 0.5 / n.sqrt(), "a mean of {mean}");
        assert!((variance.sqrt() - 0.5).abs() <= 5.0 * 0.5 / (2.0 * n).sqrt(), "a variance of {variance}");
        for b in &all[..i] {
            let covariance = a.iter().zip(b).map(|(&a, &b)| f64::from(a * b)).sum::<f64>() / n;
            assert!(covariance.abs() <= 5.0 * 0.25 / n.sqrt(), "a covariance of {covariance}");
        }
    }
}

#[test]
fn noise_keeps_to_its_positions() {
    let site = Site::block(2, Point::ResidPre);
    let clean = seen(&prompts(), site, &mut nothing());
    let mut tap = edit_of(Edit::Noise { std: 1.0, seed: 7 }, site);
    tap.positions = Positions::PerRow(vec![vec![4], vec![], vec![0, 7]]);
    compare(&clean, &seen(&prompts(), site, &mut tap), |row, position, _, before, after| {
        let is_edited = [(0, 4), (2, 0), (2, 7)].contains(&(row, position));
        assert_eq!(before != after, is_edited, "prompt {row}, position {position}");
    });
}

#[test]
fn a_prompts_noise_does_not_depend_on_its_neighbours() {
    let prompts = prompts();
    for site in [Site::block(1, Point::MlpOut), Site::block(1, Point::Z), Site::block(1, Point::Pattern)] {
        let noisy = |other: usize| {
            let sequences = [prompts[2].clone(), prompts[other].clone()];
            let value = seen(&sequences, site, &mut edit_of(Edit::Noise { std: 1.0, seed: 3 }, site));
            let value = value.get(0).unwrap();
            // [pos, ...], or [head, query, key] as long as the longer prompt.
            match site.point {
                Point::Pattern => value.narrow(1, 0, 8).unwrap().narrow(2, 0, 8).unwrap(),
                _ => value.narrow(0, 0, 8).unwrap(),
            }
        };
        assert_eq!(distance(&noisy(0), &noisy(2)), 0.0, "{site}");
    }
}

// Steering

#[test]
fn a_steered_residual_is_the_residual_plus_strength_times_the_vector() {
    let site = Site::block(2, Point::ResidPost);
    let direction = vector(decoder().config().d_model);
    let clean = seen(&prompts(), site, &mut nothing());
    let mut tap = edit_of(Edit::Add { vector: direction.clone(), strength: -2.5 }, site);
    tap.positions = Positions::At(vec![-1, 2]);
    let values: Vec<f32> = direction.to_vec1().unwrap();
    let steered = seen(&prompts(), site, &mut tap);
    compare(&clean, &steered, |row, position, index, before, after| {
        let is_edited = position == 2 || position + 1 == prompts()[row].len();
        let expected = if is_edited { before + values[index] * -2.5 } else { before };
        assert_eq!(after, expected, "prompt {row}, position {position}");
    });
    // The last residual is all that the logits are read from.
    let ends: Vec<Tensor> =
        (0..3).map(|row| steered.get(row).unwrap().get(prompts()[row].len() - 1).unwrap()).collect();
    let expected = lens_logits(decoder(), &Tensor::stack(&ends, 0).unwrap()).unwrap();
    assert!(distance(&logits(&prompts(), &mut tap), &expected) <= 1e-5);
    let undone = Edit::Add { vector: direction, strength: 0.0 };
    let clean = logits(&prompts(), &mut nothing());
    assert_eq!(distance(&logits(&prompts(), &mut edit_of(undone, site)), &clean), 0.0);
}

#[test]
fn a_vector_for_heads_is_added_to_those_heads() {
    let (site, d_head) = (Site::block(1, Point::Q), decoder().config().d_head);
    let clean = seen(&prompts(), site, &mut nothing());
    let mut tap = edit_of(Edit::Add { vector: vector(d_head), strength: 3.0 }, site);
    tap.heads = Some(vec![2]);
    let values: Vec<f32> = vector(d_head).to_vec1().unwrap();
    compare(&clean, &seen(&prompts(), site, &mut tap), |_, _, index, before, after| {
        let is_edited = index / d_head == 2;
        assert_eq!(after, if is_edited { before + values[index % d_head] * 3.0 } else { before });
    });
}

// Generation

fn greedy(tap: &mut dyn Tap, stop: &[u32]) -> Vec<Vec<u32>> {
    let options = GenerateOptions {
        max_new_tokens: 6,
        temperature: 0.0,
        top_k: None,
        top_p: None,
        seed: 0,
        stop: stop.to_vec(),
    };
    generate(decoder(), &prompts(), &options, tap).unwrap()
}

/// Greedy tokens under an edit are those that whole forwards under the same edit give, though a step runs
/// one new token a prompt. Keys that are knocked out may come from earlier steps.
#[test]
fn edits_mean_the_same_at_every_step_of_generation() {
    let site = Site::block(1, Point::ResidPre);
    let steer = Edit::Add { vector: vector(decoder().config().d_model), strength: 4.0 };
    let noise = Edit::Noise { std: 3.0, seed: 5 };
    let knock_out = Edit::KnockOut(Positions::At(vec![0, 6]));
    let pattern = Site::block(1, Point::Pattern);
    for (site, edit, positions) in [
        (site, steer.clone(), Positions::All),
        (site, steer.clone(), Positions::At(vec![3, 5])),
        (site, steer, Positions::PerRow(vec![vec![10], vec![0], vec![2, 4]])),
        (site, noise.clone(), Positions::All),
        (pattern, Edit::Noise { std: 0.2, seed: 5 }, Positions::All),
        (pattern, knock_out, Positions::All),
    ] {
        let tap =
            Intervention { sites: vec![site], heads: None, positions: positions.clone(), edit: edit.clone() };
        let generated = greedy(&mut tap.clone(), &[]);
        assert_ne!(generated, greedy(&mut nothing(), &[]), "{edit:?} changes no token");
        let mut whole = prompts();
        for _ in 0..6 {
            let next: Vec<u32> = logits(&whole, &mut tap.clone()).argmax(1).unwrap().to_vec1().unwrap();
            whole.iter_mut().zip(next).for_each(|(row, token)| row.push(token));
        }
        for (row, (whole, prompt)) in whole.iter().zip(prompts()).enumerate() {
            assert_eq!(generated[row], whole[prompt.len()..], "{edit:?} at {positions:?}: prompt {row}");
        }
        // A prompt that has ended leaves the others as they are.
        let stop = [generated[2][0]];
        for (stopped, generated) in greedy(&mut tap.clone(), &stop).iter().zip(&generated) {
            let end = generated.iter().position(|token| stop.contains(token)).map_or(6, |at| at + 1);
            assert_eq!(stopped, &generated[..end]);
        }
    }
}

#[test]
fn the_last_position_of_generation_is_the_newest_token() {
    let site = Site::block(2, Point::ResidPost);
    let said = vector(decoder().config().d_model);
    let logits = lens_logits(decoder(), &said.unsqueeze(0).unwrap()).unwrap();
    let token: u32 = logits.argmax(1).unwrap().to_vec1().unwrap()[0];
    for positions in [Positions::Last, Positions::At(vec![-1])] {
        let mut tap = edit_of(Edit::Replace(said.clone()), site);
        tap.positions = positions;
        assert_eq!(greedy(&mut tap, &[]), vec![vec![token; 6]; 3]);
    }
    // Only some prompts go on.
    let clean = greedy(&mut nothing(), &[]);
    let stop = clean[1][0];
    assert!(clean.iter().any(|tokens| tokens[0] != stop));
    let mut tap = edit_of(Edit::Zero, Site::block(0, Point::AttnScores));
    tap.positions = Positions::At(vec![-1]);
    assert_eq!(greedy(&mut tap, &[]).len(), greedy(&mut tap, &[stop]).len());
}

// Patches

#[test]
fn a_patched_residual_makes_every_prompt_its_source() {
    let prompts = prompts();
    let site = Site::block(1, Point::ResidMid);
    let source = seen(&prompts[1..2], site, &mut nothing());
    let expected = logits(&prompts[1..2], &mut nothing());
    // [1, pos, d_model] stands for each prompt of its length.
    let patched = logits(&prompts[..2], &mut edit_of(Edit::Replace(source.clone()), site));
    for row in 0..2 {
        // Attention of block 1 saw the prompt itself: only the next block's sees the source.
        assert!(distance(&patched.get(row).unwrap(), &expected.get(0).unwrap()) <= 1e-5, "prompt {row}");
    }
    let mut tap = edit_of(Edit::Replace(source.clone()), site);
    tap.positions = Positions::At(vec![4]);
    let clean = seen(&prompts[..1], site, &mut nothing());
    let (source, edited) = (rows(&source), rows(&seen(&prompts[..1], site, &mut tap)));
    for (position, before) in rows(&clean)[0].iter().enumerate() {
        let expected = if position == 4 { &source[0][4] } else { before };
        assert_eq!(&edited[0][position], expected);
    }
}

#[test]
fn a_patched_head_carries_over_that_head_alone() {
    let prompts = &prompts()[..2];
    let (site, d_head) = (Site::block(2, Point::Z), decoder().config().d_head);
    let source = seen(&prompts[1..], site, &mut nothing());
    let clean = seen(prompts, site, &mut nothing());
    let mut tap = edit_of(Edit::Replace(source.clone()), site);
    tap.heads = Some(vec![0]);
    let (source, edited) = (rows(&source), rows(&seen(prompts, site, &mut tap)));
    for (row, before) in rows(&clean).iter().enumerate() {
        for (position, before) in before.iter().enumerate() {
            assert_eq!(edited[row][position][..d_head], source[0][position][..d_head]);
            assert_eq!(edited[row][position][d_head..], before[d_head..]);
        }
    }
}

#[test]
fn a_patch_of_another_shape_is_refused() {
    let site = Site::block(0, Point::ResidPre);
    let short = seen(&prompts()[2..], site, &mut nothing());
    let error = error(&mut edit_of(Edit::Replace(short), site));
    assert_eq!(
        error.what(),
        "blocks.0.hook_resid_pre: the source has shape [1, 8, 32], the value [3, 11, 32]"
    );
    assert_eq!(error.help(), Some("it must have the value's shape, or broadcast to it"));
    let error = self::error(&mut edit_of(Edit::Add { vector: vector(31), strength: 1.0 }, site));
    assert_eq!(error.what(), "blocks.0.hook_resid_pre: the vector has shape [31], the value [3, 11, 32]");
    // A value never grows to the shape of what is put in its place.
    let large = Tensor::zeros((2, 3, 11, 32), DType::F32, &Device::Cpu).unwrap();
    assert!(self::error(&mut edit_of(Edit::Replace(large), site)).what().contains("[2, 3, 11, 32]"));
}

// Knock-out

#[test]
fn knocked_out_weights_go_to_the_other_keys() {
    let site = Site::block(1, Point::Pattern);
    let clean = seen(&prompts(), site, &mut nothing());
    let mut tap = edit_of(Edit::KnockOut(Positions::At(vec![1, -1])), site);
    tap.heads = Some(vec![0, 3]);
    tap.positions = Positions::At(vec![-1, 3]);
    let edited = seen(&prompts(), site, &mut tap);
    for (row, prompt) in prompts().iter().enumerate() {
        let pattern = |t: &Tensor| -> Vec<Vec<Vec<f32>>> { t.get(row).unwrap().to_vec3().unwrap() };
        let (before, after) = (pattern(&clean), pattern(&edited));
        let len = prompt.len();
        for (head, query) in (0..before.len()).flat_map(|head| (0..len).map(move |query| (head, query))) {
            let (before, after) = (&before[head][query], &after[head][query]);
            if ![0, 3].contains(&head) || ![3, len - 1].contains(&query) {
                assert_eq!(before, after, "prompt {row}, head {head}, query {query}");
                continue;
            }
            let kept = |key: &usize| *key != 1 && *key != len - 1;
            let sum: f32 = (0..len).filter(kept).map(|key| before[key]).sum();
            for key in 0..len {
                let expected = if kept(&key) { before[key] / sum } else { 0.0 };
                assert!((after[key] - expected).abs() <= 1e-6, "prompt {row}, head {head}, query {query}");
            }
        }
    }
}

#[test]
fn a_token_that_nobody_attends_to_tells_nothing() {
    let mut sequences = vec![prompts()[0].clone(); 2];
    sequences[1][4] = 100;
    assert_ne!(sequences[0], sequences[1]);
    let clean = logits(&sequences, &mut nothing());
    assert!(distance(&clean.get(0).unwrap(), &clean.get(1).unwrap()) > 1e-3);
    let mut tap = Intervention {
        sites: (0..3).map(|layer| Site::block(layer, Point::Pattern)).collect(),
        heads: None,
        positions: Positions::All,
        edit: Edit::KnockOut(Positions::At(vec![4])),
    };
    let edited = logits(&sequences, &mut tap);
    // Weights are divided by what the dropped ones leave: another token, another rounding.
    assert!(distance(&edited.get(0).unwrap(), &edited.get(1).unwrap()) <= 1e-5);
    // One layer that still looks is enough; the others' windows end before it.
    tap.sites.remove(1);
    let edited = logits(&sequences, &mut tap);
    assert!(distance(&edited.get(0).unwrap(), &edited.get(1).unwrap()) > 1e-3);
}

#[test]
fn knock_out_is_for_patterns() {
    for point in [Point::AttnScores, Point::Z, Point::ResidPre] {
        let site = Site::block(0, point);
        let error = error(&mut edit_of(Edit::KnockOut(Positions::Last), site));
        assert_eq!(error.what(), format!("{site}: there are no attention weights to knock out"));
        assert_eq!(error.help(), Some("knock-out applies to blocks.N.attn.hook_pattern"));
    }
}

// Heads and positions that are not there

#[test]
fn heads_that_are_not_there_are_named() {
    let of = |point, heads: &[usize]| {
        let mut tap = edit_of(Edit::Zero, Site::block(1, point));
        tap.heads = Some(heads.to_vec());
        let error = error(&mut tap);
        (error.what().to_owned(), error.help().unwrap().to_owned())
    };
    let (what, help) = of(Point::Z, &[0, 4]);
    assert_eq!(
        (what.as_str(), help.as_str()),
        ("blocks.1.attn.hook_z: there is no head 4", "this site has 4: 0–3")
    );
    // Keys and values have heads of their own, here half as many.
    assert_eq!(of(Point::V, &[2]).1, "this site has 2: 0–1");
    assert_eq!(of(Point::Pattern, &[usize::MAX]).1, "this site has 4: 0–3");
    let (what, help) = of(Point::MlpOut, &[0]);
    assert!(what.ends_with("blocks.1.hook_mlp_out: this site has no heads"), "{what}");
    assert_eq!(help, "its axes are [batch, pos, d_model]");
}

#[test]
fn positions_that_are_not_there_are_named() {
    let of = |positions, edit| {
        let mut tap = edit_of(edit, Site::block(1, Point::Pattern));
        tap.positions = positions;
        let error = error(&mut tap);
        (error.what().to_owned(), error.help().map(str::to_owned))
    };
    let site = "blocks.1.attn.hook_pattern";
    let hint = "it has 8 tokens: 0–7 or, from the end, -1 to -8";
    // The third prompt is the one that is too short.
    for position in [8, -9, i64::MIN, i64::MAX] {
        let (what, help) = of(Positions::At(vec![0, position]), Edit::Zero);
        let (row, help) = (&what[what.find("prompt").unwrap()..], help.unwrap());
        match position {
            8 | -9 => {
                assert_eq!(what, format!("{site}: prompt 2 has no position {position}"));
                assert_eq!(help, hint);
            }
            _ => assert_eq!(row, format!("prompt 0 has no position {position}")),
        }
    }
    let (what, _) = of(Positions::PerRow(vec![vec![0], vec![0], vec![8]]), Edit::Zero);
    assert_eq!(what, format!("{site}: prompt 2 has no position 8"));
    let (what, _) = of(Positions::PerRow(vec![vec![0]]), Edit::Zero);
    assert_eq!(what, format!("{site}: positions are given for 1 prompts, not for prompt 1"));
    let (what, _) = of(Positions::All, Edit::KnockOut(Positions::At(vec![8])));
    assert_eq!(what, format!("{site}: prompt 2 has no position 8"));
}
