//! Scripts run in a test.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mora::script::Output;
use mora::script::host::{Host, Options, STACK};
use mora::script::library::Script;

/// What a script left.
pub struct Ran {
    /// What it printed, a string a call.
    pub printed: Vec<String>,
    /// The error that it ended with, as people read it.
    pub error: Option<String>,
}

#[derive(Clone, Default)]
struct Capture(Rc<RefCell<Vec<String>>>);

impl Output for Capture {
    fn print(&self, text: &str) {
        self.0.borrow_mut().push(text.to_owned());
    }

    fn note(&self, _: &str) {}
}

/// Runs `text` under the name `test.rhai`, in an output folder of its own.
pub fn run(text: &str) -> Ran {
    run_in(tempfile::tempdir().unwrap().path(), text)
}

/// The same in an output folder that stays.
pub fn run_in(folder: &Path, text: &str) -> Ran {
    let (folder, text) = (folder.to_owned(), text.to_owned());
    std::thread::Builder::new().stack_size(STACK).spawn(|| run_here(folder, text)).unwrap().join().unwrap()
}

/// What `text` prints, where it does not fail.
pub fn printed(text: &str) -> Vec<String> {
    let Ran { printed, error } = run(text);
    assert!(error.is_none(), "{}", error.unwrap());
    printed
}

/// The error that `text` ends with.
pub fn error(text: &str) -> String {
    run(text).error.expect("the script did not fail")
}

fn run_here(folder: PathBuf, text: String) -> Ran {
    let script = Script { name: "test".to_owned(), source: "test.rhai".to_owned(), text, folder: None };
    let capture = Capture::default();
    let options = Options {
        output: Box::new(capture.clone()),
        settings: BTreeMap::new(),
        folder: Some(folder),
        seed: 0,
        device: candle_core::Device::Cpu,
        dtype: candle_core::DType::F32,
        quiet: true,
        permissions: mora::script::permissions::Permissions::trusted(),
        wait: false,
        max_operations: None,
    };
    let result = Host::new(&script, options).run(&script);
    let printed = capture.0.borrow().clone();
    Ran { printed, error: result.err().map(|failure| failure.diagnostic.to_string()) }
}
