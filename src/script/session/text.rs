//! What a session reads from the text of an input: where its statements end, where it means the last value.

use std::collections::BTreeSet;

use crate::script::diagnostic::Place;
use crate::script::scan::{Class, Piece, pieces};
use crate::script::session::LAST;

/// Where a text reads the last value: each `_` that is not the default of a `switch`, as line and column.
pub(super) fn last_values(text: &str) -> BTreeSet<(usize, usize)> {
    uses_of_last(text, &pieces(text)).into_iter().map(|piece| place_of(text, piece.range.start)).collect()
}

fn uses_of_last<'a>(text: &str, pieces: &'a [Piece]) -> Vec<&'a Piece> {
    let is_last = |piece: &Piece| piece.class == Class::Name && &text[piece.range.clone()] == LAST;
    let is_default = |piece: &Piece| text[piece.range.end..].trim_start().starts_with("=>");
    pieces.iter().filter(|piece| is_last(piece) && !is_default(piece)).collect()
}

/// Line and column, from 1, of a byte of a text.
fn place_of(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.rsplit('\n').next().unwrap_or(before);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// The byte of a text at a place.
pub(super) fn offset(text: &str, place: &Place) -> usize {
    let start: usize = text.split_inclusive('\n').take(place.line - 1).map(str::len).sum();
    let line = text.get(start..).unwrap_or("");
    start + line.char_indices().nth(place.column - 1).map_or(line.len(), |(at, _)| at)
}

/// A text with another name for the last value.
pub(super) fn renamed(text: &str, name: &str) -> String {
    let found = pieces(text);
    let mut renamed = text.to_owned();
    for piece in uses_of_last(text, &found).into_iter().rev() {
        renamed.replace_range(piece.range.clone(), name);
    }
    renamed
}

/// True where a text ends within a string in backticks, the only one that goes over several lines.
pub(super) fn is_in_backticks(text: &str) -> bool {
    // The part behind an interpolation begins with its brace.
    pieces(text)
        .last()
        .is_some_and(|piece| piece.class == Class::Text && text[piece.range.clone()].starts_with(['`', '}']))
}

pub(super) fn without_comments(text: &str) -> String {
    pieces(text)
        .into_iter()
        .filter(|piece| piece.class != Class::Comment)
        .map(|piece| &text[piece.range])
        .collect()
}

/// Where the last statement at the top of a text ends that ends before byte `limit`.
pub(super) fn end_of_statements(text: &str, limit: usize) -> usize {
    let (mut depth, mut end) = (0_usize, 0);
    let found = pieces(text);
    for (index, piece) in
        found.iter().enumerate().filter(|(_, piece)| matches!(piece.class, Class::Sign | Class::Text))
    {
        if piece.range.end > limit {
            break;
        }
        match &text[piece.range.clone()] {
            // Strings in backticks, around the code in them.
            part if piece.class == Class::Text => {
                depth = (depth + usize::from(part.ends_with("${")))
                    .saturating_sub(usize::from(part.starts_with('}')));
            }
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" => {
                depth = depth.saturating_sub(1);
                // A block that goes on, as in `} else {` or `#{ … }.keys()`, is no end.
                let next = found[index + 1..]
                    .iter()
                    .find(|piece| !matches!(piece.class, Class::Space | Class::Comment))
                    .map(|piece| (piece.class, &text[piece.range.clone()]));
                let goes_on = match next {
                    Some((Class::Sign, sign)) => !matches!(sign, "#" | "{" | "("),
                    Some((Class::Keyword, word)) => {
                        matches!(word, "else" | "catch" | "while" | "until" | "in" | "is")
                    }
                    Some(_) => false,
                    None => true,
                };
                if depth == 0 && !goes_on {
                    end = piece.range.end;
                }
            }
            ";" if depth == 0 => end = piece.range.end,
            _ => {}
        }
    }
    end
}

/// Where the last piece of a text ends that is neither space, a comment nor the end of a statement.
pub(super) fn end_of_code(text: &str) -> usize {
    let is_code = |piece: &Piece| {
        !matches!(piece.class, Class::Space | Class::Comment) && &text[piece.range.clone()] != ";"
    };
    pieces(text).iter().rev().find(|piece| is_code(piece)).map_or(0, |piece| piece.range.end)
}

