//! Path patching: the fast engine against whole forwards with everything frozen, and against the residual
//! stream taken apart by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use candle_core::{IndexOp, Tensor};
use common::words;
use mora::interp::metric::{Metric, Scoring};
use mora::interp::sweep::{
    Align, Cell, Donor, Effects, Engine, Part, Plan, Receiver, Session, Source, Spot, Sweep, Where,
};
use mora::model::Model;
use mora::model::prompt::Prompt;
use mora::model::site::{Point, Site};

/// Float32 through a few layers, in another order of operations.
const TOLERANCE: f64 = 1e-4;

/// Families of one weight file each.
fn families() -> Vec<String> {
    common::families().into_iter().filter(|name| name != "llama_sharded" && name != "gpt2_hub").collect()
}

fn prompts(model: &Model, texts: &[&str]) -> Vec<Prompt> {
    texts.iter().map(|text| model.prompt(text).unwrap()).collect()
}

fn targets(model: &Model) -> Vec<Prompt> {
    prompts(model, &["w5 w9 w13 w2 w44 w71 w8 w120 w33", "w5 w9 w13 w2 w44 w90", "w77 w9 w150 w3 w61"])
}

/// For each target a source of its length: a long, no and a short beginning in common.
fn sources(model: &Model) -> Vec<Prompt> {
    prompts(model, &["w5 w9 w13 w2 w44 w71 w8 w21 w33", "w80 w81 w82 w83 w84 w85", "w77 w9 w11 w3 w61"])
}

/// Two answers that begin alike and go on apart, the second for longer.
fn answers() -> Metric {
    Metric::AnswerDiff { plus: "w30 w31".into(), minus: "w30 w40 w41".into() }
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
    let places = [Where::All, Where::Last, Where::At(vec![3]), Where::At(vec![-2, 1])];
    let spots: Vec<Spot> = places.iter().map(|place| plan.spot(place, Align::Positions).unwrap()).collect();
    Sweep { plan, source, spots, engine: Engine::Fast, budget: None }
}

fn run(sweep: &mut Sweep, engine: Engine, cells: &[Cell]) -> Effects {
    sweep.engine = engine;
    sweep.run(cells, &mut Session::default()).unwrap()
}

fn named<T: std::str::FromStr<Err = mora::error::Error>>(names: &str) -> Vec<T> {
    names.split(' ').map(|name| name.parse().unwrap()).collect()
}

fn path(senders: &str, receivers: &str, spot: usize) -> Cell {
    Cell::path(named(senders), named(receivers), spot)
}

/// Paths of every kind at every spot; with `is_vector` only from what adds a vector of d_model.
fn cells(model: &Model, spots: usize, is_vector: bool) -> Vec<Cell> {
    let config = model.decoder().config();
    let last = config.n_layers() - 1;
    let wide = ["L0_ATTN", "L0_MLP", "L0_ATTN L0_MLP"];
    let narrow = ["L0H0", "L0H1", "L0H0 L0H1 L0_MLP", "L0N3 L0N5", "L0H0 L0_ATTN"];
    let receivers = [
        format!("L{last}H0"),
        format!("L{last}H1.q"),
        format!("L{last}H0.k L{last}H1.v"),
        format!("L{last}H1 L{last}_MLP"),
        "L1H0 L1H1.q L1_MLP LOGITS".to_string(),
        format!("L1H1.v L{last}_MLP"),
        "L1_MLP".to_string(),
        "LOGITS".to_string(),
        format!("L{last}_ATTN"),
        format!("L1_ATTN L{last}_MLP"),
    ];
    let senders: Vec<&str> = wide.into_iter().chain(narrow.into_iter().filter(|_| !is_vector)).collect();
    let mut cells = Vec::new();
    for spot in 0..spots {
        // Each pair of a sender and receivers at one spot in four.
        let here = |(s, r): &(usize, usize)| (s + r) % spots == spot;
        let pairs = (0..senders.len()).flat_map(|s| (0..receivers.len()).map(move |r| (s, r)));
        cells.extend(pairs.filter(here).map(|(s, r)| path(senders[s], &receivers[r], spot)));
        let top = format!("L{last}_MLP");
        cells.push(path(&top, "LOGITS", spot));
        if !config.parallel_residual {
            cells.push(path("L0_ATTN", "L0_MLP", spot));
            cells.push(path(&format!("L{last}_ATTN"), &top, spot));
        }
        if !is_vector {
            cells.push(path(&format!("L0H1 L{last}H0"), "LOGITS", spot));
            cells.push(Cell::new(named("L0H0 L1_MLP"), spot));
        }
    }
    cells
}

