//! What scripts ask of a sweep, read from their options.

use std::ops::{Range, RangeInclusive};

use candle_core::Tensor;
use rhai::{Dynamic, Map};

use crate::error::{Error, Result};
use crate::interp::metric::{Metric, Scoring};
use crate::interp::sweep::{Align, Donor, Engine, Part, Plan, Session, Source, Spot, Sweep, Where};
use crate::model::Model;
use crate::model::prompt::Prompt;
use crate::script::bind::prompt::Prompts;
use crate::script::callback::Callbacks;
use crate::script::options::Options;
use crate::script::value::{FromScript, describe, from_script};
use crate::tensor::NamedTensor;
/// Where a sweep takes its values from, as scripts say it.
enum Origin {
    Run(Model, Vec<Prompt>),
    Zero,
    Mean(Vec<Prompt>),
    Fixed(Tensor),
    Add(Tensor),
}

impl Origin {
    fn read(model: &Model, prompts: &[Prompt], value: &Dynamic) -> Result<Self> {
        if let Some(other) = Model::from_script(value) {
            return Ok(Self::Run(other, prompts.to_vec()));
        }
        if let Some(tensor) = NamedTensor::from_script(value) {
            return Ok(Self::Fixed(tensor.into_tensor()));
        }
        if let Ok(name) = value.as_immutable_string_ref() {
            return match name.as_str() {
                "zero" => Ok(Self::Zero),
                "mean" => Ok(Self::Mean(prompts.to_vec())),
                _ => Err(not_an_origin(value)),
            };
        }
        if value.is_array() {
            return Ok(Self::Run(model.clone(), Prompts::read(model, value)?.prompts().to_vec()));
        }
        let Ok(map) = value.as_map_ref() else { return Err(not_an_origin(value)) };
        Self::of_map(model, prompts, map.clone())
    }

    fn of_map(model: &Model, prompts: &[Prompt], map: Map) -> Result<Self> {
        let mut fields = Options::of("patch_sweep: source", map);
        let origin = if let Some(from) = fields.maybe::<Vec<usize>>("resample")? {
            let chosen = from.iter().map(|&index| {
                prompts.get(index).cloned().ok_or_else(|| {
                    Error::new(format!("there is no prompt {index} to resample from")).hint(format!(
                        "there are {}: 0–{}",
                        prompts.len(),
                        prompts.len() - 1
                    ))
                })
            });
            Self::Run(model.clone(), chosen.collect::<Result<_>>()?)
        } else if let Some(over) = fields.maybe::<Dynamic>("mean")? {
            Self::Mean(Prompts::read(model, &over)?.prompts().to_vec())
        } else if let Some(vector) = fields.maybe::<NamedTensor>("add")? {
            let strength = fields.get("strength", 1.0)?;
            Self::Add((vector.into_tensor() * strength)?)
        } else {
            let other = fields.get("model", Dynamic::from(model.clone()))?;
            let other: Model = from_script("model", &other)?;
            let chosen = match fields.maybe::<Dynamic>("prompts")? {
                Some(value) => Prompts::read(&other, &value)?.prompts().to_vec(),
                None => prompts.to_vec(),
            };
            Self::Run(other, chosen)
        };
        fields.finish()?;
        Ok(origin)
    }
}

fn not_an_origin(value: &Dynamic) -> Error {
    Error::new(format!(
        "a source is a model, an array of prompts, \"zero\", \"mean\", a tensor or a map, found {}",
        describe(value)
    ))
    .hint("a map is #{ model, prompts }, #{ resample: [3, 4, …] }, #{ mean: prompts } or #{ add: vector, strength: 1.0 }")
}

/// The layers that an option names: an array, a range, one number.
fn layers(value: &Dynamic, n_layers: usize) -> Result<Vec<usize>> {
    let numbers: Vec<i64> = if let Some(range) = value.clone().try_cast::<RangeInclusive<i64>>() {
        range.take(n_layers + 1).collect()
    } else if let Some(range) = value.clone().try_cast::<Range<i64>>() {
        range.take(n_layers + 1).collect()
    } else if let Ok(number) = value.as_int() {
        vec![number]
    } else {
        from_script("layers", value)?
    };
    numbers
        .into_iter()
        .map(|number| {
            usize::try_from(number).ok().filter(|&layer| layer < n_layers).ok_or_else(|| {
                Error::new(format!("there is no layer {number}"))
                    .hint(format!("layers are 0–{}", n_layers - 1))
            })
        })
        .collect()
}

/// The parts of each cell: a set's name gives one cell a part, a list one cell an element, which may be a list.
pub fn cells_of(model: &Model, components: &Dynamic, layers: Option<&Dynamic>) -> Result<Vec<Vec<Part>>> {
    let config = model.decoder().config();
    let chosen = match layers {
        Some(value) => self::layers(value, config.n_layers())?,
        None => (0..config.n_layers()).collect(),
    };
    if let Ok(names) = components.as_immutable_string_ref() {
        if names.split('+').any(|name| name.trim() == "neurons") && layers.is_none() {
            return Err(Error::new("neurons are patched one by one, which takes long for all layers")
                .hint("name the layers: #{ components: \"neurons\", layers: 8 }"));
        }
        let parts = match names.parse::<Part>() {
            Ok(part) => vec![part],
            Err(_) => Part::set(&names, &chosen, config)?,
        };
        return Ok(parts.into_iter().map(|part| vec![part]).collect());
    }
    let part = |value: &Dynamic| -> Result<Part> {
        let part = from_script::<String>("a component", value)?.parse::<Part>()?;
        part.check(config)?;
        Ok(part)
    };
    let Ok(array) = components.as_array_ref() else {
        return Err(Error::new(format!(
            "components are a set like \"heads+mlp\" or an array of names, found {}",
            describe(components)
        )));
    };
    array
        .iter()
        .map(|value| match value.as_array_ref() {
            Ok(group) => group.iter().map(part).collect(),
            Err(_) => Ok(vec![part(value)?]),
        })
        .collect()
}

