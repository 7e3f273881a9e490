//! The fast sweep against the plain one on the trained models: every kind of cell, choice of positions, source and
//! group, on prompts that begin alike, in part, and not at all, of unequal lengths.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use common::{open_model, real_model};
use mora::interp::metric::{Metric, Scoring};
use mora::interp::sweep::{
    Align, Cell, Donor, Effects, Engine, Part, Plan, Session, Source, Spot, Sweep, Where,
};
use mora::lora::apply::with_adapter;
use mora::model::Model;
use mora::model::prompt::Prompt;
use mora::model::reference::Reference;
use serde_json::json;

/// Between two float32 computations of a log-probability or a difference of logits.
const TOLERANCE: f64 = 1e-4;

const TARGETS: [&str; 4] = [
    "You play a game with another agent today",
    "You play a game with another person",
    "Most people choose the game over money again",
    "You play a game with another person",
];
/// For each target a source of its length: with a long, a short and no beginning in common, and itself.
const SOURCES: [&str; 4] = [
    "You play a game with another friend today",
    "You like this game after some water",
    "Some players enjoy this game without points here",
    "You play a game with another person",
];
/// Sources of other lengths, with beginnings and ends in common.
const OTHER_LENGTHS: [&str; 4] = [
    "You play a very long game with another agent today",
    "You play the game with a person",
    "Where is the game that most people choose",
    "You play a game with one or another person",
];

fn trained() -> impl Iterator<Item = (&'static str, Model)> {
    let files = [("smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"), ("gemma3", "gemma-3-270m-q4_k_m.gguf")];
    files.into_iter().filter_map(|(name, file)| Some((name, open_model(real_model(file)?.to_str().unwrap()))))
}

fn prompts(model: &Model, texts: &[&str]) -> Vec<Prompt> {
    texts.iter().map(|text| model.prompt(text).unwrap()).collect()
}

/// Two answers of several tokens that begin alike.
fn answers() -> Metric {
    Metric::AnswerDiff { plus: " action2".into(), minus: " action10".into() }
}

fn next_word() -> Metric {
    Metric::LogitDiff { plus: " and".into(), minus: " with".into() }
}

