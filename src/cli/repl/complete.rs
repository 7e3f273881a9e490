//! What may follow what was typed: commands, variables, functions, members, options, sites, files.

use std::collections::BTreeMap;
use std::path::{MAIN_SEPARATOR, Path};

use rustyline::completion::Pair;

use crate::cli::repl::commands::COMMANDS;
use crate::frame::Frame;
use crate::model::reference::embedded::MODELS;
use crate::script::docs::OptionDoc;
use crate::script::host::Host;
use crate::script::registry::{Entry, Kind, LANGUAGE};
use crate::script::scan::{Class, KEYWORDS, Piece, pieces};
use crate::script::search::Search;
use crate::script::session::Session;
use crate::script::value::{Value, type_name};
use crate::script::{docs, help, library};

/// What can be written from byte `start` on, each with what a list shows of it.
pub struct Candidates {
    pub start: usize,
    pub pairs: Vec<Pair>,
}

/// What is typed, up to the cursor.
struct Typed<'a> {
    text: &'a str,
    pieces: Vec<Piece>,
}

impl<'a> Typed<'a> {
    fn new(text: &'a str) -> Self {
        let pieces = pieces(text).into_iter().filter(|piece| piece.class != Class::Space).collect();
        Self { text, pieces }
    }

    fn piece(&self, index: usize) -> &'a str {
        self.pieces.get(index).map_or("", |piece| &self.text[piece.range.clone()])
    }

    /// The piece that the cursor is at the end of, not behind the space after it.
    fn touched(&self) -> Option<&Piece> {
        self.pieces.last().filter(|piece| piece.range.end == self.text.len())
    }

    /// The innermost bracket that is open before piece `end`, by its index.
    fn open_bracket(&self, end: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for index in (0..end).rev() {
            match (self.pieces[index].class, self.piece(index)) {
                (Class::Sign, ")" | "]" | "}") => depth += 1,
                (Class::Sign, "(" | "[" | "{") if depth == 0 => return Some(index),
                (Class::Sign, "(" | "[" | "{") => depth -= 1,
                _ => {}
            }
        }
        None
    }

    /// The function whose arguments hold piece `end`, by the index of its name.
    fn call(&self, end: usize) -> Option<usize> {
        let mut end = end;
        loop {
            let open = self.open_bracket(end)?;
            let is_call = self.piece(open) == "(" && open > 0 && self.pieces[open - 1].class == Class::Name;
            if is_call {
                return Some(open - 1);
            }
            end = open;
        }
    }

    /// The names before the point at piece `point`: `["model", "cfg"]` of `model.cfg.`; none for what must be computed.
    fn receiver(&self, point: usize) -> Option<Vec<&'a str>> {
        let mut names = Vec::new();
        let mut at = point;
        loop {
            let name = at.checked_sub(1).filter(|name| self.pieces[*name].class == Class::Name)?;
            names.insert(0, self.piece(name));
            match name.checked_sub(1) {
                Some(before) if self.piece(before) == "." => at = before,
                Some(before) if self.piece(before) == ":" => return None,
                _ => return Some(names),
            }
        }
    }
}

/// What may follow `text`, which ends at the cursor.
pub fn candidates(host: &Host, session: &Session, text: &str) -> Candidates {
    if text.starts_with(':') {
        return after_colon(host, session, text);
    }
    let typed = Typed::new(text);
    let Some(last) = typed.touched() else {
        return in_code(host, session, &typed, typed.pieces.len(), text.len());
    };
    let count = typed.pieces.len();
    match last.class {
        Class::Comment | Class::Number => nothing(text.len()),
        Class::Text if is_open(typed.piece(count - 1)) => in_string(host, session, &typed),
        Class::Name | Class::Keyword => in_code(host, session, &typed, count - 1, last.range.start),
        _ => in_code(host, session, &typed, count, text.len()),
    }
}

fn nothing(start: usize) -> Candidates {
    Candidates { start, pairs: Vec::new() }
}

