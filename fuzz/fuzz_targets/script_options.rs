//! Option maps given to native functions: the first byte names a call of `calls.txt`, the rest is JSON for its `$`.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use mora::script::{Host, Session};
use mora_fuzz::script::{RUNS, host, in_time, literal, with_stack};
use serde_json::Value;

const CALLS: &str = include_str!("../calls.txt");

/// Makes the models and tables.
const PRELUDE: &str = include_str!("../src/prelude.rhai");

/// Made anew for each call, since functions of the language change arrays in place.
const BLOCK: &str = "let xs = [1.0, 2.5, 3.0, 4.25, -1.0]; let ys = [0.5, 2.0, 1.0, 5.0, -1.5];
    let same = |x| x; let ends = |x, y| y; let tuned = model.lora(#{ rank: 2, alpha: 4 });";

struct Ground {
    host: Host,
    session: Session,
    runs: usize,
    _folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder to write into");
        let mut host = host(folder.path());
        let mut session = Session::default();
        if let Err(failure) = host.evaluate(&mut session, PRELUDE) {
            panic!("{}", failure.diagnostic);
        }
        Self { host, session, runs: 0, _folder: folder }
    }
}

thread_local! {
    static GROUND: RefCell<Option<Ground>> = const { RefCell::new(None) };
}

fn run(bytes: &[u8]) {
    let Some((first, json)) = bytes.split_first() else { return };
    let Ok(options @ Value::Object(_)) = serde_json::from_slice(json) else { return };
    let calls: Vec<&str> = CALLS.lines().collect();
    let call = calls[usize::from(*first) % calls.len()].replace('$', &literal(&options));
    GROUND.with_borrow_mut(|ground| {
        if ground.as_ref().is_some_and(|ground| ground.runs >= RUNS) {
            *ground = None;
        }
        let ground = ground.get_or_insert_with(Ground::new);
        ground.runs += 1;
        in_time(|| match ground.host.evaluate(&mut ground.session, &format!("{{ {BLOCK} {call} }}")) {
            Ok(value) => drop(ground.host.show(value)),
            Err(failure) => drop(failure.diagnostic.to_string()),
        });
    });
}

fuzz_target!(|bytes: &[u8]| with_stack(run, bytes));
