//! Reading typed fields of an adapter's configuration, with errors that name the field.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The configuration's object; `null` counts as absent.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub &'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub fn needed(self, name: &str) -> Result<&'a Value> {
        self.get(name).ok_or_else(|| Error::new(format!("no {name}")))
    }

    pub fn text(self, name: &str) -> Result<Option<&'a str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Error::new(format!("{name} is {}, expected a text", brief(other)))),
        }
    }

    pub fn flag(self, name: &str) -> Result<bool> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(Error::new(format!("{name} is {}, expected true or false", brief(other)))),
        }
    }

    pub fn number(self, name: &str) -> Result<Option<f64>> {
        self.get(name).map(|value| number(name, value)).transpose()
    }
}

/// A text, or a list of texts.
pub(super) fn texts(name: &str, value: &Value) -> Result<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(Error::new(format!("{name} holds {}, expected a text", brief(other)))),
    };
    match value {
        Value::Array(list) => list.iter().map(text).collect(),
        other => Ok(vec![text(other)?]),
    }
}

pub(super) fn number(name: &str, value: &Value) -> Result<f64> {
    match value.as_f64() {
        Some(number) if number.is_finite() => Ok(number),
        _ => Err(Error::new(format!("{name} is {}, expected a number", brief(value)))),
    }
}

/// Neither absent nor one of the values that switch an option off.
pub(super) fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

/// A value for a message, cut where it is long.
pub(super) fn brief(value: &Value) -> String {
    const SHOWN: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