/// True where a string has no closing quote yet.
fn is_open(text: &str) -> bool {
    let Some(quote) = text.chars().next() else { return false };
    // An odd number of backslashes makes the quote a part of the string; in backticks nothing does.
    let before = text.strip_suffix(quote).unwrap_or(text);
    let backslashes = before.len() - before.trim_end_matches('\\').len();
    let is_escaped = quote == '"' && backslashes % 2 == 1;
    let closed = text.len() > 1 && text.ends_with(quote) && !is_escaped;
    matches!(quote, '"' | '`') && !closed
}

fn pair(text: impl Into<String>) -> Pair {
    let text = text.into();
    Pair { display: text.clone(), replacement: text }
}

fn matching(start: usize, word: &str, all: impl IntoIterator<Item = Pair>) -> Candidates {
    let mut pairs: Vec<Pair> = all.into_iter().filter(|pair| pair.replacement.starts_with(word)).collect();
    pairs.sort_by(|a, b| (&a.replacement, &a.display).cmp(&(&b.replacement, &b.display)));
    pairs.dedup_by(|a, b| a.display == b.display);
    Candidates { start, pairs }
}

fn after_colon(host: &Host, session: &Session, text: &str) -> Candidates {
    let Some((command, argument)) = text[1..].split_once(' ') else {
        return matching(1, &text[1..], COMMANDS.iter().map(|command| pair(command.name)));
    };
    let start = text.len() - argument.len();
    match command.trim_end_matches('!') {
        "load" => {
            let scripts = library::list().into_iter().map(|script| pair(script.name));
            let mut found = matching(start, argument, scripts.chain(files(argument)));
            found.pairs.dedup_by(|a, b| a.replacement == b.replacement);
            found
        }
        "save" | "ls" => matching(start, argument, files(argument)),
        "cd" => {
            matching(start, argument, files(argument).into_iter().filter(|pair| pair.display.ends_with('/')))
        }
        "help" | "doc" => {
            let known = host.registry().into_iter().flat_map(|registry| registry.names());
            let library = Search::default().docs(None, "", |_| true);
            let modules = library.iter().flat_map(|module| {
                let functions =
                    module.functions.iter().map(|function| format!("{}::{}", module.name, function.name));
                std::iter::once(module.name.clone()).chain(functions)
            });
            matching(start, argument, known.map(pair).chain(modules.map(pair)))
        }
        "type" | "time" => {
            let inner = candidates(host, session, argument);
            Candidates { start: start + inner.start, pairs: inner.pairs }
        }
        _ => nothing(text.len()),
    }
}

/// Entries of the folder that the path being typed lies in.
fn files(typed: &str) -> Vec<Pair> {
    let (folder, _) = typed.rsplit_once(MAIN_SEPARATOR).map_or(("", typed), |(folder, name)| (folder, name));
    let prefix =
        if typed.contains(MAIN_SEPARATOR) { format!("{folder}{MAIN_SEPARATOR}") } else { String::new() };
    let read = if prefix.is_empty() { "." } else { prefix.as_str() };
    let entries = std::fs::read_dir(Path::new(read)).into_iter().flatten().flatten();
    let entry = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        // Hidden ones only where they are asked for.
        let is_wanted = !name.starts_with('.') || typed[prefix.len()..].starts_with('.');
        let slash = if entry.path().is_dir() { "/" } else { "" };
        is_wanted.then(|| Pair {
            display: format!("{name}{slash}"),
            replacement: format!("{prefix}{name}{slash}"),
        })
    };
    entries.filter_map(entry).collect()
}

