//! Which modules an adapter's configuration selects: `target_modules` and its relatives.

use serde_json::{Value, json};

use super::patterns::Pattern;
use crate::error::{Error, Result};

/// `target_modules`, `exclude_modules`, `layers_to_transform` and `layers_pattern`.
#[derive(Debug, Clone)]
pub struct Targets {
    /// The modules that are adapted…
    pub modules: Selector,
    /// …but for these…
    pub exclude: Option<Selector>,
    /// …in these layers alone, where they are given. Whole names in a list are taken as they are.
    pub layers: Option<Vec<usize>>,
    /// The word before a layer's number; any word where there is none.
    pub layers_pattern: Vec<Pattern>,
}

/// Module names, as peft lets one choose them.
#[derive(Debug, Clone)]
pub enum Selector {
    /// Whole names, or their ends behind a dot.
    Names(Vec<String>),
    /// A regular expression that fits the whole name.
    Regex(Pattern),
    /// Every linear module in the layers.
    AllLinear,
}

impl Targets {
    /// These modules by their whole names, and no other.
    pub fn exactly(names: Vec<String>) -> Self {
        Self { modules: Selector::Names(names), exclude: None, layers: None, layers_pattern: Vec::new() }
    }

    /// Fails where the parts contradict each other, as in peft.
    pub(super) fn check(&self) -> Result<()> {
        let is_list = matches!(self.modules, Selector::Names(_));
        if !is_list && self.layers.is_some() {
            return Err(Error::new("layers_to_transform needs target_modules to be a list of names"));
        }
        if self.layers.is_none() && !self.layers_pattern.is_empty() {
            return Err(Error::new("layers_pattern needs layers_to_transform"));
        }
        if matches!(self.exclude, Some(Selector::AllLinear)) {
            return Err(Error::new("exclude_modules is \"all-linear\", which leaves nothing to adapt"));
        }
        Ok(())
    }

    /// True where the linear module of this whole name is adapted.
    ///
    /// # Errors
    /// A regular expression that gives up on the name.
    pub fn selects(&self, module: &str) -> Result<bool> {
        if let Some(exclude) = &self.exclude
            && exclude.selects(module)?
        {
            return Ok(false);
        }
        let is_whole =
            matches!(&self.modules, Selector::Names(names) if names.iter().any(|name| name == module));
        match &self.layers {
            _ if !self.modules.selects(module)? => Ok(false),
            Some(layers) if !is_whole => {
                Ok(self.layer_of(module)?.is_some_and(|layer| layers.contains(&layer)))
            }
            _ => Ok(true),
        }
    }

    /// The layer's number in a module's name: behind a word that the pattern allows, the first there is.
    fn layer_of(&self, module: &str) -> Result<Option<usize>> {
        if self.layers_pattern.is_empty() {
            return Ok(first_number(module));
        }
        for pattern in &self.layers_pattern {
            if let Some(layer) = pattern.layer_of(module)? {
                return Ok(Some(layer));
            }
        }
        Ok(None)
    }
}

/// The first of a name's inner parts that is a number and has two parts before it, as peft looks for it.
fn first_number(module: &str) -> Option<usize> {
    let parts: Vec<&str> = module.split('.').collect();
    let inner = parts.get(2..parts.len().saturating_sub(1))?;
    inner.iter().find(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()))?.parse().ok()
}

impl Selector {
    /// True where the linear module of this whole name is meant.
    ///
    /// # Errors
    /// A regular expression that gives up on the name.
    pub fn selects(&self, module: &str) -> Result<bool> {
        match self {
            Selector::Names(names) => Ok(names.iter().any(|name| {
                module.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })),
            Selector::Regex(pattern) => pattern.is_match(module),
            Selector::AllLinear => Ok(true),
        }
    }

    /// As the configuration holds it.
    pub fn to_json(&self) -> Value {
        match self {
            Selector::Names(names) => json!(names),
            Selector::Regex(pattern) => json!(pattern.text()),
            Selector::AllLinear => json!("all-linear"),
        }
    }
}
