//! The reference: its pages are those of `docs/reference/`, and what it says of options and in examples is so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use common::script;
use mora::script::docs::{self, Example, OptionDoc};
use mora::script::library::STDLIB;
use mora::script::registry::{Entry, LANGUAGE, Registry};
use mora::script::scan::{self, Class};
use mora::script::{modules, reference};

#[test]
fn the_committed_reference_is_the_generated_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let mut names = Vec::new();
    for (name, text) in reference::markdown(&Registry::read().unwrap()).unwrap() {
        let found = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(
            found == text,
            "docs/reference/{name} is stale: `mora doc --reference docs/reference` renews it"
        );
        names.push(name);
    }
    for entry in std::fs::read_dir(&folder).unwrap().chain(std::fs::read_dir(folder.join("library")).unwrap())
    {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
        assert!(path.is_dir() || names.contains(&name), "docs/reference/{name} describes what is gone");
    }
}

#[test]
fn the_html_page_has_everything_and_needs_no_network() {
    let html = reference::html(&Registry::read().unwrap()).unwrap();
    for name in ["patch_sweep", "games::game", "Tensor", "find_circuit"] {
        assert!(html.contains(name), "{name}");
    }
    assert!(!html.contains("http://") && !html.contains("src=\"https"), "something is loaded from elsewhere");
    assert!(!html.contains("{{"), "a place was not filled");
}

/// What scripts call of mora's own: all but how values are printed.
fn own(registry: &Registry) -> impl Iterator<Item = &Entry> {
    let is_printing = |entry: &Entry| matches!(entry.name.as_str(), "to_string" | "to_debug");
    registry.entries.iter().filter(move |entry| entry.room != LANGUAGE && !is_printing(entry))
}

fn takes_options(entry: &Entry) -> bool {
    entry.params.iter().any(|(name, kind)| name == "options" && kind == "map")
}

/// The example as its doc writes it, without regard to its lines.
fn written(example: &Example) -> String {
    let result = example.result.as_ref().map_or(String::new(), |result| format!(" is `{result}`"));
    format!("Example: `{}`{result}", example.code)
}

