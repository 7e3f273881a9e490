//! Lines to stdout and stderr.

use std::io::Write;

use crate::cli::progress;
use crate::script::Output;

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
