//! Runs a script as a golden test does, and compares what it printed with what stands in a file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;

use mora::script::host::{Host, Options, STACK};
use mora::script::{Output, library};

/// Keeps what a script prints; remarks are marked.
#[derive(Clone, Default)]
struct Capture(Rc<RefCell<String>>);

impl Output for Capture {
    fn print(&self, text: &str) {
        writeln!(self.0.borrow_mut(), "{text}").unwrap();
    }

    fn note(&self, text: &str) {
        writeln!(self.0.borrow_mut(), "note: {text}").unwrap();
    }
}

/// What a script prints, and the error that it ends with; whether it failed.
pub fn transcript(script: &str, settings: BTreeMap<String, String>, folder: &Path) -> (String, bool) {
    let script = library::find(script).unwrap();
    let capture = Capture::default();
    let host = Host::new(
        &script,
        Options {
            output: Box::new(capture.clone()),
            settings,
            folder: Some(folder.to_owned()),
            seed: 0,
            device: candle_core::Device::Cpu,
            dtype: candle_core::DType::F32,
            quiet: false,
        },
    );
    let result = host.run(&script);
    let mut text = capture.0.borrow().clone();
    let failed = result.is_err();
    if let Err(failure) = result {
        writeln!(text, "{}", failure.diagnostic).unwrap();
    }
    // The folder of a test is a new one each time.
    (text.replace(&folder.display().to_string(), "OUT"), failed)
}

/// Lines `// --set key=value` of a text.
pub fn settings(text: &str) -> BTreeMap<String, String> {
    let given = text.lines().filter_map(|line| line.strip_prefix("// --set "));
    given
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// How far numbers may lie from the golden ones: `// tolerance: 2e-4`. Machines sum in different orders.
pub fn tolerance(text: &str) -> Option<f64> {
    let given = text.lines().find_map(|line| line.strip_prefix("// tolerance: "))?;
    Some(given.trim().parse().unwrap())
}

/// Equal to the letter; with a tolerance, word by word, where numbers may lie that far apart, relative to their size
/// above 1. Brackets and signs around a number must agree.
pub fn is_equal(expected: &str, found: &str, tolerance: Option<f64>) -> bool {
    let Some(tolerance) = tolerance else { return expected == found };
    let (mut expected, mut found) = (expected.split_whitespace(), found.split_whitespace());
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || is_near(a, b, tolerance) => {}
            _ => return false,
        }
    }
}

fn is_near(a: &str, b: &str, tolerance: f64) -> bool {
    let around = |c: char| "()[]{}%,;:*|".contains(c);
    let parts = |text: &str| {
        let number = text.trim_matches(around);
        let start = text.len() - text.trim_start_matches(around).len();
        (text[..start].to_owned(), number.parse::<f64>(), text[start + number.len()..].to_owned())
    };
    match (parts(a), parts(b)) {
        ((before_a, Ok(a), after_a), (before_b, Ok(b), after_b)) => {
            before_a == before_b && after_a == after_b && (a - b).abs() <= tolerance * a.abs().max(1.0)
        }
        _ => false,
    }
}

/// Runs on a thread with the stack that scripts run with.
pub fn with_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// True where golden files are to be written anew.
pub fn is_blessing() -> bool {
    std::env::var_os("MORA_BLESS").is_some()
}
