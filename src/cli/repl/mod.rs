//! `mora repl`: statements typed one by one, with a memory.

mod assistant;
mod commands;
mod complete;
mod known;
mod picture;
mod piped;
mod quoted;
mod show;
mod typed;

use std::cell::RefCell;
use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config, Editor};

use crate::cli::{self, Running, Setup, paint, terminal};
use crate::error::{Context as _, Error, Result};
use crate::interrupt;
use crate::script::host::{Failure, Host};
use crate::script::library::Script;
use crate::script::session::Session;
use crate::script::value::Value;
use assistant::Assistant;
use commands::Next;
use picture::Protocol;

/// Lines of the history that are kept.
const HISTORY: usize = 10_000;

#[derive(Args)]
pub struct Command {
    #[command(flatten)]
    setup: Setup,
}

/// The engine and what was typed so far; the line editor looks at it too.
pub struct Typing {
    pub host: Host,
    pub session: Session,
}

/// A session at a terminal.
pub struct Repl {
    typing: Rc<RefCell<Typing>>,
    editor: Editor<Assistant, DefaultHistory>,
    protocol: Protocol,
    history: Option<PathBuf>,
}

impl Command {
    pub fn run(self) -> u8 {
        let setup = self.setup;
        cli::with_stack(move || {
            let done = if std::io::stdin().is_terminal() { typed(setup) } else { piped(setup) };
            done.unwrap_or_else(|error| cli::complain(&error))
        })
    }
}

/// Runs what is piped in as a script, which may be a stranger's: nothing is shown but what it prints.
fn piped(setup: Setup) -> Result<u8> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).within(|| "stdin")?;
    if let Some(model) = &setup.model {
        text = piped::with_model(&text, model);
    }
    let script = Script { name: "stdin".into(), source: "stdin".into(), text, folder: Some(PathBuf::new()) };
    Ok(cli::run(&script, Running::of(setup)))
}

fn typed(mut setup: Setup) -> Result<u8> {
    let protocol = Protocol::of_terminal(|name| std::env::var(name).ok())?;
    // `:cd` does not move the output folder.
    let folder = setup.out.take().unwrap_or_else(|| PathBuf::from("out").join("repl"));
    setup.out = Some(std::path::absolute(&folder).within(|| folder.display().to_string())?);
    let model = setup.model.clone();
    let script = Script { name: "repl".into(), source: "repl".into(), text: String::new(), folder: None };
    let host = Host::new(&script, setup.prepare());
    let typing = Rc::new(RefCell::new(Typing { host, session: Session::default() }));
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .auto_add_history(true)
        .max_history_size(HISTORY)
        .map_err(readline)?
        .build();
    let mut editor = Editor::with_config(config).map_err(readline)?;
    editor.set_helper(Some(Assistant::new(typing.clone())));
    let mut repl = Repl { typing, editor, protocol, history: history_file() };
    if let Some(path) = &repl.history {
        // There is none the first time.
        let _ = repl.editor.load_history(path);
    }
    let greeting =
        format!("mora {}. :help lists commands, Tab completes, Ctrl-D leaves.", env!("CARGO_PKG_VERSION"));
    terminal::say(&paint::faint(greeting).to_string());
    if let Some(reference) = model {
        let input = format!("let model = load_model(setting(\"model\", {reference:?}));");
        terminal::say(&format!("{}{}", paint::strong("> "), paint::code(&input)));
        repl.evaluate(&format!("{input} model"));
    }
    repl.serve()
}

fn readline(error: ReadlineError) -> Error {
    Error::new(error.to_string())
}

impl Repl {
    fn serve(&mut self) -> Result<u8> {
        loop {
            // Completion runs parts of the engine, which an old Ctrl-C would stop.
            interrupt::clear();
            match self.editor.readline("> ") {
                Ok(input) => {
                    interrupt::clear();
                    self.remember();
                    if let Next::Ends = self.take(input.trim()) {
                        return Ok(0);
                    }
                }
                // Ctrl-C at the prompt drops the line.
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(0),
                Err(error) => return Err(readline(error)),
            }
        }
    }

    fn take(&mut self, input: &str) -> Next {
        match input.strip_prefix(':') {
            _ if input.is_empty() => Next::Goes,
            Some(command) => self.command(command).unwrap_or_else(|error| {
                cli::complain(&error);
                Next::Goes
            }),
            None if matches!(input, "exit" | "quit") => Next::Ends,
            None => {
                self.evaluate(input);
                Next::Goes
            }
        }
    }

    /// Evaluates an input and shows what it gives.
    fn evaluate(&mut self, input: &str) {
        self.evaluated(|host, session| host.evaluate(session, input));
    }

    fn evaluated(&mut self, evaluate: impl FnOnce(&mut Host, &mut Session) -> Result<Value, Failure>) {
        let mut typing = self.typing.borrow_mut();
        let Typing { host, session } = &mut *typing;
        match evaluate(host, session) {
            Ok(value) if value.is_unit() => {}
            Ok(value) => terminal::say(&show::shown(host, &value, self.protocol)),
            Err(failure) => terminal::fail(&failure.diagnostic),
        }
    }

    /// Keeps the history on disk after each line: a session that is killed loses none.
    fn remember(&mut self) {
        if let Some(path) = &self.history {
            // A history that cannot be kept is no reason to fail.
            let _ = self.editor.append_history(path);
        }
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
