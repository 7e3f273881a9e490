//! A table as text: aligned columns, numbers to the right, no wider than the reader's window.
//!
//! ```text
//! component │ layer │ contribution
//! ──────────┼───────┼─────────────
//! L8_MLP    │     8 │       1.2340
//! …         │     … │            …
//! L3H1      │     3 │      -0.0021
//! 234 rows × 3 columns
//! ```

use std::fmt;

use unicode_width::UnicodeWidthStr;

use super::{Column, Frame};

/// Text longer than this many places is cut, so that one cell does not fill the window.
const WIDEST_TEXT: usize = 40;
/// Floats show as many digits as give the column's largest value this many significant ones.
const SIGNIFICANT: i32 = 5;
const BETWEEN: &str = " │ ";

/// The columns that are shown, already text.
struct Shown {
    name: String,
    cells: Vec<String>,
    right: bool,
    width: usize,
}

impl Frame {
    /// The table as text of at most `width` places a line, with at most `max_rows` rows: where there are
    /// more, the first and the last. Where the columns do not fit, middle ones are left out; the last line
    /// tells how many rows and columns the table has.
    ///
    /// Floats of one column have the same number of decimals, enough for five digits of the largest value;
    /// a value that would then read as zero is written with an exponent. Text over 40 places is cut.
    pub fn render(&self, width: usize, max_rows: usize) -> String {
        let rows = self.height();
        let cut = rows > max_rows;
        let (head, tail) = if cut { (max_rows.div_ceil(2), max_rows / 2) } else { (rows, 0) };
        let kept: Vec<usize> = (0..head).chain(rows - tail..rows).collect();
        let columns = self.columns().unwrap_or_default();
        let all: Vec<Shown> =
            columns.iter().map(|(name, column)| show(name, column, &kept, cut.then_some(head))).collect();
        let shown = fit(&all, width);

        let line = |cell: &dyn Fn(&Shown) -> String| {
            let cells: Vec<String> = shown.iter().map(|column| cell(column)).collect();
            cells.join(BETWEEN).trim_end().to_string()
        };
        let mut lines = Vec::new();
        if !shown.is_empty() {
            lines.push(line(&|column| pad(&column.name, column.width, column.right)));
            let rules: Vec<String> = shown.iter().map(|column| "─".repeat(column.width)).collect();
            lines.push(rules.join("─┼─"));
            for row in 0..kept.len() + usize::from(cut) {
                lines.push(line(&|column| {
                    pad(column.cells.get(row).map_or("", String::as_str), column.width, column.right)
                }));
            }
        }
        lines.push(format!("{} × {}", counted(rows, "row"), counted(self.width(), "column")));
        lines.join("\n")
    }
}

/// The table in 100 places and 20 rows.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(100, 20))
    }
}

/// The columns that fit into `width`, the outer ones first, with a "…" for those between.
fn fit(all: &[Shown], width: usize) -> Vec<&Shown> {
    static GAP: std::sync::OnceLock<Shown> = std::sync::OnceLock::new();
    let between = BETWEEN.width();
    let total: usize = all.iter().map(|column| column.width + between).sum();
    if total <= width + between {
        return all.iter().collect();
    }
    // One place and a separator are for the "…".
    let mut free = width.saturating_sub(1);
    let (mut front, mut back) = (0, all.len());
    while front < back {
        // The front gets every other column first: it holds the names of what is told.
        let next = if front <= all.len() - back { front } else { back - 1 };
        let Some(column) = all.get(next) else { break };
        let needed = column.width + between;
        if needed > free && front > 0 {
            break;
        }
        free = free.saturating_sub(needed);
        if next == front { front += 1 } else { back -= 1 }
    }
    let gap = GAP.get_or_init(|| Shown { name: "…".into(), cells: Vec::new(), right: false, width: 1 });
    all.iter().take(front).chain((front < back).then_some(gap)).chain(all.iter().skip(back)).collect()
}

fn show(name: &str, column: &Column, rows: &[usize], gap: Option<usize>) -> Shown {
    let mut cells: Vec<String> = match column {
        Column::Float(values) => {
            let values: Vec<Option<f64>> =
                rows.iter().map(|&row| values.get(row).copied().flatten()).collect();
            floats(&values)
        }
        Column::Text(_) => rows
            .iter()
            .map(|&row| match column.get(row) {
                super::Cell::Text(text) => plain(&text),
                other => other.to_string(),
            })
            .collect(),
        _ => rows.iter().map(|&row| column.get(row).to_string()).collect(),
    };
    if let Some(at) = gap {
        cells.insert(at.min(cells.len()), "…".to_string());
    }
    let name = plain(name);
    let width = cells.iter().map(|cell| cell.width()).chain([name.width()]).max().unwrap_or(0);
    Shown { name, cells, right: column.kind().is_numeric(), width }
}

/// Numbers of one column as text with one number of decimals.
fn floats(values: &[Option<f64>]) -> Vec<String> {
    let finite = || values.iter().flatten().copied().filter(|value| value.is_finite());
    let largest = finite().map(f64::abs).fold(0.0, f64::max);
    let magnitude = if largest > 0.0 { largest.log10().floor() as i32 } else { 0 };
    if !(-5..=9).contains(&magnitude) {
        return values.iter().map(|value| written(*value, |value| format!("{value:.4e}"))).collect();
    }
    let most = (SIGNIFICANT - 1 - magnitude).max(1) as usize;
    // Decimals that are zero in every value tell nothing.
    let exact = |decimals: usize| {
        finite().all(|value| {
            decimal(value, most) == decimal(value, decimals) + "0".repeat(most - decimals).as_str()
        })
    };
    let decimals = (1..most).find(|&decimals| exact(decimals)).unwrap_or(most);
    let vanishes = |value: f64| value != 0.0 && value.abs() < 0.5 * 10f64.powi(-(decimals as i32));
    values
        .iter()
        .map(|value| {
            written(*value, |value| match vanishes(value) {
                true => format!("{value:.1e}"),
                false => decimal(value, decimals),
            })
        })
        .collect()
}

fn written(value: Option<f64>, finite: impl Fn(f64) -> String) -> String {
    match value {
        None => "null".to_string(),
        Some(value) if value.is_finite() => finite(value),
        Some(value) => value.to_string(),
    }
}

fn decimal(value: f64, decimals: usize) -> String {
    // Minus zero reads as zero.
    format!("{:.decimals$}", value + 0.0)
}

/// Text on one line: control characters escaped, cut where it is long.
fn plain(text: &str) -> String {
    let mut line = String::new();
    let mut places = 0;
    for character in text.chars() {
        let escaped: String = match character.is_control() {
            true => character.escape_debug().collect(),
            false => character.to_string(),
        };
        places += escaped.width();
        if places > WIDEST_TEXT {
            while line.width() >= WIDEST_TEXT {
                line.pop();
            }
            line.push('…');
            break;
        }
        line.push_str(&escaped);
    }
    line
}

fn pad(text: &str, width: usize, right: bool) -> String {
    let space = " ".repeat(width.saturating_sub(text.width()));
    if right { space + text } else { text.to_string() + space.as_str() }
}

/// `1 row`, `2 rows`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
