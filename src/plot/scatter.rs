//! Scatter plots: points, coloured by group.

use super::axes::{Axis, Plot, draw_frame, font};
use super::legend::{Entry, Mark, legend_of};
use super::palette::{self, SOFT_INK};
use super::scene::{Align, Font, Point, Rect, Scene};
use super::text;
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

const LABEL: f64 = 10.5;

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
        // What labels must not cover: lines, points, and labels that are placed.
        let mut taken: Vec<Rect> = lines.iter().flat_map(along).collect();
        let mut labels: Vec<(Point, &str)> = Vec::new();
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
                taken.push(Rect::new(at.0 - radius, at.1 - radius, at.0 + radius, at.1 + radius));
                if let Some(label) = group.labels.get(place).filter(|label| !label.is_empty()) {
                    labels.push((at, label));
                }
            }
        }
        for (at, label) in labels {
            let label = text::plain(label);
            let width = text::width(&label, LABEL, false);
            let free = places(at, radius, width).into_iter().find(|(_, area)| {
                plot.area.contains(area) && !taken.iter().any(|other| other.overlaps(area))
            });
            if let Some((start, area)) = free {
                scene.text(start, label, Font { align: Align::Start, ..font(LABEL) });
                taken.push(area);
            }
        }
    }
}

/// Small boxes along a line.
fn along(&[from, to]: &[Point; 2]) -> Vec<Rect> {
    let steps = ((to.0 - from.0).hypot(to.1 - from.1) / 4.0).ceil().max(1.0);
    (0..=steps as usize)
        .map(|step| {
            let part = step as f64 / steps;
            let (x, y) = (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
            Rect::new(x, y, x, y).inset(-1.5)
        })
        .collect()
}

/// Where a label could stand, best first: its start, and the room it takes.
fn places((x, y): Point, radius: f64, width: f64) -> [(Point, Rect); 8] {
    let (near, half) = (radius + 4.0, LABEL / 2.0 + 1.0);
    let (above, below) = (y - near - half, y + near + half);
    [
        (x + near, y),
        (x + near * 0.7, above + 2.0),
        (x + near * 0.7, below - 2.0),
        (x - near - width, y),
        (x - width / 2.0, above),
        (x - width / 2.0, below),
        (x - near * 0.7 - width, above + 2.0),
        (x - near * 0.7 - width, below - 2.0),
    ]
    .map(|(left, middle)| {
        ((left, middle), Rect::new(left - 2.0, middle - half, left + width + 2.0, middle + half))
    })
}
