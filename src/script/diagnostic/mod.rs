//! A script's error as people read it: what went wrong, where, how to mend it, and who called whom.

mod called;
mod explain;
mod foreign;
mod members;
mod text;

use std::fmt;

use rhai::{EvalAltResult, Position};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::script::isolate::plainly;
use crate::script::registry::Registry;
use crate::script::source::{CLOSURE, Sources};

/// A place in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The text's name.
    pub source: String,
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source, self.line, self.column)
    }
}

/// A call that was under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// `in function f`, `in a closure`, `in module mora:ipd`.
    pub what: String,
    /// Where it was called.
    pub called_at: Option<Place>,
}

/// A rendered error.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// What went wrong.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
    /// The line there, and the width of the token, in characters.
    pub excerpt: Option<(String, usize)>,
    /// How to mend it.
    pub hints: Vec<String>,
    /// The calls under way, innermost first.
    pub trace: Vec<Frame>,
}

impl Diagnostic {
    /// Explains `error`, which ended the script called `source`.
    pub fn new(error: &EvalAltResult, source: &str, sources: &Sources, registry: &Registry) -> Self {
        let mut trace = Vec::new();
        let (innermost, source) = unwind(error, source.to_owned(), sources, &mut trace);
        let source = source.as_str();
        trace.reverse();
        let text = sources.get(source).map(|source| source.text).unwrap_or_default();
        let place = place(source, innermost.position()).map(|place| within(place, &text));
        // Rhai gives no place for this one.
        let place = place.or_else(|| {
            let is_captured = matches!(innermost, EvalAltResult::ErrorDataRace(..));
            let (line, column) = text::call_that_captures_itself(&text).filter(|_| is_captured)?;
            Some(Place { source: source.to_owned(), line, column })
        });
        // Nor for what an iterator refuses: there it is that of the call.
        let place = place.or_else(|| {
            trace.first().and_then(|call| call.called_at.clone()).filter(|place| place.source == source)
        });
        let scene = explain::Scene {
            registry,
            text: &text,
            visible: &sources.visible_from(source),
            place: place.as_ref().map(|place| (place.line, place.column)),
            texts: &sources.texts(),
        };
        let (message, mut hints) = explain::explain(innermost, &scene);
        if hints.is_empty() && matches!(innermost, EvalAltResult::ErrorRuntime(..)) {
            let word = place.as_ref().map(|place| text::word_at(&text, place.line, place.column));
            let called = word.and_then(|word| called::native(registry, &word));
            hints.extend(called.or_else(|| called::of_module(source, &trace, sources)));
        }
        let excerpt = place.as_ref().and_then(|place| {
            let line = text.lines().nth(place.line - 1)?.to_owned();
            let width = text::token_width(&line, place.column);
            Some((line, width))
        });
        Self { message, place, excerpt, hints, trace }
    }

    /// Where the outermost text was when it failed: the place of the error, or of the call that led to it.
    pub fn outermost(&self) -> Option<&Place> {
        self.trace.iter().rev().find_map(|frame| frame.called_at.as_ref()).or(self.place.as_ref())
    }

    /// An error that no place in a script caused.
    pub fn of_core(error: &crate::error::Error) -> Self {
        Self {
            message: error.what().to_owned(),
            place: None,
            excerpt: None,
            hints: error.help().map(str::to_owned).into_iter().collect(),
            trace: Vec::new(),
        }
    }
}

/// Goes through calls and imports to the error itself; gives it with the name of the text it lies in.
fn unwind<'a>(
    error: &'a EvalAltResult,
    source: String,
    sources: &Sources,
    trace: &mut Vec<Frame>,
) -> (&'a EvalAltResult, String) {
    match error {
        EvalAltResult::ErrorInFunctionCall(name, defined_in, inner, position) => {
            let is_closure = name.starts_with(CLOSURE);
            let what = match name {
                _ if is_closure => "in a closure".to_owned(),
                // No function's name: it says itself what it is (see `Callbacks::call_for`).
                name if name.contains(' ') => format!("in {name}"),
                name => format!("in function {}", plainly(name)),
            };
            trace.push(Frame { what, called_at: place(&source, *position) });
            let source = if defined_in.is_empty() { source } else { defined_in.clone() };
            let source = if is_closure { sources.of_closure(name, &source) } else { source };
            unwind(inner, source, sources, trace)
        }
        EvalAltResult::ErrorInModule(name, inner, position) => {
            trace.push(Frame { what: format!("in module {name}"), called_at: place(&source, *position) });
            unwind(inner, name.clone(), sources, trace)
        }
        error => (error, source),
    }
}

