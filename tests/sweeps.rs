//! The fast sweep against the plain one, for every family, kind of cell, choice of positions and source.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use candle_core::{Device, Tensor};
use common::words;
use mora::interp::metric::{Metric, Scoring};
use mora::interp::sweep::{
    Align, Cell, Circuit, Direction, Donor, Effects, Engine, Greedy, Part, Plan, Session, Source, Spot,
    Store, Sweep, Where, means,
};
use mora::lora::apply::with_adapter;
use mora::model::Model;
use mora::model::prompt::Prompt;

/// Float32 through a few layers, in another order of operations.
const TOLERANCE: f64 = 1e-4;

const SETS: &str = "heads+heads.q+heads.k+heads.v+heads.pattern+attn+mlp+resid_pre+resid_post";

/// Families of one weight file each.
fn families() -> Vec<String> {
    common::families().into_iter().filter(|name| name != "llama_sharded" && name != "gpt2_hub").collect()
}

fn prompts(model: &Model, texts: &[&str]) -> Vec<Prompt> {
    texts.iter().map(|text| model.prompt(text).unwrap()).collect()
}

/// Prompts of unequal lengths, longer than the fixtures' sliding windows: two that begin alike, one alone, one
/// twice.
fn targets(model: &Model) -> Vec<Prompt> {
    prompts(
        model,
        &[
            "w5 w9 w13 w2 w44 w71 w8 w120 w33 w6",
            "w5 w9 w13 w2 w44 w90 w8 w120",
            "w77 w9 w150 w3 w61 w18 w4",
            "w5 w9 w13 w2 w44 w90 w8 w120",
        ],
    )
}

/// For each target a source of its length: a long, no and a short beginning in common, and itself.
fn sources(model: &Model) -> Vec<Prompt> {
    prompts(
        model,
        &[
            "w5 w9 w13 w2 w44 w71 w8 w21 w33 w6",
            "w80 w81 w82 w83 w84 w85 w86 w87",
            "w77 w9 w11 w3 w61 w18 w5",
            "w5 w9 w13 w2 w44 w90 w8 w120",
        ],
    )
}

/// Two answers that begin alike and go on apart, the second for longer.
fn answers() -> Metric {
    Metric::AnswerDiff { plus: "w30 w31".into(), minus: "w30 w40 w41".into() }
}

fn scoring(model: &Model, prompts: &[Prompt], metric: Metric) -> Scoring {
    Scoring::new(metric, prompts, model.tokenizer()).unwrap()
}

struct Case<'a> {
    target: &'a Model,
    prompts: &'a [Prompt],
    donor: Option<(&'a Model, &'a [Prompt])>,
    source: Source<'a>,
    metric: Metric,
}

impl<'a> Case<'a> {
    fn plan(&self) -> Plan<'a> {
        let donor = self.donor.map(|(model, prompts)| Donor {
            model,
            prompts,
            scoring: scoring(model, prompts, self.metric.clone()),
        });
        let scored = scoring(self.target, self.prompts, self.metric.clone());
        Plan::new(self.target, self.prompts, scored, donor).unwrap()
    }

    fn run(&self, engine: Engine, spots: &[Spot], cells: &[Cell], budget: Option<usize>) -> Effects {
        Sweep { plan: self.plan(), source: self.source.clone(), spots: spots.to_vec(), engine, budget }
            .run(cells, &mut Session::default())
            .unwrap()
    }

    /// Fast and plain, held equal; how far the cells move the metric at most.
    fn check(&self, what: &str, spots: &[Spot], cells: &[Cell]) -> f64 {
        let fast = self.run(Engine::Fast, spots, cells, None);
        let plain = self.run(Engine::Naive, spots, cells, None);
        let mut largest = 0.0;
        for (index, (fast_cell, plain_cell)) in fast.patched.iter().zip(&plain.patched).enumerate() {
            for (prompt, (a, b)) in fast_cell.iter().zip(plain_cell).enumerate() {
                assert!(
                    (a - b).abs() < TOLERANCE,
                    "{what}: {} at {}, prompt {prompt}: fast {a}, plain {b}, baseline {}",
                    cells[index].name(),
                    spots[cells[index].spot].label,
                    plain.baseline[prompt]
                );
                largest = f64::max(largest, (b - plain.baseline[prompt]).abs());
            }
        }
        largest
    }
}