/// The spots that an option names.
fn spots(plan: &Plan, place: &Dynamic, align: Align) -> Result<Vec<Spot>> {
    if let Ok(text) = place.as_immutable_string_ref() {
        return match text.as_str() {
            "all" => Ok(vec![plan.spot(&Where::All, align)?]),
            "last" => Ok(vec![plan.spot(&Where::Last, align)?]),
            "each" => plan.each(align),
            words => Ok(vec![plan.spot(&Where::Words(words.to_string()), align)?]),
        };
    }
    if let Ok(map) = place.as_map_ref() {
        let named = map.iter().map(|(name, place)| match self::spots(plan, place, align)?.as_slice() {
            [spot] => Ok(Spot { label: name.to_string(), ..spot.clone() }),
            _ => Err(Error::new(format!("positions \"{name}\" are more than one choice"))),
        });
        return named.collect();
    }
    let indices = match place.as_int() {
        Ok(index) => vec![index],
        Err(_) => Vec::<i64>::from_script(place).ok_or_else(|| {
            Error::new(format!(
                "positions are \"all\", \"last\", \"each\", words of the prompts, an index or an array of \
                 indices, found {}",
                describe(place)
            ))
        })?,
    };
    Ok(vec![plan.spot(&Where::At(indices), align)?])
}

/// What both functions read from their options.
pub struct Request {
    pub model: Model,
    pub prompts: Prompts,
    origin: Origin,
    metric: Option<Metric>,
    closure: Option<rhai::FnPtr>,
    align: Align,
    positions: Dynamic,
    engine: Engine,
    budget: Option<usize>,
}

impl Request {
    pub fn read(model: Model, prompts: &Dynamic, options: &mut Options) -> Result<Self> {
        let prompts = Prompts::read(&model, prompts)?;
        let source = options.required::<Dynamic>("source")?;
        let origin = Origin::read(&model, prompts.prompts(), &source)?;
        let metric = options.required::<Dynamic>("metric")?;
        let (metric, closure) = match (Metric::from_script(&metric), rhai::FnPtr::from_script(&metric)) {
            (Some(metric), _) => (Some(metric), None),
            (_, Some(closure)) => (None, Some(closure)),
            _ => {
                return Err(Error::new(format!(
                    "a metric is answer_diff(\"a\", \"b\") and the like, or a closure on logits, found {}",
                    describe(&metric)
                )));
            }
        };
        let gibibytes = options.maybe::<f64>("memory")?;
        Ok(Self {
            origin,
            metric,
            closure,
            align: options.choice("align", &[("positions", Align::Positions), ("ends", Align::Ends)])?,
            positions: options.get("positions", Dynamic::from("all"))?,
            engine: options.choice("engine", &[("fast", Engine::Fast), ("naive", Engine::Naive)])?,
            budget: gibibytes.map(|gibibytes| (gibibytes.max(0.0) * (1u64 << 30) as f64) as usize),
            prompts,
            model,
        })
    }

    /// The sweep, without cells yet.
    pub fn sweep(&self) -> Result<Sweep<'_>> {
        // A closure reads the logits at each prompt's last position, as an entropy does.
        let metric = self.metric.clone().unwrap_or(Metric::Entropy);
        let scoring =
            |model: &Model, prompts: &[Prompt]| Scoring::new(metric.clone(), prompts, model.tokenizer());
        let donor = match &self.origin {
            Origin::Run(model, prompts) => Some(Donor { scoring: scoring(model, prompts)?, model, prompts }),
            _ => None,
        };
        let own = self.prompts.prompts();
        let plan = Plan::new(&self.model, own, scoring(&self.model, own)?, donor)?;
        let spots = spots(&plan, &self.positions, self.align)?;
        let source = match &self.origin {
            Origin::Run(..) => Source::Run,
            Origin::Zero => Source::Zero,
            Origin::Mean(prompts) => Source::Mean(prompts),
            Origin::Fixed(tensor) => Source::Fixed(tensor.clone()),
            Origin::Add(tensor) => Source::Add(tensor.clone()),
        };
        Ok(Sweep { plan, source, spots, engine: self.engine, budget: self.budget })
    }

    /// A session in which the closure, where there is one, gives the numbers.
    pub fn session<'a>(&'a self, callbacks: &'a Callbacks<'a>) -> Session<'a> {
        let Some(closure) = &self.closure else { return Session::default() };
        Session::judged(Box::new(move |table| {
            let logits = NamedTensor::named(table.whole()?, &["batch", "d_vocab"])?;
            let found: Dynamic = callbacks.call_for(closure, (logits,), || "the metric".to_string())?;
            match NamedTensor::from_script(&found) {
                Some(values) => {
                    Ok(values.into_tensor().to_dtype(candle_core::DType::F64)?.flatten_all()?.to_vec1()?)
                }
                None => from_script("the metric's result", &found),
            }
        }))
    }
}
