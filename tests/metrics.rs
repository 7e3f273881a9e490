//! Metrics on the embedded model against plain computation: each answer's tokens appended to the prompt, a
//! whole forward with all logits, a softmax in float64, and sums over the answer's tokens.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::OnceLock;

use candle_core::{Device, Tensor};
use common::{log_softmax, open_model};
use mora::interp::metric::{Metric, Scoring};
use mora::model::Model;
use mora::model::pass::{Pass, Read};
use mora::model::prompt::Prompt;
use mora::model::tap::NoTap;
use mora::model::tree::TokenTree;

/// Float32 logits up to 30, through 26 layers, in another order of operations; a few tokens are added up.
const TOLERANCE: f64 = 2e-4;

fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| open_model("mora/tiny-ipd"))
}

/// Prompts of different lengths, two that begin alike, one the beginning of another, one twice, and one
/// without a text.
fn prompts() -> Vec<Prompt> {
    let texts = [
        "You play a game with another agent. You choose",
        "You play a game with another agent.",
        "You play a game with this agent. Last time, you played action1 and they played",
        "Which action gets you the highest score in points?",
        "You play a game with another agent.",
    ];
    let mut prompts: Vec<Prompt> = texts.iter().map(|text| model().prompt(text).unwrap()).collect();
    prompts.push(Prompt { text: None, tokens: vec![2, 300, 17, 401] });
    prompts
}

fn answer_tokens(answer: &str) -> Vec<u32> {
    model().tokenizer().encode(answer, false).unwrap()
}

/// Logits [pos, d_vocab] of one sequence run alone.
fn all_logits(tokens: Vec<u32>) -> Tensor {
    let tree = TokenTree::separate(&[tokens]).unwrap();
    let output = model().decoder().forward(&tree, Pass::new(&mut NoTap, Read::All)).unwrap();
    output.logits.unwrap().get(0).unwrap()
}

/// log P of each of the answer's tokens.
fn token_log_probs(prompt: &Prompt, answer: &str) -> Vec<f64> {
    let answer = answer_tokens(answer);
    let logits = all_logits([prompt.tokens.clone(), answer.clone()].concat());
    let start = prompt.tokens.len() - 1;
    let row = |step| log_softmax(&logits.get(start + step).unwrap()).0;
    answer.iter().enumerate().map(|(step, &token)| row(step)[token as usize]).collect()
}

fn log_prob(prompt: &Prompt, answer: &str) -> f64 {
    token_log_probs(prompt, answer).iter().sum()
}

/// Logits after the prompt.
fn next_logits(prompt: &Prompt) -> Tensor {
    all_logits(prompt.tokens.clone()).get(prompt.tokens.len() - 1).unwrap()
}

fn scoring(metric: Metric) -> Scoring {
    Scoring::new(metric, &prompts(), model().tokenizer()).unwrap()
}

fn error(metric: Metric) -> mora::Error {
    Scoring::new(metric, &prompts(), model().tokenizer()).unwrap_err()
}

/// The metric's values, checked against `naive` prompt by prompt.
fn check(metric: Metric, naive: impl Fn(&Prompt) -> f64) -> Vec<f64> {
    let scoring = scoring(metric);
    let logits = scoring.run(model().decoder(), &mut NoTap).unwrap();
    let values = scoring.values(&logits).unwrap();
    assert_eq!(values, scoring.frame(&logits).unwrap().floats("value").unwrap());
    let prompts = prompts();
    assert_eq!(values.len(), prompts.len());
    for (index, (value, prompt)) in values.iter().zip(&prompts).enumerate() {
        let expected = naive(prompt);
        assert!((value - expected).abs() <= TOLERANCE, "prompt {index}: {value} for {expected}");
    }
    assert!(values.iter().any(|value| (value - values[0]).abs() > 1e-2), "{values:?} hardly differ");
    values
}