fn layers(model: &Model) -> Vec<usize> {
    (0..model.decoder().config().n_layers()).collect()
}

fn singles(parts: &[Part], spots: usize) -> Vec<Cell> {
    (0..spots).flat_map(|spot| parts.iter().map(move |&part| Cell::new(vec![part], spot))).collect()
}

/// Every set of components, some neurons, and groups that reach over layers and kinds.
fn parts_and_groups(model: &Model) -> (Vec<Part>, Vec<Vec<Part>>) {
    let config = model.decoder().config();
    let mut parts = Part::set(SETS, &layers(model), config).unwrap();
    if !config.parallel_residual {
        parts.extend(Part::set("resid_mid", &layers(model), config).unwrap());
    }
    parts.extend(["L0N3", "L1N0"].map(|name| name.parse::<Part>().unwrap()));
    let groups = [
        "L0H0 L1_MLP",
        "L0H1 L0_MLP L1H0",
        "L0H0.pattern L1H1.pattern L1H1.q",
        "L0KV0.v L1_ATTN L1N2",
        "L0_RESID_PRE L1H0.pattern",
        "L1_MLP L1H0 L1H1",
    ];
    let groups =
        groups.iter().map(|names| names.split(' ').map(|name| name.parse().unwrap()).collect()).collect();
    (parts, groups)
}

fn all_cells(model: &Model, spots: usize) -> Vec<Cell> {
    let (parts, groups) = parts_and_groups(model);
    let grouped = (0..spots).flat_map(|spot| groups.iter().map(move |parts| Cell::new(parts.clone(), spot)));
    singles(&parts, spots).into_iter().chain(grouped.collect::<Vec<_>>()).collect()
}

const PLACES: [Where; 2] = [Where::All, Where::Last];

fn spots(plan: &Plan) -> Vec<Spot> {
    let places = [Where::At(vec![3]), Where::At(vec![-2, 1]), Where::At(vec![0])];
    PLACES.iter().chain(&places).map(|place| plan.spot(place, Align::Positions).unwrap()).collect()
}

#[test]
fn fast_equals_plain_between_prompts_of_one_model() {
    for name in families() {
        let model = words::model(&name);
        let (targets, sources) = (targets(&model), sources(&model));
        let metrics = match name.as_str() {
            "gemma2" => vec![answers(), Metric::LogProb { answer: "w7".into() }, Metric::Entropy],
            _ => vec![answers()],
        };
        for metric in metrics {
            let donor = Some((&model, sources.as_slice()));
            let case = Case { target: &model, prompts: &targets, donor, source: Source::Run, metric };
            let spots = spots(&case.plan());
            let moved = case.check(&name, &spots, &all_cells(&model, spots.len()));
            assert!(moved > 100.0 * TOLERANCE, "{name}: the patches move nothing");
        }
    }
}

#[test]
fn fast_equals_plain_between_two_models() {
    for name in families() {
        let (model, other) = (words::model(&name), words::tuned(&name));
        let targets = targets(&model);
        let donor = Some((&other, targets.as_slice()));
        let case = Case { target: &model, prompts: &targets, donor, source: Source::Run, metric: answers() };
        let spots = spots(&case.plan());
        let moved = case.check(&name, &spots, &all_cells(&model, spots.len()));
        assert!(moved > 100.0 * TOLERANCE, "{name}: the patches move nothing");
    }
}

