//! The engine with everything in it: makes one, runs a script, explains what went wrong.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{DType, Device};
use rhai::{AST, Dynamic, Engine, EvalAltResult, Position, Scope};

use crate::device::device_name;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::script::context::{Context, Output, Parts};
use crate::script::diagnostic::Diagnostic;
use crate::script::error::{ScriptResult, core_error, is_interrupt};
use crate::script::functions;
use crate::script::library::Script;
use crate::script::permissions::Permissions;
use crate::script::registry::Registry;
use crate::script::resolver::Resolver;
use crate::script::run::{Folder, Outcome, Run, Surroundings, sha256};
use crate::script::settings::{Declared, Import, Settings, declared};

/// Short texts that an engine keeps one copy of, as many as Rhai's own default.
const STRINGS: usize = 256;
/// Script functions may call each other this deep.
const CALL_DEPTH: usize = 200;

/// Expressions may nest this deep, at the top of a script and in functions.
const EXPRESSION_DEPTH: usize = 256;

/// Stack in bytes that a thread needs to run scripts: in a debug build a script at both limits takes a
/// quarter of it. It is address space, and memory only where it is used.
pub const STACK: usize = 256 << 20;

/// How a script runs.
pub struct Options {
    /// Where the script's words go.
    pub output: Box<dyn Output>,
    /// Settings given from outside, as key and text.
    pub settings: BTreeMap<String, String>,
    /// The output folder; `out/<script>` where none is given.
    pub folder: Option<PathBuf>,
    /// Seed of random numbers.
    pub seed: u64,
    /// Device that models and tensors live on.
    pub device: Device,
    /// Number format of weights.
    pub dtype: DType,
    /// No remarks.
    pub quiet: bool,
    /// What the script may read and download.
    pub permissions: Permissions,
    /// Wait while another run writes into the output folder.
    pub wait: bool,
    /// Operations that the script may take; none for as many as it wants.
    pub max_operations: Option<u64>,
}

/// A script that failed.
#[derive(Debug)]
pub struct Failure {
    /// Why and where.
    pub diagnostic: Box<Diagnostic>,
    /// It was stopped: by a person, or by a limit.
    pub interrupted: bool,
    /// The limit that it reached.
    pub limit: Option<String>,
}

/// The engine with everything in it.
pub struct Host {
    pub(super) engine: Engine,
    pub(super) context: Context,
    pub(super) resolver: Resolver,
    registry: OnceCell<Registry>,
}

impl Host {
    /// A host for `script`.
    pub fn new(script: &Script, options: Options) -> Self {
        let surroundings = Surroundings {
            script: script.name.clone(),
            script_sha256: sha256(script.text.as_bytes()),
            seed: options.seed,
            device: device_name(&options.device),
            dtype: options.dtype.as_str().to_owned(),
        };
        let folder = options.folder.map_or_else(|| Folder::usual(&script.name), Folder::Chosen);
        let context = Context::new(Parts {
            output: options.output,
            settings: Settings::new(options.settings),
            run: Run::begin(folder, surroundings),
            seed: options.seed,
            device: options.device,
            dtype: options.dtype,
            quiet: options.quiet,
            permissions: options.permissions,
            wait: options.wait,
        });
        context.sources().insert(&script.source, &script.text, script.folder.as_deref());
        let resolver = Resolver::new(context.clone());
        let engine = engine(&context, &resolver, options.max_operations);
        Self { engine, context, resolver, registry: OnceCell::new() }
    }

    /// Refuses texts, arrays and maps of more than so many characters or elements, those inside counted too. Each
    /// change of an array or a map then costs a look at all of it: for scripts that nobody has read.
    pub fn limit_sizes(&mut self, elements: usize) {
        self.engine.set_max_string_size(elements);
        self.engine.set_max_array_size(elements);
        self.engine.set_max_map_size(elements);
    }

    /// The run that scripts of this host take part in.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Runs `script` to its end and writes the run's record.
    ///
    /// # Errors
    /// The script does not compile, was given a setting that it does not have, or failed.
    pub fn run(&self, script: &Script) -> Result<(), Failure> {
        let result = self.run_unrecorded(script).map_err(|error| self.failure(&error, &script.source));
        let outcome = match &result {
            Ok(()) => Outcome::Completed,
            Err(failure) if failure.interrupted => Outcome::Interrupted,
            Err(_) => Outcome::Failed,
        };
        let limit = result.as_ref().err().and_then(|failure| failure.limit.as_deref());
        let recorded = self.context.run().finish(outcome, limit, &self.context.settings().values());
        result.and(recorded.map_err(|error| Failure::of_core(&error)))
    }

    /// Calls a function of `script` without arguments; as when a module is imported, its other statements run first.
    ///
    /// # Errors
    /// The script does not compile, has no such function, or the function failed.
    pub fn call(&self, script: &Script, function: &str) -> Result<(), Failure> {
        let called = || -> ScriptResult<()> {
            let ast = self.compile(script)?;
            let _ = self.engine.call_fn::<Dynamic>(&mut Scope::new(), &ast, function, ())?;
            Ok(())
        };
        called().map_err(|error| self.failure(&error, &script.source))
    }

