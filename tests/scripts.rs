//! Golden tests: each script of `tests/scripts/` prints what stands in the `.out` file beside it, and each
//! of `tests/errors/` ends with the error that stands there; the examples print what stands beside them.
//!
//! `MORA_BLESS=1 cargo test --test scripts` writes the `.out` files anew; look at the difference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
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

/// The leading comment may give settings: `// --set key=value`.
fn settings(text: &str) -> BTreeMap<String, String> {
    let given = text.lines().filter_map(|line| line.strip_prefix("// --set "));
    given
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// How far numbers may lie from the golden ones: `// tolerance: 2e-4`. Machines sum in different orders.
fn tolerance(script: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(script).unwrap();
    let given = text.lines().find_map(|line| line.strip_prefix("// tolerance: "))?;
    Some(given.trim().parse().unwrap())
}

/// Equal to the letter; with a tolerance, word by word, where numbers may lie that far apart.
fn is_equal(expected: &str, found: &str, tolerance: Option<f64>) -> bool {
    let Some(tolerance) = tolerance else { return expected == found };
    let (mut expected, mut found) = (expected.split_whitespace(), found.split_whitespace());
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(a), Ok(b)) if (a - b).abs() <= tolerance => {}
                _ => return false,
            },
            _ => return false,
        }
    }
}

/// What a script prints, and the error that it ends with.
fn transcript(path: &Path) -> (String, bool) {
    let script = library::find(&path.display().to_string()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let capture = Capture::default();
    let host = Host::new(
        &script,
        Options {
            output: Box::new(capture.clone()),
            settings: settings(&script.text),
            folder: Some(folder.path().to_owned()),
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
    (text.replace(&folder.path().display().to_string(), "OUT"), failed)
}

fn check(folder: &str, must_fail: bool) {
    // Paths in diagnostics are relative to the package, where tests run.
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rhai"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{folder} holds no scripts");
    let bless = std::env::var_os("MORA_BLESS").is_some();
    let mut differences = String::new();
    for path in paths {
        let (found, failed) = transcript(&path);
        if failed != must_fail {
            let end = if failed { "failed" } else { "did not fail" };
            write!(differences, "\n{} {end}:\n{found}", path.display()).unwrap();
            continue;
        }
        let golden = path.with_extension("out");
        if bless {
            std::fs::write(&golden, &found).unwrap();
            continue;
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if !is_equal(&expected, &found, tolerance(&path)) {
            let shown = path.display();
            write!(differences, "\n{shown}\n--- expected\n{expected}--- found\n{found}").unwrap();
        }
    }
    assert!(differences.is_empty(), "{differences}\nMORA_BLESS=1 accepts what was found");
}

/// Runs on a thread with the stack that scripts run with.
fn with_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn scripts_print_what_they_printed() {
    with_stack(|| check("tests/scripts", false));
}

#[test]
fn examples_print_what_they_printed() {
    with_stack(|| check("examples", false));
}

#[test]
fn a_tolerance_is_for_numbers_alone() {
    assert!(is_equal("a 1.0000", "a  1.0001", Some(2e-4)));
    assert!(!is_equal("a 1.0000", "a 1.0003", Some(2e-4)));
    assert!(!is_equal("a 1.0", "b 1.0", Some(2e-4)));
    assert!(!is_equal("a 1.0", "a", Some(2e-4)));
    assert!(!is_equal("1.0", "1.00", None));
}

#[test]
fn errors_say_what_they_said() {
    with_stack(|| check("tests/errors", true));
}