fn in_string(host: &Host, session: &Session, typed: &Typed) -> Candidates {
    let at = typed.pieces.len() - 1;
    let content = &typed.piece(at)[1..];
    let start = typed.text.len() - content.len();
    let before = at.checked_sub(1).map_or("", |before| typed.piece(before));
    if before == "import" {
        let library = Search::default().list().into_iter().map(|place| place.name);
        return matching(start, content, library.map(pair));
    }
    // `frame["…`, `map["…`, `cache["…`
    if before == "["
        && let Some(names) = at.checked_sub(1).and_then(|open| typed.receiver(open))
    {
        let keys = value_of(session, &names).map(|value| keys(&value)).unwrap_or_default();
        if !keys.is_empty() {
            return matching(start, content, keys.into_iter().map(pair));
        }
    }
    let call = typed.call(at);
    let name = call.map_or("", |call| typed.piece(call));
    // Columns of the frame whose method is called.
    let columns = call
        .and_then(|call| call.checked_sub(1))
        .filter(|point| typed.piece(*point) == ".")
        .and_then(|point| typed.receiver(point))
        .and_then(|names| value_of(session, &names))
        .map(|value| keys(&value))
        .unwrap_or_default();
    let embedded = MODELS.iter().map(|model| format!("mora/{}", model.name));
    let references = embedded.filter(|_| name.starts_with("load"));
    let takes_files = ["load", "read", "save", "write", "open"].iter().any(|word| name.contains(word));
    let files = if takes_files || content.contains(MAIN_SEPARATOR) { files(content) } else { Vec::new() };
    let values = option_values(host, typed, at);
    let plain = columns.into_iter().chain(references).chain(values).map(pair).chain(files);
    let sites = by_segment(&host.sites(session), content).into_iter().map(pair);
    matching(start, content, plain.chain(sites))
}

/// Sites up to the point behind what is typed, and `*` for the layers: `blocks.`, then `blocks.3.`, then its sites.
fn by_segment(sites: &[String], typed: &str) -> Vec<String> {
    let depth = typed.matches('.').count();
    let segment = |site: &str| -> String {
        let end = site.match_indices('.').nth(depth).map_or(site.len(), |(at, _)| at + 1);
        site[..end].to_owned()
    };
    let globs = sites.iter().filter_map(|site| {
        let (head, rest) = site.strip_prefix("blocks.")?.split_once('.')?;
        head.parse::<usize>().ok()?;
        Some(format!("blocks.*.{rest}"))
    });
    let mut found: Vec<String> = sites.iter().cloned().chain(globs).map(|site| segment(&site)).collect();
    found.sort();
    found.dedup();
    found
}

/// The names that a value can be indexed with.
fn keys(value: &Value) -> Vec<String> {
    if let Ok(map) = value.as_map_ref() {
        return map.keys().map(ToString::to_string).collect();
    }
    if let Some(frame) = value.read_lock::<Frame>() {
        return frame.names().into_iter().map(str::to_owned).collect();
    }
    Vec::new()
}

/// The value of a variable, or of a key of it, and so on.
fn value_of(session: &Session, names: &[&str]) -> Option<Value> {
    let (first, rest) = names.split_first()?;
    let mut value = session.variable(first)?.clone();
    for name in rest {
        let inner = value.as_map_ref().ok()?.get(*name)?.clone();
        value = inner;
    }
    Some(value)
}

