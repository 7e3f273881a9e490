//! Two runs and one output folder.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/process.rs"]
mod process;

use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use process::{ended, folder, interrupt, mora, ready, record, run};

/// Writes, and does not end.
const ENDLESS: (&str, &str) =
    ("endless.rhai", "write_text(\"first.txt\", \"first\"); print(\"ready\"); loop { }");
/// Writes once.
const QUICK: (&str, &str) = ("quick.rhai", "print(\"begun\"); write_text(\"second.txt\", \"second\");");

fn names(folder: &Path) -> Vec<String> {
    process::files(folder).iter().map(|path| path.display().to_string()).collect()
}

#[test]
fn the_second_run_is_refused_and_harms_nothing() {
    let folder = folder(&[ENDLESS, QUICK]);
    let out = folder.path().join("out/endless");
    let first = ready(folder.path(), &["script", "endless"]);
    let (code, stdout, stderr) = run(folder.path(), &["script", "quick", "--out", "out/endless"]);
    // Before any work is done.
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    let holder = format!("error: the run of \"endless\" (process {}, since 20", first.id());
    for words in [holder.as_str(), "is writing into out/endless", "--wait"] {
        assert!(stderr.contains(words), "{words} is not in {stderr}");
    }
    // Elsewhere it runs.
    assert_eq!(run(folder.path(), &["script", "quick"]).0, 0);
    interrupt(&first);
    assert_eq!(ended(first.wait_with_output().unwrap()).0, 130);
    assert_eq!(names(&out), ["first.txt", "run.json"]);
    assert_eq!(record(&out)["script"]["name"], "endless");
    assert_eq!(run(folder.path(), &["script", "quick", "--out", "out/endless"]).0, 0);
    assert_eq!(names(&out), ["first.txt", "run.json", "second.txt"]);
}

#[test]
fn the_second_run_waits_where_it_is_told_to() {
    let folder = folder(&[ENDLESS, QUICK]);
    let first = ready(folder.path(), &["script", "endless", "--out", "one"]);
    let mut second = mora(folder.path(), &["script", "quick", "--out", "one", "--wait"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The remark comes while it waits.
    let remark = format!("waiting: the run of \"endless\" (process {}, since 20", first.id());
    let mut said = vec![0; remark.len()];
    second.stderr.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), remark);
    assert!(second.try_wait().unwrap().is_none());
    interrupt(&first);
    first.wait_with_output().unwrap();
    let (code, stdout, _) = ended(second.wait_with_output().unwrap());
    assert_eq!((code, stdout.as_str()), (0, "begun\n"));
    let out = folder.path().join("one");
    assert_eq!(names(&out), ["first.txt", "run.json", "second.txt"]);
    assert_eq!(record(&out)["script"]["name"], "quick");
}

#[test]
fn waiting_can_be_ended() {
    let folder = folder(&[ENDLESS, QUICK]);
    let first = ready(folder.path(), &["script", "endless", "--out", "one"]);
    let waits = ["script", "quick", "--out", "one", "--wait"];
    let (code, _, stderr) = run(folder.path(), &[&waits[..], &["--timeout", "0.5", "--quiet"]].concat());
    assert!(
        code == 1 && stderr.starts_with("error: stopped: the run took longer than --timeout 0.5\n"),
        "{stderr}"
    );
    let mut second = mora(folder.path(), &waits).stderr(Stdio::piped()).spawn().unwrap();
    let mut byte = [0];
    second.stderr.as_mut().unwrap().read_exact(&mut byte).unwrap();
    interrupt(&second);
    let (code, _, stderr) = ended(second.wait_with_output().unwrap());
    assert!(code == 130 && stderr.contains("interrupted"), "{code} {stderr}");
    interrupt(&first);
    first.wait_with_output().unwrap();
    assert_eq!(names(&folder.path().join("one")), ["first.txt", "run.json"]);
}

#[test]
fn a_killed_run_is_in_nobodys_way() {
    let folder = folder(&[ENDLESS, QUICK]);
    let mut first = ready(folder.path(), &["script", "endless", "--out", "one"]);
    first.kill().unwrap();
    first.wait().unwrap();
    let out = folder.path().join("one");
    assert_eq!(names(&out), [".mora-lock", "first.txt"]);
    // Nor do its temporary files stay.
    std::fs::write(out.join(".mora-new-abcdef"), "half").unwrap();
    assert_eq!(run(folder.path(), &["script", "quick", "--out", "one"]).0, 0);
    assert_eq!(names(&out), ["first.txt", "run.json", "second.txt"]);
}

#[test]
fn a_script_that_writes_nothing_needs_no_folder() {
    let folder = folder(&[("says.rhai", "print(\"said\");"), ENDLESS]);
    assert_eq!(run(folder.path(), &["script", "says"]).1, "said\n");
    assert!(!folder.path().join("out").exists());
    // In a folder that is there it leaves nothing, the folder's own files least of all.
    std::fs::create_dir_all(folder.path().join("out/says")).unwrap();
    assert_eq!(run(folder.path(), &["script", "says"]).1, "said\n");
    assert!(names(&folder.path().join("out/says")).is_empty());
}

/// A run of hours may write at its end alone: nobody else gets into its folder before.
#[test]
fn a_run_that_has_written_nothing_yet_has_its_folder() {
    let late = (
        "late.rhai",
        "print(\"ready\"); loop { try { read_csv(\"go.csv\"); break; } catch { } } write_text(\"late.txt\", \"late\");",
    );
    let folder = folder(&[QUICK, late]);
    let first = ready(folder.path(), &["script", "late", "--out", "one"]);
    let (code, stdout, stderr) = run(folder.path(), &["script", "quick", "--out", "one"]);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.contains("the run of \"late\""), "{stderr}");
    std::fs::write(folder.path().join("go.csv"), "a\n1\n").unwrap();
    assert_eq!(ended(first.wait_with_output().unwrap()).0, 0);
    assert_eq!(names(&folder.path().join("one")), ["late.txt", "run.json"]);
}

/// A folder that cannot be is found before the work.
#[test]
fn an_output_folder_that_is_a_file_is_refused_at_once() {
    let folder = folder(&[QUICK, ("one", "a file")]);
    let (code, stdout, stderr) = run(folder.path(), &["script", "quick", "--out", "one"]);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.contains("one") && stderr.contains("--out DIR"), "{stderr}");
}

#[test]
fn a_link_in_the_place_of_the_lock_is_refused_and_not_followed() {
    let folder = folder(&[QUICK, ("precious.txt", "precious")]);
    let out = folder.path().join("out/quick");
    std::fs::create_dir_all(&out).unwrap();
    std::os::unix::fs::symlink(folder.path().join("precious.txt"), out.join(".mora-lock")).unwrap();
    let (code, _, stderr) = run(folder.path(), &["script", "quick"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("is no plain file"), "{stderr}");
    assert_eq!(std::fs::read_to_string(folder.path().join("precious.txt")).unwrap(), "precious");
}
