//! Where two values of a script differ, in words: what assertions compare and say.

use rhai::{Dynamic, ImmutableString, NativeCallContext};

use crate::error::{Error, Result};
use crate::frame::{Cell, Frame};
use crate::script::options::argument;
use crate::script::value::{FromScript as _, type_name};
use crate::tensor::NamedTensor;

/// Characters of a value that a message shows.
const SHOWN: usize = 200;

/// A value as a script's `print` shows it, strings in quotes, on one line and shortened where it is long.
pub fn shown(call: &NativeCallContext, value: &Dynamic) -> String {
    let mut text = String::new();
    show(call, value, &mut text);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Writes no more than is shown: a value may hold millions.
fn show(call: &NativeCallContext, value: &Dynamic, text: &mut String) {
    let is_full = |text: &String| text.len() > 4 * SHOWN;
    if let Ok(array) = value.as_array_ref() {
        text.push('[');
        for (index, element) in array.iter().enumerate() {
            if is_full(text) {
                return;
            }
            text.push_str(if index > 0 { ", " } else { "" });
            show(call, element, text);
        }
        text.push(']');
    } else if let Ok(map) = value.as_map_ref() {
        text.push_str("#{");
        for (index, (name, element)) in map.iter().enumerate() {
            if is_full(text) {
                return;
            }
            text.push_str(if index > 0 { ", " } else { "" });
            text.push_str(&format!("{name:?}: "));
            show(call, element, text);
        }
        text.push('}');
    } else if let Ok(string) = value.as_immutable_string_ref() {
        let start: String = string.chars().take(SHOWN + 1).collect();
        text.push_str(&format!("{start:?}"));
    } else if let Ok(character) = value.as_char() {
        text.push_str(&format!("{character:?}"));
    } else if value.is_unit() {
        text.push_str("()");
    } else if value.is_fnptr() {
        text.push_str("a function");
    } else if let Some(frame) = Frame::from_script(value) {
        text.push_str(&format!("a frame of {} and the columns {}", rows(&frame), frame.names().join(", ")));
    } else {
        let known = call.call_native_fn::<ImmutableString>("to_string", (value.clone(),));
        text.push_str(&known.map_or_else(|_| type_name(value), |known| known.replace('\n', " ")));
    }
}

/// Where `found` is not `expected`; nothing where they are equal as a script's `==` says: arrays, maps, tensors and
/// frames by their parts, whole numbers and fractions by their value.
///
/// # Errors
/// Values of a type that has no `==`.
pub fn of_values(call: &NativeCallContext, found: &Dynamic, expected: &Dynamic) -> Result<Option<String>> {
    let Some(place) = Place::first(call, found, expected)? else { return Ok(None) };
    let whole = format!("expected {}, found {}", shown(call, expected), shown(call, found));
    Ok(Some(match (place.path.as_str(), place.what) {
        ("", None) => whole,
        ("", Some(what)) => what,
        (path, Some(what)) => format!("at {path}, {what}"),
        (path, None) => {
            let (found, expected) = (shown(call, &place.found), shown(call, &place.expected));
            format!("{whole}: at {path}, expected {expected}, found {found}")
        }
    }))
}

/// The first place in which two values differ.
struct Place {
    /// How a script reaches it: `[1].name`; empty for the values themselves.
    path: String,
    found: Dynamic,
    expected: Dynamic,
    /// The difference, where it is more than two values.
    what: Option<String>,
}

impl Place {
    fn first(call: &NativeCallContext, found: &Dynamic, expected: &Dynamic) -> Result<Option<Self>> {
        let here = |what: Option<String>| Self {
            path: String::new(),
            found: found.clone(),
            expected: expected.clone(),
            what,
        };
        let within = |step: String, place: Self| Self { path: format!("{step}{}", place.path), ..place };
        if let (Ok(a), Ok(b)) = (found.as_array_ref(), expected.as_array_ref()) {
            for (index, (a, b)) in a.iter().zip(b.iter()).enumerate() {
                if let Some(place) = Self::first(call, a, b)? {
                    return Ok(Some(within(format!("[{index}]"), place)));
                }
            }
            return Ok((a.len() != b.len()).then(|| here(None)));
        }
        if let (Ok(a), Ok(b)) = (found.as_map_ref(), expected.as_map_ref()) {
            for (name, a) in a.iter() {
                let Some(b) = b.get(name) else { return Ok(Some(here(None))) };
                if let Some(place) = Self::first(call, a, b)? {
                    return Ok(Some(within(format!(".{name}"), place)));
                }
            }
            return Ok((a.len() != b.len()).then(|| here(None)));
        }
        if let (Some(a), Some(b)) = (NamedTensor::from_script(found), NamedTensor::from_script(expected)) {
            return Ok(of_tensors(&a, &b, 0.0)?.map(|what| here(Some(what))));
        }
        if let (Some(a), Some(b)) = (Frame::from_script(found), Frame::from_script(expected)) {
            return Ok(of_frames(&a, &b, 0.0)?.map(|what| here(Some(what))));
        }
        Ok((!is_equal(call, found, expected)?).then(|| here(None)))
    }
}

/// Equal as a script would say, of values that have no parts.
fn is_equal(call: &NativeCallContext, a: &Dynamic, b: &Dynamic) -> Result<bool> {
    if let (Ok(a), Ok(b)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
        return Ok(*a == *b);
    }
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return Ok(a == b);
    }
    if let (Ok(a), Ok(b)) = (argument::<f64>("", "", a), argument::<f64>("", "", b)) {
        return Ok(a == b);
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return Ok(a == b);
    }
    if a.is_unit() || b.is_unit() {
        return Ok(a.is_unit() && b.is_unit());
    }
    if a.type_id() != b.type_id() {
        return Ok(false);
    }
    if a.is_fnptr() {
        return Err(Error::new("functions cannot be compared").hint("call them, and compare what they give"));
    }
    let equal = call.call_native_fn::<Dynamic>("==", (a.clone(), b.clone()));
    equal.ok().and_then(|equal| equal.as_bool().ok()).ok_or_else(|| {
        let kind = type_name(a);
        let error = Error::new(format!("two values of type {kind} cannot be compared"));
        error.hint(match kind.as_str() {
            "Model" => {
                "compare what they compute: assert_close(a.run(prompt).logits, b.run(prompt).logits, 1e-5)"
            }
            _ => "compare their properties, or what they print: assert_eq(a.to_string(), b.to_string())",
        })
    })
}