fn answer_diff(plus: &str, minus: &str) -> Metric {
    Metric::AnswerDiff { plus: plus.to_owned(), minus: minus.to_owned() }
}

fn logit_diff(plus: &str, minus: &str) -> Metric {
    Metric::LogitDiff { plus: plus.to_owned(), minus: minus.to_owned() }
}

/// The answers of the tests are what they are named for.
#[test]
fn answers_have_the_tokens_that_the_tests_mean() {
    let [one, two, begin, longer] = ["action1", "action2", "action", "I choose action2."].map(answer_tokens);
    assert!(one.len() > 1 && one.len() == two.len(), "{one:?} {two:?}");
    assert_eq!(one[..one.len() - 1], two[..two.len() - 1]);
    assert!(one.starts_with(&begin) && begin.len() < one.len(), "{begin:?}");
    assert!(longer.len() > 3);
    assert_eq!(answer_tokens(" agent").len(), 1);
    assert_eq!(answer_tokens(" points").len(), 1);
}

#[test]
fn answer_diff_is_the_difference_of_whole_answers() {
    // A shared beginning, nothing shared, one the beginning of the other, unequal lengths, single tokens.
    for (plus, minus) in [
        ("action2", "action1"),
        (" agent", "action1"),
        ("action1", "action"),
        ("action", "action1"),
        ("I choose action2.", "cooperate"),
        (" agent", " points"),
    ] {
        check(answer_diff(plus, minus), |prompt| log_prob(prompt, plus) - log_prob(prompt, minus));
    }
}

#[test]
fn log_prob_adds_up_the_answers_tokens() {
    for answer in ["action1", " agent", "I choose action2."] {
        check(Metric::LogProb { answer: answer.to_owned() }, |prompt| log_prob(prompt, answer));
    }
}

#[test]
fn legal_mass_adds_up_the_answers_and_the_frame_says_each() {
    let answers = ["action1", "action2", " agent", "both action1"];
    let scoring = scoring(Metric::LegalMass { answers: answers.map(str::to_owned).to_vec() });
    let logits = scoring.run(model().decoder(), &mut NoTap).unwrap();
    let frame = scoring.frame(&logits).unwrap();
    let masses = scoring.values(&logits).unwrap();
    assert_eq!(frame.floats("value").unwrap(), masses);
    assert_eq!(frame.floats("legal_mass").unwrap(), masses);
    assert_eq!(scoring.legal_mass(&logits).unwrap(), masses);
    for (index, prompt) in prompts().iter().enumerate() {
        let expected = answers.map(|answer| log_prob(prompt, answer));
        for (answer, expected) in expected.iter().enumerate() {
            let found = frame.floats(&format!("log_prob_{}", answer + 1)).unwrap()[index];
            assert!((found - expected).abs() <= TOLERANCE, "{}: {found} for {expected}", answers[answer]);
        }
        // The masses are small: their logarithms say more.
        let expected = expected.map(f64::exp).iter().sum::<f64>().ln();
        assert!((masses[index].ln() - expected).abs() <= TOLERANCE, "prompt {index}: {}", masses[index]);
    }
}

#[test]
fn logit_diff_is_the_difference_of_two_logits() {
    let [plus, minus] = [" agent", " points"].map(|answer| answer_tokens(answer)[0] as usize);
    check(logit_diff(" agent", " points"), |prompt| {
        let logits: Vec<f32> = next_logits(prompt).to_vec1().unwrap();
        f64::from(logits[plus]) - f64::from(logits[minus])
    });
}

#[test]
fn logit_diff_takes_single_tokens_alone() {
    let error = error(logit_diff(" agent", "action1"));
    let tokens = answer_tokens("action1").len();
    assert_eq!(error.what(), format!("logit_diff compares single tokens, \"action1\" has {tokens}"));
    assert_eq!(error.help(), Some("use answer_diff for whole answers"));
}

