//! Checkpoints: one safetensors file that holds all that a training goes on from.
//!
//! Random choices of a training are made from its seed and the step's number, so the number is the random
//! state. A file takes the place of the one before it when it is whole: whoever is killed finds either.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{Device, Tensor};
use safetensors::SafeTensors;
use serde_json::{Value, json};

use super::optimizer::Optimizer;
use super::trainable::Parameter;
use crate::error::{Context, Error, Result};
use crate::save::write_whole;

/// The header's entry that holds everything but tensors.
const ENTRY: &str = "mora";

/// The state of a training.
#[derive(Debug)]
pub struct Checkpoint {
    /// What kind of training: "trainer", "ppo", "grpo".
    kind: String,
    /// The training's options.
    options: Value,
    /// Steps taken.
    pub step: u64,
    /// What the caller keeps beside it.
    pub state: Value,
    /// Numbers of the training itself, beside its tensors.
    pub inner: Value,
    tensors: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    /// A checkpoint without tensors.
    pub fn new(kind: &str, options: Value, step: u64, state: Value) -> Self {
        let kind = kind.to_owned();
        Self { kind, options, step, state, inner: Value::Null, tensors: BTreeMap::new() }
    }

    /// Adds tensors under a beginning of their names.
    pub fn add(&mut self, beginning: &str, tensors: impl IntoIterator<Item = (String, Tensor)>) {
        self.tensors.extend(tensors.into_iter().map(|(name, tensor)| (format!("{beginning}{name}"), tensor)));
    }

    /// Adds trained tensors.
    ///
    /// # Errors
    /// Where the device is out of memory.
    pub fn add_parameters(&mut self, parameters: &[Parameter]) -> Result<()> {
        self.add("parameter/", parameters.iter().map(|p| (p.name.clone(), p.var.as_detached_tensor())));
        Ok(())
    }

    /// Adds what an optimiser remembers.
    ///
    /// # Errors
    /// Where the device is out of memory.
    pub fn add_optimizer(&mut self, optimizer: &Optimizer) -> Result<()> {
        let (tensors, steps) = optimizer.state();
        let steps = steps.iter().map(|&step| step as i64).collect::<Vec<_>>();
        let steps = Tensor::new(steps, &Device::Cpu)?;
        self.add("optimizer/", tensors);
        self.add("optimizer_steps/", [("all".to_owned(), steps)]);
        Ok(())
    }

    /// Takes the tensors out whose names have a beginning, without it.
    pub fn take(&mut self, beginning: &str) -> BTreeMap<String, Tensor> {
        let names: Vec<String> =
            self.tensors.keys().filter(|name| name.starts_with(beginning)).cloned().collect();
        names
            .into_iter()
            .filter_map(|name| Some((name[beginning.len()..].to_owned(), self.tensors.remove(&name)?)))
            .collect()
    }

    /// Takes out what [`Checkpoint::add_optimizer`] added.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn take_optimizer(&mut self) -> Result<(BTreeMap<String, Tensor>, Vec<u64>)> {
        let steps = self.take("optimizer_steps/");
        let steps = steps.get("all").ok_or_else(|| Error::new("the optimiser's steps are missing"))?;
        let steps = steps.to_vec1::<i64>()?.into_iter().map(|step| step.max(0) as u64).collect();
        Ok((self.take("optimizer/"), steps))
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let told = json!({
            "kind": self.kind,
            "options": self.options,
            "step": self.step,
            "state": self.state,
            "inner": self.inner,
        });
        let info = HashMap::from([(ENTRY.to_owned(), exact(told).to_string())]);
        let tensors: candle_core::Result<Vec<(&str, Tensor)>> =
            self.tensors.iter().map(|(name, tensor)| Ok((name.as_str(), tensor.contiguous()?))).collect();
        let bytes =
            safetensors::serialize(tensors?, Some(info)).map_err(|error| Error::new(error.to_string()))?;
        write_whole(path, |file| Ok(file.write_all(&bytes)?))
    }
}

