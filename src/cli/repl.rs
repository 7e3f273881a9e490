//! `mora repl`: statements typed one by one, with a memory.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use crate::cli::{self, Setup, terminal};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::script::host::{Host, Session};
use crate::script::library::Script;

#[derive(Args)]
pub struct Repl {
    #[command(flatten)]
    setup: Setup,
}

/// The engine and what was typed so far; the line editor looks at it too.
struct Shared {
    host: Host,
    session: Session,
}

struct Assistant(Rc<RefCell<Shared>>);

impl Repl {
    pub fn run(self) -> u8 {
        let setup = self.setup;
        cli::with_stack(move || match session(setup) {
            Ok(()) => 0,
            Err(error) => cli::complain(&error),
        })
    }
}

fn session(setup: Setup) -> Result<()> {
    let script = Script { name: "repl".into(), source: "repl".into(), text: String::new(), folder: None };
    let host = Host::new(&script, setup.prepare());
    let shared = Rc::new(RefCell::new(Shared { host, session: Session::default() }));
    let readline = |error: ReadlineError| Error::new(error.to_string());
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
    let mut editor: Editor<Assistant, DefaultHistory> = Editor::with_config(config).map_err(readline)?;
    editor.set_helper(Some(Assistant(shared.clone())));
    let history = history_file();
    if let Some(path) = &history {
        let _ = editor.load_history(path);
    }
    terminal::say(&format!(
        "mora {}. help() lists what there is, help(\"name\") explains it; Ctrl-D leaves.",
        env!("CARGO_PKG_VERSION")
    ));
    loop {
        match editor.readline("> ") {
            Ok(input) if matches!(input.trim(), "exit" | "quit") => break,
            Ok(input) => {
                interrupt::clear();
                evaluate(&mut shared.borrow_mut(), &input);
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(readline(error)),
        }
    }
    if let Some(path) = &history {
        // A history that cannot be kept is no reason to fail.
        let _ = editor.save_history(path);
    }
    Ok(())
}

fn evaluate(shared: &mut Shared, input: &str) {
    if input.trim().is_empty() {
        return;
    }
    let Shared { host, session } = shared;
    match host.evaluate(session, input) {
        Ok(value) if value.is_unit() => {}
        Ok(value) => terminal::say(&host.show(value)),
        Err(failure) => terminal::complain(&failure.diagnostic.to_string()),
    }
}

/// Where the history is kept: `$XDG_STATE_HOME/mora/history`, or below the home folder.
fn history_file() -> Option<PathBuf> {
    let state = match std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => std::env::home_dir()?.join(".local").join("state"),
    };
    let folder = state.join("mora");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        let shared = self.0.borrow();
        Ok(match shared.host.is_incomplete(&shared.session, context.input()) {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(&self, line: &str, end: usize, _: &Context) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..end).unwrap_or(line);
        let start = before
            .rfind(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let word = &before[start..];
        if word.is_empty() {
            return Ok((end, Vec::new()));
        }
        let shared = self.0.borrow();
        let names = shared.host.names(&shared.session);
        Ok((start, names.into_iter().filter(|name| name.starts_with(word)).collect()))
    }
}

impl Hinter for Assistant {
    type Hint = String;
}

impl Highlighter for Assistant {}

impl Helper for Assistant {}
