//! Rhai's errors in words: what was expected, what was found, and what to do.

use rhai::{Dynamic, EvalAltResult as E};

use crate::error::did_you_mean;
use crate::script::diagnostic::{called, foreign, members, text};
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

/// A message and its hints.
pub type Explained = (String, Vec<String>);

/// The message and hints of an error, its place and calls left aside.
pub fn explain(error: &E, scene: &Scene) -> Explained {
    if let Some(core) = core_error(error) {
        return (core.what().to_owned(), core.help().map(str::to_owned).into_iter().collect());
    }
    match error {
        E::ErrorParsing(kind, _) => parsing(kind, scene),
        E::ErrorVariableNotFound(name, _) => variable(name, scene),
        E::ErrorFunctionNotFound(signature, _) => function(&plainly(signature), scene),
        E::ErrorDotExpr(what, _) => members::property(what, scene),
        E::ErrorIndexingType(signature, _) => members::index(signature, scene),
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
        E::ErrorRuntime(value, _) => thrown(value),
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

/// A value that a script threw. Errors that are not a script's own reach `catch` as maps, and may be thrown again.
fn thrown(value: &Dynamic) -> Explained {
    const SHOWN: usize = 100;
    let map = value.as_map_ref().ok();
    let entry = |name: &str| map.as_ref().and_then(|map| map.get(name).cloned());
    if let Some(message) = entry("message") {
        let line = entry("line").and_then(|line| line.as_int().ok());
        let hint = line.map(|line| format!("it was caught and thrown again; it had happened in line {line}"));
        return (plainly(&message.to_string()), hint.into_iter().collect());
    }
    let shown = value.to_string();
    let short = match shown.chars().nth(SHOWN) {
        Some(_) => format!("{}…", shown.chars().take(SHOWN).collect::<String>()),
        None => shown,
    };
    (format!("the script threw {}: {short}", describe(value)), vec!["a text says more: `throw \"…\"`".into()])
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
        P::MissingToken(token, place) => (format!("expected `{token}` {place}"), missing(token, scene)),
        P::MismatchedType(..) => {
            let hint = scene.line().and_then(|line| foreign::condition(line));
            (lower_first(&kind.to_string()), hint.map(str::to_owned).into_iter().collect())
        }
        P::ExprExpected(what) => (format!("expected {what} expression"), Vec::new()),
        P::Reserved(name) => {
            let hint = scene.foreign(name).filter(|_| !scene.is_declared_here());
            let hint = hint.unwrap_or_else(|| "choose another name".into());
            (format!("`{name}` is a word of the language"), vec![hint])
        }
        P::BadInput(_) if kind.to_string().contains("'=='") => {
            ("a condition cannot be an assignment".into(), vec!["equality is `==`".into()])
        }
        other => (lower_first(&other.to_string()), scene.foreign("").into_iter().collect()),
    }
}

/// Where a sign is missing that ends something: it is noticed at what comes next.
fn missing(token: &str, scene: &Scene) -> Vec<String> {
    let (Some((number, column)), Some(line)) = (scene.place, scene.line()) else { return Vec::new() };
    if line.trim_start().starts_with("for (") {
        return vec!["`for x in 0..3 { … }`, without parentheses".into()];
    }
    let is_first = line.chars().take(column - 1).all(char::is_whitespace);
    let before =
        scene.text.lines().enumerate().take(number - 1).filter(|(_, line)| !line.trim().is_empty()).last();
    match before {
        Some((before, _)) if is_first && token == ";" => {
            vec![format!("the `;` is missing at the end of line {}", before + 1)]
        }
        _ => scene.foreign(&text::word_at(scene.text, number, column)).into_iter().collect(),
    }
}

impl Scene<'_> {
    /// The line in which the error is.
    fn line(&self) -> Option<&str> {
        self.text.lines().nth(self.place?.0.checked_sub(1)?)
    }

    /// What is written here for a word of another language.
    fn foreign(&self, word: &str) -> Option<String> {
        foreign::hint(self.line()?, self.place?.1, word).map(str::to_owned)
    }

    /// True where the place is that of a name behind `let`, `const` or `fn`.
    fn is_declared_here(&self) -> bool {
        let before =
            |column: usize| self.line().map(|line| line.chars().take(column - 1).collect::<String>());
        let before = self.place.and_then(|(_, column)| before(column)).unwrap_or_default();
        matches!(before.split_whitespace().last(), Some("let" | "const" | "fn"))
    }

    fn is_after_a_point(&self) -> bool {
        self.place.is_some_and(|place| text::is_after_a_point(self.text, place))
    }

    /// True where this word stands at the place of the error.
    fn is_at(&self, word: &str) -> bool {
        self.place.is_some_and(|(line, column)| text::word_at(self.text, line, column) == word)
    }

    /// True where this name is a module that is imported.
    fn is_module(&self, name: &str) -> bool {
        self.visible.contains(&format!(" as {name};"))
    }
}

