//! Reading typed fields out of a `config.json`, with errors that name the field.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// No field of a decoder is larger; keeps every product of two sizes inside 64 bits.
const LARGEST: u64 = 1 << 28;

/// A JSON object whose fields are asked for by name; `null` counts as absent.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The object itself, or an error that says what stands there instead.
    pub fn of(value: &'a Value, what: &str) -> Result<Self> {
        match value.as_object() {
            Some(map) => Ok(Self { map }),
            None => Err(Error::new(format!("{what} is {}, expected an object", kind(value)))),
        }
    }

    /// The field's value, if it is there and not `null`.
    pub fn get(self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// True where the field is written, even as `null`.
    pub fn has(self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// An object inside this one.
    pub fn object(self, name: &str) -> Result<Option<Self>> {
        self.get(name).map(|value| Fields::of(value, name)).transpose()
    }

    /// A size: a whole number from 1 up.
    pub fn size(self, name: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_u64() {
            Some(size @ 1..=LARGEST) => Ok(Some(size as usize)),
            _ => Err(Error::new(format!("{name} is {value}, expected a whole number from 1 to {LARGEST}"))),
        }
    }

    /// A size with the family's default.
    pub fn size_or(self, name: &str, default: usize) -> Result<usize> {
        Ok(self.size(name)?.unwrap_or(default))
    }

    /// A finite number.
    pub fn number(self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_f64() {
            Some(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(Error::new(format!("{name} is {value}, expected a number"))),
        }
    }

    /// A number above zero.
    pub fn positive(self, name: &str) -> Result<Option<f64>> {
        match self.number(name)? {
            Some(number) if number <= 0.0 => {
                Err(Error::new(format!("{name} is {number}, expected a number above 0")))
            }
            number => Ok(number),
        }
    }

    /// A positive number with the family's default.
    pub fn positive_or(self, name: &str, default: f64) -> Result<f64> {
        Ok(self.positive(name)?.unwrap_or(default))
    }

    /// A positive number that must be there.
    pub fn required(self, name: &str) -> Result<f64> {
        self.positive(name)?.ok_or_else(|| Error::new(format!("{name} is missing")))
    }

    /// True or false, with the family's default.
    pub fn flag_or(self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(Error::new(format!("{name} is {other}, expected true or false"))),
        }
    }

    /// A text.
    pub fn text(self, name: &str) -> Result<Option<&'a str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Error::new(format!("{name} is {}, expected a text", kind(other)))),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
