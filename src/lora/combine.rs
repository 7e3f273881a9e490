//! Adapters made from adapters: scaled, added, cut, and with parts of one in another.
//!
//! A sum is exact: A₁ above A₂ and B₁ beside B₂ make a path of rank r₁ + r₂ whose product is the sum.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::Tensor;

use super::config::AdapterConfig;
use super::part::Parts;
use super::patterns::Pattern;
use super::targets::Targets;
use super::{Adapter, Factors, Place};
use crate::error::{Context, Error, Result};

/// α and s·r may differ by roundings of a division and a product, and of a square root.
const ROUNDING: f64 = 1e-12;

impl Adapter {
    /// The adapter at another strength: every change times `factor`.
    ///
    /// # Errors
    /// A factor that is no number; a DoRA, whose change is not linear in its strength.
    pub fn scaled(&self, factor: f64) -> Result<Self> {
        if !factor.is_finite() {
            return Err(Error::new(format!("an adapter cannot be scaled by {factor}")));
        }
        self.refuse_dora("scaled")?;
        let modules = self
            .modules
            .iter()
            .map(|(place, factors)| (*place, Factors { scale: factors.scale * factor, ..factors.clone() }));
        self.derived(format!("{} * {factor}", bracketed(&self.name)), modules.collect())
    }

    /// The sum of two adapters: their ranks add up.
    ///
    /// # Errors
    /// Adapters of different bases; a DoRA.
    pub fn plus(&self, other: &Self) -> Result<Self> {
        self.refuse_dora("added")?;
        other.refuse_dora("added")?;
        self.check_same_base(other)?;
        let mut modules = (*self.modules).clone();
        for (place, factors) in other.modules.iter() {
            let sum = match modules.get(place) {
                Some(own) => sum(own, factors).within(|| self.module_name(*place))?,
                None => factors.clone(),
            };
            modules.insert(*place, sum);
        }
        self.derived(format!("{} + {}", self.name, bracketed(&other.name)), modules)
    }

    /// This adapter with its change of some parts replaced by another's. Where the other leaves a part
    /// alone, so does the result.
    ///
    /// # Errors
    /// Parts that neither adapter changes, adapters of different bases, or a LoRA and a DoRA.
    pub fn with_part(&self, parts: &Parts, other: &Self) -> Result<Self> {
        self.check_same_base(other)?;
        let (mine, others) = (self.places(parts), other.places(parts));
        if mine.is_empty() && others.is_empty() {
            return Err(Error::new(format!("neither {} nor {} changes {parts}", self.name, other.name))
                .hint(self.known_parts()));
        }
        let mut modules = (*self.modules).clone();
        modules.retain(|place, _| !mine.contains(place));
        modules.extend(
            other.modules.iter().filter(|(place, _)| others.contains(place)).map(|(p, f)| (*p, f.clone())),
        );
        self.derived(format!("{} with {parts} of {}", bracketed(&self.name), bracketed(&other.name)), modules)
    }

    /// The adapter with these parts of its change alone.
    ///
    /// # Errors
    /// Parts that it does not change.
    pub fn keep(&self, parts: &Parts) -> Result<Self> {
        let places = self.needed_places(parts)?;
        let mut modules = (*self.modules).clone();
        modules.retain(|place, _| places.contains(place));
        self.derived(format!("{} in {parts}", bracketed(&self.name)), modules)
    }

    /// The adapter without these parts of its change.
    ///
    /// # Errors
    /// Parts that it does not change.
    pub fn zero(&self, parts: &Parts) -> Result<Self> {
        let places = self.needed_places(parts)?;
        let mut modules = (*self.modules).clone();
        modules.retain(|place, _| !places.contains(place));
        self.derived(format!("{} without {parts}", bracketed(&self.name)), modules)
    }

    /// This adapter with other factors of the same shapes in each of its modules.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn map_factors(
        &self,
        mut change: impl FnMut(&Self, Place, &Factors) -> Result<Factors>,
    ) -> Result<Self> {
        let modules = self
            .modules
            .iter()
            .map(|(place, factors)| Ok((*place, change(self, *place, factors)?)))
            .collect::<Result<BTreeMap<_, _>>>()?;
        Ok(Self { modules: modules.into(), ..self.clone() })
    }

    /// The adapter under another name.
    pub fn named(&self, name: &str) -> Self {
        Self { name: name.into(), ..self.clone() }
    }

    /// An adapter of the same base.
    fn derived(&self, name: String, modules: BTreeMap<Place, Factors>) -> Result<Self> {
        let mut config = (*self.config).clone();
        // The targets may select modules of the base that are not known here, so they stand only for the
        // modules that they came with.
        if !modules.keys().eq(self.modules.keys()) {
            let names = modules.keys().map(|place| self.module_name(*place)).collect();
            config.targets = Targets::exactly(names);
        }
        Self::new(&name, config, self.names, self.prefix, modules)
    }

    fn places(&self, parts: &Parts) -> BTreeSet<Place> {
        self.modules.keys().copied().filter(|place| parts.holds(self, *place)).collect()
    }

    fn needed_places(&self, parts: &Parts) -> Result<BTreeSet<Place>> {
        let places = self.places(parts);
        match places.is_empty() {
            true => {
                Err(Error::new(format!("{} does not change {parts}", self.name)).hint(self.known_parts()))
            }
            false => Ok(places),
        }
    }

    /// The layers and modules that there are, as a hint.
    fn known_parts(&self) -> String {
        let (Some(first), Some(last)) = (self.modules.keys().next(), self.modules.keys().next_back()) else {
            return "it has no parts".to_owned();
        };
        let indices: BTreeSet<usize> = self.modules.keys().map(|place| place.index).collect();
        let names: Vec<&str> = indices
            .iter()
            .filter_map(|&index| self.names.inner.get(index))
            .map(|module| module.name)
            .collect();
        format!("it changes {} in layers {} to {}", names.join(", "), first.layer, last.layer)
    }

    fn refuse_dora(&self, done: &str) -> Result<()> {
        match self.is_dora() {
            true => Err(Error::new(format!(
                "{} is a DoRA and cannot be {done}: its change depends on the base's weights and is not linear",
                self.name
            ))
            .hint("merge it into its base: base.merged(adapter)")),
            false => Ok(()),
        }
    }

    pub(super) fn check_same_base(&self, other: &Self) -> Result<()> {
        let fault = |why: String| {
            Error::new(format!("{} and {} are adapters of different bases: {why}", self.name, other.name))
        };
        if !std::ptr::eq(self.names, other.names) {
            let first =
                |adapter: &Self| adapter.modules.keys().next().map(|place| adapter.module_name(*place));
            return Err(fault(format!(
                "their modules are named like {} and {}",
                first(self).unwrap_or_default(),
                first(other).unwrap_or_default()
            )));
        }
        for (place, factors) in self.modules.iter() {
            if let Some(others) = other.modules.get(place)
                && factors.size() != others.size()
            {
                let ((a, b), (c, d)) = (factors.size(), others.size());
                let name = self.module_name(*place);
                return Err(fault(format!("{name} is [{a}, {b}] to one and [{c}, {d}] to the other")));
            }
        }
        Ok(())
    }
}