#[test]
fn every_function_has_an_example_and_describes_its_options() {
    let registry = Registry::read().unwrap();
    let mut wrong = Vec::new();
    for entry in own(&registry) {
        let doc = registry.doc_of(entry);
        let words = doc.split_whitespace().collect::<Vec<_>>().join(" ");
        match docs::example(doc) {
            None => wrong.push(format!("{} has no example", entry.signature())),
            Some(example) if !words.ends_with(&written(&example)) => {
                wrong.push(format!("{}: not of the form `code` is `result`, at the end", entry.signature()));
            }
            Some(_) => {}
        }
        let options = docs::all_options(&registry, doc);
        if takes_options(entry) && options.is_empty() {
            wrong.push(format!("{} does not describe its options", entry.signature()));
        }
        for option in options.iter().filter(|option| option.default.is_empty()) {
            wrong.push(format!("{}: {} has no type and default", entry.signature(), option.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// True where a paragraph of a doc says what the function fails with.
fn tells_errors(doc: &str) -> bool {
    doc.split("\n\n").any(|paragraph| paragraph.starts_with("Errors: "))
}

#[test]
fn every_function_that_can_fail_says_with_what() {
    let registry = Registry::read().unwrap();
    let failing: Vec<&Entry> = own(&registry).filter(|entry| entry.can_fail).collect();
    assert!(failing.iter().any(|entry| entry.name == "softmax"), "no function is seen to fail");
    let silent: Vec<String> = failing
        .into_iter()
        .filter(|entry| !tells_errors(registry.doc_of(entry)))
        .map(Entry::signature)
        .collect();
    assert!(silent.is_empty(), "without a paragraph `Errors: …`: {silent:#?}");
}

/// The text of a function of the library from its name to its end.
fn whole(declared: &str) -> &str {
    let first = declared.lines().next().unwrap_or_default();
    // One that does not fit on its line ends with a brace at the beginning of another.
    if first.trim_end().ends_with('}') { first } else { declared.split("\n}").next().unwrap_or_default() }
}

fn throws(code: &str) -> bool {
    let pieces = scan::pieces(code);
    pieces.iter().any(|piece| piece.class == Class::Keyword && &code[piece.range.clone()] == "throw")
}

#[test]
fn every_function_of_the_library_that_throws_says_with_what() {
    let mut silent = Vec::new();
    let mut count = 0;
    for (name, text) in STDLIB {
        let functions = modules::read(name, text).functions;
        let texts: Vec<&str> = text.split("\nfn ").skip(1).map(whole).collect();
        assert_eq!(functions.len(), texts.len(), "{name}");
        let throwing = functions.into_iter().zip(texts).filter(|(_, text)| throws(text));
        for (function, _) in throwing {
            count += 1;
            if !tells_errors(&function.doc) {
                silent.push(function.signature);
            }
        }
    }
    assert!(count > 0, "no function is seen to throw");
    assert!(silent.is_empty(), "without a paragraph `Errors: …`: {silent:#?}");
}

#[test]
fn every_function_that_gives_a_tensor_says_its_shape() {
    const WORDS: [&str; 8] = ["shape", "shapes", "axis", "axes", "scalar", "element", "elements", "length"];
    let is_of_result =
        |paragraph: &&str| !["Options", "Errors:", "Example:"].iter().any(|head| paragraph.starts_with(head));
    let says_shape = |doc: &str| {
        doc.split("\n\n").filter(is_of_result).any(|paragraph| {
            let mut words = paragraph.split(|c: char| !c.is_alphanumeric());
            paragraph.contains('[') || words.any(|word| WORDS.contains(&word))
        })
    };
    let registry = Registry::read().unwrap();
    let silent: Vec<String> = own(&registry)
        .filter(|entry| entry.returns == "Tensor" && !says_shape(registry.doc_of(entry)))
        .map(Entry::signature)
        .collect();
    assert!(silent.is_empty(), "without a word on the shape: {silent:#?}");
}

/// What each of the statements prints, or the error that it ends with.
fn printed(statements: &[String]) -> Vec<String> {
    const MARK: &str = "\u{2}";
    let mut source = String::new();
    for statement in statements {
        writeln!(
            source,
            "print(\"{MARK}\"); try {{ {statement} }} catch (error) {{ print(`failed: ${{error}}`); }}"
        )
        .unwrap();
    }
    let mut found = Vec::new();
    for text in script::printed(&source) {
        match found.last_mut() {
            _ if text == MARK => found.push(Vec::new()),
            Some(texts) => texts.push(text),
            None => panic!("{text} is printed before the first statement"),
        }
    }
    found.into_iter().map(|texts| texts.join("\n")).collect()
}

#[test]
fn every_example_of_the_reference_gives_what_it_says() {
    let registry = Registry::read().unwrap();
    let docs: BTreeSet<&str> = own(&registry).map(|entry| registry.doc_of(entry)).collect();
    let examples: Vec<Example> = docs.into_iter().filter_map(docs::example).collect();
    let statement = |Example { code, result }: &Example| match result {
        Some(_) => format!("print({{ {code} }});"),
        None => format!("{code};"),
    };
    let found = printed(&examples.iter().map(statement).collect::<Vec<_>>());
    assert_eq!(found.len(), examples.len());
    let wrong: Vec<String> = examples
        .iter()
        .zip(&found)
        .filter(|(example, found)| match &example.result {
            Some(result) => result != *found,
            None => found.starts_with("failed: "),
        })
        .map(|(example, found)| format!("{} gives {found}", written(example)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The parts of a text between separators outside brackets and strings.
fn parts(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut is_string) = (Vec::new(), 0, 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => is_string = !is_string,
            _ if is_string => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ if c == separator && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// The code with one option more in its last call of the function `name`, which takes one of these numbers of
/// arguments, its receiver among them, where options are the last.
fn with_option(code: &str, name: &str, counts: &[usize], option: &str) -> String {
    let call = format!("{name}(");
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let (at, _) = code
        .rmatch_indices(&call)
        .find(|(at, _)| !code[..*at].ends_with(is_name))
        .unwrap_or_else(|| panic!("the example of {name} does not call it: {code}"));
    let (before, rest) = code.split_at(at + call.len());
    // The call's own parenthesis is the first that closes more than was opened.
    let mut depth = 0;
    let end = rest.char_indices().find_map(|(at, c)| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        (depth < 0).then_some(at)
    });
    let (inside, after) = rest.split_at(end.unwrap());
    let arguments = parts(inside, ',');
    let count = arguments.len() + usize::from(code[..at].ends_with('.'));
    match arguments.last().and_then(|last| last.strip_prefix("#{")) {
        Some(given) if counts.contains(&count) => {
            let others = inside.len() - given.len();
            format!("{before}{}{option}: 0, {given}{after}", &inside[..others])
        }
        _ if counts.contains(&(count + 1)) => {
            let comma = if arguments.is_empty() { "" } else { ", " };
            format!("{before}{inside}{comma}#{{ {option}: 0 }}{after}")
        }
        _ => panic!("the example of {name} leaves no place for options: {code}"),
    }
}

/// Where what a doc says of an option is not what the code says: "lr = 0.0001", "x (required)", "title".
fn difference(known: &str, described: &OptionDoc) -> Option<String> {
    let (name, default) = known.split_once(" = ").unwrap_or((known, ""));
    if described.is_required() != name.ends_with(" (required)") {
        return Some(format!("{known} is described as {}", described.default));
    }
    let choices = parts(default, '|');
    if choices.len() > 1 {
        let values = described.values();
        let are_told = choices.iter().all(|choice| values.contains(&choice.trim_matches('"')));
        let is_same = are_told && choices[0] == described.default;
        return (!is_same)
            .then(|| format!("{known} is described as {} {}", described.kind, described.default));
    }
    // A default that depends on something is told in words.
    let literal = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    match (literal(default), literal(&described.default)) {
        (Some(found), Some(told)) if found != told => {
            Some(format!("{known} is described as {}", described.default))
        }
        _ => None,
    }
}

#[test]
fn described_options_are_those_that_functions_take() {
    // An option that no function has is refused with the list of those that it has.
    const UNKNOWN: &str = "no_such_option";
    let registry = Registry::read().unwrap();
    let docs: BTreeSet<(&str, &str)> = own(&registry)
        .filter(|entry| takes_options(entry))
        .map(|entry| (entry.name.as_str(), registry.doc_of(entry)))
        .collect();
    let statements: Vec<String> = docs
        .iter()
        .map(|(name, doc)| {
            let alike = own(&registry).filter(|entry| entry.name == *name && registry.doc_of(entry) == *doc);
            let counts: Vec<usize> =
                alike.filter(|entry| takes_options(entry)).map(|entry| entry.params.len()).collect();
            with_option(&docs::example(doc).unwrap().code, name, &counts, UNKNOWN) + ";"
        })
        .collect();
    let mut wrong = Vec::new();
    for ((name, doc), found) in docs.iter().zip(printed(&statements)) {
        let refused = format!("failed: {name} has no option \"{UNKNOWN}\"");
        let Some((_, list)) = found.split_once("options: ").filter(|_| found.starts_with(&refused)) else {
            wrong.push(format!("{name} does not refuse {UNKNOWN}: {found}"));
            continue;
        };
        let known = parts(list, ',');
        let described = docs::all_options(&registry, doc);
        for option in &described {
            if !known.iter().any(|known| known.split(' ').next() == Some(&option.name)) {
                wrong.push(format!("{name} takes no {}", option.name));
            }
        }
        for known in known {
            match described.iter().find(|option| known.split(' ').next() == Some(&option.name)) {
                None => wrong.push(format!("{name}: {known} is not described")),
                Some(option) => wrong.extend(difference(known, option).map(|what| format!("{name}: {what}"))),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
