//! Functions of Rhai's own library that would wait, or fill memory, without an end or until the process dies: the same
//! functions with a look first. They take the place of Rhai's, whose documentation holds for them.

mod sort;

use std::time::{Duration, Instant};

use rhai::{Array, Blob, Dynamic, FuncRegistration, INT, ImmutableString, Module};

use crate::error::Error;
use crate::interrupt;
use crate::script::error::ScriptResult;
use crate::tensor::check_bytes;

/// How long a sleeper does not look whether it is to stop.
const NAP: Duration = Duration::from_millis(20);

/// What an engine registers beside the bindings.
pub fn module() -> Module {
    let mut module = Module::new();
    let waits = |name: &str| FuncRegistration::new(name).with_volatility(true);
    waits("sleep").set_into_module(&mut module, |seconds: INT| sleep(seconds as f64));
    waits("sleep").set_into_module(&mut module, sleep);
    let plain = FuncRegistration::new;
    plain("pad").set_into_module(&mut module, pad_array);
    plain("pad").set_into_module(&mut module, pad_blob);
    plain("pad").set_into_module(&mut module, pad_string);
    plain("pad").set_into_module(&mut module, |string: &mut ImmutableString, len: INT, character: char| {
        pad_string(string, len, character.to_string().into())
    });
    plain("blob").set_into_module(&mut module, |len: INT| blob(len, 0));
    plain("blob").set_into_module(&mut module, blob);
    plain("sort").set_into_module(&mut module, sort::sort);
    plain("sort_desc").set_into_module(&mut module, sort::sort_desc);
    plain("order").set_into_module(&mut module, sort::order);
    plain("order_desc").set_into_module(&mut module, sort::order_desc);
    for name in ["sort", "sort_by"] {
        plain(name).set_into_module(&mut module, sort::sort_by);
    }
    for name in ["order", "order_by"] {
        plain(name).set_into_module(&mut module, sort::order_by);
    }
    module.build_index();
    module
}

fn sleep(seconds: f64) -> ScriptResult<()> {
    // As in Rhai there is nothing to wait for below 0, or for NaN.
    if seconds.is_nan() || seconds <= 0.0 {
        return Ok(());
    }
    let Ok(time) = Duration::try_from_secs_f64(seconds) else {
        return Err(Error::new(format!("sleep: {seconds:e} seconds are longer than any clock counts")).into());
    };
    let begun = Instant::now();
    while let Some(left) = time.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
        interrupt::check()?;
        std::thread::sleep(left.min(NAP));
    }
    Ok(())
}

fn pad_array(array: &mut Array, len: INT, item: Dynamic) -> ScriptResult<()> {
    let len = usize::try_from(len).unwrap_or(0);
    if len > array.len() {
        check_bytes(&format!("an array of {len} elements"), len as f64 * size_of::<Dynamic>() as f64)?;
        array.resize(len, item);
    }
    Ok(())
}

fn pad_blob(blob: &mut Blob, len: INT, value: INT) -> ScriptResult<()> {
    let len = usize::try_from(len).unwrap_or(0);
    if len > blob.len() {
        check_bytes(&format!("a blob of {len} bytes"), len as f64)?;
        blob.resize(len, value as u8);
    }
    Ok(())
}

fn pad_string(string: &mut ImmutableString, len: INT, padding: ImmutableString) -> ScriptResult<()> {
    let missing = usize::try_from(len).unwrap_or(0).saturating_sub(string.chars().count());
    let width = padding.chars().count();
    // Rhai would go on for ever adding nothing.
    if missing == 0 || width == 0 {
        return Ok(());
    }
    let bytes = missing as f64 * padding.len() as f64 / width as f64;
    check_bytes(&format!("a text of {len} characters"), bytes)?;
    let text = string.make_mut();
    text.push_str(&padding.repeat(missing / width));
    text.extend(padding.chars().take(missing % width));
    Ok(())
}

fn blob(len: INT, value: INT) -> ScriptResult<Blob> {
    let mut blob = Blob::new();
    pad_blob(&mut blob, len, value)?;
    Ok(blob)
}
