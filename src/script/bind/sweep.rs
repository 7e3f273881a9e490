//! Patch sweeps and circuits.

use std::ops::{Range, RangeInclusive};

use candle_core::Tensor;
use rhai::plugin::*;
use rhai::{Dynamic, Map};

use crate::error::{Error, Result};
use crate::frame::{Column, Frame};
use crate::interp::metric::{Metric, Scoring};
use crate::interp::sweep::{
    Align, Cell, Direction, Donor, Effects, Engine, Greedy, Part, Plan, Receiver, Session, Source, Spot,
    Store, Sweep, Where,
};
use crate::model::Model;
use crate::model::prompt::Prompt;
use crate::script::bind::Room;
use crate::script::bind::prompt::Prompts;
use crate::script::callback::Callbacks;
use crate::script::options::Options;
use crate::script::value::{FromScript, describe, from_script, script_value};
use crate::tensor::NamedTensor;

/// The sweep room.
pub static ROOM: Room = Room {
    name: "sweep",
    about: "Patch sweeps: many components and positions patched one by one, and circuits found with them.",
    parts: &[&sweeps::RHAI_MANIFEST],
};

script_value! { Swept: "a sweep" }

/// What a sweep found, with the prompts' labels.
#[derive(Debug, Clone)]
pub struct Swept {
    effects: Effects,
    /// The other way, where both were asked for.
    reversed: Option<Effects>,
    prompts: Prompts,
}

