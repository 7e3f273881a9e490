//! How far long work has come, told to whoever shows it.
//!
//! The core opens a [`Bar`] and advances it; the command line installs a [`Sink`] that draws.
//! Without a sink nothing is shown and nothing is computed for it.
//!
//! Work is made of work: a generation is made of forwards. One bar is shown at a time, that of the
//! outermost work; bars opened inside it are silent.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Draws progress. Installed once, by the command line.
pub trait Sink: Send + Sync {
    /// Work called `label` begins: `total` of what `unit` says. The sink decides whether it is long enough
    /// to show.
    fn begin(&self, label: &str, total: u64, unit: Unit) -> Box<dyn Meter>;
}

/// What the steps of a piece of work are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things of which there are so many; the label names them.
    Count,
    /// Bytes of a file.
    Bytes,
}

/// One piece of work as the sink shows it; dropped when the work ends.
pub trait Meter: Send {
    /// `steps` more are done.
    fn advance(&mut self, steps: u64);

    /// What there is to say of the work just now, in a few words.
    fn say(&mut self, words: &str);
}

static SINK: OnceLock<Box<dyn Sink>> = OnceLock::new();

/// True while a bar is open that is not silent.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Installs the sink of this process. A second call is ignored.
pub fn install(sink: Box<dyn Sink>) {
    let _ = SINK.set(sink);
}

/// A piece of work under way.
pub struct Bar(Option<Box<dyn Meter>>);

/// Begins a piece of work of `total` steps. The label says what is done to what the steps count:
/// "generating tokens".
pub fn bar(label: &str, total: u64) -> Bar {
    begin(label, total, Unit::Count)
}

/// Begins a piece of work on `total` bytes.
pub fn bytes(label: &str, total: u64) -> Bar {
    begin(label, total, Unit::Bytes)
}

fn begin(label: &str, total: u64, unit: Unit) -> Bar {
    match SINK.get() {
        Some(sink) if !TAKEN.swap(true, Ordering::AcqRel) => Bar(Some(sink.begin(label, total, unit))),
        _ => Bar(None),
    }
}

impl Bar {
    /// `steps` more are done.
    pub fn advance(&mut self, steps: u64) {
        if let Some(meter) = &mut self.0 {
            meter.advance(steps);
        }
    }

    /// Says something about the work as it stands, beside the bar.
    pub fn say(&mut self, words: &str) {
        if let Some(meter) = &mut self.0 {
            meter.say(words);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(meter) = self.0.take() {
            drop(meter);
            TAKEN.store(false, Ordering::Release);
        }
    }
}
