//! Ranges and round numbers along an axis.

/// Values beyond this are treated as missing: their differences would not be finite.
const LARGEST: f64 = 1e150;

/// A value that can be drawn.
pub(super) fn drawable(value: f64) -> bool {
    value.is_finite() && value.abs() < LARGEST
}

/// The smallest and the largest of the values that can be drawn.
pub(super) fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|value| drawable(*value)).fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

/// The range that holds both.
pub(super) fn union(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// The range, wider by a part of itself below and above, and never of no width.
pub(super) fn padded((low, high): (f64, f64), below: f64, above: f64) -> (f64, f64) {
    let width = high - low;
    let around = low.abs().max(high.abs());
    if width <= around * 1e-9 {
        let room = if around == 0.0 { 1.0 } else { around * 0.05 };
        return (low - room, high + room);
    }
    (low - width * below, high + width * above)
}

/// Round numbers in the range, about `count` of them: steps of 1, 2, 2.5 or 5 times a power of ten.
/// With `whole`, steps of at least one.
pub(super) fn ticks((low, high): (f64, f64), count: usize, whole: bool) -> Vec<f64> {
    let width = high - low;
    if !(width > 0.0 && width.is_finite()) {
        return vec![low];
    }
    let rough = width / count.max(1) as f64;
    let unit = 10f64.powf(rough.log10().floor());
    let factors: &[f64] =
        if whole && unit <= 1.0 { &[1.0, 2.0, 5.0, 10.0] } else { &[1.0, 2.0, 2.5, 5.0, 10.0] };
    let mut step =
        factors.iter().map(|factor| factor * unit).find(|step| *step >= rough * 0.999).unwrap_or(rough);
    if whole {
        step = step.max(1.0);
    }
    let first = (low / step - 1e-6).ceil();
    let last = (high / step + 1e-6).floor();
    // Both ends are within `count` steps of each other, give or take the rounding above.
    let steps = ((last - first).max(0.0) as usize).min(4 * count + 4);
    (0..=steps)
        .map(|number| (first + number as f64) * step + 0.0)
        .filter(|tick| *tick <= high + width * 1e-6)
        .collect()
}

/// The numbers as text, all with the same decimals, or all with the same power of ten where they are very
/// large or small.
pub(super) fn labels(ticks: &[f64]) -> Vec<String> {
    let largest = ticks.iter().fold(0.0f64, |largest, tick| largest.max(tick.abs()));
    let step = ticks.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(largest, f64::min);
    if largest == 0.0 || step == 0.0 {
        return ticks.iter().map(|tick| number(*tick)).collect();
    }
    if !(1e-3..1e6).contains(&largest) {
        let power = largest.log10().floor() as i32;
        let unit = 10f64.powi(power);
        let decimals = decimals_of(step / unit);
        return ticks
            .iter()
            .map(|tick| match *tick == 0.0 {
                true => "0".to_string(),
                false => {
                    format!("{}×10{}", signed(format!("{:.decimals$}", tick / unit)), superscript(power))
                }
            })
            .collect();
    }
    let decimals = decimals_of(step);
    ticks.iter().map(|tick| signed(format!("{tick:.decimals$}"))).collect()
}

/// One number by itself, with four significant digits.
pub(super) fn number(value: f64) -> String {
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    if !(-4..=6).contains(&magnitude) {
        let unit = 10f64.powi(magnitude);
        return format!("{}×10{}", signed(trimmed(format!("{:.2}", value / unit))), superscript(magnitude));
    }
    let decimals = (3 - magnitude).max(0) as usize;
    signed(trimmed(format!("{value:.decimals$}")))
}

/// The number of decimals that show a step exactly, six at most.
fn decimals_of(step: f64) -> usize {
    let step = step.abs();
    (0..6)
        .find(|decimals| {
            let scaled = step * 10f64.powi(*decimals as i32);
            scaled > 0.5 && (scaled - scaled.round()).abs() < 1e-6 * scaled
        })
        .unwrap_or(6)
}

fn trimmed(text: String) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

/// With the minus sign of print, and none before zero.
pub(super) fn signed(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|digit| digit == '0' || digit == '.') => rest.to_string(),
        Some(rest) => format!("\u{2212}{rest}"),
        None => text,
    }
}

fn superscript(power: i32) -> String {
    power
        .to_string()
        .chars()
        .map(|digit| match digit {
            '-' => '⁻',
            '0' => '⁰',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            _ => '⁹',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks((0.0, 10.0), 5, false), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(
            ticks((-0.31, 0.27), 6, false),
            [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2].map(|t: f64| (t * 10.0).round() * 0.1)
        );
        assert_eq!(ticks((0.0, 3.0), 8, true), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(ticks((0.0, 25.0), 6, true), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]);
        assert_eq!(ticks((5.0, 5.0), 6, false), [5.0]);
    }

    #[test]
    fn labels_share_their_decimals() {
        assert_eq!(labels(&[-0.5, 0.0, 0.5]), ["−0.5", "0.0", "0.5"]);
        assert_eq!(labels(&[0.0, 2.5, 5.0]), ["0.0", "2.5", "5.0"]);
        assert_eq!(labels(&[0.0, 10.0, 20.0]), ["0", "10", "20"]);
        assert_eq!(labels(&[0.0, 2e-5, 4e-5]), ["0", "2×10⁻⁵", "4×10⁻⁵"]);
        assert_eq!(labels(&[0.0, 5e6, 1e7]), ["0", "0.5×10⁷", "1.0×10⁷"]);
    }

    #[test]
    fn a_number_by_itself_has_four_digits() {
        assert_eq!(number(-1.23456), "−1.235");
        assert_eq!(number(-0.0), "0");
        assert_eq!(number(1234.5), "1234");
        assert_eq!(number(1.5e-9), "1.5×10⁻⁹");
    }

    #[test]
    fn values_that_cannot_be_drawn_are_no_part_of_a_range() {
        assert_eq!(range([f64::NAN, 1.0, f64::INFINITY, -2.0, 1e200]), Some((-2.0, 1.0)));
        assert_eq!(range([f64::NAN]), None);
        assert_eq!(padded((3.0, 3.0), 0.1, 0.1), (3.0 - 0.15000000000000002, 3.0 + 0.15000000000000002));
        assert_eq!(padded((0.0, 0.0), 0.1, 0.1), (-1.0, 1.0));
    }
}