/// Fast and plain, held equal; how far the paths move the metric at most.
fn check(what: &str, mut sweep: Sweep, cells: &[Cell]) -> f64 {
    let plain = run(&mut sweep, Engine::Naive, cells);
    let mut largest = 0.0;
    // With the least budget each cell is a window and a chunk of its own.
    for budget in [None, Some(1)].into_iter().take(if what.starts_with("gemma2") { 2 } else { 1 }) {
        sweep.budget = budget;
        let fast = run(&mut sweep, Engine::Fast, cells);
        for (index, (fast_cell, plain_cell)) in fast.patched.iter().zip(&plain.patched).enumerate() {
            for (prompt, (a, b)) in fast_cell.iter().zip(plain_cell).enumerate() {
                assert!(
                    (a - b).abs() < TOLERANCE,
                    "{what}: {} at {}, prompt {prompt}: fast {a}, plain {b}, baseline {}",
                    cells[index].name(),
                    plain.spot(&cells[index]),
                    plain.baseline[prompt]
                );
                largest = f64::max(largest, (b - plain.baseline[prompt]).abs());
            }
        }
    }
    largest
}

#[test]
fn fast_equals_plain_for_every_family() {
    for name in families() {
        let (model, other) = (words::model(&name), words::tuned(&name));
        let (targets, sources) = (targets(&model), sources(&model));
        for (what, donor, source) in [
            ("prompts", Some((&model, sources.as_slice())), Source::Run),
            ("models", Some((&other, targets.as_slice())), Source::Run),
            ("zero", None, Source::Zero),
        ] {
            let sweep = sweep(&model, &targets, donor, source, &answers());
            let cells = cells(&model, sweep.spots.len(), false);
            if name == "llama" && donor.is_some() {
                check(&format!("{name}, {what}, the other way"), sweep.reversed().unwrap(), &cells);
            }
            let moved = check(&format!("{name}, {what}"), sweep, &cells);
            assert!(moved > 100.0 * TOLERANCE, "{name}, {what}: the paths move nothing");
        }
    }
}

#[test]
fn fast_equals_plain_for_values_from_no_run() {
    for name in ["gemma2", "gpt_neox"] {
        let model = words::model(name);
        let targets = targets(&model);
        let width = model.decoder().config().d_model;
        let vector = Tensor::arange(0f32, width as f32, model.decoder().device()).unwrap();
        let vector = vector.affine(0.01, -0.2).unwrap();
        for source in [Source::Mean(&targets), Source::Fixed(vector.clone()), Source::Add(vector)] {
            let is_vector = !matches!(source, Source::Mean(_));
            let sweep = sweep(&model, &targets, None, source, &answers());
            let cells = cells(&model, sweep.spots.len(), is_vector);
            assert!(check(name, sweep, &cells) > 100.0 * TOLERANCE, "{name}: the paths move nothing");
        }
    }
}

#[test]
fn a_path_from_oneself_changes_nothing() {
    for name in families() {
        let model = words::model(&name);
        let targets = targets(&model);
        // Another model of the same weights: nothing is known to be equal, so everything is computed.
        let twin = words::model(&name);
        for (donor, engine, bound) in [
            (&model, Engine::Naive, 0.0),
            (&model, Engine::Fast, 0.0),
            (&twin, Engine::Naive, 0.0),
            (&twin, Engine::Fast, 1e-5),
        ] {
            let donor = Some((donor, targets.as_slice()));
            let mut sweep = sweep(&model, &targets, donor, Source::Run, &answers());
            let cells = cells(&model, sweep.spots.len(), false);
            let effects = run(&mut sweep, engine, &cells);
            for (cell, patched) in cells.iter().zip(&effects.patched) {
                for (a, b) in patched.iter().zip(&effects.baseline) {
                    assert!((a - b).abs() <= bound, "{name}: {} moves {}", cell.name(), a - b);
                }
            }
        }
    }
}

