//! Adapters: reading, applying, combining, measuring and saving them.

use rhai::plugin::*;

use crate::error::{Error, Result};
use crate::frame::Column;
use crate::lora::Adapter;
use crate::lora::norms::{Group, Grouping};
use crate::lora::part::Parts;
use crate::script::bind::Room;
use crate::script::options::Options;
use crate::script::value::{FromScript, describe, script_value};

/// The lora room.
pub static ROOM: Room = Room {
    name: "lora",
    about: "Adapters (LoRA, DoRA) as peft stores them: applying, merging, combining, measuring, saving.",
    parts: &[
        &models::RHAI_MANIFEST,
        &adapters::RHAI_MANIFEST,
        &combined::RHAI_MANIFEST,
        &measures::RHAI_MANIFEST,
    ],
};

script_value!(Adapter: "an adapter");

#[export_module(manifest)]
mod models {
    use crate::lora::apply;
    use crate::script::bind::prelude::*;

    /// A language model.
    pub type Model = crate::model::Model;
    type Adapter = crate::lora::Adapter;

    /// The model with an adapter beside its weights, in place of the one it carries. The weights are shared,
    /// so it costs the adapter's memory alone; the adapter is computed in float32.
    ///
    /// Errors: an adapter of another base says which module, layer or size does not fit.
    #[rhai_fn(return_raw)]
    pub fn with_adapter(model: Model, adapter: Adapter) -> ScriptResult<Model> {
        Ok(apply::with_adapter(&model, &adapter)?)
    }

    /// The model with the adapter that it carries written into its weights, in the weights' own number
    /// format. Weights that the adapter leaves alone are shared.
    #[rhai_fn(return_raw)]
    pub fn merged(model: Model) -> ScriptResult<Model> {
        Ok(model.merged()?)
    }

    /// The model with an adapter written into its weights.
    #[rhai_fn(name = "merged", return_raw)]
    pub fn merged_with(model: Model, adapter: Adapter) -> ScriptResult<Model> {
        Ok(apply::with_adapter(&model, &adapter)?.merged()?)
    }

    /// The model without the adapter that it carries. The weights are shared.
    #[rhai_fn(get = "base")]
    pub fn base(model: Model) -> Model {
        model.base()
    }

    /// The name of the adapter that the model carries, or ().
    #[rhai_fn(get = "adapter")]
    pub fn adapter(model: Model) -> Dynamic {
        model.adapter().map_or(Dynamic::UNIT, |name| name.to_owned().into())
    }
}

#[export_module(manifest)]
mod adapters {
    use serde_json::json;

    use crate::lora::{config, files};
    use crate::model::reference::Reference;
    use crate::script::bind::prelude::*;

    /// An adapter: for some linear modules of a base a change of their weights, s·B·A. Cheap to copy.
    pub type Adapter = crate::lora::Adapter;

    /// Opens an adapter as peft stores it: a directory with `adapter_config.json` and
    /// `adapter_model.safetensors`, or `"org/name"` or `"org/name@revision"` on the hub.
    ///
    /// Errors: an option that mora does not compute, a tensor without a place, a missing half of a pair and
    /// a rank or shape that does not fit are refused by name.
    #[rhai_fn(return_raw)]
    pub fn load_adapter(call: NativeCallContext, reference: &str) -> ScriptResult<Adapter> {
        let context = Context::of(&call)?;
        let allowed = context.permissions().check_reference(reference, reference.parse::<Reference>()?)?;
        let (adapter, files) = files::open(&allowed)?;
        context.run().note_model(reference, json!({ "sha256": files.hash() }));
        Ok(adapter)
    }

    /// Writes an adapter as peft does into a folder of the output folder: `adapter_config.json` and
    /// `adapter_model.safetensors` in float32. peft and `load_adapter` read it.
    #[rhai_fn(return_raw)]
    pub fn save(call: NativeCallContext, adapter: Adapter, folder: &str) -> ScriptResult<()> {
        let context = Context::of(&call)?;
        let file = context.output_path(&format!("{folder}/{}", config::FILE))?;
        context.output_path(&format!("{folder}/{}", files::WEIGHTS))?;
        Ok(adapter.save(file.parent().unwrap_or(context.run().folder()))?)
    }

    /// What the adapter is called: its reference, or how it was made from others.
    #[rhai_fn(get = "name")]
    pub fn name(adapter: Adapter) -> String {
        adapter.name().to_owned()
    }

    /// The adapter under another name.
    pub fn named(adapter: Adapter, name: &str) -> Adapter {
        adapter.named(name)
    }

