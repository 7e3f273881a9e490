//! What the line editor asks while a line is typed: is it whole, how does it look, what may follow.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter, HistoryHinter};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use crate::cli::paint;
use crate::cli::repl::{Typing, complete};

/// The line editor's view of a session.
pub struct Assistant {
    typing: Rc<RefCell<Typing>>,
    history: HistoryHinter,
}

impl Assistant {
    pub fn new(typing: Rc<RefCell<Typing>>) -> Self {
        Self { typing, history: HistoryHinter::new() }
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        let typing = self.typing.borrow();
        let input = context.input();
        Ok(match !input.starts_with(':') && typing.host.is_incomplete(&typing.session, input) {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, end: usize, _: &Context) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typing = self.typing.borrow();
        let found = complete::candidates(&typing.host, &typing.session, line.get(..end).unwrap_or(line));
        Ok((found.start, found.pairs))
    }
}

/// What may be meant: how to call a function, which is only shown, or an earlier line, which the right arrow takes.
pub struct Suggestion {
    shown: String,
    can_be_taken: bool,
}

impl Hint for Suggestion {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        self.can_be_taken.then_some(self.shown.as_str())
    }
}

impl Hinter for Assistant {
    type Hint = Suggestion;

    fn hint(&self, line: &str, end: usize, context: &Context) -> Option<Suggestion> {
        if end < line.len() {
            return None;
        }
        let typing = self.typing.borrow();
        if let Some(shown) = complete::signature(&typing.host, &typing.session, line) {
            return Some(Suggestion { shown, can_be_taken: false });
        }
        let shown = self.history.hint(line, end, context)?;
        Some(Suggestion { shown, can_be_taken: true })
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        match line.starts_with(':') {
            true => Cow::Borrowed(line),
            false => Cow::Owned(paint::code(line)),
        }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Owned(paint::strong(prompt).to_string())
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(paint::faint(hint).to_string())
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor
    }
}

impl Helper for Assistant {}
