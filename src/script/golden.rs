//! Golden tests of scripts: what one printed is compared with what stands in the `.out` file beside it.
//!
//! A script (or its `.out` file) may begin with `// --set key=value`, a setting for the test, `// --max-operations 1000`
//! and `// --timeout 0.5`, limits, and `// tolerance: 1e-4`, how far numbers may lie from those of the file, relative to
//! their size above 1.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;

use candle_core::{DType, Device};

use crate::error::{Error, Result};
use crate::script::context::Output;
use crate::script::host::{Host, Options};
use crate::script::library::Script;
use crate::script::permissions::Permissions;

/// Keeps what a script prints; remarks are marked.
#[derive(Clone, Default)]
struct Capture(Rc<RefCell<String>>);

impl Output for Capture {
    fn print(&self, text: &str) {
        let _ = writeln!(self.0.borrow_mut(), "{text}");
    }

    fn note(&self, text: &str) {
        let _ = writeln!(self.0.borrow_mut(), "note: {text}");
    }
}

/// What a run left for comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// What was printed, remarks as `note: …`, and the error that it ended with. The output folder is called OUT.
    pub text: String,
    /// The script ended with an error.
    pub failed: bool,
}

/// Runs a script on the CPU in float32 with seed 0.
pub fn transcript(script: &Script, settings: BTreeMap<String, String>, folder: &Path) -> Transcript {
    run(script, settings, folder, |host| host.run(script))
}

/// Calls a function of a script without arguments.
pub fn transcript_of_function(script: &Script, function: &str, folder: &Path) -> Transcript {
    run(script, settings(&script.text), folder, |host| host.call(script, function))
}

fn run(
    script: &Script,
    settings: BTreeMap<String, String>,
    folder: &Path,
    work: impl FnOnce(&Host) -> Result<(), crate::script::Failure>,
) -> Transcript {
    let capture = Capture::default();
    let host = Host::new(
        script,
        Options {
            output: Box::new(capture.clone()),
            settings,
            folder: Some(folder.to_owned()),
            seed: 0,
            device: Device::Cpu,
            dtype: DType::F32,
            quiet: false,
            permissions: Permissions::trusted(),
            wait: false,
            max_operations: max_operations(&script.text),
        },
    );
    let result = work(&host);
    let mut text = capture.0.borrow().clone();
    let failed = result.is_err();
    if let Err(failure) = result {
        let _ = writeln!(text, "{}", failure.diagnostic);
    }
    // The folder of a test is a new one each time.
    Transcript { text: text.replace(&folder.display().to_string(), "OUT"), failed }
}

/// The settings that a text's lines `// --set key=value` give.
pub fn settings(text: &str) -> BTreeMap<String, String> {
    let given = text.lines().filter_map(|line| line.strip_prefix("// --set "));
    given
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The limit that a text's line `// --max-operations 1000` gives.
fn max_operations(text: &str) -> Option<u64> {
    limit(text, "// --max-operations ")
}

/// The seconds that a text's line `// --timeout 0.5` gives.
pub fn timeout(text: &str) -> Option<f64> {
    limit(text, "// --timeout ").filter(|seconds: &f64| *seconds > 0.0)
}

fn limit<T: std::str::FromStr>(text: &str, option: &str) -> Option<T> {
    text.lines().find_map(|line| line.strip_prefix(option))?.trim().parse().ok()
}

/// The tolerance that a text's line `// tolerance: 1e-4` gives.
///
/// # Errors
/// It is no number.
pub fn tolerance(text: &str) -> Result<Option<f64>> {
    let Some(given) = text.lines().find_map(|line| line.strip_prefix("// tolerance: ")) else {
        return Ok(None);
    };
    match given.trim().parse::<f64>() {
        Ok(tolerance) if tolerance >= 0.0 && tolerance.is_finite() => Ok(Some(tolerance)),
        _ => Err(Error::new(format!("expected a tolerance such as 1e-4, found \"{given}\""))),
    }
}

/// Equal to the letter; with a tolerance word by word, where numbers may lie that far apart, relative to their size
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
    let is_around = |c: char| "()[]{}%,;:*|".contains(c);
    let parts = |text: &str| {
        // A sentence may end with a number.
        let number = text.trim_matches(is_around).trim_end_matches('.');
        let start = text.len() - text.trim_start_matches(is_around).len();
        let end = (start + number.len()).min(text.len());
        (text[..start].to_owned(), number.parse::<f64>(), text[end..].to_owned())
    };
    match (parts(a), parts(b)) {
        ((before_a, Ok(a), after_a), (before_b, Ok(b), after_b)) => {
            before_a == before_b && after_a == after_b && (a - b).abs() <= tolerance * a.abs().max(1.0)
        }
        _ => false,
    }
}

/// Lines that differ, with three lines around them: `-` was expected, `+` was found. Lines whose numbers are within the
/// tolerance count as equal.
pub fn difference(expected: &str, found: &str, tolerance: Option<f64>) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    // Lines that are near count as the expected one.
    let near: Vec<&str> = match old.len() == new.len() {
        true => new
            .iter()
            .zip(&old)
            .map(|(new, old)| if is_equal(old, new, tolerance) { *old } else { *new })
            .collect(),
        false => new,
    };
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    similar::TextDiff::from_lines(&joined(&old), &joined(&near)).unified_diff().context_radius(3).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_for_numbers_alone() {
        assert!(is_equal("a 1.0000", "a  1.0001", Some(2e-4)));
        assert!(is_equal("[1.0000, 50.0 %)", "[1.0001, 50.002 %)", Some(2e-4)));
        assert!(!is_equal("[1.0000,", "(1.0000,", Some(2e-4)));
        assert!(!is_equal("a 1.0000", "a 1.0003", Some(2e-4)));
        assert!(!is_equal("a 1.0", "b 1.0", Some(2e-4)));
        assert!(!is_equal("a 1.0", "a", Some(2e-4)));
        assert!(!is_equal("1.0", "1.00", None));
        assert!(!is_equal("é(", "(é", Some(1.0)));
    }

    #[test]
    fn headers_are_read() {
        let text = "// --set steps=3\n// tolerance: 1e-4\nprint(1);\n";
        assert_eq!(settings(text)["steps"], "3");
        assert_eq!(tolerance(text).unwrap(), Some(1e-4));
        assert_eq!(tolerance("print(1);").unwrap(), None);
        assert!(tolerance("// tolerance: much").is_err());
    }

    #[test]
    fn a_difference_shows_the_lines_that_differ() {
        let text = difference("a 1.0\nb\nc\n", "a 1.00001\nB\nc\n", Some(1e-3));
        assert!(text.contains("-b\n+B\n") && !text.contains("-a 1.0"), "{text}");
    }
}
