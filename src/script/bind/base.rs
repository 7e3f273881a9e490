//! What belongs to no room of the core: help, settings, errors; random numbers are beside it.

use rhai::plugin::*;

use crate::script::bind::{Room, random};

/// The base room.
pub static ROOM: Room = Room {
    name: "base",
    about: "Help, settings, random numbers, the output folder and errors.",
    parts: &[&base::RHAI_MANIFEST, &random::random::RHAI_MANIFEST],
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
}
