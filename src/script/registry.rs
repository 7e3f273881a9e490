//! Everything a script can call, with its documentation: one source for `help()`, diagnostics,
//! completion and the reference.
//!
//! The list is read from the engine's own metadata, so a function that is registered is in it, and its
//! text is the `///` comment above its Rust code.

use rhai::Engine;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::script::bind;
use crate::script::value::friendly_type;

/// What kind of thing an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `value.name`
    Property,
    /// `value.name = …`
    Assignment,
    /// `value[…]` and `value[…] = …`
    Index,
    /// `name(…)` or `value.name(…)`
    Function,
    /// `a + b`
    Operator,
}

/// One way to call something.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The name that a script writes.
    pub name: String,
    /// How it is written.
    pub kind: Kind,
    /// The group it belongs to, such as `tensor`; `language` for what Rhai brings.
    pub room: String,
    /// Names and types of its parameters.
    pub params: Vec<(String, String)>,
    /// Type of its result; empty for none.
    pub returns: String,
    /// True where a call can fail.
    pub can_fail: bool,
    /// Its documentation; empty where it only adds parameter types to a documented namesake.
    pub doc: String,
}

/// A type that scripts meet.
#[derive(Debug, Clone)]
pub struct Type {
    /// Its name.
    pub name: String,
    /// The group it belongs to.
    pub room: String,
    /// Its documentation.
    pub doc: String,
}

/// All entries.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// Entries in the order of rooms, kinds and names.
    pub entries: Vec<Entry>,
    /// Types in the order of names.
    pub types: Vec<Type>,
}

/// The room of what Rhai brings.
pub const LANGUAGE: &str = "language";

impl Registry {
    /// Reads what mora and Rhai register.
    ///
    /// # Errors
    /// The engine's metadata cannot be read.
    pub fn read() -> Result<Self> {
        let mut registry = Self::default();
        let mut own = Engine::new_raw();
        for room in bind::ROOMS {
            own.register_static_module(room.name, room.module().into());
        }
        let own: Value = parse(own.gen_fn_metadata_to_json(true))?;
        for room in bind::ROOMS {
            registry.add(room.name, &own["modules"][room.name]);
        }
        let language: Value = parse(Engine::new().gen_fn_metadata_to_json(true))?;
        registry.add(LANGUAGE, &language);
        Ok(registry)
    }

    fn add(&mut self, room: &str, module: &Value) {
        for custom in list(&module["customTypes"]) {
            let name = text(&custom["displayName"]).to_owned();
            self.types.push(Type { name, room: room.into(), doc: doc(&custom["docComments"]) });
        }
        let mut entries: Vec<Entry> =
            list(&module["functions"]).iter().map(|function| entry(room, function)).collect();
        if room == LANGUAGE {
            // Scripts meet one kind of integer; Rhai registers its arithmetic for ten.
            const OTHER_NUMBERS: [&str; 11] =
                ["i8", "u8", "i16", "u16", "i32", "u32", "u64", "i128", "u128", "f32", "usize"];
            let meets = |kind: &str| !OTHER_NUMBERS.iter().any(|other| kind.contains(other));
            entries.retain(|entry| entry.params.iter().all(|(_, kind)| meets(kind)));
        }
        // To the last difference: the engine's own order changes from run to run.
        entries.sort_by(|a, b| {
            let key =
                |entry: &Entry| (entry.kind, entry.name.clone(), entry.params.len(), entry.params.clone());
            key(a).cmp(&key(b))
        });
        self.entries.extend(entries);
    }

