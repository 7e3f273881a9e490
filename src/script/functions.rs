//! All functions that scripts can call, in two modules: Rhai's own, and mora's.
//!
//! Rhai would keep functions of plugin modules in lists and hash every one of them at each search for a name: 23
//! microseconds for each call of a closure by a native function, whose searches are not remembered. Here all of them are
//! registered under their hashes.

use rhai::packages::{Package, StandardPackage};
use rhai::{Engine, Module};

use crate::script::{bind, careful};

/// Registers all functions.
pub fn register(engine: &mut Engine) {
    // What is registered later is found first.
    engine.register_global_module(standard().into());
    engine.register_global_module(own().into());
}

fn standard() -> Module {
    let mut module = Module::new();
    StandardPackage::init(&mut module);
    module.register_lazy_functions();
    module.build_index();
    module
}

/// The bindings, and what takes the place of functions of Rhai.
fn own() -> Module {
    let mut module = Module::new();
    for room in bind::ROOMS {
        for part in room.parts {
            module.combine_manifest(part);
        }
    }
    module.register_lazy_functions();
    module.combine_flatten(careful::module());
    module.build_index();
    module
}