#[test]
fn fast_equals_plain_between_a_base_and_an_adapter_beside_it() {
    for (name, adapter) in
        [("gemma2", "gemma2"), ("llama", "llama_dora"), ("gpt2", "gpt2"), ("gpt_neox", "gpt_neox")]
    {
        let base = words::model(name);
        let tuned = with_adapter(&base, &common::adapter(adapter)).unwrap();
        for (target, donor) in [(&tuned, &base), (&base, &tuned)] {
            let targets = targets(target);
            let donor = Some((donor, targets.as_slice()));
            let case = Case { target, prompts: &targets, donor, source: Source::Run, metric: answers() };
            let spots = spots(&case.plan());
            let moved = case.check(adapter, &spots, &all_cells(target, spots.len()));
            assert!(moved > 100.0 * TOLERANCE, "{adapter}: the patches move nothing");
        }
    }
}

#[test]
fn fast_equals_plain_for_values_from_no_run() {
    for name in families() {
        let model = words::model(&name);
        let targets = targets(&model);
        let width = model.decoder().config().d_model;
        let vector = Tensor::arange(0f32, width as f32, &Device::Cpu).unwrap().affine(0.01, -0.2).unwrap();
        let residual =
            Part::set("resid_pre+attn+mlp+resid_post", &layers(&model), model.decoder().config()).unwrap();
        for source in
            [Source::Zero, Source::Mean(&targets), Source::Fixed(vector.clone()), Source::Add(vector)]
        {
            let is_vector = matches!(source, Source::Fixed(_) | Source::Add(_));
            let is_mean = matches!(source, Source::Mean(_));
            let case = Case { target: &model, prompts: &targets, donor: None, source, metric: answers() };
            let spots = spots(&case.plan());
            let mut cells = match is_vector {
                true => singles(&residual, spots.len()),
                false => all_cells(&model, spots.len()),
            };
            // A mean of attention weights has no meaning, and no cell.
            cells.retain(|cell| !is_mean || cell.parts.iter().all(|part| part.kind() != "head.pattern"));
            let moved = case.check(&name, &spots, &cells);
            assert!(moved > 100.0 * TOLERANCE, "{name}: the patches move nothing");
        }
    }
}

#[test]
fn fast_equals_plain_at_each_position_and_where_lengths_differ() {
    for name in ["gemma2", "gpt_neox", "llama"] {
        let model = words::model(name);
        let targets = targets(&model);
        let config = model.decoder().config();
        let parts = Part::set("resid_pre+heads", &layers(&model), config).unwrap();
        let sources = sources(&model);
        let donor = Some((&model, sources.as_slice()));
        let case = Case { target: &model, prompts: &targets, donor, source: Source::Run, metric: answers() };
        let each = case.plan().each(Align::Positions).unwrap();
        assert_eq!(each.len(), 10);
        assert!(case.check(name, &each, &singles(&parts, each.len())) > 100.0 * TOLERANCE);

        let longer = prompts(
            &model,
            &[
                "w5 w9 w13 w99 w2 w44 w71 w8 w120 w33 w6",
                "w5 w9 w8 w120",
                "w77 w9 w150 w3 w61 w18 w4 w5 w6",
                "w5 w9 w13 w2 w44 w90 w7 w8 w120",
            ],
        );
        let donor = Some((&model, longer.as_slice()));
        let case = Case { target: &model, prompts: &targets, donor, source: Source::Run, metric: answers() };
        let error = case.plan().spot(&Where::All, Align::Positions).unwrap_err().to_string();
        assert!(error.contains("prompt 0 has 10 tokens, its source 11"), "{error}");
        let plan = case.plan();
        let spots = [
            plan.spot(&Where::All, Align::Ends).unwrap(),
            plan.spot(&Where::Last, Align::Positions).unwrap(),
            plan.spot(&Where::At(vec![-2]), Align::Positions).unwrap(),
        ];
        assert!(case.check(name, &spots, &singles(&parts, spots.len())) > 100.0 * TOLERANCE);
        // Where an earlier position has changed, a value that is the clean one must still be put in.
        let shifted = [prompts(&model, &["w1 w2 w3 w4 w5"]), prompts(&model, &["w1 w2 w3 w4 w5 w6 w7"])];
        let donor = Some((&model, shifted[1].as_slice()));
        let shifted =
            Case { target: &model, prompts: &shifted[0], donor, source: Source::Run, metric: answers() };
        let spot = shifted.plan().spot(&Where::At(vec![-5, 3]), Align::Positions).unwrap();
        let group = ["L0_MLP", "L1_MLP"].map(|name| name.parse().unwrap()).to_vec();
        assert!(shifted.check(name, &[spot], &[Cell::new(group, 0)]) > 100.0 * TOLERANCE);
        let words = Where::Words("w120".into());
        let error = plan.spot(&words, Align::Positions).unwrap_err().to_string();
        assert!(error.contains("prompt 2 does not hold \"w120\""), "{error}");
    }
}

