//! Rhai's errors in words: what was expected, what was found, and what to do.

use rhai::EvalAltResult as E;

use crate::error::did_you_mean;
use crate::script::diagnostic::{called, text};
use crate::script::error::core_error;
use crate::script::isolate::plainly;
use crate::script::registry::{Entry, Kind, Registry};
use crate::script::source::CLOSURE;
use crate::script::value::{describe, friendly_type};

/// What an explanation may look at.
pub struct Scene<'a> {
    /// Everything that can be called.
    pub registry: &'a Registry,
    /// The text in which the error happened.
    pub text: &'a str,
    /// What that text sees without an import.
    pub visible: &'a str,
    /// Where in the text, as line and column, both from 1.
    pub place: Option<(usize, usize)>,
    /// All texts of the run.
    pub texts: &'a [std::rc::Rc<str>],
}

type Explained = (String, Vec<String>);

/// The message and hints of an error, its place and calls left aside.
pub fn explain(error: &E, scene: &Scene) -> Explained {
    if let Some(core) = core_error(error) {
        return (core.what().to_owned(), core.help().map(str::to_owned).into_iter().collect());
    }
    match error {
        E::ErrorParsing(kind, _) => parsing(kind, scene),
        E::ErrorVariableNotFound(name, _) => variable(name, scene),
        E::ErrorFunctionNotFound(signature, _) => function(&plainly(signature), scene),
        E::ErrorDotExpr(what, _) => property(what, scene),
        E::ErrorIndexingType(signature, _) => index(signature, scene),
        E::ErrorPropertyNotFound(name, _) => (
            format!("the map has no property \"{name}\""),
            vec![format!("`map.get(\"{name}\")` gives () where it is missing")],
        ),
        E::ErrorModuleNotFound(name, _) => (format!("no module \"{name}\""), Vec::new()),
        E::ErrorMismatchDataType(expected, found, _) => mismatch(expected, found),
        E::ErrorMismatchOutputType(expected, found, _) => mismatch(expected, found),
        E::ErrorArrayBounds(length, index, _) => bounds("array", "element", *length, *index),
        E::ErrorStringBounds(length, index, _) => bounds("string", "character", *length, *index),
        E::ErrorRuntime(value, _) if value.is_unit() => ("the script threw an error".into(), Vec::new()),
        E::ErrorRuntime(value, _) if value.is_string() => (value.to_string(), Vec::new()),
        E::ErrorRuntime(value, _) => (format!("the script threw {}", describe(value)), Vec::new()),
        E::ErrorTerminated(..) => (crate::interrupt::stopped().what().to_owned(), Vec::new()),
        E::ErrorFor(_) => (
            "`for` needs something to go over".into(),
            vec!["an array, a range such as 0..10, a string's chars() or a map's keys()".into()],
        ),
        E::ErrorUnboundThis(_) => ("`this` is bound only inside a method call".into(), Vec::new()),
        E::ErrorStackOverflow(_) => (
            "functions call each other too deeply".into(),
            vec!["a recursion without an end, or one that is better written as a loop".into()],
        ),
        E::ErrorAssignmentToConstant(name, _) => {
            (format!("\"{name}\" is a constant"), vec!["declare it with `let` to change it".into()])
        }
        E::ErrorArithmetic(what, _) => arithmetic(what),
        E::ErrorDataRace(..) => (
            "a captured variable is used inside the call that changes it".into(),
            vec!["copy it into a new variable before the call".into()],
        ),
        E::ErrorSystem(what, inner) if what.is_empty() => (inner.to_string(), Vec::new()),
        other => {
            let mut bare = other.to_string();
            if let Some(end) = bare.rfind(" (line ") {
                bare.truncate(end);
            }
            (lower_first(&bare), Vec::new())
        }
    }
}

fn parsing(kind: &rhai::ParseErrorType, scene: &Scene) -> Explained {
    use rhai::ParseErrorType as P;
    let (message, mut hints) = syntax(kind, scene);
    let is_about_names = matches!(kind, P::VariableUndefined(_) | P::ModuleUndefined(_));
    if let Some((bracket, line, column)) = text::unclosed(scene.text).filter(|_| !is_about_names) {
        hints.push(format!("`{bracket}` at {line}:{column} is never closed"));
    }
    (message, hints)
}

