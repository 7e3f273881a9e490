//! Supervised steps, preferences and full training against peft and torch: `tests/fixtures/make_training.py`
//! names its versions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use common::{distance, words};
use mora::lora::files::open;
use mora::model::reference::Reference;
use mora::model::weights::write::stored;
use mora::train::example::Example;
use mora::train::optimizer::Rule;
use mora::train::schedule::{Schedule, Shape};
use mora::train::trainer::TrainerOptions;
use mora::train::{Trainable, Trainer, loss};
use serde_json::Value;

/// What is asked of float32 over ten steps: the fixtures' own runs move by 4e-7 with the order of summing.
const TOLERANCE: f32 = 1e-4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/training")
}

fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

fn tensors(name: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(folder().join(name), &Device::Cpu).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn tokens(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

/// The adapter that every run of a base begins with, ready to be trained.
fn policy(base: &str) -> Trainable {
    let adapter = open(&Reference::Directory(folder().join("adapters").join(base))).unwrap().0;
    Trainable::adapter(&words::model(base), &adapter).unwrap()
}

/// The fixture's batch; `whole` counts every token.
fn batch(fixture: &Value, whole: bool) -> Vec<Example> {
    let starts = fixture["completion_starts"].as_array().unwrap();
    let sequences = fixture["sequences"].as_array().unwrap();
    let from = |start: &Value| if whole { 0 } else { start.as_u64().unwrap() as usize };
    sequences.iter().zip(starts).map(|(s, start)| Example::new(tokens(s), from(start)).unwrap()).collect()
}

fn options(rule: Rule, schedule: Schedule) -> TrainerOptions {
    TrainerOptions { rule, schedule, clip: None, accumulate: 1, seed: 0 }
}

/// Ours `base…lora_A` under peft's name.
fn peft_name(name: &str) -> String {
    format!("base_model.model.{name}.weight")
}

fn is_near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= f64::from(TOLERANCE) * expected.abs().max(1.0)
}

/// Ten steps of a run: losses, norms, rates, and the adapter where the fixture has it.
fn check_run(base: &str, run: &str, options: TrainerOptions, whole: bool) {
    let fixture = json("supervised.json");
    let expected = &fixture["runs"][base][run];
    let saved = tensors(&format!("{base}_{run}.safetensors"));
    let examples = batch(&fixture, whole);
    let policy = policy(base);
    let mut trainer = Trainer::new(policy.clone(), options).unwrap();
    let (losses, norms, rates) =
        (numbers(&expected["losses"]), numbers(&expected["norms"]), numbers(&expected["lrs"]));
    assert_eq!(losses.len(), 10);
    for step in 0..10 {
        let told = trainer.cross_entropy(&examples).unwrap();
        assert!(is_near(told.loss, losses[step]), "{base} {run} {step}: {} {}", told.loss, losses[step]);
        // A norm follows the weights through the loss's curvature, of order 10 and more where it falls as fast as
        // here: what weights may differ by after the first step, it may differ by ten times.
        let allowed = f64::from(TOLERANCE) * norms[step].max(1.0) * if step == 0 { 1.0 } else { 10.0 };
        let off = (told.norm - norms[step]).abs();
        assert!(off <= allowed, "{base} {run} {step}: norm {} {}", told.norm, norms[step]);
        assert!((told.rate - rates[step]).abs() < 1e-12, "{base} {run} {step}: rate {}", told.rate);
        let mut compared = 0;
        for parameter in policy.parameters() {
            let key = format!("step{}.{}", step + 1, peft_name(&parameter.name));
            if let Some(expected) = saved.get(&key) {
                let distance = distance(&parameter.var.as_detached_tensor(), expected);
                assert!(distance <= TOLERANCE, "{base} {run} {key}: {distance}");
                compared += 1;
            }
        }
        let is_saved = saved.keys().any(|key| key.starts_with(&format!("step{}.", step + 1)));
        assert_eq!(compared > 0, is_saved, "{base} {run}: step {}", step + 1);
    }
}

#[test]
fn ten_steps_of_adamw_are_those_of_torch() {
    for base in ["gemma2", "llama", "qwen3", "gpt2"] {
        check_run(base, "adamw", options(Rule::adam_w(0.01), Schedule::constant(1e-2)), false);
    }
}

#[test]
fn clipping_schedule_and_accumulation_are_those_of_torch_and_transformers() {
    let schedule = Schedule { rate: 1e-2, shape: Shape::Cosine, warmup: 3, steps: 10 };
    let options = TrainerOptions { clip: Some(0.5), accumulate: 2, ..options(Rule::adam_w(0.01), schedule) };
    check_run("gemma2", "schedule", options, true);
}

#[test]
fn momentum_is_that_of_torch() {
    let rule = Rule::Sgd { momentum: 0.9, weight_decay: 0.0 };
    check_run("gpt2", "sgd", options(rule, Schedule::constant(5e-2)), false);
}

#[test]
fn gradients_of_an_adapter_are_those_of_peft() {
    let fixture = json("supervised.json");
    let examples = batch(&fixture, false);
    let total = examples.iter().map(Example::counted).sum::<usize>() as f64;
    for base in ["gemma2", "llama", "qwen3", "gpt2"] {
        let saved = tensors(&format!("{base}_adamw.safetensors"));
        let policy = policy(base);
        let loss = loss::cross_entropy(&policy.live(None).unwrap(), &examples, total, false).unwrap();
        let gradients = loss.backward().unwrap();
        for parameter in policy.parameters() {
            let found = gradients.get(parameter.var.as_tensor()).unwrap();
            let expected = &saved[&format!("grad.{}", peft_name(&parameter.name))];
            let distance = distance(found, expected);
            assert!(distance <= TOLERANCE, "{base} {}: {distance}", parameter.name);
            let moves = expected.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(moves > 10.0 * TOLERANCE, "{base} {}: the gradient is nothing", parameter.name);
        }
    }
}

#[test]
fn preferences_are_those_of_the_reference() {
    let fixture = json("dpo.json");
    let base = fixture["base"].as_str().unwrap();
    let beta = fixture["beta"].as_f64().unwrap();
    let pairs: Vec<(Example, Example)> = fixture["pairs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| {
            let prompt = tokens(&pair["prompt"]);
            let with = |what: &str| {
                Example::new([prompt.clone(), tokens(&pair[what])].concat(), prompt.len()).unwrap()
            };
            (with("chosen"), with("rejected"))
        })
        .collect();
    let policy = policy(base);
    let options = options(Rule::adam_w(0.01), Schedule::constant(1e-2));
    let mut trainer = Trainer::new(policy, options).unwrap();
    for (index, step) in fixture["steps"].as_array().unwrap().iter().enumerate() {
        let told = trainer.preference(&pairs, beta).unwrap();
        assert!(is_near(told.loss, step["loss"].as_f64().unwrap()), "step {index}: {}", told.loss);
        let mean = |what: &str| numbers(&step[what]).iter().sum::<f64>() / pairs.len() as f64;
        let of = |name: &str| told.more.iter().find(|(known, _)| *known == name).unwrap().1;
        assert!(is_near(of("chosen_reward"), mean("chosen_rewards")), "step {index}");
        assert!(is_near(of("rejected_reward"), mean("rejected_rewards")), "step {index}");
    }
}

