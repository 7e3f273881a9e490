//! What scripts can call, as definition files for editors with the Rhai language server.

use std::fmt::Write as _;

use rhai::Engine;

use crate::script::modules::{self, ModuleDoc};
use crate::script::reference::Page;
use crate::script::registry::{Entry, Kind, Registry};

/// The definitions of the language, of everything built in, and of each module of the library, as file names and texts.
pub fn files(registry: &Registry) -> Vec<Page> {
    let engine = Engine::new_raw();
    let language = engine.definitions();
    let library = modules::library()
        .into_iter()
        .map(|module| (format!("{}.d.rhai", module.name), module_file(&module)));
    let built_in = ("__static__.d.rhai".to_owned(), built_in(registry));
    let language = language.iter_files().filter(|(name, _)| *name != built_in.0);
    language.chain([built_in.clone()]).chain(library).collect()
}

fn built_in(registry: &Registry) -> String {
    let mut text = String::from("module static;\n");
    for entry in registry.entries.iter().filter(|entry| entry.kind != Kind::Index) {
        text.push('\n');
        text.push_str(&commented(registry.doc_of(entry)));
        let _ = writeln!(text, "{}", declared(entry));
    }
    text
}

fn declared(entry: &Entry) -> String {
    let kinds = || entry.params.iter().map(|(_, kind)| kind_of(kind));
    let named = || {
        entry
            .params
            .iter()
            .map(|(name, kind)| format!("{name}: {}", kind_of(kind)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let returns = if entry.returns.is_empty() { "()" } else { kind_of(&entry.returns) };
    match entry.kind {
        Kind::Operator => {
            format!("op {}({}) -> {returns};", entry.name, kinds().collect::<Vec<_>>().join(", "))
        }
        Kind::Property => format!("fn get {}({}) -> {returns};", entry.name, named()),
        Kind::Assignment => format!("fn set {}({}) -> {returns};", entry.name, named()),
        Kind::Function | Kind::Index => format!("fn {}({}) -> {returns};", entry.name, named()),
    }
}

/// A type's name as Rhai's definitions write it.
fn kind_of(kind: &str) -> &str {
    match kind {
        "integer" => "int",
        "number" => "float",
        "function" => "Fn",
        "any" => "?",
        kind => kind,
    }
}

fn commented(doc: &str) -> String {
    doc.lines().map(|line| format!("{}\n", format!("/// {line}").trim_end())).collect()
}

fn module_file(module: &ModuleDoc) -> String {
    let mut text = format!("module {};\n", module.name);
    for function in &module.functions {
        text.push('\n');
        text.push_str(&commented(&function.doc));
        let _ = writeln!(text, "fn {}({}) -> ?;", function.name, parameters(&function.signature));
    }
    text
}

/// `games::game(name)` as `name: ?`.
fn parameters(signature: &str) -> String {
    let inner = signature.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
    let names = inner.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| format!("{name}: ?")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_declared_with_its_docs() {
        let module = modules::read("games", "//! Games.\n\n/// One.\n///\n/// More.\nfn one(a, b) { a }\n");
        assert_eq!(
            module_file(&module),
            "module games;\n\n/// One.\n///\n/// More.\nfn one(a: ?, b: ?) -> ?;\n"
        );
    }
}
