//! Which work tells how far it has come. One test: the sink is the process's.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};

use mora::interp::attribution::{AttributionOptions, logit_attribution};
use mora::interp::cache::{CacheOptions, run_with_cache};
use mora::interp::lens::{lens_tokens, logit_lens};
use mora::interp::metric::{Metric, Scoring};
use mora::interp::positions::Positions;
use mora::model::generate::{GenerateOptions, generate};
use mora::model::pass::Read;
use mora::model::tap::NoTap;
use mora::progress::{self, Meter, Sink, Unit};

/// What was shown: label, steps announced, steps done.
type Shown = Arc<Mutex<Vec<(String, u64, u64)>>>;

struct Recorder(Shown);

struct Recorded(Shown, usize);

impl Sink for Recorder {
    fn begin(&self, label: &str, total: u64, _: Unit) -> Box<dyn Meter> {
        let mut shown = self.0.lock().unwrap();
        shown.push((label.to_owned(), total, 0));
        Box::new(Recorded(self.0.clone(), shown.len() - 1))
    }
}

impl Meter for Recorded {
    fn advance(&mut self, steps: u64) {
        self.0.lock().unwrap()[self.1].2 += steps;
    }

    fn say(&mut self, _: &str) {}
}

#[test]
fn long_work_tells_how_far_it_is_one_bar_at_a_time() {
    let shown = Shown::default();
    progress::install(Box::new(Recorder(shown.clone())));
    let seen = || -> Vec<(String, u64, u64)> { std::mem::take(&mut *shown.lock().unwrap()) };
    let bars = |expected: &[(&str, u64, u64)]| {
        let expected: Vec<_> =
            expected.iter().map(|(label, of, done)| (label.to_string(), *of, *done)).collect();
        assert_eq!(seen(), expected);
    };

    let model = common::open_model("mora/tiny-ipd");
    let loaded = seen();
    assert_eq!(loaded.len(), 1);
    let (label, bytes, read) = &loaded[0];
    assert_eq!((label.as_str(), read), ("loading weights", bytes));

    let decoder = model.decoder();
    let layers = decoder.config().n_layers() as u64;
    let prompts = [model.prompt("They chose").unwrap(), model.prompt("You chose").unwrap()];
    let sequences: Vec<Vec<u32>> = prompts.iter().map(|prompt| prompt.tokens.clone()).collect();
    let metric = Metric::AnswerDiff { plus: " action2".into(), minus: " action1".into() };
    let scoring = Scoring::new(metric, &prompts, model.tokenizer()).unwrap();
    let forward = ("running layers", layers, layers);

    scoring.run(decoder, &mut NoTap).unwrap();
    bars(&[forward]);
    let until = CacheOptions {
        sites: Vec::new(),
        positions: Positions::All,
        stop_at_layer: Some(3),
        read: Read::Nothing,
    };
    run_with_cache(decoder, &sequences, &until, &mut NoTap).unwrap();
    bars(&[("running layers", 3, 3)]);
    logit_lens(decoder, &scoring).unwrap();
    bars(&[forward, ("reading layers", layers + 1, layers + 1)]);
    lens_tokens(decoder, &sequences, &Positions::Last, 3).unwrap();
    bars(&[forward, ("reading positions", 2 * (layers + 1), 2 * (layers + 1))]);
    let contrasts = scoring.contrasts().unwrap();
    for own_norm in [false, true] {
        let options = AttributionOptions { own_norm, ..AttributionOptions::default() };
        logit_attribution(decoder, &contrasts, &options).unwrap();
        bars(&[forward, ("attributing layers", layers, layers)]);
    }
    // Its forwards are silent.
    let options = GenerateOptions {
        max_new_tokens: 4,
        temperature: 0.0,
        top_k: None,
        top_p: None,
        seed: 0,
        stop: Vec::new(),
    };
    generate(decoder, &sequences, &options, &mut NoTap).unwrap();
    bars(&[("generating tokens", 4, 4)]);
    // Silence ends with the work that caused it, also where that failed.
    generate(decoder, &[vec![u32::MAX]], &options, &mut NoTap).unwrap_err();
    seen();
    scoring.run(decoder, &mut NoTap).unwrap();
    bars(&[forward]);
    model.prompt("They chose").unwrap();
    bars(&[]);
}
