//! Hooks: interventions and closures on sites, as scripts write them.

use candle_core::Tensor;
use rhai::{Dynamic, FnPtr, Map, NativeCallContext};

use crate::error::{Error, Result};
use crate::interp::cache::select_sites;
use crate::interp::intervene::{Edit, Intervention};
use crate::interp::positions::Positions;
use crate::model::Model;
use crate::model::activation::Activation;
use crate::model::site::{Site, SiteGlob};
use crate::model::tap::{Tap, Taps};
use crate::script::callback::Callbacks;
use crate::script::error::ScriptResult;
use crate::script::value::{FromScript, describe, script_value};
use crate::tensor::NamedTensor;

/// An edit with its heads and positions, not yet on a site.
#[derive(Debug, Clone)]
pub struct Hook {
    /// What is done.
    pub edit: Edit,
    /// On which heads; all where `None`.
    pub heads: Option<Vec<usize>>,
    /// At which positions.
    pub positions: Positions,
}

script_value!(Hook: "an intervention, such as zero_ablation()");

/// A closure that sees, and may replace, what its sites hold.
struct ClosureTap<'a> {
    sites: Vec<Site>,
    closure: FnPtr,
    callbacks: &'a Callbacks<'a>,
}

impl Tap for ClosureTap<'_> {
    fn wants(&self, site: &Site) -> bool {
        self.sites.contains(site)
    }

    fn edits(&self) -> bool {
        true
    }

    fn visit(&mut self, site: &Site, value: &Activation) -> Result<Option<Tensor>> {
        let value = NamedTensor::named(value.tensor()?, site.point.axes().names())?;
        let result: Dynamic =
            self.callbacks.call_for(&self.closure, (value,), || format!("the hook on {site}"))?;
        if result.is_unit() {
            return Ok(None);
        }
        match NamedTensor::from_script(&result) {
            Some(replacement) => Ok(Some(replacement.into_tensor())),
            None => Err(Error::new(format!(
                "a hook returns a tensor, or () to leave the value; this one returned {}",
                describe(&result)
            ))
            .hint("what it returns takes the value's place: `|value| value * 0.0` makes it zeros")),
        }
    }
}

/// Runs `work` under the hooks that a script gives; none for `()`.
///
/// # Errors
/// Those of `work`, what is no hook, and what a closure throws, with its place.
pub fn with_hooks<T>(
    call: &NativeCallContext,
    model: &Model,
    hooks: &Dynamic,
    work: impl FnOnce(&mut dyn Tap) -> Result<T>,
) -> ScriptResult<T> {
    let callbacks = Callbacks::new(call);
    let result = Hooks::read(model, hooks, &callbacks).and_then(|mut hooks| work(&mut hooks.tap()));
    callbacks.settle(result)
}

/// The taps of a script's hooks: a map from site globs to a closure, an intervention or an array of
/// these, or an array of such maps. They run in the order of the array, and in a map in that of its keys.
struct Hooks<'a>(Vec<Box<dyn Tap + 'a>>);

impl<'a> Hooks<'a> {
    fn read(model: &Model, value: &Dynamic, callbacks: &'a Callbacks<'a>) -> Result<Self> {
        let mut hooks = Self(Vec::new());
        if let Ok(map) = value.as_map_ref() {
            hooks.add_map(model, &map, callbacks)?;
        } else if let Ok(array) = value.as_array_ref() {
            for value in array.iter() {
                let map = value.as_map_ref().map_err(|_| not_hooks(value))?;
                hooks.add_map(model, &map, callbacks)?;
            }
        } else if !value.is_unit() {
            return Err(not_hooks(value));
        }
        Ok(hooks)
    }

    fn add_map(&mut self, model: &Model, map: &Map, callbacks: &'a Callbacks<'a>) -> Result<()> {
        for (glob, value) in map {
            let sites = select_sites(model.decoder(), &[glob.parse::<SiteGlob>()?])?;
            match value.as_array_ref() {
                Ok(array) => array.iter().try_for_each(|value| self.add(glob, &sites, value, callbacks))?,
                Err(_) => self.add(glob, &sites, value, callbacks)?,
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        glob: &str,
        sites: &[Site],
        value: &Dynamic,
        callbacks: &'a Callbacks<'a>,
    ) -> Result<()> {
        let sites = sites.to_vec();
        if let Some(closure) = FnPtr::from_script(value) {
            self.0.push(Box::new(ClosureTap { sites, closure, callbacks }));
        } else if let Some(Hook { edit, heads, positions }) = Hook::from_script(value) {
            self.0.push(Box::new(Intervention { sites, heads, positions, edit }));
        } else {
            return Err(Error::new(format!(
                "the hook on \"{glob}\" is a closure or an intervention, found {}",
                describe(value)
            ))
            .hint("write |act| act * 0.5, or zero_ablation()"));
        }
        Ok(())
    }

    /// All hooks as one tap.
    fn tap(&mut self) -> Taps<'_> {
        Taps::new(self.0.iter_mut().map(|tap| tap.as_mut() as &mut dyn Tap).collect())
    }
}

fn not_hooks(value: &Dynamic) -> Error {
    Error::new(format!("hooks are a map from sites to closures or interventions, found {}", describe(value)))
        .hint("write #{ \"blocks.8.hook_mlp_out\": |act| act * 0.0 }")
}
