//! The crate's one error: what went wrong, and what to do about it.
//!
//! An error says what was expected and what was found. It knows nothing of places in a script:
//! the script host adds the position where it calls the core.

use std::fmt;

/// `Result` with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with an optional hint on how to mend it.
///
/// One pointer wide, so that a `Result` of a small value stays small.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    what: String,
    hint: Option<String>,
    stopped: Option<Stopped>,
}

/// Who stopped the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// A person, with Ctrl-C.
    ByHand,
    /// A limit that the run was given.
    ByLimit,
}

impl Error {
    /// An error that says `what` went wrong: lower case, no full stop, expected and found.
    pub fn new(what: impl Into<String>) -> Self {
        Self(Box::new(Inner { what: what.into(), hint: None, stopped: None }))
    }

    /// The work was stopped from outside (Ctrl-C).
    pub fn interrupted() -> Self {
        let mut error = Self::new("interrupted");
        error.0.stopped = Some(Stopped::ByHand);
        error
    }

    /// The work reached a limit that it was given, and which.
    pub fn stopped(limit: impl Into<String>) -> Self {
        let mut error = Self::new(limit);
        error.0.stopped = Some(Stopped::ByLimit);
        error
    }

    /// Adds how to mend it. The first hint stays: it was given nearest to the fault.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Puts the surroundings before the message: `"{context}: {what}"`.
    pub fn within(mut self, context: impl fmt::Display) -> Self {
        if self.0.stopped.is_none() {
            self.0.what = format!("{context}: {}", self.0.what);
        }
        self
    }

    /// What went wrong, without the hint.
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// How to mend it, where that is known.
    pub fn help(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// True where the work was stopped from outside rather than failed.
    pub fn is_interrupt(&self) -> bool {
        self.0.stopped.is_some()
    }

    /// True where it reached a limit that it was given.
    pub fn is_limit(&self) -> bool {
        self.0.stopped == Some(Stopped::ByLimit)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        match &self.0.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

/// Adds the surroundings of a failed step, made only where it failed.
pub trait Context<T> {
    /// `"{context}: {what}"` on the error side.
    fn within<D: fmt::Display>(self, context: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn within<D: fmt::Display>(self, context: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| error.into().within(context()))
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        // candle's backtrace (present where RUST_BACKTRACE is set) is left behind.
        match error {
            candle_core::Error::WithBacktrace { inner, .. } => Self::from(*inner),
            other => Self::new(other.to_string()),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<polars::error::PolarsError> for Error {
    fn from(error: polars::error::PolarsError) -> Self {
        Self::new(error.to_string())
    }
}

/// The candidate nearest to `name`, as a hint: `did you mean "hook_mlp_out"?`.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| format!("did you mean \"{candidate}\"?"))
}
