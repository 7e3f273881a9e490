//! Options of trainings.

use rhai::{Dynamic, Map};

use crate::error::{Error, Result};
use crate::lora::part::Parts;
use crate::lora::patterns::Pattern;
use crate::lora::targets::{Selector, Targets};
use crate::script::options::{Options, argument};
use crate::script::value::{FromScript, describe};
use crate::train::grpo::GrpoOptions;
use crate::train::lora::LoraOptions;
use crate::train::optimizer::Rule;
use crate::train::ppo::PpoOptions;
use crate::train::ppo::control::KlOptions;
use crate::train::schedule::{Schedule, Shape};
use crate::train::trainer::TrainerOptions;

/// The options of a fresh adapter.
pub fn lora(given: Map, seed: u64) -> Result<LoraOptions> {
    let mut options = Options::of("lora", given);
    let rank = options.get("rank", 64usize)?;
    let read = LoraOptions {
        rank,
        alpha: options.get("alpha", 32.0)?,
        dropout: options.get("dropout", 0.0)?,
        targets: Targets {
            modules: targets(&options.get("targets", Dynamic::from("all-linear"))?)?,
            exclude: match options.maybe::<Dynamic>("exclude")? {
                Some(value) => Some(targets(&value)?),
                None => None,
            },
            layers: match options.maybe::<Dynamic>("layers")? {
                Some(value) => Some(layers(&value)?),
                None => None,
            },
            layers_pattern: Vec::new(),
        },
        parts: match options.maybe::<Dynamic>("parts")? {
            Some(value) => Some(match String::from_script(&value) {
                Some(part) => part.parse()?,
                None => Parts::new(&argument::<Vec<String>>("lora", "parts", &value)?)?,
            }),
            None => None,
        },
        seed: options.get("seed", seed)?,
        name: options.get("name", "adapter".to_owned())?,
    };
    options.finish()?;
    // peft takes layers beside a list of names alone; a regular expression says its layers itself.
    if read.targets.layers.is_some() && matches!(read.targets.modules, Selector::Regex(_)) {
        return Err(Error::new("lora: layers go with a list of names or \"all-linear\"")
            .hint("a regular expression fits whole names, so it can choose the layers itself"));
    }
    Ok(read)
}

fn targets(value: &Dynamic) -> Result<Selector> {
    if let Some(names) = Vec::<String>::from_script(value) {
        return Ok(Selector::Names(names));
    }
    match String::from_script(value).as_deref() {
        Some("all-linear") => Ok(Selector::AllLinear),
        Some(pattern) => Ok(Selector::Regex(Pattern::whole(pattern)?)),
        None => Err(Error::new(format!(
            "lora: option \"targets\": expected \"all-linear\", an array of module names or a regular expression, found {}",
            describe(value)
        ))),
    }
}

/// A layer, an array of layers, or a range of them.
fn layers(value: &Dynamic) -> Result<Vec<usize>> {
    let fault = || {
        Error::new(format!(
            "lora: option \"layers\": expected layers from 0 on, as an array or a range, found {}",
            describe(value)
        ))
    };
    if let Some(range) = value.read_lock::<std::ops::Range<i64>>() {
        return span(range.start, range.end).ok_or_else(fault);
    }
    if let Some(range) = value.read_lock::<std::ops::RangeInclusive<i64>>() {
        return span(*range.start(), range.end().saturating_add(1)).ok_or_else(fault);
    }
    if let Some(layer) = usize::from_script(value) {
        return Ok(vec![layer]);
    }
    Vec::<usize>::from_script(value).filter(|layers| !layers.is_empty()).ok_or_else(fault)
}

fn span(start: i64, end: i64) -> Option<Vec<usize>> {
    const MOST: i64 = 1 << 16;
    (start >= 0 && start < end && end <= MOST).then(|| (start as usize..end as usize).collect())
}

/// The options of a supervised training.
pub fn trainer(given: Map, seed: u64) -> Result<TrainerOptions> {
    let mut options = Options::of("trainer", given);
    let is_sgd = options.choice("optimizer", &[("adamw", false), ("sgd", true)])?;
    let betas = options.get("betas", vec![0.9, 0.999])?;
    let &[beta1, beta2] = betas.as_slice() else {
        return Err(Error::new(format!(
            "trainer: option \"betas\": expected two numbers, found {}",
            betas.len()
        )));
    };
    let (eps, momentum) = (options.get("eps", 1e-8)?, options.get("momentum", 0.0)?);
    let weight_decay = options.get("weight_decay", if is_sgd { 0.0 } else { 0.01 })?;
    let read = TrainerOptions {
        rule: match is_sgd {
            true => Rule::Sgd { momentum, weight_decay },
            false => Rule::AdamW { beta1, beta2, eps, weight_decay },
        },
        schedule: Schedule {
            rate: options.get("lr", 1e-4)?,
            shape: options.choice(
                "schedule",
                &[("constant", Shape::Constant), ("linear", Shape::Linear), ("cosine", Shape::Cosine)],
            )?,
            warmup: options.get("warmup", 0u64)?,
            steps: options.get("steps", 0u64)?,
        },
        clip: options.maybe("clip")?,
        accumulate: options.get("accumulate", 1usize)?,
        seed: options.get("seed", seed)?,
    };
    options.finish()?;
    Ok(read)
}

/// The options of PPO.
pub fn ppo(given: Map, seed: u64) -> Result<PpoOptions> {
    let mut options = Options::of("ppo", given);
    let default = PpoOptions::default();
    let kl = KlOptions::default();
    let read = PpoOptions {
        rate: options.get("lr", default.rate)?,
        epochs: options.get("epochs", default.epochs)?,
        minibatch: options.maybe("minibatch")?,
        gamma: options.get("gamma", default.gamma)?,
        lambda: options.get("lambda", default.lambda)?,
        clip: options.get("clip", default.clip)?,
        value_clip: options.get("value_clip", default.value_clip)?,
        value_weight: options.get("value_weight", default.value_weight)?,
        ratio_limit: options.get("ratio_limit", default.ratio_limit)?,
        kl: KlOptions {
            start: options.get("kl", kl.start)?,
            is_adaptive: options.get("adaptive_kl", kl.is_adaptive)?,
            target: options.get("kl_target", kl.target)?,
            horizon: options.get("kl_horizon", kl.horizon)?,
        },
        scale_scores: options.get("scale_scores", default.scale_scores)?,
        normalise_scores: options.get("normalise_scores", default.normalise_scores)?,
        clip_norm: options.maybe("clip_norm")?,
        seed: options.get("seed", seed)?,
        shuffle: options.get("shuffle", default.shuffle)?,
    };
    options.finish()?;
    Ok(read)
}

/// The options of GRPO.
pub fn grpo(given: Map) -> Result<GrpoOptions> {
    let mut options = Options::of("grpo", given);
    let default = GrpoOptions::default();
    let read = GrpoOptions {
        rate: options.get("lr", default.rate)?,
        epochs: options.get("epochs", default.epochs)?,
        clip: options.get("clip", default.clip)?,
        beta: options.get("beta", default.beta)?,
        clip_norm: options.maybe("clip_norm")?,
    };
    options.finish()?;
    Ok(read)
}
