//! What begins with a colon: commands about the session, which are no part of a script.

use std::path::Path;
use std::time::Instant;

use rustyline::history::History;

use crate::cli::repl::Repl;
use crate::cli::repl::show;
use crate::cli::{paint, terminal};
use crate::error::{Context as _, Error, Result, did_you_mean};
use crate::memory;
use crate::model::reference::embedded::MODELS;
use crate::save::write_whole;
use crate::script::search::Search;
use crate::script::value::type_name;
use crate::script::{help, library};

/// A command.
pub struct Command {
    pub name: &'static str,
    /// What may stand after it.
    pub argument: &'static str,
    pub about: &'static str,
}

/// All commands, in the order in which `:help` lists them.
pub const COMMANDS: [Command; 17] = [
    Command { name: "help", argument: "[NAME]", about: "these commands, or what NAME is" },
    Command {
        name: "doc",
        argument: "[NAME|WORD …]",
        about: "what scripts can call: an overview, a name, a search",
    },
    Command { name: "type", argument: "EXPRESSION", about: "the type of a value, and its shape" },
    Command { name: "vars", argument: "", about: "variables, functions and imports of this session" },
    Command { name: "models", argument: "", about: "the models of this session, and those inside mora" },
    Command {
        name: "load",
        argument: "SCRIPT",
        about: "run a script as if it was typed here, with all that you may do",
    },
    Command {
        name: "save",
        argument: "FILE",
        about: "write this session as a script; :save! FILE replaces a file",
    },
    Command { name: "time", argument: "EXPRESSION", about: "evaluate, and say how long it took" },
    Command { name: "memory", argument: "", about: "the memory that this process has" },
    Command { name: "undo", argument: "", about: "take back the last input that defined something" },
    Command {
        name: "set",
        argument: "[KEY=VALUE]",
        about: "give a setting of scripts a value; alone, list them",
    },
    Command { name: "clear", argument: "", about: "forget all variables, functions and imports" },
    Command { name: "cd", argument: "[DIR]", about: "change the working folder; alone, say it" },
    Command { name: "ls", argument: "[DIR]", about: "list a folder" },
    Command { name: "history", argument: "[N]", about: "the last lines typed" },
    Command { name: "output", argument: "", about: "the folder that this session writes to" },
    Command { name: "quit", argument: "", about: "leave; Ctrl-D does too" },
];

/// What the loop does next.
pub enum Next {
    Goes,
    Ends,
}