    fn run_unrecorded(&self, script: &Script) -> ScriptResult<()> {
        let ast = self.compile(script)?;
        self.check_settings(&ast)?;
        self.context.reserve_folder()?;
        self.engine.run_ast(&ast)?;
        Ok(self.context.settings().check_used()?)
    }

    fn compile(&self, script: &Script) -> ScriptResult<AST> {
        let mut ast = self.engine.compile(&script.text)?;
        ast.set_source(&script.source);
        self.context.sources().note_closures(&script.source, &ast);
        Ok(ast)
    }

    /// Finds misspelt settings in the script and the modules it imports, before any work is done.
    fn check_settings(&self, ast: &AST) -> ScriptResult<()> {
        let mut found = declared(ast);
        let mut open: Vec<(Option<String>, String)> = Vec::new();
        let queue = |open: &mut Vec<_>, ast: &AST, imports: &[Import]| {
            let importer = ast.source().map(str::to_owned);
            open.extend(imports.iter().map(|import| (importer.clone(), import.path.clone())));
        };
        queue(&mut open, ast, &found.imports);
        let mut seen = Vec::new();
        while let Some(import) = open.pop() {
            if seen.contains(&import) {
                continue;
            }
            // A module that cannot be compiled fails where it is imported, with the place of the import.
            if let Ok(module) = self.resolver.compile(&self.engine, import.0.as_deref(), &import.1) {
                let inner = declared(&module);
                queue(&mut open, &module, &inner.imports);
                // An error has a place in the script alone.
                let inner_settings = inner.settings.into_iter();
                found
                    .settings
                    .extend(inner_settings.map(|setting| Declared { position: Position::NONE, ..setting }));
                found.open |= inner.open;
            }
            seen.push(import);
        }
        self.context.settings().check(&found)
    }

    /// What can be called, read at first use.
    ///
    /// # Errors
    /// The engine's metadata cannot be read.
    pub fn registry(&self) -> Result<&Registry> {
        if let Some(registry) = self.registry.get() {
            return Ok(registry);
        }
        let registry = Registry::read()?;
        Ok(self.registry.get_or_init(|| registry))
    }

    /// An engine for this host, without what was defined since.
    pub(super) fn new_engine(&self) -> Engine {
        engine(&self.context, &self.resolver, None)
    }

    pub(super) fn failure(&self, error: &EvalAltResult, source: &str) -> Failure {
        let empty = Registry::default();
        let registry = self.registry().unwrap_or(&empty);
        let diagnostic = Diagnostic::new(error, source, self.context.sources(), registry);
        let core = core_error(error).filter(Error::is_limit);
        let limit = core.map(|error| error.what().to_owned());
        Failure { diagnostic: Box::new(diagnostic), interrupted: is_interrupt(error), limit }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The engine and the context hold each other: the folder would not be left otherwise.
        self.context.run().release();
    }
}

impl Failure {
    fn of_core(error: &Error) -> Self {
        Self {
            diagnostic: Box::new(Diagnostic::of_core(error)),
            interrupted: error.is_interrupt(),
            limit: error.is_limit().then(|| error.what().to_owned()),
        }
    }
}

fn engine(context: &Context, resolver: &Resolver, max_operations: Option<u64>) -> Engine {
    let mut engine = Engine::new_raw();
    engine.set_max_strings_interned(STRINGS);
    engine.set_max_call_levels(CALL_DEPTH);
    engine.set_max_expr_depths(EXPRESSION_DEPTH, EXPRESSION_DEPTH);
    // A misspelt variable is found before the script has worked for an hour, a misspelt property when it is read.
    engine.set_strict_variables(true);
    engine.set_fail_on_invalid_map_property(true);
    // Operators are looked up, so that floats are compared as `careful` has it.
    engine.set_fast_operators(false);
    engine.set_default_tag(Dynamic::from(context.clone()));
    // Rhai's own count begins anew in closures that native functions call.
    let taken = Cell::new(0_u64);
    engine.on_progress(move |_| {
        taken.set(taken.get().saturating_add(1));
        if interrupt::requested() {
            return Some(Dynamic::from(interrupt::stopped()));
        }
        let limit = max_operations.filter(|limit| taken.get() > *limit)?;
        Some(Dynamic::from(
            Error::stopped(format!("stopped: the script took more than --max-operations {limit}"))
                .hint("a loop without an end, or an analysis that needs a higher limit"),
        ))
    });
    let printer = context.clone();
    engine.on_print(move |text| printer.output().print(text));
    let printer = context.clone();
    engine.on_debug(move |text, source, position| {
        let place = match (source, position.line()) {
            (Some(source), Some(line)) => format!("{source}:{line}: "),
            _ => String::new(),
        };
        printer.output().print(&format!("{place}{text}"));
    });
    engine.set_module_resolver(resolver.clone());
    resolver.renaming().install(&mut engine);
    functions::register(&mut engine);
    engine
}