/// True where code of a text has this name.
pub(super) fn names_in(text: &str, name: &str) -> bool {
    pieces(text).into_iter().any(|piece| piece.class == Class::Name && &text[piece.range] == name)
}

/// The variables that a text declares outside of all brackets.
pub(super) fn declared_in(text: &str) -> Vec<String> {
    let (mut depth, mut is_next, mut found) = (0_usize, false, Vec::new());
    for piece in pieces(text) {
        let part = &text[piece.range];
        match (piece.class, part) {
            (Class::Sign, "(" | "[" | "{") => depth += 1,
            (Class::Sign, ")" | "]" | "}") => depth = depth.saturating_sub(1),
            (Class::Keyword, "let" | "const") => is_next = depth == 0,
            (Class::Name, name) if std::mem::take(&mut is_next) => found.push(name.to_owned()),
            _ => {}
        }
    }
    found
}

/// A text in which all but its functions is blank: each stays at its place.
pub(super) fn functions_alone(text: &str) -> String {
    let (mut depth, mut is_function, mut left) = (0_usize, false, String::new());
    for piece in pieces(text) {
        let part = &text[piece.range];
        is_function |= piece.class == Class::Keyword && part == "fn" && depth == 0;
        let is_inside = is_function;
        match part {
            "{" if piece.class == Class::Sign => depth += 1,
            "}" if piece.class == Class::Sign => {
                depth = depth.saturating_sub(1);
                is_function &= depth > 0;
            }
            _ => {}
        }
        match is_inside {
            true => left.push_str(part),
            false => left.extend(part.chars().map(|c| if c == '\n' { c } else { ' ' })),
        }
    }
    left
}

/// A text without the functions of these signatures, which a later text declares anew.
pub(super) fn without_functions(text: &str, signatures: &[String]) -> String {
    let mut left = text.to_owned();
    for name in signatures.iter().filter_map(|signature| signature.split('(').next()) {
        let found: Vec<Piece> =
            pieces(&left).into_iter().filter(|piece| piece.class != Class::Space).collect();
        let word = |index: usize| found.get(index).map_or("", |piece: &Piece| &left[piece.range.clone()]);
        let Some(start) = (0..found.len()).find(|index| word(*index) == "fn" && word(index + 1) == name)
        else {
            continue;
        };
        let mut depth = 0_usize;
        let end = (start..found.len()).find(|index| {
            match word(*index) {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                _ => return false,
            }
            depth == 0
        });
        if let Some(end) = end {
            let range = found[start].range.start..found[end].range.end;
            left.replace_range(range, "");
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_where_they_end() {
        let end = |text: &str| end_of_statements(text, text.len());
        assert_eq!(end("let x = 1; x + 1"), 10);
        assert_eq!(end("fn f(a) { a; } f(2)"), 14);
        assert_eq!(end("if a { 1 } else { 2 }"), 0);
        assert_eq!(end("#{ a: 1 }.keys()"), 0);
        assert_eq!(end("\";\" + `${x;}`"), 0);
        assert_eq!(end_of_statements("let a = 1; let b = a / 0; b", 20), 10);
    }

    #[test]
    fn the_last_value_is_told_from_the_default_of_a_switch() {
        assert_eq!(last_values("_ + switch x { _ => _ }"), BTreeSet::from([(1, 1), (1, 21)]));
        assert!(last_values("a_b + \"_\" // _").is_empty());
        assert_eq!(renamed("é + _", "last_1"), "é + last_1");
    }

    #[test]
    fn what_a_text_declares_and_names_is_read_from_code() {
        assert_eq!(declared_in("let a = 1; if a { let b = 2; } const C = \"let d\"; // let e"), ["a", "C"]);
        assert!(names_in("f(a.b)", "b") && !names_in("\"b\" // b", "b"));
        assert_eq!(
            without_functions("fn f() { { 1 } } fn g() { 2 }", &["f()".into()]).trim(),
            "fn g() { 2 }"
        );
        assert_eq!(end_of_code("a + b; // c"), 5);
        assert_eq!(functions_alone("a; fn f(é) { { `}${1}` } } b"), "   fn f(é) { { `}${1}` } }  ");
    }
}
