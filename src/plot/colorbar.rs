//! The bar beside the data that says which colour stands for which value.

use super::axes::{LABEL_SIZE, LINE_HEIGHT, TICK_SIZE, font};
use super::palette::{ColorScale, SOFT_INK};
use super::scene::{Align, Color, Font, Hang, Rect, Scene};
use super::text;
use super::ticks::{self, drawable, padded};
use crate::error::{Error, Result};

const WIDTH: f64 = 13.0;
const GAP: f64 = 16.0;
/// From the bar to its numbers.
const TEXT_GAP: f64 = 7.0;

/// A colour scale over values, with its ticks.
pub(super) struct ColorBar {
    scale: ColorScale,
    low: f64,
    high: f64,
    ticks: Vec<f64>,
    texts: Vec<String>,
    /// The lines of its label.
    label: Vec<String>,
}

/// Refuses limits that are no range.
pub(super) fn check_limits(limits: Option<(f64, f64)>) -> Result<()> {
    match limits {
        Some((low, high)) if !(drawable(low) && drawable(high) && low < high) => {
            Err(Error::new(format!("expected limits with the lower first, found {low} and {high}")))
        }
        _ => Ok(()),
    }
}

impl ColorBar {
    /// The colours for these limits, else for the range of the values: from end to end, or for a diverging
    /// scale equally far on both sides of zero. `height` is that of the figure.
    pub fn new(
        scale: ColorScale,
        limits: Option<(f64, f64)>,
        range: Option<(f64, f64)>,
        label: Option<&str>,
        height: f64,
    ) -> Self {
        let (low, high) = limits.unwrap_or_else(|| {
            let (low, high) = range.unwrap_or((0.0, 1.0));
            match scale {
                ColorScale::Diverging => match low.abs().max(high.abs()) {
                    most if most > 0.0 => (-most, most),
                    _ => (-1.0, 1.0),
                },
                ColorScale::Sequential => padded((low, high), 0.0, 0.0),
            }
        });
        let ticks = ticks::ticks((low, high), 6, false);
        let label = label.map_or_else(Vec::new, |label| text::label_lines(label, LABEL_SIZE, height));
        Self { scale, low, high, texts: ticks::labels(&ticks), ticks, label }
    }

    /// The room it takes right of the data.
    pub fn width(&self) -> f64 {
        let label = match self.label.len() {
            0 => 0.0,
            lines => lines as f64 * LABEL_SIZE * LINE_HEIGHT + 6.0,
        };
        GAP + WIDTH + TEXT_GAP + 1.0 + text::widest(&self.texts, TICK_SIZE) + label
    }

    /// The colour of a value.
    pub fn color(&self, value: f64) -> Color {
        self.scale.at(self.part(value))
    }

    fn part(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// Draws it right of the data.
    pub fn draw(&self, scene: &mut Scene, data: &Rect) {
        const STRIPS: usize = 96;
        let left = data.right + GAP;
        let bar = Rect::new(left, data.top, left + WIDTH, data.bottom);
        let at = |part: f64| bar.bottom - part * bar.height();
        for strip in 0..STRIPS {
            let (from, to) = (strip as f64 / STRIPS as f64, (strip + 1) as f64 / STRIPS as f64);
            // Strips reach under the next one, so that no seam shows between them.
            let over = if strip + 1 < STRIPS { 0.6 } else { 0.0 };
            let area = Rect::new(bar.left, at(to) - over, bar.right, at(from));
            scene.rect(area, self.scale.at((from + to) / 2.0));
        }
        for (&tick, label) in self.ticks.iter().zip(&self.texts) {
            let y = at(self.part(tick));
            scene.line(vec![(bar.right, y), (bar.right + 3.5, y)], 0.9, SOFT_INK);
            scene.text((bar.right + TEXT_GAP, y), label.as_str(), font(TICK_SIZE));
        }
        scene.outline(bar, 0.6, SOFT_INK);
        let numbers = text::widest(&self.texts, TICK_SIZE);
        for (line, label) in self.label.iter().enumerate() {
            let font = Font { align: Align::Middle, hang: Hang::Baseline, upwards: true, ..font(LABEL_SIZE) };
            let beside = bar.right + TEXT_GAP + numbers + 8.0 + text::CAPITAL * LABEL_SIZE;
            scene.text((beside + line as f64 * LABEL_SIZE * LINE_HEIGHT, bar.center().1), label, font);
        }
    }
}
