//! The command line: the only room that touches the terminal.
//!
//! Exit codes: 0 done, 1 the script or command failed, 2 wrong arguments, 130 stopped with Ctrl-C.

mod definitions;
mod doc;
mod library;
mod limits;
mod paint;
mod progress;
mod repl;
mod script;
mod terminal;
mod test;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::script::diagnostic::Diagnostic;
use crate::script::host::{Host, Options, STACK};
use crate::script::library::Script;
use crate::script::permissions::Permissions;
use crate::script::search;
use crate::{device, interrupt};

/// The script or command failed.
const FAILED: u8 = 1;
/// Wrong arguments.
const USAGE: u8 = 2;
/// Stopped with Ctrl-C, as shells number it.
const INTERRUPTED: u8 = 130;

#[derive(Parser)]
#[command(name = "mora", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a script
    Script(script::Script),
    /// Type and run statements one by one
    Repl(repl::Command),
    /// Explain what scripts can call
    Doc(doc::Doc),
    /// Write what scripts can call as .d.rhai files, for editors with the Rhai language server
    Definitions(definitions::Definitions),
    /// Compare what scripts print with the .out files beside them, and call the test_… functions of modules
    Test(test::Test),
    /// The script library: its modules, their texts, where they are found
    Lib(library::Library),
    /// Write a script to begin with, and its test
    New(library::New),
}

/// What scripts and typed statements run with.
#[derive(Args)]
struct Setup {
    /// The model that the script opens: what its setting "model" gets
    #[arg(long, value_name = "REF")]
    model: Option<String>,
    /// Folder for what the script writes [default: out/<script>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed of random numbers
    #[arg(long, default_value_t = 0, allow_negative_numbers = true, value_parser = seed)]
    seed: u64,
    /// Where models and tensors live: cpu, cuda:N or metal
    #[arg(long, default_value = "cpu", value_parser = device::device)]
    device: candle_core::Device,
    /// Number format of weights: f32, bf16, f16 or f64
    #[arg(long, default_value = "f32", value_parser = device::weight_format)]
    dtype: candle_core::DType,
    /// Give a setting of the script a value; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    settings: Vec<(String, String)>,
    /// No progress bars and no remarks
    #[arg(long, short)]
    quiet: bool,
    /// Stop where the process takes more memory, in GiB
    #[arg(long, value_name = "GIB", allow_negative_numbers = true, value_parser = positive)]
    max_memory: Option<f64>,
    /// Threads to compute with [default: one for each core]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parallel)]
    threads: Option<u16>,
}

/// How a script runs, which may be a stranger's.
#[derive(Args)]
struct Running {
    #[command(flatten)]
    setup: Setup,
    /// Wait where another run writes into the output folder, instead of failing
    #[arg(long)]
    wait: bool,
    /// Let the script read below this folder too; may be repeated
    #[arg(long, value_name = "DIR")]
    allow_read: Vec<PathBuf>,
    /// Let the script write below this folder too, by absolute paths; may be repeated
    #[arg(long, value_name = "DIR")]
    allow_write: Vec<PathBuf>,
    /// Let the script download models that the command line does not name
    #[arg(long)]
    allow_net: bool,
    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = positive)]
    timeout: Option<f64>,
    /// Stop after so many operations of the script, some five to fifteen in a turn of a loop
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = operations)]
    max_operations: Option<u64>,
}

/// A whole number in a range.
fn whole<T: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<T>) -> Result<T> {
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        Error::new(format!("expected a whole number from {least} to {most}, found \"{text}\""))
    })
}

fn seed(text: &str) -> Result<u64> {
    whole(text, 0..=u64::MAX)
}

fn operations(text: &str) -> Result<u64> {
    whole(text, 1..=u64::MAX)
}

/// How many threads or tests there are to be at once.
fn parallel(text: &str) -> Result<u16> {
    whole(text, 1..=u16::MAX)
}

fn positive(text: &str) -> Result<f64> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err(Error::new(format!("expected a number above 0, found \"{text}\""))),
    }
}

fn key_value(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err(Error::new(format!("expected key=value, found \"{text}\""))),
    }
}

impl Running {
    /// A run with nothing allowed beyond what every script may do.
    fn of(setup: Setup) -> Self {
        let (allow_read, allow_write) = (Vec::new(), Vec::new());
        Self {
            setup,
            wait: false,
            allow_read,
            allow_write,
            allow_net: false,
            timeout: None,
            max_operations: None,
        }
    }

