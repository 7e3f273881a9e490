//! Laying an adapter beside a base's weights.

use candle_core::Tensor;

use super::{Adapter, Factors, Place};
use crate::error::{Context, Error, Result};
use crate::model::Model;
use crate::model::config::ArchConfig;
use crate::model::side_path::{Dropout, SidePath};
use crate::model::weights::modules::{Modules, Placed, Sizes};

/// The model with the adapter beside its weights, in place of the one it carries. The weights are shared.
///
/// # Errors
/// As [`Adapter::side_paths`].
pub fn with_adapter(model: &Model, adapter: &Adapter) -> Result<Model> {
    with_dropout(model, adapter, None)
}

/// The same, with a share of the adapter's inputs left out, as in training.
///
/// # Errors
/// As [`with_adapter`].
pub fn with_dropout(model: &Model, adapter: &Adapter, dropout: Option<Dropout>) -> Result<Model> {
    let mut paths = adapter.side_paths(model.decoder().config()).within(|| model.reference().to_owned())?;
    if let Some(dropout) = dropout {
        for (index, (_, path)) in paths.iter_mut().enumerate() {
            path.drop_inputs(dropout.of_module(index as u64));
        }
    }
    model
        .with_side_paths(adapter.name(), paths.iter().map(|(name, path)| (name.as_str(), path)))
        .within(|| adapter.name().to_owned())
}

impl Adapter {
    /// The side path beside each projection of a decoder that the adapter changes. A fused module's A
    /// serves all of its projections; B's rows are divided among them.
    ///
    /// # Errors
    /// An adapter of another base: other module names, layers or sizes than the decoder's (the first that
    /// does not fit is named); modules that the configuration targets and the adapter does not hold.
    pub fn side_paths(&self, config: &ArchConfig) -> Result<Vec<(String, SidePath)>> {
        let fault = |what: String| {
            let error = Error::new(format!("the adapter {} does not fit: {what}", self.name));
            match &self.config.base {
                Some(base) => error.hint(format!("it was made for {base}")),
                None => error,
            }
        };
        if !std::ptr::eq(self.names, Modules::of(&config.family)) {
            let first = self.modules.keys().next().map(|place| self.module_name(*place)).unwrap_or_default();
            return Err(fault(format!(
                "it changes modules such as {first}, which a {} does not have",
                config.family
            )));
        }
        if let Some(place) = self.modules.keys().find(|place| place.layer >= config.n_layers()) {
            return Err(fault(format!(
                "it changes layer {}, but the model has layers 0 to {}",
                place.layer,
                config.n_layers() - 1
            )));
        }
        let sizes = Sizes::of(config);
        let mut paths = Vec::new();
        for (place, factors) in self.modules.iter() {
            let name = self.module_name(*place);
            let Some(module) = self.names.inner.get(place.index) else { continue };
            let placed =
                sizes.place(module, place.layer).map_err(|error| fault(format!("{name}: {error}")))?;
            let (out, input) = factors.size();
            if (out, input) != (placed.d_out, placed.d_in) {
                return Err(fault(format!(
                    "{name} is [{}, {}], the adapter's B·A is [{out}, {input}]",
                    placed.d_out, placed.d_in
                )));
            }
            for path in side_paths(factors, placed) {
                paths.push(path.within(|| &name)?);
            }
        }
        let missing = self.missing(config)?;
        if let Some(first) = missing.first() {
            return Err(fault(format!(
                "it targets {} modules of the model that it does not hold, such as {first}",
                missing.len()
            )));
        }
        Ok(paths)
    }

    /// The modules of a decoder that the configuration targets and the adapter does not hold.
    fn missing(&self, config: &ArchConfig) -> Result<Vec<String>> {
        let targets = &self.config.targets;
        let mut missing = Vec::new();
        for layer in 0..config.n_layers() {
            for (index, module) in self.names.inner.iter().enumerate() {
                let name = self.names.name(self.prefix, layer, module);
                if !self.modules.contains_key(&Place { layer, index })
                    && self.names.has(config, module)
                    && targets.selects(&name)?
                {
                    missing.push(name);
                }
            }
        }
        Ok(missing)
    }
}

/// A module's paths, one for each projection.
fn side_paths(factors: &Factors, placed: Placed) -> impl Iterator<Item = Result<(String, SidePath)>> {
    placed.projections.into_iter().map(|projection| {
        let rows = |tensor: &Tensor| -> Result<Tensor> {
            Ok(match &projection.rows {
                Some(rows) => tensor.index_select(&Tensor::new(rows.as_slice(), tensor.device())?, 0)?,
                None => tensor.clone(),
            })
        };
        let magnitude = factors.magnitude.as_ref().map(rows).transpose()?;
        let path = SidePath::new(factors.a.clone(), rows(&factors.b)?, factors.scale, magnitude)?;
        Ok((projection.name, path))
    })
}
