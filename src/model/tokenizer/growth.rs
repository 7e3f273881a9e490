//! How much longer a tokenizer's file may make a text before it is cut into tokens, or when tokens are put together.
//!
//! The tokenizers crate runs one replacement after the other. A dozen that each write ten letters for one make a
//! billion letters of one, so what they multiply to is looked at before any of them runs.

use serde_json::Value;

use crate::error::{Error, Result};

/// Largest factor that is believed: Llama's file has 12, and few have more.
const MOST: f64 = 1000.0;

/// Fails where a normaliser or decoder, as `tokenizer.json` describes it, may make a text more than [`MOST`] times as
/// long.
///
/// # Errors
/// Names the field.
pub(super) fn check(field: &str, part: &Value) -> Result<()> {
    match growth(part) {
        growth if growth <= MOST => Ok(()),
        growth => Err(Error::new(format!(
            "the {field} may make a text {growth:.0} times as long, expected up to {MOST} times"
        ))),
    }
}

/// The factor of one part and of those inside it.
fn growth(part: &Value) -> f64 {
    let length = |text: Option<&Value>| text.and_then(Value::as_str).map_or(0, str::len) as f64;
    match part.get("type").and_then(Value::as_str) {
        Some("Sequence") => {
            let lists = ["normalizers", "decoders"].iter().filter_map(|name| part.get(*name)?.as_array());
            lists.flatten().map(growth).product()
        }
        Some("Replace") => {
            let content = length(part.get("content"));
            let replaced = part.get("pattern").and_then(|pattern| pattern.get("String"));
            match length(replaced) {
                // A regular expression, or an empty text, may stand between any two letters.
                0.0 => 1.0 + content,
                replaced => (content / replaced).max(1.0),
            }
        }
        Some("Prepend") => 1.0 + length(part.get("prepend")),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn replacements_multiply() {
        let replace =
            |text: &str, by: &str| json!({"type": "Replace", "pattern": {"String": text}, "content": by});
        // Llama's.
        let usual = json!({"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁"), {"type": "NFC"},
        ]});
        assert_eq!(growth(&usual), 12.0);
        assert_eq!(growth(&replace("``", "\"")), 1.0);
        assert_eq!(growth(&json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"})), 4.0);
        assert_eq!(growth(&Value::Null), 1.0);
        let bomb = json!({"type": "Sequence", "decoders": vec![replace("a", "aaaaaaaaaa"); 12]});
        assert!(check("normalizer", &usual).is_ok());
        assert!(check("decoder", &bomb).unwrap_err().what().contains("1000000000000 times as long"));
    }
}
