//! Runs a script as a golden test does.

use std::collections::BTreeMap;
use std::path::Path;

#[allow(unused_imports)]
pub use mora::script::golden::{difference, is_equal, settings};
use mora::script::host::STACK;
use mora::script::{golden, library};

/// What a script prints, and the error that it ends with; whether it failed.
pub fn transcript(script: &str, settings: BTreeMap<String, String>, folder: &Path) -> (String, bool) {
    let script = library::find(script).unwrap();
    let golden::Transcript { text, failed } = golden::transcript(&script, settings, folder);
    (text, failed)
}

/// The tolerance that a text gives.
pub fn tolerance(text: &str) -> Option<f64> {
    golden::tolerance(text).unwrap()
}

/// Runs on a thread with the stack that scripts run with.
pub fn with_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// True where golden files are to be written anew.
pub fn is_blessing() -> bool {
    std::env::var_os("MORA_BLESS").is_some()
}
