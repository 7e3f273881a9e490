//! Progress bars on stderr.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::progress::{self, Meter, Sink, Unit};

/// Work that is done sooner shows no bar, nor does work that will be by all appearance.
const PATIENCE: Duration = Duration::from_millis(500);

static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// Draws bars from now on, where stderr is a terminal.
pub fn install() {
    if std::io::stderr().is_terminal() && BARS.set(MultiProgress::new()).is_ok() {
        progress::install(Box::new(Bars));
    }
}

/// Runs `write` while no bar is drawn.
pub fn suspend(write: impl FnOnce()) {
    match BARS.get() {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

struct Bars;

impl Sink for Bars {
    fn begin(&self, label: &str, total: u64, unit: Unit) -> Box<dyn Meter> {
        Box::new(Bar {
            label: label.to_owned(),
            said: String::new(),
            total,
            unit,
            done: 0,
            begun: Instant::now(),
            drawn: None,
        })
    }
}

struct Bar {
    label: String,
    /// What was said last of the work.
    said: String,
    total: u64,
    unit: Unit,
    done: u64,
    begun: Instant,
    drawn: Option<ProgressBar>,
}

impl Meter for Bar {
    fn advance(&mut self, steps: u64) {
        self.done += steps;
        match &self.drawn {
            Some(bar) => bar.inc(steps),
            None if self.is_worth_showing() => self.drawn = self.draw(),
            None => {}
        }
    }

    fn say(&mut self, words: &str) {
        words.clone_into(&mut self.said);
        if let Some(bar) = &self.drawn {
            bar.set_message(self.message());
        }
    }
}

impl Bar {
    fn message(&self) -> String {
        match self.said.as_str() {
            "" => self.label.clone(),
            said => format!("{}: {said}", self.label),
        }
    }

    /// As much time has passed, and at this pace as much is left, as makes a bar more than a flicker.
    fn is_worth_showing(&self) -> bool {
        let passed = self.begun.elapsed();
        let left = passed.as_secs_f64() * self.total.saturating_sub(self.done) as f64 / self.done as f64;
        passed > PATIENCE && left > PATIENCE.as_secs_f64()
    }

    fn draw(&self) -> Option<ProgressBar> {
        let bar = BARS.get()?.add(ProgressBar::new(self.total).with_elapsed(self.begun.elapsed()));
        let template = match self.unit {
            Unit::Count => "{msg} {wide_bar:.dim} {pos}/{len} {elapsed} (left {eta})",
            Unit::Bytes => "{msg} {wide_bar:.dim} {bytes}/{total_bytes} {elapsed} (left {eta})",
        };
        bar.set_style(ProgressStyle::with_template(template).ok()?);
        bar.set_message(self.message());
        bar.set_position(self.done);
        Some(bar)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.drawn {
            bar.finish_and_clear();
        }
    }
}
