//! Golden tests of the scripts in `scripts/`: each runs on the embedded models with small settings, and what it prints and
//! leaves is compared with `tests/studies/NAME.out`. That file begins with the settings (`// --set key=value`) and the
//! tolerance, relative to a number's size above 1; then come what the script printed, its figures' number, a digest of
//! each table, and what its report says in sentences. A digest is of rows, and for each column of numbers the mean, the
//! standard deviation and the mean weighted by the row's place, which tells another order; for each column of words how
//! many there are and the first and last. A column whose largest number is small is told in units of it, so that the
//! tolerance is relative to it too.
//!
//! `MORA_BLESS=1 cargo test --release --test studies` writes the files anew; look at the difference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use common::golden::{self, is_equal, with_stack};
use mora::frame::{Cell, Frame};

const FOLDER: &str = "tests/studies";

/// Columns below this size hold what rounding leaves, and differ between machines.
const SMALLEST: f64 = 0.01;

/// The header of a golden file.
fn header(text: &str) -> String {
    text.lines().take_while(|line| line.starts_with("// ")).fold(String::new(), |mut all, line| {
        writeln!(all, "{line}").unwrap();
        all
    })
}

/// A file's path below the output folder, and what can be said of it in a line or two.
fn left(folder: &Path) -> String {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    let mut text = String::new();
    let is_of = |path: &&PathBuf, extension: &str| path.extension().is_some_and(|found| found == extension);
    let figures = files.iter().filter(|path| is_of(path, "svg")).count();
    writeln!(text, "figures: {figures}").unwrap();
    for path in files.iter().filter(|path| is_of(path, "csv")) {
        let frame = Frame::read_csv(path).unwrap();
        writeln!(text, "{}: {} rows", path.strip_prefix(folder).unwrap().display(), frame.height()).unwrap();
        for name in frame.names() {
            writeln!(text, "  {name}: {}", digest(&frame.cells(name).unwrap())).unwrap();
        }
    }
    text
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, files),
            false => files.push(path),
        }
    }
}

/// A column in one line.
fn digest(cells: &[Cell]) -> String {
    let numbers: Vec<(f64, f64)> = cells
        .iter()
        .enumerate()
        .filter_map(|(row, cell)| Some((row as f64 + 1.0, number(cell)?)))
        .filter(|(_, number)| number.is_finite())
        .collect();
    if numbers.is_empty() {
        let words: BTreeSet<String> =
            cells.iter().filter(|cell| !cell.is_null()).map(|cell| cell.to_string()).collect();
        let end = |cell: Option<&Cell>| cell.map_or_else(String::new, |cell| cell.to_string());
        return format!("{} different, {} … {}", words.len(), end(cells.first()), end(cells.last()));
    }
    let largest = numbers.iter().fold(0.0_f64, |most, (_, x)| most.max(x.abs()));
    let is_small = (SMALLEST..1.0).contains(&largest);
    // By its logarithm, so that the tolerance of the size is relative.
    let size = if is_small { format!("size 10 ^ {:.5}, in it ", largest.log10()) } else { String::new() };
    let unit = if is_small { largest } else { 1.0 };
    let numbers: Vec<(f64, f64)> = numbers.into_iter().map(|(row, x)| (row, x / unit)).collect();
    let n = numbers.len() as f64;
    let mean = numbers.iter().map(|(_, x)| x).sum::<f64>() / n;
    let variance = numbers.iter().map(|(_, x)| (x - mean).powi(2)).sum::<f64>() / n;
    let weight = numbers.iter().map(|(row, _)| row).sum::<f64>();
    let placed = numbers.iter().map(|(row, x)| row * x).sum::<f64>() / weight;
    let missing = cells.len() - numbers.len();
    let missing = if missing > 0 { format!(", {missing} missing") } else { String::new() };
    format!("{size}mean {mean:.5} std {:.5} placed {placed:.5}{missing}", variance.sqrt())
}

/// The sentences of a script's `report.md`: tables and figures are told by the digests.
fn sentences(folder: &Path) -> String {
    let Ok(report) = std::fs::read_to_string(folder.join("report.md")) else { return String::new() };
    let lines = report.lines().filter(|line| !line.is_empty() && !line.starts_with(['|', '!', '*']));
    lines.fold("report.md\n".to_owned(), |all, line| all + "  " + line + "\n")
}

/// A cell as a number, true as 1.
fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Bool(value) => Some(f64::from(u8::from(*value))),
        cell => cell.number(),
    }
}

/// Compares one script's run with its golden file; says what differs.
fn check(name: &str) -> Option<String> {
    let golden = Path::new(FOLDER).join(format!("{name}.out"));
    let expected = std::fs::read_to_string(&golden).unwrap_or_else(|_| {
        panic!("{} is missing: begin it with settings and a tolerance", golden.display())
    });
    let out = tempfile::tempdir().unwrap();
    let (printed, failed) =
        golden::transcript(&format!("scripts/{name}.rhai"), golden::settings(&expected), out.path());
    if failed {
        return Some(format!("\n{name} failed:\n{printed}"));
    }
    let head = header(&expected);
    // Seconds differ from run to run.
    let kept: Vec<String> =
        left(out.path()).lines().filter(|line| !line.starts_with("  seconds")).map(str::to_owned).collect();
    let found = format!("{head}{printed}{}\n{}", kept.join("\n"), sentences(out.path()));
    if golden::is_blessing() {
        std::fs::write(&golden, found).unwrap();
        return None;
    }
    let tolerance = golden::tolerance(&head);
    (!is_equal(&expected, &found, tolerance))
        .then(|| format!("\n{name}\n{}", golden::difference(&expected, &found, tolerance)))
}

/// The scripts of `scripts/`.
fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir("scripts")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rhai"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn scripts_print_and_leave_what_they_did() {
    with_stack(|| {
        let asked = std::env::var("MORA_STUDY").ok();
        let differences: String = names()
            .iter()
            .filter(|name| asked.as_ref().is_none_or(|asked| asked == *name))
            .filter_map(|name| check(name))
            .collect();
        assert!(differences.is_empty(), "{differences}\nMORA_BLESS=1 accepts what was found");
    });
}

#[test]
fn a_digest_tells_another_order_and_another_value() {
    let cells = |values: &[f64]| values.iter().map(|value| Cell::Float(*value)).collect::<Vec<_>>();
    let one = digest(&cells(&[1.0, 2.0, 4.0]));
    assert_ne!(one, digest(&cells(&[2.0, 1.0, 4.0])));
    assert_ne!(one, digest(&cells(&[1.0, 2.0, 4.1])));
    assert_eq!(one, "mean 2.33333 std 1.24722 placed 2.83333");
    let small = digest(&cells(&[0.01, 0.02, 0.04]));
    assert_eq!(small, "size 10 ^ -1.39794, in it mean 0.58333 std 0.31180 placed 0.70833");
    let changed = digest(&cells(&[0.01, 0.0201, 0.04]));
    assert!(!is_equal(&small, &changed, Some(2e-4)) && is_equal(&small, &changed, Some(2e-3)));
}