#[test]
fn a_patch_from_oneself_changes_nothing() {
    for name in families() {
        let model = words::model(&name);
        let targets = targets(&model);
        let same = Some((&model, targets.as_slice()));
        // Another model of the same weights: nothing is known to be equal, so everything is computed.
        let twin = words::model(&name);
        let other = Some((&twin, targets.as_slice()));
        for (donor, engine, bound) in [
            (same, Engine::Naive, 0.0),
            (same, Engine::Fast, 0.0),
            (other, Engine::Naive, 0.0),
            (other, Engine::Fast, 1e-5),
        ] {
            let case =
                Case { target: &model, prompts: &targets, donor, source: Source::Run, metric: answers() };
            let spots = spots(&case.plan());
            let effects = case.run(engine, &spots, &all_cells(&model, spots.len()), None);
            for (cell, patched) in effects.cells().iter().zip(&effects.patched) {
                for (a, b) in patched.iter().zip(&effects.baseline) {
                    assert!((a - b).abs() <= bound, "{name}: {} moves {}", cell.name(), a - b);
                }
            }
        }
    }
}

#[test]
fn everything_from_the_source_is_the_source() {
    for name in families() {
        let (model, other) = (words::model(&name), words::tuned(&name));
        let (targets, sources) = (targets(&model), sources(&model));
        for (donor, set) in [((&model, &sources), "resid_pre"), ((&other, &targets), "resid_post")] {
            let case = Case {
                target: &model,
                prompts: &targets,
                donor: Some((donor.0, donor.1)),
                source: Source::Run,
                metric: answers(),
            };
            let spot = case.plan().spot(&Where::All, Align::Positions).unwrap();
            let parts = Part::set(set, &layers(&model), model.decoder().config()).unwrap();
            // The first residual of one model, or the last of another (whose unembedding is the target's own:
            // prompts of one model alone give the source's metric exactly).
            let cell = Cell::new(vec![parts[0]], 0);
            let effects = case.run(Engine::Fast, &[spot], &[cell], None);
            if set == "resid_pre" {
                for (a, b) in effects.patched[0].iter().zip(effects.source.as_ref().unwrap()) {
                    assert!((a - b).abs() < TOLERANCE, "{name}: {a} is not the source's {b}");
                }
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_budget_order_or_threads() {
    let model = words::model("gemma2");
    let (targets, sources) = (targets(&model), sources(&model));
    let donor = Some((&model, sources.as_slice()));
    let case = Case { target: &model, prompts: &targets, donor, source: Source::Run, metric: answers() };
    let spots = spots(&case.plan());
    let cells = all_cells(&model, spots.len());
    let expected = case.run(Engine::Fast, &spots, &cells, None);
    let close = |found: &Effects, what: &str| {
        for (a, b) in found.patched.iter().flatten().zip(expected.patched.iter().flatten()) {
            assert!((a - b).abs() < 1e-5, "{what}: {a} against {b}");
        }
    };
    close(&case.run(Engine::Fast, &spots, &cells, Some(1)), "the least budget");
    close(&case.run(Engine::Fast, &spots, &cells, Some(300_000)), "a small budget");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
    let threaded = pool.install(|| case.run(Engine::Fast, &spots, &cells, None));
    assert!(threaded.patched == expected.patched, "five threads give other bits");
    let mut reversed: Vec<Cell> = cells.clone();
    reversed.reverse();
    let mut found = case.run(Engine::Fast, &spots, &reversed, None);
    found.patched.reverse();
    close(&found, "reversed");
}

#[test]
fn both_ways_in_one_session_are_the_two_sweeps() {
    for (name, is_other) in [("gemma2", false), ("gpt2", true)] {
        let (model, other) = (words::model(name), words::tuned(name));
        let (targets, sources) = (targets(&model), sources(&model));
        let (there, back) = match is_other {
            true => ((&model, &targets), (&other, &targets)),
            false => ((&model, &targets), (&model, &sources)),
        };
        let case = |target: (&'static str, &Model, &[Prompt]), donor: (&Model, &[Prompt])| {
            let case = Case {
                target: target.1,
                prompts: target.2,
                donor: Some(donor),
                source: Source::Run,
                metric: answers(),
            };
            let spots = spots(&case.plan());
            let cells = all_cells(target.1, spots.len());
            let effects = case.run(Engine::Naive, &spots, &cells, None);
            (spots, cells, effects)
        };
        let (spots, cells, forward) = case(("there", there.0, there.1), (back.0, back.1));
        let (_, _, backward) = case(("back", back.0, back.1), (there.0, there.1));
        let both = Case {
            target: there.0,
            prompts: there.1,
            donor: Some((back.0, back.1)),
            source: Source::Run,
            metric: answers(),
        };
        let sweep =
            Sweep { plan: both.plan(), source: Source::Run, spots, engine: Engine::Fast, budget: None };
        let mut session = Session::default();
        for (found, expected) in [
            (sweep.run(&cells, &mut session).unwrap(), forward),
            (sweep.reversed().unwrap().run(&cells, &mut session).unwrap(), backward),
        ] {
            for (a, b) in found.patched.iter().flatten().zip(expected.patched.iter().flatten()) {
                assert!((a - b).abs() < TOLERANCE, "{name}: {a} against {b}");
            }
        }
    }
}

#[test]
fn a_stopped_sweep_goes_on_and_another_is_refused() {
    let model = words::model("llama");
    let (targets, sources) = (targets(&model), sources(&model));
    let donor = Some((&model, sources.as_slice()));
    let case = Case { target: &model, prompts: &targets, donor, source: Source::Run, metric: answers() };
    let spots = spots(&case.plan());
    let cells = all_cells(&model, spots.len());
    let whole = case.run(Engine::Fast, &spots, &cells, Some(100_000));
    let sweep = |metric: Metric| Sweep {
        plan: Case { metric, source: Source::Run, ..case }.plan(),
        source: Source::Run,
        spots: spots.clone(),
        engine: Engine::Fast,
        budget: Some(100_000),
    };
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("cells");
    let stored = |cells: &[Cell], metric: Metric| {
        let mut session = Session::stored(Store::new(&at));
        sweep(metric).run(cells, &mut session)
    };
    // Stopped half way: only the first half of the cells was finished.
    stored(&cells[..cells.len() / 2], answers()).unwrap();
    let before = std::fs::read_dir(&at).unwrap().count();
    let resumed = stored(&cells, answers()).unwrap();
    assert!(before > 2 && std::fs::read_dir(&at).unwrap().count() > before);
    let largest = resumed.patched.iter().flatten().zip(whole.patched.iter().flatten());
    assert!(largest.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) < 1e-5);
    let after = std::fs::read_dir(&at).unwrap().count();
    let again = stored(&cells, answers()).unwrap();
    assert!(again.patched == resumed.patched, "what was kept is not what was found");
    assert_eq!(std::fs::read_dir(&at).unwrap().count(), after, "finished cells were run again");

    let error = stored(&cells, Metric::LogProb { answer: "w7".into() }).unwrap_err().to_string();
    assert!(error.contains("holds another sweep"), "{error}");
    std::fs::write(at.join("chunk-000001.json"), "{\"L0H0 @ all\": [\"x\"]}").unwrap();
    let error = stored(&cells, answers()).unwrap_err().to_string();
    assert!(error.contains("chunk-000001.json"), "{error}");
}

#[test]
fn circuits_are_the_greedy_ones() {
    let model = words::model("gemma2");
    let (targets, sources) = (targets(&model), sources(&model));
    let donor = Some((&model, sources.as_slice()));
    let case = Case { target: &model, prompts: &targets, donor, source: Source::Run, metric: answers() };
    let spots = vec![case.plan().spot(&Where::All, Align::Positions).unwrap()];
    let candidates = Part::set("heads+mlp", &[0, 1], model.decoder().config()).unwrap();
    let sweep = Sweep {
        plan: case.plan(),
        source: Source::Run,
        spots: spots.clone(),
        engine: Engine::Fast,
        budget: None,
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    for direction in [Direction::PatchIn, Direction::AblateOut] {
        let greedy = Greedy { direction, max: candidates.len(), rerank: true, until_flip: false };
        let circuit: Circuit = sweep.circuit(&candidates, 0, &greedy, &mut Session::default()).unwrap();
        assert_eq!(circuit.steps.len(), candidates.len() + 1);
        // Each step by hand, in the plain engine: no other component would have moved the mean further.
        let mut chosen: Vec<Part> = Vec::new();
        let sign = -mean(&circuit.steps[0].values).signum();
        for step in &circuit.steps[1..] {
            let left: Vec<Part> = candidates.iter().copied().filter(|part| !chosen.contains(part)).collect();
            let patched = |with: &[Part]| match direction {
                Direction::PatchIn => with.to_vec(),
                Direction::AblateOut => candidates.iter().copied().filter(|p| !with.contains(p)).collect(),
            };
            let cells: Vec<Cell> = left
                .iter()
                .map(|&part| Cell::new(patched(&[chosen.clone(), vec![part]].concat()), 0))
                .filter(|cell| !cell.parts.is_empty())
                .collect();
            if !cells.is_empty() {
                let effects = case.run(Engine::Naive, &spots, &cells, None);
                let best = effects.patched.iter().map(|values| sign * mean(values)).fold(f64::MIN, f64::max);
                assert!((sign * mean(&step.values) - best).abs() < TOLERANCE, "{direction:?}");
            }
            chosen.push(step.part.unwrap());
        }
        let last = circuit.steps.last().unwrap();
        if direction == Direction::AblateOut {
            assert_eq!(last.values, circuit.baseline);
        }
        let once = Greedy { direction, max: 3, rerank: false, until_flip: false };
        let once = sweep.circuit(&candidates, 0, &once, &mut Session::default()).unwrap();
        assert_eq!(once.steps[1].part, circuit.steps[1].part);
        assert_eq!(once.frame().unwrap().height(), 4 * targets.len());
    }
}

#[test]
fn means_are_normalised_by_the_mean_difference() {
    let model = words::model("llama");
    let (targets, sources) = (targets(&model), sources(&model));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    for donor in [Some((&model, sources.as_slice())), None] {
        let source = if donor.is_some() { Source::Run } else { Source::Zero };
        let case = Case { target: &model, prompts: &targets, donor, source, metric: answers() };
        let spots = vec![case.plan().spot(&Where::All, Align::Positions).unwrap()];
        let cells = singles(&Part::set("attn+mlp", &[1], model.decoder().config()).unwrap(), 1);
        let effects = case.run(Engine::Fast, &spots, &cells, None);
        let frame = effects.frame().unwrap();
        let told = means(&frame, &["component".to_string()]).unwrap();
        let names = ["component", "baseline", "source_value", "patched", "delta", "flipped", "normalised"];
        assert_eq!(told.names(), names);
        for (index, patched) in effects.patched.iter().enumerate() {
            let delta = mean(patched) - mean(&effects.baseline);
            assert!((told.floats("delta").unwrap()[index] - delta).abs() < 1e-12);
            let found = told.floats("normalised").unwrap()[index];
            match &effects.source {
                // The last prompt's source is itself: its own ratio is none.
                Some(source) => {
                    let expected = delta / (mean(source) - mean(&effects.baseline));
                    assert!((found - expected).abs() < 1e-12 * expected.abs().max(1.0), "{found} {expected}");
                }
                None => assert!(found.is_nan()),
            }
        }
        assert!(means(&frame, &["delta".to_string()]).is_err());
    }
}

#[test]
fn what_cannot_be_swept_is_an_error() {
    let (model, other) = (words::model("gemma2"), words::model("llama"));
    let foreign = common::open_model("mora/tiny-ipd");
    let targets = targets(&model);
    let scored = || scoring(&model, &targets, answers());
    let message = |result: mora::Result<Plan>| result.err().unwrap().to_string();
    let others = Donor { model: &other, prompts: &targets, scoring: scored() };
    let error = message(Plan::new(&model, &targets, scored(), Some(others)));
    assert!(error.contains("another architecture"), "{error}");
    let strangers = Donor { model: &foreign, prompts: &targets, scoring: scored() };
    let error = message(Plan::new(&model, &targets, scored(), Some(strangers)));
    assert!(error.contains("another architecture: layers 26, expected 3"), "{error}");
    let few =
        Donor { model: &model, prompts: &targets[..2], scoring: scoring(&model, &targets[..2], answers()) };
    let error = message(Plan::new(&model, &targets, scored(), Some(few)));
    assert!(error.contains("2 source prompts for 4 prompts"), "{error}");
    assert!(Scoring::new(answers(), &[], model.tokenizer()).is_err());

    let renamed = words::renamed("gemma2");
    let of_others = Donor { model: &renamed, prompts: &targets, scoring: scored() };
    let error = message(Plan::new(&model, &targets, scored(), Some(of_others)));
    assert!(error.contains("has another tokenizer: token 2 is \"v2\", expected \"w2\""), "{error}");

    let config = model.decoder().config();
    for (name, expected) in [
        ("L26H0", "L26H0: layers are 0–2"),
        ("L0H9", "heads are 0–"),
        ("L0KV7.k", "key/value heads are 0–"),
        ("L0N9999", "neurons are 0–"),
    ] {
        let error = name.parse::<Part>().unwrap().check(config).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let plan = Plan::new(&model, &targets, scored(), None).unwrap();
    let error = plan.spot(&Where::At(vec![99]), Align::Positions).unwrap_err().to_string();
    assert!(error.contains("prompt 0 has no position 99"), "{error}");
    let zero = |engine| Sweep {
        plan: Plan::new(&model, &targets, scored(), None).unwrap(),
        source: Source::Fixed(Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap()),
        spots: vec![plan.spot(&Where::All, Align::Positions).unwrap()],
        engine,
        budget: None,
    };
    let cell = Cell::new(vec!["L0_MLP".parse().unwrap()], 0);
    let error = zero(Engine::Fast).run(&[cell], &mut Session::default()).unwrap_err().to_string();
    assert!(error.contains("the source has shape [3]"), "{error}");
    assert!(zero(Engine::Fast).run(&[], &mut Session::default()).is_err());
    let nan = Tensor::full(f32::NAN, 1, &Device::Cpu).unwrap();
    let cell = Cell::new(vec!["L0_MLP".parse().unwrap()], 0);
    let sweep = Sweep { source: Source::Add(nan), ..zero(Engine::Fast) };
    let error = sweep.run(&[cell], &mut Session::default()).unwrap_err().to_string();
    assert!(error.contains("no numbers"), "{error}");

    let broken = words::broken("gemma2");
    let donor = Some((&broken, targets.as_slice()));
    let case = Case { target: &model, prompts: &targets, donor, source: Source::Run, metric: answers() };
    for engine in [Engine::Fast, Engine::Naive] {
        let spots = vec![case.plan().spot(&Where::All, Align::Positions).unwrap()];
        let sweep = Sweep { plan: case.plan(), source: Source::Run, spots, engine, budget: None };
        let cell = Cell::new(vec!["L0_MLP".parse().unwrap()], 0);
        let error = sweep.run(&[cell], &mut Session::default()).unwrap_err().to_string();
        assert!(error.contains("the metric of the source is not a number on prompt 0"), "{error}");
    }
}