/// A + B as one path. Where the scales are equal, A and B stay as they are.
fn sum(one: &Factors, other: &Factors) -> Result<Factors> {
    let a = Tensor::cat(&[&one.a, &other.a], 0)?;
    if one.scale == other.scale {
        let b = Tensor::cat(&[&one.b, &other.b], 1)?;
        return Ok(Factors { a, b, scale: one.scale, magnitude: None });
    }
    let b = Tensor::cat(&[(&one.b * one.scale)?, (&other.b * other.scale)?], 1)?;
    Ok(Factors { a, b, scale: 1.0, magnitude: None })
}

/// A name as a part of another.
fn bracketed(name: &str) -> String {
    if name.contains(' ') { format!("({name})") } else { name.to_owned() }
}

/// `config` with ranks, α, method and targets that say what `modules`, by their whole names, are. What
/// says so already stays as it is.
pub(super) fn describe(
    mut config: AdapterConfig,
    modules: &[(String, &Factors)],
    is_transposed: bool,
) -> Result<AdapterConfig> {
    config.use_dora = modules.iter().any(|(_, factors)| factors.magnitude.is_some());
    config.fan_in_fan_out = is_transposed;
    if !says_sizes(&config, modules)? {
        let sizes: Vec<(&str, usize, f64)> = modules
            .iter()
            .map(|(name, factors)| {
                let rank = factors.rank();
                (name.as_str(), rank, whole(factors.scale * config.divisor(rank)))
            })
            .collect();
        config.rank = commonest(sizes.iter().map(|(_, rank, _)| *rank)).unwrap_or(config.rank);
        let alpha = commonest(sizes.iter().map(|(.., alpha)| alpha.to_bits()));
        config.alpha = alpha.map_or(config.alpha, f64::from_bits);
        (config.rank_pattern, config.alpha_pattern) = (Vec::new(), Vec::new());
        for (name, rank, alpha) in sizes {
            if rank != config.rank {
                config.rank_pattern.push((Pattern::of_name(name)?, rank));
            }
            if alpha != config.alpha {
                config.alpha_pattern.push((Pattern::of_name(name)?, alpha));
            }
        }
    }
    // peft warns of patterns for modules that are not there.
    let names = || modules.iter().map(|(name, _)| name.as_str());
    config.rank_pattern = matching(config.rank_pattern, names)?;
    config.alpha_pattern = matching(config.alpha_pattern, names)?;
    for (name, _) in modules {
        if !config.targets.selects(name)? {
            config.targets = Targets::exactly(modules.iter().map(|(name, _)| name.clone()).collect());
            break;
        }
    }
    Ok(config)
}

/// The patterns that fit any of the names.
fn matching<'a, T, N: Iterator<Item = &'a str>>(
    patterns: Vec<(Pattern, T)>,
    names: impl Fn() -> N,
) -> Result<Vec<(Pattern, T)>> {
    let mut kept = Vec::with_capacity(patterns.len());
    for entry in patterns {
        for name in names() {
            if entry.0.is_match(name)? {
                kept.push(entry);
                break;
            }
        }
    }
    Ok(kept)
}

/// True where the configuration gives every module the rank and scale that it has.
fn says_sizes(config: &AdapterConfig, modules: &[(String, &Factors)]) -> Result<bool> {
    for (name, factors) in modules {
        let scale = config.scale_of(name, factors.rank())?;
        if config.rank_of(name)? != factors.rank()
            || (scale - factors.scale).abs() > ROUNDING * factors.scale.abs()
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// α without the rounding that its way through the scale left.
fn whole(alpha: f64) -> f64 {
    match (alpha - alpha.round()).abs() <= ROUNDING * alpha.abs() {
        true => alpha.round(),
        false => alpha,
    }
}

/// The value that comes most often, the least of several.
fn commonest<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    let most = counts.values().copied().max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(value, _)| value)
}
