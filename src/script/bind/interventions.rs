//! Ready-made interventions, to be put on sites by hooks.

use rhai::plugin::*;

#[export_module(manifest)]
pub mod interventions {
    use crate::interp::intervene::Edit;
    use crate::script::bind::positions::positions;
    use crate::script::bind::prelude::*;

    /// An intervention, to be put on sites by `run_with_hooks` and `measure`.
    ///
    /// Options of every intervention: `heads` (array, all): numbers of heads, at sites with a head axis;
    /// `positions` ("all" | "last" | integer | array, "all"): where, an index, an array of indices or an array
    /// of such an array for each prompt.
    pub type Hook = crate::script::bind::hooks::Hook;
    type Tensor = crate::tensor::NamedTensor;

    /// Zeros in the place of a value.
    ///
    /// Options: those of every intervention.
    ///
    /// Errors: positions of another form; and where it is put: heads at a site without them, a head or
    /// position that is not there.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); model.run_with_cache("Choose",
    /// #{ sites: "blocks.8.hook_mlp_out",
    /// hooks: #{ "blocks.8.hook_mlp_out": zero_ablation() } }).cache["blocks.8.hook_mlp_out"].any()` is `false`
    #[rhai_fn(return_raw)]
    pub fn zero_ablation(options: Map) -> ScriptResult<Hook> {
        hook("zero_ablation", Edit::Zero, options)
    }

    #[rhai_fn(name = "zero_ablation", return_raw)]
    pub fn zero_ablation_plainly() -> ScriptResult<Hook> {
        zero_ablation(Map::new())
    }

    /// The mean over all positions of all prompts of the run in the place of a value.
    ///
    /// Options: those of every intervention.
    ///
    /// Errors: positions of another form; and where it is put: heads at a site without them, a head or
    /// position that is not there.
    ///
    /// Example: `let hooks = #{ "blocks.8.attn.hook_z": mean_ablation(#{ heads: [2, 5] }) };
    /// load_model("mora/tiny-ipd").measure(["Choose: ", "Answer: "], entropy(), #{ hooks: hooks }).height`
    /// is `2`
    #[rhai_fn(return_raw)]
    pub fn mean_ablation(options: Map) -> ScriptResult<Hook> {
        hook("mean_ablation", Edit::Mean, options)
    }

    #[rhai_fn(name = "mean_ablation", return_raw)]
    pub fn mean_ablation_plainly() -> ScriptResult<Hook> {
        mean_ablation(Map::new())
    }

    /// A tensor, `source`, in the place of a value: one of its shape or that broadcasts to it, such as
    /// another run's cached value.
    ///
    /// Options: those of every intervention.
    ///
    /// Errors: where it is put, a tensor that does not broadcast to the value, and those of `zero_ablation`.
    ///
    /// Example: `let model = load_model("mora/tiny-ipd"); let site = "blocks.25.hook_resid_post";
    /// let other = model.run_with_cache("Defect", #{ sites: site, positions: "last" });
    /// let hooks = #{ "blocks.25.hook_resid_post": patch(other.cache[site], #{ positions: "last" }) };
    /// let patched = model.run_with_hooks("Choose", hooks); patched.logits.close_to(other.logits, 1e-4)`
    /// is `true`
    #[rhai_fn(return_raw)]
    pub fn patch(source: Tensor, options: Map) -> ScriptResult<Hook> {
        hook("patch", Edit::Replace(source.into_tensor()), options)
    }

    #[rhai_fn(name = "patch", return_raw)]
    pub fn patch_plainly(source: Tensor) -> ScriptResult<Hook> {
        patch(source, Map::new())
    }

    /// The values of other prompts of the run in the place of a value: `from` has for each prompt the number
    /// of the one, equally long, that it takes them from.
    ///
    /// Options: those of every intervention.
    ///
    /// Errors: where it is put, another number of prompts, a prompt that is not there or not equally long.
    ///
    /// Example: `let hooks = #{ "blocks.*.hook_mlp_out": resample_ablation([1, 0]) };
    /// load_model("mora/tiny-ipd").run_with_hooks(["Choose action1", "Choose action2"], hooks).logits.shape`
    /// is `[2, 768]`
    #[rhai_fn(return_raw)]
    pub fn resample_ablation(from: Array, options: Map) -> ScriptResult<Hook> {
        let from = argument::<Vec<usize>>("resample_ablation", "from", &from.into())?;
        hook("resample_ablation", Edit::Resample(from), options)
    }

