//! What a diagnostic reads from a script's text: tokens under a caret, names, functions.
//!
//! Rhai gives places as points and drops names once a script runs, so the text is looked at again.

use std::collections::BTreeSet;

use crate::script::scan::{Class, Piece, is_name, pieces};

/// Number of characters of the token that begins at character `column` (from 1) of `line`; at least 1.
pub fn token_width(line: &str, column: usize) -> usize {
    let rest: Vec<char> = line.chars().skip(column.saturating_sub(1)).collect();
    let run = |test: &dyn Fn(char) -> bool| rest.iter().take_while(|c| test(**c)).count();
    let width = match rest.first() {
        None => 1,
        Some(c) if is_name(*c) => run(&|c| is_name(c)),
        Some(quote @ ('"' | '`')) => {
            let mut escaped = false;
            let end = rest.iter().skip(1).position(|c| {
                let closes = c == quote && !escaped;
                escaped = *c == '\\' && !escaped;
                closes
            });
            end.map_or(rest.len(), |end| end + 2)
        }
        Some('(' | ')' | '[' | ']' | '{' | '}' | ',' | ';') => 1,
        Some(_) => run(&|c| "+-*/%=<>!&|^.~?:#".contains(c)),
    };
    width.max(1)
}

/// The name that begins at a place, line and column from 1; empty where none does.
pub fn word_at(text: &str, line: usize, column: usize) -> String {
    let line = text.lines().nth(line - 1).unwrap_or("");
    line.chars().skip(column - 1).take_while(|c| is_name(*c)).collect()
}

/// A text in which comments and strings are blank; every character keeps its place.
fn code(text: &str) -> String {
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    let shown = |piece: Piece| -> String {
        let part = &text[piece.range];
        match piece.class {
            Class::Comment | Class::Text => part.chars().map(blank).collect(),
            _ => part.to_owned(),
        }
    };
    pieces(text).into_iter().map(shown).collect()
}

/// Brackets that are open at a place (before it), outermost first, each with its line and column.
fn open_brackets(code: &str, until: Option<(usize, usize)>) -> Vec<(char, usize, usize)> {
    let mut open = Vec::new();
    for (line, text) in code.lines().enumerate() {
        for (column, c) in text.chars().enumerate() {
            let place = (line + 1, column + 1);
            if until.is_some_and(|until| place >= until) {
                return open;
            }
            match c {
                '(' | '[' | '{' => open.push((c, place.0, place.1)),
                ')' | ']' | '}' => {
                    let pair = match c {
                        ')' => '(',
                        ']' => '[',
                        _ => '{',
                    };
                    // What another bracket closes was left open: the brackets up to here tell more.
                    if until.is_none() && open.last().is_some_and(|(bracket, _, _)| *bracket != pair) {
                        return open;
                    }
                    open.pop();
                }
                _ => {}
            }
        }
    }
    open
}

/// The innermost bracket that a text leaves open, with its line and column.
pub fn unclosed(text: &str) -> Option<(char, usize, usize)> {
    open_brackets(&code(text), None).pop()
}

/// True where a place (line and column, from 1) lies in the body of a function.
pub fn is_in_function(text: &str, place: (usize, usize)) -> bool {
    let code = code(text);
    open_brackets(&code, Some(place)).iter().any(|(bracket, line, column)| {
        // The body's brace follows the parameters on the line that begins with `fn`.
        let before: String = code.lines().nth(line - 1).unwrap_or("").chars().take(column - 1).collect();
        let head = before.trim_start().trim_start_matches("private ");
        *bracket == '{' && head.starts_with("fn ") && head.trim_end().ends_with(')')
    })
}

/// True where a place (line and column, from 1) is that of a name behind a point.
pub fn is_after_a_point(text: &str, (line, column): (usize, usize)) -> bool {
    let line = text.lines().nth(line - 1).unwrap_or("");
    let before: String = line.chars().take(column - 1).collect();
    before.trim_end().ends_with('.')
}

