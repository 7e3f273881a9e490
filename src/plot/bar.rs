//! Bars: one value, or one for each group, by label.

use super::axes::{Axis, Plot, TICK_SIZE, draw_frame, font};
use super::legend::{Entry, Mark, legend_of};
use super::palette::{self, AXIS, INK, NEGATIVE, POSITIVE, SOFT_INK};
use super::scene::{Align, Color, Font, Rect, Scene};
use super::ticks::{self, drawable, padded};
use super::{FigureOptions, Panel, check_count};
use crate::error::{Error, Result};

/// The values of one group, one for each label.
#[derive(Clone, Debug, Default)]
pub struct BarGroup {
    /// As the legend calls it.
    pub name: String,
    /// One for each label; a missing one shows as a cross.
    pub values: Vec<f64>,
    /// Error bars: the lower and the upper end for each label, in the units of the values. None at all, or
    /// one pair for each label; a pair that is not finite shows nothing.
    pub errors: Vec<(f64, f64)>,
}

/// Bars by label, side by side where there are several groups.
#[derive(Clone, Debug, Default)]
pub struct Bars {
    /// What the bars are of, in order: top to bottom, or left to right.
    pub labels: Vec<String>,
    /// One or more values for each label.
    pub groups: Vec<BarGroup>,
    /// Bars that grow to the right, with room for long labels.
    pub horizontal: bool,
    /// Red for positive and blue for negative values; for a single group.
    pub sign_colors: bool,
}

impl Bars {
    /// Bars of one group.
    pub fn of(labels: Vec<String>, values: Vec<f64>) -> Self {
        let groups = vec![BarGroup { values, ..BarGroup::default() }];
        Self { labels, groups, ..Self::default() }
    }

    /// The labels whose values are largest in size, largest first; of several groups the largest counts.
    /// Labels without a value come last; equal ones keep their order.
    ///
    /// # Errors
    /// As [`super::Figure::bars`].
    pub fn top(self, count: usize) -> Result<Self> {
        self.check()?;
        let size = |label: usize| {
            let of = |group: &BarGroup| group.values.get(label).copied().filter(|value| drawable(*value));
            self.groups.iter().filter_map(of).map(f64::abs).fold(-1.0, f64::max)
        };
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        order.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
        order.truncate(count.max(1));
        Ok(Self {
            labels: pick(&self.labels, &order),
            groups: self
                .groups
                .iter()
                .map(|group| BarGroup {
                    name: group.name.clone(),
                    values: pick(&group.values, &order),
                    errors: pick(&group.errors, &order),
                })
                .collect(),
            ..self
        })
    }

    pub(super) fn check(&self) -> Result<()> {
        let labels = self.labels.len();
        if labels == 0 || self.groups.is_empty() {
            return Err(Error::new("expected at least one label and one group of bars, found none"));
        }
        for group in &self.groups {
            let whose = || format!("bars \"{}\"", group.name);
            check_count(labels, group.values.len(), "values, one for each label", whose)?;
            if !group.errors.is_empty() {
                check_count(labels, group.errors.len(), "error bars, one for each label", whose)?;
            }
        }
        Ok(())
    }

    pub(super) fn legend(&self) -> Vec<Entry> {
        legend_of(self.groups.iter().map(|group| &group.name), |_| Mark::Swatch)
    }

