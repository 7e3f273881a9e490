//! What stands around the data: title, tick labels and axis labels, measured so that nothing is cut.

use super::legend::{Entry, Legend};
use super::palette::{AXIS, GRID, INK, SOFT_INK};
use super::scene::{Align, Font, Hang, Point, Rect, Scene};
use super::text::{self, DESCENT};
use super::ticks;

pub(super) const TICK_SIZE: f64 = 12.0;
pub(super) const LABEL_SIZE: f64 = 13.0;
pub(super) const TITLE_SIZE: f64 = 15.0;
pub(super) const CAPTION_SIZE: f64 = 12.0;
/// Between the data's labels and the caption.
const CAPTION_GAP: f64 = 10.0;
pub(super) const LINE_HEIGHT: f64 = 1.3;
/// Between a tick's label and the data.
const TICK_GAP: f64 = 7.0;
const TICK_MARK: f64 = 4.0;

/// How an axis turns values into places.
#[derive(Clone, Debug)]
pub(super) enum Scale {
    /// Numbers from low to high: left to right, bottom to top.
    Linear(f64, f64),
    /// One slot for each label: left to right, top to bottom. Slot `i` spans the values from `i` to `i + 1`.
    /// Before the first and after the last there is room of so many slots.
    Band { labels: Vec<String>, before: f64, after: f64 },
}

impl Scale {
    /// The length of a band in slots.
    fn slots(&self) -> Option<f64> {
        match self {
            Self::Linear(..) => None,
            Self::Band { labels, before, after } => Some(before + labels.len().max(1) as f64 + after),
        }
    }

    /// Where a value lies, from 0 at the first to 1 at the last.
    fn part(&self, value: f64) -> f64 {
        match self {
            Self::Linear(low, high) => (value - low) / (high - low),
            Self::Band { before, .. } => (before + value) / self.slots().unwrap_or(1.0),
        }
    }
}

/// One axis as it is asked for.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub scale: Scale,
    pub label: Option<String>,
    /// Ticks at whole numbers only.
    pub whole: bool,
    /// Hairlines across the data at the ticks, and a line along the axis.
    pub ruled: bool,
}

impl Axis {
    /// Numbers between these ends, ruled; without a label.
    pub fn numbers((low, high): (f64, f64)) -> Self {
        Self { scale: Scale::Linear(low, high), label: None, whole: false, ruled: true }
    }

    /// A slot for each of these labels; without a label of its own.
    pub fn slots(labels: &[String]) -> Self {
        Self::roomy_slots(labels, 0.0, 0.0)
    }

    /// A slot for each of these labels, with room of so many slots before the first and after the last.
    pub fn roomy_slots(labels: &[String], before: f64, after: f64) -> Self {
        let scale = Scale::Band { labels: labels.to_vec(), before, after };
        Self { scale, label: None, whole: false, ruled: false }
    }
}

/// Where a chart is to be drawn, and what it leaves to others.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub area: Rect,
    pub title: Option<String>,
    pub title_size: f64,
    pub legend: Vec<Entry>,
    pub x: Axis,
    pub y: Axis,
    /// Room to keep free on the right, for a colour bar.
    pub right: f64,
}

/// The place of the data, once everything around it is drawn.
pub(super) struct Plot {
    pub area: Rect,
    x: Scale,
    y: Scale,
}

impl Plot {
    pub fn x(&self, value: f64) -> f64 {
        self.area.left + self.x.part(value) * self.area.width()
    }

    pub fn y(&self, value: f64) -> f64 {
        let along = self.y.part(value) * self.area.height();
        match &self.y {
            Scale::Linear(..) => self.area.bottom - along,
            Scale::Band { .. } => self.area.top + along,
        }
    }

    pub fn at(&self, (x, y): Point) -> Point {
        (self.x(x), self.y(y))
    }

    /// A note in the middle of an area without data.
    pub fn note(&self, scene: &mut Scene, text: &str) {
        let font = Font { align: Align::Middle, color: SOFT_INK, ..font(LABEL_SIZE) };
        scene.text(self.area.center(), text, font);
    }
}

/// Regular ink of this size, from the left, hung at half its height.
pub(super) fn font(size: f64) -> Font {
    Font { size, bold: false, color: INK, align: Align::Start, hang: Hang::Middle, upwards: false }
}

