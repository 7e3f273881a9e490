//! Trained models against transformers: the embedded one, and SmolLM2 and Gemma 3 from their GGUF files.
//!
//! Expected values: `tests/fixtures/real`, made by `make_real.py` with torch 2.15.0 and transformers 5.23.0
//! reading the same files in float32. `cargo test --test real_models -- --nocapture` shows the largest
//! deviations.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use candle_core::Tensor;
use common::{ipd_turns, log_softmax, open_model, real_fixture, real_model};
use mora::interp::attribution::{AttributionOptions, logit_attribution};
use mora::interp::metric::{Metric, Scoring};
use mora::model::Model;
use mora::model::decoder::Decoder;
use mora::model::generate::{GenerateOptions, generate};
use mora::model::pass::{Pass, Read};
use mora::model::prompt::Prompt;
use mora::model::tap::NoTap;
use mora::model::tokenizer::Message;
use mora::model::tree::TokenTree;
use serde_json::Value;

/// Between two float32 computations of a log-probability, in nats.
const TOLERANCE: f64 = 2e-4;

/// A model with what transformers computes on it.
struct Case {
    name: &'static str,
    model: Model,
    fixture: Value,
}

impl Case {
    fn open(name: &'static str, reference: &str) -> Self {
        Self { name, model: open_model(reference), fixture: real_fixture(name) }
    }

    /// From a GGUF file; `None` where it is not there.
    fn of_gguf(name: &'static str, file: &str) -> Option<Self> {
        Some(Self::open(name, real_model(file)?.to_str().unwrap()))
    }

    fn decoder(&self) -> &Decoder {
        self.model.decoder()
    }

    /// The fifteen prompts as this model is asked them, which are those of the fixture.
    fn prompts(&self) -> Vec<Prompt> {
        let tokenizer = self.model.tokenizer();
        let prompts: Vec<Prompt> = ipd_turns()
            .iter()
            .map(|turn| match tokenizer.has_chat_template() {
                true => tokenizer.render_chat(&[Message::user(turn)], true).unwrap(),
                false => turn.clone(),
            })
            .map(|text| self.model.prompt(&text).unwrap())
            .collect();
        let rows = self.rows();
        assert_eq!(prompts.len(), rows.len());
        for (prompt, row) in prompts.iter().zip(rows) {
            assert_eq!(prompt.tokens, ids(&row["tokens"]), "{}", row["scenario"]);
        }
        prompts
    }

    fn rows(&self) -> &[Value] {
        self.fixture["prompts"].as_array().unwrap()
    }

    /// The recorded log-probabilities of an answer's tokens.
    fn answer(row: &Value, text: &str) -> (Vec<u32>, Vec<f64>) {
        let answers = row["answers"].as_array().unwrap();
        let answer = answers.iter().find(|answer| answer["text"] == text).unwrap();
        (ids(&answer["ids"]), numbers(&answer["log_probs"]))
    }
}

/// The embedded model, which is always there.
fn tiny_ipd() -> Option<&'static Case> {
    static CASE: OnceLock<Case> = OnceLock::new();
    Some(CASE.get_or_init(|| Case::open("tiny_ipd", "mora/tiny-ipd")))
}

fn smollm2() -> Option<&'static Case> {
    static CASE: OnceLock<Option<Case>> = OnceLock::new();
    CASE.get_or_init(|| Case::of_gguf("smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")).as_ref()
}

fn gemma3() -> Option<&'static Case> {
    static CASE: OnceLock<Option<Case>> = OnceLock::new();
    CASE.get_or_init(|| Case::of_gguf("gemma3", "gemma-3-270m-q4_k_m.gguf")).as_ref()
}

/// Makes each check a test of each model.
macro_rules! on_each_model {
    ($($check:ident)*) => { on_each_model! { [tiny_ipd smollm2 gemma3] [$($check)*] } };
    ([$($model:ident)*] $checks:tt) => { $(on_each_model! { $model $checks })* };
    ($model:ident [$($check:ident)*]) => {
        mod $model {
            $(#[test] fn $check() {
                if let Some(case) = super::$model() {
                    super::$check(case);
                }
            })*
        }
    };
}

