//! `import "ipd" as ipd`: where modules come from.
//!
//! A path is looked for beside the importing script, then in `./stdlib`, then in each folder of
//! `MORA_PATH`, then in the library inside the program. `./name` and `../name` mean beside the script alone.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rhai::{AST, Engine, EvalAltResult, FnNamespace, Module, ModuleResolver, Position, Scope, Shared};

use crate::error::{Error, Result};
use crate::script::context::Context;
use crate::script::error::ScriptResult;
use crate::script::isolate::Renaming;
use crate::script::search::Search;
use crate::script::source::CLOSURE;

/// Finds, compiles and keeps modules. Clones share what is kept.
#[derive(Clone)]
pub struct Resolver {
    context: Context,
    search: Rc<Search>,
    modules: Rc<RefCell<BTreeMap<String, Shared<Module>>>>,
    /// Makes the names of a module's functions unique while it is compiled.
    renaming: Renaming,
    /// Modules being loaded, outermost first: an import of one of them is a circle.
    loading: Rc<RefCell<Vec<String>>>,
}

/// A module's text and where it was found.
struct Found {
    source: String,
    text: String,
    folder: Option<PathBuf>,
}

impl Resolver {
    /// A resolver that looks in the working folder's `stdlib` and in `MORA_PATH`.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            search: Rc::default(),
            modules: Rc::default(),
            renaming: Renaming::default(),
            loading: Rc::default(),
        }
    }

    /// What the engine's parser has to ask, for modules.
    pub fn renaming(&self) -> &Renaming {
        &self.renaming
    }

    /// Compiles a module without running it, to read what it declares.
    ///
    /// # Errors
    /// No such module, or its text has a syntax error.
    pub fn compile(&self, engine: &Engine, importer: Option<&str>, path: &str) -> ScriptResult<AST> {
        let found = self.find(importer, path)?;
        self.compile_found(engine, &found, Position::NONE)
    }

    /// The text of a module.
    ///
    /// # Errors
    /// No such module.
    pub fn text(&self, importer: Option<&str>, path: &str) -> Result<String> {
        Ok(self.find(importer, path)?.text)
    }

    fn compile_found(&self, engine: &Engine, found: &Found, place: Position) -> ScriptResult<AST> {
        self.context.sources().insert(&found.source, &found.text, found.folder.as_deref());
        let mut ast = engine.compile(&found.text).map_err(|error| {
            Box::new(EvalAltResult::ErrorInModule(found.source.clone(), error.into(), place))
        })?;
        ast.set_source(&found.source);
        self.context.sources().note_closures(&found.source, &ast);
        Ok(ast)
    }

    fn find(&self, importer: Option<&str>, path: &str) -> Result<Found> {
        let importer = importer.and_then(|name| self.context.sources().get(name));
        let beside = importer.and_then(|source| source.folder);
        let place = self.search.find(beside.as_deref(), path)?;
        if let Some(file) = place.file() {
            self.context.permissions().check_read(file)?;
        }
        let folder = place.file().and_then(Path::parent).map(Path::to_owned);
        Ok(Found { source: place.source(), text: place.text()?, folder })
    }

    fn load(&self, engine: &Engine, found: &Found, place: Position) -> ScriptResult<Shared<Module>> {
        if let Some(module) = self.modules.borrow().get(&found.source) {
            return Ok(module.clone());
        }
        let circle = {
            let loading = self.loading.borrow();
            let start = loading.iter().position(|name| *name == found.source);
            start.map(|start| loading[start..].join(" → "))
        };
        if let Some(circle) = circle {
            let circle = format!("modules import each other: {circle} → {}", found.source);
            let error = Error::new(circle).hint("put what both need into a module that imports neither");
            return Err(at(error, place));
        }
        let ast = self.compile_found(engine, found, place)?;
        let mut ast = self.renaming.isolated(engine, &found.text, ast).map_err(|error| {
            Box::new(EvalAltResult::ErrorInModule(found.source.clone(), error.into(), place))
        })?;
        ast.set_source(&found.source);
        self.context.sources().note_closures(&found.source, &ast);
        self.context.run().note_module(&found.source, &found.text);
        self.loading.borrow_mut().push(found.source.clone());
        let module = Module::eval_ast_as_new(Scope::new(), &ast, engine);
        self.loading.borrow_mut().pop();
        let mut module = module
            .map_err(|error| Box::new(EvalAltResult::ErrorInModule(found.source.clone(), error, place)))?;
        module.set_id(&found.source);
        lend_closures(&mut module, &ast);
        let module = Shared::new(module);
        self.modules.borrow_mut().insert(found.source.clone(), module.clone());
        Ok(module)
    }
}

/// Lets the closures that `module` makes be called wherever they are handed to: Rhai looks a closure up by its name,
/// which importers find only where it is in the global namespace. It keeps the module's functions and imports.
#[allow(deprecated)] // How Rhai marks what may change with a version.
fn lend_closures(module: &mut Module, ast: &AST) {
    // Only adding a function tells its hash.
    let mut hashes = Module::new();
    for closure in ast.iter_fn_def().filter(|function| function.name.starts_with(CLOSURE)) {
        let hash = hashes.set_script_fn(closure.clone());
        module.update_fn_namespace(hash, FnNamespace::Global);
    }
    module.build_index();
}

/// The error at the place of an import.
fn at(error: Error, place: Position) -> Box<EvalAltResult> {
    let mut error: Box<EvalAltResult> = error.into();
    error.set_position(place);
    error
}

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        engine: &Engine,
        importer: Option<&str>,
        path: &str,
        place: Position,
    ) -> ScriptResult<Shared<Module>> {
        let found = self.find(importer, path).map_err(|error| at(error, place))?;
        self.load(engine, &found, place)
    }
}
