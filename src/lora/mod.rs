//! Adapters: low-rank changes of a base's weights, as peft stores them.
//!
//! An [`Adapter`] is read without its base ([`files`]), changed and put together with others
//! ([`combine`]), measured ([`norms`]) and laid beside a base's weights ([`apply`]).

pub mod apply;
pub mod combine;
pub mod config;
mod fields;
pub mod files;
pub mod norms;
pub mod part;
pub mod patterns;
mod refused;
pub mod targets;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use candle_core::Tensor;

use self::config::AdapterConfig;
use crate::error::{Error, Result};
use crate::model::weights::modules::Modules;

/// An adapter: for some linear modules of a base a change of their weights. Cheap to clone.
#[derive(Clone)]
pub struct Adapter {
    name: Arc<str>,
    config: Arc<AdapterConfig>,
    /// How the base's families name their modules, and what stands before the names.
    names: &'static Modules,
    prefix: &'static str,
    modules: Arc<BTreeMap<Place, Factors>>,
}

/// A module's place: its layer, and its index among the modules of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The layer.
    pub layer: usize,
    /// Index into [`Modules::inner`].
    pub index: usize,
}

/// The change of one module's weight: s·B·A, and DoRA's magnitude. All float32.
#[derive(Debug, Clone)]
pub struct Factors {
    /// A: [r, in]
    pub a: Tensor,
    /// B: [out, r]
    pub b: Tensor,
    /// s
    pub scale: f64,
    /// [out], where the adapter is a DoRA.
    pub magnitude: Option<Tensor>,
}

impl Factors {
    /// r
    pub fn rank(&self) -> usize {
        self.a.dims().first().copied().unwrap_or(0)
    }

    /// The size [out, in] of the weight that is changed.
    pub fn size(&self) -> (usize, usize) {
        let first = |tensor: &Tensor, axis: usize| tensor.dims().get(axis).copied().unwrap_or(0);
        (first(&self.b, 0), first(&self.a, 1))
    }

    /// Numbers in A, B and the magnitude.
    pub fn n_parameters(&self) -> usize {
        let magnitude = self.magnitude.as_ref().map_or(0, Tensor::elem_count);
        self.a.elem_count() + self.b.elem_count() + magnitude
    }

    /// Fails where A is not [r, in] or B not [out, r], or the magnitude not [out].
    fn check(&self) -> Result<()> {
        let (out, input) = self.size();
        let rank = self.rank();
        let fits = self.a.dims() == [rank, input]
            && self.b.dims() == [out, rank]
            && self.magnitude.as_ref().is_none_or(|magnitude| magnitude.dims() == [out]);
        match fits && rank > 0 {
            true => Ok(()),
            false => Err(Error::new(format!(
                "A {:?} and B {:?} make no change of a weight, expected [r, in] and [out, r]",
                self.a.dims(),
                self.b.dims()
            ))),
        }
    }
}

impl Adapter {
    /// An adapter of these modules. `names` and `prefix` say what the base calls them. Where the
    /// configuration's method, ranks, α or targets do not say what the modules are, they are made to.
    ///
    /// # Errors
    /// A place that `names` does not have, factors that do not fit each other, or a magnitude in some
    /// modules and not in others.
    pub fn new(
        name: &str,
        config: AdapterConfig,
        names: &'static Modules,
        prefix: &'static str,
        modules: BTreeMap<Place, Factors>,
    ) -> Result<Self> {
        let mut named = Vec::with_capacity(modules.len());
        let mut is_transposed = false;
        for (place, factors) in &modules {
            let Some(module) = names.inner.get(place.index) else {
                return Err(Error::new(format!("a layer has no module {}", place.index)));
            };
            let module_name = names.name(prefix, place.layer, module);
            factors.check().map_err(|error| error.within(&module_name))?;
            is_transposed |= module.is_transposed;
            named.push((module_name, factors));
        }
        let magnitudes = modules.values().filter(|factors| factors.magnitude.is_some()).count();
        if magnitudes > 0 && magnitudes < modules.len() {
            return Err(Error::new(format!(
                "{magnitudes} of {} modules have a DoRA magnitude, expected all or none",
                modules.len()
            )));
        }
        let config = combine::describe(config, &named, is_transposed)?;
        Ok(Self { name: name.into(), config: config.into(), names, prefix, modules: modules.into() })
    }

    /// What it is called: its reference, or how it was made from others.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is laid beside its base.
    pub fn config(&self) -> &AdapterConfig {
        &self.config
    }

    /// The changed modules, by layer and in the order of a forward.
    pub fn modules(&self) -> &BTreeMap<Place, Factors> {
        &self.modules
    }

    /// A module's whole name in the base: `model.layers.3.self_attn.q_proj`.
    pub fn module_name(&self, place: Place) -> String {
        match self.names.inner.get(place.index) {
            Some(module) => self.names.name(self.prefix, place.layer, module),
            None => String::new(),
        }
    }

    /// A module's name inside its layer: `self_attn.q_proj`.
    pub fn inner_name(&self, place: Place) -> &'static str {
        self.names.inner.get(place.index).map_or("", |module| module.name)
    }

    /// Numbers in all modules.
    pub fn n_parameters(&self) -> usize {
        self.modules.values().map(Factors::n_parameters).sum()
    }

    /// True where modules have a magnitude.
    pub fn is_dora(&self) -> bool {
        self.modules.values().any(|factors| factors.magnitude.is_some())
    }

    /// The layers that have a changed module, in order.
    pub fn layers(&self) -> Vec<usize> {
        let mut layers: Vec<usize> = self.modules.keys().map(|place| place.layer).collect();
        layers.dedup();
        layers
    }

    /// The smallest and the largest rank; `None` where no module is changed.
    pub fn ranks(&self) -> Option<(usize, usize)> {
        let ranks = || self.modules.values().map(Factors::rank);
        ranks().min().zip(ranks().max())
    }
}

impl fmt::Display for Adapter {
    /// One line: name, method, rank and size.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = if self.is_dora() { "DoRA" } else { "LoRA" };
        let Some((least, most)) = self.ranks() else {
            return write!(f, "{}: no changed modules", self.name);
        };
        let ranks = if least == most { format!("rank {least}") } else { format!("ranks {least} to {most}") };
        let counted =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        write!(
            f,
            "{}: {method} of {ranks} on {} in {}, {} parameters",
            self.name,
            counted(self.modules.len(), "module"),
            counted(self.layers().len(), "layer"),
            self.n_parameters()
        )
    }
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
