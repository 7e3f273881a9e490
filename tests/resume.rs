//! A training that goes on from a checkpoint is the one that was never stopped, bit for bit; and what must not
//! be trained with is refused, with nothing lost.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use std::path::Path;

use candle_core::{Device, Tensor};
use common::words;
use mora::error::Result;
use mora::lora::targets::{Selector, Targets};
use mora::train::example::Example;
use mora::train::grpo::{Grpo, GrpoOptions};
use mora::train::lora::{LoraOptions, fresh};
use mora::train::optimizer::Rule;
use mora::train::ppo::{Ppo, PpoOptions};
use mora::train::schedule::{Schedule, Shape};
use mora::train::trainer::TrainerOptions;
use mora::train::{Trainable, Trainer};
use serde_json::json;

fn lora(dropout: f64) -> LoraOptions {
    let targets =
        Targets { modules: Selector::AllLinear, exclude: None, layers: None, layers_pattern: Vec::new() };
    LoraOptions { rank: 3, alpha: 6.0, dropout, targets, parts: None, seed: 5, name: "fresh".to_owned() }
}

fn policy(dropout: f64) -> Trainable {
    fresh(&words::model("gemma2"), lora(dropout)).unwrap()
}

/// All trained numbers, as bits.
fn bits(trainable: &Trainable) -> Vec<u32> {
    let values = |tensor: Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let each = trainable.parameters().iter().flat_map(|p| values(p.var.as_detached_tensor()));
    each.map(f32::to_bits).collect()
}

/// Runs `n` steps whole, and in two parts with a checkpoint between them.
fn stopped_is_whole<T>(
    make: impl Fn() -> T,
    trained: impl Fn(&T) -> &Trainable,
    step: impl Fn(&mut T, usize),
    save: impl Fn(&T, &Path),
    resume: impl Fn(&mut T, &Path),
) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.checkpoint");
    let mut whole = make();
    let start = bits(trained(&whole));
    (0..5).for_each(|index| step(&mut whole, index));
    assert_ne!(bits(trained(&whole)), start, "nothing was trained");
    let mut first = make();
    (0..3).for_each(|index| step(&mut first, index));
    save(&first, &path);
    // What happens after the checkpoint is lost, and must leave no trace.
    step(&mut first, 3);
    let mut second = make();
    resume(&mut second, &path);
    (3..5).for_each(|index| step(&mut second, index));
    assert_eq!(bits(trained(&second)), bits(trained(&whole)));
}

fn examples(step: usize) -> Vec<Example> {
    let tokens = |row: usize| (0..9).map(|i| ((i * 7 + row * 13 + step * 29) % 101) as u32).collect();
    (0..4).map(|row| Example::new(tokens(row), row).unwrap()).collect()
}

fn options() -> TrainerOptions {
    TrainerOptions {
        rule: Rule::adam_w(0.01),
        schedule: Schedule { rate: 1e-2, shape: Shape::Cosine, warmup: 2, steps: 5 },
        clip: Some(1.0),
        accumulate: 2,
        seed: 9,
    }
}

#[test]
fn supervised_steps_with_dropout() {
    stopped_is_whole(
        || Trainer::new(policy(0.3), options()).unwrap(),
        Trainer::trainable,
        |trainer, step| drop(trainer.cross_entropy(&examples(step)).unwrap()),
        |trainer, path| trainer.save(path, json!({ "mine": [1, 2.5] })).unwrap(),
        |trainer, path| assert_eq!(trainer.resume(path).unwrap(), Some(json!({ "mine": [1, 2.5] }))),
    );
}

#[test]
fn supervised_steps_of_every_weight_and_momentum() {
    let rule = Rule::Sgd { momentum: 0.9, weight_decay: 0.1 };
    stopped_is_whole(
        || {
            let all = Trainable::full(&words::model("llama")).unwrap();
            Trainer::new(all, TrainerOptions { rule, ..options() }).unwrap()
        },
        Trainer::trainable,
        |trainer, step| drop(trainer.cross_entropy(&examples(step)).unwrap()),
        |trainer, path| trainer.save(path, json!({})).unwrap(),
        |trainer, path| assert!(trainer.resume(path).unwrap().is_some()),
    );
}

