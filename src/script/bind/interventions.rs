//! Ready-made interventions, to be put on sites by hooks.

use rhai::plugin::*;

#[export_module(manifest)]
pub mod interventions {
    use crate::interp::intervene::Edit;
    use crate::script::bind::positions::positions;
    use crate::script::bind::prelude::*;

    /// An intervention, to be put on sites by `run_with_hooks` and `measure`.
    pub type Hook = crate::script::bind::hooks::Hook;
    type Tensor = crate::tensor::NamedTensor;

    /// Zeros in the place of a value.
    ///
    /// Options of every intervention: `heads` (array of head numbers, at sites with a head axis; default:
    /// all), `positions` ("all", "last", an index or an array; default: all).
    #[rhai_fn(return_raw)]
    pub fn zero_ablation(options: Map) -> ScriptResult<Hook> {
        hook("zero_ablation", Edit::Zero, options)
    }

    /// Zeros in the place of a value, everywhere.
    #[rhai_fn(name = "zero_ablation", return_raw)]
    pub fn zero_ablation_plainly() -> ScriptResult<Hook> {
        zero_ablation(Map::new())
    }

    /// The mean over all positions of all prompts of the run in the place of a value. Options: `heads`,
    /// `positions`.
    #[rhai_fn(return_raw)]
    pub fn mean_ablation(options: Map) -> ScriptResult<Hook> {
        hook("mean_ablation", Edit::Mean, options)
    }

    /// The mean in the place of a value, everywhere.
    #[rhai_fn(name = "mean_ablation", return_raw)]
    pub fn mean_ablation_plainly() -> ScriptResult<Hook> {
        mean_ablation(Map::new())
    }

    /// A tensor in the place of a value: one that broadcasts to it, such as another run's cached value.
    /// Options: `heads`, `positions`.
    #[rhai_fn(return_raw)]
    pub fn patch(source: Tensor, options: Map) -> ScriptResult<Hook> {
        hook("patch", Edit::Replace(source.into_tensor()), options)
    }

    /// A tensor in the place of a value, everywhere.
    #[rhai_fn(name = "patch", return_raw)]
    pub fn patch_plainly(source: Tensor) -> ScriptResult<Hook> {
        patch(source, Map::new())
    }

    /// The values of other prompts of the run in the place of a value: for each prompt the number of the
    /// one, equally long, that it takes them from. Options: `heads`, `positions`.
    #[rhai_fn(return_raw)]
    pub fn resample_ablation(from: Array, options: Map) -> ScriptResult<Hook> {
        let from = argument::<Vec<usize>>("resample_ablation", "from", &from.into())?;
        hook("resample_ablation", Edit::Resample(from), options)
    }

    /// The values of other prompts of the run in the place of a value, everywhere.
    #[rhai_fn(name = "resample_ablation", return_raw)]
    pub fn resample_ablation_plainly(from: Array) -> ScriptResult<Hook> {
        resample_ablation(from, Map::new())
    }

    /// Normal noise of a standard deviation, added to a value. Options: `seed` (the run's), `heads`,
    /// `positions`.
    #[rhai_fn(return_raw)]
    pub fn noise(call: NativeCallContext, std: Dynamic, options: Map) -> ScriptResult<Hook> {
        let std = argument::<f64>("noise", "std", &std)?;
        let mut options = Options::of("noise", options);
        let seed = options.get("seed", Context::of(&call)?.seed())?;
        finished(Edit::Noise { std, seed }, "noise", options)
    }

    /// Normal noise, added everywhere.
    #[rhai_fn(name = "noise", return_raw)]
    pub fn noise_plainly(call: NativeCallContext, std: Dynamic) -> ScriptResult<Hook> {
        noise(call, std, Map::new())
    }

    /// A vector added to a value. Options: `strength` (1.0; a factor on the vector), `heads`, `positions`.
    #[rhai_fn(return_raw)]
    pub fn steer(vector: Tensor, options: Map) -> ScriptResult<Hook> {
        let mut options = Options::of("steer", options);
        let strength = options.get("strength", 1.0)?;
        finished(Edit::Add { vector: vector.into_tensor(), strength }, "steer", options)
    }

    /// A vector added to a value, everywhere.
    #[rhai_fn(name = "steer", return_raw)]
    pub fn steer_plainly(vector: Tensor) -> ScriptResult<Hook> {
        steer(vector, Map::new())
    }

    /// In attention patterns (`blocks.N.attn.hook_pattern`): no weight on these key positions, the others
    /// scaled to sum to 1. Options: `heads`, `positions` (of the queries).
    #[rhai_fn(return_raw)]
    pub fn knock_out(keys: Dynamic, options: Map) -> ScriptResult<Hook> {
        hook("knock_out", Edit::KnockOut(positions("knock_out", &keys)?), options)
    }

    /// No attention to these key positions, from any query.
    #[rhai_fn(name = "knock_out", return_raw)]
    pub fn knock_out_plainly(keys: Dynamic) -> ScriptResult<Hook> {
        knock_out(keys, Map::new())
    }

    /// What the intervention does.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn hook_to_string(hook: Hook) -> String {
        let name = match hook.edit {
            Edit::Zero => "zero_ablation",
            Edit::Mean => "mean_ablation",
            Edit::Replace(_) => "patch",
            Edit::Resample(_) => "resample_ablation",
            Edit::Noise { .. } => "noise",
            Edit::Add { .. } => "steer",
            Edit::KnockOut(_) => "knock_out",
        };
        format!("intervention {name}")
    }

    fn hook(function: &'static str, edit: Edit, options: Map) -> ScriptResult<Hook> {
        finished(edit, function, Options::of(function, options))
    }

    fn finished(edit: Edit, function: &'static str, mut options: Options) -> ScriptResult<Hook> {
        let heads = options.maybe("heads")?;
        let at = positions(function, &options.get("positions", Dynamic::from("all"))?)?;
        options.finish()?;
        Ok(crate::script::bind::hooks::Hook { edit, heads, positions: at })
    }
}
