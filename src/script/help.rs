//! The registry as text: what `help()` and `mora doc` show.

use std::fmt::Write as _;

use crate::error::{Error, Result, did_you_mean};
use crate::script::bind;
use crate::script::modules::{FunctionDoc, ModuleDoc};
use crate::script::registry::{Entry, Kind, LANGUAGE, Registry};

/// Every room with the names in it.
pub fn overview(registry: &Registry) -> String {
    let mut text = String::new();
    for room in bind::ROOMS {
        let mut names: Vec<&str> = registry
            .entries
            .iter()
            .filter(|entry| {
                entry.room == room.name && entry.kind == Kind::Function && !is_printing(&entry.name)
            })
            .map(|entry| entry.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        let _ = writeln!(text, "{}: {}", room.name, room.about);
        let _ = writeln!(text, "{}\n", wrapped(&names, 100, "    "));
    }
    text.push_str("help(\"name\") explains a function, a type or a room.");
    text
}

/// True for what makes text of a value: every type has it.
pub fn is_printing(name: &str) -> bool {
    matches!(name, "to_string" | "to_debug")
}

fn wrapped(names: &[&str], width: usize, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for name in names {
        if lines.last().is_some_and(|line| !line.is_empty() && line.len() + name.len() + 1 > width) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(name);
        }
    }
    lines.iter().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
}

/// What there is to know about `name`: a room, a type, or everything that is called so, here or in modules of a
/// library.
///
/// # Errors
/// Nothing is called so; the hint names the nearest.
pub fn about(registry: &Registry, library: &[ModuleDoc], name: &str) -> Result<String> {
    if let Some(room) = bind::ROOMS.iter().find(|room| room.name == name) {
        let mut text = format!("{}: {}\n", room.name, room.about);
        text.push_str(&shown(sections(registry, name)));
        return Ok(text.trim_end().to_owned());
    }
    let mut text = String::new();
    if let Some((kind, member)) = split_member(registry, name) {
        let of_kind = || registry.entries.iter().filter(|entry| entry.receiver() == kind);
        let entries: Vec<&Entry> = of_kind().filter(|entry| entry.name == member).collect();
        if !entries.is_empty() {
            return Ok(shown(grouped(registry, &entries)).trim().to_owned());
        }
        let error = Error::new(format!("nothing of type {kind} is called \"{member}\""));
        return Err(match did_you_mean(member, of_kind().map(|entry| entry.name.as_str())) {
            Some(hint) => error.hint(hint),
            None => error.hint(format!("help(\"{kind}\") lists what there is")),
        });
    }
    for kind in registry.types.iter().filter(|kind| kind.name == name) {
        let _ = writeln!(text, "{}\n{}\n", kind.name, indented(&kind.doc));
        let entries: Vec<&Entry> = registry
            .entries
            .iter()
            .filter(|entry| entry.receiver() == name && !is_printing(&entry.name))
            .collect();
        text.push_str(&shown(grouped(registry, &entries)));
    }
    let entries: Vec<&Entry> = registry.named(name).collect();
    text.push_str(&shown(grouped(registry, &entries)));
    text.push_str(&of_library(library, name));
    if !text.trim().is_empty() {
        return Ok(text.trim().to_owned());
    }
    let error = Error::new(format!("nothing is called \"{name}\""));
    let names = registry.names().chain(bind::ROOMS.iter().map(|room| room.name));
    let modules = library.iter().map(|module| module.name.as_str());
    let functions: Vec<String> = library
        .iter()
        .filter(|_| name.contains("::"))
        .flat_map(|module| {
            module.functions.iter().map(|function| format!("{}::{}", module.name, function.name))
        })
        .collect();
    let names = names.chain(modules).chain(functions.iter().map(String::as_str));
    Err(match did_you_mean(name, names) {
        Some(hint) => error.hint(hint),
        None => error.hint("help() lists what there is"),
    })
}

/// `Model.run` as errors and signatures write it, also `model.run(`: a type, and what may be its property or method.
fn split_member<'a>(registry: &'a Registry, name: &'a str) -> Option<(&'a str, &'a str)> {
    let (receiver, member) = name.split_once('.')?;
    let member = member.split('(').next().unwrap_or(member).trim();
    let kinds = registry.entries.iter().map(Entry::receiver);
    let kind =
        kinds.filter(|kind| !kind.is_empty()).find(|kind| kind.eq_ignore_ascii_case(receiver.trim()))?;
    Some((kind, member))
}

/// A module of the library, or its functions of that name: `games`, `games::game` or `game`.
fn of_library(library: &[ModuleDoc], name: &str) -> String {
    let mut text = String::new();
    for module in library {
        if module.name == name {
            let _ = writeln!(text, "\nimport \"{0}\" as {0};\n{1}", module.name, indented(&module.doc));
        }
        let is_meant = |function: &FunctionDoc| {
            module.name == name
                || function.name == name
                || format!("{}::{}", module.name, function.name) == name
        };
        for function in module.functions.iter().filter(|function| is_meant(function)) {
            let _ = writeln!(text, "\n{}\n{}", function.signature, indented(&function.doc));
        }
    }
    text
}

