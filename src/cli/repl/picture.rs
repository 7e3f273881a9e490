//! Figures in the terminal: as pictures where it can show them, as blocks of colour where it cannot.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result, did_you_mean};
use crate::plot::Figure;

/// Pixels of a terminal's column and line, where it does not say: nearly all are close to it.
const CELL: (f64, f64) = (9.0, 18.0);

/// How a terminal takes pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The protocol of kitty; Ghostty and Konsole have it too.
    Kitty,
    /// The protocol of iTerm2; WezTerm, mintty and the terminal of VS Code have it too.
    Iterm,
    /// The DEC's sixels: foot, mlterm, xterm with the right settings.
    Sixel,
    /// Half blocks, two coloured pixels a character.
    Blocks,
    /// No picture, only what it would show.
    None,
}

const NAMES: [(&str, Protocol); 5] = [
    ("kitty", Protocol::Kitty),
    ("iterm", Protocol::Iterm),
    ("sixel", Protocol::Sixel),
    ("blocks", Protocol::Blocks),
    ("none", Protocol::None),
];

impl Protocol {
    /// What the surroundings tell of the terminal; `MORA_PICTURES` decides where it is set.
    ///
    /// # Errors
    /// `MORA_PICTURES` names no protocol.
    pub fn of_terminal(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        if let Some(name) = variable("MORA_PICTURES").filter(|name| !name.is_empty()) {
            let found = NAMES.iter().find(|(known, _)| *known == name);
            return found.map(|(_, protocol)| *protocol).ok_or_else(|| {
                let hint = did_you_mean(&name, NAMES.iter().map(|(known, _)| *known));
                Error::new(format!("MORA_PICTURES: no protocol \"{name}\""))
                    .hint(hint.unwrap_or_else(|| "kitty, iterm, sixel, blocks or none".into()))
            });
        }
        let kind = variable("TERM").unwrap_or_default();
        let program = variable("TERM_PROGRAM").unwrap_or_default();
        // A multiplexer keeps the terminal's own commands to itself.
        let is_within = variable("TMUX").is_some() || kind.starts_with("screen") || kind.starts_with("tmux");
        Ok(match (kind.as_str(), program.as_str()) {
            _ if is_within => Self::Blocks,
            ("xterm-kitty" | "xterm-ghostty", _) | (_, "ghostty") => Self::Kitty,
            _ if variable("KONSOLE_VERSION").is_some() => Self::Kitty,
            (_, "iTerm.app" | "WezTerm" | "vscode" | "mintty") => Self::Iterm,
            (kind, _) if kind.starts_with("foot") || kind.starts_with("mlterm") || kind.contains("sixel") => {
                Self::Sixel
            }
            _ => Self::Blocks,
        })
    }
}

/// A figure for a terminal of so many columns and lines.
///
/// # Errors
/// The figure cannot be drawn.
pub fn drawn(figure: &Figure, protocol: Protocol, (columns, lines): (usize, usize)) -> Result<String> {
    let (width, height) = figure.size();
    let (width, height) = (f64::from(width), f64::from(height));
    // The prompt and a line of text stay in sight.
    let room = (columns.max(20) as f64 * CELL.0, lines.saturating_sub(3).max(8) as f64 * CELL.1);
    let scale = (room.0 / width).min(room.1 / height).min(2.0);
    match protocol {
        Protocol::Kitty => Ok(kitty(&figure.render_png(scale)?)),
        Protocol::Iterm => Ok(iterm(&figure.render_png(scale)?)),
        Protocol::Sixel => {
            let (pixels, width, height) = figure.render_pixels(scale)?;
            Ok(sixels(&pixels, width, height))
        }
        Protocol::Blocks => {
            // Two pixels a line: as wide as the terminal, as high as fits without being drawn out of shape.
            let scale =
                (columns.max(20) as f64 / width).min(2.0 * lines.saturating_sub(4).max(8) as f64 / height);
            // Text would be a smear: the title and the caption are written out.
            let bare = figure.with_options(bare(figure))?;
            let (pixels, width, _) = bare.render_pixels(scale)?;
            let words =
                |text: &Option<String>| text.as_ref().map(|text| format!("{text}\n")).unwrap_or_default();
            let options = figure.options();
            Ok(format!("{}{}{}", words(&options.title), blocks(&pixels, width), words(&options.caption)))
        }
        Protocol::None => Ok(String::new()),
    }
    .map(|text| text.trim_end_matches('\n').to_owned())
}

fn bare(figure: &Figure) -> crate::plot::FigureOptions {
    crate::plot::FigureOptions { title: None, caption: None, ..figure.options().clone() }
}

/// A PNG file in chunks of kitty's protocol.
fn kitty(png: &[u8]) -> String {
    const CHUNK: usize = 4096;
    let encoded = STANDARD.encode(png);
    let mut text = String::new();
    let mut rest = encoded.as_str();
    let mut head = "a=T,f=100,";
    loop {
        let (chunk, behind) = rest.split_at(CHUNK.min(rest.len()));
        let more = u8::from(!behind.is_empty());
        let _ = write!(text, "\x1b_G{head}m={more};{chunk}\x1b\\");
        (rest, head) = (behind, "");
        if rest.is_empty() {
            return text;
        }
    }
}

/// A PNG file in iTerm2's protocol.
fn iterm(png: &[u8]) -> String {
    format!("\x1b]1337;File=inline=1;size={}:{}\x07", png.len(), STANDARD.encode(png))
}

