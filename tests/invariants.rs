//! The invariants of ARCHITECTURE.md that a look at the source can hold.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

/// A source file below `src/` that is not `tests.rs`, without what only tests compile.
struct File {
    /// Path below `src/`, with forward slashes.
    path: String,
    /// Its whole text.
    text: String,
    /// Lines of code outside tests, without comments, numbered from 1.
    code: Vec<(usize, String)>,
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut open = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                found.push(read(&root, path));
            }
        }
    }
    assert!(found.len() > 20, "{} files", found.len());
    found
}

fn read(root: &Path, path: PathBuf) -> File {
    let text = std::fs::read_to_string(&path).unwrap();
    let relative = path.strip_prefix(root).unwrap().components();
    let path = relative.map(|part| part.as_os_str().to_str().unwrap()).collect::<Vec<_>>().join("/");
    let mut code = Vec::new();
    if text.lines().any(|line| line == "#![cfg(test)]") {
        return File { path, text, code };
    }
    // The indentation of an item that only tests compile; it ends with the brace of that indentation.
    let mut skipping: Option<(usize, bool)> = None;
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if let Some((outer, begun)) = skipping {
            let begun = begun || line.contains('{');
            let ends = indent == outer && (line.trim() == "}" || (!begun && line.trim_end().ends_with(';')));
            skipping = if ends { None } else { Some((outer, begun)) };
            continue;
        }
        if line.trim() == "#[cfg(test)]" {
            skipping = Some((indent, false));
            continue;
        }
        let bare = line.trim_start();
        if !bare.starts_with("//") {
            code.push((number + 1, bare.split(" // ").next().unwrap_or(bare).to_owned()));
        }
    }
    File { path, text, code }
}

/// Fails where `is_wrong` finds a line of the files that `concerns` chooses.
fn refuse(concerns: impl Fn(&str) -> bool, is_wrong: impl Fn(&str) -> bool, rule: &str) {
    let mut wrong = Vec::new();
    for file in files().iter().filter(|file| concerns(&file.path)) {
        for (number, line) in file.code.iter().filter(|(_, line)| is_wrong(line)) {
            wrong.push(format!("src/{}:{number}: {}", file.path, line.trim()));
        }
    }
    assert!(wrong.is_empty(), "{rule}:\n{}", wrong.join("\n"));
}

/// True where `line` holds `word` with no letter, digit or underscore at either side.
fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_name) && !line[at + word.len()..].starts_with(is_name))
}

#[test]
fn only_the_script_room_names_rhai() {
    refuse(|path| !path.starts_with("script/"), |line| has_word(line, "rhai"), "only src/script names rhai");
}

#[test]
fn only_the_command_line_touches_the_terminal() {
    const TERMINAL: [&str; 9] = [
        "println!",
        "print!",
        "eprintln!",
        "eprint!",
        "dbg!",
        "stdout()",
        "stderr()",
        "stdin()",
        "std::process::exit",
    ];
    refuse(
        |path| !path.starts_with("cli/") && path != "main.rs",
        |line| {
            TERMINAL
                .iter()
                .any(|name| line.contains(name) && has_word(line, name.trim_end_matches(['!', '(', ')'])))
        },
        "only src/cli touches the terminal",
    );
}

#[test]
fn a_forward_tests_no_family() {
    const FORWARD: [&str; 10] =
        ["decoder", "block", "attention", "mlp", "norm", "rope", "linear", "pass", "kv", "generate"];
    refuse(
        |path| {
            FORWARD.iter().any(|name| path == format!("model/{name}.rs"))
                || path.starts_with("model/kernels/")
        },
        |line| has_word(line, "family"),
        "a family is a value of ArchConfig, no case of a forward",
    );
}

#[test]
fn nothing_panics_by_design() {
    const PANICS: [&str; 5] = [".unwrap()", "panic!(", "todo!(", "unimplemented!(", "unreachable!("];
    // A method of our own may be called so; that of Option and Result takes one string.
    let expects = |line: &str| {
        line.split_once(".expect(\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .is_some_and(|(_, end)| end.starts_with(')'))
    };
    refuse(
        |_| true,
        |line| PANICS.iter().any(|panic| line.contains(panic)) || expects(line),
        "bad input gets an Error",
    );
}

#[test]
fn rooms_know_only_those_they_stand_on() {
    const ROOMS: [&str; 10] =
        ["model", "lora", "interp", "train", "frame", "plot", "stats", "tensor", "script", "cli"];
    const MAY_USE: [(&str, &[&str]); 9] = [
        ("model", &[]),
        ("lora", &["model"]),
        ("frame", &[]),
        ("plot", &[]),
        ("stats", &[]),
        ("tensor", &[]),
        ("interp", &["model", "frame"]),
        ("train", &["model", "lora", "frame", "tensor"]),
        ("script", &["model", "lora", "interp", "train", "frame", "plot", "stats", "tensor"]),
    ];
    for (room, allowed) in MAY_USE {
        for other in ROOMS.iter().filter(|other| **other != room && !allowed.contains(other)) {
            let used = format!("crate::{other}");
            let rule = format!("{room} does not use {other}");
            refuse(|path| path.starts_with(&format!("{room}/")), |line| has_word(line, &used), &rule);
        }
    }
}

#[test]
fn a_file_has_one_job() {
    const MOST: usize = 500;
    let long: Vec<String> = files()
        .iter()
        .filter(|file| file.text.lines().count() > MOST)
        .map(|file| format!("src/{}: {} lines", file.path, file.text.lines().count()))
        .collect();
    assert!(long.is_empty(), "more than {MOST} lines:\n{}", long.join("\n"));
}
