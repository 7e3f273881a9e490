//! Positions as scripts write them.

use rhai::Dynamic;

use crate::error::{Error, Result};
use crate::interp::positions::Positions;
use crate::script::value::{FromScript, describe};

/// `"all"`, `"last"`, an index, an array of indices, or an array with an array of indices for each prompt.
pub fn positions(function: &str, value: &Dynamic) -> Result<Positions> {
    if let Ok(text) = value.as_immutable_string_ref() {
        match text.as_str() {
            "all" => return Ok(Positions::All),
            "last" => return Ok(Positions::Last),
            _ => {}
        }
    }
    if let Ok(index) = value.as_int() {
        return Ok(Positions::At(vec![index]));
    }
    if let Some(indices) = Vec::<i64>::from_script(value) {
        return Ok(Positions::At(indices));
    }
    if let Some(rows) = Vec::<Vec<usize>>::from_script(value) {
        return Ok(Positions::PerRow(rows));
    }
    Err(Error::new(format!(
        "{function}: positions are \"all\", \"last\", an index or an array of indices, found {}",
        describe(value)
    )))
}