/// Draws everything around the data and says where the data go.
pub(super) fn draw_frame(scene: &mut Scene, frame: Frame) -> Plot {
    let Frame { area, title, title_size, legend, x, y, right } = frame;
    let title: Vec<String> =
        title.map_or_else(Vec::new, |title| text::wrap(&title, title_size, true, area.width()));
    let title_height = match title.len() {
        0 => 0.0,
        lines => lines as f64 * title_size * LINE_HEIGHT + 7.0,
    };
    let label_lines = |label: &Option<String>, room: f64| {
        label.as_ref().map_or_else(Vec::new, |label| text::label_lines(label, LABEL_SIZE, room))
    };
    let (x_label, y_label) = (label_lines(&x.label, area.width()), label_lines(&y.label, area.height()));
    let thick = |lines: &[String], gap: f64| match lines.len() {
        0 => 0.0,
        lines => lines as f64 * LABEL_SIZE * LINE_HEIGHT + gap,
    };
    let (x_label_height, y_label_width) = (thick(&x_label, 5.0), thick(&y_label, 4.0));

    let legend = Legend::fit(legend, area.width());
    let top = area.top + title_height + legend.height() + 4.0;

    // Labels of the y axis, from the height that is left if those of the x axis stay on one line.
    let rough_height = (area.bottom - x_label_height - TICK_SIZE - TICK_GAP - top).max(20.0);
    let y_ticks = Ticks::of(&y, (rough_height / 38.0).max(2.0) as usize);
    let room = area.width() * 0.45;
    let y_texts: Vec<String> =
        y_ticks.texts.iter().map(|label| text::elide(label, TICK_SIZE, false, room)).collect();
    let left = area.left + y_label_width + text::widest(&y_texts, TICK_SIZE) + TICK_GAP;

    let right_edge = area.right - right - legend.width(area.width());
    let x_ticks = Ticks::of(&x, ((right_edge - left) / 70.0).max(2.0) as usize);
    let overhang = match x.scale {
        Scale::Linear(..) => {
            x_ticks.texts.last().map_or(0.0, |last| text::width(last, TICK_SIZE, false) / 2.0)
        }
        Scale::Band { .. } => 2.0,
    };
    let right_edge = (right_edge - overhang).max(left + 20.0);
    let slot = x.scale.slots().map_or(f64::INFINITY, |slots| (right_edge - left) / slots);
    let below = Below::fit(&x_ticks.texts, slot, area.height() * 0.4);
    let bottom = (area.bottom - x_label_height - below.height() - TICK_GAP).max(top + 20.0);

    let plot =
        Plot { area: Rect::new(left, top, right_edge, bottom), x: x.scale.clone(), y: y.scale.clone() };
    draw_title(scene, &area, &plot, &title, title_size);
    legend.draw(scene, &Rect { top: area.top + title_height, ..area }, &plot.area);
    draw_x(scene, &plot, &x, &x_ticks, &below);
    draw_y(scene, &plot, &y, &y_ticks.values, &y_texts);
    for (line, label) in x_label.iter().rev().enumerate() {
        let font = Font { align: Align::Middle, hang: Hang::Baseline, ..font(LABEL_SIZE) };
        let half = text::width(label, LABEL_SIZE, false) / 2.0;
        let center = plot.area.center().0.clamp(area.left + half, (area.right - half).max(area.left + half));
        let up = line as f64 * LABEL_SIZE * LINE_HEIGHT + DESCENT * LABEL_SIZE;
        scene.text((center, area.bottom - up), label, font);
    }
    for (line, label) in y_label.iter().enumerate() {
        let font = Font { align: Align::Middle, hang: Hang::Top, upwards: true, ..font(LABEL_SIZE) };
        let half = text::width(label, LABEL_SIZE, false) / 2.0;
        let center = plot.area.center().1.clamp(area.top + half, (area.bottom - half).max(area.top + half));
        scene.text((area.left + line as f64 * LABEL_SIZE * LINE_HEIGHT, center), label, font);
    }
    plot
}

/// The ticks of an axis: values (of a band, the middles of its slots) and their texts.
struct Ticks {
    values: Vec<f64>,
    texts: Vec<String>,
}

impl Ticks {
    fn of(axis: &Axis, count: usize) -> Self {
        match &axis.scale {
            Scale::Linear(low, high) => {
                let values = ticks::ticks((*low, *high), count, axis.whole);
                Self { texts: ticks::labels(&values), values }
            }
            Scale::Band { labels, .. } => Self {
                values: (0..labels.len()).map(|slot| slot as f64 + 0.5).collect(),
                texts: labels.iter().map(|label| text::plain(label)).collect(),
            },
        }
    }
}

/// How the labels below the data stand.
enum Below {
    /// Upright, broken into lines; every so-maniest is shown.
    Level { lines: Vec<Vec<String>>, every: usize },
    /// From bottom to top.
    Upwards { texts: Vec<String>, every: usize },
}

impl Below {
    fn fit(texts: &[String], slot: f64, tallest: f64) -> Self {
        let room = slot - 6.0;
        let widest = text::widest(texts, TICK_SIZE);
        let one_line =
            |every| Self::Level { lines: texts.iter().map(|text| vec![text.clone()]).collect(), every };
        if widest <= room {
            return one_line(1);
        }
        // Numbers in order tell the ones between.
        if texts.iter().all(|text| text.parse::<f64>().is_ok()) {
            return one_line(((widest + 6.0) / slot).ceil().max(1.0) as usize);
        }
        let words = texts.iter().flat_map(|text| text.split_whitespace());
        if words.map(|word| text::width(word, TICK_SIZE, false)).fold(0.0, f64::max) <= room {
            let lines: Vec<Vec<String>> =
                texts.iter().map(|label| text::wrap(label, TICK_SIZE, false, room)).collect();
            if lines.iter().all(|lines| lines.len() <= 3) {
                return Self::Level { lines, every: 1 };
            }
        }
        let texts = texts.iter().map(|label| text::elide(label, TICK_SIZE, false, tallest)).collect();
        Self::Upwards { texts, every: (TICK_SIZE * 1.1 / slot).ceil().max(1.0) as usize }
    }

