//! Fresh adapters: which modules, of which rank, from which start.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use super::Trainable;
use crate::error::{Error, Result};
use crate::lora::config::AdapterConfig;
use crate::lora::part::Parts;
use crate::lora::targets::{Selector, Targets};
use crate::lora::{Adapter, Factors, Place};
use crate::model::Model;
use crate::model::weights::modules::{Modules, Sizes};
use crate::random::Random;

/// Largest rank that a fresh adapter may have.
const MOST_RANK: usize = 1 << 14;

/// A fresh adapter's shape.
#[derive(Debug, Clone)]
pub struct LoraOptions {
    /// r
    pub rank: usize,
    /// α; the change is scaled by α/r.
    pub alpha: f64,
    /// Share of the inputs that training leaves out.
    pub dropout: f64,
    /// The modules, as peft chooses them.
    pub targets: Targets,
    /// Of these the ones in such parts alone: `L11-L23_MLP`.
    pub parts: Option<Parts>,
    /// Seed of A's start.
    pub seed: u64,
    /// What the adapter is called.
    pub name: String,
}

/// A fresh adapter to be trained beside `model`'s weights. A starts uniform in ±1/√in, as peft starts it
/// (Kaiming's with a = √5), B at zero: the model is at first as it was.
///
/// # Errors
/// A rank of 0, a dropout outside 0 to 1, targets that fit no module.
pub fn fresh(model: &Model, options: LoraOptions) -> Result<Trainable> {
    let LoraOptions { rank, alpha, dropout, targets, parts, seed, name } = options;
    if rank == 0 || rank > MOST_RANK {
        return Err(Error::new(format!("a rank of {rank}, expected 1 to {MOST_RANK}")));
    }
    if !alpha.is_finite() {
        return Err(Error::new(format!("alpha is {alpha}, expected a number")));
    }
    if !(0.0..1.0).contains(&dropout) {
        return Err(Error::new(format!("a dropout of {dropout}, expected 0 to below 1")));
    }
    let base = model.base();
    let config = base.decoder().config();
    let names = Modules::of(&config.family);
    let prefix = names.prefixes[0];
    let sizes = Sizes::of(config);
    let device = base.decoder().device();
    let mut random = Random::new(seed);
    let mut modules = BTreeMap::new();
    let mut all_names = Vec::new();
    for layer in 0..config.n_layers() {
        for (index, module) in names.inner.iter().enumerate() {
            if !names.has(config, module) {
                continue;
            }
            let whole = names.name(prefix, layer, module);
            let is_meant = targets.selects(&whole)?
                && parts.as_ref().is_none_or(|parts| parts.holds_module(layer, module.name, &whole));
            all_names.push(whole);
            if !is_meant {
                continue;
            }
            let placed = sizes.place(module, layer)?;
            let bound = 1.0 / (placed.d_in as f64).sqrt();
            let a: Vec<f32> =
                (0..rank * placed.d_in).map(|_| ((2.0 * random.uniform() - 1.0) * bound) as f32).collect();
            let factors = Factors {
                a: Tensor::from_vec(a, (rank, placed.d_in), device)?,
                b: Tensor::zeros((placed.d_out, rank), DType::F32, device)?,
                scale: alpha / rank as f64,
                magnitude: None,
            };
            modules.insert(Place { layer, index }, factors);
        }
    }
    if modules.is_empty() {
        let what = match &parts {
            Some(parts) => format!("the targets fit no module in {parts}"),
            None => "the targets fit no module".to_owned(),
        };
        let shown: Vec<&str> = all_names.iter().take(7).map(String::as_str).collect();
        return Err(Error::new(format!("{what} of {}", base.reference()))
            .hint(format!("its modules are {}, …", shown.join(", "))));
    }
    // Kept as they were chosen where that says it all; otherwise by whole names.
    let targets = match (&targets.modules, &parts) {
        (_, Some(_)) | (Selector::Regex(_), _) => Targets::exactly(
            modules.keys().map(|p| names.name(prefix, p.layer, &names.inner[p.index])).collect(),
        ),
        _ => targets,
    };
    let adapter_config = AdapterConfig {
        base: Some(base.reference().to_owned()),
        revision: None,
        task: Some("CAUSAL_LM".to_owned()),
        rank,
        alpha,
        rank_pattern: Vec::new(),
        alpha_pattern: Vec::new(),
        use_rslora: false,
        use_dora: false,
        dropout,
        fan_in_fan_out: false,
        targets,
    };
    let adapter = Adapter::new(&name, adapter_config, names, prefix, modules)?;
    Trainable::adapter(&base, &adapter)
}
