//! Scatter plots: points, coloured by group.

use super::axes::{Axis, Plot, draw_frame};
use super::labels::{Labels, Side};
use super::legend::{Entry, Mark, legend_of};
use super::palette::{self, SOFT_INK};
use super::scene::{Point, Rect, Scene};
use super::ticks::{self, drawable, padded, union};
use super::{Panel, check_count};
use crate::error::{Error, Result};

/// Points of one colour.
#[derive(Clone, Debug, Default)]
pub struct PointGroup {
    /// As the legend calls it.
    pub name: String,
    /// (x, y); missing ones are left out.
    pub points: Vec<Point>,
    /// What stands beside each point: none at all, or one for each (empty for none). A label that finds no
    /// free place is left out.
    pub labels: Vec<String>,
}

/// Points over two axes of numbers.
#[derive(Clone, Debug, Default)]
pub struct Scatter {
    /// The points, in the order of the legend.
    pub groups: Vec<PointGroup>,
    /// A dashed line where x and y are equal; both axes then have the same ends.
    pub diagonal: bool,
}

impl Scatter {
    pub(super) fn check(&self) -> Result<()> {
        if self.groups.iter().all(|group| group.points.is_empty()) {
            return Err(Error::new("expected at least one point for a scatter plot, found none"));
        }
        for group in &self.groups {
            if !group.labels.is_empty() {
                let (points, labels) = (group.points.len(), group.labels.len());
                let whose = || format!("points \"{}\"", group.name);
                check_count(points, labels, "labels, one for each point", whose)?;
            }
        }
        Ok(())
    }

    pub(super) fn legend(&self) -> Vec<Entry> {
        legend_of(self.groups.iter().map(|group| &group.name), |_| Mark::Disc)
    }

    fn points(&self) -> impl Iterator<Item = Point> {
        self.groups
            .iter()
            .flat_map(|group| group.points.iter().copied())
            .filter(|(x, y)| drawable(*x) && drawable(*y))
    }

    pub(super) fn y_range(&self) -> Option<(f64, f64)> {
        ticks::range(self.points().map(|point| point.1))
    }

    pub(super) fn draw(&self, scene: &mut Scene, panel: Panel) {
        let mut across = ticks::range(self.points().map(|point| point.0));
        let mut up = panel.range.or_else(|| self.y_range());
        if self.diagonal {
            across = union(across, up);
            up = across;
        }
        let ends = |range: Option<(f64, f64)>| padded(range.unwrap_or((0.0, 1.0)), 0.06, 0.06);
        let (left, right) = panel.options.x_range.unwrap_or_else(|| ends(across));
        let (low, high) = panel.options.y_range.unwrap_or_else(|| ends(up));
        let (x, y) = (Axis::numbers((left, right)), Axis::numbers((low, high)));
        let plot = draw_frame(scene, panel.frame(self.legend(), x, y));
        let Rect { left: start, top, right: end, bottom } = plot.area;
        let mut lines: Vec<[Point; 2]> = Vec::new();
        if left < 0.0 && right > 0.0 {
            lines.push([(plot.x(0.0), top), (plot.x(0.0), bottom)]);
        }
        if low < 0.0 && high > 0.0 {
            lines.push([(start, plot.y(0.0)), (end, plot.y(0.0))]);
        }
        for line in &lines {
            scene.line(line.to_vec(), 0.9, palette::AXIS);
        }
        let (from, to) = (left.max(low), right.min(high));
        if self.diagonal && from < to {
            let line = [plot.at((from, from)), plot.at((to, to))];
            scene.dashes(&line, 1.0, SOFT_INK);
            lines.push(line);
        }
        if self.points().next().is_none() {
            return plot.note(scene, "no finite values");
        }
        self.draw_points(scene, &plot, &lines);
    }

    fn draw_points(&self, scene: &mut Scene, plot: &Plot, lines: &[[Point; 2]]) {
        let count = self.points().count();
        let radius = if count > 2000 {
            1.6
        } else if count > 300 {
            2.4
        } else {
            3.6
        };
        // Lines, points, and labels that are placed must not be covered.
        let mut labels = Labels::new(plot.area, Side::Beside);
        lines.iter().for_each(|line| labels.avoid_line(*line));
        let mut named: Vec<(Point, &str)> = Vec::new();
        for (number, group) in self.groups.iter().enumerate() {
            let color = palette::category(number).with_alpha(if count > 300 { 0.55 } else { 0.85 });
            for (place, &point) in group.points.iter().enumerate() {
                let at = plot.at(point);
                let dot = Rect::new(at.0, at.1, at.0, at.1);
                let shown = drawable(point.0) && drawable(point.1) && plot.area.contains(&dot);
                if !shown {
                    continue;
                }
                scene.disc(at, radius, color);
                labels.avoid_disc(at, radius);
                if let Some(label) = group.labels.get(place).filter(|label| !label.is_empty()) {
                    named.push((at, label));
                }
            }
        }
        for (at, label) in named {
            labels.write(scene, at, radius, label);
        }
    }
}