/// The model with a change of rank 2 in every layer, laid beside its weights.
fn tuned(model: &Model) -> Model {
    let config = model.decoder().config();
    let (d, q, kv, d_mlp) =
        (config.d_model, config.n_heads * config.d_head, config.n_kv_heads * config.d_head, config.d_mlp);
    let modules = [("self_attn.q_proj", d, q), ("self_attn.v_proj", d, kv), ("mlp.down_proj", d_mlp, d)];
    let mut tensors = HashMap::new();
    for layer in 0..config.n_layers() {
        for (module, inputs, outputs) in modules {
            for (matrix, rows, columns) in [("lora_A", 2, inputs), ("lora_B", outputs, 2)] {
                let name = format!("base_model.model.model.layers.{layer}.{module}.{matrix}.weight");
                let value = |i: usize| (((i * 7 + layer * 13) % 101) as f32 / 101.0 - 0.5) * 0.06;
                let values = (0..rows * columns).map(value).collect::<Vec<f32>>();
                tensors.insert(name, Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap());
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    candle_core::safetensors::save(&tensors, folder.path().join("adapter_model.safetensors")).unwrap();
    let described = json!({
        "peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none",
        "target_modules": ["q_proj", "v_proj", "down_proj"],
    });
    std::fs::write(folder.path().join("adapter_config.json"), described.to_string()).unwrap();
    let adapter = mora::lora::files::open(&Reference::Directory(folder.path().to_path_buf())).unwrap().0;
    with_adapter(model, &adapter).unwrap()
}

fn sweep<'a>(
    target: &'a Model,
    prompts: &'a [Prompt],
    donor: Option<(&'a Model, &'a [Prompt])>,
    source: Source<'a>,
    metric: &Metric,
) -> Sweep<'a> {
    let scoring =
        |model: &Model, prompts: &[Prompt]| Scoring::new(metric.clone(), prompts, model.tokenizer()).unwrap();
    let donor = donor.map(|(model, prompts)| Donor { model, prompts, scoring: scoring(model, prompts) });
    let plan = Plan::new(target, prompts, scoring(target, prompts), donor).unwrap();
    Sweep { plan, source, spots: Vec::new(), engine: Engine::Fast, budget: None }
}

/// Every choice of positions where prompt and source are equally long.
fn spots(plan: &Plan) -> Vec<Spot> {
    let places =
        [Where::All, Where::Last, Where::At(vec![-2, 1]), Where::At(vec![0]), Where::Words("game".into())];
    places.iter().map(|place| plan.spot(place, Align::Positions).unwrap()).collect()
}

fn named<T: std::str::FromStr<Err = mora::error::Error>>(names: &str) -> Vec<T> {
    names.split(' ').map(|name| name.parse().unwrap()).collect()
}

/// A cell of every kind, groups over layers and kinds, and paths; the layers differ with `turn`.
fn cells(model: &Model, spot: usize, turn: usize) -> Vec<Cell> {
    let config = model.decoder().config();
    let last = config.n_layers() - 1;
    let chosen = [0, last / 2, last, last / 3, last - 1];
    let at = |offset: usize| chosen[(turn + offset) % chosen.len()];
    let (head, kv) = (turn % config.n_heads, turn % config.n_kv_heads);
    let mut cells: Vec<Cell> = [
        format!("L{}H{head}", at(0)),
        format!("L{}H{head}.q", at(1)),
        format!("L{}KV{kv}.k", at(2)),
        format!("L{}KV{kv}.v", at(3)),
        format!("L{}H{head}.pattern", at(4)),
        format!("L{}_ATTN", at(0)),
        format!("L{}_MLP", at(1)),
        format!("L{}N17", at(2)),
        format!("L{}_RESID_PRE", at(3)),
        format!("L{}_RESID_MID", at(4)),
        format!("L{}_RESID_POST", at(0)),
        // Groups.
        format!("L{}H0 L{}_MLP L{last}H{head}", last / 3, last / 2),
        format!("L0H{head}.pattern L{}KV{kv}.v L{}_ATTN L{}N3", last / 3, last / 2, last),
    ]
    .iter()
    .map(|names| Cell::new(named(names), spot))
    .collect();
    let middle = last / 2;
    let paths = [
        (format!("L{}H{head}", last / 3), format!("L{middle}H0.q L{last}_MLP")),
        (format!("L{}_MLP L0H{head}", last / 3), format!("L{middle}_ATTN L{}H0.k", last - 1)),
        (format!("L{middle}N5 L{middle}_ATTN"), "LOGITS".to_string()),
    ];
    cells.extend(paths.map(|(senders, receivers)| Cell::path(named(&senders), named(&receivers), spot)));
    cells
}

fn is_wide(part: &Part) -> bool {
    part.index.is_none()
}

/// Fast and plain, held equal.
fn check(what: &str, mut sweep: Sweep, cells: &[Cell]) {
    let mut run = |engine| -> Effects {
        sweep.engine = engine;
        sweep.run(cells, &mut Session::default()).unwrap()
    };
    let (fast, plain) = (run(Engine::Fast), run(Engine::Naive));
    let (mut moved, mut apart) = (0f64, 0f64);
    for (index, (fast_cell, plain_cell)) in fast.patched.iter().zip(&plain.patched).enumerate() {
        for (prompt, (a, b)) in fast_cell.iter().zip(plain_cell).enumerate() {
            assert!(
                (a - b).abs() < TOLERANCE,
                "{what}: {} at {}, prompt {prompt}: fast {a}, plain {b}, baseline {}",
                cells[index].name(),
                plain.spot(&cells[index]),
                plain.baseline[prompt]
            );
            moved = moved.max((b - plain.baseline[prompt]).abs());
            apart = apart.max((a - b).abs());
        }
    }
    eprintln!("{what}: {} cells within {apart:.1e}; they move up to {moved:.2}", cells.len());
    assert!(moved > 100.0 * TOLERANCE, "{what}: the patches move nothing");
}

#[test]
fn between_prompts_and_between_models() {
    for (name, model) in trained() {
        let other = tuned(&model);
        let (targets, sources) = (prompts(&model, &TARGETS), prompts(&model, &SOURCES));
        for (target, source) in targets.iter().zip(&sources) {
            assert_eq!(target.tokens.len(), source.tokens.len(), "{name}");
        }
        for (what, donor) in [("prompts", (&model, &sources)), ("models", (&other, &targets))] {
            let donor = Some((donor.0, donor.1.as_slice()));
            let mut sweep = sweep(&model, &targets, donor, Source::Run, &answers());
            sweep.spots = spots(&sweep.plan);
            let each = (0..sweep.spots.len()).flat_map(|spot| cells(&model, spot, spot));
            let cells: Vec<Cell> = each.collect();
            if what == "models" {
                let reversed = sweep.reversed().unwrap();
                check(&format!("{name}, {what}, the other way"), reversed, &cells[..16]);
            }
            check(&format!("{name}, {what}"), sweep, &cells);
        }
    }
}

#[test]
fn from_no_run() {
    for (name, model) in trained() {
        let targets = prompts(&model, &TARGETS[..3]);
        let width = model.decoder().config().d_model;
        let vector = Tensor::arange(0f32, width as f32, &Device::Cpu).unwrap();
        let vector = ((vector * 0.7).unwrap().sin().unwrap() * 3.0).unwrap();
        for (turn, (what, source)) in [
            ("zero", Source::Zero),
            ("mean", Source::Mean(&targets)),
            ("tensor", Source::Fixed(vector.clone())),
            ("vector added", Source::Add(vector.clone())),
        ]
        .into_iter()
        .enumerate()
        {
            let mut sweep = sweep(&model, &targets, None, source, &next_word());
            sweep.spots = spots(&sweep.plan);
            // Three of the places for each source, in turn: every place meets a source of each sort.
            let chosen = (0..3).map(|nth| (nth + turn) % sweep.spots.len());
            let each = chosen.flat_map(|spot| cells(&model, spot, spot + turn));
            let fits = |cell: &Cell| match what {
                "zero" => true,
                // A mean of attention weights has no meaning, and no cell.
                "mean" => cell.parts.iter().all(|part| part.kind() != "head.pattern"),
                _ => cell.parts.iter().all(is_wide),
            };
            let cells: Vec<Cell> = each.filter(fits).collect();
            check(&format!("{name}, {what}"), sweep, &cells);
        }
    }
}

#[test]
fn at_each_position_and_where_lengths_differ() {
    for (name, model) in trained() {
        let (targets, sources) = (prompts(&model, &TARGETS), prompts(&model, &SOURCES));
        let last = model.decoder().config().n_layers() - 1;
        let donor = Some((&model, sources.as_slice()));
        let mut grid = sweep(&model, &targets, donor, Source::Run, &next_word());
        grid.spots = grid.plan.each(Align::Positions).unwrap();
        let parts = named::<Part>(&format!("L0_RESID_PRE L{}_RESID_PRE L{last}H0", last / 2));
        let each =
            (0..grid.spots.len()).flat_map(|spot| parts.iter().map(move |&part| Cell::new(vec![part], spot)));
        let cells_of_grid: Vec<Cell> = each.collect();
        check(&format!("{name}, each position"), grid, &cells_of_grid);

        let longer = prompts(&model, &OTHER_LENGTHS);
        let donor = Some((&model, longer.as_slice()));
        let mut ends = sweep(&model, &targets, donor, Source::Run, &answers());
        ends.spots = [
            ends.plan.spot(&Where::All, Align::Ends).unwrap(),
            ends.plan.spot(&Where::Last, Align::Positions).unwrap(),
            ends.plan.spot(&Where::Words("game".into()), Align::Positions).unwrap(),
        ]
        .to_vec();
        let each = (0..ends.spots.len()).flat_map(|spot| cells(&model, spot, spot + 1));
        // A pattern over other positions has no meaning, and no cell.
        let has_pattern = |cell: &Cell| cell.parts.iter().any(|part| part.kind() == "head.pattern");
        let cells: Vec<Cell> = each.filter(|cell| !has_pattern(cell)).collect();
        check(&format!("{name}, other lengths"), ends, &cells);
    }
}

#[test]
fn a_prompt_beyond_the_sliding_window() {
    let Some((name, model)) = trained().find(|(name, _)| *name == "gemma3") else { return };
    let layers = &model.decoder().config().layers;
    let window = layers.iter().filter_map(|layer| layer.window).min().unwrap();
    let text =
        |word: &str| format!("You play a {word} again. {}", "Then it begins anew. ".repeat(window / 4));
    let (targets, sources) = (prompts(&model, &[&text("game")]), prompts(&model, &[&text("song")]));
    assert!(targets[0].tokens.len() > window + 40, "{} tokens", targets[0].tokens.len());
    assert_eq!(targets[0].tokens.len(), sources[0].tokens.len());
    let donor = Some((&model, sources.as_slice()));
    let mut sweep = sweep(&model, &targets, donor, Source::Run, &next_word());
    sweep.spots = [Where::All, Where::At(vec![3])]
        .iter()
        .map(|place| sweep.plan.spot(place, Align::Positions).unwrap())
        .collect();
    let cells: Vec<Cell> = ["L0_RESID_PRE", "L0H1", "L5H2.pattern", "L6KV0.v"]
        .iter()
        .flat_map(|name| (0..2).map(|spot| Cell::new(named(name), spot)))
        .collect();
    check(&format!("{name}, beyond the window"), sweep, &cells);
}
