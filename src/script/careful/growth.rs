//! Functions of Rhai that make something as large as they are told in one step, with a limit: they take the place of
//! Rhai's own, whose documentation is theirs.
//!
//! Rhai has limits of its own on sizes, but with one of them it looks through an array and all it holds at every call of
//! a method: pushing 20 000 rows took 4.2 seconds instead of 0.02, and twice as many take four times as long. So what
//! grows step by step is left to `--max-memory`.

use rhai::plugin::*;
use rhai::{Dynamic, Module};

use crate::error::{Error, Result};

/// The most elements, characters or bytes that are made in one step: far more than an analysis has in a script.
const MOST: usize = 100_000_000;

/// Levels of arrays in arrays below which nothing is counted any more.
const DEEPEST: usize = 1_000;

/// Values that a value is made of, itself among them; no more are counted than would be too many, and what is nested too
/// deeply counts as that.
fn parts(value: &Dynamic, level: usize) -> usize {
    if level > DEEPEST {
        return MOST;
    }
    let of_all = |values: &mut dyn Iterator<Item = &Dynamic>| {
        let mut sum = 1_usize;
        for value in values {
            sum = sum.saturating_add(parts(value, level + 1));
            if sum > MOST {
                break;
            }
        }
        sum
    };
    if let Ok(array) = value.as_array_ref() {
        of_all(&mut array.iter())
    } else if let Ok(map) = value.as_map_ref() {
        of_all(&mut map.values())
    } else if let Ok(blob) = value.as_blob_ref() {
        blob.len().max(1)
    } else {
        1
    }
}

/// What is to be added up to a length, in `each` parts; nothing where it is as long already.
fn added(what: &str, length: usize, wanted: i64, each: usize) -> Result<usize> {
    let wanted = usize::try_from(wanted).unwrap_or(0);
    let added = wanted.saturating_sub(length);
    if added.saturating_mul(each) > MOST {
        return Err(Error::new(format!("{what} would get {added} more, and {MOST} is the most at once"))
            .hint("a tensor or a table holds large data, and takes less memory"));
    }
    Ok(added)
}

/// The functions, for an engine.
pub fn module() -> Module {
    rhai::exported_module!(growth)
}

// Rhai's macro unwraps what it has looked for: the argument that is changed.
#[allow(clippy::unwrap_used)]
#[export_module]
mod growth {
    use rhai::{Blob, ImmutableString};

    use super::{MOST, added, parts};
    use crate::script::bind::prelude::*;

    /// Makes an array at least `length` long by adding an element as often as it takes. Texts and blobs are made
    /// longer in the same way, by characters, by texts that are cut off at the length, and by bytes.
    ///
    /// Errors: more than 100 million at once.
    #[rhai_fn(name = "pad", return_raw)]
    pub fn pad(array: &mut Array, length: i64, element: Dynamic) -> ScriptResult<()> {
        let more = added("the array", array.len(), length, parts(&element, 0))?;
        array.resize(array.len() + more, element);
        Ok(())
    }

    #[rhai_fn(name = "pad", return_raw)]
    pub fn pad_text(text: &mut ImmutableString, length: i64, character: char) -> ScriptResult<()> {
        let more = added("the text", text.chars().count(), length, 1)?;
        text.make_mut().extend(std::iter::repeat_n(character, more));
        Ok(())
    }

    #[rhai_fn(name = "pad", return_raw)]
    pub fn pad_text_with_text(text: &mut ImmutableString, length: i64, padding: &str) -> ScriptResult<()> {
        let more = added("the text", text.chars().count(), length, 1)?;
        let padding: String = padding.chars().cycle().take(more).collect();
        text.make_mut().push_str(&padding);
        Ok(())
    }

    #[rhai_fn(name = "pad", return_raw)]
    pub fn pad_blob(blob: &mut Blob, length: i64, byte: i64) -> ScriptResult<()> {
        let more = added("the blob", blob.len(), length, 1)?;
        blob.resize(blob.len() + more, byte as u8);
        Ok(())
    }

    /// A blob of `length` bytes, each 0 or the `byte` that is given.
    ///
    /// Errors: more than 100 million.
    #[rhai_fn(name = "blob", return_raw)]
    pub fn blob_of(length: i64, byte: i64) -> ScriptResult<Blob> {
        Ok(vec![byte as u8; added("the blob", 0, length, 1)?])
    }

    #[rhai_fn(name = "blob", return_raw)]
    pub fn blob(length: i64) -> ScriptResult<Blob> {
        blob_of(length, 0)
    }

    /// Replaces `find`, a text or a character, wherever it stands in a text by `substitute`, in place.
    ///
    /// Errors: a text that would be longer than 100 million bytes.
    #[rhai_fn(name = "replace", return_raw)]
    pub fn replace(text: &mut ImmutableString, find: &str, substitute: &str) -> ScriptResult<()> {
        let places = text.matches(find).count();
        let longest = text.len().saturating_add(places.saturating_mul(substitute.len()));
        if longest > MOST.max(text.len()) {
            return Err(Error::new(format!(
                "a text of {} bytes would get {substitute_length} at {places} places, and {MOST} is the most",
                text.len(),
                substitute_length = substitute.len()
            ))
            .into());
        }
        if places > 0 {
            *text = text.replace(find, substitute).into();
        }
        Ok(())
    }

    #[rhai_fn(name = "replace", return_raw)]
    pub fn replace_character(text: &mut ImmutableString, find: char, substitute: &str) -> ScriptResult<()> {
        replace(text, find.encode_utf8(&mut [0; 4]), substitute)
    }

    /// Joins two texts: doubled thirty times, a letter is a gigabyte, of which one step takes seconds.
    ///
    /// Errors: a text that would be longer than 100 million bytes.
    #[rhai_fn(name = "+", return_raw)]
    pub fn joined(left: ImmutableString, right: ImmutableString) -> ScriptResult<ImmutableString> {
        let mut joined = left;
        lengthen(&mut joined, right)?;
        Ok(joined)
    }

    #[rhai_fn(name = "+=", name = "append", return_raw)]
    pub fn lengthen(text: &mut ImmutableString, more: ImmutableString) -> ScriptResult<()> {
        let bytes = text.len().saturating_add(more.len());
        if bytes > MOST {
            return Err(Error::new(format!("a text would get {bytes} bytes long, and {MOST} is the most"))
                .hint("parts of a long text stand in an array, or in a file")
                .into());
        }
        *text += more;
        Ok(())
    }
}
