//! Scripts on a thread with the stack that they need, stopped where they work too long or grow too large.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use candle_core::{DType, Device};
use mora::interrupt;
use mora::script::Output;
use mora::script::host::{Host, Options, STACK};
use mora::script::library::Script;
use mora::script::permissions::Permissions;
use serde_json::Value;

use crate::MOST_BYTES;

/// Rhai's operations that the scripts of one host may take together: a loop without an end takes them all.
const OPERATIONS: u64 = 200_000;

/// Characters or elements that a text, an array or a map may hold.
const ELEMENTS: usize = 1 << 20;

/// After so long the work is asked to stop, as `--timeout` does. It must then stop within libFuzzer's own limit.
const TIME: Duration = Duration::from_secs(2);

/// How often the watcher looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs after which a host is made anew: it remembers what it ran.
pub const RUNS: usize = 100;

struct Nowhere;

impl Output for Nowhere {
    fn print(&self, _: &str) {}
    fn note(&self, _: &str) {}
}

/// A script of this text.
pub fn script(text: &str) -> Script {
    Script { name: "fuzzed".into(), source: "fuzzed.rhai".into(), text: text.to_owned(), folder: None }
}

/// A host with a script's rights and no more, which writes below `folder`.
pub fn host(folder: &Path) -> Host {
    mora::tensor::limit_memory(MOST_BYTES);
    let options = Options {
        output: Box::new(Nowhere),
        settings: BTreeMap::new(),
        folder: Some(folder.to_owned()),
        seed: 0,
        device: Device::Cpu,
        dtype: DType::F32,
        quiet: true,
        permissions: Permissions::limited(Some(folder), &[], &[], false, Vec::new()),
        wait: false,
        max_operations: Some(OPERATIONS),
    };
    let mut host = Host::new(&script(""), options);
    host.limit_sizes(ELEMENTS);
    host
}

/// When the work under way is to be stopped, in milliseconds since the start; 0 for none.
static DEADLINE: AtomicU64 = AtomicU64::new(0);

/// Does `work` and asks it to stop where it takes too long.
pub fn in_time(work: impl FnOnce()) {
    static BEGIN: LazyLock<Instant> = LazyLock::new(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(PAUSE);
                let deadline = DEADLINE.load(Ordering::SeqCst);
                if deadline != 0 && now() > deadline {
                    interrupt::request();
                }
            }
        });
        Instant::now()
    });
    fn now() -> u64 {
        BEGIN.elapsed().as_millis() as u64
    }
    let end = now() + TIME.as_millis() as u64;
    interrupt::clear();
    DEADLINE.store(end, Ordering::SeqCst);
    work();
    DEADLINE.store(0, Ordering::SeqCst);
}

/// A thread with a script's stack that does one piece of work after the other.
struct Thread {
    work: Sender<(fn(&[u8]), Vec<u8>)>,
    done: Receiver<()>,
}

/// Does `work` with `bytes` on the thread with a script's stack.
pub fn with_stack(work: fn(&[u8]), bytes: &[u8]) {
    static THREAD: LazyLock<Mutex<Thread>> = LazyLock::new(|| {
        let (work, works) = channel::<(fn(&[u8]), Vec<u8>)>();
        let (ends, done) = channel();
        let run = move || {
            while let Ok((work, bytes)) = works.recv() {
                work(&bytes);
                if ends.send(()).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().stack_size(STACK).spawn(run).expect("a thread");
        Mutex::new(Thread { work, done })
    });
    let thread = THREAD.lock().expect("one caller");
    thread.work.send((work, bytes.to_vec())).expect("the thread runs");
    thread.done.recv().expect("the thread runs");
}

/// Things that options may hold besides what JSON has, by name.
const NAMED: [&str; 12] = [
    "xs", "model", "other", "adapter", "diff", "table", "matrix", "figure", "words", "shape", "same", "ends",
];

/// JSON as a script writes it; the text "$xs" is the variable `xs`, "$()" is nothing.
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "()".to_owned(),
        Value::String(text) => match text.strip_prefix('$') {
            Some(name) if NAMED.contains(&name) => name.to_owned(),
            _ => quoted(text),
        },
        Value::Array(list) => format!("[{}]", list.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entry = |(key, value): (&String, &Value)| format!("{}: {}", quoted(key), literal(value));
            format!("#{{{}}}", map.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        // Rhai has no integers beyond 64 bits and no exponents without a point.
        Value::Number(number) => match number.as_i64() {
            Some(i64::MIN) => "(-9223372036854775807 - 1)".to_owned(),
            Some(number) => format!("({number})"),
            None => format!("({:?})", number.as_f64().unwrap_or(0.0)),
        },
        Value::Bool(yes) => yes.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\U{:08X}", c as u32),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}
