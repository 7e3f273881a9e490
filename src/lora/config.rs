//! `adapter_config.json` as peft stores it (checked against peft 0.21).

use serde_json::{Map, Value, json};

use super::fields::{Fields, brief, is_set, number, texts};
use super::patterns::Pattern;
use super::refused::refuse;
use super::targets::{Selector, Targets};
use crate::error::{Context, Error, Result};

/// The configuration's file name.
pub const FILE: &str = "adapter_config.json";

/// Largest rank that is believed.
const MOST_RANK: u64 = 1 << 20;

/// How an adapter is laid beside its base.
#[derive(Debug, Clone)]
pub struct AdapterConfig {
    /// The base it was made for, as its maker called it.
    pub base: Option<String>,
    /// The base's revision.
    pub revision: Option<String>,
    /// peft's name for the task, such as `CAUSAL_LM`.
    pub task: Option<String>,
    /// Rank of modules that `rank_pattern` leaves alone.
    pub rank: usize,
    /// α of modules that `alpha_pattern` leaves alone.
    pub alpha: f64,
    /// Ranks of other modules; the first pattern that fits a module's name counts.
    pub rank_pattern: Vec<(Pattern, usize)>,
    /// α of other modules.
    pub alpha_pattern: Vec<(Pattern, f64)>,
    /// The scale is α/√r instead of α/r.
    pub use_rslora: bool,
    /// Modules have a magnitude beside A and B.
    pub use_dora: bool,
    /// Share of inputs that training leaves out.
    pub dropout: f64,
    /// Weights of the base are stored as [in, out]; says nothing about A and B.
    pub fan_in_fan_out: bool,
    /// Which modules are adapted.
    pub targets: Targets,
}

impl AdapterConfig {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Names the field that is missing, of another type, out of range, or that asks for what mora does not
    /// compute.
    pub fn from_json(json: &Value) -> Result<Self> {
        let Some(fields) = json.as_object() else {
            return Err(Error::new(format!("expected an object, found {}", brief(json))));
        };
        let fields = Fields(fields);
        match fields.text("peft_type")? {
            Some("LORA") => {}
            Some(other) => {
                return Err(Error::new(format!("peft_type is {other}, expected LORA"))
                    .hint("of peft's methods mora reads LoRA and DoRA"));
            }
            None => {
                return Err(Error::new("no peft_type, expected LORA").hint("is this an adapter's folder?"));
            }
        }
        refuse(fields)?;
        let alpha = match fields.number("lora_alpha")? {
            Some(alpha) => alpha,
            None => return Err(Error::new("no lora_alpha, expected a number")),
        };
        let config = Self {
            base: fields.text("base_model_name_or_path")?.map(str::to_owned),
            revision: fields.text("revision")?.map(str::to_owned),
            task: fields.text("task_type")?.map(str::to_owned),
            rank: rank("r", fields.needed("r")?)?,
            alpha,
            rank_pattern: patterns(fields, "rank_pattern", rank)?,
            alpha_pattern: patterns(fields, "alpha_pattern", number)?,
            use_rslora: fields.flag("use_rslora")?,
            use_dora: fields.flag("use_dora")?,
            dropout: fields.number("lora_dropout")?.unwrap_or(0.0),
            fan_in_fan_out: fields.flag("fan_in_fan_out")?,
            targets: Targets {
                modules: selector("target_modules", fields.needed("target_modules")?)?,
                exclude: match fields.get("exclude_modules").filter(|value| is_set(value)) {
                    Some(value) => Some(selector("exclude_modules", value)?),
                    None => None,
                },
                layers: layers(fields)?,
                layers_pattern: match fields.get("layers_pattern").filter(|value| is_set(value)) {
                    Some(value) => texts("layers_pattern", value)?
                        .iter()
                        .map(|name| Pattern::layers(name).within(|| "layers_pattern"))
                        .collect::<Result<_>>()?,
                    None => Vec::new(),
                },
            },
        };
        if !(0.0..1.0).contains(&config.dropout) {
            return Err(Error::new(format!("lora_dropout is {}, expected 0 to below 1", config.dropout)));
        }
        config.targets.check()?;
        Ok(config)
    }

