//! A script's text cut into pieces: comments, strings, numbers, words and the rest.
//!
//! Unlike Rhai's own tokenizer it never fails: what is being typed is mostly unfinished.

use std::ops::Range;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// `// …` or `/* … */`
    Comment,
    /// A part of a string or a character, with its quotes.
    Text,
    /// `12`, `0.5`, `1e-3`
    Number,
    /// A word of the language.
    Keyword,
    /// A name.
    Name,
    /// Operators and brackets.
    Sign,
    /// White space.
    Space,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub class: Class,
    /// Where it lies, in bytes.
    pub range: Range<usize>,
}

/// Words that cannot be names.
pub const KEYWORDS: [&str; 28] = [
    "as", "break", "catch", "const", "continue", "do", "else", "export", "false", "fn", "for", "global",
    "if", "import", "in", "is", "let", "loop", "private", "return", "switch", "this", "throw", "true", "try",
    "until", "while", "with",
];

/// All of `text`, piece by piece. A word's or number's piece is whole; signs may stand together in one.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut scanner = Scanner { text, at: 0, pieces: Vec::new(), within: Vec::new() };
    while scanner.at < text.len() {
        scanner.piece();
    }
    scanner.pieces
}

/// True for what a name can be made of.
pub fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    pieces: Vec<Piece>,
    /// Open `${` of strings in backticks, each with the number of braces that are open within.
    within: Vec<usize>,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn take(&mut self, class: Class, length: usize) {
        let end = (self.at + length).min(self.text.len());
        if end > self.at {
            self.pieces.push(Piece { class, range: self.at..end });
        }
        self.at = end;
    }

    fn piece(&mut self) {
        let rest = self.rest();
        let run = |test: &dyn Fn(char) -> bool| rest.find(|c: char| !test(c)).unwrap_or(rest.len());
        let Some(first) = rest.chars().next() else { return };
        match first {
            '/' if rest.starts_with("//") => self.take(Class::Comment, run(&|c| c != '\n')),
            '/' if rest.starts_with("/*") => self.take(Class::Comment, comment(rest)),
            '"' => self.take(Class::Text, quoted(rest, '"')),
            '\'' => self.take(Class::Text, quoted(rest, '\'')),
            '`' => self.backticks(1),
            c if c.is_whitespace() => self.take(Class::Space, run(&char::is_whitespace)),
            c if c.is_ascii_digit() => self.take(Class::Number, number(rest)),
            c if is_name(c) => {
                let length = run(&is_name);
                let class = if KEYWORDS.contains(&&rest[..length]) { Class::Keyword } else { Class::Name };
                self.take(class, length);
            }
            '{' => {
                if let Some(open) = self.within.last_mut() {
                    *open += 1;
                }
                self.take(Class::Sign, 1);
            }
            '}' => match self.within.last_mut() {
                Some(0) => {
                    self.within.pop();
                    self.backticks(1);
                }
                Some(open) => {
                    *open -= 1;
                    self.take(Class::Sign, 1);
                }
                None => self.take(Class::Sign, 1),
            },
            c => self.take(Class::Sign, c.len_utf8()),
        }
    }

    /// The text of a string in backticks, from behind its first `skipped` bytes to its end or to the next `${`.
    fn backticks(&mut self, skipped: usize) {
        let rest = self.rest();
        let body = rest.get(skipped..).unwrap_or("");
        let end = body.find('`').unwrap_or(body.len());
        match body[..end].find("${") {
            Some(code) => {
                self.take(Class::Text, skipped + code + 2);
                self.within.push(0);
            }
            None => self.take(Class::Text, skipped + (end + 1).min(body.len())),
        }
    }
}

/// Length of a comment between `/*` and `*/`, which may hold others.
fn comment(text: &str) -> usize {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        let Some(rest) = text.get(at..) else { return text.len() };
        match (rest.find("/*"), rest.find("*/")) {
            (Some(open), Some(close)) if open < close => (at, depth) = (at + open + 2, depth + 1),
            (_, Some(close)) => (at, depth) = (at + close + 2, depth - 1),
            (_, None) => return text.len(),
        }
    }
    at
}

/// Length of a string that begins with its quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            c if c == quote && !escaped => return at + 1,
            // An end of line ends a string that has none, unless a backslash continues it.
            '\n' if !escaped => return at,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// Length of a number: digits with `_`, one point before digits (`1..2` is a range, `1.abs()` a call), an exponent.
fn number(text: &str) -> usize {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or("");
        from + rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len())
    };
    let mut end = digits(0);
    let follows = |at: usize| text.get(at..).and_then(|rest| rest.chars().next());
    if follows(end) == Some('.') && follows(end + 1).is_some_and(|c| c.is_ascii_digit()) {
        end = digits(end + 1);
    }
    let is_scientific = text[..end].ends_with(['e', 'E']) && !text.starts_with("0x");
    if is_scientific && matches!(follows(end), Some('+' | '-')) {
        end = digits(end + 1);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(Class, &str)> {
        pieces(text)
            .into_iter()
            .filter(|piece| piece.class != Class::Space)
            .map(|piece| (piece.class, &text[piece.range]))
            .collect()
    }

    #[test]
    fn pieces_cover_the_text_whatever_it_is() {
        for text in
            ["", "let x = \"a", "`a ${f(#{a: `b`})} c` d", "/* /* */ x", "é 'x \"", "1e", "}}`${", "0x1e+2"]
        {
            let mut end = 0;
            for piece in pieces(text) {
                assert_eq!(piece.range.start, end, "{text}");
                end = piece.range.end;
            }
            assert_eq!(end, text.len(), "{text}");
        }
    }

    #[test]
    fn classes_are_told() {
        use Class::{Comment, Keyword, Name, Number, Sign, Text};
        assert_eq!(
            shown("let x1 = 1.5e-3; // end"),
            [
                (Keyword, "let"),
                (Name, "x1"),
                (Sign, "="),
                (Number, "1.5e-3"),
                (Sign, ";"),
                (Comment, "// end")
            ]
        );
        assert_eq!(shown("0..3"), [(Number, "0"), (Sign, "."), (Sign, "."), (Number, "3")]);
        assert_eq!(
            shown("`a ${f({1})} b` + \"\\\"//\""),
            [
                (Text, "`a ${"),
                (Name, "f"),
                (Sign, "("),
                (Sign, "{"),
                (Number, "1"),
                (Sign, "}"),
                (Sign, ")"),
                (Text, "} b`"),
                (Sign, "+"),
                (Text, "\"\\\"//\"")
            ]
        );
    }
}
