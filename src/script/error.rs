//! The crate's error as a script's error, and back.
//!
//! A binding returns [`ScriptResult`] and uses `?` on the core's results. Rhai fills in the place of
//! the call, because the error carries none. The [`Error`] itself is the thrown value, so a script's
//! `catch (error)` sees its message and hint, and the diagnostic finds the hint again.

use rhai::{Dynamic, EvalAltResult, Position};

use crate::error::Error;

/// What a binding returns.
pub type ScriptResult<T> = Result<T, Box<EvalAltResult>>;

impl From<Error> for Box<EvalAltResult> {
    fn from(error: Error) -> Self {
        // A script must not catch Ctrl-C: only termination passes through `try`.
        let interrupted = error.is_interrupt();
        let value = Dynamic::from(error);
        Box::new(match interrupted {
            true => EvalAltResult::ErrorTerminated(value, Position::NONE),
            false => EvalAltResult::ErrorRuntime(value, Position::NONE),
        })
    }
}

/// The crate's error inside a script's error, where there is one.
pub fn core_error(error: &EvalAltResult) -> Option<Error> {
    match error.unwrap_inner() {
        EvalAltResult::ErrorRuntime(value, _) | EvalAltResult::ErrorTerminated(value, _) => {
            value.clone().try_cast::<Error>()
        }
        _ => None,
    }
}

/// What went wrong, without a place: the message of mora's error, the string that a script threw, or Rhai's words.
pub fn message(error: &EvalAltResult) -> String {
    match (core_error(error), error.unwrap_inner()) {
        (Some(error), _) => error.what().to_owned(),
        (None, EvalAltResult::ErrorRuntime(value, _)) => value.to_string(),
        (None, inner) => inner.to_string(),
    }
}

/// True where the script was stopped from outside.
pub fn is_interrupt(error: &EvalAltResult) -> bool {
    matches!(error.unwrap_inner(), EvalAltResult::ErrorTerminated(..))
}