    /// Zero and all values, with their errors.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        let values = self.groups.iter().flat_map(|group| &group.values).copied();
        let errors = self.groups.iter().flat_map(|group| &group.errors).flat_map(|(low, high)| [*low, *high]);
        ticks::range(values.chain(errors).chain([0.0]))
    }

    pub(super) fn natural_size(&self, options: &FigureOptions) -> (f64, f64) {
        let bars = (self.labels.len() * self.groups.len()) as f64;
        let labels = self.labels.len() as f64;
        match self.horizontal {
            true => {
                let around = 60.0
                    + if options.title.is_some() { 27.0 } else { 0.0 }
                    + if options.x_label.is_some() { 22.0 } else { 0.0 }
                    + if self.groups.len() > 1 { 26.0 } else { 0.0 };
                (720.0, around + (bars * 15.0 + labels * 6.0).max(80.0))
            }
            false => ((bars * 16.0 + labels * 12.0 + 110.0).clamp(720.0, 1400.0), 440.0),
        }
    }

    pub(super) fn draw(&self, scene: &mut Scene, panel: Panel) {
        let asked = if self.horizontal { panel.options.x_range } else { panel.options.y_range };
        let (low, high) = asked.unwrap_or_else(|| {
            let (low, high) = panel.range.or_else(|| self.range()).unwrap_or((0.0, 1.0));
            padded((low, high), if low < 0.0 { 0.05 } else { 0.0 }, if high > 0.0 { 0.05 } else { 0.0 })
        });
        let (labels, values) = (Axis::slots(&self.labels), Axis::numbers((low, high)));
        let (x, y) = if self.horizontal { (values, labels) } else { (labels, values) };
        let plot = draw_frame(scene, panel.frame(self.legend(), x, y));
        for (number, group) in self.groups.iter().enumerate() {
            for (label, &value) in group.values.iter().enumerate() {
                let slot = self.slot(label, number);
                self.draw_bar(scene, &plot, (low, high), slot, value, self.color(number, value));
                if let Some(&ends) = group.errors.get(label) {
                    self.draw_error(scene, &plot, (low, high), slot, ends);
                }
            }
        }
        // The line that all bars stand on, over them.
        let zero = 0.0f64.clamp(low, high);
        let base = match self.horizontal {
            true => vec![(plot.x(zero), plot.area.top), (plot.x(zero), plot.area.bottom)],
            false => vec![(plot.area.left, plot.y(zero)), (plot.area.right, plot.y(zero))],
        };
        scene.line(base, 1.0, AXIS);
    }

    fn color(&self, group: usize, value: f64) -> Color {
        match self.sign_colors && self.groups.len() == 1 {
            true if value < 0.0 => NEGATIVE,
            true => POSITIVE,
            false => palette::category(group),
        }
    }

    /// The ends of a bar along the labels' axis.
    fn slot(&self, label: usize, group: usize) -> (f64, f64) {
        let between = if self.groups.len() == 1 { 0.24 } else { 0.2 };
        let thick = (1.0 - between) / self.groups.len() as f64;
        let start = label as f64 + between / 2.0 + group as f64 * thick;
        (start, start + thick * if self.groups.len() == 1 { 1.0 } else { 0.94 })
    }

    fn draw_bar(
        &self,
        scene: &mut Scene,
        plot: &Plot,
        (low, high): (f64, f64),
        (from, to): (f64, f64),
        value: f64,
        color: Color,
    ) {
        let zero = 0.0f64.clamp(low, high);
        if !drawable(value) {
            let middle = (from + to) / 2.0;
            let font = Font { color: SOFT_INK, align: Align::Middle, ..font(TICK_SIZE) };
            let at = match self.horizontal {
                true => (plot.x(zero) + 8.0, plot.y(middle)),
                false => (plot.x(middle), plot.y(zero) - 8.0),
            };
            return scene.text(at, "×", font);
        }
        let value = value.clamp(low, high);
        let area = match self.horizontal {
            true => Rect::new(plot.x(zero), plot.y(from), plot.x(value), plot.y(to)),
            false => Rect::new(plot.x(from), plot.y(zero), plot.x(to), plot.y(value)),
        };
        scene.rect(area, color);
    }

    fn draw_error(
        &self,
        scene: &mut Scene,
        plot: &Plot,
        (low, high): (f64, f64),
        (from, to): (f64, f64),
        ends: (f64, f64),
    ) {
        if !(drawable(ends.0) && drawable(ends.1)) || ends.0.max(ends.1) < low || ends.0.min(ends.1) > high {
            return;
        }
        let (start, end) = (ends.0.clamp(low, high), ends.1.clamp(low, high));
        let middle = (from + to) / 2.0;
        let turn = |along: f64, across: f64| if self.horizontal { (along, across) } else { (across, along) };
        let place = |value: f64| if self.horizontal { plot.x(value) } else { plot.y(value) };
        let side = |slot: f64| if self.horizontal { plot.y(slot) } else { plot.x(slot) };
        let cap = (0.25 * (side(to) - side(from)).abs()).clamp(1.0, 4.0);
        scene.line(vec![turn(place(start), side(middle)), turn(place(end), side(middle))], 1.1, INK);
        // An end outside the range has no cap: the bar goes on.
        for end in [ends.0, ends.1].into_iter().filter(|end| (low..=high).contains(end)) {
            let caps = vec![turn(place(end), side(middle) - cap), turn(place(end), side(middle) + cap)];
            scene.line(caps, 1.1, INK);
        }
    }
}

fn pick<T: Clone>(values: &[T], order: &[usize]) -> Vec<T> {
    order.iter().filter_map(|&place| values.get(place).cloned()).collect()
}