    /// All ways to call what is called `name`.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.name == name)
    }

    /// Names of functions and properties, mora's own first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter(|entry| matches!(entry.kind, Kind::Function | Kind::Property))
            .map(|entry| entry.name.as_str())
    }

    /// The entry's documentation, or its documented namesake's in the same room.
    pub fn doc_of<'a>(&'a self, entry: &'a Entry) -> &'a str {
        if !entry.doc.is_empty() {
            return &entry.doc;
        }
        let namesakes =
            || self.named(&entry.name).filter(|other| other.room == entry.room && !other.doc.is_empty());
        // `a - b` is told from `-a` by the number of parameters, also where it is another's.
        let is_like = |other: &Entry| other.params.len() == entry.params.len();
        let is_of_receiver = |other: &&Entry| other.receiver() == entry.receiver();
        namesakes()
            .filter(is_of_receiver)
            .find(|other| is_like(other))
            .or_else(|| namesakes().find(|other| entry.kind == Kind::Operator && is_like(other)))
            .or_else(|| namesakes().find(is_of_receiver))
            .or_else(|| namesakes().next())
            .map_or("", |other| other.doc.as_str())
    }
}

impl Entry {
    /// The type of the first parameter.
    pub fn receiver(&self) -> &str {
        self.params.first().map_or("", |(_, kind)| kind)
    }

    /// How it is called: `Tensor.sum(axis: any) -> Tensor`.
    pub fn signature(&self) -> String {
        let param = |(name, kind): &(String, String)| match (name.as_str(), kind.as_str()) {
            ("", kind) => kind.to_owned(),
            (name, "any") => name.to_owned(),
            (name, kind) => format!("{name}: {kind}"),
        };
        let list = |params: &[(String, String)]| params.iter().map(param).collect::<Vec<_>>().join(", ");
        let kind = |index: usize| self.params.get(index).map_or("any", |(_, kind)| kind.as_str());
        let call = match self.kind {
            Kind::Property => format!("{}.{}", kind(0), self.name),
            Kind::Assignment => format!("{}.{} = {}", kind(0), self.name, kind(1)),
            Kind::Index if self.params.len() == 3 => format!("{}[{}] = {}", kind(0), kind(1), kind(2)),
            Kind::Index => format!("{}[{}]", kind(0), kind(1)),
            Kind::Operator if self.params.len() == 1 => format!("{}{}", self.name, kind(0)),
            Kind::Operator => format!("{} {} {}", kind(0), self.name, kind(1)),
            Kind::Function => match self.params.split_first() {
                Some(((_, receiver), rest)) if receiver.starts_with(|c: char| c.is_ascii_uppercase()) => {
                    format!("{receiver}.{}({})", self.name, list(rest))
                }
                _ => format!("{}({})", self.name, list(&self.params)),
            },
        };
        match self.returns.as_str() {
            "" => call,
            returns => format!("{call} -> {returns}"),
        }
    }
}

fn parse(json: serde_json::Result<String>) -> Result<Value> {
    Ok(serde_json::from_str(&json.map_err(Error::from)?)?)
}

fn entry(room: &str, function: &Value) -> Entry {
    let registered = text(&function["name"]);
    let (kind, name) = if let Some(name) = registered.strip_prefix("get$") {
        (Kind::Property, name)
    } else if let Some(name) = registered.strip_prefix("set$") {
        (Kind::Assignment, name)
    } else if registered.starts_with("index$") {
        (Kind::Index, "[]")
    } else if registered.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        (Kind::Function, registered)
    } else {
        (Kind::Operator, registered)
    };
    let params = list(&function["params"])
        .iter()
        .map(|param| {
            let kind = param["type"].as_str().unwrap_or("any");
            (text(&param["name"]).trim_start_matches("mut ").to_owned(), friendly_type(kind).to_owned())
        })
        .collect();
    let returned = text(&function["returnType"]);
    Entry {
        name: name.to_owned(),
        kind,
        room: room.to_owned(),
        params,
        returns: result_type(returned),
        can_fail: is_result(returned),
        doc: doc(&function["docComments"]),
    }
}

/// What the result of a function that can fail is wrapped in.
const WRAPPINGS: [&str; 3] = ["ScriptResult", "RhaiResultOf", "Result"];

fn is_result(kind: &str) -> bool {
    let kind = kind.trim();
    kind == "RhaiResult" || WRAPPINGS.iter().any(|wrapping| kind.starts_with(wrapping))
}

