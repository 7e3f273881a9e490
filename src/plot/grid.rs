//! Figures in rows and columns.

use super::axes::{LABEL_SIZE, draw_heading, font};
use super::legend::{Entry, draw_legend};
use super::scene::{Align, Font, Hang, Rect, Scene};
use super::text::DESCENT;
use super::ticks::union;
use super::{Figure, FigureOptions, Panel};
use crate::error::{Error, Result};

/// Figures in rows and columns.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    /// The panels, row by row.
    pub figures: Vec<Figure>,
    /// How many stand in a row; by default about as many as there are rows.
    pub columns: Option<usize>,
    /// One scale for the measured values of all panels; by default where they are figures of one kind with
    /// the same label.
    pub share: Option<bool>,
}

const GAP: f64 = 22.0;
/// The width that rows of panels aim at.
const PAGE: f64 = 1000.0;
const PANEL_TITLE: f64 = 13.0;
const HEADING: f64 = 16.0;

impl Grid {
    pub(super) fn check(&self) -> Result<()> {
        if self.figures.is_empty() {
            return Err(Error::new("expected at least one figure for a grid, found none"));
        }
        if self.figures.iter().any(|figure| figure.kind() == "grid") {
            return Err(Error::new("a grid holds figures, not other grids"));
        }
        if self.columns == Some(0) {
            return Err(Error::new("expected at least one column for a grid, found 0"));
        }
        Ok(())
    }

    fn columns(&self) -> usize {
        let count = self.figures.len();
        self.columns.unwrap_or_else(|| (count as f64).sqrt().ceil() as usize).clamp(1, count.max(1))
    }

    fn rows(&self) -> usize {
        self.figures.len().div_ceil(self.columns())
    }

    pub(super) fn natural_size(&self, options: &FigureOptions) -> (f64, f64) {
        let (columns, rows) = (self.columns() as f64, self.rows() as f64);
        let most =
            |size: &dyn Fn(&Figure) -> u32| f64::from(self.figures.iter().map(size).max().unwrap_or(0));
        let (wide, tall) = (most(&|figure| figure.size().0), most(&|figure| figure.size().1));
        // Panels are smaller than the same figure by itself, so that a row fits a page, but not so small that
        // their words collide.
        let smaller = (PAGE / (columns * wide)).clamp(0.48, 0.75);
        let (wide, tall) = ((wide * smaller).max(260.0), (tall * smaller).max(220.0));
        let around = if options.title.is_some() { 30.0 } else { 0.0 } + 46.0;
        (columns * wide + (columns - 1.0) * GAP + 40.0, rows * tall + (rows - 1.0) * GAP + around)
    }

    /// The legend that stands for every panel's, where they agree.
    fn legend(&self) -> Option<Vec<Entry>> {
        let mut legends = self.figures.iter().map(Figure::legend).filter(|legend| !legend.is_empty());
        let first = legends.next()?;
        legends.all(|legend| legend == first).then_some(first)
    }

    /// The range of the measured values over all panels, where they share one.
    fn range(&self) -> Option<(f64, f64)> {
        let alike = || {
            let mut kinds = self.figures.iter().map(|figure| (figure.kind(), figure.measured().1));
            let first = kinds.next();
            kinds.all(|kind| Some(kind) == first)
        };
        if !self.share.unwrap_or_else(alike) {
            return None;
        }
        self.figures.iter().map(|figure| figure.measured().0).fold(None, union)
    }

    /// A label that all panels have.
    fn common<'a>(&'a self, label: impl Fn(&'a FigureOptions) -> &'a Option<String>) -> Option<&'a str> {
        let first = label(self.figures.first()?.options()).as_deref()?;
        self.figures.iter().all(|figure| label(figure.options()).as_deref() == Some(first)).then_some(first)
    }

    pub(super) fn draw(&self, scene: &mut Scene, panel: Panel) {
        let mut area = panel.area;
        if let Some(title) = &panel.options.title {
            area.top += draw_heading(scene, &area, title, HEADING);
        }
        let legend = if panel.options.no_legend { None } else { self.legend() };
        if let Some(legend) = &legend {
            area.top += draw_legend(scene, &area, legend) + 6.0;
        }
        // Labels that all panels have stand once, at the edge.
        let x_label = panel.options.x_label.as_deref().or_else(|| self.common(|options| &options.x_label));
        let y_label = panel.options.y_label.as_deref().or_else(|| self.common(|options| &options.y_label));
        let label_room = LABEL_SIZE * 1.3 + 4.0;
        if let Some(label) = x_label {
            let font = Font { align: Align::Middle, hang: Hang::Baseline, ..font(LABEL_SIZE) };
            let at = (area.center().0, area.bottom - DESCENT * LABEL_SIZE);
            scene.text(at, super::text::elide(label, LABEL_SIZE, false, area.width()), font);
            area.bottom -= label_room;
        }
        if let Some(label) = y_label {
            let font = Font { align: Align::Middle, hang: Hang::Top, upwards: true, ..font(LABEL_SIZE) };
            let at = (area.left, area.center().1);
            scene.text(at, super::text::elide(label, LABEL_SIZE, false, area.height()), font);
            area.left += label_room;
        }

        let range = self.range();
        let (columns, rows) = (self.columns(), self.rows());
        let wide = (area.width() - GAP * (columns - 1) as f64) / columns as f64;
        let tall = (area.height() - GAP * (rows - 1) as f64) / rows as f64;
        for (number, figure) in self.figures.iter().enumerate() {
            let left = area.left + (number % columns) as f64 * (wide + GAP);
            let top = area.top + (number / columns) as f64 * (tall + GAP);
            let own = figure.options();
            let options = FigureOptions {
                x_label: if x_label.is_some() { None } else { own.x_label.clone() },
                y_label: if y_label.is_some() { None } else { own.y_label.clone() },
                no_legend: own.no_legend || panel.options.no_legend || legend.is_some(),
                ..own.clone()
            };
            let area = Rect::new(left, top, left + wide, top + tall);
            figure.draw(scene, Panel { area, options, title_size: PANEL_TITLE, range });
        }
    }
}