/// Candidates for the name that begins at byte `start`, before which there are `end` pieces.
fn in_code(host: &Host, session: &Session, typed: &Typed, end: usize, start: usize) -> Candidates {
    let word = &typed.text[start..];
    let before = |back: usize| end.checked_sub(back).map_or("", |index| typed.piece(index));
    if before(1) == "." && before(2) != "." {
        return matching(start, word, members(host, session, typed, end - 1));
    }
    if before(1) == ":" && before(2) == ":" {
        let members = session.members(before(3)).iter().map(|function| {
            let signature = function.signature.rsplit("::").next().unwrap_or(&function.name);
            Pair { display: signature.to_owned(), replacement: format!("{}(", function.name) }
        });
        return matching(start, word, members);
    }
    if let Some(options) = options(host, typed, end) {
        return matching(
            start,
            word,
            options.into_iter().map(|name| Pair { display: name.clone(), replacement: format!("{name}: ") }),
        );
    }
    if word.is_empty() {
        return nothing(start);
    }
    let mut all: Vec<Pair> = KEYWORDS.into_iter().map(pair).collect();
    all.extend(session.variables().into_iter().map(|(name, ..)| pair(name)));
    all.extend(session.imports().into_iter().map(|alias| pair(format!("{alias}::"))));
    all.extend(session.functions().into_iter().map(|signature| {
        let name = signature.split('(').next().unwrap_or_default().to_owned();
        Pair { display: signature, replacement: format!("{name}(") }
    }));
    let is_free = |entry: &&Entry| {
        let is_method = entry.receiver().starts_with(|c: char| c.is_ascii_uppercase());
        entry.kind == Kind::Function && !is_method && (entry.room != LANGUAGE || entry.receiver().is_empty())
    };
    let free = host.registry().into_iter().flat_map(|registry| registry.entries.iter().filter(is_free));
    all.extend(called(free));
    matching(start, word, all)
}

/// Functions to be called, with all ways to call one in one line.
fn called<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<Pair> {
    let mut by_name: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries.filter(|entry| !help::is_printing(&entry.name)) {
        by_name.entry(&entry.name).or_default().push(entry);
    }
    let shown = |(name, entries): (&str, Vec<&Entry>)| {
        let fullest = entries.iter().max_by_key(|entry| entry.params.len())?;
        let signature = fullest.signature();
        // A method stands behind its receiver already.
        let own = signature.find(&format!("{name}(")).map_or(signature.as_str(), |at| &signature[at..]);
        Some(Pair { display: own.to_owned(), replacement: format!("{name}(") })
    };
    by_name.into_iter().filter_map(shown).collect()
}

/// Properties, functions and keys of the value before the point at piece `point`.
fn members(host: &Host, session: &Session, typed: &Typed, point: usize) -> Vec<Pair> {
    let value = typed.receiver(point).and_then(|names| value_of(session, &names));
    let kind = match (
        &value,
        point.checked_sub(1).map(|before| (typed.pieces[before].class, typed.piece(before))),
    ) {
        (Some(value), _) => type_name(value),
        (None, Some((Class::Text, _))) => "string".into(),
        (None, Some((Class::Sign, "]"))) => "array".into(),
        _ => String::new(),
    };
    let Ok(registry) = host.registry() else { return Vec::new() };
    let is_member = |entry: &&Entry| match kind.as_str() {
        // What it is will be known when it is computed: anything of mora's own.
        "" => entry.receiver().starts_with(|c: char| c.is_ascii_uppercase()),
        kind => entry.receiver() == kind,
    };
    let of =
        |wanted: Kind| registry.entries.iter().filter(is_member).filter(move |entry| entry.kind == wanted);
    let mut found = called(of(Kind::Function));
    found.extend(of(Kind::Property).map(|entry| pair(entry.name.as_str())));
    if let Some(Ok(map)) = value.as_ref().map(Value::as_map_ref) {
        found.extend(map.keys().map(|key| pair(key.as_str())));
    }
    found
}

/// Options of the function in whose map a key is being typed; none elsewhere.
fn options(host: &Host, typed: &Typed, end: usize) -> Option<Vec<String>> {
    let open = typed.open_bracket(end)?;
    let is_map = typed.piece(open) == "{" && open > 0 && typed.piece(open - 1) == "#";
    let is_key = open + 1 == end || end.checked_sub(1).is_some_and(|before| typed.piece(before) == ",");
    if !(is_map && is_key) {
        return None;
    }
    let mut names: Vec<String> =
        described(host, typed.piece(typed.call(open)?)).into_iter().map(|option| option.name).collect();
    names.sort();
    names.dedup();
    Some(names)
}

