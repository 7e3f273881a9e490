//! The registry as text: what `help()` and `mora doc` show.

use std::fmt::Write as _;

use crate::error::{Error, Result, did_you_mean};
use crate::script::bind;
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

fn is_printing(name: &str) -> bool {
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

/// What there is to know about `name`: a room, a type, or everything that is called so.
///
/// # Errors
/// Nothing is called so; the hint names the nearest.
pub fn about(registry: &Registry, name: &str) -> Result<String> {
    if let Some(room) = bind::ROOMS.iter().find(|room| room.name == name) {
        let mut text = format!("{}: {}\n", room.name, room.about);
        for kind in registry.types.iter().filter(|kind| kind.room == name) {
            let _ = writeln!(text, "\n{}\n{}", kind.name, indented(&kind.doc));
        }
        let entries: Vec<&Entry> =
            registry.entries.iter().filter(|entry| entry.room == name && !is_printing(&entry.name)).collect();
        text.push_str(&grouped(registry, &entries));
        return Ok(text.trim_end().to_owned());
    }
    let mut text = String::new();
    for kind in registry.types.iter().filter(|kind| kind.name == name) {
        let _ = writeln!(text, "{}\n{}\n", kind.name, indented(&kind.doc));
        let entries: Vec<&Entry> = registry
            .entries
            .iter()
            .filter(|entry| entry.receiver() == name && entry.room == kind.room && !is_printing(&entry.name))
            .collect();
        text.push_str(&grouped(registry, &entries));
    }
    let entries: Vec<&Entry> = registry.named(name).collect();
    text.push_str(&grouped(registry, &entries));
    if !text.trim().is_empty() {
        return Ok(text.trim().to_owned());
    }
    let error = Error::new(format!("nothing is called \"{name}\""));
    let names = registry.names().chain(bind::ROOMS.iter().map(|room| room.name));
    Err(match did_you_mean(name, names) {
        Some(hint) => error.hint(hint),
        None => error.hint("help() lists what there is"),
    })
}

/// Entries with one doc under all signatures that share it.
fn grouped(registry: &Registry, entries: &[&Entry]) -> String {
    let mut groups: Vec<(&str, &str, Vec<String>)> = Vec::new();
    for entry in entries {
        let doc = registry.doc_of(entry);
        let signature = entry.signature();
        match groups.iter_mut().find(|(name, known, _)| *name == entry.name && *known == doc) {
            Some((_, _, signatures)) if !signatures.contains(&signature) => signatures.push(signature),
            Some(_) => {}
            None => groups.push((&entry.name, doc, vec![signature])),
        }
    }
    let mut text = String::new();
    for (_, doc, signatures) in groups {
        let _ = writeln!(text, "\n{}", signatures.join("\n"));
        if !doc.is_empty() {
            let _ = writeln!(text, "{}", indented(doc));
        }
    }
    text
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
        .map(|name| about(registry, name))
        .collect();
    Ok(rooms?.join("\n\n"))
}
