//! The program as a process of its own.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program in a folder.
pub fn mora(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mora"));
    command.current_dir(folder).args(args).env_remove("MORA_PATH").env("RUST_BACKTRACE", "1");
    command
}

/// A new folder with the files given by name and text.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    folder
}

/// Writes files into a folder.
pub fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// The exit code, and what was written to stdout and stderr.
pub fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    ended(mora(folder, args).output().unwrap())
}

/// The same of a process that has ended.
pub fn ended(Output { status, stdout, stderr }: Output) -> (i32, String, String) {
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A process that has printed the line "ready".
pub fn ready(folder: &Path, args: &[&str]) -> Child {
    let mut child = mora(folder, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    assert_eq!(&line, b"ready\n");
    child
}

/// Ctrl-C.
#[cfg(unix)]
pub fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

/// Runs a command that does not fail, and kills it as soon as `is_time`; true where that was before its end.
pub fn killed(mut command: Command, is_time: impl Fn() -> bool) -> bool {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !is_time() {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return false;
        }
        // Not all of a core: the process needs them.
        std::thread::sleep(Duration::from_micros(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    true
}

/// The same after a while.
pub fn killed_after(command: Command, delay: Duration) -> bool {
    let begun = Instant::now();
    killed(command, || {
        let left = delay.saturating_sub(begun.elapsed());
        std::thread::sleep(left.min(Duration::from_millis(1)));
        left.is_zero()
    })
}

/// The files below a folder, hidden ones among them, as paths below it; sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            // What is there for a moment may be gone at the next.
            let Ok(path) = entry.map(|entry| entry.path()) else { continue };
            match path.is_dir() {
                true => collect(&path, files),
                false => files.push(path),
            }
        }
    }
    let mut all = Vec::new();
    collect(folder, &mut all);
    let mut all: Vec<PathBuf> =
        all.into_iter().map(|path| path.strip_prefix(folder).unwrap().to_owned()).collect();
    all.sort();
    all
}

/// The record of a run, its times left aside.
pub fn record(folder: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(folder.join("run.json")).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    record.as_object_mut().unwrap().remove("times").unwrap();
    record
}
