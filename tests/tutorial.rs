//! Every block of the tutorial and of docs/coming_from.md runs, and prints what stands below it. `MORA_BLESS=1 cargo test --release
//! --test tutorial` writes the printed texts anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

use common::golden::{difference, is_blessing, is_equal};
use common::script::run;

/// Numbers come from float32 sums, whose order is the machine's.
const TOLERANCE: f64 = 3e-3;
/// What separates the output of one block from the next.
const MARK: &str = "\u{1}";

/// A chapter's text in pieces: what is to be run, and everything else.
enum Piece {
    Text(String),
    Code(String),
    Output(String),
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = vec![Piece::Text(String::new())];
    let mut fence = "";
    for line in text.lines() {
        let opened = match (fence, line) {
            ("", "```rhai") => Some((Piece::Code(String::new()), "rhai")),
            ("", "```text") => Some((Piece::Output(String::new()), "text")),
            (_, "```") => Some((Piece::Text(String::new()), "")),
            _ => None,
        };
        if let Some((piece, name)) = opened {
            pieces.push(piece);
            fence = name;
            continue;
        }
        let (Piece::Text(text) | Piece::Code(text) | Piece::Output(text)) = pieces.last_mut().unwrap();
        text.push_str(line);
        text.push('\n');
    }
    pieces
}

/// The chapter with what its blocks print in the place of what stands there.
fn rendered(name: &str, text: &str) -> String {
    let pieces = pieces(text);
    let code: Vec<&str> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Code(code) => Some(code.as_str()),
            _ => None,
        })
        .collect();
    let ran = run(&code.join(&format!("print(\"{MARK}\");\n")));
    assert!(ran.error.is_none(), "{name}: {}", ran.error.unwrap());
    let printed: Vec<String> = ran.printed.iter().map(|line| format!("{line}\n")).collect();
    let printed = printed.concat();
    let mark = format!("{MARK}\n");
    let mut outputs = printed.split(&mark);
    let mut result = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => result += &text,
            Piece::Code(code) => {
                result += &format!("```rhai\n{code}```\n");
                let output = outputs.next().unwrap_or_default();
                if !output.is_empty() {
                    let lines: Vec<&str> = output.lines().map(str::trim_end).collect();
                    result += &format!("```text\n{}\n```\n", lines.join("\n"));
                }
            }
            Piece::Output(_) => {}
        }
    }
    result
}

/// Compares a page with what its blocks print, or writes that into it.
fn check(path: &Path) {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).unwrap();
    let found = rendered(&name, &text);
    if is_blessing() {
        std::fs::write(path, found).unwrap();
        return;
    }
    assert!(
        is_equal(&text, &found, Some(TOLERANCE)),
        "{name}\n{}\nMORA_BLESS=1 accepts what was found",
        difference(&text, &found, Some(TOLERANCE))
    );
}

#[test]
fn every_block_prints_what_stands_below_it() {
    let mut chapters: Vec<PathBuf> =
        std::fs::read_dir("docs/tutorial").unwrap().map(|entry| entry.unwrap().path()).collect();
    chapters.retain(|path| !path.ends_with("README.md"));
    chapters.sort();
    assert_eq!(chapters.len(), 8);
    chapters.iter().for_each(|path| check(path));
}

#[test]
fn idioms_of_other_programs_are_what_the_page_says_in_ours() {
    check(Path::new("docs/coming_from.md"));
}