#[test]
fn entropy_is_that_of_the_next_token() {
    check(Metric::Entropy, |prompt| {
        let (log_probs, _) = log_softmax(&next_logits(prompt));
        -log_probs.iter().map(|log_p| log_p.exp() * log_p).sum::<f64>()
    });
}

#[test]
fn kl_is_that_from_the_reference_to_the_model() {
    let prompts = prompts();
    // Another prompt's distribution is the reference.
    let other = |index: usize| next_logits(&prompts[(index + 2) % prompts.len()]);
    let references: Vec<Tensor> = (0..prompts.len()).map(other).collect();
    let reference = Tensor::stack(&references, 0).unwrap();
    let scoring = scoring(Metric::Kl { reference });
    let values = scoring.values(&scoring.run(model().decoder(), &mut NoTap).unwrap()).unwrap();
    for (index, value) in values.iter().enumerate() {
        let ((p, _), (q, _)) = (log_softmax(&references[index]), log_softmax(&next_logits(&prompts[index])));
        let expected: f64 = p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum();
        assert!((value - expected).abs() <= TOLERANCE, "prompt {index}: {value} for {expected}");
        assert!(expected > 0.1, "prompt {index}: the distributions hardly differ");
    }
}

#[test]
fn kl_from_oneself_is_zero() {
    let own: Vec<Tensor> = prompts().iter().map(next_logits).collect();
    let scoring = scoring(Metric::Kl { reference: Tensor::stack(&own, 0).unwrap() });
    let values = scoring.values(&scoring.run(model().decoder(), &mut NoTap).unwrap()).unwrap();
    // Second order in the logits' rounding.
    assert!(values.iter().all(|value| value.abs() <= 1e-8), "{values:?}");
}

#[test]
fn kl_says_what_shape_it_needs() {
    let zeros = |dims: &[usize]| Tensor::zeros(dims, candle_core::DType::F32, &Device::Cpu).unwrap();
    let n = prompts().len();
    let expected = format!("kl needs reference logits [{n}, d_vocab], found ");
    for dims in [&[768][..], &[n - 1, 768], &[n, 1, 768], &[0, 768]] {
        let error = error(Metric::Kl { reference: zeros(dims) });
        assert_eq!(error.what(), format!("{expected}{dims:?}"));
    }
    // Another vocabulary shows only beside the model's logits.
    let scoring = scoring(Metric::Kl { reference: zeros(&[n, 1000]) });
    let error = scoring.values(&scoring.run(model().decoder(), &mut NoTap).unwrap()).unwrap_err();
    assert_eq!(error.what(), "kl needs two distributions over one vocabulary, found 1000 and 768 tokens");
}

#[test]
fn logits_of_another_scoring_are_refused() {
    let scoring = scoring(Metric::Entropy);
    let logits = Tensor::zeros((2, 1152), candle_core::DType::F32, &Device::Cpu).unwrap();
    let error = scoring.values(&logits).unwrap_err();
    assert_eq!(error.what(), "entropy needs logits [6, d_vocab], found [2, 1152]");
    assert!(scoring.frame(&logits.get(0).unwrap()).is_err());
}

#[test]
fn only_answers_of_several_tokens_need_more_than_the_last_logits() {
    let reference = Tensor::zeros((prompts().len(), 768), candle_core::DType::F32, &Device::Cpu).unwrap();
    for metric in [
        logit_diff(" agent", " points"),
        answer_diff(" agent", " points"),
        Metric::LogProb { answer: " agent".to_owned() },
        Metric::LegalMass { answers: vec![" agent".to_owned(), " points".to_owned()] },
        Metric::Entropy,
        Metric::Kl { reference },
    ] {
        let scoring = scoring(metric);
        assert!(scoring.is_last_only());
        // The logits at the prompts' last tokens are then those that it reads.
        let sequences: Vec<Vec<u32>> = prompts().into_iter().map(|prompt| prompt.tokens).collect();
        assert_eq!(scoring.sequences(), sequences);
        let ends: Vec<(usize, usize)> =
            sequences.iter().enumerate().map(|(row, tokens)| (row, tokens.len() - 1)).collect();
        assert_eq!(scoring.reads(), ends);
    }
    for metric in [
        answer_diff("action2", "action1"),
        answer_diff(" agent", "action1"),
        Metric::LogProb { answer: "action1".to_owned() },
        Metric::LegalMass { answers: vec![" agent".to_owned(), "action2".to_owned(), "action1".to_owned()] },
    ] {
        assert!(!scoring(metric).is_last_only());
    }
}