/// Where an element of `found` is further than `tolerance` from that of `expected`, most of all; nothing where none
/// is. NaN is close to nothing.
///
/// # Errors
/// The elements cannot be read from the device.
pub fn of_tensors(found: &NamedTensor, expected: &NamedTensor, tolerance: f64) -> Result<Option<String>> {
    if found.dims() != expected.dims() {
        let shape = |tensor: &NamedTensor| format!("{:?}", tensor.dims());
        return Ok(Some(format!(
            "expected a tensor of shape {}, found one of shape {}",
            shape(expected),
            shape(found)
        )));
    }
    let (a, b) = (found.numbers()?, expected.numbers()?);
    let pairs: Vec<(f64, f64)> = a.into_iter().zip(b).collect();
    let Some(Far { most, count }) = Far::among(&pairs, tolerance) else { return Ok(None) };
    let (a, b) = pairs.get(most).copied().unwrap_or_default();
    let (a_text, b_text) = (digits(a, found), digits(b, expected));
    let apart = apart(a, b);
    if found.rank() == 0 {
        return Ok(Some(format!("expected {b_text}{}, found {a_text}: {apart}", within(tolerance))));
    }
    let whole = format!("expected {}{}, found {}", expected.summary(), within(tolerance), found.summary());
    let (of, place) = (pairs.len(), index_of(most, found.dims()));
    let most = format!("most at {place}: expected {b_text}, found {a_text}, {apart}");
    Ok(Some(format!("{whole}: {count} of {of} elements differ, {most}")))
}

