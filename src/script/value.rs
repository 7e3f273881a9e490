//! A script's value as a Rust value, with an error that says what was expected and found.
//!
//! Rhai wants parameter types to match exactly, so an integer never meets an `f64` parameter. Where
//! several types fit, a binding takes [`Dynamic`] and asks [`from_script`]; option maps do the same.

use rhai::{Array, Dynamic, FnPtr, ImmutableString};
/// A script's value and its map, for those who show them.
pub use rhai::{Dynamic as Value, Map};

use crate::error::{Error, Result};
use crate::script::bind;

/// A Rust type that a script's value converts to.
pub trait FromScript: Sized {
    /// What the value must be, with its article: `"a number"`, `"an array of strings"`.
    fn expected() -> String;

    /// The value, or `None` where it is of another type or out of range.
    fn from_script(value: &Dynamic) -> Option<Self>;
}

/// Converts `value`, called `name` in the error.
///
/// # Errors
/// `"{name}: expected a number, found string "x""`.
pub fn from_script<T: FromScript>(name: &str, value: &Dynamic) -> Result<T> {
    T::from_script(value)
        .ok_or_else(|| Error::new(format!("{name}: expected {}, found {}", T::expected(), describe(value))))
}

/// A value for a message: its type, and itself where that is short.
pub fn describe(value: &Dynamic) -> String {
    const SHOWN: usize = 40;
    if value.is_unit() {
        return "()".into();
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return match text.char_indices().nth(SHOWN) {
            None => format!("string {:?}", text.as_str()),
            Some((end, _)) => format!("string {:?}…", &text[..end]),
        };
    }
    if let Ok(array) = value.as_array_ref() {
        return match array.first() {
            None => "an empty array".into(),
            Some(first) => format!("an array of {} ({}, …)", array.len(), describe(first)),
        };
    }
    if let Ok(map) = value.as_map_ref() {
        return format!("a map of {}", map.len());
    }
    let name = type_name(value);
    match name.as_str() {
        "integer" | "number" | "bool" | "char" => format!("{name} {value}"),
        "function" => "a function".into(),
        _ => name,
    }
}

/// The name of a value's type as users know it.
pub fn type_name(value: &Dynamic) -> String {
    friendly_type(value.type_name())
}

/// The name users know for a type that Rhai or Rust names otherwise.
pub fn friendly_type(name: &str) -> String {
    let name = name.trim().trim_start_matches("&mut ").trim_start_matches("rhai::");
    let known = match name {
        "i64" | "INT" => "integer",
        "f64" | "FLOAT" => "number",
        "&str" | "ImmutableString" | "String" | "string" => "string",
        "Array" | "array" => "array",
        "Map" | "map" => "map",
        "FnPtr" | "Fn" => "function",
        "Dynamic" | "?" | "_" => "any",
        "Range<i64>" | "ExclusiveRange" | "range" | "core::ops::range::Range<i64>" => "range",
        "RangeInclusive<i64>" | "InclusiveRange" | "range=" | "core::ops::range::RangeInclusive<i64>" => {
            "range"
        }
        _ => "",
    };
    match (known, name.rsplit_once("::")) {
        ("", Some((_, last))) => bind::type_name(name).unwrap_or_else(|| last.to_owned()),
        ("", None) => name.to_owned(),
        (known, _) => known.to_owned(),
    }
}

impl FromScript for bool {
    fn expected() -> String {
        "true or false".into()
    }
    fn from_script(value: &Dynamic) -> Option<Self> {
        value.as_bool().ok()
    }
}

impl FromScript for i64 {
    fn expected() -> String {
        "an integer".into()
    }
    fn from_script(value: &Dynamic) -> Option<Self> {
        value.as_int().ok()
    }
}

impl FromScript for usize {
    fn expected() -> String {
        "an integer of 0 or more".into()
    }
    fn from_script(value: &Dynamic) -> Option<Self> {
        usize::try_from(value.as_int().ok()?).ok()
    }
}

impl FromScript for u64 {
    fn expected() -> String {
        "an integer of 0 or more".into()
    }
    fn from_script(value: &Dynamic) -> Option<Self> {
        u64::try_from(value.as_int().ok()?).ok()
    }
}

impl FromScript for f64 {
    fn expected() -> String {
        "a number".into()
    }
    fn from_script(value: &Dynamic) -> Option<Self> {
        value.as_float().ok().or_else(|| value.as_int().ok().map(|integer| integer as f64))
    }
}

impl FromScript for f32 {
    fn expected() -> String {
        f64::expected()
    }
    fn from_script(value: &Dynamic) -> Option<Self> {
        f64::from_script(value).map(|number| number as f32)
    }
}

impl FromScript for String {
    fn expected() -> String {
        "a string".into()
    }
    fn from_script(value: &Dynamic) -> Option<Self> {
        value.as_immutable_string_ref().ok().map(|text| text.to_string())
    }
}

impl FromScript for Dynamic {
    fn expected() -> String {
        "a value".into()
    }
    fn from_script(value: &Dynamic) -> Option<Self> {
        Some(value.clone())
    }
}

impl<T: FromScript> FromScript for Vec<T> {
    fn expected() -> String {
        let one = T::expected();
        let one = one.strip_prefix("a ").or_else(|| one.strip_prefix("an ")).unwrap_or(&one);
        format!("an array, each element of it {one}")
    }
    fn from_script(value: &Dynamic) -> Option<Self> {
        value.as_array_ref().ok()?.iter().map(T::from_script).collect()
    }
}

/// Makes a type that is registered with the engine (or is one of Rhai's own) readable from a script's value.
macro_rules! script_value {
    ($($type:ty: $expected:literal),+ $(,)?) => {$(
        impl $crate::script::value::FromScript for $type {
            fn expected() -> String {
                $expected.into()
            }
            fn from_script(value: &rhai::Dynamic) -> Option<Self> {
                value.read_lock::<$type>().map(|held| held.clone())
            }
        }
    )+};
}
pub(crate) use script_value;

script_value! {
    ImmutableString: "a string",
    FnPtr: "a function",
    Map: "a map",
}

/// An array of `values` for a script.
pub fn array<T: Into<Dynamic>>(values: impl IntoIterator<Item = T>) -> Array {
    values.into_iter().map(Into::into).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn error<T: FromScript>(value: impl Into<Dynamic>) -> String {
        match from_script::<T>("strength", &value.into()) {
            Ok(_) => String::from("no error"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn integers_widen_to_numbers_but_not_the_other_way() {
        assert_eq!(from_script::<f64>("x", &Dynamic::from(3_i64)).unwrap(), 3.0);
        assert_eq!(error::<i64>(3.0), "strength: expected an integer, found number 3.0");
    }

    #[test]
    fn a_count_is_never_negative() {
        assert_eq!(error::<usize>(-1_i64), "strength: expected an integer of 0 or more, found integer -1");
    }

    #[test]
    fn a_wrong_type_is_named_with_its_value() {
        assert_eq!(error::<f64>("half"), "strength: expected a number, found string \"half\"");
        assert_eq!(error::<bool>(()), "strength: expected true or false, found ()");
        let mixed: Array = vec![Dynamic::from(1_i64), Dynamic::from("b")];
        assert_eq!(
            error::<Vec<i64>>(mixed),
            "strength: expected an array, each element of it integer, found an array of 2 (integer 1, …)"
        );
    }

    #[test]
    fn long_strings_are_cut_at_a_character() {
        let text = "é".repeat(100);
        assert!(error::<f64>(text).ends_with("…"));
    }
}