fn place(source: &str, position: Position) -> Option<Place> {
    // Column 0 is the end of the line before: Rhai's place for what is missing.
    let line = position.line()?;
    Some(Place { source: source.to_owned(), line, column: position.position().unwrap_or(1) })
}

/// The part of a long line that is shown, and the column in it.
fn clipped(line: &str, column: usize) -> (String, usize) {
    const BEFORE: usize = 60;
    const SHOWN: usize = 110;
    if line.chars().count() <= SHOWN {
        return (line.to_owned(), column);
    }
    let skipped = column.saturating_sub(BEFORE + 1);
    let (mark, lost) = if skipped > 0 { ("…", skipped - 1) } else { ("", 0) };
    let part: String = line.chars().skip(skipped).take(SHOWN).collect();
    let end = if line.chars().count() > skipped + SHOWN { "…" } else { "" };
    (format!("{mark}{part}{end}"), column - lost)
}

/// What stands before the caret: as wide as the line up to its column, which a terminal shows in one or two cells a
/// character. Tabs stay tabs.
fn lead(line: &str, column: usize) -> String {
    let cell = |c: char| match c {
        '\t' => "\t".to_owned(),
        c => " ".repeat(c.width().unwrap_or(0)),
    };
    line.chars().take(column - 1).map(cell).collect()
}

/// A place behind the end of the text, moved to the end of its last line.
fn within(place: Place, text: &str) -> Place {
    let lines = text.trim_end().lines().count();
    if place.line <= lines || lines == 0 {
        return place;
    }
    let column = text.lines().nth(lines - 1).map_or(1, |line| line.chars().count() + 1);
    Place { line: lines, column, ..place }
}

/// A part of a rendered diagnostic, for whoever colours it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The word `error`.
    Error,
    /// What went wrong.
    Message,
    /// Line numbers and the frame around the line.
    Margin,
    /// What stands under the token.
    Caret,
    /// The word `hint`.
    Hint,
}

impl Diagnostic {
    /// The diagnostic as text, each part as `paint` shows it.
    pub fn render(&self, paint: &dyn Fn(Part, &str) -> String) -> String {
        let margin = self.place.as_ref().map_or(1, |place| place.line.to_string().len());
        let blank = " ".repeat(margin);
        let message = self.message.replace('\n', "\n       ");
        let mut text =
            format!("{}{}", paint(Part::Error, "error"), paint(Part::Message, &format!(": {message}")));
        let mut line = |line: String| {
            text.push('\n');
            text.push_str(&line);
        };
        if let Some(place) = &self.place {
            line(format!("{blank}{} {place}", paint(Part::Margin, "-->")));
            if let Some((excerpt, width)) = &self.excerpt {
                let (excerpt, column) = clipped(excerpt, place.column);
                let lead = lead(&excerpt, column);
                let token: String = excerpt.chars().skip(column - 1).take(*width).collect();
                // A caret stands behind the end of a line, too.
                let width = token.width().max(1);
                let bar = paint(Part::Margin, "|");
                line(format!("{blank} {bar}"));
                line(format!("{} {excerpt}", paint(Part::Margin, &format!("{} |", place.line))));
                line(format!("{blank} {bar} {lead}{}", paint(Part::Caret, &"^".repeat(width))));
            }
        }
        let equals = paint(Part::Margin, "=");
        for hint in &self.hints {
            let hint = hint.replace('\n', &format!("\n{blank}         "));
            line(format!("{blank} {equals} {}: {hint}", paint(Part::Hint, "hint")));
        }
        const SHOWN: usize = 8;
        for (index, frame) in self.trace.iter().enumerate() {
            // A deep recursion shows its ends.
            if self.trace.len() > 2 * SHOWN && index == SHOWN {
                line(format!("{blank} {equals} … {} more calls", self.trace.len() - 2 * SHOWN));
            }
            if self.trace.len() > 2 * SHOWN && (SHOWN..self.trace.len() - SHOWN).contains(&index) {
                continue;
            }
            line(match &frame.called_at {
                Some(place) => format!("{blank} {equals} {}, from {place}", frame.what),
                None => format!("{blank} {equals} {}", frame.what),
            });
        }
        text
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&|_, text| text.to_owned()))
    }
}
