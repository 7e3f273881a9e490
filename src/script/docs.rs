//! What a doc says in a form that programs can read: the options of a function and its example.
//!
//! A paragraph of options gives each one's name, type, default and meaning, one of examples what it gives:
//!
//! ```text
//! Options: `keep` (bool, false): true leaves the axis with length 1; `how` ("inner" | "left", "inner"): which
//! rows stay; and those of every figure.
//!
//! Example: `tensor([1, 2]).sum()` is `tensor [] i64 3`
//! ```

use crate::script::registry::Registry;

/// An option as a doc describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionDoc {
    /// Its name.
    pub name: String,
    /// Its type, or the values that it takes, quoted and with `|` between them.
    pub kind: String,
    /// What holds where it is not given, or `required`.
    pub default: String,
    /// What it is for.
    pub meaning: String,
}

/// An example of a doc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What a script writes: an expression, or statements of which the last one has the result.
    pub code: String,
    /// The result as `print` shows it, where the doc says it.
    pub result: Option<String>,
}

impl OptionDoc {
    /// True where a call without it is an error.
    pub fn is_required(&self) -> bool {
        self.default == "required"
    }

    /// The strings that it takes, where only some mean something.
    pub fn values(&self) -> Vec<&str> {
        self.kind.split('"').skip(1).step_by(2).collect()
    }
}

/// The options that a doc describes itself, in its order.
pub fn options(doc: &str) -> Vec<OptionDoc> {
    let mut found = Vec::new();
    for text in paragraphs(doc).iter().filter_map(|text| option_list(text)) {
        let mut next = next_option(text, 0);
        while let Some(Named { name, given, end, .. }) = next {
            next = next_option(text, end);
            let until = next.as_ref().map_or(text.len(), |next| next.start);
            let (kind, default) = split_type(given);
            found.push(OptionDoc {
                name: name.to_owned(),
                kind: kind.to_owned(),
                default: default.to_owned(),
                meaning: meaning(&text[end..until]),
            });
        }
    }
    found
}

/// The options of a doc, with those that it takes over: "those of every figure" are described by the doc with
/// the paragraph "Options of every figure".
pub fn all_options(registry: &Registry, doc: &str) -> Vec<OptionDoc> {
    let mut all = options(doc);
    let paragraphs = paragraphs(doc);
    let lists = paragraphs.iter().filter_map(|text| option_list(text));
    let groups = lists.flat_map(|text| text.split("those of every ").skip(1));
    for group in groups.filter_map(|text| text.split(|c: char| !c.is_alphanumeric()).next()) {
        let head = format!("Options of every {group}:");
        let docs = registry.types.iter().map(|kind| &kind.doc);
        let docs = docs.chain(registry.entries.iter().map(|entry| &entry.doc));
        let shared = docs.filter(|doc| doc.lines().any(|line| line.starts_with(&head)));
        all.extend(shared.take(1).flat_map(|doc| options(doc)));
    }
    all
}

/// The first example of a doc.
pub fn example(doc: &str) -> Option<Example> {
    let paragraphs = paragraphs(doc);
    let text = paragraphs.iter().find_map(|text| text.strip_prefix("Example: `"))?;
    let (code, rest) = text.split_once('`')?;
    let result = rest.strip_prefix(" is `").and_then(|rest| rest.split_once('`')).map(|(result, _)| result);
    Some(Example { code: code.to_owned(), result: result.map(str::to_owned) })
}

/// Paragraphs, each on one line.
fn paragraphs(doc: &str) -> Vec<String> {
    let paragraphs = doc.split("\n\n").map(|text| text.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    paragraphs.map(|text| text.trim().to_owned()).collect()
}

/// What follows "Options:" or "Options of every …:".
fn option_list(paragraph: &str) -> Option<&str> {
    let rest = paragraph.strip_prefix("Options")?;
    match rest.strip_prefix(": ") {
        Some(list) => Some(list),
        None => rest.strip_prefix(" of every ")?.split_once(": ").map(|(_, list)| list),
    }
}

/// A name in backticks with parentheses behind it.
struct Named<'a> {
    start: usize,
    name: &'a str,
    given: &'a str,
    end: usize,
}

/// The first name with parentheses behind it from a place on that stands in no parentheses itself.
fn next_option(text: &str, from: usize) -> Option<Named<'_>> {
    let mut from = from;
    loop {
        let start = from + text[from..].find(['`', '('])?;
        let inside = start + 1;
        if text[start..].starts_with('(') {
            from = inside + closing(&text[inside..])? + 1;
            continue;
        }
        let close = inside + text[inside..].find('`')?;
        let name = &text[inside..close];
        from = close + 1;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if let Some(given) = text[from..].strip_prefix(" (").filter(|_| is_name) {
            let given = &given[..closing(given)?];
            return Some(Named { start, name, given, end: from + " ()".len() + given.len() });
        }
    }
}