/// The first call of a variable's method with a closure that uses this variable: the place of the method's name.
pub fn call_that_captures_itself(text: &str) -> Option<(usize, usize)> {
    let pieces: Vec<Piece> = pieces(text).into_iter().filter(|piece| piece.class != Class::Space).collect();
    let word = |index: usize| pieces.get(index).map_or("", |piece: &Piece| &text[piece.range.clone()]);
    for index in 0..pieces.len() {
        let is_call = pieces[index].class == Class::Name && word(index + 1) == "." && word(index + 3) == "(";
        if !is_call {
            continue;
        }
        let (mut depth, mut has_closure) = (0_usize, false);
        for inner in index + 3..pieces.len() {
            match word(inner) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                "|" => has_closure = true,
                found if has_closure && found == word(index) && word(inner - 1) != "." => {
                    let before = &text[..pieces[index + 2].range.start];
                    let line = before.rsplit('\n').next().unwrap_or(before);
                    return Some((before.matches('\n').count() + 1, line.chars().count() + 1));
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    None
}

/// Names that a script declares with `let`, `const`, `for` or `import … as`, and its parameters.
pub fn declared_names(text: &str) -> BTreeSet<String> {
    let code = code(text);
    let mut names = BTreeSet::new();
    let mut expect = false;
    let mut word = String::new();
    let mut words = Vec::new();
    for c in code.chars().chain([' ']) {
        if is_name(c) {
            word.push(c);
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    for word in words {
        if matches!(word.as_str(), "let" | "const" | "for" | "as") {
            expect = true;
        } else if std::mem::take(&mut expect) {
            names.insert(word);
        }
    }
    // Parameters of closures and functions: names between bars, or between a function's parentheses.
    for (index, part) in code.split('|').enumerate() {
        let is_list = part.chars().all(|c| is_name(c) || c == ',' || c.is_whitespace());
        if index % 2 == 1 && is_list {
            names.extend(part.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
    for (_, params) in functions(text) {
        names.extend(params);
    }
    names.retain(|name| !name.starts_with(|c: char| c.is_ascii_digit()));
    names
}

/// Functions that a text defines, with their parameters.
pub fn functions(text: &str) -> Vec<(String, Vec<String>)> {
    let code = code(text);
    let mut found = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        if code[..start].ends_with(is_name) {
            continue;
        }
        let rest = code[start + 3..].trim_start();
        let Some((name, rest)) = rest.split_once('(') else { continue };
        let Some((params, _)) = rest.split_once(')') else { continue };
        let name = name.trim().rsplit('.').next().unwrap_or(name.trim());
        if !name.is_empty() && name.chars().all(is_name) {
            let params = params.split(',').map(str::trim).filter(|param| !param.is_empty());
            found.push((name.to_owned(), params.map(str::to_owned).collect()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_spans_the_token() {
        let line = r#"let näme = foo("a \" b") >= 3;"#;
        assert_eq!(token_width(line, 5), 4);
        assert_eq!(token_width(line, 12), 3);
        assert_eq!(token_width(line, 16), 8);
        assert_eq!(token_width(line, 26), 2);
        assert_eq!(token_width(line, 99), 1);
    }

    #[test]
    fn open_brackets_are_found_and_functions_known() {
        let text = "fn f(x) {\n    x + \"}\" // }\n}\nlet y = [1, (2];\n";
        assert!(is_in_function(text, (2, 5)));
        assert!(!is_in_function(text, (4, 5)));
        assert_eq!(unclosed(text), Some(('(', 4, 13)));
        assert_eq!(unclosed("fn f() { 1 }"), None);
        assert_eq!(code("é\"aé\"//x\ny").chars().count(), 10);
    }

    #[test]
    fn a_call_whose_closure_uses_its_receiver_is_found() {
        assert_eq!(
            call_that_captures_itself("let a = [1];\na.map(|x| x);\n  a.map(|x| a.push(x));"),
            Some((3, 5))
        );
        assert_eq!(call_that_captures_itself("a.map(|x| b.a + x); a"), None);
        assert_eq!(call_that_captures_itself("a.map(|x"), None);
    }

    #[test]
    fn names_and_functions_are_read_from_code_alone() {
        let text = r#"
            // let not_this = 1;
            import "ipd" as ipd;
            let text = "let nor_this = 2";
            for item in [1] { }
            const LIMIT = 3;
            fn double(value, times) { value * times }
            let f = |x, y| x + y;
        "#;
        let names: Vec<String> = declared_names(text).into_iter().collect();
        assert_eq!(names, ["LIMIT", "f", "ipd", "item", "text", "times", "value", "x", "y"]);
        assert_eq!(functions(text), [("double".to_owned(), vec!["value".to_owned(), "times".to_owned()])]);
    }
}
