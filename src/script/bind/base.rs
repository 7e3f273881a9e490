//! What belongs to no room of the core: help, settings, errors; random numbers are beside it.

use rhai::plugin::*;

use crate::script::bind::{Room, asserts, random};

/// The base room.
pub static ROOM: Room = Room {
    name: "base",
    about: "Help, settings, assertions, random numbers, the output folder and errors.",
    parts: &[&base::RHAI_MANIFEST, &asserts::asserts::RHAI_MANIFEST, &random::random::RHAI_MANIFEST],
};

#[export_module(manifest)]
mod base {
    use crate::save::write_whole;
    use crate::script::bind::prelude::*;
    use crate::script::help;
    use crate::script::registry::Registry;
    use crate::script::search::Search;

    /// An error as `catch (error)` sees it when a function of mora failed. A string that a script throws
    /// itself arrives as that string.
    pub type Error = crate::error::Error;

    /// What went wrong.
    ///
    /// Example: `let said = ""; try { zeros([2]).sum(1) } catch (error) { said = error.message } said`
    /// is `no axis 1 in tensor [2] f32`
    #[rhai_fn(get = "message")]
    pub fn error_message(error: Error) -> String {
        error.what().to_owned()
    }

    /// How to mend it; empty where that is not known.
    ///
    /// Example: `let said = ""; try { tensor([1], #{ dtyp: "f32" }) } catch (error) { said = error.hint } said`
    /// is `did you mean "dtype"? options: dtype, names`
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
    ///
    /// Errors: outside a run of mora, in an engine that another program made.
    ///
    /// Example: `help()`
    #[rhai_fn(return_raw)]
    pub fn help(call: NativeCallContext) -> ScriptResult<()> {
        Context::of(&call)?.output().print(&help::overview(&Registry::read()?));
        Ok(())
    }

    /// Explains what is called `name`: a function, a property, a type, a room with all its functions, or a module
    /// that an `import` finds, such as `"games"`, and its functions, such as `"games::game"`.
    ///
    /// Errors: nothing is called so; the hint names the nearest.
    ///
    /// Example: `help("softmax")`
    #[rhai_fn(name = "help", return_raw)]
    pub fn help_on(call: NativeCallContext, name: &str) -> ScriptResult<()> {
        let context = Context::of(&call)?;
        let here = call.call_source().and_then(|source| context.sources().get(source));
        let beside = here.and_then(|source| source.folder);
        let may_read = |path: &std::path::Path| context.permissions().check_read(path).is_ok();
        let library = Search::default().docs(beside.as_deref(), name, may_read);
        context.output().print(&help::about(&Registry::read()?, &library, name)?);
        Ok(())
    }

    /// Declares a setting and gives its value: what the user gave with `--set name=value`, or `default`.
    ///
    /// The default's type is the setting's: true or false, an integer, a number, a string, or an array of one
    /// of these (`--set layers=3,5,8`). `--model` gives the setting "model".
    ///
    /// Errors: a value of another type, a setting that is declared twice with other defaults.
    ///
    /// Example: `setting("layers", [3, 5])` is `[3, 5]`
    #[rhai_fn(return_raw)]
    pub fn setting(call: NativeCallContext, name: &str, default: Dynamic) -> ScriptResult<Dynamic> {
        Ok(Context::of(&call)?.settings().declare(name, default)?)
    }

    /// The run's seed: `--seed`, or 0.
    ///
    /// Errors: outside a run of mora, in an engine that another program made.
    ///
    /// Example: `generator(seed()).rand() == generator(seed()).rand()` is `true`
    #[rhai_fn(return_raw)]
    pub fn seed(call: NativeCallContext) -> ScriptResult<i64> {
        Ok(Context::of(&call)?.seed() as i64)
    }

    /// The folder that this run writes into.
    ///
    /// Errors: outside a run of mora, in an engine that another program made.
    ///
    /// Example: `save_tensors(#{ mean: zeros([4]) }, "means.safetensors");
    /// load_tensors(output_folder() + "/means.safetensors").len()` is `1`
    #[rhai_fn(return_raw)]
    pub fn output_folder(call: NativeCallContext) -> ScriptResult<String> {
        Ok(Context::of(&call)?.run().folder().display().to_string())
    }

    /// Writes `text` to the file `path` in the output folder, whose folders are made. The file appears whole.
    ///
    /// Errors: a `path` that leaves the output folder or is that of a file that the run itself writes, a file
    /// that cannot be written.
    ///
    /// Example: `write_text("report.md", "# Results\n\nNone yet.\n")`
    #[rhai_fn(return_raw)]
    pub fn write_text(call: NativeCallContext, path: &str, text: &str) -> ScriptResult<()> {
        let path = Context::of(&call)?.output_path(path)?;
        Ok(write_whole(&path, |file| Ok(file.write_all(text.as_bytes())?))?)
    }

    /// A number as text with so many `digits` behind the point, 0 to 17. What rounds to nothing has no sign.
    ///
    /// Errors: fewer than 0 or more than 17 digits.
    ///
    /// Example: `fixed(0.04567, 3)` is `0.046`
    #[rhai_fn(return_raw)]
    pub fn fixed(number: f64, digits: i64) -> ScriptResult<String> {
        let digits = digits_of("fixed", digits)?;
        let text = format!("{number:.digits$}");
        let is_zero = text.starts_with('-') && text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
        Ok(if is_zero { text[1..].to_owned() } else { text })
    }

    #[rhai_fn(name = "fixed", return_raw)]
    pub fn fixed_integer(number: i64, digits: i64) -> ScriptResult<String> {
        fixed(number as f64, digits)
    }

    /// A number as text with a power of ten and so many `digits` behind the point, 0 to 17.
    ///
    /// Errors: fewer than 0 or more than 17 digits.
    ///
    /// Example: `scientific(0.000123, 1)` is `1.2e-4`
    #[rhai_fn(return_raw)]
    pub fn scientific(number: f64, digits: i64) -> ScriptResult<String> {
        let digits = digits_of("scientific", digits)?;
        Ok(format!("{number:.digits$e}"))
    }

    #[rhai_fn(name = "scientific", return_raw)]
    pub fn scientific_integer(number: i64, digits: i64) -> ScriptResult<String> {
        scientific(number as f64, digits)
    }

    fn digits_of(function: &str, digits: i64) -> crate::Result<usize> {
        usize::try_from(digits)
            .ok()
            .filter(|digits| *digits <= 17)
            .ok_or_else(|| Error::new(format!("{function}: expected 0 to 17 digits, found {digits}")))
    }

    /// Makes a remark, `text`, about the work on stderr, beside the output; `--quiet` hides it.
    ///
    /// Errors: outside a run of mora, in an engine that another program made.
    ///
    /// Example: `note("two prompts are left out: they are longer than the model's context")`
    #[rhai_fn(return_raw)]
    pub fn note(call: NativeCallContext, text: &str) -> ScriptResult<()> {
        Context::of(&call)?.note(text);
        Ok(())
    }
}
