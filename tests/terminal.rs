//! The program in a terminal: what it shows there, and nowhere else.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

#[path = "common/pty.rs"]
mod pty;

use std::io::Read;
use std::process::{Command, Stdio};

use pty::terminal;

/// A forward that takes two seconds, the same in every layer.
const SLOW: &str = r#"
    let model = load_model("mora/tiny-ipd");
    let slow = |act| { sleep(0.08); () };
    model.run_with_hooks("They chose", #{ "blocks.*.hook_mlp_out": slow });
    print("done");
"#;

const FAST: &str = r#"
    let model = load_model("mora/tiny-ipd");
    for i in 0..3 { model.run("They chose"); }
    print("done");
"#;

/// Runs a script with its stderr in a terminal; what it printed, and what the terminal was sent.
fn run_in_terminal(script: &str, flags: &[&str]) -> (String, String) {
    let (mut ours, theirs) = terminal();
    let (mut command, _folder) = program(script, flags);
    let child = command.stdout(Stdio::piped()).stderr(theirs).spawn().unwrap();
    // The command holds the program's side open: with it gone, the end of the program ends the reading.
    drop(command);
    let mut shown = Vec::new();
    // Linux reports the end as an error.
    let _ = ours.read_to_end(&mut shown);
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&shown).into_owned())
}

fn program(script: &str, flags: &[&str]) -> (Command, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("work.rhai"), script).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mora"));
    command.current_dir(folder.path()).args(["script", "work.rhai"]).args(flags);
    (command, folder)
}

#[test]
fn a_long_forward_shows_a_bar_and_clears_it() {
    let (printed, shown) = run_in_terminal(SLOW, &[]);
    assert_eq!(printed, "done\n");
    assert!(shown.contains("running layers") && shown.contains("/26"), "{shown:?}");
    // The line is erased at the end.
    let end = shown.rfind("running layers").unwrap();
    assert!(shown[end..].contains("\u{1b}[2K"), "{shown:?}");
}

#[test]
fn quiet_shows_no_bar() {
    let (printed, shown) = run_in_terminal(SLOW, &["--quiet"]);
    assert_eq!((printed.as_str(), shown.as_str()), ("done\n", ""));
}

#[test]
fn a_pipe_gets_no_bar() {
    let (mut command, _folder) = program(SLOW, &[]);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "done\n");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn short_forwards_do_not_flicker() {
    let (printed, shown) = run_in_terminal(FAST, &[]);
    assert_eq!(printed, "done\n");
    assert!(!shown.contains("running"), "{shown:?}");
}
