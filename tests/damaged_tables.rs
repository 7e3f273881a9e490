//! Damaged Parquet files through the program: an error each, and nothing else on stderr.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use mora::frame::{Column, Frame};

/// Tries every file in turn and prints each error's message.
const READ_ALL: &str = r#"
    for place in 0..setting("files", 0) {
        try { read_parquet(`${place}.parquet`); } catch (error) { print(error.message); }
    }
"#;

#[test]
fn a_library_that_panics_on_a_file_says_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.parquet");
    let rows = 40;
    let text = |row: i64| (row % 7 != 0).then(|| format!("w{}", row % 5));
    let table = Frame::new([
        ("text", Column::Text((0..rows).map(text).collect())),
        ("x", Column::Float((0..rows).map(|row| (row % 3 != 0).then_some(row as f64 / 3.0)).collect())),
        ("n", Column::ints(0..rows)),
        ("yes", Column::bools((0..rows).map(|row| row % 2 == 0))),
    ]);
    table.unwrap().write(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 0x55;
        std::fs::write(folder.path().join(format!("{place}.parquet")), changed).unwrap();
    }
    std::fs::write(folder.path().join("read.rhai"), READ_ALL).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mora"))
        .current_dir(folder.path())
        .args(["script", "read", "--set", &format!("files={}", whole.len())])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.success());
    let messages = String::from_utf8(output.stdout).unwrap();
    // Both ways are gone: polars panics on some of the files, and refuses others.
    let panicked = messages.lines().filter(|line| line.ends_with("its counts or places are wrong")).count();
    assert!(panicked > 5, "{panicked} files made polars panic");
    assert!(messages.lines().count() > 2 * panicked);
}
