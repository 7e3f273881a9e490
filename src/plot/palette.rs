//! Colours: told apart by readers with any colour vision, and in print.

use super::scene::Color;

pub(super) const INK: Color = Color::hex(0x222222);
pub(super) const SOFT_INK: Color = Color::hex(0x555555);
pub(super) const AXIS: Color = Color::hex(0x666666);
pub(super) const GRID: Color = Color::hex(0xE4E4E4);
pub(super) const WHITE: Color = Color::hex(0xFFFFFF);
pub(super) const MISSING: Color = Color::hex(0xEDEDED);
pub(super) const HATCH: Color = Color::hex(0xA8A8A8);

/// Bars above zero and below it, in the hues of the diverging scale.
pub(super) const POSITIVE: Color = Color::hex(0xC0504D);
pub(super) const NEGATIVE: Color = Color::hex(0x3A6FB0);

/// Okabe and Ito's colours, the weak yellow left out, with two darker ones after them.
const CATEGORIES: [Color; 9] = [
    Color::hex(0x0072B2),
    Color::hex(0xD55E00),
    Color::hex(0x009E73),
    Color::hex(0xCC79A7),
    Color::hex(0xE69F00),
    Color::hex(0x56B4E9),
    Color::hex(0x7A4FA3),
    Color::hex(0x6B6B6B),
    Color::hex(0x8C5A2B),
];

/// The colour of the series of this number; after the last the first comes again.
pub(super) fn category(number: usize) -> Color {
    CATEGORIES.get(number % CATEGORIES.len()).copied().unwrap_or(INK)
}

/// How many series have a colour of their own.
pub(super) const DISTINCT: usize = CATEGORIES.len();

/// What the colours of a heat map say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorScale {
    /// Blue below zero, white at zero, red above, equally far on both sides.
    #[default]
    Diverging,
    /// White at the lowest value, dark blue at the highest.
    Sequential,
}

const DIVERGING: [u32; 9] =
    [0x1F4E8C, 0x3A78B5, 0x83B0D6, 0xCADEEC, 0xF7F7F7, 0xF6D2C3, 0xE79A80, 0xCB564C, 0x9E1B2F];
const SEQUENTIAL: [u32; 6] = [0xF7FBFF, 0xD3E3F3, 0x9CC6E2, 0x539ECD, 0x1E69AF, 0x083572];

impl ColorScale {
    /// The colour at a place from 0 to 1 along the scale.
    pub(super) fn at(self, place: f64) -> Color {
        let stops: &[u32] = match self {
            Self::Diverging => &DIVERGING,
            Self::Sequential => &SEQUENTIAL,
        };
        let last = stops.len() - 1;
        let along = place.clamp(0.0, 1.0) * last as f64;
        let below = (along.floor() as usize).min(last);
        let part = along - below as f64;
        let stop = |number: usize| stops.get(number.min(last)).map_or(WHITE, |&code| Color::hex(code));
        stop(below).mixed(stop(below + 1), part)
    }
}

/// Ink or white, whichever reads better on this ground (by relative luminance).
pub(super) fn ink_on(ground: Color) -> Color {
    let linear = |channel: u8| (f64::from(channel) / 255.0).powf(2.2);
    let [red, green, blue] = ground.rgb;
    let luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    if luminance > 0.22 { INK } else { WHITE }
}
