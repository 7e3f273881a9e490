//! `mora repl` as a person meets it: keys typed in a terminal, and what is shown for them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/pty.rs"]
mod pty;

use std::path::Path;
use std::process::{Command, Stdio};

use pty::{COLUMNS, Running, plain};

/// What the line editor writes before it reads a line.
const PROMPT: &str = "> ";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_R: &str = "\x12";
const UP: &str = "\x1b[A";
const RIGHT: &str = "\x1b[C";

/// A session in `folder`, which keeps its history there too.
struct Session(Running);

fn command(folder: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mora"));
    command
        .current_dir(folder)
        .arg("repl")
        .args(flags)
        .env("TERM", "xterm-256color")
        .env("XDG_STATE_HOME", folder.join("state"));
    for name in ["NO_COLOR", "TERM_PROGRAM", "TMUX", "MORA_PICTURES", "KONSOLE_VERSION", "MORA_PATH"] {
        command.env_remove(name);
    }
    command
}

impl Session {
    fn start(folder: &Path) -> Self {
        Self::of(command(folder, &[]))
    }

    fn of(command: Command) -> Self {
        let mut session = Self(Running::start(command));
        session.0.wait_for("Ctrl-D leaves.");
        session.0.wait_for("\x1b[?2004h");
        session.0.wait_for(PROMPT);
        session
    }

    /// Types a line; gives what is shown until the next prompt.
    fn give(&mut self, line: &str) -> String {
        plain(&self.give_raw(line))
    }

    fn give_raw(&mut self, line: &str) -> String {
        self.0.send(&format!("{line}\r"));
        // The line editor wants pasted text to be marked while it reads, and only then.
        self.0.wait_for("\x1b[?2004l");
        let shown = self.0.wait_for("\x1b[?2004h");
        self.0.wait_for(PROMPT);
        shown.replace("\r\n", "\n")
    }

    /// Types without Enter, and waits until the line shows what it becomes.
    fn expect(&mut self, keys: &str, shown: &str) {
        self.0.send(keys);
        let mut seen = String::new();
        while !plain(&seen).contains(shown) {
            let last = shown.chars().last().unwrap().to_string();
            seen.push_str(&self.0.wait_for(&last));
        }
        // Ctrl-C drops the line.
        self.0.send(CTRL_C);
        self.0.wait_for("\x1b[?2004h");
        self.0.wait_for(PROMPT);
    }