/// Pixels as sixels in a cube of 6 × 6 × 6 colours: columns of six pixels, one colour after the other.
fn sixels(pixels: &[u8], width: usize, height: usize) -> String {
    const STEPS: usize = 6;
    let level = |value: u8| (usize::from(value) * (STEPS - 1) + 127) / 255;
    let colour = |x: usize, y: usize| {
        let at = 3 * (y * width + x);
        let part = |offset: usize| pixels.get(at + offset).map_or(STEPS - 1, |value| level(*value));
        (part(0) * STEPS + part(1)) * STEPS + part(2)
    };
    let mut text = format!("\x1bPq\"1;1;{width};{height}");
    for index in 0..STEPS * STEPS * STEPS {
        let percent = |level: usize| level * 100 / (STEPS - 1);
        let (red, green, blue) = (index / STEPS / STEPS, index / STEPS % STEPS, index % STEPS);
        let _ = write!(text, "#{index};2;{};{};{}", percent(red), percent(green), percent(blue));
    }
    for top in (0..height).step_by(6) {
        let rows: Vec<usize> = (top..(top + 6).min(height)).collect();
        let mut used: Vec<usize> = rows.iter().flat_map(|y| (0..width).map(|x| colour(x, *y))).collect();
        used.sort_unstable();
        used.dedup();
        for index in used {
            let _ = write!(text, "#{index}");
            let column = |x: usize| {
                rows.iter()
                    .enumerate()
                    .fold(0_u8, |bits, (row, y)| bits | u8::from(colour(x, *y) == index) << row)
            };
            let mut x = 0;
            while x < width {
                let bits = column(x);
                let run = (x..width).take_while(|x| column(*x) == bits).count();
                let _ = write!(text, "!{run}{}", char::from(63 + bits));
                x += run;
            }
            // Back to the line's beginning, for the next colour.
            text.push('$');
        }
        text.push('-');
    }
    text.push_str("\x1b\\");
    text
}

/// Pixels as half blocks: the upper one in the colour of the text, the lower one in that of the ground.
fn blocks(pixels: &[u8], width: usize) -> String {
    let mut text = String::new();
    let rows: Vec<&[u8]> = pixels.chunks_exact(3 * width.max(1)).collect();
    for pair in rows.chunks(2) {
        let (upper, lower) = (pair.first().copied().unwrap_or(&[]), pair.get(1).copied().unwrap_or(&[]));
        let mut lowers = lower.chunks_exact(3);
        for above in upper.chunks_exact(3) {
            let below = lowers.next().unwrap_or(&[255; 3]);
            if let ([r, g, b], [s, h, c]) = (above, below) {
                let _ = write!(text, "\x1b[38;2;{r};{g};{b};48;2;{s};{h};{c}m▀");
            }
        }
        text.push_str("\x1b[0m\n");
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn protocol(variables: &[(&str, &str)]) -> Protocol {
        let value = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Protocol::of_terminal(value).unwrap()
    }

    #[test]
    fn terminals_are_told_by_their_variables() {
        assert_eq!(protocol(&[("TERM", "xterm-kitty")]), Protocol::Kitty);
        assert_eq!(protocol(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")]), Protocol::Iterm);
        assert_eq!(protocol(&[("TERM", "foot")]), Protocol::Sixel);
        assert_eq!(protocol(&[("TERM", "xterm-256color")]), Protocol::Blocks);
        assert_eq!(protocol(&[("TERM", "screen"), ("TERM_PROGRAM", "iTerm.app")]), Protocol::Blocks);
        assert_eq!(protocol(&[("TERM", "xterm-kitty"), ("MORA_PICTURES", "none")]), Protocol::None);
        assert!(Protocol::of_terminal(|_| Some("kity".into())).unwrap_err().to_string().contains("kity"));
    }

    #[test]
    fn kitty_gets_whole_chunks() {
        let text = kitty(&[7; 4000]);
        let chunks: Vec<&str> = text.split("\x1b\\").filter(|chunk| !chunk.is_empty()).collect();
        assert!(chunks[0].starts_with("\x1b_Ga=T,f=100,m=1;") && chunks[1].starts_with("\x1b_Gm=0;"));
        let data: String = chunks.iter().map(|chunk| chunk.split_once(';').unwrap().1).collect();
        assert_eq!(STANDARD.decode(data).unwrap(), [7; 4000]);
    }

    #[test]
    fn sixels_hold_every_pixel_once() {
        // Two columns: red above, blue below the middle.
        let (red, blue) = ([255, 0, 0], [0, 0, 255]);
        let pixels: Vec<u8> = [red, red, red, red, blue, blue].concat();
        let text = sixels(&pixels, 2, 3);
        assert!(text.starts_with("\x1bPq\"1;1;2;3#0;2;0;0;0"));
        // Blue is colour 5 and stands in the third row (bit 2); red is colour 180, in the first and second.
        assert!(text.ends_with("#5!2C$#180!2B$-\x1b\\"), "{text}");
    }

    #[test]
    fn blocks_take_two_rows_a_line() {
        let text = blocks(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 1);
        assert_eq!(text, "\x1b[38;2;1;2;3;48;2;4;5;6m▀\x1b[0m\n\x1b[38;2;7;8;9;48;2;255;255;255m▀\x1b[0m\n");
    }
}