/// Where the parenthesis closes in which `text` begins; those in strings and code do not count.
fn closing(text: &str) -> Option<usize> {
    outside(text).find(|(_, c, depth)| *c == ')' && *depth == 0).map(|(at, ..)| at)
}

/// "type, default", divided at the first comma outside brackets and strings.
fn split_type(text: &str) -> (&str, &str) {
    match outside(text).find(|(_, c, depth)| *c == ',' && *depth == 0) {
        Some((at, ..)) => (text[..at].trim(), text[at + 1..].trim()),
        None if text == "required" => ("", text),
        None => (text.trim(), ""),
    }
}

/// Characters outside strings and code, with their places and the number of brackets that are open there.
fn outside(text: &str) -> impl Iterator<Item = (usize, char, usize)> {
    let mut quote = None;
    let mut open = 0usize;
    text.char_indices().filter_map(move |(at, c)| {
        match (quote, c) {
            (Some(end), _) => {
                quote = (c != end).then_some(end);
                return None;
            }
            (None, '"' | '`') => {
                quote = Some(c);
                return None;
            }
            (None, '(' | '[' | '{') => open += 1,
            (None, ')' | ']' | '}') => {
                let before = open;
                open = open.saturating_sub(1);
                // A bracket that closes none of these stands at depth 0.
                return Some((at, c, before));
            }
            _ => {}
        }
        Some((at, c, open))
    })
}

/// A meaning without what joins it to its neighbours.
fn meaning(text: &str) -> String {
    let text = text.split("those of every ").next().unwrap_or_default();
    let text = text.trim_matches(|c: char| matches!(c, ':' | ';' | ',' | '.') || c.is_whitespace());
    let text = text.strip_suffix(" and").or(text.strip_suffix("; and")).unwrap_or(text);
    text.trim_end_matches([';', ',', ' ']).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn described(doc: &str) -> Vec<(String, String, String, String)> {
        options(doc).into_iter().map(|one| (one.name, one.kind, one.default, one.meaning)).collect()
    }

    fn one(name: &str, kind: &str, default: &str, meaning: &str) -> (String, String, String, String) {
        (name.into(), kind.into(), default.into(), meaning.into())
    }

    #[test]
    fn options_have_a_name_a_type_a_default_and_a_meaning() {
        let doc = "Trains.\n\nOptions: `lr` (number, 1e-4): the rate; `betas` (array, [0.9, 0.999]): of Adam, as in\n\
                   `other`; `x` (string, required), the column; `seed` (integer, the run's, or 0).\n\nErrors: `no` (none).";
        assert_eq!(
            described(doc),
            [
                one("lr", "number", "1e-4", "the rate"),
                one("betas", "array", "[0.9, 0.999]", "of Adam, as in `other`"),
                one("x", "string", "required", "the column"),
                one("seed", "integer", "the run's, or 0", ""),
            ]
        );
        assert!(options(doc)[2].is_required() && !options(doc)[0].is_required());
    }

    #[test]
    fn values_are_the_strings_of_the_type() {
        let doc = "Options: `how` (\"a, (b\" | \"c\" | array, \"c\"): where `y.z` (`z (`) holds; `on` (bool, true).";
        let found = options(doc);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].values(), ["a, (b", "c"]);
        assert_eq!(found[0].default, "\"c\"");
        assert!(found[1].values().is_empty());
    }

    #[test]
    fn names_in_parentheses_and_without_them_are_no_options() {
        let doc = "Options: `a` (bool, false): not with `b`, as (see `c` (d)) says, and `e.f` (g).";
        assert_eq!(
            described(doc),
            [one("a", "bool", "false", "not with `b`, as (see `c` (d)) says, and `e.f` (g)")]
        );
        assert!(options("No options: `a` (bool, true).").is_empty());
    }

    #[test]
    fn shared_options_are_taken_over() {
        let kind = crate::script::registry::Type {
            name: "Figure".into(),
            room: "plot".into(),
            doc: "A picture.\n\nOptions of every figure: `title` (string, none), above it.".into(),
        };
        let registry = Registry { types: vec![kind], ..Registry::default() };
        let doc = "Options: `x` (string, required): across; and those of every figure.";
        let names: Vec<String> = all_options(&registry, doc).into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["x", "title"]);
        assert_eq!(options(doc)[0].meaning, "across");
    }

    #[test]
    fn an_example_has_code_and_a_result_where_it_is_given() {
        let doc = "Sums.\n\nExample: `let a = [1,\n2]; a.len()` is `2`\n\nMore.";
        let found = example(doc).unwrap();
        assert_eq!((found.code.as_str(), found.result.as_deref()), ("let a = [1, 2]; a.len()", Some("2")));
        assert_eq!(example("Example: `help()`").unwrap().result, None);
        assert_eq!(example("Sums."), None);
    }
}
