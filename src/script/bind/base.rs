//! What belongs to no room of the core: help, settings, random numbers, errors.

use rhai::plugin::*;

use crate::script::bind::Room;

/// The base room.
pub static ROOM: Room = Room {
    name: "base",
    about: "Help, settings, random numbers, the output folder and errors.",
    parts: &[&base::RHAI_MANIFEST],
};

#[export_module(manifest)]
mod base {
    use crate::script::bind::prelude::*;
    use crate::script::help;
    use crate::script::registry::Registry;

    /// An error as `catch (error)` sees it when a function of mora failed. A string that a script throws
    /// itself arrives as that string.
    pub type Error = crate::error::Error;

    /// What went wrong.
    #[rhai_fn(get = "message")]
    pub fn message(error: Error) -> String {
        error.what().to_owned()
    }

    /// How to mend it; empty where that is not known.
    #[rhai_fn(get = "hint")]
    pub fn hint(error: Error) -> String {
        error.help().unwrap_or_default().to_owned()
    }

    /// The message, and the hint where there is one.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn error_to_string(error: Error) -> String {
        error.to_string()
    }

    /// Lists everything that a script can call, by room.
    #[rhai_fn(return_raw)]
    pub fn help(call: NativeCallContext) -> ScriptResult<()> {
        Context::of(&call)?.output().print(&help::overview(&Registry::read()?));
        Ok(())
    }

    /// Explains a function, a property, a type, or a room with all its functions: `help("softmax")`.
    #[rhai_fn(name = "help", return_raw)]
    pub fn help_on(call: NativeCallContext, name: &str) -> ScriptResult<()> {
        Context::of(&call)?.output().print(&help::about(&Registry::read()?, name)?);
        Ok(())
    }

    /// Declares a setting and gives its value: what the user gave with `--set name=value`, or `default`.
    ///
    /// The default's type is the setting's: true or false, an integer, a number, a string, or an array of
    /// one of these (`--set layers=3,5,8`). `--model` gives the setting "model".
    #[rhai_fn(return_raw)]
    pub fn setting(call: NativeCallContext, name: &str, default: Dynamic) -> ScriptResult<Dynamic> {
        Ok(Context::of(&call)?.settings().declare(name, default)?)
    }

    /// The run's seed: `--seed`, or 0.
    #[rhai_fn(return_raw)]
    pub fn seed(call: NativeCallContext) -> ScriptResult<i64> {
        Ok(Context::of(&call)?.seed() as i64)
    }

    /// The folder that this run writes into.
    #[rhai_fn(return_raw)]
    pub fn output_folder(call: NativeCallContext) -> ScriptResult<String> {
        Ok(Context::of(&call)?.run().folder().display().to_string())
    }

    /// Makes a remark about the work on stderr, beside the output; `--quiet` hides it.
    #[rhai_fn(return_raw)]
    pub fn note(call: NativeCallContext, text: &str) -> ScriptResult<()> {
        Context::of(&call)?.note(text);
        Ok(())
    }

    /// A random number in [0, 1), from the run's seeded stream.
    #[rhai_fn(name = "rand", return_raw, volatile)]
    pub fn rand(call: NativeCallContext) -> ScriptResult<f64> {
        Ok(Context::of(&call)?.random().uniform())
    }

    /// A random integer from `low` up to but not including `high`.
    #[rhai_fn(return_raw, volatile)]
    pub fn rand_int(call: NativeCallContext, low: i64, high: i64) -> ScriptResult<i64> {
        if low >= high {
            return Err(Error::new(format!("rand_int: expected low < high, found {low} and {high}")).into());
        }
        let offset = Context::of(&call)?.random().below(high.abs_diff(low));
        Ok(low.wrapping_add_unsigned(offset))
    }

    /// A random number of the standard normal distribution.
    #[rhai_fn(return_raw, volatile)]
    pub fn rand_normal(call: NativeCallContext) -> ScriptResult<f64> {
        Ok(Context::of(&call)?.random().normal())
    }

    /// The elements of an array in a random order.
    #[rhai_fn(return_raw, volatile)]
    pub fn shuffled(call: NativeCallContext, array: Array) -> ScriptResult<Array> {
        let mut array = array;
        Context::of(&call)?.random().shuffle(&mut array);
        Ok(array)
    }

    /// `count` different elements of an array, in a random order.
    #[rhai_fn(return_raw, volatile)]
    pub fn sampled(call: NativeCallContext, array: Array, count: i64) -> ScriptResult<Array> {
        let size = array.len();
        let Some(count) = usize::try_from(count).ok().filter(|count| *count <= size) else {
            return Err(Error::new(format!("sampled: expected a count of 0 to {size}, found {count}")).into());
        };
        let mut array = shuffled(call, array)?;
        array.truncate(count);
        Ok(array)
    }
}