    /// The configuration as peft reads it.
    pub fn to_json(&self) -> Value {
        let patterns = |entries: Vec<(&Pattern, Value)>| -> Value {
            entries
                .into_iter()
                .map(|(pattern, value)| (pattern.text().to_owned(), value))
                .collect::<Map<_, _>>()
                .into()
        };
        json!({
            "alpha_pattern": patterns(self.alpha_pattern.iter().map(|(p, alpha)| (p, json_number(*alpha))).collect()),
            "base_model_name_or_path": self.base,
            "bias": "none",
            "exclude_modules": self.targets.exclude.as_ref().map(Selector::to_json),
            "fan_in_fan_out": self.fan_in_fan_out,
            "inference_mode": true,
            "init_lora_weights": true,
            "layers_pattern": match self.targets.layers_pattern.as_slice() {
                [] => Value::Null,
                [pattern] => json!(pattern.text()),
                patterns => patterns.iter().map(Pattern::text).collect(),
            },
            "layers_to_transform": self.targets.layers,
            "lora_alpha": json_number(self.alpha),
            "lora_dropout": self.dropout,
            "peft_type": "LORA",
            "r": self.rank,
            "rank_pattern": patterns(self.rank_pattern.iter().map(|(p, rank)| (p, json!(rank))).collect()),
            "revision": self.revision,
            "target_modules": self.targets.modules.to_json(),
            "task_type": self.task,
            "use_dora": self.use_dora,
            "use_rslora": self.use_rslora,
        })
    }

    /// Rank of a module by its whole name.
    ///
    /// # Errors
    /// A pattern that gives up on the name.
    pub fn rank_of(&self, module: &str) -> Result<usize> {
        first_match(&self.rank_pattern, module, self.rank).within(|| "rank_pattern")
    }

    /// s of a module of rank `rank` by its whole name: α/r, or α/√r with `use_rslora`.
    ///
    /// # Errors
    /// A pattern that gives up on the name.
    pub fn scale_of(&self, module: &str, rank: usize) -> Result<f64> {
        let alpha = first_match(&self.alpha_pattern, module, self.alpha).within(|| "alpha_pattern")?;
        Ok(alpha / self.divisor(rank))
    }

    /// What α is divided by.
    pub(super) fn divisor(&self, rank: usize) -> f64 {
        if self.use_rslora { (rank as f64).sqrt() } else { rank as f64 }
    }
}

fn first_match<T: Copy>(patterns: &[(Pattern, T)], module: &str, default: T) -> Result<T> {
    for (pattern, value) in patterns {
        if pattern.is_match(module)? {
            return Ok(*value);
        }
    }
    Ok(default)
}

fn patterns<T>(
    fields: Fields,
    name: &str,
    read: impl Fn(&str, &Value) -> Result<T>,
) -> Result<Vec<(Pattern, T)>> {
    match fields.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(key, value)| {
                let pattern = Pattern::ending(key).within(|| name)?;
                Ok((pattern, read(&format!("{name}: {key}"), value)?))
            })
            .collect(),
        Some(other) => Err(Error::new(format!("{name} is {}, expected an object", brief(other)))),
    }
}

fn layers(fields: Fields) -> Result<Option<Vec<usize>>> {
    let name = "layers_to_transform";
    let index = |value: &Value| match value.as_u64() {
        Some(layer) if layer <= u64::from(u32::MAX) => Ok(layer as usize),
        _ => Err(Error::new(format!("{name} holds {}, expected layers counted from 0", brief(value)))),
    };
    match fields.get(name) {
        None => Ok(None),
        Some(Value::Array(list)) if list.is_empty() => Ok(None),
        Some(Value::Array(list)) => list.iter().map(index).collect::<Result<_>>().map(Some),
        Some(other) => Ok(Some(vec![index(other)?])),
    }
}

fn selector(name: &str, value: &Value) -> Result<Selector> {
    match value {
        Value::String(text) if text.eq_ignore_ascii_case("all-linear") => Ok(Selector::AllLinear),
        Value::String(text) => Ok(Selector::Regex(Pattern::whole(text).within(|| name)?)),
        Value::Array(_) => texts(name, value).map(Selector::Names),
        other => Err(Error::new(format!(
            "{name} is {}, expected a list of names, a regular expression or \"all-linear\"",
            brief(other)
        ))),
    }
}

fn rank(name: &str, value: &Value) -> Result<usize> {
    match value.as_u64() {
        Some(rank @ 1..=MOST_RANK) => Ok(rank as usize),
        _ => Err(Error::new(format!("{name} is {}, expected a rank from 1 to {MOST_RANK}", brief(value)))),
    }
}

/// Whole numbers without a fraction, as peft writes α.
fn json_number(number: f64) -> Value {
    const EXACT: f64 = 9e15;
    if number.fract() == 0.0 && number.abs() < EXACT { json!(number as i64) } else { json!(number) }
}
