//! Assertions, for tests of scripts and for what a script takes for granted.

use rhai::plugin::*;

use crate::script::options::argument;
use crate::script::value::FromScript as _;
use crate::tensor::NamedTensor;

#[export_module(manifest)]
pub mod asserts {
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

    /// Fails where `found` and `expected` are not equal, and shows both. Values are equal where a script's
    /// `==` says so, and arrays and maps where their parts are; of different types none are, but integers and
    /// numbers.
    ///
    /// Errors: values that are not equal.
    ///
    /// Example: `assert_eq(zeros([2, 3]).shape, [2, 3])`
    #[rhai_fn(return_raw)]
    pub fn assert_eq(call: NativeCallContext, found: Dynamic, expected: Dynamic) -> ScriptResult<()> {
        match super::is_equal(&call, &found, &expected) {
            true => Ok(()),
            false => Err(Error::new(format!("expected {expected}, found {found}")).into()),
        }
    }

    /// Fails where `found`, a number, an array of numbers or a tensor, is anywhere further than `tolerance`
    /// from `expected`, which has its length or shape; NaN is close to nothing.
    ///
    /// Errors: a number that is further away, other shapes or lengths, a value that holds no numbers.
    ///
    /// Example: `assert_close(tensor([0.0, 0.0]).softmax(0), tensor([0.5, 0.5]), 1e-6)`
    #[rhai_fn(return_raw)]
    pub fn assert_close(found: Dynamic, expected: Dynamic, tolerance: f64) -> ScriptResult<()> {
        let numbers = |name: &str, value: &Dynamic| -> crate::Result<NamedTensor> {
            match argument::<f64>("assert_close", name, value) {
                Ok(number) => {
                    Ok(NamedTensor::from(candle_core::Tensor::new(number, &candle_core::Device::Cpu)?))
                }
                Err(_) if value.is_array() => {
                    let values = argument::<Vec<f64>>("assert_close", name, value)?;
                    Ok(NamedTensor::from(candle_core::Tensor::new(values, &candle_core::Device::Cpu)?))
                }
                Err(_) => argument::<NamedTensor>("assert_close", name, value),
            }
        };
        let (a, b) = (numbers("found", &found)?, numbers("expected", &expected)?);
        if a.is_close(&b, tolerance)? {
            return Ok(());
        }
        Err(Error::new(format!("expected {expected} within {tolerance:e}, found {found}")).into())
    }

    /// Fails where a `function` without parameters does not fail; gives the message that it failed with.
    ///
    /// Errors: a function that does not fail.
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
    /// Errors: a function that does not fail, or that fails with another message.
    ///
    /// Example: `assert_throws(|| zeros([2]).sum(1), "no axis 1")` is `no axis 1 in tensor [2] f32`
    #[rhai_fn(name = "assert_throws", return_raw)]
    pub fn assert_throws_with(call: NativeCallContext, function: FnPtr, text: &str) -> ScriptResult<String> {
        match function.call_within_context::<Dynamic>(&call, ()) {
            Ok(value) => Err(Error::new(format!("expected an error, found {value}")).into()),
            // Ctrl-C is no error of the function's.
            Err(failure) if is_interrupt(&failure) => Err(failure),
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

/// Equal as a script would say; arrays and maps by their parts, whole numbers and fractions by their value.
fn is_equal(call: &rhai::NativeCallContext, a: &rhai::Dynamic, b: &rhai::Dynamic) -> bool {
    if let (Ok(a), Ok(b)) = (a.as_array_ref(), b.as_array_ref()) {
        return a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| is_equal(call, a, b));
    }
    if let (Ok(a), Ok(b)) = (a.as_map_ref(), b.as_map_ref()) {
        let is_same = |(name, value)| b.get(name).is_some_and(|other| is_equal(call, value, other));
        return a.len() == b.len() && a.iter().all(is_same);
    }
    if let (Ok(a), Ok(b)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
        return *a == *b;
    }
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return a == b;
    }
    if let (Ok(a), Ok(b)) = (argument::<f64>("", "", a), argument::<f64>("", "", b)) {
        return a == b;
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return a == b;
    }
    if a.is_unit() || b.is_unit() {
        return a.is_unit() && b.is_unit();
    }
    if let (Some(a), Some(b)) = (NamedTensor::from_script(a), NamedTensor::from_script(b)) {
        return a.is_close(&b, 0.0).unwrap_or(false);
    }
    let found = call.call_native_fn::<rhai::Dynamic>("==", (a.clone(), b.clone()));
    found.is_ok_and(|equal| equal.as_bool() == Ok(true))
}
