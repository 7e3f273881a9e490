//! What mora does not compute: an option that is set and would change the numbers must not pass in silence.

use serde_json::Value;

use super::fields::{Fields, brief, is_set};
use crate::error::{Error, Result};

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

/// Options that [`AdapterConfig::from_json`](super::config::AdapterConfig::from_json) reads.
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

/// Refuses what mora does not compute.
pub(super) fn refuse(fields: Fields) -> Result<()> {
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
