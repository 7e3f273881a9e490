//! What is trained: an adapter beside a frozen base, every weight of a model, or tensors that a loss uses with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Tensor, Var};

use crate::error::{Context, Error, Result};
use crate::lora::{Adapter, Factors, apply};
use crate::model::Model;
use crate::model::decoder::Decoder;
use crate::model::side_path::Dropout;
use crate::model::weights::Weights;

/// A tensor that training changes.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// What it is called in files: peft's name for an adapter's, the canonical one for a weight.
    pub name: String,
    /// The tensor.
    pub var: Var,
}

/// A model of which some tensors are trained. Copies share them.
#[derive(Clone)]
pub struct Trainable {
    /// The model as it was, without an adapter of its own.
    base: Model,
    parameters: Arc<Vec<Parameter>>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// An adapter whose factors are the parameters.
    Adapter(Adapter),
    /// All weights are the parameters.
    Full,
    /// Tensors of the caller's own: the model is frozen, and a loss uses them with it.
    Tensors,
}

impl Trainable {
    /// The factors of `adapter` beside `base`'s weights. They are copied: the adapter stays as it is.
    ///
    /// # Errors
    /// An adapter of another base.
    pub fn adapter(base: &Model, adapter: &Adapter) -> Result<Self> {
        let base = base.base();
        let mut parameters = Vec::new();
        let device = base.decoder().device().clone();
        let adapter = adapter.map_factors(|adapter, place, factors| {
            let mut variable = |ending: &str, tensor: &Tensor| -> Result<Tensor> {
                let var = Var::from_tensor(&tensor.detach().to_device(&device)?.to_dtype(DType::F32)?)?;
                let tensor = var.as_tensor().clone();
                parameters.push(Parameter { name: format!("{}.{ending}", adapter.module_name(place)), var });
                Ok(tensor)
            };
            Ok(Factors {
                a: variable("lora_A", &factors.a)?,
                b: variable("lora_B", &factors.b)?,
                scale: factors.scale,
                magnitude: match &factors.magnitude {
                    Some(magnitude) => Some(variable("lora_magnitude_vector", magnitude)?),
                    None => None,
                },
            })
        })?;
        apply::with_adapter(&base, &adapter)?;
        Ok(Self { base, parameters: parameters.into(), kind: Kind::Adapter(adapter) })
    }