    fn leave(mut self) {
        self.0.send(CTRL_D);
        let (_, status) = self.0.end();
        assert_eq!(status.code(), Some(0));
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn values_functions_and_imports_stay() {
    let folder = folder();
    let mut session = Session::start(folder.path());
    assert!(session.give("40 + 2").contains("\n42\n"));
    assert!(session.give("_ / 2").contains("\n21\n"));
    assert!(session.give("switch _ { 21 => \"it\", _ => \"other\" }").contains("\n\"it\"\n"));
    session.give("fn double(v) { v * 2 }");
    session.give("import \"games\" as games;");
    assert!(session.give("double(games::game(\"ISH\").max_joint)").contains("\n16\n"));
    // Open brackets and strings take more lines.
    session.0.send("let text = `a\rb`; if text.len() == 3 {\r");
    assert!(session.give("\"three\" }").contains("\n\"three\"\n"));
    session.leave();
}

#[test]
fn errors_show_their_place_in_colour_and_leave_the_session() {
    let folder = folder();
    let mut session = Session::start(folder.path());
    session.give("let kept = 7;");
    let shown = session.give_raw("kept + nothing");
    assert!(shown.contains("\x1b[31m"), "{shown:?}");
    let shown = plain(&shown);
    assert!(shown.contains("no variable \"nothing\"") && shown.contains("^^^^^^^"), "{shown}");
    // What came before the failure of one input stays.
    session.give("let before = kept + 1; throw \"on purpose\"; let behind = 1;");
    assert!(session.give("before").contains("\n8\n"));
    assert!(session.give("behind").contains("no variable \"behind\""));
    session.leave();

    let mut quiet = command(folder.path(), &[]);
    quiet.env("NO_COLOR", "1");
    let mut session = Session::of(quiet);
    let shown = session.give_raw("nothing");
    assert!(!shown.contains("\x1b[3"), "{shown:?}");
    session.leave();
}

#[test]
fn tab_completes_names_members_options_sites_files_and_commands() {
    let folder = folder();
    std::fs::write(folder.path().join("rows_of_mine.csv"), "layer,delta\n1,0.5\n").unwrap();
    let mut session = Session::start(folder.path());
    session.give("let model = load_model(\"mora/tiny-ipd\"); let rows = read_csv(\"rows_of_mine.csv\");");
    session.give("let settings_of_mine = #{ learning_rate: 0.1 }; fn my_function(a, b) { a + b }");
    session.give("import \"games\" as games;");
    session.expect("settings_of\t", "settings_of_mine");
    session.expect("my_fun\t", "my_function(");
    session.expect("model.patch_sw\t", "model.patch_sweep(");
    session.expect("settings_of_mine.lear\t", "settings_of_mine.learning_rate");
    session.expect("model.patch_sweep([], #{ recei\t", "receivers: ");
    session.expect("model.patch_sweep([], #{ engine: \"nai\t", "engine: \"naive");
    session.expect("model.run_with_hooks([], #{ \"blocks.3.hook_mlp\t", "blocks.3.hook_mlp_out");
    session.expect("model.run_with_hooks([], #{ \"blocks.*.hook_resid_p\t\t", "hook_resid_pre");
    session.expect("load_adapter(\"mora/tiny-ipd/PT3_D\t", "mora/tiny-ipd/PT3_De");
    session.expect("rows.column(\"del\t", "rows.column(\"delta");
    session.expect("read_csv(\"rows_of\t", "rows_of_mine.csv");
    session.expect("games::ga\t", "games::game");
    session.expect("import \"interac\t", "import \"interaction");
    session.expect(":mem\t", ":memory");
    session.expect(":load rows_of\t", ":load rows_of_mine.csv");
    // A hint shows how to call what is being called.
    session.expect("my_function(", "a, b)");
    session.leave();
}

#[test]
fn ctrl_c_stops_what_runs_and_keeps_the_session() {
    let folder = folder();
    let mut session = Session::start(folder.path());
    session.give("let model = load_model(\"mora/tiny-ipd\"); let done = [];");
    for long in [
        "loop { done.push(1); }",
        "model.run_with_hooks(\"They chose\", #{ \"blocks.*.hook_mlp_out\": |act| { sleep(0.3); () } })",
        "sleep(100)",
    ] {
        session.0.send(&format!("done.push(0); print(\"be\" + \"gun\"); {long}\r"));
        session.0.wait_for("begun");
        session.0.send(CTRL_C);
        session.0.wait_for("interrupted");
        session.0.wait_for(PROMPT);
    }
    assert!(session.give("done.len() > 0").contains("\ntrue\n"));
    assert!(session.give("model.n_layers").contains("\n26\n"));
    session.leave();
}

#[test]
fn a_saved_session_is_a_script_that_runs() {
    let folder = folder();
    let mut session = Session::start(folder.path());
    for line in [
        "let x = 20;",
        "fn double(v) { v * 2 }",
        "double(x) // a remark",
        ":type [1, 2]",
        "_ + 2",
        "let wrong = 1; wrong + nothing",
        "let kept = 5; throw \"late\"; let never = 1;",
        "let mistake = 0;",
        ":undo",
        "kept + _",
    ] {
        session.give(line);
    }
    assert!(session.give("mistake").contains("no variable \"mistake\""));
    assert!(session.give(":save mine").contains("wrote mine.rhai"));
    assert!(session.give(":save mine").contains(":save! mine.rhai replaces it"));
    session.leave();
    let output = Command::new(env!("CARGO_BIN_EXE_mora"))
        .current_dir(folder.path())
        .args(["script", "mine.rhai"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "40\n42\n47\n");
}

#[test]
fn a_saved_session_runs_whatever_was_typed() {
    let folder = folder();
    let mut session = Session::start(folder.path());
    for line in [
        "type_of(_);",
        "let m = #{ a: 1 }",
        "m.a",
        "let g = |x| { x }",
        "let a = 1 // one",
        "40 + 2; // six",
        "fn f() { 1 }",
        "fn f() { 2 }",
        "g.call(f())",
        "fn h() { 1 } throw \"early\"",
        "fn h() { 2 }",
        "a = 5; throw \"late\"",
        "a",
        "[1, 2].map(|v| v * 2)",
        ":type [1].map(|v| v)",
        "let undone = 1;",
        "a += 1;",
        ":undo",
        "let a = [7]; a[3]; let a = 9;",
        "a",
        "const SEEN = 4;",
        // A function of a script sees no constant: what is refused now would be then.
        "fn sees() { SEEN }",
        "fn beside(SEEN) { \"SEEN\" + SEEN } SEEN",
    ] {
        session.give(line);
    }
    session.give(":save all");
    session.leave();
    let output = Command::new(env!("CARGO_BIN_EXE_mora"))
        .current_dir(folder.path())
        .args(["script", "all.rhai"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "()\n1\n42\n2\n5\n[2, 4]\n[7]\n4\n");
}

#[test]
fn undo_gives_back_what_a_definition_hid() {
    let folder = folder();
    let mut session = Session::start(folder.path());
    session.give("let x = 1; let log = [];");
    session.give("fn f() { 1 }");
    session.give("fn f() { 2 }");
    session.give("log.push(\"kept\");");
    assert!(session.give("f()").contains("\n2\n"));
    assert!(session.give(":undo").contains("forgot f()"));
    assert!(session.give("f()").contains("\n1\n"));
    session.give("let x = 2;");
    session.give("log.push(\"kept\");");
    assert!(session.give(":undo").contains("forgot x"));
    assert!(session.give("[x, log.len()]").contains("\n[1, 2]\n"));
    session.give(":clear");
    assert!(session.give("x").contains("no variable \"x\""));
    session.leave();
}

#[test]
fn commands_do_what_they_say() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("inner")).unwrap();
    std::fs::write(folder.path().join("inner/part.rhai"), "let loaded = setting(\"size\", 3) * 2; loaded")
        .unwrap();
    let mut session = Session::start(folder.path());
    assert!(session.give(":help").contains(":undo"));
    assert!(session.give(":help patch_sweep").contains("Model.patch_sweep("));
    assert!(session.give(":doc bootstrap interval").contains("bootstrap"));
    assert!(session.give(":type randn([2, 3])").contains("Tensor"));
    assert!(session.give(":ls").contains("inner/"));
    assert!(session.give(":cd inner").contains("inner\n"));
    session.give(":set size=7");
    assert!(session.give(":load part").contains("\n14\n"));
    assert!(session.give("loaded").contains("\n14\n"));
    session.give("const LIMIT = 2.5; fn f(a) { a } import \"games\" as g;");
    let variables = session.give(":vars");
    for part in ["LIMIT", "const number", "loaded", "fn f(a)", "import g"] {
        assert!(variables.contains(part), "{part}: {variables}");
    }
    session.give("let m = load_model(\"mora/tiny-ipd\");");
    assert!(session.give(":models").contains("m: mora/tiny-ipd (gemma2, 26 layers"));
    let timed = session.give(":time 1 + 1");
    assert!(timed.contains("\n2\n") && timed.contains(" s\n"), "{timed}");
    assert!(session.give(":memory").contains("GiB taken"));
    assert!(session.give(":undu").contains("did you mean \"undo\"?"));
    assert!(session.give(":load").contains(":load needs SCRIPT"));
    session.0.send(":quit\r");
    assert_eq!(session.0.end().1.code(), Some(0));
}

#[test]
fn values_fit_into_the_window() {
    let folder = folder();
    let mut session = Session::start(folder.path());
    session.give(
        "let names = []; let cells = []; for i in 0..40 { names.push(`column_${i}`); cells.push(i * 1.5); }",
    );
    session.give("let rows = []; for i in 0..200 { rows.push(cells); } let table = frame(names, rows);");
    let shown = session.give("table");
    assert!(shown.contains("200 rows × 40 columns") && shown.contains('…'), "{shown}");
    let shown = session.give("#{ table: table, cells: cells, text: `${names}` }");
    assert!(shown.contains("table: 200 rows"), "{shown}");
    for line in shown.lines().filter(|line| !line.starts_with("> ")) {
        assert!(line.chars().count() <= usize::from(COLUMNS), "{line}");
    }
    session.leave();
}

#[test]
fn figures_are_drawn_as_the_terminal_can() {
    let folder = folder();
    let figure = "heatmap(tensor([[1.0, -1.0], [0.5, 0.0]]), #{ title: \"A map\" })";
    let mut session = Session::start(folder.path());
    let shown = session.give_raw(figure);
    assert!(shown.contains("A map") && shown.contains('▀') && shown.contains("\x1b[38;2;"), "{shown:?}");
    session.leave();
    for (name, value, mark) in [
        ("TERM", "xterm-kitty", "\x1b_Ga=T,f=100,"),
        ("TERM_PROGRAM", "iTerm.app", "\x1b]1337;File=inline=1"),
        ("MORA_PICTURES", "sixel", "\x1bPq"),
        ("MORA_PICTURES", "none", "heatmap figure of"),
    ] {
        let mut command = command(folder.path(), &[]);
        command.env(name, value);
        let mut session = Session::of(command);
        let shown = session.give_raw(figure);
        assert!(shown.contains(mark), "{name}={value}: {shown:?}");
        session.leave();
    }
}

#[test]
fn history_is_kept_and_searched() {
    let folder = folder();
    let mut session = Session::start(folder.path());
    session.give("let remembered = 123;");
    session.leave();
    let mut session = Session::start(folder.path());
    session.expect(UP, "let remembered = 123;");
    session.expect(&format!("{CTRL_R}remem"), "let remembered = 123;");
    session.expect(&format!("let rem{RIGHT}"), "let remembered = 123;");
    session.leave();
}

#[test]
fn a_model_is_loaded_at_the_start() {
    let folder = folder();
    let mut session = Session::of(command(folder.path(), &["--model", "mora/tiny-ipd"]));
    assert!(session.give("model.n_heads").contains("\n8\n"));
    session.leave();
}

#[test]
fn piped_input_runs_as_a_script_without_decoration() {
    let folder = folder();
    let given = |flags: &[&str], input: &str| {
        use std::io::Write;
        let mut child = command(folder.path(), flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    };
    let run = |input: &str| given(&[], input);
    let (printed, complained, code) = run("let x = 2;\nfn f(a) {\n    a * 2\n}\nprint(f(x));\nx + 1\n");
    assert_eq!((printed.as_str(), complained.as_str(), code), ("4\n", "", Some(0)));
    let (printed, complained, code) = run("print(1);\nnothing\n");
    assert_eq!((printed.as_str(), code), ("", Some(1)));
    assert!(complained.starts_with("error: no variable \"nothing\"\n --> stdin:2:1"), "{complained}");
    let model = ["--model", "mora/tiny-ipd"];
    let (printed, complained, code) = given(&model, "print(model.n_heads);\n");
    assert_eq!((printed.as_str(), complained.as_str(), code), ("8\n", "", Some(0)));
    let own = "let model = load_model(setting(\"model\", \"none\"));\nprint(model.n_heads);\n";
    assert_eq!(given(&model, own).0, "8\n");
    let (_, complained, _) = given(&model, "print(model.n_heads);\nnothing\n");
    assert!(complained.starts_with("error: no variable \"nothing\"\n --> stdin:2:1"), "{complained}");
}
