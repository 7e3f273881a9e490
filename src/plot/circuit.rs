//! Circuits: the components of a model by layer, with arcs between them.

mod layout;

use std::collections::{HashMap, HashSet};

use layout::Layout;

use super::axes::{Axis, Frame, Plot, TICK_SIZE, draw_frame};
use super::colorbar::{ColorBar, check_limits};
use super::labels::{Labels, Side};
use super::legend::{Entry, Mark};
use super::palette::{ColorScale, GRID, HATCH, INK, MISSING, NEGATIVE, POSITIVE, WHITE};
use super::scene::{Color, Point, Scene};
use super::text;
use super::ticks::{self, drawable};
use super::{FigureOptions, Panel};
use crate::error::{Error, Result, did_you_mean};

/// A component of a model.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Its name, which edges use: `L8_MLP`.
    pub name: String,
    /// Its layer; components without one stand left of the first.
    pub layer: Option<usize>,
    /// What it is, where it is no head: nodes of a kind stand in one row.
    pub kind: String,
    /// Its number, where it is a head: heads stand in a row each.
    pub head: Option<usize>,
    /// Its colour, and its area by size; a missing one is grey and small.
    pub value: f64,
    /// It is part of the circuit: outlined and named.
    pub chosen: bool,
}

/// What one component passes to another.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    /// The name of the node where it begins.
    pub from: String,
    /// The name of the node where it ends.
    pub to: String,
    /// Its width by size, its colour by sign; a missing one is dashed.
    pub weight: f64,
}

/// Components by layer, from left to right, with arcs between them.
#[derive(Clone, Debug, Default)]
pub struct Circuit {
    /// The components, each once.
    pub nodes: Vec<Node>,
    /// What passes between them.
    pub edges: Vec<Edge>,
    /// How many layers are shown: at least those that have a node.
    pub layers: Option<usize>,
    /// How many heads are shown: at least those that have a node.
    pub heads: Option<usize>,
    /// The values at the ends of the colours; by default those of the data, equally far from zero.
    pub limits: Option<(f64, f64)>,
    /// What the values are, beside the colour bar.
    pub value_label: Option<String>,
    /// What the weights are, in the legend.
    pub weight_label: String,
}

/// More layers or heads than any model has.
const MOST: usize = 1000;
/// How high an arc along a row rises over its length.
const RISE: f64 = 0.28;
/// Room for labels around the slots, in slots.
const MARGIN: f64 = 0.35;
/// The largest disc and the widest arc over the distance between slots.
const DISC: f64 = 0.36;
const ARC: f64 = 0.2;
const SMALLEST_DISC: f64 = 2.4;
const THINNEST_ARC: f64 = 0.8;

impl Circuit {
    /// The same circuit, of which these many nodes are chosen: those of the largest values in size.
    pub fn top(mut self, count: usize) -> Self {
        let order = self.by_size();
        for (place, node) in order.into_iter().enumerate() {
            if let Some(node) = self.nodes.get_mut(node) {
                node.chosen = place < count && drawable(node.value);
            }
        }
        self
    }

    /// The places of the nodes, from the largest value in size to the smallest; missing ones last.
    fn by_size(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        let size = |place: &usize| self.nodes.get(*place).map_or(-1.0, |node| size(node.value));
        order.sort_by(|a, b| size(b).total_cmp(&size(a)));
        order
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.nodes.is_empty() {
            return Err(Error::new("expected at least one component for a circuit, found none"));
        }
        let mut names = HashSet::new();
        for node in &self.nodes {
            if !names.insert(node.name.as_str()) {
                return Err(Error::new(format!("the circuit has two components \"{}\"", node.name)));
            }
        }
        for edge in &self.edges {
            let whose = || format!("edge \"{}\" → \"{}\"", edge.from, edge.to);
            if let Some(end) = [&edge.from, &edge.to].into_iter().find(|end| !names.contains(end.as_str())) {
                let error = Error::new(format!("the circuit has no component \"{end}\"")).within(whose());
                return Err(match did_you_mean(end, self.nodes.iter().map(|node| node.name.as_str())) {
                    Some(hint) => error.hint(hint),
                    None => error,
                });
            }
            if edge.from == edge.to {
                return Err(Error::new("an edge leads to another component").within(whose()));
            }
        }
        for (what, count) in [("layers", self.n_layers()), ("heads", self.n_heads())] {
            if count > MOST {
                return Err(Error::new(format!("expected at most {MOST} {what}, found {count}")));
            }
        }
        check_limits(self.limits)
    }