on_each_model! {
    log_probabilities_through_a_shared_tree
    log_probabilities_one_prompt_at_a_time
    a_sequence_beyond_the_window
    greedy_continuations
    scores_of_whole_answers
    attribution_of_the_decision
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// The largest difference by what was compared; every one is kept within a bound.
#[derive(Default)]
struct Deviations(BTreeMap<&'static str, f64>);

impl Deviations {
    fn add(&mut self, what: &'static str, found: f64, expected: f64) {
        let deviation = (found - expected).abs();
        let largest = self.0.entry(what).or_default();
        // A NaN is larger than anything, and stays.
        if deviation.is_nan() || deviation > *largest {
            *largest = deviation;
        }
    }

    fn check(&self, name: &str, tolerance: f64) {
        for (what, largest) in &self.0 {
            eprintln!("{name}: {what} within {largest:.1e}");
        }
        for (what, largest) in &self.0 {
            assert!(*largest <= tolerance, "{name}: {what} deviates by {largest:e}, at most {tolerance:e}");
        }
    }

    /// Compares what follows a prompt with its row of the fixture.
    fn add_next_token(&mut self, logits: &Tensor, row: &Value, fixed: &[u32]) {
        let (log_probs, log_sum) = log_softmax(logits);
        self.add("log_sum_exp", log_sum, row["log_sum_exp"].as_f64().unwrap());
        let entropy = -log_probs.iter().map(|log_p| log_p.exp() * log_p).sum::<f64>();
        self.add("entropy", entropy, row["entropy"].as_f64().unwrap());
        for (id, expected) in ids(&row["top_ids"]).into_iter().zip(numbers(&row["top_log_probs"])) {
            self.add("the fifty likeliest tokens", log_probs[id as usize], expected);
        }
        self.add_fixed(&log_probs, row, fixed);
    }

    fn add_fixed(&mut self, log_probs: &[f64], row: &Value, fixed: &[u32]) {
        let expected = numbers(&row["fixed_log_probs"]);
        assert_eq!(expected.len(), fixed.len());
        for (&id, expected) in fixed.iter().zip(expected) {
            self.add("fifty fixed tokens", log_probs[id as usize], expected);
        }
    }
}

fn read_at(decoder: &Decoder, tree: &TokenTree, cells: Vec<(usize, usize)>) -> Tensor {
    decoder.forward(tree, Pass::new(&mut NoTap, Read::At(cells))).unwrap().logits.unwrap()
}

/// All answers of all prompts in one tree: each row is a prompt continued by an answer but its last token.
fn log_probabilities_through_a_shared_tree(case: &Case) {
    let prompts = case.prompts();
    let mut sequences = Vec::new();
    let mut cells = Vec::new();
    // Which read is compared with which number of the fixture.
    let mut compared = Vec::new();
    for (prompt, row) in prompts.iter().zip(case.rows()) {
        for answer in row["answers"].as_array().unwrap() {
            let ids = ids(&answer["ids"]);
            for (step, (&id, expected)) in ids.iter().zip(numbers(&answer["log_probs"])).enumerate() {
                compared.push((cells.len(), id, expected));
                cells.push((sequences.len(), prompt.tokens.len() - 1 + step));
            }
            sequences.push([&prompt.tokens, &ids[..ids.len() - 1]].concat());
        }
    }
    let tree = TokenTree::shared(&sequences).unwrap();
    // The embedded model's prompts have 2,208 tokens, of which most are shared.
    assert!(tree.len() * 2 < prompts.iter().map(|prompt| prompt.tokens.len()).sum(), "{}", case.name);
    let logits = read_at(case.decoder(), &tree, cells.clone());

    let mut deviations = Deviations::default();
    let fixed = ids(&case.fixture["fixed_ids"]);
    let answers = case.rows()[0]["answers"].as_array().unwrap().len();
    for (prompt, row) in case.rows().iter().enumerate() {
        let cell = (prompt * answers, prompts[prompt].tokens.len() - 1);
        let read = cells.iter().position(|read| *read == cell).unwrap();
        deviations.add_next_token(&logits.get(read).unwrap(), row, &fixed);
    }
    for (read, id, expected) in compared {
        let (log_probs, _) = log_softmax(&logits.get(read).unwrap());
        deviations.add("answers, token by token", log_probs[id as usize], expected);
    }
    deviations.check(case.name, TOLERANCE);
}

/// Each prompt by itself, continued by the longest answer.
fn log_probabilities_one_prompt_at_a_time(case: &Case) {
    let mut deviations = Deviations::default();
    let fixed = ids(&case.fixture["fixed_ids"]);
    let (mut sequences, mut cells) = (Vec::new(), Vec::new());
    for (row, prompt) in case.prompts().into_iter().enumerate() {
        let (ids, _) = Case::answer(&case.rows()[row], "I choose action2.");
        cells.extend((0..ids.len()).map(|step| (row, prompt.tokens.len() - 1 + step)));
        sequences.push([prompt.tokens, ids[..ids.len() - 1].to_vec()].concat());
    }
    let tree = TokenTree::separate(&sequences).unwrap();
    assert_eq!(tree.len(), sequences.iter().map(Vec::len).sum::<usize>());
    let logits = read_at(case.decoder(), &tree, cells.clone());
    let mut read = 0;
    for row in case.rows() {
        deviations.add_next_token(&logits.get(read).unwrap(), row, &fixed);
        let (ids, expected) = Case::answer(row, "I choose action2.");
        for (id, expected) in ids.into_iter().zip(expected) {
            let (log_probs, _) = log_softmax(&logits.get(read).unwrap());
            deviations.add("an answer, token by token", log_probs[id as usize], expected);
            read += 1;
        }
    }
    assert_eq!(read, cells.len());
    deviations.check(case.name, TOLERANCE);
}

/// 700 tokens: more than Gemma 3's window of 512.
fn a_sequence_beyond_the_window(case: &Case) {
    let long = &case.fixture["long"];
    let tokens = ids(&long["tokens"]);
    let mut windows = case.decoder().config().layers.iter().filter_map(|layer| layer.window);
    assert_eq!(case.name == "gemma3", windows.any(|window| window < tokens.len()));
    let tree = TokenTree::separate(std::slice::from_ref(&tokens)).unwrap();
    let logits = read_at(case.decoder(), &tree, vec![(0, tokens.len() - 1)]);
    let mut deviations = Deviations::default();
    let (log_probs, _) = log_softmax(&logits.get(0).unwrap());
    deviations.add_fixed(&log_probs, long, &ids(&case.fixture["fixed_ids"]));
    deviations.check(case.name, TOLERANCE);
}

/// Forty tokens of four prompts, all at once and through cached keys and values, past end tokens.
fn greedy_continuations(case: &Case) {
    let rows = case.fixture["greedy"].as_array().unwrap();
    let prompts: Vec<Vec<u32>> = rows.iter().map(|row| ids(&row["tokens"])).collect();
    let options = GenerateOptions {
        max_new_tokens: 40,
        temperature: 0.0,
        top_k: None,
        top_p: None,
        seed: 0,
        stop: Vec::new(),
    };
    let generated = generate(case.decoder(), &prompts, &options, &mut NoTap).unwrap();
    for (row, generated) in rows.iter().zip(generated) {
        assert_eq!(generated, ids(&row["continuation"]), "{}: after {}", case.name, row["prompt"]);
        let text = case.model.tokenizer().decode(&generated, false).unwrap();
        assert_eq!(text, row["text"].as_str().unwrap(), "{}", case.name);
    }
}

/// Metrics of answers are sums of the recorded numbers, token by token.
fn scores_of_whole_answers(case: &Case) {
    let prompts = case.prompts();
    let score = |metric: Metric| {
        let scoring = Scoring::new(metric, &prompts, case.model.tokenizer()).unwrap();
        let logits = scoring.run(case.decoder(), &mut NoTap).unwrap();
        (scoring.values(&logits).unwrap(), scoring.frame(&logits).unwrap())
    };
    let recorded = |row: usize, answer: &str| Case::answer(&case.rows()[row], answer).1.iter().sum::<f64>();
    let texts = ["action1", "action2", " action1", " action2", "cooperate", "I choose action2."];
    let (masses, frame) = score(Metric::LegalMass { answers: texts.map(str::to_owned).to_vec() });
    let (differences, _) =
        score(Metric::AnswerDiff { plus: "action2".to_owned(), minus: "action1".to_owned() });
    let (log_probs, _) = score(Metric::LogProb { answer: "I choose action2.".to_owned() });
    let mut deviations = Deviations::default();
    for row in 0..prompts.len() {
        for (answer, text) in texts.iter().enumerate() {
            let log_probs = frame.floats(&format!("log_prob_{}", answer + 1)).unwrap();
            deviations.add("log P(answer)", log_probs[row], recorded(row, text));
        }
        let mass: f64 = texts.iter().map(|text| recorded(row, text).exp()).sum();
        deviations.add("log legal_mass", masses[row].ln(), mass.ln());
        deviations.add("log_prob", log_probs[row], recorded(row, "I choose action2."));
        deviations.add("answer_diff", differences[row], recorded(row, "action2") - recorded(row, "action1"));
    }
    // Sums of at most five recorded numbers.
    deviations.check(case.name, 5.0 * TOLERANCE);
}

/// The contributions of all components sum to the difference of the logits by which the answers part.
fn attribution_of_the_decision(case: &Case) {
    let metric = Metric::AnswerDiff { plus: "action2".to_owned(), minus: "action1".to_owned() };
    let scoring = Scoring::new(metric, &case.prompts(), case.model.tokenizer()).unwrap();
    let contrasts = scoring.contrasts().unwrap();
    let config = case.decoder().config();
    for heads in [true, false] {
        let options = AttributionOptions { heads, ..Default::default() };
        let frame = logit_attribution(case.decoder(), &contrasts, &options).unwrap();
        let components = 1 + config.n_layers() * (1 + if heads { config.n_heads } else { 1 });
        assert_eq!(frame.height(), contrasts.len() * components, "{}", case.name);
        let contributions = frame.floats("contribution").unwrap();
        let remainders = frame.floats("remainder").unwrap();
        let [mut remainder, mut relative, mut differences]: [Deviations; 3] = Default::default();
        for (prompt, row) in case.rows().iter().enumerate() {
            let rows = prompt * components..(prompt + 1) * components;
            let sum: f64 = contributions[rows.clone()].iter().sum();
            let size: f64 = contributions[rows.clone()].iter().map(|c| c.abs()).sum();
            remainder.add("remainder", remainders[rows.start], 0.0);
            relative.add("remainder / Σ |contribution|", remainders[rows.start] / size, 0.0);
            if config.final_softcap.is_none() {
                // Without a soft-cap, logits differ as log-probabilities do.
                let ((plus_ids, plus), (minus_ids, minus)) =
                    (Case::answer(row, "action2"), Case::answer(row, "action1"));
                let step = plus_ids.iter().zip(&minus_ids).position(|(a, b)| a != b).unwrap();
                differences.add("Σ contributions", sum, plus[step] - minus[step]);
            }
        }
        remainder.check(case.name, 1e-4);
        // The roundings of float32, of which there are several a term.
        relative.check(case.name, 8.0 * f64::from(f32::EPSILON));
        differences.check(case.name, 2.0 * TOLERANCE);
    }
}
