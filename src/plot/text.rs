//! The one font, and how wide a text is in it.
//!
//! DejaVu Sans travels with the program: figures look the same on a machine without fonts. Verdana, which
//! has nearly the same widths, stands in where a viewer of an SVG lacks it.

use std::sync::OnceLock;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

/// The families an SVG names, best first.
pub(super) const FAMILIES: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

/// The height from descender to ascender over the em (483 + 1901 of 2048 units): plotters' `ab_glyph`
/// sizes are such heights, ours are ems.
const HEIGHT: f64 = 2384.0 / 2048.0;
/// Height of capitals over the em (1493 of 2048 units).
pub(super) const CAPITAL: f64 = 1493.0 / 2048.0;
/// Depth of letters below the line over the em.
pub(super) const DESCENT: f64 = 0.24;

/// A font of this em, ready to draw.
pub(super) fn font(size: f64, bold: bool) -> FontDesc<'static> {
    static FONTS: OnceLock<[FontDesc<'static>; 2]> = OnceLock::new();
    let [regular, heavy] = FONTS.get_or_init(|| {
        let name = "DejaVu Sans";
        // A font that did not register shows as an error where it is first drawn.
        let _ = register_font(name, FontStyle::Normal, dejavu::sans::regular());
        let _ = register_font(name, FontStyle::Bold, dejavu::sans::bold());
        let of = |style| FontDesc::new(FontFamily::Name(name), 1.0, style);
        [of(FontStyle::Normal), of(FontStyle::Bold)]
    });
    (if bold { heavy } else { regular }).resize(size * HEIGHT)
}

/// The width of a text in logical pixels.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    // Layout boxes are whole pixels: measured large, the rounding is nothing.
    const MEASURED: f64 = 1000.0;
    match font(MEASURED, bold).layout_box(text) {
        Ok(((left, _), (right, _))) => f64::from(right - left) * size / MEASURED,
        Err(_) => 0.6 * size * text.chars().count() as f64,
    }
}

/// The widest of these texts.
pub(super) fn widest(texts: &[String], size: f64) -> f64 {
    texts.iter().map(|text| width(text, size, false)).fold(0.0, f64::max)
}

/// The text, with its middle left out where it is wider than `room`: names that begin alike stay apart.
pub(super) fn elide(text: &str, size: f64, bold: bool, room: f64) -> String {
    if width(text, size, bold) <= room {
        return text.to_string();
    }
    let letters: Vec<char> = text.chars().collect();
    let shortened = |kept: usize| {
        let head: String = letters.iter().take(kept.div_ceil(2)).collect();
        let tail: String = letters.iter().skip(letters.len() - kept / 2).collect();
        format!("{}…{}", head.trim_end(), tail.trim_start())
    };
    let fits = |kept: &usize| width(&shortened(*kept), size, bold) <= room;
    shortened((0..letters.len()).rev().find(fits).unwrap_or(0))
}

/// The text in lines no wider than `room`, broken between words; a longer word is cut.
pub(super) fn wrap(text: &str, size: f64, bold: bool, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let longer = if line.is_empty() { word.to_string() } else { format!("{line} {word}") };
            if line.is_empty() || width(&longer, size, bold) <= room {
                line = longer;
            } else {
                lines.push(std::mem::replace(&mut line, word.to_string()));
            }
        }
        lines.push(line);
    }
    lines.iter().map(|line| elide(line, size, bold, room)).collect()
}

/// A label along an axis of length `room`: in two lines where one is too short, and cut where these are.
pub(super) fn label_lines(label: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines = wrap(label, size, false, room);
    if lines.len() > 2 {
        let rest = lines.split_off(1).join(" ");
        lines.push(elide(&rest, size, false, room));
    }
    lines
}

/// Text on one line: control characters, as in tokens, are written out.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|character| match character.is_control() {
            true => character.escape_debug().collect::<Vec<_>>(),
            false => vec![character],
        })
        .collect()
}