    fn n_layers(&self) -> usize {
        let layers = self.nodes.iter().filter_map(|node| node.layer);
        layers.map(|layer| layer.saturating_add(1)).chain(self.layers).max().unwrap_or(0)
    }

    fn n_heads(&self) -> usize {
        let heads = self.nodes.iter().filter_map(|node| node.head);
        heads.map(|head| head.saturating_add(1)).chain(self.heads).max().unwrap_or(0)
    }

    /// What a legend has to say of arcs and outlines.
    pub(super) fn legend(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        if self.has_chosen() && self.nodes.iter().any(|node| !node.chosen) {
            entries.push(Entry { name: "in the circuit".into(), color: INK, mark: Mark::Ring });
        }
        let weights = || self.edges.iter().map(|edge| edge.weight).filter(|weight| drawable(*weight));
        let (most, least) = (weights().fold(0.0, f64::max), weights().fold(0.0, f64::min));
        for (sign, end, towards) in [(">", most, "up"), ("<", least, "down")] {
            if end != 0.0 {
                let name = format!("{} {sign} 0, {towards} to {}", self.weight_label, ticks::number(end));
                entries.push(Entry { name, color: arc_color(end), mark: Mark::Line });
            }
        }
        entries
    }

    fn has_chosen(&self) -> bool {
        self.nodes.iter().any(|node| node.chosen)
    }

    pub(super) fn range(&self) -> Option<(f64, f64)> {
        ticks::range(self.nodes.iter().map(|node| node.value))
    }

    pub(super) fn natural_size(&self, options: &FigureOptions) -> (f64, f64) {
        let layout = Layout::of(self);
        let columns = layout.columns.len() as f64 + 2.0 * MARGIN;
        let rows = layout.above + layout.rows.len() as f64 + MARGIN;
        let slot = (930.0 / columns).clamp(28.0, 44.0);
        let labels = text::widest(&layout.rows, TICK_SIZE);
        let around = 66.0
            + if options.title.is_some() { 27.0 } else { 0.0 }
            + if options.x_label.is_some() { 22.0 } else { 0.0 }
            + if self.legend().is_empty() || options.no_legend { 0.0 } else { 26.0 };
        let width = (columns * slot).max(240.0) + labels + 150.0;
        (width, around + (rows * slot.clamp(28.0, 36.0)).max(90.0))
    }

    pub(super) fn draw(&self, scene: &mut Scene, panel: Panel) {
        let layout = Layout::of(self);
        let range = panel.range.or_else(|| self.range());
        let colors = ColorBar::new(
            ColorScale::Diverging,
            self.limits,
            range,
            self.value_label.as_deref(),
            panel.area.height(),
        );
        let x = Axis::roomy_slots(&layout.columns, MARGIN, MARGIN);
        let y = Axis::roomy_slots(&layout.rows, layout.above, MARGIN);
        let frame = Frame { right: colors.width(), ..panel.frame(self.legend(), x, y) };
        let plot = draw_frame(scene, frame);
        colors.draw(scene, &plot.area);

        let places: Vec<Point> = layout.places.iter().map(|place| plot.at(*place)).collect();
        self.draw_lattice(scene, &plot, &layout);
        self.draw_edges(scene, &plot, &places);
        self.draw_nodes(scene, &plot, &layout, &colors);
    }

    /// A dot for each component that the model has and the circuit lacks.
    fn draw_lattice(&self, scene: &mut Scene, plot: &Plot, layout: &Layout) {
        for row in 0..layout.rows.len() {
            for column in layout.first..layout.columns.len() {
                if !layout.taken.contains_key(&(column, row)) {
                    scene.disc(plot.at((column as f64 + 0.5, row as f64 + 0.5)), 1.3, GRID);
                }
            }
        }
    }

