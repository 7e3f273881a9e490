//! Rhai text itself: parsed, its settings looked for, run with a script's rights, and its error explained.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use mora::script::Host;
use mora_fuzz::script::{RUNS, host, in_time, script, with_stack};

struct Ground {
    host: Host,
    runs: usize,
    _folder: tempfile::TempDir,
}

thread_local! {
    static GROUND: RefCell<Option<Ground>> = const { RefCell::new(None) };
}

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    GROUND.with_borrow_mut(|ground| {
        if ground.as_ref().is_some_and(|ground| ground.runs >= RUNS) {
            *ground = None;
        }
        let ground = ground.get_or_insert_with(|| {
            let folder = tempfile::tempdir().expect("a folder to write into");
            Ground { host: host(folder.path()), runs: 0, _folder: folder }
        });
        ground.runs += 1;
        let script = script(text);
        ground.host.context().sources().insert(&script.source, text, None);
        let mut spent = false;
        in_time(|| {
            if let Err(failure) = ground.host.run(&script) {
                let _ = failure.diagnostic.to_string();
                spent = failure.limit.is_some();
            }
        });
        if spent {
            ground.runs = RUNS;
        }
    });
}

fuzz_target!(|bytes: &[u8]| with_stack(run, bytes));
