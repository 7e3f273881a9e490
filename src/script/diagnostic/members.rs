//! Properties and parts of values that are not there, or cannot be assigned.

use crate::error::did_you_mean;
use crate::script::diagnostic::explain::{Explained, Scene, argument_type, lower_first};
use crate::script::registry::Kind;
use crate::script::value::friendly_type;

/// Rhai says `Unknown property 'x' - a getter is not registered for type 'T'`.
pub fn property(what: &str, scene: &Scene) -> Explained {
    let quoted: Vec<&str> = what.split('\'').skip(1).step_by(2).collect();
    let (Some(name), Some(owner)) = (quoted.first(), quoted.last()) else {
        return (lower_first(what), Vec::new());
    };
    if what.starts_with("No writable property") {
        let owner = friendly_type(quoted.get(1).copied().unwrap_or_default());
        return (
            format!("the property \"{name}\" of a {owner} cannot be assigned"),
            vec![unchanging(&owner)],
        );
    }
    if !what.starts_with("Unknown property") {
        return (lower_first(what), Vec::new());
    }
    let owner = &friendly_type(owner);
    let of_owner = |kind: Kind| {
        scene.registry.entries.iter().filter(move |entry| entry.kind == kind && entry.receiver() == owner)
    };
    let setting = what.contains("setter");
    if setting && of_owner(Kind::Property).any(|entry| entry.name == *name) {
        return (format!("the property \"{name}\" of a {owner} cannot be assigned"), vec![unchanging(owner)]);
    }
    let mut hints = Vec::new();
    if of_owner(Kind::Function).any(|entry| entry.name == *name) {
        hints.push(format!("\"{name}\" is a function: .{name}()"));
    } else if let Some(hint) = did_you_mean(name, of_owner(Kind::Property).map(|entry| entry.name.as_str())) {
        hints.push(hint);
    } else {
        let mut all: Vec<&str> = of_owner(Kind::Property).map(|entry| entry.name.as_str()).collect();
        all.dedup();
        if !all.is_empty() {
            hints.push(format!("properties: {}", all.join(", ")));
        }
    }
    (format!("{owner} has no property \"{name}\""), hints)
}

/// What to do instead of changing a value of mora.
fn unchanging(owner: &str) -> String {
    match owner {
        "Tensor" => "a tensor never changes: `t = t.replaced(index, value)`".into(),
        "Frame" => "a table never changes: `t = t.with_column(name, values)`".into(),
        _ => format!("a {owner} never changes: what differs is made anew"),
    }
}

/// Rhai says `T [index type]`, and of an assignment `T [index type] = type`.
pub fn index(what: &str, scene: &Scene) -> Explained {
    let Some((owner, index)) = what.split_once(" [") else {
        return (format!("{} cannot be indexed", friendly_type(what)), Vec::new());
    };
    let owner = argument_type(owner);
    if index.contains("] = ") {
        return (format!("a part of a {owner} cannot be assigned"), vec![unchanging(&owner)]);
    }
    let index = argument_type(index.trim_end_matches(']'));
    let mut takes: Vec<&str> = scene
        .registry
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::Index && entry.receiver() == owner)
        .filter_map(|entry| entry.params.get(1).map(|(_, kind)| kind.as_str()))
        .collect();
    takes.sort_unstable();
    takes.dedup();
    match takes.is_empty() {
        true => (format!("{owner} cannot be indexed with {index}"), Vec::new()),
        false => (
            format!("{owner} cannot be indexed with {index}"),
            vec![format!("{owner}[…] takes {}", takes.join(", "))],
        ),
    }
}
