//! The texts that run: the script, the modules it imports, the lines of a session.
//!
//! Diagnostics quote them and the run record hashes them. Each is kept under the name by which Rhai
//! knows it, which is also how people know it: a path, or `mora:ipd` for a module inside the program.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rhai::AST;

use crate::error::{Context as _, Result};

/// How the names of a session's inputs begin; what one input defines, the next ones see.
pub const INPUT: &str = "input ";

/// How Rhai begins the name of a closure's function.
pub const CLOSURE: &str = "anon$";

/// One text.
#[derive(Debug, Clone)]
pub struct Source {
    /// The whole text.
    pub text: Rc<str>,
    /// The folder it lies in, for imports relative to it; none for what is inside the program.
    pub folder: Option<PathBuf>,
}

/// All texts of a run.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    texts: Rc<RefCell<BTreeMap<String, Source>>>,
    /// The texts in which a closure of that name is written: several, where they write the same.
    closures: Rc<RefCell<BTreeMap<String, Vec<String>>>>,
}

impl Sources {
    /// Keeps a text under `name`; a text of that name is replaced.
    pub fn insert(&self, name: &str, text: &str, folder: Option<&Path>) {
        let source = Source { text: text.into(), folder: folder.map(Path::to_owned) };
        self.texts.borrow_mut().insert(name.to_owned(), source);
    }

    /// Forgets the text called `name`.
    pub fn remove(&self, name: &str) {
        self.texts.borrow_mut().remove(name);
    }

    /// Remembers where the closures of a compiled text are written: Rhai names the text that calls one instead.
    pub fn note_closures(&self, name: &str, ast: &AST) {
        let mut closures = self.closures.borrow_mut();
        for closure in ast.iter_functions().filter(|function| function.name.starts_with(CLOSURE)) {
            let places = closures.entry(closure.name.to_owned()).or_default();
            if !places.iter().any(|place| place == name) {
                places.push(name.to_owned());
            }
        }
    }

    /// The text in which the closure called `closure` is written: `otherwise` where it is one of them, or none is known.
    pub fn of_closure(&self, closure: &str, otherwise: &str) -> String {
        let closures = self.closures.borrow();
        let places = closures.get(closure).map(Vec::as_slice).unwrap_or_default();
        let found = places.iter().find(|place| *place == otherwise).or_else(|| places.first());
        found.map_or_else(|| otherwise.to_owned(), Clone::clone)
    }

    /// The text called `name`.
    pub fn get(&self, name: &str) -> Option<Source> {
        self.texts.borrow().get(name).cloned()
    }

    /// All texts, in the order of their names.
    pub fn texts(&self) -> Vec<Rc<str>> {
        self.texts.borrow().values().map(|source| source.text.clone()).collect()
    }

    /// What the text called `name` sees without an import: itself, and in a session all inputs.
    pub fn visible_from(&self, name: &str) -> String {
        let sources = self.texts.borrow();
        let is_input = name.starts_with(INPUT);
        let seen =
            sources.iter().filter(|(other, _)| *other == name || (is_input && other.starts_with(INPUT)));
        seen.map(|(_, source)| &*source.text).collect::<Vec<_>>().join("\n")
    }
}
/// The text of a script's file, without the mark that some editors put in front.
///
/// # Errors
/// The file cannot be read, or is no UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).within(|| path.display().to_string())?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