    #[rhai_fn(name = "resample_ablation", return_raw)]
    pub fn resample_ablation_plainly(from: Array) -> ScriptResult<Hook> {
        resample_ablation(from, Map::new())
    }

    /// Normal noise of the standard deviation `std`, in the value's unit, added to a value.
    ///
    /// Options: `seed` (integer, the run's): of the noise; and those of every intervention.
    ///
    /// Errors: a deviation that is no number or below 0; positions that are none; and where it is put: heads at a site
    /// without them, a head or position that is not there.
    ///
    /// Example: `let hooks = #{ hook_embed: noise(0.1, #{ seed: 3 }) };
    /// let model = load_model("mora/tiny-ipd"); model.run_with_hooks("Choose",
    /// hooks).logits.close_to(model.run_with_hooks("Choose", hooks).logits, 0.0)` is `true`
    #[rhai_fn(return_raw)]
    pub fn noise(call: NativeCallContext, std: Dynamic, options: Map) -> ScriptResult<Hook> {
        let std = argument::<f64>("noise", "std", &std)?;
        if !std.is_finite() || std < 0.0 {
            return Err(
                Error::new(format!("noise: a standard deviation of {std}, expected 0 or more")).into()
            );
        }
        let mut options = Options::of("noise", options);
        let seed = options.get("seed", Context::of(&call)?.seed())?;
        finished(Edit::Noise { std, seed }, "noise", options)
    }

    #[rhai_fn(name = "noise", return_raw)]
    pub fn noise_plainly(call: NativeCallContext, std: Dynamic) -> ScriptResult<Hook> {
        noise(call, std, Map::new())
    }

    /// A `vector` added to a value: a tensor of its shape or that broadcasts to it, such as a direction
    /// [d_model] at a residual site.
    ///
    /// Options: `strength` (number, 1.0): a factor on the vector; and those of every intervention.
    ///
    /// Errors: where it is put, a tensor that does not broadcast to the value, and those of `zero_ablation`.
    ///
    /// Example: `let steering = steer(ones([64]), #{ strength: 4.0, positions: "last" });
    /// load_model("mora/tiny-ipd").generate("Choose", #{ max_new_tokens: 2,
    /// hooks: #{ "blocks.12.hook_resid_post": steering } }).len()` is `1`
    #[rhai_fn(return_raw)]
    pub fn steer(vector: Tensor, options: Map) -> ScriptResult<Hook> {
        let mut options = Options::of("steer", options);
        let strength = options.get("strength", 1.0)?;
        finished(Edit::Add { vector: vector.into_tensor(), strength }, "steer", options)
    }

    #[rhai_fn(name = "steer", return_raw)]
    pub fn steer_plainly(vector: Tensor) -> ScriptResult<Hook> {
        steer(vector, Map::new())
    }

    /// In attention patterns (`blocks.N.attn.hook_pattern`): no weight on these key positions, the others
    /// scaled to sum to 1. `keys` is "all", "last", an index or an array of indices.
    ///
    /// Options: those of every intervention, whose positions are those of the queries.
    ///
    /// Errors: at another site.
    ///
    /// Example: `let site = "blocks.0.attn.hook_pattern";
    /// let hooks = #{ "blocks.0.attn.hook_pattern": knock_out([0], #{ positions: "last" }) };
    /// let run = load_model("mora/tiny-ipd").run_with_cache("Choose action1", #{ sites: site, hooks: hooks });
    /// run.cache[site][[0, 0, -1, 0]].item()` is `0.0`
    #[rhai_fn(return_raw)]
    pub fn knock_out(keys: Dynamic, options: Map) -> ScriptResult<Hook> {
        hook("knock_out", Edit::KnockOut(positions("knock_out", &keys)?), options)
    }

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
