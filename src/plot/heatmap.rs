//! Heat maps: a matrix as coloured cells.

use super::axes::{Axis, Frame, LABEL_SIZE, Plot, TICK_SIZE, draw_frame, font};
use super::palette::{ColorScale, HATCH, MISSING, SOFT_INK, ink_on};
use super::scene::{Align, Font, Hang, Rect, Scene};
use super::text;
use super::ticks::{self, drawable, padded};
use super::{FigureOptions, Panel};
use crate::error::{Error, Result};

/// A matrix of values.
#[derive(Clone, Debug, Default)]
pub struct HeatMap {
    /// The values, row by row from the top; a missing one shows as a hatched cell.
    pub values: Vec<Vec<f64>>,
    /// One for each row.
    pub row_labels: Vec<String>,
    /// One for each column.
    pub column_labels: Vec<String>,
    /// What the colours say.
    pub scale: ColorScale,
    /// The values at the ends of the colours; by default those of the data, and for a diverging scale the
    /// same distance from zero on both sides. Values beyond have the colours of the ends.
    pub limits: Option<(f64, f64)>,
    /// Numbers in the cells: always, never, or (by default) where they fit.
    pub show_values: Option<bool>,
    /// What the values are, beside the colour bar.
    pub value_label: Option<String>,
}

const BAR_WIDTH: f64 = 13.0;
const BAR_GAP: f64 = 16.0;
/// Sizes of the numbers in cells, the first that fits.
const VALUE_SIZES: [f64; 3] = [11.0, 10.0, 9.0];
const SMALLEST_VALUE: f64 = 7.5;

impl HeatMap {
    pub(super) fn check(&self) -> Result<()> {
        let (rows, columns) = (self.values.len(), self.values.first().map_or(0, Vec::len));
        if rows == 0 || columns == 0 {
            return Err(Error::new(format!(
                "expected at least one cell, found {rows} rows × {columns} columns"
            )));
        }
        if let Some((row, found)) =
            self.values.iter().map(Vec::len).enumerate().find(|(_, len)| *len != columns)
        {
            return Err(Error::new(format!(
                "expected {columns} values in row {row} as in row 0, found {found}"
            )));
        }
        let labels = [("row", rows, self.row_labels.len()), ("column", columns, self.column_labels.len())];
        for (name, expected, found) in labels {
            if expected != found {
                return Err(Error::new(format!("expected {expected} {name} labels, found {found}")));
            }
        }
        if let Some((low, high)) = self.limits
            && !(drawable(low) && drawable(high) && low < high)
        {
            return Err(Error::new(format!("expected limits with the lower first, found {low} and {high}")));
        }
        Ok(())
    }

    pub(super) fn range(&self) -> Option<(f64, f64)> {
        ticks::range(self.values.iter().flatten().copied())
    }

    pub(super) fn natural_size(&self, options: &FigureOptions) -> (f64, f64) {
        let (rows, columns) = (self.row_labels.len() as f64, self.column_labels.len() as f64);
        let numbers = text::widest(&self.texts().concat(), VALUE_SIZES[0]) + 10.0;
        let cell = match self.show_values {
            Some(true) => numbers.max(30.0),
            Some(false) => 30.0,
            None => numbers.max(40.0).min(640.0 / columns).max(14.0),
        };
        let labels = text::widest(&self.row_labels, TICK_SIZE).min(250.0);
        let below = text::widest(&self.column_labels, TICK_SIZE);
        let width = (cell * columns).max(160.0) + labels + 150.0;
        let width = width.clamp(380.0, 1400.0);
        // A tall map still fits on a page.
        let tall = (width / columns / 1.9).clamp(18.0, 34.0).min((620.0 / rows).max(18.0));
        let around = 70.0
            + if options.title.is_some() { 27.0 } else { 0.0 }
            + if options.x_label.is_some() { 22.0 } else { 0.0 }
            + if below > cell { below.min(140.0) } else { 0.0 };
        (width, around + (rows * tall).max(100.0))
    }

    /// The values at the ends of the colours.
    fn ends(&self, shared: Option<(f64, f64)>) -> (f64, f64) {
        if let Some(limits) = self.limits {
            return limits;
        }
        let (low, high) = shared.or_else(|| self.range()).unwrap_or((0.0, 1.0));
        match self.scale {
            ColorScale::Diverging => {
                let most = low.abs().max(high.abs());
                if most > 0.0 { (-most, most) } else { (-1.0, 1.0) }
            }
            ColorScale::Sequential => padded((low, high), 0.0, 0.0),
        }
    }

