//! Golden tests: each script of `tests/scripts/` prints what stands in the `.out` file beside it, and each
//! of `tests/errors/` ends with the error that stands there; the examples print what stands beside them.
//!
//! `MORA_BLESS=1 cargo test --test scripts` writes the `.out` files anew; look at the difference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fmt::Write as _;
use std::path::PathBuf;

use common::golden::{self, is_equal, with_stack};

fn check(folder: &str, must_fail: bool) {
    // Paths in diagnostics are relative to the package, where tests run.
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rhai"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{folder} holds no scripts");
    let bless = golden::is_blessing();
    let mut differences = String::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let out = tempfile::tempdir().unwrap();
        let (found, failed) =
            golden::transcript(&path.display().to_string(), golden::settings(&text), out.path());
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
        let tolerance = golden::tolerance(&text);
        if !is_equal(&expected, &found, tolerance) {
            let lines = golden::difference(&expected, &found, tolerance);
            write!(differences, "\n{}\n{lines}", path.display()).unwrap();
        }
    }
    assert!(differences.is_empty(), "{differences}\nMORA_BLESS=1 accepts what was found");
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
fn errors_say_what_they_said() {
    with_stack(|| check("tests/errors", true));
}