impl Swept {
    fn frame(&self) -> Result<Frame> {
        let there = self.prompts.label(&self.effects.frame()?)?;
        let Some(reversed) = &self.reversed else { return Ok(there) };
        let back = self.prompts.label(&reversed.frame()?)?;
        let told = |frame: &Frame, direction: &str| {
            let mut columns = frame.columns()?;
            let name = std::iter::repeat_n(direction, frame.height());
            columns.insert(0, ("direction".to_string(), Column::texts(name)));
            Frame::new(columns)
        };
        Frame::concat(&[told(&there, "source_to_target")?, told(&back, "target_to_source")?])
    }
}

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
fn cells_of(model: &Model, components: &Dynamic, layers: Option<&Dynamic>) -> Result<Vec<Vec<Part>>> {
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
struct Request {
    model: Model,
    prompts: Prompts,
    origin: Origin,
    metric: Option<Metric>,
    closure: Option<rhai::FnPtr>,
    align: Align,
    positions: Dynamic,
    engine: Engine,
    budget: Option<usize>,
}

impl Request {
    fn read(model: Model, prompts: &Dynamic, options: &mut Options) -> Result<Self> {
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
    fn sweep(&self) -> Result<Sweep<'_>> {
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
    fn session<'a>(&'a self, callbacks: &'a Callbacks<'a>) -> Session<'a> {
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

#[export_module(manifest)]
mod sweeps {
    use crate::script::bind::precision::warn_where_coarse;
    use crate::script::bind::prelude::*;

    /// A language model.
    pub type Model = crate::model::Model;
    /// A table.
    pub type Frame = crate::frame::Frame;
    /// A tensor.
    pub type Tensor = crate::tensor::NamedTensor;
    /// What a patch sweep found.
    pub type Sweep = super::Swept;

    /// Patches many components one by one with the values of another run, and measures each: exact numbers at a
    /// fraction of one forward per component.
    ///
    /// A source is another model on the same prompts, an array of prompts for the same model,
    /// `#{ model, prompts }`, `#{ resample: [a prompt's number for each prompt] }`, `"zero"`, `"mean"`,
    /// `#{ mean: prompts }`, a tensor, or `#{ add: vector, strength: 1.0 }`. Sets of components are `heads`,
    /// `heads.q`, `heads.k`, `heads.v`, `heads.pattern`, `attn`, `mlp`, `resid_pre`, `resid_mid`, `resid_post`
    /// and `neurons`, joined by `+`. All and last positions take in the answer's: what is predicted there is
    /// what is measured.
    ///
    /// Options: `source` (model | array | map | tensor | "zero" | "mean", required): where the values come
    /// from; `metric` (metric | function, required): `answer_diff(…)` and the like, or a closure from
    /// last-position logits [batch, d_vocab] to a number for each prompt; `components` (string | array,
    /// "heads+mlp"): sets, or an array of names such as "L8_MLP", in which an array is a group patched
    /// together; `layers` (integer | array | range, all): those whose components are patched; `positions`
    /// ("all" | "last" | "each" | integer | string | array | map, "all"): "each" is one cell a position; an
    /// index, an array of indices, words of the prompts, or a map from names to these; `align` ("positions" |
    /// "ends", "positions"): from which side positions are counted where prompt and source differ in length;
    /// `receivers` (array, []): path patching, where only these, such as ["L9H3.q", "L9_ATTN", "L9_MLP",
    /// "LOGITS"], read what the component changes, everything between them frozen; `two_way` (bool, false): the
    /// other way too, told apart by a column `direction`; `keep` (string, none): a folder in the output folder
    /// that keeps finished cells, from which a stopped sweep goes on; `memory` (number, a quarter of what is
    /// free): what stored activations may take, in GiB; `engine` ("fast" | "naive", "fast"): "naive" is one
    /// hooked forward a cell.
    ///
    /// Errors: prompts and sources of unequal number or, without "ends", length; a component or layer that the
    /// model does not have; words that a prompt does not hold.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); model.patch_sweep(["Choose action1: "],
    /// #{ source: ["Choose action2: "], metric: answer_diff("action1", "action2"), components: "mlp",
    /// layers: 8..=9 })` is `sweep of 2 cells on 1 prompts`
    #[rhai_fn(return_raw)]
    pub fn patch_sweep(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
        options: Map,
    ) -> ScriptResult<Sweep> {
        let context = Context::of(&call)?;
        warn_where_coarse(&call, &model)?;
        let mut options = Options::of("patch_sweep", options);
        let components = options.get("components", Dynamic::from("heads+mlp"))?;
        let layers = options.maybe::<Dynamic>("layers")?;
        let two_way = options.get("two_way", false)?;
        let keep = options.maybe::<String>("keep")?;
        let receivers = options.get::<Vec<String>>("receivers", Vec::new())?;
        let receivers =
            receivers.iter().map(|name| name.parse()).collect::<crate::Result<Vec<Receiver>>>()?;
        let request = Request::read(model, &prompts, &mut options)?;
        options.finish()?;
        let cells = cells_of(&request.model, &components, layers.as_ref())?;
        let sweep = request.sweep()?;
        let cells: Vec<Cell> = (0..sweep.spots.len())
            .flat_map(|spot| cells.iter().map(move |parts| (parts.clone(), spot)))
            .map(|(parts, spot)| Cell::path(parts, receivers.clone(), spot))
            .collect();
        let folder = |way: &str| -> crate::Result<Option<Store>> {
            let Some(keep) = &keep else { return Ok(None) };
            let described = context.output_path(&format!("{keep}{way}/sweep.json"))?;
            Ok(described.parent().map(Store::new))
        };
        let callbacks = Callbacks::new(&call);
        let mut session = request.session(&callbacks);
        let mut run = || -> crate::Result<(Effects, Option<Effects>)> {
            session.store = folder("")?;
            let there = sweep.run(&cells, &mut session)?;
            if !two_way {
                return Ok((there, None));
            }
            session.store = folder("_reversed")?;
            Ok((there, Some(sweep.reversed()?.run(&cells, &mut session)?)))
        };
        let result = run();
        drop(session);
        let (effects, reversed) = callbacks.settle(result)?;
        Ok(Swept { effects, reversed, prompts: request.prompts.clone() })
    }

    /// One row for each component, position and prompt: `component`, `layer`, `kind`, `head`, `position`,
    /// `prompt` and its fields, `baseline`, `source_value` (the metric of the source's own run), `patched`,
    /// `delta` (patched − baseline), `normalised` (delta over source_value − baseline) and `flipped` (the
    /// metric changed its sign). With `receivers`, `sender` and `receiver` stand in the place of the first four
    /// columns. A sweep of both ways has a column `direction`: "source_to_target", "target_to_source".
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); let sweep = model.patch_sweep(["Choose: "],
    /// #{ source: "zero", metric: answer_diff("action1", "action2"), components: ["L8_MLP", "L2H3"] });
    /// sweep.frame.column("component")` is `["L8_MLP", "L2H3"]`
    #[rhai_fn(get = "frame", return_raw)]
    pub fn frame(sweep: Sweep) -> ScriptResult<Frame> {
        Ok(sweep.frame()?)
    }

    /// Means over what is not named, for each value of these columns (a name or an array): `baseline`,
    /// `source_value`, `patched`, `delta`, `flipped` (the fraction that is), and `normalised`: the mean delta
    /// over the mean of source_value − baseline, not a mean of ratios, which prompts without a difference to
    /// speak of would rule. A sweep of both ways keeps `direction` apart.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); let sweep = model.patch_sweep(["Choose: ",
    /// "Answer: "], #{ source: "zero", metric: answer_diff("action1", "action2"), components: "mlp",
    /// layers: 0..4 }); sweep.mean_by("component").height` is `4`
    #[rhai_fn(return_raw)]
    pub fn mean_by(sweep: Sweep, keys: Dynamic) -> ScriptResult<Frame> {
        let keys = match keys.as_immutable_string_ref() {
            Ok(key) => vec![key.to_string()],
            Err(_) => argument::<Vec<String>>("mean_by", "keys", &keys)?,
        };
        Ok(crate::interp::sweep::means(&sweep.frame()?, &keys)?)
    }

    /// The mean delta over prompts of the components of one kind ("head", "head.q", "mlp", "resid_pre", …): a
    /// tensor [layer, head] for heads, [layer, position] for the others; NaN where nothing was patched.
    ///
    /// Errors: a kind that was not patched.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); let sweep = model.patch_sweep(["Choose: "],
    /// #{ source: "zero", metric: answer_diff("action1", "action2"), components: "heads", layers: 0..2 });
    /// sweep.grid("head").shape` is `[2, 8]`
    #[rhai_fn(name = "grid", return_raw)]
    pub fn sweep_grid(sweep: Sweep, kind: &str) -> ScriptResult<Tensor> {
        let grid = sweep.effects.grid(kind)?;
        let column = if kind.starts_with("head") || kind == "neuron" { "head" } else { "pos" };
        Ok(crate::tensor::NamedTensor::named(grid, &["layer", column])?)
    }

    /// What was swept.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn sweep_to_string(sweep: Sweep) -> String {
        let (cells, prompts) = (sweep.effects.cells().len(), sweep.effects.baseline.len());
        format!("sweep of {cells} cells on {prompts} prompts")
    }

    /// Looks for a circuit: components that join one at a time, each the one that moves the mean metric
    /// furthest towards the other sign.
    ///
    /// Gives a frame with a row for each step and prompt: `direction`, `step` (0: none yet), `component`,
    /// `layer`, `kind`, `head`, `prompt` and its fields, `baseline`, `source_value`, `metric`, `delta` (from
    /// step 0) and `flipped`.
    ///
    /// Options: `source` (model | array | map | tensor | "zero" | "mean", required): as in `patch_sweep`;
    /// `metric` (metric | function, required): as there; `components` (string | array, "heads+mlp"): the
    /// candidates; `layers` (integer | array | range, all): theirs; `positions` ("all" | "last" | integer |
    /// string | array, "all"): one choice of them, as in `patch_sweep`; `align` ("positions" | "ends",
    /// "positions"): as there; `memory` (number, a quarter of what is free): in GiB; `engine` ("fast" |
    /// "naive", "fast"): as there; `direction` ("patch_in" | "ablate_out", "patch_in"): "patch_in" begins with
    /// the clean run, and components take the source's values; with "ablate_out" all have the source's, and
    /// components get their own back; `max` (integer, 10): the most components; `rerank` (bool, true): all that
    /// are left are ranked again at every step; false: once, by their single effects; `until_flip` (bool,
    /// true): ends when the mean has turned its sign.
    ///
    /// Errors: several choices of positions, and those of `patch_sweep`.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); let found = model.find_circuit(["Choose action1: "],
    /// #{ source: ["Choose action2: "], metric: answer_diff("action1", "action2"), components: "mlp",
    /// layers: 8..=10, max: 2, until_flip: false }); found.column("step")` is `[0, 1, 2]`
    #[rhai_fn(return_raw)]
    pub fn find_circuit(
        call: NativeCallContext,
        model: Model,
        prompts: Dynamic,
        options: Map,
    ) -> ScriptResult<Frame> {
        warn_where_coarse(&call, &model)?;
        let mut options = Options::of("find_circuit", options);
        let components = options.get("components", Dynamic::from("heads+mlp"))?;
        let layers = options.maybe::<Dynamic>("layers")?;
        let ways = [("patch_in", Direction::PatchIn), ("ablate_out", Direction::AblateOut)];
        let greedy = Greedy {
            direction: options.choice("direction", &ways)?,
            max: options.get("max", 10usize)?,
            rerank: options.get("rerank", true)?,
            until_flip: options.get("until_flip", true)?,
        };
        let request = Request::read(model, &prompts, &mut options)?;
        options.finish()?;
        let candidates = cells_of(&request.model, &components, layers.as_ref())?.concat();
        let sweep = request.sweep()?;
        if sweep.spots.len() != 1 {
            return Err(Error::new("a circuit has one choice of positions").into());
        }
        let callbacks = Callbacks::new(&call);
        let mut session = request.session(&callbacks);
        let result = sweep.circuit(&candidates, 0, &greedy, &mut session);
        drop(session);
        Ok(request.prompts.label(&callbacks.settle(result)?.frame()?)?)
    }
}
