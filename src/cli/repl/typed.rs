//! What is typed, cut into pieces.

use crate::script::scan::{Class, Piece, pieces};

/// What is typed, up to the cursor.
pub struct Typed<'a> {
    pub text: &'a str,
    pub pieces: Vec<Piece>,
}

impl<'a> Typed<'a> {
    pub fn new(text: &'a str) -> Self {
        let pieces = pieces(text).into_iter().filter(|piece| piece.class != Class::Space).collect();
        Self { text, pieces }
    }

    pub fn piece(&self, index: usize) -> &'a str {
        self.pieces.get(index).map_or("", |piece| &self.text[piece.range.clone()])
    }

    /// What the piece of this index is.
    pub fn class(&self, index: usize) -> Option<Class> {
        self.pieces.get(index).map(|piece| piece.class)
    }

    /// The piece that the cursor is at the end of, not behind the space after it.
    pub fn touched(&self) -> Option<&Piece> {
        self.pieces.last().filter(|piece| piece.range.end == self.text.len())
    }

    /// The innermost bracket that is open before piece `end`, by its index.
    pub fn open_bracket(&self, end: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for index in (0..end).rev() {
            match (self.class(index)?, self.piece(index)) {
                (Class::Sign, ")" | "]" | "}") => depth += 1,
                (Class::Sign, "(" | "[" | "{") if depth == 0 => return Some(index),
                (Class::Sign, "(" | "[" | "{") => depth -= 1,
                _ => {}
            }
        }
        None
    }

    /// The function whose arguments hold piece `end`, by the index of its name.
    pub fn call(&self, end: usize) -> Option<usize> {
        let mut end = end;
        loop {
            let open = self.open_bracket(end)?;
            let name = open.checked_sub(1).filter(|name| self.class(*name) == Some(Class::Name));
            if let Some(name) = name.filter(|_| self.piece(open) == "(") {
                return Some(name);
            }
            end = open;
        }
    }
}

/// True where a string has no closing quote yet.
pub fn is_open(text: &str) -> bool {
    let Some(quote) = text.chars().next() else { return false };
    // An odd number of backslashes makes the quote a part of the string; in backticks nothing does.
    let before = text.strip_suffix(quote).unwrap_or(text);
    let backslashes = before.len() - before.trim_end_matches('\\').len();
    let is_escaped = quote == '"' && backslashes % 2 == 1;
    let closed = text.len() > 1 && text.ends_with(quote) && !is_escaped;
    matches!(quote, '"' | '`') && !closed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_around_an_argument_is_found() {
        let typed = Typed::new("model.patch_sweep(f(1), #{ source: ");
        let count = typed.pieces.len();
        let call = typed.call(count).map(|call| typed.piece(call));
        assert_eq!(call, Some("patch_sweep"));
    }

    #[test]
    fn strings_are_open_until_their_quote() {
        assert!(is_open("\"") && is_open("\"a\\\"") && is_open("`a"));
        assert!(!is_open("\"a\"") && !is_open("'a"));
        assert!(!is_open("\"a\\\\\"") && !is_open("`a\\`") && is_open("\"a\\\\\\\""));
    }
}
