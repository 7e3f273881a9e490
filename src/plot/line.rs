//! Lines: series over a common axis of numbers, with bands.

use super::axes::{Axis, Plot, draw_frame};
use super::legend::{Entry, Mark, legend_of};
use super::palette::{self, SOFT_INK};
use super::scene::{Color, Point, Scene, clip_line, clip_polygon};
use super::ticks::{self, drawable, padded};
use super::{Panel, check_count};
use crate::error::{Error, Result};

/// Series of so few points show each of them.
const MARKED: usize = 12;

/// One line.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// As the legend calls it.
    pub name: String,
    /// (x, y), joined in this order; a missing one leaves a gap.
    pub points: Vec<Point>,
    /// A band around the line: its lower and upper end at each point, in the units of y. None at all, or one
    /// pair for each point.
    pub band: Vec<(f64, f64)>,
}

/// Several lines over one axis.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// The lines, in the order of the legend.
    pub series: Vec<Series>,
    /// Dashed lines across, at these heights.
    pub marks: Vec<f64>,
}

impl Lines {
    pub(super) fn check(&self) -> Result<()> {
        if self.series.iter().all(|series| series.points.is_empty()) {
            return Err(Error::new("expected at least one point for a figure of lines, found none"));
        }
        for series in &self.series {
            if !series.band.is_empty() {
                let (points, band) = (series.points.len(), series.band.len());
                let whose = || format!("line \"{}\"", series.name);
                check_count(points, band, "bounds, one pair for each point", whose)?;
            }
        }
        Ok(())
    }

    pub(super) fn legend(&self) -> Vec<Entry> {
        let mark = |number| if number < palette::DISTINCT { Mark::Line } else { Mark::Dashes };
        legend_of(self.series.iter().map(|series| &series.name), mark)
    }

    /// All values of y, bands and marks.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        let values = self.series.iter().flat_map(|series| &series.points).map(|point| point.1);
        let bands = self.series.iter().flat_map(|series| &series.band).flat_map(|(low, high)| [*low, *high]);
        ticks::range(values.chain(bands).chain(self.marks.iter().copied()))
    }

    pub(super) fn draw(&self, scene: &mut Scene, panel: Panel) {
        let xs = || self.series.iter().flat_map(|series| &series.points).map(|point| point.0);
        let across = ticks::range(xs());
        let up = panel.range.or_else(|| self.range());
        let (left, right) =
            panel.options.x_range.unwrap_or_else(|| padded(across.unwrap_or((0.0, 1.0)), 0.02, 0.02));
        let (low, high) =
            panel.options.y_range.unwrap_or_else(|| padded(up.unwrap_or((0.0, 1.0)), 0.05, 0.05));
        let whole = xs().filter(|x| drawable(*x)).all(|x| x.fract() == 0.0);
        let x = Axis { whole, ..Axis::numbers((left, right)) };
        let plot = draw_frame(scene, panel.frame(self.legend(), x, Axis::numbers((low, high))));
        if low < 0.0 && high > 0.0 && !self.marks.contains(&0.0) {
            scene.line(
                vec![(plot.area.left, plot.y(0.0)), (plot.area.right, plot.y(0.0))],
                0.9,
                palette::AXIS,
            );
        }
        for &mark in self.marks.iter().filter(|mark| (low..=high).contains(*mark)) {
            let y = plot.y(mark);
            scene.dashes(&[(plot.area.left, y), (plot.area.right, y)], 1.0, SOFT_INK);
        }
        if across.is_none() || self.range().is_none() {
            return plot.note(scene, "no finite values");
        }
        for (number, series) in self.series.iter().enumerate() {
            draw_band(scene, &plot, series, palette::category(number));
        }
        for (number, series) in self.series.iter().enumerate() {
            self.draw_line(scene, &plot, series, number);
        }
    }

    fn draw_line(&self, scene: &mut Scene, plot: &Plot, series: &Series, number: usize) {
        let color = palette::category(number);
        for run in runs(&series.points, |point| drawable(point.0) && drawable(point.1)) {
            let points: Vec<Point> = run.iter().map(|&(_, point)| plot.at(point)).collect();
            for visible in clip_line(&points, &plot.area) {
                // Colours come again after the last: those lines are dashed.
                match number < palette::DISTINCT {
                    true => scene.line(visible, 1.9, color),
                    false => scene.dashes(&visible, 1.9, color),
                }
            }
            if series.points.len() <= MARKED || run.len() == 1 {
                let inside = |point: &&Point| {
                    let slack = 0.5;
                    (plot.area.left - slack..=plot.area.right + slack).contains(&point.0)
                        && (plot.area.top - slack..=plot.area.bottom + slack).contains(&point.1)
                };
                for &point in points.iter().filter(inside) {
                    scene.disc(point, 2.8, color);
                }
            }
        }
    }
}

fn draw_band(scene: &mut Scene, plot: &Plot, series: &Series, color: Color) {
    let bounded: Vec<(f64, (f64, f64))> =
        series.points.iter().zip(&series.band).map(|(point, ends)| (point.0, *ends)).collect();
    for run in runs(&bounded, |(x, (low, high))| drawable(*x) && drawable(*low) && drawable(*high)) {
        let lower = run.iter().map(|(_, (x, ends))| plot.at((*x, ends.0)));
        let upper = run.iter().rev().map(|(_, (x, ends))| plot.at((*x, ends.1)));
        let outline: Vec<Point> = lower.chain(upper).collect();
        let across: Vec<Point> = clip_polygon(&outline, plot.area.top, plot.area.bottom);
        // Turned by a quarter, the same clip cuts left and right.
        let turned: Vec<Point> = across.iter().map(|&(x, y)| (y, x)).collect();
        let inside = clip_polygon(&turned, plot.area.left, plot.area.right);
        scene.polygon(inside.iter().map(|&(y, x)| (x, y)).collect(), color.with_alpha(0.18));
    }
}

/// The longest stretches of values that can be drawn, with their places.
fn runs<T: Copy>(values: &[T], drawable: impl Fn(&T) -> bool) -> Vec<Vec<(usize, T)>> {
    let mut runs: Vec<Vec<(usize, T)>> = Vec::new();
    for (place, value) in values.iter().enumerate().filter(|(_, value)| drawable(value)) {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|(before, _)| before + 1 == place) => {
                run.push((place, *value))
            }
            _ => runs.push(vec![(place, *value)]),
        }
    }
    runs
}
