//! Values as a person wants to see them: tables fitted to the window, figures drawn, long things cut.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::cli::repl::picture::{Protocol, drawn};
use crate::cli::{paint, terminal};
use crate::frame::Frame;
use crate::plot::Figure;
use crate::script::host::Host;
use crate::script::value::{Map, Value, describe, type_name};

/// Elements of an array and entries of a map that are shown.
const SHOWN: usize = 20;

/// A value, as it follows the input that made it.
pub fn shown(host: &Host, value: &Value, protocol: Protocol) -> String {
    let (columns, lines) = terminal::size();
    if let Some(frame) = value.read_lock::<Frame>() {
        // The table's head, its rule and its last line, and the next prompt.
        return frame.render(columns, lines.saturating_sub(6).max(10));
    }
    if let Some(figure) = value.read_lock::<Figure>() {
        let said = paint::faint(host.show(value.clone())).to_string();
        return match drawn(&figure, protocol, (columns, lines)) {
            Ok(picture) if picture.is_empty() => said,
            Ok(picture) => format!("{picture}\n{said}"),
            Err(error) => format!("{said}: {error}"),
        };
    }
    if let Ok(map) = value.as_map_ref() {
        return whole_map(host, &map, columns);
    }
    if let Ok(array) = value.as_array_ref() {
        let whole = host.show(value.clone());
        if array.len() <= SHOWN && whole.width() <= columns {
            return whole;
        }
        let mut rows: Vec<String> = array
            .iter()
            .take(SHOWN)
            .map(|value| format!("  {},", line(host, value, columns.saturating_sub(3))))
            .collect();
        if array.len() > SHOWN {
            rows.push(paint::faint(format!("  … {} more", array.len() - SHOWN)).to_string());
        }
        return format!("[\n{}\n]", rows.join("\n"));
    }
    let whole = host.show(value.clone());
    match type_name(value).as_str() {
        // One row of a tensor a line.
        "Tensor" if whole.width() > columns => whole.replace("], [", "],\n  [").replacen(" [[", "\n [[", 1),
        _ => whole,
    }
}

/// A map, one entry a line where it does not fit into one.
fn whole_map(host: &Host, map: &Map, columns: usize) -> String {
    let whole = host.show(map.clone().into());
    if whole.width() <= columns && !whole.contains('\n') {
        return whole;
    }
    let mut rows: Vec<String> = map
        .iter()
        .take(SHOWN)
        .map(|(key, value)| {
            format!("  {key}: {},", line(host, value, columns.saturating_sub(key.width() + 5)))
        })
        .collect();
    if map.len() > SHOWN {
        rows.push(paint::faint(format!("  … {} more", map.len() - SHOWN)).to_string());
    }
    format!("#{{\n{}\n}}", rows.join("\n"))
}

/// A value in one line of at most `width` places.
pub fn line(host: &Host, value: &Value, width: usize) -> String {
    let text = match type_name(value).as_str() {
        "Frame" => value.read_lock::<Frame>().map_or_else(String::new, |frame| {
            format!("{} rows: {}", frame.height(), frame.names().join(", "))
        }),
        "array" if value.as_array_ref().is_ok_and(|array| array.len() > SHOWN) => describe(value),
        _ => host.show(value.clone()),
    };
    cut(text.lines().next().unwrap_or_default(), width)
}

/// The beginning of a line, with "…" where it is cut.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut taken = 1;
    let kept: String = text
        .chars()
        .take_while(|c| {
            taken += c.width().unwrap_or(0);
            taken <= width
        })
        .collect();
    format!("{kept}…")
}