/// Where `found` has other columns or cells than `expected`, numbers by more than `tolerance`; nothing where it has
/// not. A frame's NaN equals NaN, as `==` of frames has it.
///
/// # Errors
/// A column that cannot be read.
pub fn of_frames(found: &Frame, expected: &Frame, tolerance: f64) -> Result<Option<String>> {
    let (names, wanted) = (found.names(), expected.names());
    if names != wanted {
        return Ok(Some(format!(
            "expected a frame of the columns {}, found one of {}",
            wanted.join(", "),
            names.join(", ")
        )));
    }
    if found.height() != expected.height() {
        return Ok(Some(format!("expected a frame of {}, found one of {}", rows(expected), rows(found))));
    }
    let mut worst: Option<(f64, String)> = None;
    let mut count = 0_usize;
    for name in wanted {
        for (row, (a, b)) in found.cells(name)?.iter().zip(&expected.cells(name)?).enumerate() {
            let distance = distance(a, b);
            if distance <= tolerance {
                continue;
            }
            count += 1;
            if worst.as_ref().is_none_or(|(most, _)| distance > *most) {
                let apart = a.number().zip(b.number()).map(|(a, b)| format!(", {}", apart(a, b)));
                let apart = apart.unwrap_or_default();
                let quoted = |cell: &Cell| match cell {
                    Cell::Text(text) => format!("{text:?}"),
                    cell => cell.to_string(),
                };
                let (expected, found) = (quoted(b), quoted(a));
                worst = Some((
                    distance,
                    format!("column \"{name}\", row {row}: expected {expected}, found {found}{apart}"),
                ));
            }
        }
    }
    let cells = found.height() * found.width();
    Ok(worst.map(|(_, worst)| {
        format!("{count} of {cells} cells of the frames differ{}, most in {worst}", beyond(tolerance))
    }))
}

fn rows(frame: &Frame) -> String {
    match frame.height() {
        1 => "1 row".into(),
        count => format!("{count} rows"),
    }
}

/// How far two cells are from each other: nothing where they are equal, infinitely where they are of other kinds.
fn distance(a: &Cell, b: &Cell) -> f64 {
    match (a.number(), b.number()) {
        (Some(a), Some(b)) if a == b || (a.is_nan() && b.is_nan()) => 0.0,
        (Some(a), Some(b)) => Some((a - b).abs()).filter(|far| !far.is_nan()).unwrap_or(f64::INFINITY),
        _ if a == b => 0.0,
        _ => f64::INFINITY,
    }
}

/// Pairs of numbers that are too far from each other.
struct Far {
    /// Which pair is furthest; one with NaN before all others.
    most: usize,
    count: usize,
}

impl Far {
    fn among(pairs: &[(f64, f64)], tolerance: f64) -> Option<Self> {
        let far = pairs.iter().enumerate().filter_map(|(at, (a, b))| {
            let distance = (a - b).abs();
            let is_close = a == b || distance <= tolerance;
            (!is_close).then_some((at, if distance.is_nan() { f64::INFINITY } else { distance }))
        });
        far.fold(None, |most: Option<(usize, f64, usize)>, (at, distance)| match most {
            Some((_, known, count)) if distance > known => Some((at, distance, count + 1)),
            Some((first, known, count)) => Some((first, known, count + 1)),
            None => Some((at, distance, 1)),
        })
        .map(|(most, _, count)| Self { most, count })
    }
}

/// A number with the digits that its tensor's format holds.
fn digits(number: f64, tensor: &NamedTensor) -> String {
    match tensor.dtype() {
        candle_core::DType::F64 => format!("{number}"),
        _ => format!("{}", number as f32),
    }
}

fn apart(a: f64, b: f64) -> String {
    match (a - b).abs() {
        distance if distance.is_nan() => "NaN is close to nothing".into(),
        distance => format!("{} apart", crate::tensor::number_text(distance)),
    }
}

fn within(tolerance: f64) -> String {
    if tolerance > 0.0 { format!(" within {tolerance:e}") } else { String::new() }
}

fn beyond(tolerance: f64) -> String {
    if tolerance > 0.0 { format!(" by more than {tolerance:e}") } else { String::new() }
}

/// The place of the element that is number `at` in rows: `[2, 0]`.
fn index_of(at: usize, dims: &[usize]) -> String {
    let mut rest = at;
    let mut index: Vec<usize> = dims
        .iter()
        .rev()
        .map(|length| {
            let here = rest % length.max(&1);
            rest /= length.max(&1);
            here
        })
        .collect();
    index.reverse();
    format!("{index:?}")
}