#[test]
fn training_every_weight_is_that_of_torch() {
    let (fixture, supervised) = (json("full.json"), json("supervised.json"));
    let examples = batch(&supervised, false);
    let total = examples.iter().map(Example::counted).sum::<usize>() as f64;
    for base in ["gemma2", "llama"] {
        let expected = fixture.get(base).or_else(|| fixture["runs"].get(base)).unwrap();
        let saved = tensors(&format!("{base}_full.safetensors"));
        let policy = Trainable::full(&words::model(base)).unwrap();
        let config = policy.reference().decoder().config().clone();

        let loss = loss::cross_entropy(&policy.live(None).unwrap(), &examples, total, false).unwrap();
        let gradients = loss.backward().unwrap();
        let named = policy
            .parameters()
            .iter()
            .map(|p| (p.name.clone(), gradients.get(p.var.as_tensor()).unwrap().clone()))
            .collect();
        let named = stored(&config, named, DType::F32).unwrap();
        assert_eq!(named.len(), saved.keys().filter(|key| key.starts_with("grad.")).count());
        for (name, found) in named {
            let distance = distance(&found, &saved[&format!("grad.{name}")]);
            assert!(distance <= TOLERANCE, "{base} grad {name}: {distance}");
        }

        let options = options(Rule::adam_w(0.01), Schedule::constant(1e-3));
        let mut trainer = Trainer::new(policy.clone(), options).unwrap();
        for loss in numbers(&expected["losses"]) {
            let told = trainer.cross_entropy(&examples).unwrap();
            assert!(is_near(told.loss, loss), "{base}: {} {loss}", told.loss);
        }
        let now = stored(&config, policy.model().unwrap().decoder().weights().unwrap(), DType::F32).unwrap();
        for (name, found) in &now {
            if let Some(expected) = saved.get(&format!("step3.{name}")) {
                assert!(distance(found, expected) <= TOLERANCE, "{base} {name}");
            }
            let sum = found.sum_all().unwrap().to_scalar::<f32>().unwrap();
            let wanted = expected["sums"][name].as_f64().unwrap();
            // A sum of n weights, each of them within the tolerance of a step's size.
            let allowed = 1e-6 * found.elem_count() as f64 + 1e-4;
            assert!((f64::from(sum) - wanted).abs() <= allowed, "{base} {name}: {sum} {wanted}");
        }
    }
}
