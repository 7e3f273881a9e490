//! Progress bars on stderr.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::progress::{self, Meter, Sink};

/// Work that takes less shows no bar.
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
    fn begin(&self, label: &str, total: u64) -> Box<dyn Meter> {
        Box::new(Bar { label: label.to_owned(), total, done: 0, begun: Instant::now(), drawn: None })
    }
}

struct Bar {
    label: String,
    total: u64,
    done: u64,
    begun: Instant,
    drawn: Option<ProgressBar>,
}

impl Meter for Bar {
    fn advance(&mut self, steps: u64) {
        self.done += steps;
        match &self.drawn {
            Some(bar) => bar.inc(steps),
            None if self.begun.elapsed() > PATIENCE => self.drawn = self.draw(),
            None => {}
        }
    }
}

impl Bar {
    fn draw(&self) -> Option<ProgressBar> {
        let bar = BARS.get()?.add(ProgressBar::new(self.total).with_elapsed(self.begun.elapsed()));
        let style =
            ProgressStyle::with_template("{msg} {wide_bar:.dim} {pos}/{len} {elapsed} (left {eta})").ok()?;
        bar.set_style(style);
        bar.set_message(self.label.clone());
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