    /// The host's options for a script; sets the process up for them.
    fn prepare(self, script: &Script) -> Options {
        let setup = &self.setup;
        // Several values of a setting stand between commas.
        let values = setup.settings.iter().flat_map(|(_, value)| value.split(','));
        let named = values.chain(setup.model.as_deref()).map(str::to_owned).collect();
        // Whoever runs a script means the folder that it lies in, and the library folders, too.
        let mut read = self.allow_read.clone();
        read.extend(script.folder.iter().cloned().chain(search::folders()));
        let permissions =
            Permissions::limited(setup.out.as_deref(), &read, &self.allow_write, self.allow_net, named);
        let (wait, max_operations, timeout) = (self.wait, self.max_operations, self.timeout);
        let options = Options { permissions, wait, max_operations, ..self.setup.prepare() };
        if let Some(seconds) = timeout {
            limits::watch_time(seconds);
        }
        options
    }
}

impl Setup {
    /// The host's options for what a person types, who may do everything; sets the process up for them.
    fn prepare(self) -> Options {
        if let Some(threads) = self.threads {
            // SAFETY: no other thread reads the environment yet: those that watch limits start after this, and the
            // thread pools with the first tensor operation.
            unsafe { std::env::set_var("RAYON_NUM_THREADS", threads.to_string()) };
        }
        if let Some(gib) = self.max_memory {
            limits::watch_memory(gib);
        }
        if !self.quiet {
            progress::install();
        }
        let mut settings: BTreeMap<String, String> = self.settings.into_iter().collect();
        if let Some(model) = self.model {
            settings.insert("model".into(), model);
        }
        Options {
            output: Box::new(terminal::Terminal),
            settings,
            folder: self.out,
            seed: self.seed,
            device: self.device,
            dtype: self.dtype,
            quiet: self.quiet,
            permissions: Permissions::trusted(),
            wait: false,
            max_operations: None,
        }
    }
}

/// Runs the command that the process was given.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // The first Ctrl-C asks the work to stop and leave what it has finished; another one does not wait. A session is
    // not lost by a key that was pressed twice.
    let patience = if matches!(cli.command, Command::Repl(_)) { 3 } else { 1 };
    let handler = ctrlc::set_handler(move || {
        if interrupt::request() >= patience {
            std::process::exit(i32::from(INTERRUPTED));
        }
    });
    if let Err(error) = handler {
        terminal::complain(&format!("warning: Ctrl-C will not stop the work cleanly: {error}"));
    }
    ExitCode::from(match cli.command {
        Command::Script(command) => command.run(),
        Command::Repl(command) => command.run(),
        Command::Doc(command) => command.run(),
        Command::Definitions(command) => command.run(),
        Command::Test(command) => command.run(),
        Command::Lib(command) => command.run(),
        Command::New(command) => command.run(),
    })
}

/// Runs `work` on a thread with the stack that deep scripts need.
fn with_stack(work: impl FnOnce() -> u8 + Send) -> u8 {
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().name("script".into()).stack_size(STACK).spawn_scoped(scope, work);
        match thread {
            Ok(thread) => thread.join().unwrap_or(FAILED),
            Err(error) => complain(&Error::from(error).within("cannot start the script's thread")),
        }
    })
}

/// Shows an error that no place in a script caused, and gives the exit code.
fn complain(error: &Error) -> u8 {
    terminal::fail(&Diagnostic::of_core(error));
    exit_code(error.is_interrupt() && !error.is_limit())
}

/// Shows what a command has to say, or why it failed, and gives the exit code.
fn answer(said: Result<String>) -> u8 {
    match said {
        Ok(text) => {
            terminal::say(&text);
            0
        }
        Err(error) => complain(&error),
    }
}

/// Runs a script to its end, and gives the exit code.
fn run(script: &Script, running: Running) -> u8 {
    match Host::new(script, running.prepare(script)).run(script) {
        Ok(()) => 0,
        Err(failure) => {
            terminal::fail(&failure.diagnostic);
            exit_code(failure.interrupted && failure.limit.is_none())
        }
    }
}

/// Ctrl-C has a code of its own; a limit that was reached is a failure.
fn exit_code(was_stopped_by_hand: bool) -> u8 {
    if was_stopped_by_hand { INTERRUPTED } else { FAILED }
}

/// Shows wrong arguments as clap does, and gives the exit code.
fn usage(subcommand: &str, message: &str) -> u8 {
    let mut command = Cli::command();
    let command = match command.find_subcommand_mut(subcommand) {
        Some(found) => found,
        None => return FAILED,
    };
    terminal::complain(&format!("error: {message}\n\n{}", command.render_usage()));
    USAGE
}
