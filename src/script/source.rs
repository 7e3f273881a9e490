//! The texts that run: the script, the modules it imports, the lines of a session.
//!
//! Diagnostics quote them and the run record hashes them. Each is kept under the name by which Rhai
//! knows it, which is also how people know it: a path, or `mora:ipd` for a module inside the program.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How the names of a session's inputs begin; what one input defines, the next ones see.
pub const INPUT: &str = "input ";

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
pub struct Sources(Rc<RefCell<BTreeMap<String, Source>>>);

impl Sources {
    /// Keeps a text under `name`; a text of that name is replaced.
    pub fn insert(&self, name: &str, text: &str, folder: Option<&Path>) {
        let source = Source { text: text.into(), folder: folder.map(Path::to_owned) };
        self.0.borrow_mut().insert(name.to_owned(), source);
    }

    /// The text called `name`.
    pub fn get(&self, name: &str) -> Option<Source> {
        self.0.borrow().get(name).cloned()
    }

    /// All texts, in the order of their names.
    pub fn texts(&self) -> Vec<Rc<str>> {
        self.0.borrow().values().map(|source| source.text.clone()).collect()
    }

    /// What the text called `name` sees without an import: itself, and in a session all inputs.
    pub fn visible_from(&self, name: &str) -> String {
        let sources = self.0.borrow();
        let is_input = name.starts_with(INPUT);
        let seen =
            sources.iter().filter(|(other, _)| *other == name || (is_input && other.starts_with(INPUT)));
        seen.map(|(_, source)| &*source.text).collect::<Vec<_>>().join("\n")
    }
}