fn syntax(kind: &rhai::ParseErrorType, scene: &Scene) -> Explained {
    use rhai::ParseErrorType as P;
    match kind {
        P::VariableUndefined(name) => variable(name, scene),
        P::ModuleUndefined(name) => (
            format!("no module is imported as \"{name}\""),
            vec![format!("`import \"{name}\" as {name};` at the top of the script")],
        ),
        P::AssignmentToConstant(name) => {
            (format!("\"{name}\" is a constant"), vec!["declare it with `let` to change it".into()])
        }
        P::UnexpectedEOF => ("the script ends in the middle of a statement".into(), Vec::new()),
        P::MissingToken(token, place) => (format!("expected `{token}` {place}"), Vec::new()),
        P::ExprExpected(what) => (format!("expected {what} expression"), Vec::new()),
        P::Reserved(name) => {
            (format!("`{name}` is a word of the language"), vec!["choose another name".into()])
        }
        other => (lower_first(&other.to_string()), Vec::new()),
    }
}

fn variable(name: &str, scene: &Scene) -> Explained {
    let names = text::declared_names(scene.visible);
    let mut hints = Vec::new();
    if names.contains(name) {
        hints.push(match scene.place.is_some_and(|place| text::is_in_function(scene.text, place)) {
            true => "a function sees its parameters and its own variables: pass it as a parameter".into(),
            false => "it is declared elsewhere in the script: later, or in another block".into(),
        });
    } else if let Some(hint) = did_you_mean(name, names.iter().map(String::as_str)) {
        hints.push(hint);
    } else if scene.registry.named(name).next().is_some() {
        hints.push(format!(
            "\"{name}\" is a function: call it, or write `Fn(\"{name}\")` for the function itself"
        ));
    }
    (format!("no variable \"{name}\""), hints)
}

fn mismatch(expected: &str, found: &str) -> Explained {
    let (expected, found) = (friendly_type(expected), friendly_type(found));
    let hints = match (expected.as_str(), found.as_str()) {
        ("bool", "Tensor") => {
            vec![
                "a comparison of tensors gives a tensor: any() or all() makes true or false of it".to_owned(),
            ]
        }
        _ => Vec::new(),
    };
    match (expected.is_empty(), found.is_empty()) {
        (true, _) => (format!("unexpected {found}"), hints),
        (_, true) => (format!("expected {expected}"), hints),
        _ => (format!("expected {expected}, found {found}"), hints),
    }
}

fn arithmetic(what: &str) -> Explained {
    let what = lower_first(what);
    let hint = match () {
        _ if what.starts_with("division by zero") => "a float gives inf or NaN instead: `1.0 / 0.0`",
        _ if what.starts_with("modulo division by zero") => "the remainder of nothing is no number",
        _ => "integers have 64 bits; floats such as 2.0 reach further",
    };
    (what, vec![hint.to_owned()])
}

fn bounds(what: &str, part: &str, length: usize, index: i64) -> Explained {
    let size = match length {
        0 => "is empty".to_owned(),
        1 => format!("has 1 {part}"),
        n => format!("has {n} {part}s"),
    };
    let hint = match length {
        0 => "`is_empty()` tells whether there is one".to_owned(),
        1 => format!("its one {part} is at 0"),
        n => format!("its {part}s are at 0 to {}; -1 is the last", n - 1),
    };
    (format!("index {index} is outside the {what}, which {size}"), vec![hint])
}