    /// The base that the adapter was made for, as its maker called it, or ().
    #[rhai_fn(get = "base")]
    pub fn base(adapter: Adapter) -> Dynamic {
        adapter.config().base.clone().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// The whole names of the modules that the adapter changes, in the order of a forward.
    #[rhai_fn(get = "modules")]
    pub fn modules(adapter: Adapter) -> Array {
        array(adapter.modules().keys().map(|place| adapter.module_name(*place)))
    }

    /// The layers that the adapter changes.
    #[rhai_fn(get = "layers")]
    pub fn layers(adapter: Adapter) -> Array {
        array(adapter.layers().into_iter().map(|layer| layer as i64))
    }

    /// Numbers in all of the adapter's tensors.
    #[rhai_fn(get = "n_parameters")]
    pub fn n_parameters(adapter: Adapter) -> i64 {
        adapter.n_parameters() as i64
    }

    /// One line about the adapter.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn adapter_to_string(adapter: Adapter) -> String {
        adapter.to_string()
    }
}

#[export_module(manifest)]
mod combined {
    use super::parts;
    use crate::script::bind::prelude::*;

    type Adapter = crate::lora::Adapter;

    /// The adapter at another strength: every change times a number. Not for a DoRA.
    #[rhai_fn(name = "*", return_raw)]
    pub fn times(adapter: Adapter, factor: f64) -> ScriptResult<Adapter> {
        Ok(adapter.scaled(factor)?)
    }

    #[rhai_fn(name = "*", return_raw)]
    pub fn times_integer(adapter: Adapter, factor: i64) -> ScriptResult<Adapter> {
        Ok(adapter.scaled(factor as f64)?)
    }

    #[rhai_fn(name = "*", return_raw)]
    pub fn number_times(factor: f64, adapter: Adapter) -> ScriptResult<Adapter> {
        Ok(adapter.scaled(factor)?)
    }

    #[rhai_fn(name = "*", return_raw)]
    pub fn integer_times(factor: i64, adapter: Adapter) -> ScriptResult<Adapter> {
        Ok(adapter.scaled(factor as f64)?)
    }

    /// The sum of two adapters of one base, exact: their ranks add up. Not for a DoRA.
    #[rhai_fn(name = "+", return_raw)]
    pub fn plus(left: Adapter, right: Adapter) -> ScriptResult<Adapter> {
        Ok(left.plus(&right)?)
    }

    /// The difference of two adapters of one base, exact: their ranks add up. Not for a DoRA.
    #[rhai_fn(name = "-", return_raw)]
    pub fn minus(left: Adapter, right: Adapter) -> ScriptResult<Adapter> {
        Ok(left.plus(&right.scaled(-1.0)?)?)
    }

    /// The adapter with its change of some parts replaced by another's: `a.with_part("L13_MLP", b)`. Where
    /// `from` leaves a part alone, so does the result.
    ///
    /// A part is a layer (`"L13"`), a range (`"L11-L23"`), a half of these (`"L13_MLP"`, `"L11-L23_ATTN"`,
    /// `"MLP"`), a module by its name or the end of it (`"q_proj"`, `"layers.3.mlp.up_proj"`), a glob over whole names
    /// (`"*.layers.1?.mlp.*"`), or an array of these.
    #[rhai_fn(return_raw)]
    pub fn with_part(adapter: Adapter, part: Dynamic, from: Adapter) -> ScriptResult<Adapter> {
        Ok(adapter.with_part(&parts("with_part", &part)?, &from)?)
    }

    /// The adapter with some parts of its change alone: `a.keep("L11-L23_MLP")`. For parts see `with_part`.
    #[rhai_fn(return_raw)]
    pub fn keep(adapter: Adapter, part: Dynamic) -> ScriptResult<Adapter> {
        Ok(adapter.keep(&parts("keep", &part)?)?)
    }

    /// The adapter without some parts of its change: `a.zero("ATTN")`. For parts see `with_part`.
    #[rhai_fn(return_raw)]
    pub fn zero(adapter: Adapter, part: Dynamic) -> ScriptResult<Adapter> {
        Ok(adapter.zero(&parts("zero", &part)?)?)
    }
}

#[export_module(manifest)]
mod measures {
    use super::{columns, grouping};
    use crate::frame::Column;
    use crate::lora::norms;
    use crate::script::bind::prelude::*;

    type Adapter = crate::lora::Adapter;
    type Frame = crate::frame::Frame;