/// The metric of the clean run's last residual plus what the senders add with the source's value, less what
/// they add in the clean run.
fn direct(model: &Model, prompt: &Prompt, source: &Prompt, sender: Part, tokens: [usize; 2]) -> f64 {
    let decoder = model.decoder();
    let block = &decoder.blocks()[sender.layer];
    let final_resid = Site::block(decoder.config().n_layers() - 1, Point::ResidPost);
    let at_end = |prompt: &Prompt| {
        let sites = [sender.site(), final_resid];
        let cache = mora::interp::sweep::naive::run_apart(model, std::slice::from_ref(&prompt.tokens), sites)
            .unwrap();
        let last = prompt.tokens.len() - 1;
        sites.map(|site| cache.get(&site).unwrap().i((0, last)).unwrap().unsqueeze(0).unwrap())
    };
    let ([clean, resid], [other, _]) = (at_end(prompt), at_end(source));
    let added = |z: &Tensor| match sender.point {
        Point::Z => {
            let out = block.attn.o.forward(&z.flatten_from(1).unwrap(), false).unwrap();
            block.ln1_post.as_ref().map_or(out.clone(), |norm| norm.forward(&out, false).unwrap())
        }
        _ => z.clone(),
    };
    let put_in = match sender.index {
        Some(head) => {
            let heads: Vec<Tensor> = (0..clean.dim(1).unwrap())
                .map(|h| if h == head { &other } else { &clean }.narrow(1, h, 1).unwrap())
                .collect();
            Tensor::cat(&heads, 1).unwrap()
        }
        None => other,
    };
    let resid = ((resid + added(&put_in)).unwrap() - added(&clean)).unwrap();
    let normed = decoder.ln_final().forward(&resid, false).unwrap();
    let logits: Vec<f32> = decoder.unembed(&normed, false).unwrap().i(0).unwrap().to_vec1().unwrap();
    f64::from(logits[tokens[0]]) - f64::from(logits[tokens[1]])
}

#[test]
fn a_path_to_the_logits_is_the_direct_effect() {
    let metric = Metric::LogitDiff { plus: "w30".into(), minus: "w40".into() };
    for name in families() {
        let model = words::model(&name);
        let (targets, sources) = (targets(&model), sources(&model));
        let mut sweep = sweep(&model, &targets, Some((&model, sources.as_slice())), Source::Run, &metric);
        let cells: Vec<Cell> = ["L0H0", "L1H1", "L0_ATTN", "L0_MLP", "L1_MLP"]
            .iter()
            .flat_map(|sender| [0, 1].map(|spot| path(sender, "LOGITS", spot)))
            .collect();
        let effects = run(&mut sweep, Engine::Fast, &cells);
        for (cell, patched) in cells.iter().zip(&effects.patched) {
            for ((prompt, source), found) in targets.iter().zip(&sources).zip(patched) {
                let expected = direct(&model, prompt, source, cell.parts[0], [30, 40]);
                assert!((found - expected).abs() < TOLERANCE, "{name}: {} {found} {expected}", cell.name());
            }
        }
    }
}

/// All ways that a sender's change can take are those into what reads it: where only those above it read at all,
/// all of them together give the plain patch.
#[test]
fn all_that_read_the_last_attention_together_are_the_whole_effect() {
    for name in families() {
        let model = words::model(&name);
        let config = model.decoder().config();
        let last = config.n_layers() - 1;
        let receivers =
            if config.parallel_residual { "LOGITS".into() } else { format!("L{last}_MLP LOGITS") };
        let (targets, sources) = (targets(&model), sources(&model));
        let donor = Some((&model, sources.as_slice()));
        let mut sweep = sweep(&model, &targets, donor, Source::Run, &answers());
        let head = format!("L{last}H1");
        let cells: Vec<Cell> = (0..sweep.spots.len())
            .flat_map(|spot| [path(&head, &receivers, spot), Cell::new(named(&head), spot)])
            .collect();
        let effects = run(&mut sweep, Engine::Fast, &cells);
        for pair in effects.patched.chunks(2) {
            for (path, whole) in pair[0].iter().zip(&pair[1]) {
                assert!((path - whole).abs() < TOLERANCE, "{name}: by paths {path}, whole {whole}");
            }
        }
    }
}