type Batch = (Vec<Vec<u32>>, Vec<Vec<u32>>, Vec<f64>);

fn rollouts(step: usize) -> Batch {
    let queries = (0..6).map(|row| vec![1, 2, 3, (row / 2 + step) as u32]).collect();
    let responses =
        (0..6).map(|row| (0..1 + row % 3).map(|i| (row * 5 + i + step) as u32).collect()).collect();
    (queries, responses, (0..6).map(|row| ((row * 3 + step) % 4) as f64 - 1.0).collect())
}

#[test]
fn ppo_steps_in_shuffled_minibatches() {
    let options = PpoOptions { rate: 1e-3, minibatch: Some(2), seed: 3, ..PpoOptions::default() };
    stopped_is_whole(
        || Ppo::new(policy(0.0), options).unwrap(),
        Ppo::trainable,
        |ppo, step| {
            let (queries, responses, scores) = rollouts(step);
            ppo.step(&queries, &responses, &scores).unwrap();
        },
        |ppo, path| ppo.save(path, json!({ "games": 7 })).unwrap(),
        |ppo, path| assert_eq!(ppo.resume(path).unwrap(), Some(json!({ "games": 7 }))),
    );
}

#[test]
fn grpo_steps() {
    let options = GrpoOptions { rate: 1e-3, epochs: 2, ..GrpoOptions::default() };
    stopped_is_whole(
        || Grpo::new(policy(0.0), options).unwrap(),
        Grpo::trainable,
        |grpo, step| {
            let (queries, responses, scores) = rollouts(step);
            grpo.step(&queries, &responses, &scores).unwrap();
        },
        |grpo, path| grpo.save(path, json!({})).unwrap(),
        |grpo, path| assert!(grpo.resume(path).unwrap().is_some()),
    );
}

#[test]
fn threads_do_not_change_a_bit() {
    let trained = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut ppo = Ppo::new(policy(0.0), PpoOptions { rate: 1e-3, ..PpoOptions::default() }).unwrap();
            let (queries, responses, scores) = rollouts(0);
            ppo.step(&queries, &responses, &scores).unwrap();
            let mut trainer = Trainer::new(ppo.trainable().clone(), options()).unwrap();
            (0..3).for_each(|step| drop(trainer.cross_entropy(&examples(step)).unwrap()));
            bits(trainer.trainable())
        })
    };
    let one = trained(1);
    assert!(trained(2) == one && trained(5) == one);
}

fn says<T>(result: Result<T>, words: &[&str]) {
    let message = result.err().expect("an error").to_string();
    words.iter().for_each(|word| assert!(message.contains(word), "{message}"));
}

#[test]
fn a_value_that_is_not_finite_stops_the_step_and_is_named() {
    let mut trainer = Trainer::new(policy(0.0), options()).unwrap();
    trainer.cross_entropy(&examples(0)).unwrap();
    let spoilt = &trainer.trainable().parameters()[4];
    let zeros = spoilt.var.as_detached_tensor().zeros_like().unwrap();
    spoilt.var.set(&(zeros + f64::INFINITY).unwrap()).unwrap();
    let (name, before) = (spoilt.name.clone(), bits(trainer.trainable()));
    says(trainer.cross_entropy(&examples(1)), &["the loss is NaN", &name, "last checkpoint"]);
    assert_eq!((bits(trainer.trainable()), trainer.n_steps()), (before, 1));
}

