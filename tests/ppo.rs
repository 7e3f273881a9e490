//! PPO and GRPO against plain PyTorch written from the formulas: `tests/fixtures/ppo_reference.py` and
//! `make_training.py` name their versions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor, Var};
use common::{distance, words};
use mora::lora::files::open;
use mora::model::reference::Reference;
use mora::train::Trainable;
use mora::train::loss::{entropies, token_log_probs};
use mora::train::ppo::advantages::estimate;
use mora::train::ppo::control::{KlControl, KlOptions, Moments};
use mora::train::ppo::objective::{Clips, objective};
use mora::train::ppo::value_head::ValueHead;
use mora::train::ppo::{Ppo, PpoOptions};
use serde_json::Value;

/// What is asked of the formulas in float32, for numbers of order 1; larger ones relative to themselves.
const TOLERANCE: f64 = 1e-5;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/training")
}

fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

fn ragged(value: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(value.clone()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn single(values: &[f64]) -> Tensor {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Tensor::new(values, &Device::Cpu).unwrap()
}

#[track_caller]
fn near(found: f64, expected: f64, what: &str) {
    let is_near = (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0);
    assert!(is_near, "{what}: {found}, expected {expected}");
}

#[track_caller]
fn all_near(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    found.iter().zip(expected).for_each(|(&found, &expected)| near(found, expected, what));
}

#[test]
fn rewards_advantages_and_returns_are_those_of_the_reference() {
    let fixture = json("ppo.json");
    let (inputs, expected) = (&fixture["inputs"], &fixture["float64"]);
    let flat = |value: &Value| ragged(value).concat();
    let lengths: Vec<usize> = ragged(&inputs["old_logp"]).iter().map(Vec::len).collect();
    let found = estimate(
        &lengths,
        &flat(&inputs["old_logp"]),
        &flat(&inputs["ref_logp"]),
        &flat(&inputs["old_values"]),
        &numbers(&inputs["scores"]),
        inputs["kl_coef"].as_f64().unwrap(),
        1.0,
        0.95,
    );
    all_near(&found.rewards, &flat(&expected["rewards"]), "rewards");
    all_near(&found.advantages, &flat(&expected["advantages"]), "advantages");
    all_near(&found.returns, &flat(&expected["returns"]), "returns");
    near(found.mean_kl, expected["step"]["objective/kl"].as_f64().unwrap(), "objective/kl");
}

/// The tokens of a minibatch's responses, out of one number a token.
fn pick(all: &[Vec<f64>], rows: &[usize]) -> Vec<f64> {
    rows.iter().flat_map(|&row| all[row].clone()).collect()
}

#[test]
fn losses_statistics_and_gradients_are_those_of_the_reference() {
    let fixture = json("ppo.json");
    let (inputs, expected) = (&fixture["inputs"], &fixture["float64"]);
    let logits: Vec<Vec<Vec<f64>>> = serde_json::from_value(inputs["logits"].clone()).unwrap();
    let tokens: Vec<Vec<u32>> = serde_json::from_value(inputs["tokens"].clone()).unwrap();
    let minibatches = expected["minibatches"].as_array().unwrap();
    let mut beyond = 0;
    for (index, minibatch) in minibatches.iter().enumerate() {
        let rows: Vec<usize> = serde_json::from_value(minibatch["rows"].clone()).unwrap();
        let vocab = logits[0][0].len();
        let here: Vec<f64> = rows.iter().flat_map(|&row| logits[row].concat()).collect();
        let here = Var::from_tensor(&single(&here).reshape((here.len() / vocab, vocab)).unwrap()).unwrap();
        let here_tokens: Vec<u32> = rows.iter().flat_map(|&row| tokens[row].clone()).collect();
        let values = Var::from_tensor(&single(&pick(&ragged(&inputs["values"]), &rows))).unwrap();
        let old = |what: &str| single(&pick(&ragged(&inputs[what]), &rows));
        let of = |what: &str| single(&pick(&ragged(&expected[what]), &rows));
        let found = objective(
            &token_log_probs(here.as_tensor(), &here_tokens).unwrap(),
            values.as_tensor(),
            &old("old_logp"),
            &old("old_values"),
            &of("advantages"),
            &of("returns"),
            Clips { ratio: 0.2, value: 0.2, value_weight: 0.1, ratio_limit: 10.0 },
        )
        .unwrap();
        let stats = minibatch["stats"].as_object().unwrap();
        let entropy = entropies(here.as_tensor()).unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();
        near(f64::from(entropy), stats["ppo/policy/entropy"].as_f64().unwrap(), "entropy");
        for (name, value) in &found.said {
            near(*value, stats[*name].as_f64().unwrap(), &format!("minibatch {index} {name}"));
        }
        let wanted_logits: Vec<Vec<Vec<f64>>> =
            serde_json::from_value(minibatch["grad_logits"].clone()).unwrap();
        let wanted_values = ragged(&minibatch["grad_values"]).concat();
        let Some(loss) = found.loss else {
            assert!(stats["ppo/policy/ratio"].as_f64().unwrap() > 10.0);
            assert!(
                wanted_logits.concat().concat().iter().chain(&wanted_values).all(|&gradient| gradient == 0.0)
            );
            beyond += 1;
            continue;
        };
        let gradients = loss.backward().unwrap();
        let gradient = |var: &Var| -> Vec<f64> {
            let gradient = gradients.get(var.as_tensor()).unwrap().flatten_all().unwrap();
            gradient.to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect()
        };
        all_near(&gradient(&here), &wanted_logits.concat().concat(), &format!("minibatch {index} by logits"));
        all_near(&gradient(&values), &wanted_values, &format!("minibatch {index} by values"));
    }
    assert_eq!(beyond, 1, "one minibatch is beyond the limit of its ratio");
}

#[test]
fn control_and_moments_are_those_of_the_reference() {
    let fixture = json("ppo.json");
    let mut kl = KlControl::new(KlOptions::default());
    for step in fixture["kl_control"].as_array().unwrap() {
        let responses = step["responses"].as_u64().unwrap();
        kl.update(step["kl"].as_f64().unwrap(), responses as usize);
        let after = step["kl_coef_after"].as_f64().unwrap();
        near(kl.coefficient(), after, "kl_coef");
    }
    let mut moments = Moments::default();
    for batch in fixture["running_moments"].as_array().unwrap() {
        let scores = numbers(&batch["scores"]);
        moments = moments.updated(&scores);
        near(moments.mean, batch["mean"].as_f64().unwrap(), "mean");
        if let Some(std) = batch["std"].as_f64() {
            near(moments.deviation(), std, "std");
        }
    }
}

fn tensors(name: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(folder().join(name), &Device::Cpu).unwrap()
}

#[test]
fn whole_steps_move_adapter_and_value_head_as_torch_does() {
    let fixture = json("ppo_steps.json");
    let head = tensors("value_head.safetensors");
    let queries: Vec<Vec<u32>> = serde_json::from_value(fixture["queries"].clone()).unwrap();
    let responses: Vec<Vec<Vec<u32>>> = serde_json::from_value(fixture["responses"].clone()).unwrap();
    for base in ["gemma2", "llama"] {
        for (run, minibatch) in [("whole", None), ("single", Some(1))] {
            let expected = &fixture["runs"][base][run];
            let adapter = open(&Reference::Directory(folder().join("adapters").join(base))).unwrap().0;
            let policy = Trainable::adapter(&words::model(base), &adapter).unwrap();
            let options = PpoOptions {
                rate: expected["lr"].as_f64().unwrap(),
                epochs: fixture["epochs"].as_u64().unwrap() as usize,
                minibatch,
                scale_scores: false,
                normalise_scores: false,
                shuffle: false,
                ..PpoOptions::default()
            };
            let head = ValueHead::new(&head["v_head.summary.weight"], &head["v_head.summary.bias"]).unwrap();
            let mut ppo = Ppo::with_head(policy.clone(), options, head).unwrap();
            for (index, step) in expected["steps"].as_array().unwrap().iter().enumerate() {
                let told = ppo.step(&queries, &responses[index], &numbers(&step["scores"])).unwrap();
                let wanted = step["stats"].as_object().unwrap();
                assert_eq!(told.len(), wanted.len(), "{base} {run}: {told:?}");
                for (name, value) in told {
                    near(value, wanted[name].as_f64().unwrap(), &format!("{base} {run} step {index} {name}"));
                }
                near(ppo.kl_coefficient(), step["kl_coef_after"].as_f64().unwrap(), "kl_coef");
            }
            let after = tensors(&format!("{base}_ppo_{run}.safetensors"));
            let head = ppo.head().parameters();
            let names = policy
                .parameters()
                .iter()
                .map(|p| (format!("base_model.model.{}.weight", p.name), &p.var))
                .chain([("v_head.summary.weight".to_owned(), &head[0].var)])
                .chain([("v_head.summary.bias".to_owned(), &head[1].var)]);
            let mut compared = 0;
            for (name, var) in names {
                let distance = distance(&var.as_detached_tensor(), &after[&name]);
                assert!(f64::from(distance) <= TOLERANCE, "{base} {run} {name}: {distance}");
                compared += 1;
            }
            assert_eq!(compared, after.len());
        }
    }
}

#[test]
fn group_advantages_loss_and_gradients_are_those_of_the_reference() {
    use mora::train::grpo::{GrpoOptions, advantages, objective};
    use mora::train::rollout::Rollout;

    let fixture = json("grpo.json");
    let (inputs, expected) = (&fixture["inputs"], &fixture["float64"]);
    let rewards = ragged(&inputs["rewards"]);
    let tokens = |what: &str| flattened(&inputs[what]);
    let lengths: Vec<usize> = tokens("logp").iter().map(Vec::len).collect();
    let batch: Vec<Rollout> = rewards
        .iter()
        .enumerate()
        .flat_map(|(query, group)| std::iter::repeat_n(query as u32, group.len()))
        .zip(&lengths)
        .map(|(query, &len)| Rollout::new(&[query], &vec![0; len]).unwrap())
        .collect();
    let found = advantages(&batch, &rewards.concat()).unwrap();
    all_near(&found, &ragged(&expected["advantages"]).concat(), "advantages");

    let options = GrpoOptions {
        clip: inputs["clip"].as_f64().unwrap(),
        beta: inputs["beta"].as_f64().unwrap(),
        ..GrpoOptions::default()
    };
    let log_probs = Var::from_tensor(&single(&tokens("logp").concat())).unwrap();
    let (old, reference) = (single(&tokens("old_logp").concat()), single(&tokens("ref_logp").concat()));
    let told = objective(log_probs.as_tensor(), &old, &reference, &lengths, &found, options).unwrap();
    near(f64::from(told.loss.to_scalar::<f32>().unwrap()), expected["loss"].as_f64().unwrap(), "loss");
    near(told.distance, expected["kl"].as_f64().unwrap(), "kl");
    let gradients = told.loss.backward().unwrap();
    let gradient = gradients.get(log_probs.as_tensor()).unwrap().to_vec1::<f32>().unwrap();
    let gradient: Vec<f64> = gradient.into_iter().map(f64::from).collect();
    all_near(&gradient, &flattened(&expected["grad_logp"]).concat(), "gradient");
}

/// Numbers by response, whether or not they stand in groups.
fn flattened(value: &Value) -> Vec<Vec<f64>> {
    match serde_json::from_value::<Vec<Vec<Vec<f64>>>>(value.clone()) {
        Ok(groups) => groups.concat(),
        Err(_) => ragged(value),
    }
}
