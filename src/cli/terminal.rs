//! Lines to stdout and stderr.

use std::io::Write;

use crate::cli::{paint, progress};
use crate::script::Output;
use crate::script::diagnostic::Diagnostic;

/// The terminal as a script's output.
pub struct Terminal;

impl Output for Terminal {
    fn print(&self, text: &str) {
        say(text);
    }

    fn note(&self, text: &str) {
        complain(text);
    }
}

/// A line to stdout. Where the reader has gone (`mora … | head`) it is dropped: the script goes on and
/// writes its files.
pub fn say(text: &str) {
    progress::suspend(|| {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    });
}

/// A line to stderr.
pub fn complain(text: &str) {
    progress::suspend(|| {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    });
}

/// An error to stderr.
pub fn fail(diagnostic: &Diagnostic) {
    complain(&paint::diagnostic(diagnostic));
}

/// Columns and lines of the terminal on stdout; 100 × 24 where there is none.
pub fn size() -> (usize, usize) {
    let size = console::Term::stdout().size_checked();
    size.map_or((100, 24), |(lines, columns)| (usize::from(columns), usize::from(lines)))
}