#[test]
fn a_loss_that_leads_nowhere_is_refused() {
    let mut trainer = Trainer::new(policy(0.0), options()).unwrap();
    let number = || Tensor::new(1f32, &Device::Cpu).unwrap();
    says(trainer.custom(|_| Ok(number())), &["does not depend on anything that is trained"]);
    says(trainer.custom(|_| Ok(number().broadcast_as(3).unwrap())), &["[3]", "a single number"]);
    says(trainer.cross_entropy(&[]), &["an empty batch"]);
    assert_eq!(trainer.n_steps(), 0);
}

#[test]
fn rollouts_that_teach_nothing_are_refused() {
    let mut ppo = Ppo::new(policy(0.0), PpoOptions::default()).unwrap();
    let before = bits(ppo.trainable());
    let query = vec![vec![1u32, 2]];
    says(ppo.step(&query, &[vec![]], &[1.0]), &["response 0", "no tokens"]);
    says(ppo.step(&query, &[vec![3]], &[f64::NAN]), &["score 0 is NaN"]);
    says(ppo.step(&query, &[vec![3], vec![4]], &[1.0]), &["1 queries, 2 responses and 1 scores"]);
    says(ppo.step(&[vec![]], &[vec![3]], &[1.0]), &["the query has no tokens"]);
    says(ppo.step(&[], &[], &[]), &["no queries"]);
    says(ppo.step(&query, &[vec![9_999]], &[1.0]), &["9999"]);
    assert_eq!((bits(ppo.trainable()), ppo.n_steps()), (before, 0));
    let mut grpo = Grpo::new(policy(0.0), GrpoOptions::default()).unwrap();
    says(grpo.step(&query, &[vec![3]], &[1.0]), &["one response", "no baseline"]);
}

#[test]
fn adapters_that_cannot_be_made_are_refused() {
    let model = words::model("gemma2");
    says(fresh(&model, LoraOptions { rank: 0, ..lora(0.0) }), &["a rank of 0"]);
    says(fresh(&model, LoraOptions { dropout: 1.0, ..lora(0.0) }), &["a dropout of 1"]);
    let none = Targets { modules: Selector::Names(vec!["c_attn".to_owned()]), ..lora(0.0).targets };
    says(fresh(&model, LoraOptions { targets: none, ..lora(0.0) }), &["fit no module", "self_attn.q_proj"]);
    let part = Some("L90_MLP".parse().unwrap());
    says(fresh(&model, LoraOptions { parts: part, ..lora(0.0) }), &["no module in L90_MLP"]);
}

#[test]
fn checkpoints_of_something_else_are_refused_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.checkpoint");
    let mut trainer = Trainer::new(policy(0.0), options()).unwrap();
    assert!(trainer.resume(&path).unwrap().is_none());
    trainer.cross_entropy(&examples(0)).unwrap();
    trainer.save(&path, json!({})).unwrap();

    let schedule = Schedule { rate: 3e-2, ..options().schedule };
    let mut other = Trainer::new(policy(0.0), TrainerOptions { schedule, ..options() }).unwrap();
    says(other.resume(&path), &["a.checkpoint", "schedule.rate was 0.01 and is 0.03"]);
    let mut ppo = Ppo::new(policy(0.0), PpoOptions::default()).unwrap();
    says(ppo.resume(&path), &["of a \"trainer\" training", "one of \"ppo\""]);
    let wider = fresh(&words::model("gemma2"), LoraOptions { rank: 4, ..lora(0.0) }).unwrap();
    let mut wider = Trainer::new(wider, options()).unwrap();
    let before = bits(wider.trainable());
    says(wider.resume(&path), &["expected [4,"]);
    assert_eq!(bits(wider.trainable()), before);

    let bytes = std::fs::read(&path).unwrap();
    for len in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..len]).unwrap();
        says(trainer.resume(&path), &["a.checkpoint"]);
    }
    // Where the folder cannot be written the old file stays.
    std::fs::write(&path, &bytes).unwrap();
    says(trainer.save(&folder.path().join("none/b.checkpoint"), json!({})), &["cannot write"]);
    assert!(trainer.resume(&path).unwrap().is_some());
}
