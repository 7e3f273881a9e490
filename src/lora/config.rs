//! `adapter_config.json` as peft stores it (checked against peft 0.21).
//!
//! What mora does not compute is refused by name: an option that is set and would change the numbers must
//! not pass in silence.

use serde_json::{Map, Value, json};

use super::patterns::Pattern;
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

/// Options that are refused where they are set, and what they would do.
const REFUSED: [(&str, &str); 12] = [
    ("modules_to_save", "whole modules trained beside the adapter"),
    ("trainable_token_indices", "trained rows of the embedding"),
    ("lora_bias", "biases in lora_B"),
    ("alora_invocation_tokens", "activated LoRA, which changes some positions alone"),
    ("layer_replication", "replicated layers"),
    ("target_parameters", "adapted parameters outside linear modules"),
    ("use_qalora", "QALoRA"),
    ("use_bdlora", "block-diagonal LoRA"),
    ("arrow_config", "Arrow routing"),
    ("kasa_config", "KaSA"),
    ("velora_config", "VeLoRA"),
    ("monteclora_config", "MonteCLoRA"),
];

/// Options that change no number of a finished adapter.
const WITHOUT_EFFECT: [&str; 13] = [
    "auto_mapping",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "inference_mode",
    "loftq_config",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "merge_weights",
    "peft_version",
    "qalora_group_size",
    "runtime_config",
];

/// Options that [`AdapterConfig::from_json`] reads.
const READ: [&str; 18] = [
    "peft_type",
    "task_type",
    "base_model_name_or_path",
    "revision",
    "r",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "rank_pattern",
    "alpha_pattern",
    "use_rslora",
    "use_dora",
    "fan_in_fan_out",
    "bias",
    "init_lora_weights",
];

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
            rank_pattern: fields.patterns("rank_pattern", rank)?,
            alpha_pattern: fields.patterns("alpha_pattern", number)?,
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
                layers: fields.layers()?,
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

/// Refuses what mora does not compute.
fn refuse(fields: Fields) -> Result<()> {
    for (name, what) in REFUSED {
        if fields.get(name).is_some_and(is_set) {
            return Err(Error::new(format!("{name} is set: {what} are not supported"))
                .hint("merge the adapter into its base with peft and open the merged model"));
        }
    }
    match fields.text("bias")? {
        None | Some("none") => {}
        Some(bias) => {
            return Err(Error::new(format!(
                "bias is \"{bias}\", expected \"none\": trained biases are not supported"
            )));
        }
    }
    match fields.get("init_lora_weights") {
        None | Some(Value::Bool(_)) => {}
        Some(Value::String(name)) if ["gaussian", "eva", "orthogonal", "mica"].contains(&name.as_str()) => {}
        Some(Value::String(name))
            if ["pissa", "olora", "corda", "loftq", "lora_ga"]
                .iter()
                .any(|known| name.starts_with(known)) =>
        {
            return Err(Error::new(format!(
                "init_lora_weights is \"{name}\", which changed the base's weights: the adapter does not fit the base as it is stored"
            ))
            .hint("in peft, save_pretrained(…, path_initial_model_for_weight_conversion=…) makes a plain LoRA of it"));
        }
        Some(other) => {
            return Err(Error::new(format!(
                "init_lora_weights is {}, which mora does not know",
                brief(other)
            )));
        }
    }
    let known = |name: &str| READ.contains(&name) || WITHOUT_EFFECT.contains(&name);
    match fields.0.iter().find(|(name, value)| !known(name) && is_set(value)) {
        None => Ok(()),
        Some((name, value)) => Err(Error::new(format!(
            "{name} is {}: mora does not know this option and cannot tell what it changes",
            brief(value)
        ))),
    }
}

/// Neither absent nor one of the values that switch an option off.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

/// The configuration's object; `null` counts as absent.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn needed(self, name: &str) -> Result<&'a Value> {
        self.get(name).ok_or_else(|| Error::new(format!("no {name}")))
    }

    fn text(self, name: &str) -> Result<Option<&'a str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Error::new(format!("{name} is {}, expected a text", brief(other)))),
        }
    }

    fn flag(self, name: &str) -> Result<bool> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(Error::new(format!("{name} is {}, expected true or false", brief(other)))),
        }
    }

    fn number(self, name: &str) -> Result<Option<f64>> {
        self.get(name).map(|value| number(name, value)).transpose()
    }

    fn patterns<T>(self, name: &str, read: impl Fn(&str, &Value) -> Result<T>) -> Result<Vec<(Pattern, T)>> {
        match self.get(name) {
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

    fn layers(self) -> Result<Option<Vec<usize>>> {
        let name = "layers_to_transform";
        let index = |value: &Value| match value.as_u64() {
            Some(layer) if layer <= u64::from(u32::MAX) => Ok(layer as usize),
            _ => Err(Error::new(format!("{name} holds {}, expected layers counted from 0", brief(value)))),
        };
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(list)) if list.is_empty() => Ok(None),
            Some(Value::Array(list)) => list.iter().map(index).collect::<Result<_>>().map(Some),
            Some(other) => Ok(Some(vec![index(other)?])),
        }
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

/// A text, or a list of texts.
fn texts(name: &str, value: &Value) -> Result<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(Error::new(format!("{name} holds {}, expected a text", brief(other)))),
    };
    match value {
        Value::Array(list) => list.iter().map(text).collect(),
        other => Ok(vec![text(other)?]),
    }
}

fn rank(name: &str, value: &Value) -> Result<usize> {
    match value.as_u64() {
        Some(rank @ 1..=MOST_RANK) => Ok(rank as usize),
        _ => Err(Error::new(format!("{name} is {}, expected a rank from 1 to {MOST_RANK}", brief(value)))),
    }
}

fn number(name: &str, value: &Value) -> Result<f64> {
    match value.as_f64() {
        Some(number) if number.is_finite() => Ok(number),
        _ => Err(Error::new(format!("{name} is {}, expected a number", brief(value)))),
    }
}

/// Whole numbers without a fraction, as peft writes α.
fn json_number(number: f64) -> Value {
    const EXACT: f64 = 9e15;
    if number.fract() == 0.0 && number.abs() < EXACT { json!(number as i64) } else { json!(number) }
}

/// A value for a message, cut where it is long.
fn brief(value: &Value) -> String {
    const SHOWN: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