    fn draw_edges(&self, scene: &mut Scene, plot: &Plot, places: &[Point]) {
        let slot = slot(plot);
        let index: HashMap<&str, usize> =
            self.nodes.iter().enumerate().map(|(place, node)| (node.name.as_str(), place)).collect();
        let place = |name: &String| index.get(name.as_str()).and_then(|node| places.get(*node)).copied();
        let most = self.edges.iter().map(|edge| size(edge.weight)).fold(0.0, f64::max);
        // The widest lie on top.
        let mut edges: Vec<&Edge> = self.edges.iter().collect();
        edges.sort_by(|a, b| size(a.weight).total_cmp(&size(b.weight)));
        for edge in edges {
            let (Some(from), Some(to)) = (place(&edge.from), place(&edge.to)) else { continue };
            let points = arc(from, to, plot);
            match drawable(edge.weight) {
                true => {
                    let share = if most > 0.0 { edge.weight.abs() / most } else { 0.0 };
                    let width = (share * slot * ARC).max(THINNEST_ARC);
                    scene.line(points, width, arc_color(edge.weight));
                }
                false => scene.dashes(&points, THINNEST_ARC, HATCH),
            }
        }
    }

    fn draw_nodes(&self, scene: &mut Scene, plot: &Plot, layout: &Layout, colors: &ColorBar) {
        let most = self.nodes.iter().map(|node| size(node.value)).fold(0.0, f64::max);
        let largest = slot(plot) * layout.share * DISC;
        let radius = |node: &Node| match drawable(node.value) && most > 0.0 {
            // Areas as the values; the outline lies around them.
            true => (largest * (node.value.abs() / most).sqrt()).max(SMALLEST_DISC),
            false => SMALLEST_DISC,
        };
        let mut labels = Labels::new(plot.area, Side::Above);
        let mut named: Vec<(Point, f64, &str)> = Vec::new();
        for number in self.by_size() {
            let (Some(node), Some(&place)) = (self.nodes.get(number), layout.places.get(number)) else {
                continue;
            };
            let at = plot.at(place);
            let fill = if drawable(node.value) { colors.color(node.value) } else { MISSING };
            let (width, outline) = if node.chosen { (1.6, INK) } else { (0.7, HATCH) };
            let radius = radius(node) + width;
            scene.ring(at, radius, width, outline, fill);
            if node.chosen {
                labels.avoid_disc(at, radius);
            } else {
                labels.rather_avoid_disc(at, radius);
            }
            // Row and column name the others.
            if node.chosen || layout.nameless.get(number).copied().unwrap_or(false) {
                named.push((at, radius, &node.name));
            }
        }
        for (at, radius, name) in named {
            labels.write(scene, at, radius, name);
        }
    }
}

/// The smaller side of a slot.
fn slot(plot: &Plot) -> f64 {
    (plot.x(1.0) - plot.x(0.0)).min(plot.y(1.0) - plot.y(0.0))
}

/// The size of a value; −1 for a missing one.
fn size(value: f64) -> f64 {
    if drawable(value) { value.abs() } else { -1.0 }
}

/// Paler than the nodes that arcs lead to.
fn arc_color(weight: f64) -> Color {
    let color = if weight < 0.0 { NEGATIVE } else { POSITIVE };
    if weight == 0.0 { HATCH } else { color.mixed(WHITE, 0.3) }
}

/// An arc that passes over what lies between its ends: a quadratic Bézier curve, as points.
fn arc(from: Point, to: Point, plot: &Plot) -> Vec<Point> {
    const STEPS: usize = 64;
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1e-9);
    // Along a row over the nodes between; elsewhere a little off the straight line, to its upper side.
    let rise = match dy.abs() < 1.0 {
        true => (RISE * length).max(0.6 * slot(plot)),
        false => 0.1 * length,
    };
    let side = if dx < 0.0 { -1.0 } else { 1.0 };
    let middle = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
    // A curve comes half the way to its control point.
    let control = (middle.0 + side * dy / length * 2.0 * rise, middle.1 - side * dx / length * 2.0 * rise);
    let highest = 2.0 * (plot.area.top + 2.0) - middle.1;
    let control = (control.0.clamp(plot.area.left, plot.area.right), control.1.max(highest.min(middle.1)));
    (0..=STEPS)
        .map(|step| {
            let t = step as f64 / STEPS as f64;
            let (a, b, c) = ((1.0 - t).powi(2), 2.0 * t * (1.0 - t), t * t);
            (a * from.0 + b * control.0 + c * to.0, a * from.1 + b * control.1 + c * to.1)
        })
        .collect()
}
