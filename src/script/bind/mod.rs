//! The bindings: each file makes one room of the core callable from scripts.
//!
//! # How to write one
//!
//! A room is one or more plugin modules and a [`Room`] that names them:
//!
//! ```text
//! use rhai::plugin::*;
//!
//! pub static ROOM: Room = Room { name: "model", about: "Opening models and running them.", parts: &[&model::RHAI_MANIFEST] };
//!
//! #[export_module(manifest)]
//! mod model {
//!     use crate::script::bind::prelude::*;
//!
//!     /// A decoder language model. Cheap to copy.
//!     pub type Model = crate::model::Model;
//!
//!     /// Opens a model by reference: `mora/tiny-ipd`, a directory, a `.gguf` file or `org/name@revision`.
//!     ///
//!     /// Options: `dtype` (string, the run's): the number format; `device` (string, the run's): where it lies.
//!     ///
//!     /// Example: `load_model("mora/tiny-ipd").n_layers` is `26`
//!     #[rhai_fn(return_raw)]
//!     pub fn load_model(call: NativeCallContext, reference: &str, options: Map) -> ScriptResult<Model> {
//!         let context = Context::of(&call)?;                    // device, dtype, seed, output_path, note, …
//!         let mut options = Options::of("load_model", options);
//!         let name = options.get("dtype", context.dtype().as_str().to_owned())?;
//!         options.finish()?;                                     // unknown keys are errors
//!         let model = crate::model::open(reference, dtype(&name)?)?; // `?` on crate::Result
//!         Ok(model)
//!     }
//!
//!     #[rhai_fn(name = "load_model", return_raw)]
//!     pub fn load_model_plainly(call: NativeCallContext, reference: &str) -> ScriptResult<Model> {
//!         load_model(call, reference, Map::new())
//!     }
//!
//!     /// Layers of the model.
//!     #[rhai_fn(get = "n_layers")]
//!     pub fn n_layers(model: Model) -> i64 {
//!         model.config().n_layers() as i64
//!     }
//! }
//! ```
//!
//! - **Types.** `pub type Model = …;` inside the module registers a type and gives it its script name and
//!   doc, in one room alone; other modules write `type Model = …;`. Use that name in signatures: they are shown to users. Values are cheap to clone (`Arc` inside)
//!   and are taken *by value* everywhere, also as receivers: Rhai lets every function be called as a
//!   method of its first argument, and `&mut` receivers would refuse constants. Give every type
//!   `to_string` and `to_debug` (`#[rhai_fn(name = "to_string", name = "to_debug")]`), which `print` uses.
//! - **Indexers.** Give `index_get` an index of a definite type, never `Dynamic`: Rhai asks the indexer for unknown
//!   properties too, and a misspelt one would not be told from an index.
//! - **Numbers.** Script integers are `i64`, numbers `f64`; Rhai does not convert between them. Where a
//!   number is wanted take `Dynamic` and ask `argument::<f64>("steer", "strength", &strength)?`; where
//!   several types fit do the same. Plain `i64`, `&str`, `bool`, `Array`, `Map`, `FnPtr` parameters are checked by Rhai,
//!   and the diagnostic says which argument did not fit.
//! - **Options.** What is optional goes into one last `Map`, read with [`Options`]; the overload without it
//!   calls with `Map::new()`. To read a type of your own from options, arrays and `Dynamic`s, add
//!   `script_value!(Model: "a model");` beside the module.
//! - **Errors.** Return `ScriptResult<T>` with `#[rhai_fn(return_raw)]` wherever something can fail; `?` takes
//!   the crate's `Error`. Add no place: Rhai fills in the call's. `Context::within` adds surroundings.
//! - **Closures.** Take `FnPtr` and `call: NativeCallContext`; make [`Callbacks`] of the call, let the core call
//!   through it, and end with `callbacks.settle(result)` (see [`crate::script::callback`]).
//! - **Files.** `context.output_path("x.csv")?` gives the path inside the run's folder and lists the file in
//!   `run.json`; write it whole. Reading takes paths as they are. A model that is opened is noted with
//!   `context.run().note_model(reference, json!({ "sha256": … }))`.
//! - **Tensors.** A script's `Tensor` is [`crate::tensor::NamedTensor`]: a candle tensor and, where known, the
//!   names of its axes: `NamedTensor::named(tensor, &["batch", "pos", "d_model"])?` or `NamedTensor::from(tensor)`.
//! - **Docs.** `///` on the function is the user's documentation: what it gives, shapes, units, and in paragraphs of
//!   their own its options, its errors and an example (their form stands in [`crate::script::docs`]). An overload
//!   without a doc shares that of its namesake. Tests refuse a name without a doc or example, an example that gives
//!   something else, options that are not those that the code reads, a function that can fail without a paragraph
//!   `Errors: …`, and a tensor without a word on its shape.
//!
//! Add the room to [`ROOMS`]. Tests refuse signatures registered twice.

mod asserts;
mod base;
mod cells;
mod charts;
mod difference;
mod frame;
mod generate;
mod hooks;
mod interp;
mod interventions;
mod lora;
mod model;
mod plot;
mod positions;
mod precision;
mod prompt;
mod random;
mod stats;
mod sweep;
mod tensor;
mod train;

use rhai::Module;
use rhai::plugin::ModuleManifest;

/// What most bindings use; each takes a part of it.
#[allow(unused_imports)]
pub(crate) mod prelude {
    pub(crate) use rhai::{Array, Dynamic, FnPtr, Map, NativeCallContext};

    pub(crate) use crate::error::{Context as _, Error};
    pub(crate) use crate::script::callback::Callbacks;
    pub(crate) use crate::script::context::Context;
    pub(crate) use crate::script::error::ScriptResult;
    pub(crate) use crate::script::options::{Options, argument};
    pub(crate) use crate::script::value::{FromScript, array};
}

/// A group of bindings: a chapter of the reference.
pub struct Room {
    /// Its name, one word.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub about: &'static str,
    /// The plugin modules that make it up.
    pub parts: &'static [&'static ModuleManifest],
}

/// All rooms, in the order of the reference.
pub static ROOMS: &[&Room] = &[
    &base::ROOM,
    &tensor::ROOM,
    &model::ROOM,
    &lora::ROOM,
    &interp::ROOM,
    &sweep::ROOM,
    &train::ROOM,
    &frame::ROOM,
    &stats::ROOM,
    &plot::ROOM,
];

/// The script name of a type that a room registers, by its Rust name.
pub fn type_name(rust: &str) -> Option<String> {
    ROOMS.iter().find_map(|room| room.module().get_custom_type_display_by_name(rust).map(str::to_owned))
}

impl Room {
    /// The room as a module of its own, of which the registry reads what there is; what an engine runs is in
    /// `functions.rs`.
    pub fn module(&self) -> Module {
        let mut module = Module::new();
        module.set_doc(self.about);
        for part in self.parts {
            module.combine_manifest(part);
        }
        module.build_index();
        module
    }
}