    /// Every weight of `model`.
    ///
    /// # Errors
    /// A model that carries an adapter, or whose weights are not float32.
    pub fn full(model: &Model) -> Result<Self> {
        if let Some(adapter) = model.adapter() {
            return Err(Error::new(format!("{} carries the adapter {adapter}", model.reference()))
                .hint("train the adapter, or merge it first"));
        }
        if model.decoder().dtype() != DType::F32 {
            return Err(Error::new(format!(
                "the weights of {} are {}, and training changes them by less than that can hold",
                model.reference(),
                model.decoder().dtype().as_str()
            ))
            .hint("open the model in float32"));
        }
        let parameters = model
            .decoder()
            .weights()?
            .into_iter()
            .map(|(name, tensor)| Ok(Parameter { name, var: Var::from_tensor(&tensor)? }))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { base: model.clone(), parameters: parameters.into(), kind: Kind::Full })
    }

    /// Tensors of the caller's own beside a frozen `model`: a probe, a rotation, a steering vector. They are copied.
    ///
    /// # Errors
    /// No tensors, or one that is not of float32.
    pub fn tensors(model: &Model, tensors: BTreeMap<String, Tensor>) -> Result<Self> {
        if tensors.is_empty() {
            return Err(Error::new("there are no tensors to train"));
        }
        let device = model.decoder().device();
        let parameters = tensors
            .into_iter()
            .map(|(name, tensor)| {
                if tensor.dtype() != DType::F32 {
                    let dtype = tensor.dtype().as_str();
                    return Err(Error::new(format!("the tensor \"{name}\" is {dtype}, training wants f32"))
                        .hint("`.to_dtype(\"f32\")` converts it"));
                }
                let var = Var::from_tensor(&tensor.detach().to_device(device)?.copy()?)?;
                Ok(Parameter { name, var })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { base: model.clone(), parameters: parameters.into(), kind: Kind::Tensors })
    }

    /// True where tensors of the caller's own are trained.
    pub fn is_tensors(&self) -> bool {
        matches!(self.kind, Kind::Tensors)
    }

    /// The tensors that are trained, in a fixed order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Numbers that are trained.
    pub fn n_parameters(&self) -> usize {
        self.parameters.iter().map(|parameter| parameter.var.elem_count()).sum()
    }

    /// The share of all numbers, the base's and those trained beside it, that is trained: 0 to 1.
    pub fn share(&self) -> f64 {
        let frozen = match self.kind {
            Kind::Adapter(_) | Kind::Tensors => self.base.decoder().n_parameters(),
            Kind::Full => 0,
        };
        self.n_parameters() as f64 / (self.n_parameters() + frozen).max(1) as f64
    }

    /// The model as it was before training: with the adapter off.
    pub fn reference(&self) -> &Model {
        &self.base
    }

    /// The model whose forwards gradients flow back from. `dropout` is what an adapter's inputs lose.
    ///
    /// # Errors
    /// Where the device is out of memory.
    pub fn live(&self, dropout: Option<Dropout>) -> Result<Model> {
        match &self.kind {
            Kind::Adapter(adapter) => apply::with_dropout(&self.base, adapter, dropout),
            Kind::Full => {
                let tensors = self.parameters.iter().map(|p| (p.name.clone(), p.var.as_tensor().clone()));
                let mut weights = Weights::new(tensors.collect());
                let decoder = Decoder::new(self.base.decoder().config().clone(), &mut weights)?;
                Ok(self.base.with_decoder(decoder))
            }
            Kind::Tensors => Ok(self.base.clone()),
        }
    }

    /// The model as it is now, which further training leaves as it is.
    ///
    /// # Errors
    /// Where the device is out of memory.
    pub fn model(&self) -> Result<Model> {
        match &self.kind {
            Kind::Adapter(_) => {
                let adapter = self.current_adapter()?;
                apply::with_adapter(&self.base, &adapter)
            }
            Kind::Full => {
                let mut tensors = std::collections::HashMap::new();
                for Parameter { name, var } in self.parameters.iter() {
                    tensors.insert(name.clone(), var.as_detached_tensor().copy()?);
                }
                let config = self.base.decoder().config().clone();
                Ok(self.base.with_decoder(Decoder::new(config, &mut Weights::new(tensors))?))
            }
            Kind::Tensors => Ok(self.base.clone()),
        }
    }

    /// The adapter as it is now; further training leaves it as it is.
    ///
    /// # Errors
    /// Where no adapter is trained.
    pub fn current_adapter(&self) -> Result<Adapter> {
        let Kind::Adapter(adapter) = &self.kind else {
            return Err(match self.kind {
                Kind::Tensors => Error::new("tensors beside a model are trained: there is no adapter")
                    .hint("`.tensors` gives them as they are now"),
                _ => Error::new("all weights are trained: there is no adapter")
                    .hint("`.model` gives the model as it is now"),
            });
        };
        let copied = |tensor: &Tensor| -> Result<Tensor> { Ok(tensor.detach().copy()?) };
        adapter.map_factors(|_, _, factors| {
            Ok(Factors {
                a: copied(&factors.a)?,
                b: copied(&factors.b)?,
                scale: factors.scale,
                magnitude: factors.magnitude.as_ref().map(copied).transpose()?,
            })
        })
    }

    /// True where an adapter is trained, not the weights.
    pub fn is_adapter(&self) -> bool {
        matches!(self.kind, Kind::Adapter(_))
    }

    /// The share of an adapter's inputs that training leaves out, as its configuration says.
    pub fn dropout(&self) -> f64 {
        match &self.kind {
            Kind::Adapter(adapter) => adapter.config().dropout,
            Kind::Full | Kind::Tensors => 0.0,
        }
    }

    /// One line: what is trained, and how much of it there is.
    pub fn describe(&self) -> String {
        let what = match &self.kind {
            Kind::Adapter(adapter) => adapter.to_string(),
            Kind::Full => "all weights".to_owned(),
            Kind::Tensors => {
                let names: Vec<&str> =
                    self.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
                format!("{} beside the frozen weights", names.join(", "))
            }
        };
        format!(
            "{what} of {}: {} trained numbers, {:.3} % of all",
            self.base.title(),
            self.n_parameters(),
            100.0 * self.share()
        )
    }
}

/// Puts saved values back into parameters.
///
/// # Errors
/// Names the first parameter that is missing or of another shape, or the first value without a place.
pub fn restore(parameters: &[Parameter], mut values: BTreeMap<String, Tensor>) -> Result<()> {
    let mut found = Vec::with_capacity(parameters.len());
    for Parameter { name, var } in parameters {
        let Some(value) = values.remove(name) else {
            return Err(Error::new(format!("no tensor \"{name}\"")));
        };
        if value.dims() != var.dims() {
            let (is, expected) = (value.dims(), var.dims());
            return Err(Error::new(format!("tensor \"{name}\" is {is:?}, expected {expected:?}")));
        }
        found.push(value.to_device(var.device())?);
    }
    if let Some(name) = values.keys().next() {
        return Err(Error::new(format!("tensor \"{name}\" has no place here")));
    }
    for (Parameter { name, var }, value) in parameters.iter().zip(&found) {
        var.set(value).within(|| name.clone())?;
    }
    Ok(())
}