/// Signatures that share a doc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What is called.
    pub name: String,
    /// The ways to call it; of a type, its name alone.
    pub signatures: Vec<String>,
    /// What is to be known of it.
    pub doc: String,
}

/// All of a room: its types, then what can be called.
pub fn sections(registry: &Registry, room: &str) -> Vec<Section> {
    let types = registry.types.iter().filter(|kind| kind.room == room).map(|kind| Section {
        name: kind.name.clone(),
        signatures: vec![kind.name.clone()],
        doc: kind.doc.clone(),
    });
    let entries: Vec<&Entry> =
        registry.entries.iter().filter(|entry| entry.room == room && !is_printing(&entry.name)).collect();
    types.chain(grouped(registry, &entries)).collect()
}

/// Entries with one doc under all signatures that share it.
fn grouped(registry: &Registry, entries: &[&Entry]) -> Vec<Section> {
    let mut groups: Vec<Section> = Vec::new();
    for entry in entries {
        let doc = registry.doc_of(entry);
        let signature = entry.signature();
        match groups.iter_mut().find(|group| group.name == entry.name && group.doc == doc) {
            Some(group) if !group.signatures.contains(&signature) => group.signatures.push(signature),
            Some(_) => {}
            None => groups.push(Section {
                name: entry.name.clone(),
                signatures: vec![signature],
                doc: doc.to_owned(),
            }),
        }
    }
    groups
}

/// Sections as text.
fn shown(sections: impl IntoIterator<Item = Section>) -> String {
    let mut text = String::new();
    for Section { signatures, doc, .. } in sections {
        let _ = writeln!(text, "\n{}", signatures.join("\n"));
        if !doc.is_empty() {
            let _ = writeln!(text, "{}", indented(&doc));
        }
    }
    text
}

/// An overview without a word, what is called so with one, a search with several.
///
/// # Errors
/// Nothing is called so or has these words.
pub fn look_up(registry: &Registry, library: &[ModuleDoc], words: &[String]) -> Result<String> {
    match words {
        [] => Ok(overview(registry)),
        [name] if split_member(registry, name).is_some() => about(registry, library, name),
        [name] => about(registry, library, name)
            .or_else(|error| search(registry, library, std::slice::from_ref(name)).map_err(|_| error)),
        words => search(registry, library, words),
    }
}

/// Everything whose name, signature or doc has all of these words, built in or in the library.
///
/// # Errors
/// Nothing has.
pub fn search(registry: &Registry, library: &[ModuleDoc], words: &[String]) -> Result<String> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let has_all = |text: &str| words.iter().all(|word| text.contains(word.as_str()));
    let built_in = bind::ROOMS.iter().flat_map(|room| sections(registry, room.name));
    let library = library.iter().flat_map(|module| &module.functions).map(|function| Section {
        name: function.name.clone(),
        signatures: vec![function.signature.clone()],
        doc: function.doc.clone(),
    });
    let found: Vec<Section> = built_in
        .chain(library)
        .filter(|section| {
            has_all(&format!("{} {}", section.signatures.join(" "), section.doc).to_lowercase())
        })
        .collect();
    match found.is_empty() {
        true => Err(Error::new(format!("nothing has the words {}", words.join(", ")))
            .hint("help() lists what there is")),
        false => Ok(shown(found).trim().to_owned()),
    }
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("    {line}") })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Everything that can be called, as one page: rooms, types, functions. The language's own part is Rhai's book.
pub fn reference(registry: &Registry) -> Result<String> {
    let rooms: Result<Vec<String>> = bind::ROOMS
        .iter()
        .map(|room| room.name)
        .filter(|name| *name != LANGUAGE)
        .map(|name| about(registry, &[], name))
        .collect();
    Ok(rooms?.join("\n\n"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_found_as_errors_write_it() {
        let registry = Registry::read().unwrap();
        let look = |name: &str| look_up(&registry, &[], &[name.to_owned()]);
        for name in ["Model.run", "model.run", "Model.run(prompts)"] {
            let text = look(name).unwrap();
            assert!(text.starts_with("Model.run(") && !text.contains("Run.logits"), "{text}");
        }
        assert!(look("Run.logits").unwrap().starts_with("Run.logits -> Tensor"));
        assert!(look("array.push").unwrap().contains("push"));
        let error = look("Model.rum").unwrap_err();
        assert_eq!(error.what(), "nothing of type Model is called \"rum\"");
        assert_eq!(error.help(), Some("did you mean \"run\"?"));
    }

    #[test]
    fn a_type_belongs_to_one_room_and_is_shown_with_all_its_methods() {
        let registry = Registry::read().unwrap();
        let mut names: Vec<&str> = registry.types.iter().map(|kind| kind.name.as_str()).collect();
        names.sort_unstable();
        let twice: Vec<&[&str]> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
        let model = about(&registry, &[], "Model").unwrap();
        // Of the rooms model, interp, lora and sweep.
        for method in ["Model.run(", "Model.lens(", "Model.with_adapter(", "Model.patch_sweep("] {
            assert!(model.contains(method), "{method}");
        }
        assert!(!about(&registry, &[], "frame").unwrap().contains("A tensor."));
    }
}
