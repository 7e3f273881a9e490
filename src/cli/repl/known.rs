//! What is known of an expression before it is computed: its value, where it is a variable or a part of one, or the type
//! that the registry tells of a property's or a call's result.

use crate::cli::repl::typed::Typed;
use crate::frame::Frame;
use crate::script::host::Host;
use crate::script::registry::{Entry, Kind};
use crate::script::scan::Class;
use crate::script::session::Session;
use crate::script::value::{Value, type_name};

/// An expression that ends at a piece.
#[derive(Debug, Clone)]
pub enum Known {
    /// What it is at the moment.
    Value(Value),
    /// Its type.
    Type(String),
}

impl Known {
    /// The name of the type.
    pub fn kind(&self) -> String {
        match self {
            Self::Value(value) => type_name(value),
            Self::Type(kind) => kind.clone(),
        }
    }

    /// The names that it can be indexed with.
    pub fn keys(&self) -> Vec<String> {
        let Self::Value(value) = self else { return Vec::new() };
        if let Ok(map) = value.as_map_ref() {
            return map.keys().map(ToString::to_string).collect();
        }
        if let Some(frame) = value.read_lock::<Frame>() {
            return frame.names().into_iter().map(str::to_owned).collect();
        }
        Vec::new()
    }
}

/// Asks of expressions in what is typed.
pub struct Asking<'a> {
    pub host: &'a Host,
    pub session: &'a Session,
    pub typed: &'a Typed<'a>,
}

impl Asking<'_> {
    /// What is known of the expression that ends before piece `end`, a chain of names, calls and indices.
    pub fn before(&self, end: usize) -> Option<Known> {
        self.chain(end).map(|(_, known)| known)
    }

    /// The same, with the index of its first piece.
    fn chain(&self, end: usize) -> Option<(usize, Known)> {
        let last = end.checked_sub(1)?;
        match (self.typed.class(last)?, self.typed.piece(last)) {
            (Class::Text, text) => {
                // The last part of a string in backticks begins with the brace of what stands in it.
                let kind = if text.starts_with('\'') { "char" } else { "string" };
                Some((last, Known::Type(kind.into())))
            }
            (Class::Name, name) => self.named(last, name),
            (Class::Sign, ")") => self.called(last),
            (Class::Sign, "]") => self.indexed(last),
            (Class::Sign, "}") => {
                let mark = self.typed.open_bracket(last)?.checked_sub(1)?;
                (self.typed.piece(mark) == "#").then(|| (mark, Known::Type("map".into())))
            }
            _ => None,
        }
    }

    /// True where the piece before this one is `sign`.
    fn is_after(&self, index: usize, sign: &str) -> bool {
        index.checked_sub(1).is_some_and(|before| self.typed.piece(before) == sign)
    }

    /// A variable, or a property.
    fn named(&self, at: usize, name: &str) -> Option<(usize, Known)> {
        if self.is_after(at, ":") {
            return None;
        }
        if !self.is_after(at, ".") {
            return Some((at, Known::Value(self.session.variable(name)?.clone())));
        }
        let (start, of) = self.chain(at - 1)?;
        if let Known::Value(value) = &of
            && let Ok(map) = value.as_map_ref()
        {
            return Some((start, Known::Value(map.get(name)?.clone())));
        }
        Some((start, self.member(Kind::Property, name, &of)?))
    }

    /// A call that closes at piece `close`, or an expression in parentheses.
    fn called(&self, close: usize) -> Option<(usize, Known)> {
        let open = self.typed.open_bracket(close)?;
        let Some(at) = open.checked_sub(1).filter(|at| self.typed.class(*at) == Some(Class::Name)) else {
            let is_call = ["]", ")", "!"].iter().any(|sign| self.is_after(open, sign));
            let (start, known) = self.chain(close)?;
            return (!is_call && start == open + 1).then_some((open, known));
        };
        let name = self.typed.piece(at);
        let is_own = self.session.functions().iter().any(|own| own.split('(').next() == Some(name));
        if is_own || self.is_after(at, ":") {
            return None;
        }
        if !self.is_after(at, ".") {
            let is_it = |entry: &Entry| entry.kind == Kind::Function && entry.name == name;
            return Some((at, self.result(is_it)?));
        }
        let (start, of) = self.chain(at - 1)?;
        Some((start, self.member(Kind::Function, name, &of)?))
    }

    /// An element, or an array that is written out.
    fn indexed(&self, close: usize) -> Option<(usize, Known)> {
        let open = self.typed.open_bracket(close)?;
        let is_index = open.checked_sub(1).is_some_and(|before| {
            matches!(self.typed.class(before), Some(Class::Name | Class::Text))
                || matches!(self.typed.piece(before), ")" | "]")
        });
        if !is_index {
            return Some((open, Known::Type("array".into())));
        }
        let (start, of) = self.chain(open)?;
        if let Known::Value(value) = &of {
            if let Ok(array) = value.as_array_ref() {
                // Which one does not matter where all are of one type.
                let kind = array.first().map(type_name)?;
                let is_alike = array.iter().all(|element| type_name(element) == kind);
                return is_alike.then_some((start, Known::Type(kind)));
            }
            if let Ok(map) = value.as_map_ref() {
                let key = self.typed.piece(open + 1).trim_matches('"');
                return Some((start, Known::Value(map.get(key)?.clone())));
            }
        }
        let kind = of.kind();
        let is_it =
            |entry: &Entry| entry.kind == Kind::Index && entry.params.len() == 2 && entry.receiver() == kind;
        Some((start, self.result(is_it)?))
    }

    /// What a property or method of a value gives.
    fn member(&self, kind: Kind, name: &str, of: &Known) -> Option<Known> {
        let receiver = of.kind();
        self.result(|entry| entry.kind == kind && entry.name == name && entry.receiver() == receiver)
    }

    /// The type of what these entries give, where all give the same.
    fn result(&self, is_it: impl Fn(&Entry) -> bool) -> Option<Known> {
        let mut entries = self.host.registry().ok()?.entries.iter().filter(|entry| is_it(entry));
        let kind = &entries.next()?.returns;
        let is_one = !kind.is_empty() && kind != "any" && entries.all(|entry| entry.returns == *kind);
        is_one.then(|| Known::Type(kind.clone()))
    }
}
