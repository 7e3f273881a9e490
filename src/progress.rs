//! How far long work has come, told to whoever shows it.
//!
//! The core opens a [`Bar`] and advances it; the command line installs a [`Sink`] that draws.
//! Without a sink nothing is shown and nothing is computed for it.

use std::sync::OnceLock;

/// Draws progress. Installed once, by the command line.
pub trait Sink: Send + Sync {
    /// Work called `label` with `total` steps begins.
    fn begin(&self, label: &str, total: u64) -> Box<dyn Meter>;
}

/// One piece of work as the sink shows it; dropped when the work ends.
pub trait Meter: Send {
    /// `steps` more are done.
    fn advance(&mut self, steps: u64);
}

static SINK: OnceLock<Box<dyn Sink>> = OnceLock::new();

/// Installs the sink of this process. A second call is ignored.
pub fn install(sink: Box<dyn Sink>) {
    let _ = SINK.set(sink);
}

/// A piece of work under way.
pub struct Bar(Option<Box<dyn Meter>>);

/// Begins a piece of work of `total` steps.
pub fn bar(label: &str, total: u64) -> Bar {
    Bar(SINK.get().map(|sink| sink.begin(label, total)))
}

impl Bar {
    /// `steps` more are done.
    pub fn advance(&mut self, steps: u64) {
        if let Some(meter) = &mut self.0 {
            meter.advance(steps);
        }
    }
}
