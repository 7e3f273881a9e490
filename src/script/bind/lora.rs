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

    type Model = crate::model::Model;
    type Adapter = crate::lora::Adapter;

    /// The model with an adapter beside its weights, in place of the one it carries. The weights are shared, so
    /// it costs the adapter's memory alone; the adapter is computed in float32.
    ///
    /// Errors: an adapter of another base says which module, layer or size does not fit.
    ///
    /// Example: `load_model("mora/tiny-ipd").with_adapter(load_adapter("mora/tiny-ipd/PT2")).adapter`
    /// is `mora/tiny-ipd/PT2`
    #[rhai_fn(return_raw)]
    pub fn with_adapter(model: Model, adapter: Adapter) -> ScriptResult<Model> {
        Ok(apply::with_adapter(&model, &adapter)?)
    }

    #[rhai_fn(return_raw)]
    pub fn merged(model: Model) -> ScriptResult<Model> {
        Ok(model.merged()?)
    }

    /// The model with an adapter written into its weights, in the weights' own number format: that which is
    /// given, or the one that it carries. Weights that the adapter leaves alone are shared.
    ///
    /// Errors: no adapter, or one of another base.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); let adapter = load_adapter("mora/tiny-ipd/PT2");
    /// model.merged(adapter).run("Choose").logits.close_to(model.with_adapter(adapter).run("Choose").logits,
    /// 1e-3)` is `true`
    #[rhai_fn(name = "merged", return_raw)]
    pub fn merged_with(model: Model, adapter: Adapter) -> ScriptResult<Model> {
        Ok(apply::with_adapter(&model, &adapter)?.merged()?)
    }

    /// The model without the adapter that it carries. The weights are shared.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd").with_adapter(load_adapter("mora/tiny-ipd/PT2"));
    /// model.base.adapter == ()` is `true`
    #[rhai_fn(get = "base")]
    pub fn base(model: Model) -> Model {
        model.base()
    }

    /// The name of the adapter that the model carries, or ().
    ///
    /// Example: `load_model("mora/tiny-ipd").adapter == ()` is `true`
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

    /// Opens an adapter by `reference`, as peft stores it: a directory with `adapter_config.json` and
    /// `adapter_model.safetensors`, `"org/name"` or `"org/name@revision"` on the hub, or one of those
    /// embedded beside the embedded model, `"mora/tiny-ipd/PT2"`, `PT3_De`, `PT3_Ut` and `PT4`.
    ///
    /// Errors: an option that mora does not compute, a tensor without a place, a missing half of a pair and a
    /// rank or shape that does not fit are refused by name.
    ///
    /// Example: `load_adapter("mora/tiny-ipd/PT2")`
    /// is `mora/tiny-ipd/PT2: LoRA of rank 8 on 182 modules in 26 layers, 252928 parameters`
    #[rhai_fn(return_raw)]
    pub fn load_adapter(call: NativeCallContext, reference: &str) -> ScriptResult<Adapter> {
        let context = Context::of(&call)?;
        let allowed = context.permissions().check_reference(reference, reference.parse::<Reference>()?)?;
        let (adapter, files) = files::open(&allowed)?;
        context.run().note_model(reference, json!({ "sha256": files.hash() }));
        Ok(adapter)
    }

    /// Writes an adapter as peft does into `folder` in the output folder: `adapter_config.json` and
    /// `adapter_model.safetensors` in float32. peft and `load_adapter` read it.
    ///
    /// Errors: an adapter that changes no module, a `folder` that leaves the output folder, files that cannot
    /// be written.
    ///
    /// Example: `load_adapter("mora/tiny-ipd/PT2").keep("MLP").save("mlp_alone");
    /// load_adapter(output_folder() + "/mlp_alone").modules.len()` is `78`
    #[rhai_fn(return_raw)]
    pub fn save(call: NativeCallContext, adapter: Adapter, folder: &str) -> ScriptResult<()> {
        let context = Context::of(&call)?;
        let file = context.output_path(&format!("{folder}/{}", config::FILE))?;
        context.output_path(&format!("{folder}/{}", files::WEIGHTS))?;
        Ok(adapter.save(file.parent().unwrap_or(context.run().folder()))?)
    }

    /// What the adapter is called: its reference, or how it was made from others.
    ///
    /// Example: `(load_adapter("mora/tiny-ipd/PT2") * 0.5).name` is `mora/tiny-ipd/PT2 * 0.5`
    #[rhai_fn(get = "name")]
    pub fn name(adapter: Adapter) -> String {
        adapter.name().to_owned()
    }

    /// The adapter under another name.
    ///
    /// Example: `(load_adapter("mora/tiny-ipd/PT2") * 0.5).named("half").name` is `half`
    pub fn named(adapter: Adapter, name: &str) -> Adapter {
        adapter.named(name)
    }

    /// The base that the adapter was made for, as its maker called it, or ().
    ///
    /// Example: `load_adapter("mora/tiny-ipd/PT2").base` is `mora/tiny-ipd`
    #[rhai_fn(get = "base")]
    pub fn base(adapter: Adapter) -> Dynamic {
        adapter.config().base.clone().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// The whole names of the modules that the adapter changes, in the order of a forward.
    ///
    /// Example: `load_adapter("mora/tiny-ipd/PT2").modules[0]` is `model.layers.0.self_attn.q_proj`
    #[rhai_fn(get = "modules")]
    pub fn modules(adapter: Adapter) -> Array {
        array(adapter.modules().keys().map(|place| adapter.module_name(*place)))
    }

    /// The layers that the adapter changes.
    ///
    /// Example: `load_adapter("mora/tiny-ipd/PT2").keep("L11-L13").layers` is `[11, 12, 13]`
    #[rhai_fn(get = "layers")]
    pub fn layers(adapter: Adapter) -> Array {
        array(adapter.layers().into_iter().map(|layer| layer as i64))
    }

    /// Numbers in all of the adapter's tensors.
    ///
    /// Example: `load_adapter("mora/tiny-ipd/PT2").n_parameters` is `252928`
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

    /// The adapter at another strength: every change times `factor`.
    ///
    /// Errors: a DoRA, a factor that is not finite.
    ///
    /// Example: `let adapter = load_adapter("mora/tiny-ipd/PT2");
    /// fixed((adapter * 0.5).norms()[0].norm / adapter.norms()[0].norm, 4)` is `0.5000`
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

    /// The sum of two adapters of one base, exact: their ranks add up.
    ///
    /// Errors: a DoRA, adapters of different shapes.
    ///
    /// Example: `(load_adapter("mora/tiny-ipd/PT2") + load_adapter("mora/tiny-ipd/PT4")).norms()[0].rank`
    /// is `16`
    #[rhai_fn(name = "+", return_raw)]
    pub fn plus(left: Adapter, right: Adapter) -> ScriptResult<Adapter> {
        Ok(left.plus(&right)?)
    }

    /// The difference of two adapters of one base, exact: their ranks add up.
    ///
    /// Errors: a DoRA, adapters of different shapes.
    ///
    /// Example: `let adapter = load_adapter("mora/tiny-ipd/PT2"); fixed((adapter - adapter).norms()[0].norm,
    /// 6)` is `0.000000`
    #[rhai_fn(name = "-", return_raw)]
    pub fn minus(left: Adapter, right: Adapter) -> ScriptResult<Adapter> {
        Ok(left.plus(&right.scaled(-1.0)?)?)
    }

    /// The adapter with its change of some parts replaced by another's. Where `from` leaves a part alone, so
    /// does the result.
    ///
    /// A part is a layer (`"L13"`), a range (`"L11-L23"`), a half of these (`"L13_MLP"`, `"L11-L23_ATTN"`,
    /// `"MLP"`), a module by its name or the end of it (`"q_proj"`, `"layers.3.mlp.up_proj"`), a glob over
    /// whole names (`"*.layers.1?.mlp.*"`), or an array of these.
    ///
    /// Errors: a part that neither changes, a DoRA beside a LoRA.
    ///
    /// Example: `load_adapter("mora/tiny-ipd/PT2").with_part("L13_MLP",
    /// load_adapter("mora/tiny-ipd/PT4")).name` is `mora/tiny-ipd/PT2 with L13_MLP of mora/tiny-ipd/PT4`
    #[rhai_fn(return_raw)]
    pub fn with_part(adapter: Adapter, part: Dynamic, from: Adapter) -> ScriptResult<Adapter> {
        Ok(adapter.with_part(&parts("with_part", &part)?, &from)?)
    }

    /// The adapter with some parts of its change alone. For parts see `with_part`.
    ///
    /// Errors: a part that the adapter does not change.
    ///
    /// Example: `load_adapter("mora/tiny-ipd/PT2").keep("L11-L23_MLP").modules.len()` is `39`
    #[rhai_fn(return_raw)]
    pub fn keep(adapter: Adapter, part: Dynamic) -> ScriptResult<Adapter> {
        Ok(adapter.keep(&parts("keep", &part)?)?)
    }

    /// The adapter without some parts of its change. For parts see `with_part`.
    ///
    /// Errors: a part that the adapter does not change.
    ///
    /// Example: `load_adapter("mora/tiny-ipd/PT2").zero("ATTN").modules.len()` is `78`
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
    /// Options: `by` ("module" | "component" | "layer", "module"): what a row is of; but for "module" the norm
    /// is that of all modules together, without the columns of single modules; `singular_values` (integer, 3):
    /// how many.
    ///
    /// Errors: numbers that are not finite.
    ///
    /// Example: `load_adapter("mora/tiny-ipd/PT2").norms(#{ by: "component" }).names`
    /// is `["component", "layer", "kind", "norm"]`
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

    #[rhai_fn(name = "norms", return_raw)]
    pub fn norms_plainly(adapter: Adapter) -> ScriptResult<Frame> {
        norms(adapter, Map::new())
    }

    /// The cosine between the changes ΔW of this adapter and `other`, of one base, over all modules together:
    /// −1 to 1.
    ///
    /// Errors: a DoRA, adapters of different shapes, one that changes nothing.
    ///
    /// Example: `let adapter = load_adapter("mora/tiny-ipd/PT2"); fixed(adapter.cosine(adapter * -2.0), 4)`
    /// is `-1.0000`
    #[rhai_fn(return_raw)]
    pub fn cosine(adapter: Adapter, other: Adapter) -> ScriptResult<f64> {
        Ok(norms::cosine(&adapter, &other)?)
    }

    /// The cosine between the changes ΔW of this adapter and `other`, of one base, part by part: a frame with
    /// `component`, `layer`, `kind`, `module`, `cosine` (null where one of them changes nothing), `norm` and
    /// `other_norm`.
    ///
    /// Options: `by` ("module" | "component" | "layer", "module"): what a row is of.
    ///
    /// Errors: a DoRA, adapters of different shapes.
    ///
    /// Example: `load_adapter("mora/tiny-ipd/PT2").cosines(load_adapter("mora/tiny-ipd/PT4"),
    /// #{ by: "layer" }).height` is `26`
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