impl Repl {
    /// Runs a command, given without its colon.
    ///
    /// # Errors
    /// No such command, an argument that is missing or wrong, or the command failed.
    pub fn command(&mut self, text: &str) -> Result<Next> {
        let (name, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let argument = argument.trim();
        match name {
            "help" | "h" | "?" if argument.is_empty() => terminal::say(&listed()),
            "help" | "h" | "?" | "doc" => terminal::say(&self.doc(argument)?),
            "type" | "t" => self.say_type(needed(name, argument)?),
            "vars" => terminal::say(&self.variables()),
            "models" => terminal::say(&self.models()),
            "load" => {
                let script = library::find(&expanded(needed(name, argument)?))?;
                self.evaluated(|host, session| host.evaluate_script(session, &script));
            }
            "save" => self.save(needed(name, argument)?, false)?,
            "save!" => self.save(needed(name, argument)?, true)?,
            "time" => {
                let expression = needed(name, argument)?.to_owned();
                let begun = Instant::now();
                self.evaluate(&expression);
                terminal::say(&paint::faint(format!("{:.3} s", begun.elapsed().as_secs_f64())).to_string());
            }
            "memory" => terminal::say(&memory_taken()?),
            "undo" => {
                let mut typing = self.typing.borrow_mut();
                let typing = &mut *typing;
                let names = typing.host.undo(&mut typing.session);
                terminal::say(&match names.is_empty() {
                    true => "nothing to take back".to_owned(),
                    false => format!("forgot {}", names.join(", ")),
                });
            }
            "set" => self.set(argument)?,
            "clear" => {
                let mut typing = self.typing.borrow_mut();
                let typing = &mut *typing;
                typing.host.forget(&mut typing.session);
                terminal::say("forgot everything");
            }
            "cd" if argument.is_empty() => terminal::say(&working_folder()?),
            "cd" => {
                let folder = expanded(argument);
                std::env::set_current_dir(&folder).within(|| folder.clone())?;
                terminal::say(&working_folder()?);
            }
            "ls" => terminal::say(&entries(argument)?),
            "history" => {
                let count = if argument.is_empty() { 20 } else { number(argument)? };
                let history = self.editor.history();
                let skipped = history.len().saturating_sub(count);
                history.iter().skip(skipped).for_each(|line| terminal::say(line));
            }
            "output" => {
                terminal::say(&self.typing.borrow().host.context().run().folder().display().to_string())
            }
            "quit" | "q" | "exit" => return Ok(Next::Ends),
            other => {
                let error = Error::new(format!("no command \":{other}\""));
                return Err(match did_you_mean(other, COMMANDS.iter().map(|command| command.name)) {
                    Some(hint) => error.hint(hint),
                    None => error.hint(":help lists the commands"),
                });
            }
        }
        Ok(Next::Goes)
    }

    fn doc(&self, argument: &str) -> Result<String> {
        let words: Vec<String> = argument.split_whitespace().map(str::to_owned).collect();
        let typing = self.typing.borrow();
        if let Some(command) =
            COMMANDS.iter().find(|command| argument.trim_start_matches(':') == command.name)
            && argument.starts_with(':')
        {
            return Ok(format!(":{} {}\n    {}", command.name, command.argument, command.about));
        }
        let asked = words.first().map_or("", String::as_str);
        let library = Search::default().docs(Some(Path::new("")), asked, |_| true);
        help::look_up(typing.host.registry()?, &library, &words)
    }

    fn say_type(&mut self, expression: &str) {
        let mut typing = self.typing.borrow_mut();
        let typing = &mut *typing;
        match typing.host.look_at(&mut typing.session, expression) {
            Ok(value) => {
                let (columns, _) = terminal::size();
                let kind = type_name(&value);
                let said = show::line(&typing.host, &value, columns.saturating_sub(kind.len() + 2));
                terminal::say(&format!("{}  {}", paint::strong(&kind), paint::faint(said)));
            }
            Err(failure) => terminal::fail(&failure.diagnostic),
        }
    }

    fn variables(&self) -> String {
        let typing = self.typing.borrow();
        let (columns, _) = terminal::size();
        let variables = typing.session.variables();
        let rows: Vec<(String, String, String)> = variables
            .iter()
            .map(|(name, value, is_constant)| {
                let kind =
                    if *is_constant { format!("const {}", type_name(value)) } else { type_name(value) };
                (name.clone(), kind, show::line(&typing.host, value, columns))
            })
            .collect();
        let width = |part: fn(&(String, String, String)) -> &str| {
            rows.iter().map(|row| part(row).chars().count()).max().unwrap_or(0)
        };
        let (names, kinds) = (width(|row| &row.0), width(|row| &row.1));
        let left = columns.saturating_sub(names + kinds + 4);
        let mut lines: Vec<String> = rows
            .iter()
            .zip(&variables)
            .map(|((name, kind, _), (_, value, _))| {
                let said = show::line(&typing.host, value, left);
                format!("{name:names$}  {}  {said}", paint::faint(format!("{kind:kinds$}")))
            })
            .collect();
        lines.extend(typing.session.functions().into_iter().map(|signature| format!("fn {signature}")));
        lines.extend(typing.session.imports().into_iter().map(|alias| format!("import {alias}")));
        if lines.is_empty() { "nothing yet".to_owned() } else { lines.join("\n") }
    }

    fn models(&self) -> String {
        let typing = self.typing.borrow();
        let loaded =
            typing.session.variables().into_iter().filter(|(_, value, _)| type_name(value) == "Model");
        let mut lines: Vec<String> =
            loaded.map(|(name, value, _)| format!("{name}: {}", typing.host.show(value))).collect();
        if lines.is_empty() {
            lines.push("none is loaded: let model = load_model(\"mora/tiny-ipd\")".into());
        }
        let embedded: Vec<String> = MODELS.iter().map(|model| format!("mora/{}", model.name)).collect();
        lines.push(paint::faint(format!("inside mora: {}", embedded.join(", "))).to_string());
        lines.join("\n")
    }

    fn save(&mut self, path: &str, replaces: bool) -> Result<()> {
        let path = match library::is_script(Path::new(path)) {
            true => expanded(path),
            false => library::file_of(&expanded(path)),
        };
        if Path::new(&path).exists() && !replaces {
            return Err(Error::new(format!("{path} exists")).hint(format!(":save! {path} replaces it")));
        }
        let text = self.typing.borrow().session.script();
        if text.is_empty() {
            return Err(Error::new("nothing was typed that could be saved"));
        }
        write_whole(Path::new(&path), |file| Ok(file.write_all(text.as_bytes())?))?;
        let given = self.typing.borrow().host.context().settings().given();
        let given: String = given.iter().map(|(key, value)| format!(" --set {key}={value}")).collect();
        terminal::say(&format!("wrote {path}: mora script {path}{given} runs it"));
        Ok(())
    }

    fn set(&mut self, argument: &str) -> Result<()> {
        let typing = self.typing.borrow();
        let settings = typing.host.context().settings();
        if argument.is_empty() {
            let given = settings.given();
            let lines: Vec<String> = given.iter().map(|(key, value)| format!("{key}={value}")).collect();
            terminal::say(&if lines.is_empty() { "nothing is set".to_owned() } else { lines.join("\n") });
            return Ok(());
        }
        let (key, value) = argument
            .split_once('=')
            .or_else(|| argument.split_once(' '))
            .filter(|(key, _)| !key.trim().is_empty())
            .ok_or_else(|| Error::new(format!("expected key=value, found \"{argument}\"")))?;
        settings.give(key.trim(), value.trim());
        Ok(())
    }
}

/// The commands, one a line.
fn listed() -> String {
    let heads = COMMANDS.map(|command| format!(":{} {}", command.name, command.argument));
    let width = heads.iter().map(|head| head.chars().count()).max().unwrap_or(0);
    let mut lines: Vec<String> = heads
        .iter()
        .zip(&COMMANDS)
        .map(|(head, command)| format!("{}  {}", paint::strong(format!("{head:width$}")), command.about))
        .collect();
    lines.push(String::new());
    lines.push(
        "Everything else is a statement of a script: `let model = load_model(\"mora/tiny-ipd\")`.".into(),
    );
    lines.push(
        "`_` is the last value. Tab completes, Ctrl-R searches what was typed, Ctrl-C stops what runs."
            .into(),
    );
    lines.join("\n")
}

fn needed<'a>(command: &str, argument: &'a str) -> Result<&'a str> {
    let known = COMMANDS.iter().find(|known| known.name == command.trim_end_matches('!'));
    let wanted = known.map_or("an argument", |command| command.argument);
    match argument.is_empty() {
        true => Err(Error::new(format!(":{command} needs {wanted}"))),
        false => Ok(argument),
    }
}