/// The options of the functions of a name.
fn described(host: &Host, name: &str) -> Vec<OptionDoc> {
    let Ok(registry) = host.registry() else { return Vec::new() };
    registry
        .named(name)
        .filter(|entry| entry.params.last().is_some_and(|(_, kind)| kind == "map"))
        .flat_map(|entry| docs::all_options(registry, registry.doc_of(entry)))
        .collect()
}

/// The words that the option takes whose value is the string at piece `at`; none elsewhere.
fn option_values(host: &Host, typed: &Typed, at: usize) -> Vec<String> {
    let key = at
        .checked_sub(2)
        .filter(|key| typed.piece(key + 1) == ":" && typed.pieces[*key].class == Class::Name);
    let Some((key, call)) = key.and_then(|key| Some((typed.piece(key), typed.call(key)?))) else {
        return Vec::new();
    };
    let options = described(host, typed.piece(call));
    let values = options.iter().filter(|option| option.name == key).flat_map(OptionDoc::values);
    values.map(str::to_owned).collect()
}

/// How to call the function whose parenthesis was opened last, where nothing stands in it yet.
pub fn signature(host: &Host, session: &Session, text: &str) -> Option<String> {
    let typed = Typed::new(text);
    let count = typed.pieces.len();
    if typed.touched().is_none() || count < 2 || typed.piece(count - 1) != "(" {
        return None;
    }
    let name = typed.piece(count - 2);
    let rest = |signature: &str| signature.split_once('(').map(|(_, rest)| rest.to_owned());
    if let Some(own) = session.functions().iter().rev().find(|own| own.split('(').next() == Some(name)) {
        return rest(own);
    }
    if count > 4 && typed.piece(count - 3) == ":" {
        let members = session.members(typed.piece(count - 5));
        return members
            .iter()
            .find(|function| function.name == name)
            .and_then(|function| rest(&function.signature));
    }
    let is_method = count > 3 && typed.piece(count - 3) == ".";
    let kind = match is_method {
        true => typed
            .receiver(count - 3)
            .and_then(|names| value_of(session, &names))
            .map(|value| type_name(&value)),
        false => None,
    };
    let registry = host.registry().ok()?;
    let found = registry
        .named(name)
        .filter(|entry| entry.kind == Kind::Function)
        .filter(|entry| kind.as_deref().is_none_or(|kind| entry.receiver() == kind))
        .max_by_key(|entry| entry.params.len())?;
    let signature = found.signature();
    signature.find(&format!("{name}(")).and_then(|at| rest(&signature[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_completed_segment_by_segment() {
        let sites: Vec<String> =
            ["hook_embed", "blocks.0.hook_mlp_out", "blocks.0.attn.hook_z", "blocks.1.hook_mlp_out"]
                .map(str::to_owned)
                .into();
        assert_eq!(by_segment(&sites, "bl"), ["blocks.", "hook_embed"]);
        let layers = by_segment(&sites, "blocks.");
        assert_eq!(layers, ["blocks.*.", "blocks.0.", "blocks.1.", "hook_embed"]);
        let inner = by_segment(&sites, "blocks.*.");
        assert!(inner.contains(&"blocks.*.attn.".into()) && inner.contains(&"blocks.*.hook_mlp_out".into()));
    }

    #[test]
    fn the_call_around_an_argument_is_found() {
        let typed = Typed::new("model.patch_sweep(f(1), #{ source: ");
        let count = typed.pieces.len();
        let call = typed.call(count).map(|call| typed.piece(call));
        assert_eq!(call, Some("patch_sweep"));
        assert_eq!(typed.receiver(1), Some(vec!["model"]));
        assert!(Typed::new("f().x").receiver(3).is_none());
    }

    #[test]
    fn strings_are_open_until_their_quote() {
        assert!(is_open("\"") && is_open("\"a\\\"") && is_open("`a"));
        assert!(!is_open("\"a\"") && !is_open("'a"));
        assert!(!is_open("\"a\\\\\"") && !is_open("`a\\`") && is_open("\"a\\\\\\\""));
    }
}