/// What a function gives, without the wrapping for errors.
fn result_type(kind: &str) -> String {
    let mut kind = kind.trim();
    for wrapping in WRAPPINGS {
        if let Some(inner) =
            kind.strip_prefix(wrapping).map(str::trim).and_then(|rest| rest.strip_prefix('<'))
        {
            kind = inner.trim_end_matches('>').split(", Box").next().unwrap_or(inner).trim();
            kind = kind.split(",Box").next().unwrap_or(kind);
        }
    }
    match kind {
        "()" | "" => String::new(),
        "RhaiResult" => "any".into(),
        kind => friendly_type(kind).to_owned(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// The text of doc comments, without their slashes.
fn doc(comments: &Value) -> String {
    let lines = list(comments).iter().flat_map(|comment| text(comment).lines());
    let lines = lines.map(|line| {
        let line = line.trim_start().trim_start_matches("///");
        line.strip_prefix(' ').unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn every_function_of_mora_has_a_doc() {
        let registry = Registry::read().unwrap();
        let own: Vec<&Entry> = registry.entries.iter().filter(|entry| entry.room != LANGUAGE).collect();
        assert!(!own.is_empty());
        let bare: Vec<String> = own
            .iter()
            .filter(|entry| registry.doc_of(entry).is_empty())
            .map(|entry| entry.signature())
            .collect();
        assert!(bare.is_empty(), "without a doc: {bare:#?}");
        let types: Vec<&str> = registry
            .types
            .iter()
            .filter(|kind| kind.room != LANGUAGE && kind.doc.is_empty())
            .map(|kind| kind.name.as_str())
            .collect();
        assert!(types.is_empty(), "types without a doc: {types:?}");
    }

    #[test]
    fn overloads_of_an_operator_take_the_doc_of_as_many_parameters() {
        let registry = Registry::read().unwrap();
        let minus = registry.named("-").filter(|entry| entry.params.iter().any(|(_, kind)| kind == "Tensor"));
        for entry in minus {
            let is_negative = registry.doc_of(entry).starts_with("The negative");
            assert_eq!(is_negative, entry.params.len() == 1, "{}", entry.signature());
        }
    }

    #[test]
    fn parameters_are_named_and_types_are_those_that_scripts_know() {
        let registry = Registry::read().unwrap();
        for entry in registry.entries.iter().filter(|entry| entry.room != LANGUAGE) {
            for (name, kind) in entry.params.iter().chain([&("result".into(), entry.returns.clone())]) {
                assert!(!name.is_empty(), "{}", entry.signature());
                assert!(!kind.contains(['<', ':', '&']), "{}: {kind}", entry.signature());
            }
        }
    }

    #[test]
    fn no_signature_is_registered_twice() {
        // Rhai replaces the first registration silently, also across modules.
        let mut seen: HashMap<(String, Vec<std::any::TypeId>), &str> = HashMap::new();
        let mut twice = Vec::new();
        for room in bind::ROOMS {
            for manifest in room.parts {
                manifest.for_each_fn(true, &mut |function| {
                    let mut types = Vec::new();
                    (function.param_types)(&mut |found| types = found.to_vec());
                    if let Some(other) = seen.insert((function.name.to_owned(), types), room.name) {
                        twice.push(format!("{} in {} and {other}", function.name, room.name));
                    }
                });
            }
        }
        assert!(twice.is_empty(), "{twice:#?}");
    }

    #[test]
    fn own_names_do_not_hide_the_languages() {
        let registry = Registry::read().unwrap();
        let key = |entry: &Entry| {
            (
                entry.name.clone(),
                entry.kind,
                entry.params.iter().map(|(_, kind)| kind.clone()).collect::<Vec<_>>(),
            )
        };
        let language: HashSet<_> =
            registry.entries.iter().filter(|entry| entry.room == LANGUAGE).map(key).collect();
        let hidden: Vec<String> = registry
            .entries
            .iter()
            .filter(|entry| entry.room != LANGUAGE && language.contains(&key(entry)))
            .map(Entry::signature)
            .collect();
        assert!(hidden.is_empty(), "{hidden:#?}");
    }
}