    pub(super) fn draw(&self, scene: &mut Scene, panel: Panel) {
        let (low, high) = self.ends(panel.range);
        let bar_ticks = ticks::ticks((low, high), 6, false);
        let bar_texts = ticks::labels(&bar_ticks);
        let label_width = if self.value_label.is_some() { LABEL_SIZE * 1.3 + 6.0 } else { 0.0 };
        let right = BAR_GAP + BAR_WIDTH + 8.0 + text::widest(&bar_texts, TICK_SIZE) + label_width;
        let (x, y) = (Axis::slots(&self.column_labels), Axis::slots(&self.row_labels));
        let plot = draw_frame(scene, Frame { right, ..panel.frame(Vec::new(), x, y) });
        self.draw_cells(scene, &plot, (low, high));
        let bar = Rect::new(
            plot.area.right + BAR_GAP,
            plot.area.top,
            plot.area.right + BAR_GAP + BAR_WIDTH,
            plot.area.bottom,
        );
        self.draw_bar(scene, &bar, (low, high), &bar_ticks, &bar_texts);
        if let Some(label) = &self.value_label {
            let font = Font { align: Align::Middle, hang: Hang::Baseline, upwards: true, ..font(LABEL_SIZE) };
            let label = text::elide(label, LABEL_SIZE, false, panel.area.height());
            let beside =
                bar.right + 7.0 + text::widest(&bar_texts, TICK_SIZE) + 8.0 + text::CAPITAL * LABEL_SIZE;
            scene.text((beside, bar.center().1), label, font);
        }
    }

    fn draw_cells(&self, scene: &mut Scene, plot: &Plot, (low, high): (f64, f64)) {
        let cell = (plot.x(1.0) - plot.x(0.0), plot.y(1.0) - plot.y(0.0));
        // A hairline of the page between cells, where they are not too small for it.
        let gap = if cell.0.min(cell.1) >= 7.0 { 0.5 } else { 0.0 };
        let texts = self.texts();
        let size = self.value_size(&texts.concat(), cell);
        for (row, values) in self.values.iter().enumerate() {
            for (column, &value) in values.iter().enumerate() {
                let (x, y) = (column as f64, row as f64);
                let area = Rect::new(plot.x(x), plot.y(y), plot.x(x + 1.0), plot.y(y + 1.0)).inset(gap);
                if !drawable(value) {
                    scene.rect(area, MISSING);
                    scene.hatch(area, HATCH);
                    continue;
                }
                let color = self.scale.at((value - low) / (high - low));
                scene.rect(area, color);
                if let (Some(size), Some(text)) = (size, texts.get(row).and_then(|row| row.get(column))) {
                    let font = Font { align: Align::Middle, color: ink_on(color), ..font(size) };
                    scene.text(area.center(), text.as_str(), font);
                }
            }
        }
    }

    /// The size of the numbers in the cells; none where they are not shown.
    fn value_size(&self, texts: &[String], (wide, tall): (f64, f64)) -> Option<f64> {
        let fits = |size: f64| text::widest(texts, size) + 4.0 <= wide && size * 1.25 <= tall;
        match self.show_values {
            Some(false) => None,
            Some(true) => Some(VALUE_SIZES.into_iter().find(|size| fits(*size)).unwrap_or(SMALLEST_VALUE)),
            None => VALUE_SIZES.into_iter().find(|size| fits(*size)),
        }
    }

    /// The values as text, with the decimals that give the largest three digits.
    fn texts(&self) -> Vec<Vec<String>> {
        let largest = self
            .values
            .iter()
            .flatten()
            .filter(|value| drawable(**value))
            .fold(0.0, |m: f64, v| m.max(v.abs()));
        let magnitude = if largest > 0.0 { largest.log10().floor() as i32 } else { 0 };
        let whole =
            self.values.iter().flatten().filter(|value| drawable(**value)).all(|value| value.fract() == 0.0);
        let decimals = if whole { 0 } else { (2 - magnitude.max(0)).clamp(0, 2) as usize };
        let text = |value: f64| match (-2..6).contains(&magnitude) || largest == 0.0 {
            true => ticks::signed(format!("{value:.decimals$}")),
            false => ticks::number(value),
        };
        self.values.iter().map(|row| row.iter().map(|&value| text(value)).collect()).collect()
    }

    fn draw_bar(
        &self,
        scene: &mut Scene,
        bar: &Rect,
        (low, high): (f64, f64),
        ticks: &[f64],
        texts: &[String],
    ) {
        const STRIPS: usize = 96;
        let at = |part: f64| bar.bottom - part * bar.height();
        for strip in 0..STRIPS {
            let (from, to) = (strip as f64 / STRIPS as f64, (strip + 1) as f64 / STRIPS as f64);
            // Strips reach under the next one, so that no seam shows between them.
            let over = if strip + 1 < STRIPS { 0.6 } else { 0.0 };
            let area = Rect::new(bar.left, at(to) - over, bar.right, at(from));
            scene.rect(area, self.scale.at((from + to) / 2.0));
        }
        for (&tick, label) in ticks.iter().zip(texts) {
            let y = at((tick - low) / (high - low));
            scene.line(vec![(bar.right, y), (bar.right + 3.5, y)], 0.9, SOFT_INK);
            scene.text((bar.right + 7.0, y), label.as_str(), font(TICK_SIZE));
        }
        scene.outline(*bar, 0.6, SOFT_INK);
    }
}
