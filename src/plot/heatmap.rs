//! Heat maps: a matrix as coloured cells.

use super::axes::{Axis, Frame, Plot, TICK_SIZE, draw_frame, font};
use super::colorbar::{ColorBar, check_limits};
use super::palette::{ColorScale, HATCH, MISSING, ink_on};
use super::scene::{Align, Font, Rect, Scene};
use super::text;
use super::ticks::{self, drawable};
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
        check_limits(self.limits)
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

    pub(super) fn draw(&self, scene: &mut Scene, panel: Panel) {
        let range = panel.range.or_else(|| self.range());
        let colors =
            ColorBar::new(self.scale, self.limits, range, self.value_label.as_deref(), panel.area.height());
        let (x, y) = (Axis::slots(&self.column_labels), Axis::slots(&self.row_labels));
        let frame = Frame { right: colors.width(), ..panel.frame(Vec::new(), x, y) };
        let plot = draw_frame(scene, frame);
        self.draw_cells(scene, &plot, &colors);
        colors.draw(scene, &plot.area);
    }

    fn draw_cells(&self, scene: &mut Scene, plot: &Plot, colors: &ColorBar) {
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
                let color = colors.color(value);
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
}