#[test]
fn keys_and_values_of_a_head_are_those_of_its_group() {
    let model = words::model("llama");
    let config = model.decoder().config();
    assert!(config.n_kv_heads < config.n_heads, "the fixture has grouped queries");
    let group = config.n_heads / config.n_kv_heads;
    let (targets, sources) = (targets(&model), sources(&model));
    let donor = Some((&model, sources.as_slice()));
    let mut sweep = sweep(&model, &targets, donor, Source::Run, &answers());
    let (first, same, next) = ("L1H0.k L1H0.v", format!("L1H{}.k L1H{}.v", group - 1, group - 1), group);
    let other = format!("L1H{next}.k L1H{next}.v");
    let cells = [path("L0_MLP", first, 0), path("L0_MLP", &same, 0), path("L0_MLP", &other, 0)];
    let found = run(&mut sweep, Engine::Fast, &cells).patched;
    assert_eq!(found[0], found[1]);
    assert!(found[0].iter().zip(&found[2]).any(|(a, b)| (a - b).abs() > 10.0 * TOLERANCE));
}

#[test]
fn attention_as_a_receiver_is_all_its_heads() {
    for name in ["gemma2", "gpt2", "llama"] {
        let model = words::model(name);
        let heads: Vec<String> =
            (0..model.decoder().config().n_heads).map(|head| format!("L1H{head}")).collect();
        let (targets, sources) = (targets(&model), sources(&model));
        let donor = Some((&model, sources.as_slice()));
        let mut sweep = sweep(&model, &targets, donor, Source::Run, &answers());
        let cells: Vec<Cell> = (0..sweep.spots.len())
            .flat_map(|spot| [path("L0_MLP", "L1_ATTN", spot), path("L0_MLP", &heads.join(" "), spot)])
            .collect();
        for pair in run(&mut sweep, Engine::Fast, &cells).patched.chunks(2) {
            assert_eq!(pair[0], pair[1], "{name}");
        }
    }
}

#[test]
fn a_sender_must_lie_below_its_receivers() {
    let error = |family: &str, senders: &str, receivers: &str| {
        let model = words::model(family);
        let targets = targets(&model);
        let sweep = sweep(&model, &targets, None, Source::Zero, &answers());
        let error = sweep.run(&[path(senders, receivers, 0)], &mut Session::default()).unwrap_err();
        error.to_string()
    };
    for (family, senders, receivers, expected) in [
        ("llama", "L1H0", "L1H1.q", "L1H0 does not lie below L1H1.q"),
        ("llama", "L0H0 L1_MLP", "LOGITS L1_MLP", "L1_MLP does not lie below L1_MLP"),
        ("llama", "L1_MLP", "L0_MLP", "L1_MLP does not lie below L0_MLP"),
        ("gpt_neox", "L0H1", "L0_MLP", "L0H1 does not lie below L0_MLP"),
        ("llama", "L0H1.q", "L1H0", "L0H1.q cannot send to L1H0"),
        ("llama", "L0_RESID_PRE", "LOGITS", "L0_RESID_PRE cannot send to LOGITS"),
        ("llama", "L1_MLP", "L1_ATTN", "L1_MLP does not lie below L1_ATTN"),
        ("llama", "L0H0", "L9_MLP", "L9_MLP: layers are 0–"),
        ("llama", "L0H0", "L9_ATTN", "L9_ATTN: layers are 0–"),
        ("llama", "L0H0", "L1H77.k", "L1H77: heads are 0–"),
    ] {
        let found = error(family, senders, receivers);
        assert!(found.contains(expected), "{found}");
    }
    assert!("L1_MLP.q".parse::<Receiver>().is_err());
}

#[test]
fn the_table_names_senders_and_receivers() {
    let model = words::model("llama");
    let (targets, sources) = (targets(&model), sources(&model));
    let mut sweep = sweep(&model, &targets, Some((&model, sources.as_slice())), Source::Run, &answers());
    let cells = [path("L0H0 L0_MLP", "L1H0.q LOGITS", 0), path("L0H1", "L1_MLP", 2)];
    let frame = run(&mut sweep, Engine::Fast, &cells).frame().unwrap();
    assert_eq!(
        frame.names(),
        [
            "sender",
            "receiver",
            "position",
            "prompt",
            "baseline",
            "source_value",
            "patched",
            "delta",
            "normalised",
            "flipped"
        ]
    );
    assert_eq!(frame.height(), 2 * targets.len());
    assert_eq!(frame.labels("sender").unwrap()[0], "L0H0+L0_MLP");
    assert_eq!(frame.labels("receiver").unwrap()[0], "L1H0.q+LOGITS");
}
