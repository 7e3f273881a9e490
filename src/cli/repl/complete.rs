//! What may follow what was typed: commands, variables, functions, members, options, sites, files.

use std::collections::BTreeMap;

use rustyline::completion::Pair;

use crate::cli::repl::commands::COMMANDS;
use crate::cli::repl::known::Asking;
use crate::cli::repl::quoted::{files, in_string};
use crate::cli::repl::typed::{Typed, is_open};
use crate::script::docs::OptionDoc;
use crate::script::host::Host;
use crate::script::registry::{Entry, Kind, LANGUAGE};
use crate::script::scan::{Class, KEYWORDS};
use crate::script::search::Search;
use crate::script::session::Session;
use crate::script::{docs, help, library};

/// What can be written from byte `start` on, each with what a list shows of it.
pub struct Candidates {
    pub start: usize,
    pub pairs: Vec<Pair>,
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

pub fn pair(text: impl Into<String>) -> Pair {
    let text = text.into();
    Pair { display: text.clone(), replacement: text }
}

pub fn matching(start: usize, word: &str, all: impl IntoIterator<Item = Pair>) -> Candidates {
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

/// Properties, functions and keys of the value before the point at piece `point`; none where nothing is known of it.
fn members(host: &Host, session: &Session, typed: &Typed, point: usize) -> Vec<Pair> {
    let Some(known) = (Asking { host, session, typed }).before(point) else { return Vec::new() };
    let Ok(registry) = host.registry() else { return Vec::new() };
    let kind = known.kind();
    let of = |wanted: Kind| {
        let entries = registry.entries.iter().filter(|entry| entry.receiver() == kind);
        entries.filter(move |entry| entry.kind == wanted)
    };
    let mut found = called(of(Kind::Function));
    found.extend(of(Kind::Property).map(|entry| pair(entry.name.as_str())));
    if kind == "map" {
        found.extend(known.keys().into_iter().map(pair));
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
pub fn described(host: &Host, name: &str) -> Vec<OptionDoc> {
    let Ok(registry) = host.registry() else { return Vec::new() };
    registry
        .named(name)
        .filter(|entry| entry.params.last().is_some_and(|(_, kind)| kind == "map"))
        .flat_map(|entry| docs::all_options(registry, registry.doc_of(entry)))
        .collect()
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
    let asking = Asking { host, session, typed: &typed };
    let kind = is_method.then(|| asking.before(count - 3)).flatten().map(|known| known.kind());
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::terminal::Terminal;
    use crate::script::host::Options;
    use crate::script::library::Script;
    use crate::script::permissions::Permissions;

    /// What may follow, in a session with some variables.
    fn follow() -> impl Fn(&str) -> Vec<String> {
        let script = Script { name: "repl".into(), source: "repl".into(), text: String::new(), folder: None };
        let options = Options {
            output: Box::new(Terminal),
            settings: BTreeMap::from([("layers_of_mine".to_owned(), "3".to_owned())]),
            folder: None,
            seed: 0,
            device: candle_core::Device::Cpu,
            dtype: candle_core::DType::F32,
            quiet: true,
            permissions: Permissions::trusted(),
            wait: false,
            max_operations: None,
        };
        let mut host = Host::new(&script, options);
        let mut session = Session::default();
        let input =
            "let model = load_model(\"mora/tiny-ipd\"); let t = zeros([2]); let run = model.run(\"They\");
            let mixed = [1, t]; let tensors = [t, t]; let opts = #{ alpha: t, inner: #{ beta: 1 } };
            fn run_of_mine() { 1 } import \"ipd\" as ipd;";
        assert!(host.evaluate(&mut session, input).is_ok());
        move |text| {
            let found = candidates(&host, &session, text);
            found.pairs.into_iter().map(|pair| pair.replacement).collect()
        }
    }

    #[test]
    fn members_are_those_of_what_stands_before_the_point() {
        let follow = follow();
        let has = |text: &str, name: &str| follow(text).iter().any(|found| found == name);
        for (text, name, other) in [
            ("t.", "softmax(", "n_layers"),
            ("opts.alpha.", "softmax(", "n_layers"),
            ("opts[\"alpha\"].", "softmax(", "n_layers"),
            ("opts.inner.", "beta", "softmax("),
            ("\"abc\".", "split(", "softmax("),
            ("run.cache.", "sites", "softmax("),
            ("run.logits.", "softmax(", "n_layers"),
            ("run.logits[0].", "softmax(", "push("),
            ("model.tokenizer.", "vocab_size", "run("),
            ("t.shape.", "push(", "softmax("),
            ("model.run(\"x\").", "logits", "softmax("),
            ("model.run(f(1), #{ a: [2] }).logits.softmax(1).", "softmax(", "n_layers"),
            ("(model).", "run(", "softmax("),
            ("f((model.run(\"x\")).", "logits", "softmax("),
            ("load_model(\"x\").", "run(", "softmax("),
            ("tensors[1].", "softmax(", "push("),
            ("[1, 2].", "push(", "softmax("),
            ("#{ a: 1 }.", "keys(", "softmax("),
        ] {
            assert!(has(text, name), "{text} {name}: {:?}", follow(text));
            assert!(!has(text, other), "{text} {other}");
        }
        for unknown in
            ["ipd::scenarios(model)[0].", "mixed[0].", "run_of_mine().", "nothing.", "model.nothing."]
        {
            assert_eq!(follow(unknown), Vec::<String>::new(), "{unknown}");
        }
    }

    #[test]
    fn strings_hold_what_the_function_asks_for() {
        let follow = follow();
        let models = follow("load_model(\"");
        assert!(models.contains(&"mora/tiny-ipd".to_owned()), "{models:?}");
        assert!(!models.iter().any(|name| name.contains("hook") || name.contains("PT2")), "{models:?}");
        let adapters = follow("model.with_adapter(load_adapter(\"");
        assert!(adapters.contains(&"mora/tiny-ipd/PT2".to_owned()), "{adapters:?}");
        assert!(!follow("read_csv(\"").iter().any(|name| name.contains("hook")));
        assert_eq!(follow("setting(\""), ["layers_of_mine", "model"]);
        assert_eq!(follow("help(\"softm"), ["softmax"]);
        assert_eq!(follow("help(\"game"), ["games"]);
        assert!(follow("run.cache[\"").iter().any(|name| name == "blocks."));
    }
}