#[test]
fn legal_mass_counts_no_answer_twice() {
    for answers in
        [["action1", "action1"], ["action1", "action1 or action2"], ["action1 or action2", "action1"]]
    {
        let metric = Metric::LegalMass { answers: answers.map(str::to_owned).to_vec() };
        let error = Scoring::new(metric, &prompts(), model().tokenizer()).unwrap_err();
        assert!(error.what().contains("would count \"action1\" twice"), "{error}");
    }
}

#[test]
fn shared_beginnings_run_once_and_last_tokens_never() {
    let scoring = scoring(answer_diff("action2", "action1"));
    let shared = answer_tokens("action1");
    let shared = &shared[..shared.len() - 1];
    let sequences: Vec<Vec<u32>> =
        prompts().into_iter().map(|prompt| [&prompt.tokens, shared].concat()).collect();
    assert_eq!(scoring.sequences(), sequences);
    assert_eq!(scoring.reads().len(), prompts().len() * (shared.len() + 1));
}

#[test]
fn contrasts_stand_where_the_answers_part() {
    let [one, two] = ["action1", "action2"].map(answer_tokens);
    let step = one.len() - 1;
    let contrasts = scoring(answer_diff("action2", "action1")).contrasts().unwrap();
    for (contrast, prompt) in contrasts.iter().zip(prompts()) {
        assert_eq!(contrast.tokens, [&prompt.tokens, &one[..step]].concat());
        assert_eq!((contrast.plus, contrast.minus), (two[step], Some(one[step])));
    }
    let [agent, points] = [" agent", " points"].map(|answer| answer_tokens(answer)[0]);
    for metric in [logit_diff(" agent", " points"), answer_diff(" agent", " points")] {
        for (contrast, prompt) in scoring(metric).contrasts().unwrap().iter().zip(prompts()) {
            assert_eq!(contrast.tokens, prompt.tokens);
            assert_eq!((contrast.plus, contrast.minus), (agent, Some(points)));
        }
    }
    let contrasts = scoring(Metric::LogProb { answer: "action1".to_owned() }).contrasts().unwrap();
    for (contrast, prompt) in contrasts.iter().zip(prompts()) {
        assert_eq!((&contrast.tokens, contrast.plus, contrast.minus), (&prompt.tokens, one[0], None));
    }
}

#[test]
fn an_answer_that_begins_the_other_has_no_contrast() {
    for (plus, minus) in [("action1", "action"), ("action", "action1"), ("action1", "action1")] {
        let error = scoring(answer_diff(plus, minus)).contrasts().unwrap_err();
        assert_eq!(error.what(), "one answer is the beginning of the other: they part at no token");
    }
    let error = scoring(Metric::Entropy).contrasts().unwrap_err();
    assert_eq!(error.what(), "entropy is no difference of logits");
}

#[test]
fn nothing_to_measure_is_an_error() {
    let tokenizer = model().tokenizer();
    assert!(Scoring::new(Metric::Entropy, &[], tokenizer).is_err());
    let empty = Prompt { text: None, tokens: Vec::new() };
    let error = Scoring::new(Metric::Entropy, &[empty], tokenizer).unwrap_err();
    assert_eq!(error.what(), "prompt 0 has no tokens");
    let error = self::error(Metric::LogProb { answer: String::new() });
    assert_eq!(error.what(), "the answer \"\" has no tokens");
}
