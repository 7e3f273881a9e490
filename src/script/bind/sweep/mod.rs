//! Patch sweeps and circuits.

mod request;

use rhai::plugin::*;

use crate::error::Result;
use crate::frame::{Column, Frame};
use crate::interp::sweep::Effects;
use crate::script::bind::Room;
use crate::script::bind::prompt::Prompts;
use crate::script::value::script_value;

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

#[export_module(manifest)]
mod sweeps {
    use super::Swept;
    use super::request::{Request, cells_of};
    use crate::interp::sweep::{Cell, Direction, Effects, Greedy, Receiver, Store};
    use crate::script::bind::precision::warn_where_coarse;
    use crate::script::bind::prelude::*;

    type Model = crate::model::Model;
    type Frame = crate::frame::Frame;
    type Tensor = crate::tensor::NamedTensor;
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
    /// "ends", "positions"): "ends" patches the beginning and the end that prompt and source have in common,
    /// where they differ in length; `receivers` (array, []): path patching, where only these, such as
    /// ["L9H3.q", "L9_ATTN", "L9_MLP", "LOGITS"], read what the component changes, everything between them
    /// frozen; `two_way` (bool, false): the other way too, told apart by a column `direction`; `keep` (string,
    /// none): a folder in the output folder that keeps finished cells, from which a stopped sweep goes on;
    /// `memory` (number, a quarter of what is free): what stored activations may take, in GiB; `engine` ("fast"
    /// | "naive", "fast"): "naive" is one hooked forward a cell.
    ///
    /// Errors: another number of source prompts than of prompts; positions that do not correspond; a component
    /// or layer that the model does not have; words that a prompt does not hold.
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
    /// Errors: none for a sweep that was run.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); let sweep = model.patch_sweep(["Choose: "],
    /// #{ source: "zero", metric: answer_diff("action1", "action2"), components: ["L8_MLP", "L2H3"] });
    /// sweep.frame.column("component")` is `["L8_MLP", "L2H3"]`
    #[rhai_fn(get = "frame", return_raw)]
    pub fn frame(sweep: Sweep) -> ScriptResult<Frame> {
        Ok(sweep.frame()?)
    }

    /// Means over what is not named, for each value of the columns `keys` (a name or an array): `baseline`,
    /// `source_value`, `patched`, `delta`, `flipped` (the fraction that is), and `normalised`: the mean delta
    /// over the mean of source_value − baseline, not a mean of ratios, which prompts without a difference to
    /// speak of would rule. A sweep of both ways keeps `direction` apart.
    ///
    /// Errors: a column that is missing, one of those that the means are of.
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

    /// Looks for a circuit on `prompts`: components that join one at a time, each the one that moves the mean
    /// metric furthest towards the other sign.
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