    fn height(&self) -> f64 {
        match self {
            Self::Level { lines, .. } => {
                lines.iter().map(Vec::len).max().unwrap_or(0) as f64 * TICK_SIZE * LINE_HEIGHT - 2.0
            }
            Self::Upwards { texts, .. } => text::widest(texts, TICK_SIZE),
        }
    }
}

fn draw_x(scene: &mut Scene, plot: &Plot, axis: &Axis, ticks: &Ticks, below: &Below) {
    let Rect { left, top, right, bottom } = plot.area;
    if axis.ruled {
        for &tick in &ticks.values {
            let x = plot.x(tick);
            scene.line(vec![(x, top), (x, bottom)], 0.8, GRID);
            scene.line(vec![(x, bottom), (x, bottom + TICK_MARK)], 0.9, AXIS);
        }
        scene.line(vec![(left, bottom), (right, bottom)], 0.9, AXIS);
    }
    for (number, &tick) in ticks.values.iter().enumerate() {
        let x = plot.x(tick);
        match below {
            Below::Level { lines, every } if number % every == 0 => {
                for (line, label) in lines.get(number).into_iter().flatten().enumerate() {
                    let y = bottom + TICK_GAP + line as f64 * TICK_SIZE * LINE_HEIGHT;
                    let font = Font { align: Align::Middle, hang: Hang::Top, ..font(TICK_SIZE) };
                    scene.text((x, y), label.as_str(), font);
                }
            }
            Below::Upwards { texts, every } if number % every == 0 => {
                let font = Font { align: Align::End, upwards: true, ..font(TICK_SIZE) };
                scene.text((x, bottom + TICK_GAP), texts.get(number).map_or("", String::as_str), font);
            }
            _ => {}
        }
    }
}

fn draw_y(scene: &mut Scene, plot: &Plot, axis: &Axis, ticks: &[f64], texts: &[String]) {
    let Rect { left, top, right, bottom } = plot.area;
    if axis.ruled {
        for &tick in ticks {
            let y = plot.y(tick);
            scene.line(vec![(left, y), (right, y)], 0.8, GRID);
            scene.line(vec![(left - TICK_MARK, y), (left, y)], 0.9, AXIS);
        }
        scene.line(vec![(left, top), (left, bottom)], 0.9, AXIS);
    }
    let slots = axis.scale.slots();
    let every =
        slots.map_or(1, |slots| (TICK_SIZE * 1.1 * slots / plot.area.height()).ceil().max(1.0) as usize);
    for (&tick, label) in ticks.iter().zip(texts).step_by(every) {
        let font = Font { align: Align::End, ..font(TICK_SIZE) };
        scene.text((left - TICK_GAP, plot.y(tick)), label.as_str(), font);
    }
}

/// The title: over the left edge of the data where it fits there, else from the left of the figure.
fn draw_title(scene: &mut Scene, area: &Rect, plot: &Plot, lines: &[String], size: f64) {
    let widest = lines.iter().map(|line| text::width(line, size, true)).fold(0.0, f64::max);
    let left = if plot.area.left + widest <= area.right { plot.area.left } else { area.left };
    for (number, line) in lines.iter().enumerate() {
        let y = area.top + number as f64 * size * LINE_HEIGHT;
        scene.text((left, y), line.as_str(), Font { bold: true, hang: Hang::Top, ..font(size) });
    }
}

/// A title over a whole area; the height it takes.
pub(super) fn draw_heading(scene: &mut Scene, area: &Rect, title: &str, size: f64) -> f64 {
    let lines = text::wrap(title, size, true, area.width());
    for (number, line) in lines.iter().enumerate() {
        let y = area.top + number as f64 * size * LINE_HEIGHT;
        scene.text((area.left, y), line.as_str(), Font { bold: true, hang: Hang::Top, ..font(size) });
    }
    lines.len() as f64 * size * LINE_HEIGHT + 8.0
}

/// The height that a caption takes below a figure of this width.
pub(super) fn caption_height(caption: &str, width: f64) -> f64 {
    let lines = text::wrap(caption, CAPTION_SIZE, false, width);
    CAPTION_GAP + lines.len() as f64 * CAPTION_SIZE * LINE_HEIGHT
}

/// A caption along the bottom of an area; what of the area is left.
pub(super) fn draw_caption(scene: &mut Scene, area: &Rect, caption: &str) -> Rect {
    let top = area.bottom - caption_height(caption, area.width()) + CAPTION_GAP;
    for (number, line) in text::wrap(caption, CAPTION_SIZE, false, area.width()).iter().enumerate() {
        let y = top + number as f64 * CAPTION_SIZE * LINE_HEIGHT;
        let font = Font { color: SOFT_INK, hang: Hang::Top, ..font(CAPTION_SIZE) };
        scene.text((area.left, y), line.as_str(), font);
    }
    Rect::new(area.left, area.top, area.right, top - CAPTION_GAP)
}
