//! Functions of Rhai's own library that would wait without an end, fill the memory or bring the process down, with a look
//! first, and comparisons that would be approximate. They take the place of Rhai's, whose documentation holds for them.

mod compare;
mod growth;
mod sort;

use std::time::{Duration, Instant};

use rhai::{FuncRegistration, INT, Module};

use crate::error::Error;
use crate::interrupt;
use crate::script::error::ScriptResult;

/// How long a sleeper does not look whether it is to stop.
const NAP: Duration = Duration::from_millis(20);

/// What an engine registers beside the bindings.
pub fn module() -> Module {
    let mut module = Module::new();
    let waits = |name: &str| FuncRegistration::new(name).with_volatility(true);
    waits("sleep").set_into_module(&mut module, |seconds: INT| sleep(seconds as f64));
    waits("sleep").set_into_module(&mut module, sleep);
    compare::register(&mut module);
    let plain = FuncRegistration::new;
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
    module.combine_flatten(growth::module());
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
