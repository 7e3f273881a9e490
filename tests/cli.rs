//! The program as a user runs it: exit codes, streams, files, signals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/process.rs"]
mod process;

use std::io::Read;
use std::process::Stdio;

use process::{ended, folder, interrupt, mora, ready, record, run, write};

#[test]
fn exit_codes_tell_what_happened() {
    let folder = folder(&[("good.rhai", "print(1 + 1);"), ("bad.rhai", "throw \"no\";")]);
    assert_eq!(run(folder.path(), &["script", "good"]), (0, "2\n".into(), String::new()));
    let (code, stdout, stderr) = run(folder.path(), &["script", "bad.rhai"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.starts_with("error: no\n --> bad.rhai:1:1\n"), "{stderr}");
    for usage in [
        &["script"][..],
        &["script", "good", "--dtype", "i64"],
        &["script", "good", "--device", "tpu"],
        &["script", "good", "--set", "nothing"],
        &["script", "good", "--threads", "0"],
        &["no-such-command"],
    ] {
        assert_eq!(run(folder.path(), usage).0, 2, "{usage:?}");
    }
    let (code, _, stderr) = run(folder.path(), &["script", "god"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("did you mean \"good\"?"), "{stderr}");
}

#[test]
fn negative_numbers_and_other_formats_are_refused_in_words() {
    let folder = folder(&[("good.rhai", "print(1 + 1);")]);
    for (option, value, words) in [
        ("--seed", "-1", "expected a whole number from 0 to 18446744073709551615, found \"-1\""),
        ("--timeout", "-1", "expected a number above 0, found \"-1\""),
        ("--max-memory", "-0.5", "expected a number above 0, found \"-0.5\""),
        ("--max-operations", "-1", "expected a whole number from 1 to"),
        ("--threads", "-1", "expected a whole number from 1 to 65535, found \"-1\""),
        ("--dtype", "f8", "weights cannot be \"f8\", expected f32, f64, f16 or bf16"),
    ] {
        let (code, _, stderr) = run(folder.path(), &["script", "good", option, value]);
        assert!(code == 2 && stderr.contains(words) && !stderr.contains("-- -"), "{option}: {stderr}");
    }
    let (code, _, stderr) = run(folder.path(), &["test", "--jobs", "-1"]);
    assert!(code == 2 && stderr.contains("expected a whole number from 1 to 65535"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn pipes_are_no_scripts() {
    let folder = folder(&[("good.rhai", "print(1 + 1);")]);
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.rhai")).status();
    assert!(made.unwrap().success());
    for name in ["god", "-", "/dev/stdin", "pipe.rhai"] {
        let mut program = mora(folder.path(), &["script", name]);
        let child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = child.spawn().unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
        let hint = if name == "god" { "did you mean \"good\"?" } else { "`mora repl < " };
        assert!(stderr.contains(hint), "{name}: {stderr}");
    }
    assert!(run(folder.path(), &["script", "--list"]).1.contains("good"));
    assert_eq!(run(folder.path(), &["lib", "list"]).0, 0);
    assert_eq!(run(folder.path(), &["test"]).0, 1);
}

#[test]
fn scripts_are_found_and_listed_by_name() {
    let folder = folder(&[
        ("here.rhai", "// A script here.\nprint(\"here\");"),
        ("scripts/study.rhai", "//! A whole study.\nprint(\"study\");"),
        ("scripts/here.rhai", "// Hidden by its namesake.\nprint(\"hidden\");"),
    ]);
    assert_eq!(run(folder.path(), &["script", "here"]).1, "here\n");
    assert_eq!(run(folder.path(), &["script", "study"]).1, "study\n");
    let list = run(folder.path(), &["script", "--list"]).1;
    assert!(list.contains("here"), "{list}");
    assert!(
        list.lines().any(|line| line.starts_with("study ") && line.ends_with("  A whole study.")),
        "{list}"
    );
    assert!(!list.contains("Hidden"), "{list}");
}

#[test]
fn settings_model_seed_and_folder_reach_the_script() {
    let text = r#"
        print(setting("model", "mora/tiny-ipd"));
        print(setting("layers", [1, 2]));
        print(seed());
        zeros([1]).save("x.npy");
        print(output_folder());
    "#;
    let folder = folder(&[("look.rhai", text)]);
    let args =
        ["script", "look", "--model", "a.gguf", "--set", "layers=4,5", "--seed", "7", "--out", "elsewhere"];
    assert_eq!(run(folder.path(), &args).1, "a.gguf\n[4, 5]\n7\nelsewhere\n");
    assert!(folder.path().join("elsewhere/x.npy").is_file());
    let record = record(&folder.path().join("elsewhere"));
    assert_eq!(record["settings"]["model"], "a.gguf");
    assert_eq!(record["seed"], 7);
    assert_eq!(record["outcome"], "completed");
    assert_eq!(record["files"].as_object().unwrap().len(), 1);
}

#[test]
fn two_runs_leave_the_same_bytes() {
    let text = "randn([64, 64]).matmul(randn([64, 64])).save(\"x.safetensors\"); randn([3]).save(\"y.npy\");";
    let folder = folder(&[("same.rhai", text)]);
    let mut records = Vec::new();
    for out in ["one", "two"] {
        assert_eq!(run(folder.path(), &["script", "same", "--out", out]).0, 0);
        records.push(record(&folder.path().join(out)).to_string());
    }
    assert_eq!(records[0], records[1]);
}

#[test]
fn a_failed_run_leaves_what_it_finished_and_says_so() {
    let folder = folder(&[("half.rhai", "zeros([1]).save(\"x.npy\"); throw \"then this\";")]);
    assert_eq!(run(folder.path(), &["script", "half"]).0, 1);
    let record = std::fs::read_to_string(folder.path().join("out/half/run.json")).unwrap();
    assert!(record.contains("\"outcome\": \"failed\""), "{record}");
    assert!(record.contains("x.npy"), "{record}");
}

#[test]
fn an_unknown_setting_fails_before_any_work() {
    let text = "import \"lib\" as lib; print(\"working\"); let n = setting(\"n\", 3);";
    let folder = folder(&[("work.rhai", text), ("lib.rhai", "fn f() { setting(\"inner\", true) }")]);
    let (code, stdout, stderr) = run(folder.path(), &["script", "work", "--set", "m=1"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("settings: n = 3, inner = true"), "{stderr}");
}

#[test]
fn a_reader_that_leaves_stops_nothing() {
    let text = "for i in 0..20000 { print(i); } zeros([1]).save(\"x.npy\");";
    let folder = folder(&[("long.rhai", text)]);
    let mut child = mora(folder.path(), &["script", "long"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 2];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(folder.path().join("out/long/x.npy").is_file());
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_a_script_and_leaves_a_record() {
    let text = "zeros([1]).save(\"x.npy\"); print(\"ready\"); try { loop { } } catch { print(\"caught\"); }";
    let folder = folder(&[("endless.rhai", text)]);
    let child = ready(folder.path(), &["script", "endless"]);
    interrupt(&child);
    let (code, stdout, stderr) = ended(child.wait_with_output().unwrap());
    assert_eq!(code, 130);
    assert!(!stdout.contains("caught"), "{stdout}");
    assert!(stderr.contains("interrupted"), "{stderr}");
    let record = record(&folder.path().join("out/endless"));
    assert_eq!(record["outcome"], "interrupted");
    assert!(record.get("limit").is_none());
}

#[test]
fn doc_explains_and_suggests() {
    let folder = folder(&[]);
    let (code, stdout, _) = run(folder.path(), &["doc", "softmax"]);
    assert_eq!(code, 0);
    assert!(stdout.starts_with("Tensor.softmax(axis) -> Tensor\n"), "{stdout}");
    assert!(run(folder.path(), &["doc"]).1.contains("tensor: "));
    let (code, _, stderr) = run(folder.path(), &["doc", "sofmax"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("did you mean \"softmax\"?"), "{stderr}");
}

#[test]
fn measuring_in_a_coarse_dtype_is_warned_about_once() {
    let text = r#"
        let dtype = setting("as", "");
        let model = if dtype == "" { load_model("mora/tiny-ipd") } else { load_model("mora/tiny-ipd", #{ dtype: dtype }) };
        let metric = answer_diff(" action2", " action1");
        for i in 0..2 { model.measure("They chose", metric); }
        model.logit_lens("They chose", metric);
        model.lens_tokens("They chose", #{ top: 1 });
        print(model.logit_attribution("They chose", metric).height);
    "#;
    let folder = folder(&[("look.rhai", text)]);
    let run = |args: &[&str]| {
        let (code, stdout, stderr) = run(folder.path(), &[&["script", "look"][..], args].concat());
        assert_eq!((code, stdout.as_str()), (0, "235\n"), "{stderr}");
        stderr
    };
    assert_eq!(run(&[]), "");
    let bf16 = run(&["--dtype", "bf16"]);
    assert_eq!(bf16.lines().filter(|line| line.starts_with("warning: ")).count(), 1, "{bf16}");
    assert!(bf16.contains("opened in bf16") && bf16.contains("--dtype f32"), "{bf16}");
    assert!(bf16.contains("from 2 to 4 they are multiples of 1/64, from 16 to 32 of 1/8,"), "{bf16}");
    // What counts is how the model was opened.
    let f16 = run(&["--set", "as=f16"]);
    assert!(f16.contains("from 2 to 4 they are multiples of 1/512, from 16 to 32 of 1/64,"), "{f16}");
    assert_eq!(run(&["--dtype", "bf16", "--set", "as=f32"]), "");
    assert_eq!(run(&["--dtype", "bf16", "--quiet"]), "");
}

#[test]
fn a_module_path_from_the_environment_is_searched() {
    let folder = folder(&[
        ("use.rhai", "import \"extra\" as extra; print(extra::two());"),
        ("lib/extra.rhai", "fn two() { 2 }"),
    ]);
    let output = mora(folder.path(), &["script", "use"]).env("MORA_PATH", "lib").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "2\n");
}

#[test]
fn a_session_remembers_variables_functions_and_imports() {
    use mora::script::host::{Host, Options};
    use mora::script::{Output, Script, Session};

    struct Nowhere;
    impl Output for Nowhere {
        fn print(&self, _: &str) {}
        fn note(&self, _: &str) {}
    }
    let script = Script { name: "repl".into(), source: "repl".into(), text: String::new(), folder: None };
    let options = Options {
        output: Box::new(Nowhere),
        settings: Default::default(),
        folder: None,
        seed: 0,
        device: candle_core::Device::Cpu,
        dtype: candle_core::DType::F32,
        quiet: true,
        permissions: mora::script::permissions::Permissions::trusted(),
        wait: false,
        max_operations: None,
    };
    let mut host = Host::new(&script, options);
    let mut session = Session::default();
    let mut give = |input: &str| match host.evaluate(&mut session, input) {
        Ok(value) => host.show(value),
        Err(failure) => failure.diagnostic.to_string(),
    };
    give("let x = 2; fn double(v) { v * 2 }");
    give("fn quadruple(v) { double(double(v)) } const K = 5; let f = |v| v + x;");
    give("import \"tests/scripts/modules/outer\" as outer;");
    assert_eq!(give("quadruple(x) + K"), "13");
    assert_eq!(give("[\"a\", f.call(1), outer::doubled_sum([1])]"), "[\"a\", 3, 2]");
    give("fn double(v) { v * 3 }");
    assert_eq!(give("double(x)"), "6");
    give("fn wrong(v) {\n    v.nothing()\n}");
    let error = give("wrong(x)");
    assert!(error.contains("--> input 8:2:7"), "{error}");
    assert!(error.contains("in function wrong, from input 9:1:1"), "{error}");
    assert!(give("doubel(x)").contains("did you mean \"double\"?"));
    for (input, open) in
        [("if true {", true), ("1 +", true), ("fn f(a,", true), ("[1, 2]", false), ("[1, (2]", false)]
    {
        assert_eq!(host.is_incomplete(&session, input), open, "{input}");
    }
}

#[test]
fn scripts_and_functions_are_tested() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[
            ("tests/good.rhai", "// tolerance: 1e-3\nprint(`a ${1.0 / 3.0}`);"),
            ("tests/good.out", "a 0.3334\n"),
            ("tests/bad.rhai", "print(\"one\"); print(\"two\");"),
            ("tests/bad.out", "one\nthree\n"),
            (
                "stdlib/sums.rhai",
                "//! Sums.\nfn add(a, b) { a + b }\nfn test_add() { assert_eq(add(1, 2), 3); }\nfn test_wrong() { assert_eq(add(1, 2), 4); }",
            ),
        ],
    );
    let (code, stdout, _) = run(folder.path(), &["test", "--junit", "results.xml"]);
    assert_eq!(code, 1, "{stdout}");
    for words in [
        "ok      tests/good.rhai",
        "FAILED  tests/bad.rhai",
        "-three",
        "+two",
        "ok      stdlib/sums.rhai::test_add",
        "expected 4, found 3",
        "2 passed, 2 failed",
    ] {
        assert!(stdout.contains(words), "{words} is not in:\n{stdout}");
    }
    let xml = std::fs::read_to_string(folder.path().join("results.xml")).unwrap();
    assert!(xml.contains("tests=\"4\" failures=\"2\"") && xml.contains("<failure>"), "{xml}");

    // Blessed, it passes; a filter chooses.
    let (code, stdout, _) = run(folder.path(), &["test", "tests", "--bless"]);
    assert_eq!(code, 0, "{stdout}");
    assert_eq!(std::fs::read_to_string(folder.path().join("tests/bad.out")).unwrap(), "one\ntwo\n");
    assert_eq!(run(folder.path(), &["test", "--filter", "test_add"]).0, 0);
    let (code, _, stderr) = run(folder.path(), &["test", "--filter", "nothing"]);
    assert!(code == 1 && stderr.contains("there are no tests"), "{stderr}");
}

#[test]
fn a_new_script_runs_and_passes_its_test() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["new", "mine"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("wrote mine.rhai"), "{stdout}");
    let (code, stdout, stderr) = run(folder.path(), &["test", "mine.rhai"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let (code, _, stderr) = run(folder.path(), &["new", "mine"]);
    assert!(code == 1 && stderr.contains("is there already"), "{stderr}");
    assert_eq!(run(folder.path(), &["new", "../mine"]).0, 1);
    let (code, stdout, _) = run(folder.path(), &["test"]);
    assert!(code == 0 && stdout.contains("mine.rhai"), "{stdout}");
    let (code, _, stderr) = run(folder.path(), &["new", "--", "-x"]);
    assert!(code == 1 && stderr.contains("found \"-x\""), "{stderr}");
    assert!(!folder.path().join("-x.rhai").exists());
}

#[test]
fn what_looks_like_a_test_and_is_none_is_told() {
    let module = "fn test_one() {}\nfn test_two(value) {}\nprivate fn test_three() {}\n";
    let folder = folder(&[("tests/sums.rhai", module)]);
    let (code, stdout, stderr) = run(folder.path(), &["test"]);
    assert!(code == 0 && stdout.contains("1 passed"), "{stdout}{stderr}");
    assert!(
        stderr.contains("tests/sums.rhai::test_two is passed over: a test has no parameters"),
        "{stderr}"
    );
    assert!(stderr.contains("tests/sums.rhai::test_three is passed over: a private function"), "{stderr}");
    let (code, _, stderr) = run(folder.path(), &["test", "--filter", "four"]);
    assert!(code == 1 && stderr.contains("in the working folder, tests"), "{stderr}");
}

#[test]
fn modules_are_listed_shown_and_overridden() {
    let folder = tempfile::tempdir().unwrap();
    let (_, stdout, _) = run(folder.path(), &["lib", "list"]);
    assert!(stdout.lines().any(|line| line.starts_with("games") && line.contains("mora:games")), "{stdout}");
    write(folder.path(), &[("stdlib/games.rhai", "//! My own games.\nfn names() { [\"mine\"] }")]);
    let (_, stdout, _) = run(folder.path(), &["lib", "path", "games"]);
    assert_eq!(stdout.trim(), "stdlib/games.rhai");
    assert!(run(folder.path(), &["lib", "show", "games"]).1.contains("My own games."));
    write(folder.path(), &[("a.rhai", "import \"games\" as games; print(games::names());")]);
    assert_eq!(run(folder.path(), &["script", "a.rhai"]).1.trim(), "[\"mine\"]");
    let (code, _, stderr) = run(folder.path(), &["lib", "show", "gmes"]);
    assert!(code == 1 && stderr.contains("games"), "{stderr}");
}

#[test]
fn a_script_reads_below_its_folder_and_where_it_was_allowed() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(outside.path(), &[("secret.csv", "a\n1\n")]);
    let secret = outside.path().join("secret.csv").display().to_string();
    let other = outside.path().display().to_string();
    write(
        folder.path(),
        &[
            ("own.csv", "a\n2\n"),
            (
                "a.rhai",
                "print(read_csv(\"own.csv\")[0].a); print(read_csv(setting(\"file\", \"own.csv\"))[0].a);",
            ),
            ("b.rhai", &format!("print(read_csv(\"{secret}\")[0].a);")),
        ],
    );
    assert_eq!(run(folder.path(), &["script", "a.rhai"]).1, "2\n2\n");
    // What the command line names may be read.
    assert_eq!(run(folder.path(), &["script", "a.rhai", "--set", &format!("file={secret}")]).1, "2\n1\n");
    let (code, _, stderr) = run(folder.path(), &["script", "b.rhai"]);
    assert!(code == 1 && stderr.contains("may not read") && stderr.contains("--allow-read"), "{stderr}");
    assert_eq!(run(folder.path(), &["script", "b.rhai", "--allow-read", &other]).1, "1\n");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        write(folder.path(), &[("c.rhai", "read_csv(\"link/secret.csv\");")]);
        assert_eq!(run(folder.path(), &["script", "c.rhai"]).0, 1);
        // Nor is anything written through a link in the output folder.
        std::fs::create_dir_all(folder.path().join("out/d")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("out/d/link")).unwrap();
        write(folder.path(), &[("d.rhai", "write_text(\"link/x.txt\", \"x\");")]);
        let (code, _, stderr) = run(folder.path(), &["script", "d.rhai"]);
        assert!(code == 1 && stderr.contains("leaves the output folder"), "{stderr}");
        assert!(!outside.path().join("x.txt").exists());
        // Nor where the output folder that nobody chose is itself a link, and what lies there is not read.
        std::os::unix::fs::symlink(outside.path(), folder.path().join("out/f")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("out/g")).unwrap();
        let read = format!("print(read_csv(\"{secret}\")[0].a);");
        write(folder.path(), &[("f.rhai", "write_text(\"x.txt\", \"x\");"), ("g.rhai", &read)]);
        let (code, _, stderr) = run(folder.path(), &["script", "f.rhai"]);
        assert!(code == 1 && stderr.contains("out/f is a link to") && stderr.contains("--out"), "{stderr}");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(run(folder.path(), &["script", "g.rhai"]).0, 1);
    }
    let target = outside.path().join("deep/x.txt");
    write(folder.path(), &[("e.rhai", &format!("write_text(\"{}\", \"x\");", target.display()))]);
    assert_eq!(run(folder.path(), &["script", "e.rhai"]).0, 1);
    assert_eq!(run(folder.path(), &["script", "e.rhai", "--allow-write", &other]).0, 0);
    assert_eq!(std::fs::read_to_string(target).unwrap(), "x");
    // Nor is a module imported from elsewhere, but one beside the script is, wherever that lies.
    write(
        outside.path(),
        &[("module.rhai", "fn f() { 1 }"), ("beside.rhai", "import \"module\" as m; print(m::f());")],
    );
    let module = outside.path().join("module").display().to_string();
    write(folder.path(), &[("g.rhai", &format!("import \"{module}\" as m;"))]);
    let (code, _, stderr) = run(folder.path(), &["script", "g.rhai"]);
    assert!(code == 1 && stderr.contains("may not read"), "{stderr}");
    assert_eq!(run(folder.path(), &["script", &format!("{other}/beside.rhai")]).1, "1\n");
    // Downloads are for models that the command line names.
    write(folder.path(), &[("f.rhai", "load_model(\"nobody/nothing\");")]);
    let (code, _, stderr) = run(folder.path(), &["script", "f.rhai"]);
    assert!(code == 1 && stderr.contains("downloads are off"), "{stderr}");
}

#[test]
fn limits_end_a_run_and_keep_what_it_wrote() {
    let before = "write_text(\"first.txt\", \"whole\"); try { ";
    let endless = format!("{before} loop {{ }} }} catch {{ print(\"caught\"); }}");
    let in_closures = format!("{before} loop {{ [1].map(|x| x); }} }} catch {{ print(\"caught\"); }}");
    let large = format!(
        "{before} let all = []; loop {{ all.push(ones([1000, 1000])); }} }} catch {{ print(\"caught\"); }}"
    );
    let folder = folder(&[
        ("endless.rhai", &endless),
        ("closures.rhai", &in_closures),
        ("large.rhai", &large),
        ("too_large.rhai", "ones([100000, 10000]);"),
    ]);
    for (script, limit) in [
        ("endless", ["--timeout", "0.5"]),
        ("large", ["--max-memory", "0.5"]),
        ("endless", ["--max-operations", "100000"]),
        ("closures", ["--max-operations", "100000"]),
    ] {
        let (code, stdout, stderr) = run(folder.path(), &[&["script", script][..], &limit].concat());
        let limit = limit.join(" ");
        assert_eq!((code, stdout.as_str()), (1, ""), "{limit}: {stderr}");
        assert!(stderr.contains(&limit), "{limit}: {stderr}");
        let out = folder.path().join("out").join(script);
        assert_eq!(std::fs::read_to_string(out.join("first.txt")).unwrap(), "whole");
        let record = record(&out);
        assert_eq!(record["outcome"], "interrupted", "{limit}");
        assert!(record["limit"].as_str().unwrap().contains(&limit), "{limit}: {record}");
        assert_eq!(record["files"]["first.txt"]["bytes"], 5);
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2, "{limit}");
        std::fs::remove_dir_all(&out).unwrap();
    }
    let (code, _, stderr) = run(folder.path(), &["script", "too_large", "--max-memory", "0.5"]);
    assert!(code == 1 && stderr.contains("there is 512.0 MiB"), "{code} {stderr}");
    for wrong in [["--timeout", "never"], ["--max-operations", "0"], ["--max-operations", "1e6"]] {
        assert_eq!(run(folder.path(), &[&["script", "endless"][..], &wrong].concat()).0, 2, "{wrong:?}");
    }
}

#[test]
fn a_session_takes_the_flags_that_it_uses() {
    let folder = folder(&[]);
    for wrong in [&["--timeout", "1"][..], &["--max-operations", "1"], &["--allow-net"], &["--wait"]] {
        assert_eq!(run(folder.path(), &[&["repl"][..], wrong].concat()).0, 2, "{wrong:?}");
    }
}

#[test]
fn the_library_is_documented_and_searched() {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(folder.path(), &["doc", "games"]).1.contains("games::game(name)"));
    assert!(run(folder.path(), &["doc", "games::states"]).1.contains("four states"));
    assert!(run(folder.path(), &["doc", "minimal", "circuit"]).0 <= 1);
    assert!(run(folder.path(), &["doc", "wilson", "proportion"]).1.contains("wilson_interval("));
    let (code, stdout, _) = run(folder.path(), &["doc", "--html", "site"]);
    assert!(code == 0 && folder.path().join("site/index.html").exists(), "{stdout}");
}

#[test]
fn definitions_for_editors_name_what_scripts_can_call() {
    let folder = folder(&[]);
    let output = mora(folder.path(), &["definitions", "editor"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let read = |name: &str| std::fs::read_to_string(folder.path().join("editor").join(name)).unwrap();
    let built_in = read("__static__.d.rhai");
    assert!(built_in.contains("fn patch_sweep(model: Model, prompts: ?, options: map) -> Sweep;\n"));
    assert!(built_in.contains("/// Patches many components one by one"));
    // Every line is a declaration or a comment.
    let is_one =
        |line: &str| ["", "///", "/// ", "fn ", "op ", "module "].iter().any(|head| line.starts_with(head));
    assert!(built_in.lines().all(is_one));
    assert!(read("games.d.rhai").starts_with("module games;"));
}