fn variable(name: &str, scene: &Scene) -> Explained {
    let names = text::declared_names(scene.visible);
    let hint = if let Some((module, _)) = name.split_once("::").filter(|(module, _)| scene.is_module(module))
    {
        Some(format!("a script sees a module's functions: `mora doc {module}` lists them"))
    } else if name.starts_with("global::") {
        Some("it is no constant of this script or input: pass it as a parameter".into())
    } else if scene.is_module(name) {
        Some(format!("\"{name}\" is a module: its functions stand behind `::`, as in `{name}::name(…)`"))
    } else if names.contains(name) {
        Some(match scene.place.is_some_and(|place| text::is_in_function(scene.text, place)) {
            true => format!(
                "a function sees its parameters and its own variables: pass it as a parameter, or write \
                 `global::{name}` where it is a constant"
            ),
            false => "it is declared elsewhere in the script: later, or in another block".into(),
        })
    } else if let Some(hint) = scene.foreign(name) {
        Some(hint)
    } else if let Some(hint) = did_you_mean(name, names.iter().map(String::as_str)) {
        Some(hint)
    } else {
        scene.registry.named(name).next().map(|_| {
            format!("\"{name}\" is a function: call it, or write `Fn(\"{name}\")` for the function itself")
        })
    };
    (format!("no variable \"{name}\""), hint.into_iter().collect())
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
        _ if what.starts_with("step value") => "a step of 1 goes up by one, a step of -1 down",
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
pub fn argument_type(text: &str) -> String {
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
            vec![match found.len() {
                // Rhai's own functions for arrays give the place in the array, too, to those that want it.
                2 => "write |a| …, or |a, b| … where two are given".to_owned(),
                _ => format!("write as many as it is given: |{}| …", names.join(", ")),
            }],
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
        let is_method = scene.is_after_a_point();
        // The value before the point is `this`, and none of the arguments.
        let is_method = is_method && !scene.is_at("call");
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
        if text::declared_names(scene.visible).contains(name) && !scene.is_after_a_point() {
            let hint = format!("\"{name}\" is a variable: a closure in it is called with `{name}.call(…)`");
            return (format!("no function \"{name}\""), vec![hint]);
        }
        if let Some(hint) = scene.foreign(name) {
            return (format!("no function \"{name}\""), vec![hint]);
        }
        let receiver = found.first().filter(|kind| kind.starts_with(|c: char| c.is_ascii_uppercase()));
        // What the value before the point can do is nearer than what another can.
        let methods = receiver.map(|kind| {
            let entries = scene.registry.entries.iter();
            entries.filter(move |entry| entry.receiver() == kind).map(|entry| entry.name.as_str())
        });
        let names = own.iter().map(|(own, _)| own.as_str()).chain(scene.registry.names());
        let hint = methods
            .and_then(|names| did_you_mean(name, names))
            .or_else(|| longer(name, scene.registry))
            .or_else(|| did_you_mean(name, names));
        let hints = hint.into_iter().collect();
        return match receiver {
            Some(kind) => (format!("no function \"{name}\" for a {kind}"), hints),
            None => (format!("no function \"{name}\""), hints),
        };
    }
    let message = misfit(name, &found, &candidates);
    let is_whole = message.ends_with("found integer") && message.contains("number");
    let whole = is_whole.then(|| "a number has a point: `1.0`, or `x.to_float()`".to_owned());
    let hints = whole.into_iter().chain(called::signatures(name, &candidates)).collect();
    (message, hints)
}

/// Functions whose names say more than `name`: `paired_t_test` for `t_test`.
fn longer(name: &str, registry: &Registry) -> Option<String> {
    const SHOWN: usize = 3;
    let (end, beginning) = (format!("_{name}"), format!("{name}_"));
    let says_more = |known: &&str| known.ends_with(&end) || known.starts_with(&beginning);
    let mut found: Vec<&str> = registry.names().filter(says_more).collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(SHOWN);
    (!found.is_empty()).then(|| format!("did you mean \"{}\"?", found.join("\" or \"")))
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
        let mut receivers: Vec<&str> = candidates.iter().map(|entry| entry.receiver()).collect();
        receivers.sort_unstable();
        receivers.dedup();
        if let Some(first) = found.first().filter(|first| method && !receivers.contains(&first.as_str())) {
            return format!("{name} is for a {}, found {first}", receivers.join(" or "));
        }
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
        "string" => {
            Some("texts are joined with `+`; `${x}` between backticks puts a value into one".to_owned())
        }
        _ if !partners.is_empty() => Some(format!("{left} {name} takes {}", partners.join(", "))),
        _ => None,
    };
    (message, hint.into_iter().collect())
}

/// A text of Rhai as part of a sentence.
pub fn lower_first(text: &str) -> String {
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
