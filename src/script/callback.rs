//! A script's functions, called by the core in the middle of its work.
//!
//! The core knows only the crate's [`Error`]. A closure that fails throws a script error with a place
//! and a call trace; [`Callbacks`] keeps it aside while the core unwinds, and gives it back at the end.
//!
//! ```text
//! let callbacks = Callbacks::new(&call);
//! let result = core::sweep(|value| callbacks.call::<f64>(&closure, (value,)));
//! callbacks.settle(result)
//! ```

use std::cell::RefCell;

use rhai::{Dynamic, EvalAltResult, FnPtr, FuncArgs, NativeCallContext, Position};

use crate::error::{Error, Result};
use crate::script::error::{ScriptResult, is_interrupt};
use crate::script::value::{FromScript, from_script};

/// Calls script functions for the core.
pub struct Callbacks<'a> {
    call: &'a NativeCallContext<'a>,
    failure: RefCell<Option<Box<EvalAltResult>>>,
}

impl<'a> Callbacks<'a> {
    /// Calls made on behalf of the binding that was called as `call`.
    pub fn new(call: &'a NativeCallContext<'a>) -> Self {
        Self { call, failure: RefCell::new(None) }
    }

    /// Calls `function` and converts what it returns.
    ///
    /// # Errors
    /// The function failed (what it threw waits for [`Callbacks::settle`]) or returned another type.
    pub fn call<T: FromScript>(&self, function: &FnPtr, args: impl FuncArgs) -> Result<T> {
        self.called(function, args, |failure| failure)
    }

    /// The same, where the call trace is to say for what the function was called: "in {what}".
    ///
    /// # Errors
    /// As [`Callbacks::call`].
    pub fn call_for<T: FromScript>(
        &self,
        function: &FnPtr,
        args: impl FuncArgs,
        what: impl FnOnce() -> String,
    ) -> Result<T> {
        self.called(function, args, |failure| match is_interrupt(&failure) {
            true => failure,
            false => {
                EvalAltResult::ErrorInFunctionCall(what(), String::new(), failure, Position::NONE).into()
            }
        })
    }

    fn called<T: FromScript>(
        &self,
        function: &FnPtr,
        args: impl FuncArgs,
        traced: impl FnOnce(Box<EvalAltResult>) -> Box<EvalAltResult>,
    ) -> Result<T> {
        match function.call_within_context::<Dynamic>(self.call, args) {
            Ok(value) => from_script("the function's result", &value),
            Err(failure) => {
                let failure = traced(failure);
                let error = match is_interrupt(&failure) {
                    true => crate::interrupt::stopped(),
                    false => Error::new(failure.to_string()),
                };
                self.failure.borrow_mut().get_or_insert(failure);
                Err(error)
            }
        }
    }

    /// The core's result for the script: where a callback failed, the error is the callback's own.
    ///
    /// # Errors
    /// The core's, or the callback's.
    pub fn settle<T>(self, result: Result<T>) -> ScriptResult<T> {
        match (result, self.failure.into_inner()) {
            (Ok(value), _) => Ok(value),
            (Err(_), Some(failure)) => Err(failure),
            (Err(error), None) => Err(error.into()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use rhai::{Engine, NativeCallContext};

    use super::*;
    use crate::error::Context;
    use crate::script::error::core_error;

    /// Stands for a core that knows nothing of scripts.
    fn core(visit: impl Fn(f64) -> Result<f64>) -> Result<f64> {
        [1.0, 2.0].into_iter().map(|value| visit(value).within(|| format!("layer {value}"))).sum()
    }

    fn engine() -> Engine {
        let mut engine = Engine::new();
        engine.register_fn("walk", |call: NativeCallContext, function: FnPtr| -> ScriptResult<f64> {
            let callbacks = Callbacks::new(&call);
            let result = core(|value| callbacks.call(&function, (value,)));
            callbacks.settle(result)
        });
        engine
    }

    #[test]
    fn closures_see_what_they_capture_and_integers_widen() {
        assert_eq!(engine().eval::<f64>("let k = 2.0; walk(|x| x * k)").unwrap(), 6.0);
        assert_eq!(engine().eval::<f64>("walk(|x| 1)").unwrap(), 2.0);
    }

    #[test]
    fn a_closures_error_keeps_its_place_and_its_call() {
        let error = engine().eval::<f64>("\nwalk(|x|\n  throw \"no\")").unwrap_err();
        let EvalAltResult::ErrorInFunctionCall(_, _, inner, called_at) = &*error else { panic!("{error}") };
        assert_eq!((called_at.line(), called_at.position()), (Some(2), Some(1)));
        assert_eq!((inner.position().line(), inner.position().position()), (Some(3), Some(3)));
    }

    #[test]
    fn a_wrong_result_is_the_cores_error() {
        let error = engine().eval::<f64>("walk(|x| \"one\")").unwrap_err();
        let what = core_error(&error).unwrap().what().to_owned();
        assert_eq!(what, "layer 1: the function's result: expected a number, found string \"one\"");
    }
}
