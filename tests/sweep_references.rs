//! Sweeps against TransformerLens and transformers, and on the trained models against the plain engine.
//!
//! Expected values: `tests/fixtures/sweep_gemma2.json` and `real/sweep_smollm2.json`, made by `make_sweep.py`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod common;

use common::{open_model, real_fixture, real_model, words};
use mora::interp::metric::{Metric, Scoring};
use mora::interp::sweep::{
    Align, Cell, Donor, Effects, Engine, Part, Plan, Session, Source, Spot, Sweep, Where,
};
use mora::model::Model;
use mora::model::prompt::Prompt;
use serde_json::Value;

/// Between two float32 computations of a difference of logits. TransformerLens and hooks on transformers are
/// up to 3.2e-5 apart themselves.
const TOLERANCE: f64 = 1e-4;

fn prompts(pairs: &Value, which: &str) -> Vec<Prompt> {
    let tokens = |pair: &Value| serde_json::from_value(pair[which].clone()).unwrap();
    pairs.as_array().unwrap().iter().map(|pair| Prompt { text: None, tokens: tokens(pair) }).collect()
}

struct Case<'a> {
    model: &'a Model,
    targets: Vec<Prompt>,
    sources: Vec<Prompt>,
    metric: Metric,
}

impl Case<'_> {
    fn plan(&self) -> Plan<'_> {
        let scoring =
            |prompts: &[Prompt]| Scoring::new(self.metric.clone(), prompts, self.model.tokenizer()).unwrap();
        let donor = Donor { model: self.model, prompts: &self.sources, scoring: scoring(&self.sources) };
        Plan::new(self.model, &self.targets, scoring(&self.targets), Some(donor)).unwrap()
    }

    fn run(&self, engine: Engine, spots: &[Spot], cells: &[Cell]) -> Effects {
        let sweep =
            Sweep { plan: self.plan(), source: Source::Run, spots: spots.to_vec(), engine, budget: None };
        sweep.run(cells, &mut Session::default()).unwrap()
    }

    fn spot(&self, place: &Where) -> Spot {
        self.plan().spot(place, Align::Positions).unwrap()
    }
}

/// The part that a cell of a fixture patches.
fn part(cell: &Value) -> Part {
    let layer = &cell["layer"];
    let name = match cell["site"].as_str().unwrap() {
        "z" => format!("L{layer}H{}", cell["head"]),
        "attn_out" => format!("L{layer}_ATTN"),
        "mlp_out" => format!("L{layer}_MLP"),
        "resid_pre" => format!("L{layer}_RESID_PRE"),
        site => panic!("{site}"),
    };
    name.parse().unwrap()
}

/// Every cell of a fixture, in the fast engine.
fn check(model: &Model, fixture: &Value) {
    let ids: Vec<u32> = serde_json::from_value(fixture["ids"].clone()).unwrap();
    let text = |id: u32| model.tokenizer().decode(&[id], false).unwrap();
    let case = Case {
        model,
        targets: prompts(&fixture["pairs"], "target"),
        sources: prompts(&fixture["pairs"], "source"),
        metric: Metric::LogitDiff { plus: text(ids[0]), minus: text(ids[1]) },
    };
    let expected = fixture["cells"].as_array().unwrap();
    // Spots by position; the last is "everywhere".
    let mut positions: Vec<Option<i64>> = expected.iter().map(|cell| cell["pos"].as_i64()).collect();
    positions.sort();
    positions.dedup();
    let spots: Vec<Spot> = positions
        .iter()
        .map(|position| case.spot(&position.map_or(Where::All, |position| Where::At(vec![position]))))
        .collect();
    let spot = |cell: &Value| positions.binary_search(&cell["pos"].as_i64()).unwrap();
    let cells: Vec<Cell> = expected.iter().map(|cell| Cell::new(vec![part(cell)], spot(cell))).collect();
    let effects = case.run(Engine::Fast, &spots, &cells);
    let mut largest = 0f64;
    for ((cell, expected), found) in cells.iter().zip(expected).zip(&effects.patched) {
        let expected: Vec<f64> = serde_json::from_value(expected["patched"].clone()).unwrap();
        assert_eq!(expected.len(), found.len());
        for (expected, found) in expected.iter().zip(found) {
            largest = largest.max((expected - found).abs());
            assert!((expected - found).abs() < TOLERANCE, "{}: {found}, expected {expected}", cell.name());
        }
    }
    eprintln!("{} cells, largest deviation {largest:.1e}", cells.len());
}

#[test]
fn gemma2_is_patched_as_transformers_with_hooks() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sweep_gemma2.json");
    let fixture = serde_json::from_str(&std::fs::read_to_string(folder).unwrap()).unwrap();
    check(&words::model("gemma2"), &fixture);
}

#[test]
fn smollm2_is_patched_as_in_transformer_lens() {
    let Some(path) = real_model("SmolLM2-135M-Instruct.Q4_1.gguf") else { return };
    check(&open_model(path.to_str().unwrap()), &real_fixture("sweep_smollm2"));
}

#[test]
fn trained_models_fast_equals_plain() {
    for (name, file) in
        [("smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"), ("gemma3", "gemma-3-270m-q4_k_m.gguf")]
    {
        let Some(path) = real_model(file) else { return };
        let model = open_model(path.to_str().unwrap());
        let fixture = real_fixture(name);
        let prompt = |index: usize| Prompt {
            text: None,
            tokens: serde_json::from_value(fixture["prompts"][index]["tokens"].clone()).unwrap(),
        };
        // The same wording in two scenarios, another wording in two: long beginnings in common and short ones.
        let last = model.decoder().config().n_layers() - 1;
        let names = [
            "L0H0".to_string(),
            format!("L{}H1.pattern", last / 2),
            format!("L{}KV0.v", last / 3),
            format!("L{}_MLP", last / 2),
            format!("L{last}H2"),
            format!("L{}_RESID_PRE", last / 2),
        ];
        let case = Case {
            model: &model,
            targets: vec![prompt(6), prompt(9)],
            sources: vec![prompt(9), prompt(6)],
            metric: Metric::AnswerDiff { plus: "action2".into(), minus: "action1".into() },
        };
        let spots = [case.spot(&Where::All), case.spot(&Where::Last)];
        let cells: Vec<Cell> = (0..2)
            .flat_map(|spot| names.iter().map(move |name| Cell::new(vec![name.parse().unwrap()], spot)))
            .collect();
        let (fast, plain) = (case.run(Engine::Fast, &spots, &cells), case.run(Engine::Naive, &spots, &cells));
        for ((cell, fast), plain) in cells.iter().zip(&fast.patched).zip(&plain.patched) {
            for (a, b) in fast.iter().zip(plain) {
                assert!((a - b).abs() < TOLERANCE, "{name}: {} fast {a}, plain {b}", cell.name());
            }
        }
    }
}
