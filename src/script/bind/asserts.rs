//! Assertions, for tests of scripts and for what a script takes for granted.

use rhai::plugin::*;
use rhai::{Dynamic, EvalAltResult};

use crate::error::{Context as _, Error};
use crate::frame::Frame;
use crate::script::bind::tensor::from_arrays;
use crate::script::value::{FromScript as _, describe};
use crate::tensor::NamedTensor;

#[export_module(manifest)]
pub mod asserts {
    use crate::frame::Frame;
    use crate::script::bind::difference;
    use crate::script::bind::prelude::*;
    use crate::script::error::{is_interrupt, message};
    use crate::tensor::NamedTensor;

    /// Fails where `holds` is not true.
    ///
    /// Errors: what `holds` is false.
    ///
    /// Example: `assert(frame(#{ layer: 0..26 }).height == 26)`
    #[rhai_fn(return_raw)]
    pub fn assert(holds: bool) -> ScriptResult<()> {
        assert_saying(holds, "the assertion does not hold")
    }

    /// Fails with a `message` where `holds` is not true.
    ///
    /// Errors: what `holds` is false, with the `message`.
    ///
    /// Example: `let n = load_model("mora/tiny-ipd").n_layers; assert(n == 26,
    /// "expected 26 layers, found " + n)`
    #[rhai_fn(name = "assert", return_raw)]
    pub fn assert_saying(holds: bool, message: &str) -> ScriptResult<()> {
        if holds { Ok(()) } else { Err(Error::new(message).into()) }
    }

    /// Fails where `found` and `expected` are not equal, and shows both and where they differ. Values are equal
    /// where a script's `==` says so, tensors where shapes and all elements are equal, arrays and maps where
    /// their parts are; of different types none are, but integers and numbers.
    ///
    /// Errors: values that are not equal, values of a type that cannot be compared, such as models.
    ///
    /// Example: `assert_eq(zeros([2, 3]).shape, [2, 3])`
    #[rhai_fn(return_raw)]
    pub fn assert_eq(call: NativeCallContext, found: Dynamic, expected: Dynamic) -> ScriptResult<()> {
        let Some(what) = difference::of_values(&call, &found, &expected).within(|| "assert_eq")? else {
            return Ok(());
        };
        let has_numbers =
            |value: &Dynamic| f64::from_script(value).is_some() || NamedTensor::from_script(value).is_some();
        let error = Error::new(what);
        Err(match (has_numbers(&found), has_numbers(&expected)) {
            (true, true) => error.hint("assert_close(found, expected, 1e-6) leaves room for rounding"),
            (true, _) | (_, true) if found.is_array() || expected.is_array() => {
                error.hint("assert_close takes a tensor beside an array of numbers")
            }
            _ => error,
        }
        .into())
    }

    /// Fails where `found` is anywhere further than `tolerance` from `expected`, and says where they differ
    /// most. Each is a number, an array of numbers (also of arrays) or a tensor, of the other's shape, where NaN is
    /// close to nothing; or both are frames of the same columns and rows, where other cells have to be equal, and NaN
    /// equals NaN.
    ///
    /// Errors: a number that is further away, other shapes, columns or lengths, a value that holds no numbers, a
    /// `tolerance` below 0.
    ///
    /// Example: `assert_close(tensor([0.0, 0.0]).softmax(0), tensor([0.5, 0.5]), 1e-6)`
    #[rhai_fn(return_raw)]
    pub fn assert_close(found: Dynamic, expected: Dynamic, tolerance: Dynamic) -> ScriptResult<()> {
        let tolerance = argument::<f64>("assert_close", "tolerance", &tolerance)?;
        if tolerance.is_nan() || tolerance < 0.0 {
            let what = format!("assert_close: a tolerance of {tolerance}, expected 0 or more");
            return Err(Error::new(what).into());
        }
        let difference = match (Frame::from_script(&found), Frame::from_script(&expected)) {
            (Some(a), Some(b)) => difference::of_frames(&a, &b, tolerance)?,
            _ => {
                let (a, b) = (super::numbers("found", &found)?, super::numbers("expected", &expected)?);
                difference::of_tensors(&a, &b, tolerance)?
            }
        };
        match difference {
            Some(what) => Err(Error::new(what).into()),
            None => Ok(()),
        }
    }

    /// Fails where a `function` without parameters does not fail; gives the message that it failed with.
    ///
    /// Errors: a function that does not fail, or that has parameters.
    ///
    /// Example: `assert_throws(|| tensor([1, 2]).reshape([3]))`
    /// is `cannot reshape [2] (2 elements) to [3]: it holds 3 elements`
    #[rhai_fn(return_raw)]
    pub fn assert_throws(call: NativeCallContext, function: FnPtr) -> ScriptResult<String> {
        assert_throws_with(call, function, "")
    }

    /// Fails where a `function` without parameters does not fail with a message that contains `text`; gives
    /// the message.
    ///
    /// Errors: a function that does not fail, that fails with another message, or that has parameters.
    ///
    /// Example: `assert_throws(|| zeros([2]).sum(1), "no axis 1")` is `no axis 1 in tensor [2] f32`
    #[rhai_fn(name = "assert_throws", return_raw)]
    pub fn assert_throws_with(call: NativeCallContext, function: FnPtr, text: &str) -> ScriptResult<String> {
        match function.call_within_context::<Dynamic>(&call, ()) {
            Ok(value) => {
                let value = difference::shown(&call, &value);
                Err(Error::new(format!("expected an error, found {value}"))
                    .hint("the function is called, and has to fail: assert_throws(|| tensor([1, 2]).reshape([3]))")
                    .into())
            }
            // Ctrl-C is no error of the function's.
            Err(failure) if is_interrupt(&failure) => Err(failure),
            // That it cannot be called is no error of the function's either.
            Err(failure) if super::is_not_found(&failure, function.fn_name()) => Err(Error::new(
                "assert_throws: expected a function without parameters, which is called without arguments",
            )
            .hint("write || before what is to fail: assert_throws(|| tensor([1, 2]).reshape([3]))")
            .into()),
            Err(failure) => {
                let message = message(&failure);
                if message.contains(text) {
                    return Ok(message);
                }
                Err(Error::new(format!("expected an error that says \"{text}\", found: {message}")).into())
            }
        }
    }
}

/// An argument of `assert_close` as numbers along axes.
fn numbers(name: &str, value: &Dynamic) -> crate::Result<NamedTensor> {
    let wide = Some(candle_core::DType::F64);
    let read = match NamedTensor::from_script(value) {
        Some(tensor) => return Ok(tensor),
        None if value.is_array() || f64::from_script(value).is_some() => {
            from_arrays(value, wide, &candle_core::Device::Cpu)
        }
        None => Err(Error::new(format!(
            "expected a number, an array of numbers, a tensor or a frame, found {}",
            describe(value)
        ))
        .hint(match Frame::from_script(value) {
            Some(_) => "a frame is compared with a frame, a column of it with an array: frame[\"name\"]",
            None if value.is_map() => "compare the values of maps one by one, or exactly: assert_eq",
            None => "assert_eq compares what is no number",
        })),
    };
    read.within(|| format!("assert_close: {name}"))
}

/// True where the function itself was not found, rather than one that it calls: that one's error has a trace.
fn is_not_found(failure: &EvalAltResult, name: &str) -> bool {
    match failure {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            signature.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('('))
        }
        _ => false,
    }
}