/// Splits Rhai's `name (type, type)`; types may hold commas inside brackets.
fn signature(text: &str) -> (&str, Vec<String>) {
    let Some((name, rest)) = text.split_once(" (") else { return (text.trim(), Vec::new()) };
    let rest = rest.strip_suffix(')').unwrap_or(rest);
    let (mut depth, mut start, mut types) = (0_i32, 0, Vec::new());
    for (at, c) in rest.char_indices() {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            ',' if depth == 0 => {
                types.push(argument_type(&rest[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < rest.len() {
        types.push(argument_type(&rest[start..]));
    }
    (name.trim(), types)
}

/// Rhai writes a string argument as `&str | ImmutableString | String`.
fn argument_type(text: &str) -> String {
    friendly_type(text.split('|').next().unwrap_or(text))
}

fn function(called: &str, scene: &Scene) -> Explained {
    let (name, found) = signature(called);
    if let Some((module, name)) = name.rsplit_once("::") {
        return module_function(module, name, &found, scene);
    }
    if name.starts_with(CLOSURE) {
        let arguments = if found.len() == 1 { "argument" } else { "arguments" };
        let names: Vec<&str> = ["a", "b", "c", "d"].into_iter().take(found.len()).collect();
        return (
            format!(
                "a closure with other parameters was called with {} {arguments} ({})",
                found.len(),
                found.join(", ")
            ),
            vec![format!("write as many as it is given: |{}| …", names.join(", "))],
        );
    }
    let is_operator = !name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let candidates: Vec<&Entry> = scene
        .registry
        .named(name)
        .filter(|entry| matches!(entry.kind, Kind::Function | Kind::Operator))
        .collect();
    if is_operator {
        return operator(name, &found, &candidates);
    }
    let own = text::functions(scene.visible);
    if let Some((_, params)) = own.iter().find(|(own, _)| own == name) {
        let is_method = scene.place.is_some_and(|place| text::is_after_a_point(scene.text, place));
        // The value before the point is `this`, and none of the arguments.
        let count = found.len() - usize::from(is_method && !found.is_empty());
        let mut hints = vec![format!("fn {name}({})", params.join(", "))];
        if is_method && params.len() == found.len() {
            hints.push(format!(
                "the value before the point is `this`, no argument: {name}({})",
                params.join(", ")
            ));
        }
        return (wrong_count(name, &[params.len()], count), hints);
    }
    if candidates.is_empty() {
        let receiver = found.first().filter(|kind| kind.starts_with(|c: char| c.is_ascii_uppercase()));
        // What the value before the point can do is nearer than what another can.
        let methods = receiver.map(|kind| {
            let entries = scene.registry.entries.iter();
            entries.filter(move |entry| entry.receiver() == kind).map(|entry| entry.name.as_str())
        });
        let names = own.iter().map(|(own, _)| own.as_str()).chain(scene.registry.names());
        let hint = methods.and_then(|names| did_you_mean(name, names)).or_else(|| did_you_mean(name, names));
        let hints = hint.into_iter().collect();
        return match receiver {
            Some(kind) => (format!("no function \"{name}\" for a {kind}"), hints),
            None => (format!("no function \"{name}\""), hints),
        };
    }
    let hints = called::signatures(name, &candidates).into_iter().collect();
    (misfit(name, &found, &candidates), hints)
}

fn module_function(module: &str, name: &str, found: &[String], scene: &Scene) -> Explained {
    let functions: Vec<(String, Vec<String>)> =
        scene.texts.iter().flat_map(|text| text::functions(text)).collect();
    if let Some((_, params)) =
        functions.iter().find(|(known, params)| known == name && params.len() != found.len())
    {
        let hint = format!("fn {name}({})", params.join(", "));
        return (wrong_count(&format!("{module}::{name}"), &[params.len()], found.len()), vec![hint]);
    }
    let hint = did_you_mean(name, functions.iter().map(|(known, _)| known.as_str()));
    (format!("module {module} has no function \"{name}\""), hint.into_iter().collect())
}

/// Which argument fits none of the candidates, as far as the nearest of them tells.
fn misfit(name: &str, found: &[String], candidates: &[&Entry]) -> String {
    let same_count: Vec<&&Entry> =
        candidates.iter().filter(|entry| entry.params.len() == found.len()).collect();
    if same_count.is_empty() {
        let mut counts: Vec<usize> = candidates.iter().map(|entry| entry.params.len()).collect();
        counts.sort_unstable();
        counts.dedup();
        let method = candidates.iter().all(|entry| is_method(entry));
        let given = |count: usize| count - usize::from(method && count > 0);
        let counts: Vec<usize> = counts.into_iter().map(given).collect();
        return wrong_count(name, &counts, given(found.len()));
    }
    let fits = |expected: &str, found: &str| expected == found || expected == "any";
    let wrong = |entry: &Entry| {
        let pairs = entry.params.iter().zip(found).enumerate();
        pairs
            .filter(|(_, ((_, expected), found))| !fits(expected, found))
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    let nearest = same_count.iter().min_by_key(|entry| wrong(entry).len());
    let at = nearest.and_then(|entry| wrong(entry).first().copied()).unwrap_or(0);
    let mut expected: Vec<&str> = same_count
        .iter()
        .filter(|entry| wrong(entry) == [at])
        .filter_map(|entry| entry.params.get(at).map(|(_, kind)| kind.as_str()))
        .collect();
    expected.sort_unstable();
    expected.dedup();
    if expected.is_empty() {
        return format!("{name} does not take ({})", found.join(", "));
    }
    let found = found.get(at).map_or("nothing", String::as_str);
    match nearest.is_some_and(|entry| is_method(entry)) {
        true if at == 0 => format!("{name} is for a {}, found {found}", expected.join(" or ")),
        true => format!("{name}: expected {} as argument {at}, found {found}", expected.join(" or ")),
        false => format!("{name}: expected {} as argument {}, found {found}", expected.join(" or "), at + 1),
    }
}

fn is_method(entry: &Entry) -> bool {
    entry.receiver().starts_with(|c: char| c.is_ascii_uppercase())
}

fn wrong_count(name: &str, counts: &[usize], found: usize) -> String {
    let list: Vec<String> = counts.iter().map(usize::to_string).collect();
    let plural = if counts == [1] { "argument" } else { "arguments" };
    format!("{name} takes {} {plural}, found {found}", list.join(" or "))
}

fn operator(name: &str, found: &[String], candidates: &[&Entry]) -> Explained {
    let message = match found {
        [only] => format!("no operator `{name}` for {only}"),
        [left, right] => format!("no operator `{name}` between {left} and {right}"),
        _ => format!("no operator `{name}`"),
    };
    let Some(left) = found.first() else { return (message, Vec::new()) };
    let mut partners: Vec<&str> = candidates
        .iter()
        .filter(|entry| entry.receiver() == left && entry.params.len() == found.len())
        .filter_map(|entry| entry.params.get(1).map(|(_, kind)| kind.as_str()))
        .collect();
    partners.sort_unstable();
    partners.dedup();
    let hint = match left.as_str() {
        "map" => Some("take the values out of the map: `a.x` or `a[\"x\"]`".to_owned()),
        "array" => Some("`tensor(array)` can be computed with, number by number".to_owned()),
        _ if !partners.is_empty() => Some(format!("{left} {name} takes {}", partners.join(", "))),
        _ => None,
    };
    (message, hint.into_iter().collect())
}

/// Rhai says `Unknown property 'x' - a getter is not registered for type 'T'`.
fn property(what: &str, scene: &Scene) -> Explained {
    let quoted: Vec<&str> = what.split('\'').skip(1).step_by(2).collect();
    let (Some(name), Some(owner)) = (quoted.first(), quoted.last()) else {
        return (lower_first(what), Vec::new());
    };
    if !what.starts_with("Unknown property") {
        return (lower_first(what), Vec::new());
    }
    let owner = &friendly_type(owner);
    let of_owner = |kind: Kind| {
        scene.registry.entries.iter().filter(move |entry| entry.kind == kind && entry.receiver() == owner)
    };
    let setting = what.contains("setter");
    if setting && of_owner(Kind::Property).any(|entry| entry.name == *name) {
        return (format!("the property \"{name}\" of a {owner} cannot be assigned"), Vec::new());
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

/// Rhai says `T [index type]`.
fn index(what: &str, scene: &Scene) -> Explained {
    let Some((owner, index)) = what.split_once(" [") else {
        return (format!("{} cannot be indexed", friendly_type(what)), Vec::new());
    };
    let owner = argument_type(owner);
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

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_taken_apart() {
        let (name, types) =
            signature("sum (Tensor, &str | ImmutableString | String, core::ops::range::Range<i64>)");
        assert_eq!(name, "sum");
        assert_eq!(types, ["Tensor", "string", "range"]);
        assert_eq!(signature("help ()"), ("help", Vec::new()));
    }
}
