//! Times training steps on the rows that `benches/peers/training.py` gives peft and PyTorch.
//!
//! `cargo bench --bench training -- [supervised|ppo …] [--adapter DIR]` prints a table and one line of JSON: medians in
//! seconds, losses or statistics of every step, memory. DIR is the adapter that the peers began with.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::{Device, Tensor};
use mora::lora::targets::{Selector, Targets};
use mora::model::Model;
use mora::model::open::{OpenOptions, open};
use mora::model::reference::Reference;
use mora::train::example::Example;
use mora::train::lora::{LoraOptions, fresh};
use mora::train::optimizer::Rule;
use mora::train::ppo::value_head::ValueHead;
use mora::train::ppo::{Ppo, PpoOptions};
use mora::train::schedule::Schedule;
use mora::train::trainer::TrainerOptions;
use mora::train::{Trainable, Trainer};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const REPEATS: usize = 5;

fn main() {
    // As the program itself does.
    unsafe { libmimalloc_sys::mi_option_set(15, -1) };
    let mut arguments = std::env::args().skip(1).filter(|name| name != "--bench");
    let (mut works, mut adapter) = (Vec::new(), None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--adapter" => adapter = arguments.next(),
            work => works.push(work.to_owned()),
        }
    }
    let is_wanted = |name: &str| works.is_empty() || works.iter().any(|work| work == name);
    let input = read_json("benches/peers/training.json");
    let model = open_model();
    let rows = rows(&input);
    let mut results = serde_json::Map::new();
    println!("| work | median | loaded | peak above |\n| --- | --- | --- | --- |");
    for (name, run) in [("supervised", supervised as fn(&_, &_, &_, _) -> _), ("ppo", ppo)] {
        if is_wanted(name) {
            let policy = policy(&model, &input, adapter.as_deref());
            let before = memory("VmRSS:");
            // The highest mark begins anew.
            let _ = std::fs::write("/proc/self/clear_refs", "5");
            let (seconds, told): (Vec<f64>, Vec<Value>) = run(&policy, &input, &rows, REPEATS + 1);
            let peak = memory("VmHWM:") - before;
            let median = median(&seconds[1..]);
            println!("| {name} | {:.0} ms | {before:.0} MiB | {peak:.0} MiB |", median * 1e3);
            results.insert(
                name.to_owned(),
                json!({ "median": median, "seconds": seconds, "told": told, "loaded_mib": before, "above_mib": peak }),
            );
        }
    }
    println!("{}", Value::Object(results));
}

fn supervised(policy: &Trainable, input: &Value, rows: &[Vec<u32>], steps: usize) -> (Vec<f64>, Vec<Value>) {
    let counted = input["counted"].as_u64().unwrap() as usize;
    let examples: Vec<Example> =
        rows.iter().map(|row| Example::new(row.clone(), row.len() - counted).unwrap()).collect();
    let options = TrainerOptions {
        rule: Rule::adam_w(0.01),
        schedule: Schedule::constant(input["supervised_lr"].as_f64().unwrap()),
        clip: None,
        accumulate: 1,
        seed: 0,
    };
    let mut trainer = Trainer::new(policy.clone(), options).unwrap();
    timed(steps, || json!(trainer.cross_entropy(&examples).unwrap().loss))
}

fn ppo(policy: &Trainable, input: &Value, rows: &[Vec<u32>], steps: usize) -> (Vec<f64>, Vec<Value>) {
    let options = PpoOptions {
        rate: input["ppo_lr"].as_f64().unwrap(),
        epochs: input["epochs"].as_u64().unwrap() as usize,
        scale_scores: false,
        normalise_scores: false,
        ..PpoOptions::default()
    };
    let cosine = input["value_head"]["weight_cosine"].as_f64().unwrap();
    let d_model = policy.reference().decoder().config().d_model;
    let weight: Vec<f32> = (0..d_model).map(|i| (cosine * (i as f64).cos()) as f32).collect();
    let weight = Tensor::new(weight, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let bias = Tensor::new(&[input["value_head"]["bias"].as_f64().unwrap() as f32], &Device::Cpu).unwrap();
    let head = ValueHead::new(&weight, &bias).unwrap();
    let mut ppo = Ppo::with_head(policy.clone(), options, head).unwrap();
    let responses: Vec<Vec<u32>> = serde_json::from_value(input["responses"].clone()).unwrap();
    let scores: Vec<f64> = serde_json::from_value(input["scores"].clone()).unwrap();
    timed(steps, || {
        let told = ppo.step(rows, &responses, &scores).unwrap();
        told.into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    })
}

fn timed(steps: usize, mut step: impl FnMut() -> Value) -> (Vec<f64>, Vec<Value>) {
    (0..steps)
        .map(|_| {
            let start = Instant::now();
            let told = step();
            (start.elapsed().as_secs_f64(), told)
        })
        .unzip()
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn policy(model: &Model, input: &Value, adapter: Option<&str>) -> Trainable {
    if let Some(folder) = adapter {
        let adapter = mora::lora::files::open(&Reference::Directory(PathBuf::from(folder))).unwrap().0;
        return Trainable::adapter(model, &adapter).unwrap();
    }
    let targets =
        Targets { modules: Selector::AllLinear, exclude: None, layers: None, layers_pattern: Vec::new() };
    let options = LoraOptions {
        rank: input["rank"].as_u64().unwrap() as usize,
        alpha: input["alpha"].as_f64().unwrap(),
        dropout: 0.0,
        targets,
        parts: None,
        seed: 0,
        name: "bench".to_owned(),
    };
    fresh(model, options).unwrap()
}

fn open_model() -> Model {
    let folder = std::env::var("MORA_TEST_MODELS").map(PathBuf::from);
    let folder =
        folder.unwrap_or_else(|_| PathBuf::from(std::env::var("HOME").unwrap()).join(".cache/mora-models"));
    let path = folder.join("SmolLM2-135M-Instruct.Q4_1.gguf");
    let reference: Reference = path.to_str().unwrap().parse().unwrap();
    open(&reference, &OpenOptions::default()).unwrap().into_model().unwrap().0
}

/// The rows of the peers: of some rendered prompts the tokens before where the shortest of all ends.
fn rows(input: &Value) -> Vec<Vec<u32>> {
    let fixture = read_json("tests/fixtures/real/smollm2.json");
    let prompts: Vec<Vec<u32>> = fixture["prompts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|prompt| serde_json::from_value(prompt["tokens"].clone()).unwrap())
        .collect();
    let shortest = prompts.iter().map(Vec::len).min().unwrap();
    let tokens = input["tokens"].as_u64().unwrap() as usize;
    let chosen: Vec<usize> = serde_json::from_value(input["prompts"].clone()).unwrap();
    chosen.into_iter().map(|row| prompts[row][shortest - tokens..shortest].to_vec()).collect()
}

fn read_json(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A line of this process's memory, in MiB; 0 where the system does not tell.
fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