/// Reads the checkpoint of a training of this kind and these options; none where there is no file.
///
/// # Errors
/// A file that is damaged or no checkpoint; one of another kind of training or of other options.
pub fn read(path: &Path, kind: &str, options: &Value) -> Result<Option<Checkpoint>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::from(error).within(path.display())),
    };
    parse(&bytes, kind, options).within(|| path.display().to_string()).map(Some)
}

fn parse(bytes: &[u8], kind: &str, options: &Value) -> Result<Checkpoint> {
    let damaged = |error: safetensors::SafeTensorError| Error::new(error.to_string());
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let told = header.metadata().as_ref().and_then(|info| info.get(ENTRY));
    let told = told.ok_or_else(|| Error::new("the file is no checkpoint of a training"))?;
    let mut told = inexact(serde_json::from_str(told)?);
    let mut take = |name: &str| told.get_mut(name).map(Value::take).unwrap_or_default();
    let (found_kind, found) = (take("kind"), take("options"));
    if found_kind != kind {
        return Err(Error::new(format!(
            "a checkpoint of a {found_kind} training, expected one of \"{kind}\""
        )));
    }
    if let Some(difference) = difference("", &found, options) {
        return Err(Error::new(format!("the checkpoint is of a training with other options: {difference}"))
            .hint("go on with the options that it was begun with, or name another file"));
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let tensors = tensors
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let dtype = candle_core::DType::try_from(view.dtype()).within(|| name.clone())?;
            Ok((name, Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?))
        })
        .collect::<Result<_>>()?;
    let step = take("step").as_u64().ok_or_else(|| Error::new("the checkpoint does not say its step"))?;
    Ok(Checkpoint {
        kind: kind.to_owned(),
        options: found,
        step,
        state: take("state"),
        inner: take("inner"),
        tensors,
    })
}

/// What stands before the bits of a number that is not whole.
const BITS: &str = "f64:";

/// The value with its numbers as bits where they are not whole: a number read from its decimals may be
/// another by one unit in the last place, and a training that went on from it another training.
fn exact(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let bits = number.as_f64().unwrap_or_default().to_bits();
            format!("{BITS}{bits:016x}").into()
        }
        Value::Array(values) => values.into_iter().map(exact).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, exact(value))).collect(),
        other => other,
    }
}

/// The value that [`exact`] was given.
fn inexact(value: Value) -> Value {
    let number = |text: &str| {
        let bits = u64::from_str_radix(text.strip_prefix(BITS)?, 16).ok()?;
        Some(Value::from(f64::from_bits(bits)))
    };
    match value {
        Value::String(text) => number(&text).unwrap_or(Value::String(text)),
        Value::Array(values) => values.into_iter().map(inexact).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, inexact(value))).collect(),
        other => other,
    }
}

/// The first place where two values differ, in words.
fn difference(path: &str, found: &Value, wanted: &Value) -> Option<String> {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            let mut keys: Vec<&String> = found.keys().chain(wanted.keys()).collect();
            keys.sort();
            keys.dedup();
            keys.into_iter().find_map(|key| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let none = Value::Null;
                difference(&path, found.get(key).unwrap_or(&none), wanted.get(key).unwrap_or(&none))
            })
        }
        _ if found == wanted => None,
        _ => Some(format!("{path} was {found} and is {wanted}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_to_the_bit() {
        let mut random = crate::random::Random::new(1);
        let numbers: Vec<f64> =
            (0..2000).map(|_| random.normal() * 10f64.powf(random.normal() * 20.0)).collect();
        let value = json!({ "numbers": numbers, "text": "f64", "whole": 3, "deep": [{ "x": 0.1 }] });
        let text = exact(value.clone()).to_string();
        assert_eq!(serde_json::from_str(&text).map(inexact).ok(), Some(value));
    }
}