fn number(text: &str) -> Result<usize> {
    text.parse().map_err(|_| Error::new(format!("expected a number, found \"{text}\"")))
}

fn working_folder() -> Result<String> {
    Ok(std::env::current_dir().within(|| "the working folder")?.display().to_string())
}

/// A path with `~` as the home folder.
fn expanded(path: &str) -> String {
    match (path.strip_prefix('~'), std::env::home_dir()) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", home.display())
        }
        _ => path.to_owned(),
    }
}

/// Names in a folder, folders with a slash, as many in a line as fit.
fn entries(folder: &str) -> Result<String> {
    let folder = if folder.is_empty() { ".".to_owned() } else { expanded(folder) };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).within(|| folder.clone())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(if entry.path().is_dir() { format!("{name}/") } else { name });
        }
    }
    names.sort();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) + 2;
    let in_line = (terminal::size().0 / width).max(1);
    let line = |names: &[String]| {
        names.iter().map(|name| format!("{name:width$}")).collect::<String>().trim_end().to_owned()
    };
    Ok(names.chunks(in_line).map(line).collect::<Vec<_>>().join("\n"))
}

fn memory_taken() -> Result<String> {
    let gib = |bytes: usize| format!("{:.2} GiB", bytes as f64 / f64::from(1 << 30));
    let taken =
        memory::resident().ok_or_else(|| Error::new("this system does not say how much memory is taken"))?;
    let mut text = format!("{} taken", gib(taken));
    if let Some(most) = memory::most_resident() {
        text.push_str(&format!(", at most {} so far", gib(most)));
    }
    if let Some(free) = memory::available() {
        text.push_str(&format!("; {} free on this machine", gib(free)));
    }
    Ok(text)
}
