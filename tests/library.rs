//! The script library: what `mora doc` and `help` tell of modules is what an import finds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/process.rs"]
mod process;

use process::{folder, mora, run, write};

const MINE: &str = "//! My own module.\n\n/// Adds two numbers of mine.\nfn add_mine(a, b) { a + b }\n";

#[test]
fn own_modules_are_explained() {
    let folder = folder(&[("stdlib/mine.rhai", MINE)]);
    for (name, words) in [
        ("mine", &["import \"mine\" as mine;", "My own module.", "mine::add_mine(a, b)"][..]),
        ("mine::add_mine", &["mine::add_mine(a, b)", "Adds two numbers of mine."]),
        ("add_mine", &["mine::add_mine(a, b)"]),
    ] {
        let (code, stdout, stderr) = run(folder.path(), &["doc", name]);
        assert_eq!(code, 0, "{name}: {stderr}");
        assert!(words.iter().all(|word| stdout.contains(word)), "{name}: {stdout}");
        write(folder.path(), &[("a.rhai", &format!("help(\"{name}\");"))]);
        assert_eq!(run(folder.path(), &["script", "a"]).1, stdout);
    }
    let (_, stdout, _) = run(folder.path(), &["doc", "numbers", "of", "mine"]);
    assert!(stdout.contains("mine::add_mine"), "{stdout}");
    let (code, _, stderr) = run(folder.path(), &["doc", "mine::ad_mine"]);
    assert!(code == 1 && stderr.contains("did you mean \"mine::add_mine\"?"), "{stderr}");
}

#[test]
fn an_own_module_of_a_known_name_is_explained_in_its_place() {
    let folder = folder(&[("stdlib/games.rhai", "//! My own games.\n\n/// Names.\nfn names() { [] }\n")]);
    let (_, stdout, _) = run(folder.path(), &["doc", "games"]);
    assert!(stdout.contains("My own games.") && !stdout.contains("games::game("), "{stdout}");
}

#[test]
fn modules_of_mora_path_and_beside_a_script_are_explained() {
    let folder = folder(&[
        ("lib/mine.rhai", MINE),
        ("scripts/near.rhai", "//! Near.\n\n/// Close.\nfn close() { 1 }\n"),
        ("scripts/a.rhai", "help(\"near\"); help(\"near::close\");"),
    ]);
    let output = mora(folder.path(), &["doc", "mine"]).env("MORA_PATH", "lib").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("My own module."));
    let (code, stdout, stderr) = run(folder.path(), &["script", "a"]);
    assert!(code == 0 && stdout.contains("Near.") && stdout.contains("Close."), "{stdout}{stderr}");
    assert!(!run(folder.path(), &["doc", "near"]).1.contains("near::close"));
}

#[cfg(unix)]
#[test]
fn help_reads_nothing_that_the_script_may_not() {
    let outside = folder(&[("mine.rhai", MINE)]);
    let folder = folder(&[("a.rhai", "help(\"mine\");"), ("stdlib/other.rhai", "//! Other.\n")]);
    let link = folder.path().join("mine.rhai");
    std::os::unix::fs::symlink(outside.path().join("mine.rhai"), &link).unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["script", "a"]);
    assert!(code == 1 && stderr.contains("nothing is called \"mine\""), "{stdout}{stderr}");
}
