//! The script host: the only room that names Rhai.
//!
//! [`Host`] runs a script. The rest of the room serves it: [`context`] is what a binding can ask of the
//! run, [`options`] and [`value`] turn script values into Rust values, [`callback`] lets the core call
//! closures, [`registry`] lists everything that can be called, [`docs`] reads what its docs say of options
//! and examples, [`diagnostic`] explains errors, and `bind` holds the bindings, one file for each room of the
//! core. How to write one stands there.

mod bind;
pub mod callback;
mod careful;
pub mod claim;
pub mod context;
pub mod definitions;
pub mod diagnostic;
pub mod docs;
pub mod error;
mod functions;
pub mod golden;
pub mod help;
pub mod host;
pub mod isolate;
pub mod library;
pub mod modules;
pub mod options;
pub mod permissions;
pub mod reference;
pub mod registry;
pub mod resolver;
pub mod run;
pub mod scan;
pub mod search;
pub mod session;
pub mod settings;
pub mod source;
pub mod value;

pub use context::{Context, Output};
pub use error::ScriptResult;
pub use host::{Failure, Host};
pub use library::Script;
pub use session::Session;