    /// How large an adapter's changes ΔW = s·B·A are: a frame with `component` (L13_MLP, …), `layer`, `kind`,
    /// `module`, `rank`, `scale` (s), `norm` (‖ΔW‖, Frobenius) and the largest singular values of ΔW
    /// (`singular_1`, …; null beyond the rank). Of a DoRA: before its magnitude.
    ///
    /// Options: `by` ("module", "component" or "layer": the norm of all modules together, without the
    /// columns of single modules), `singular_values` (3: how many).
    #[rhai_fn(return_raw)]
    pub fn norms(adapter: Adapter, options: Map) -> ScriptResult<Frame> {
        let mut options = Options::of("norms", options);
        let grouping = grouping(&mut options)?;
        let most = options.get("singular_values", 3_usize)?;
        options.finish()?;
        let rows = norms::norms(&adapter, grouping, most)?;
        let mut frame = columns(rows.iter().map(|row| row.group), grouping);
        if grouping == norms::Grouping::Module {
            frame.push((
                "rank".to_owned(),
                Column::Int(rows.iter().map(|row| row.rank.map(|rank| rank as i64)).collect()),
            ));
            frame.push(("scale".to_owned(), Column::Float(rows.iter().map(|row| row.scale).collect())));
        }
        frame.push(("norm".to_owned(), Column::floats(rows.iter().map(|row| row.norm))));
        let found = rows.iter().map(|row| row.singular_values.len()).max().unwrap_or(0);
        for index in 0..found {
            let values = rows.iter().map(|row| row.singular_values.get(index).copied());
            frame.push((format!("singular_{}", index + 1), Column::Float(values.collect())));
        }
        Ok(crate::frame::Frame::new(frame)?)
    }

    /// How large an adapter's changes are, module by module.
    #[rhai_fn(name = "norms", return_raw)]
    pub fn norms_plainly(adapter: Adapter) -> ScriptResult<Frame> {
        norms(adapter, Map::new())
    }

    /// The cosine between the changes ΔW of two adapters of one base, over all modules together: −1 to 1.
    /// Not for a DoRA.
    #[rhai_fn(return_raw)]
    pub fn cosine(adapter: Adapter, other: Adapter) -> ScriptResult<f64> {
        Ok(norms::cosine(&adapter, &other)?)
    }

    /// The cosine between the changes ΔW of two adapters of one base, part by part: a frame with `component`,
    /// `layer`, `kind`, `module`, `cosine` (null where one of them changes nothing), `norm` and `other_norm`.
    ///
    /// Options: `by` ("module", "component" or "layer").
    #[rhai_fn(return_raw)]
    pub fn cosines(adapter: Adapter, other: Adapter, options: Map) -> ScriptResult<Frame> {
        let mut options = Options::of("cosines", options);
        let grouping = grouping(&mut options)?;
        options.finish()?;
        let rows = norms::cosines(&adapter, &other, grouping)?;
        let mut frame = columns(rows.iter().map(|row| row.group), grouping);
        frame.push(("cosine".to_owned(), Column::Float(rows.iter().map(|row| row.cosine).collect())));
        frame.push(("norm".to_owned(), Column::floats(rows.iter().map(|row| row.norm))));
        frame.push(("other_norm".to_owned(), Column::floats(rows.iter().map(|row| row.other_norm))));
        Ok(crate::frame::Frame::new(frame)?)
    }

    /// The cosine between the changes of two adapters, module by module.
    #[rhai_fn(name = "cosines", return_raw)]
    pub fn cosines_plainly(adapter: Adapter, other: Adapter) -> ScriptResult<Frame> {
        cosines(adapter, other, Map::new())
    }
}

/// A part's name, or an array of them.
fn parts(function: &str, value: &rhai::Dynamic) -> Result<Parts> {
    match (String::from_script(value), Vec::<String>::from_script(value)) {
        (Some(text), _) => text.parse(),
        (_, Some(texts)) => Parts::new(&texts),
        _ => Err(Error::new(format!(
            "{function}: part: expected a name or an array of names, found {}",
            describe(value)
        ))
        .hint("write L13_MLP, L11-L23_MLP, L13, MLP or q_proj")),
    }
}

fn grouping(options: &mut Options) -> Result<Grouping> {
    options.choice(
        "by",
        &[("module", Grouping::Module), ("component", Grouping::Component), ("layer", Grouping::Layer)],
    )
}

/// The columns that say what a row is of.
fn columns(groups: impl Iterator<Item = Group> + Clone, grouping: Grouping) -> Vec<(String, Column)> {
    let kinds = || groups.clone().map(|group| group.kind.map(|kind| (kind, group.layer)));
    let text = |of: fn((crate::lora::part::Kind, usize)) -> String| {
        Column::texts(kinds().map(|kind| kind.map(of).unwrap_or_default()))
    };
    let mut columns = Vec::new();
    if grouping != Grouping::Layer {
        columns.push(("component".to_owned(), text(|(kind, layer)| kind.component(layer))));
    }
    columns.push(("layer".to_owned(), Column::ints(groups.clone().map(|group| group.layer as i64))));
    if grouping != Grouping::Layer {
        columns.push(("kind".to_owned(), text(|(kind, _)| kind.name().to_owned())));
    }
    if grouping == Grouping::Module {
        columns
            .push(("module".to_owned(), Column::texts(groups.map(|group| group.module.unwrap_or_default()))));
    }
    columns
}
