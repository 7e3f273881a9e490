//! `mora test` over the project: each script of `tests/scripts/` and of `examples/` prints what stands in the `.out` file
//! beside it, each of `tests/errors/` ends with the error that stands there, and the functions `test_…` of
//! `tests/planted/` hold.
//!
//! `MORA_BLESS=1 cargo test --test scripts` writes the `.out` files anew; look at the difference.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::golden::is_blessing;

/// The scripts of a folder.
fn scripts(folder: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rhai"))
        .collect();
    paths.sort();
    paths
}

/// Runs `mora test` with these paths, and shows what it says where it fails.
fn check(paths: &[&str]) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_mora"));
    // Paths in diagnostics are relative to the package, where tests run.
    program.arg("test").args(paths);
    if is_blessing() {
        program.arg("--bless");
    }
    let run = program.output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn scripts_print_what_they_printed() {
    check(&["tests/scripts", "examples"]);
}

#[test]
fn mistakes_end_with_their_errors() {
    check(&["tests/errors"]);
}

#[test]
fn what_is_planted_is_found() {
    check(&["tests/planted"]);
}

/// Every module of the library is imported by a script of the tests, or by one in their Rust.
#[test]
fn every_module_has_a_test() {
    let tests: Vec<String> = ["tests", "tests/scripts", "tests/planted"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for (name, _) in mora::script::library::STDLIB {
        let import = format!("import \"{name}\"");
        assert!(tests.iter().any(|text| text.contains(&import)), "no test imports {name}");
    }
}

/// A script without its `.out` file would be no test.
#[test]
fn every_script_has_its_golden_file() {
    for folder in ["tests/scripts", "tests/errors", "examples"] {
        for script in scripts(folder) {
            let golden = script.with_extension("out");
            let text = std::fs::read_to_string(&golden).unwrap_or_default();
            assert!(!text.is_empty(), "{} is missing or empty", golden.display());
            let fails = text.lines().any(|line| line.starts_with("error: "));
            assert_eq!(fails, folder == "tests/errors", "{}", golden.display());
        }
    }
}

/// Every error says how to mend it, but for the words that a script's own author throws.
#[test]
fn errors_have_hints() {
    let own_words = ["thrown_by_script"];
    for script in scripts("tests/errors") {
        let golden = script.with_extension("out");
        let text = std::fs::read_to_string(&golden).unwrap();
        let is_own = own_words.iter().any(|name| script.file_stem() == Path::new(name).file_stem());
        assert!(is_own || text.contains("= hint: "), "{} has no hint:\n{text}", golden.display());
    }
}
