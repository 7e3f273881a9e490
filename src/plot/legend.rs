//! The legend: what the colours of series mean, above the data or beside it.

use super::axes::{TICK_SIZE, font};
use super::palette::{self, SOFT_INK, WHITE};
use super::scene::{Color, Font, Point, Rect, Scene};
use super::text;

const MARK_WIDTH: f64 = 18.0;
const MARK_GAP: f64 = 6.0;
const ENTRY_GAP: f64 = 20.0;
/// Legends of more rows than this go beside the data instead of above it.
const MOST_ROWS: usize = 3;
const LINE: f64 = 20.0;
/// Between the data and a legend beside it.
const BESIDE_GAP: f64 = 16.0;

/// How a series shows in the legend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mark {
    Swatch,
    Line,
    Dashes,
    Disc,
    /// An empty disc with an outline.
    Ring,
}

/// One series of the legend.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub name: String,
    pub color: Color,
    pub mark: Mark,
}

/// The legend of series of these names, in the order of the colours; none for a single series.
pub(super) fn legend_of<'a>(
    names: impl ExactSizeIterator<Item = &'a String>,
    mark: impl Fn(usize) -> Mark,
) -> Vec<Entry> {
    if names.len() < 2 {
        return Vec::new();
    }
    let entry = |(number, name): (usize, &String)| Entry {
        name: name.clone(),
        color: palette::category(number),
        mark: mark(number),
    };
    names.enumerate().map(entry).collect()
}

/// A legend laid out.
pub(super) enum Legend {
    /// Rows above the data.
    Above(Vec<Vec<Entry>>),
    /// One below the other, right of the data.
    Beside(Vec<Entry>),
}

impl Legend {
    /// The layout for a figure of this width.
    pub fn fit(entries: Vec<Entry>, room: f64) -> Self {
        let rows = flow(&entries, room);
        if rows.len() > MOST_ROWS { Self::Beside(entries) } else { Self::Above(rows) }
    }

    /// What it takes of the height above the data.
    pub fn height(&self) -> f64 {
        match self {
            Self::Above(rows) if !rows.is_empty() => rows.len() as f64 * LINE + 6.0,
            _ => 0.0,
        }
    }

    /// What it takes of a figure's width `room` beside the data.
    pub fn width(&self, room: f64) -> f64 {
        match self {
            Self::Above(_) => 0.0,
            Self::Beside(entries) => {
                (entries.iter().map(entry_width).fold(0.0, f64::max) + BESIDE_GAP).min(room * 0.35)
            }
        }
    }

    /// Draws it into `area`, which lies below the title, around the data.
    pub fn draw(&self, scene: &mut Scene, area: &Rect, data: &Rect) {
        match self {
            Self::Above(rows) => {
                let width = rows.first().map_or(0.0, |row| row_width(row));
                let over_data = rows.len() == 1 && data.left + width <= area.right;
                draw_rows(scene, rows, if over_data { data.left } else { area.left }, area.top);
            }
            Self::Beside(entries) => {
                let left = area.right - self.width(area.width()) + BESIDE_GAP;
                draw_column(scene, entries, Rect::new(left, data.top, area.right, area.bottom));
            }
        }
    }
}

/// Draws a legend over a whole area; the height it takes.
pub(super) fn draw_legend(scene: &mut Scene, area: &Rect, entries: &[Entry]) -> f64 {
    let rows = flow(entries, area.width());
    draw_rows(scene, &rows, area.left, area.top);
    rows.len() as f64 * LINE + 8.0
}

fn entry_width(entry: &Entry) -> f64 {
    MARK_WIDTH + MARK_GAP + text::width(&entry.name, TICK_SIZE, false)
}

fn row_width(row: &[Entry]) -> f64 {
    row.iter().map(|entry| entry_width(entry) + ENTRY_GAP).sum::<f64>() - ENTRY_GAP
}

/// The entry with a name that fits into `room`.
fn shortened(entry: &Entry, room: f64) -> Entry {
    let name = text::elide(&text::plain(&entry.name), TICK_SIZE, false, room - MARK_WIDTH - MARK_GAP);
    Entry { name, ..entry.clone() }
}

/// The entries in rows no wider than `room`.
fn flow(entries: &[Entry], room: f64) -> Vec<Vec<Entry>> {
    let mut rows: Vec<Vec<Entry>> = Vec::new();
    for entry in entries {
        let entry = shortened(entry, room);
        match rows.last_mut() {
            Some(row) if row_width(row) + ENTRY_GAP + entry_width(&entry) <= room => row.push(entry),
            _ => rows.push(vec![entry]),
        }
    }
    rows
}

fn draw_rows(scene: &mut Scene, rows: &[Vec<Entry>], left: f64, top: f64) {
    for (number, row) in rows.iter().enumerate() {
        let mut x = left;
        for entry in row {
            draw_entry(scene, entry, (x, top + (number as f64 + 0.5) * LINE));
            x += entry_width(entry) + ENTRY_GAP;
        }
    }
}

fn draw_column(scene: &mut Scene, entries: &[Entry], area: Rect) {
    let fitting = ((area.height() / LINE) as usize).max(1);
    let shown = if entries.len() > fitting { fitting - 1 } else { entries.len() };
    let at = |number: usize| (area.left, area.top + (number as f64 + 0.5) * LINE);
    for (number, entry) in entries.iter().take(shown).enumerate() {
        draw_entry(scene, &shortened(entry, area.width()), at(number));
    }
    if shown < entries.len() {
        let font = Font { color: SOFT_INK, ..font(TICK_SIZE) };
        scene.text(at(shown), format!("… {} more", entries.len() - shown), font);
    }
}

fn draw_entry(scene: &mut Scene, entry: &Entry, (x, y): Point) {
    match entry.mark {
        Mark::Swatch => scene.rect(Rect::new(x + 3.0, y - 5.5, x + 14.0, y + 5.5), entry.color),
        Mark::Line => scene.line(vec![(x, y), (x + MARK_WIDTH, y)], 2.2, entry.color),
        Mark::Dashes => scene.dashes(&[(x, y), (x + MARK_WIDTH, y)], 2.2, entry.color),
        Mark::Ring => scene.ring((x + MARK_WIDTH / 2.0, y), 5.0, 1.6, entry.color, WHITE),
        Mark::Disc => scene.disc((x + MARK_WIDTH / 2.0, y), 4.0, entry.color),
    }
    scene.text((x + MARK_WIDTH + MARK_GAP, y), entry.name.as_str(), font(TICK_SIZE));
}
