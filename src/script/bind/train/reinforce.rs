//! PPO and GRPO, as scripts see them.

use rhai::plugin::*;

use super::Shared;
use crate::script::value::script_value;

/// PPO that a script holds.
pub type PpoValue = Shared<crate::train::ppo::Ppo>;
/// GRPO that a script holds.
pub type GrpoValue = Shared<crate::train::grpo::Grpo>;

script_value! {
    PpoValue: "a PPO training",
    GrpoValue: "a GRPO training",
}

#[export_module(manifest)]
pub mod ppos {
    use crate::script::bind::prelude::*;
    use crate::script::bind::train::{changed, examples, map, options, state_from_json, state_to_json};
    use crate::train::ppo::Ppo as Core;

    type Trainable = crate::train::Trainable;
    /// Takes PPO steps. Copies share its state.
    pub type Ppo = super::PpoValue;

    /// Proximal policy optimisation of a policy, in the classic form: a penalty on the distance to the model
    /// before training (the same model with the adapter off), GAE, a value head on the last hidden state.
    ///
    /// Options: `lr` (number, 1.41e-5): Adam's; `epochs` (integer, 4): passes over a batch; `minibatch`
    /// (integer, the whole batch): responses a move of the parameters; `shuffle` (bool, true): minibatches in a
    /// random order; `gamma` (number, 1.0): discount of later rewards; `lambda` (number, 0.95): of GAE; `clip`
    /// (number, 0.2): how far the probability ratio counts; `value_clip` (number, 0.2): how far the values may
    /// move; `value_weight` (number, 0.1): of their loss; `ratio_limit` (number, 10.0): a minibatch whose mean
    /// ratio is above contributes no loss; `kl` (number, 0.2): weight of the penalty at the start;
    /// `adaptive_kl` (bool, true): the weight follows `kl_target`; `kl_target` (number, 6.0): in nats;
    /// `kl_horizon` (number, 10000.0): how slowly it follows, in responses; `scale_scores` (bool, true): scores
    /// are divided by their running deviation; `normalise_scores` (bool, true): their running mean is taken off
    /// first; `clip_norm` (number, none): largest norm of the gradients; `seed` (integer, the run's): of the
    /// order and of the fresh value head.
    ///
    /// Errors: an option out of its range: a rate, clip or limit that is not above 0, no epochs, `gamma` or
    /// `lambda` outside 0 to 1, a negative weight.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).ppo(#{ lr: 1e-4, kl: 0.1 }).kl_coefficient`
    /// is `0.1`
    #[rhai_fn(return_raw)]
    pub fn ppo(call: NativeCallContext, policy: Trainable, options: Map) -> ScriptResult<Ppo> {
        let options = options::ppo(options, Context::of(&call)?.seed())?;
        Ok(std::rc::Rc::new(std::cell::RefCell::new(Core::new(policy, options)?)))
    }

    #[rhai_fn(name = "ppo", return_raw)]
    pub fn ppo_plainly(call: NativeCallContext, policy: Trainable) -> ScriptResult<Ppo> {
        ppo(call, policy, Map::new())
    }

    /// One step on responses that the policy has sampled at temperature 1, with a score each. Queries and
    /// responses are arrays of token ids, or texts.
    ///
    /// Gives a map of statistics: `objective/kl`, `objective/kl_coef`, `objective/entropy`; `ppo/loss/policy`,
    /// `value`, `total`; `ppo/policy/approxkl`, `clipfrac`, `ratio`, `entropy`, `advantages_mean`;
    /// `ppo/returns/mean`, `var`; `ppo/val/mean`, `error`, `clipfrac`, `var_explained`; `ppo/mean_scores`,
    /// `ppo/std_scores`.
    ///
    /// Errors: unequal numbers of queries, responses and scores, none of them, an empty response, a score
    /// that is not finite.
    ///
    /// Example: `let ppo = load_model("mora/tiny-ipd").lora(#{ rank: 2 }).ppo();
    /// let seen = ppo.step(["Choose: ", "Answer: "], ["action1", "action2"], [1.0, 0.0]);
    /// fixed(seen["objective/kl"], 3)` is `0.000`
    #[rhai_fn(name = "step", return_raw)]
    pub fn step_ppo(ppo: Ppo, queries: Array, responses: Array, scores: Array) -> ScriptResult<Map> {
        let scores = argument::<Vec<f64>>("step", "scores", &scores.into())?;
        let statistics = changed(&ppo, |ppo| {
            let model = ppo.trainable().reference().clone();
            let queries = examples::sequences(&model, &queries, "query", true)?;
            let responses = examples::sequences(&model, &responses, "response", false)?;
            ppo.step(&queries, &responses, &scores)
        })?;
        Ok(map(statistics))
    }

    /// Steps taken.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).ppo().steps` is `0`
    #[rhai_fn(get = "steps")]
    pub fn steps(ppo: Ppo) -> i64 {
        ppo.borrow().n_steps() as i64
    }

    /// What is trained.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).ppo().trainable.n_parameters` is `63232`
    #[rhai_fn(get = "trainable")]
    pub fn trained(ppo: Ppo) -> Trainable {
        ppo.borrow().trainable().clone()
    }

    /// The weight of the penalty on the distance to the model before training, as it is now.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).ppo().kl_coefficient` is `0.2`
    #[rhai_fn(get = "kl_coefficient")]
    pub fn kl_coefficient(ppo: Ppo) -> f64 {
        ppo.borrow().kl_coefficient()
    }

    /// Writes a checkpoint to `file` in the output folder, in place of the one before: adapter or weights,
    /// value head, optimiser, KL weight, running moments, step, and the script's own `state`.
    ///
    /// Errors: a `file` that leaves the output folder or cannot be written, a state that holds something but
    /// maps, arrays, numbers, strings and truth values.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).ppo().save_checkpoint("policy.ckpt",
    /// #{ episode: 3 })`
    #[rhai_fn(name = "save_checkpoint", return_raw)]
    pub fn save_checkpoint_with(
        call: NativeCallContext,
        ppo: Ppo,
        file: &str,
        state: Map,
    ) -> ScriptResult<()> {
        let path = Context::of(&call)?.output_path(file)?;
        Ok(ppo.borrow().save(&path, state_to_json(&state)?)?)
    }

    #[rhai_fn(name = "save_checkpoint", return_raw)]
    pub fn save_checkpoint(call: NativeCallContext, ppo: Ppo, file: &str) -> ScriptResult<()> {
        save_checkpoint_with(call, ppo, file, Map::new())
    }

    /// Goes on from the checkpoint `file` in the output folder, where there is one: gives the script's own
    /// state, or () where there is none.
    ///
    /// Errors: a file that is damaged or no checkpoint, one of other options or of something else that was
    /// trained.
    ///
    /// Example: `let fresh = || load_model("mora/tiny-ipd").lora(#{ rank: 2 }).ppo();
    /// fresh.call().save_checkpoint("ppo.ckpt", #{ episode: 3 }); fresh.call().resume("ppo.ckpt").episode`
    /// is `3`
    #[rhai_fn(return_raw)]
    pub fn resume(call: NativeCallContext, ppo: Ppo, file: &str) -> ScriptResult<Dynamic> {
        let path = Context::of(&call)?.kept_path(file)?;
        Ok(state_from_json(changed(&ppo, |ppo| ppo.resume(&path))?)?)
    }

    /// One line about a PPO training.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn ppo_to_string(ppo: Ppo) -> String {
        match ppo.try_borrow() {
            Ok(ppo) => format!("PPO at step {} of {}", ppo.n_steps(), ppo.trainable().describe()),
            Err(_) => "PPO in the middle of a step".to_owned(),
        }
    }
}

#[export_module(manifest)]
pub mod grpos {
    use crate::script::bind::prelude::*;
    use crate::script::bind::train::{changed, examples, map, options, state_from_json, state_to_json};
    use crate::train::grpo::Grpo as Core;

    type Trainable = crate::train::Trainable;
    /// Takes GRPO steps. Copies share its state.
    pub type Grpo = super::GrpoValue;

    /// Group-relative policy optimisation: a response's baseline is the mean score of the responses to the same
    /// query. No value head.
    ///
    /// Options: `lr` (number, 1e-6): Adam's; `epochs` (integer, 1): passes over a batch; `clip` (number, 0.2):
    /// how far the probability ratio counts; `beta` (number, 0.04): weight of the distance to the model before
    /// training; `clip_norm` (number, none): largest norm of the gradients.
    ///
    /// Errors: an option out of its range: a rate or clip that is not above 0, no epochs, a negative `beta`.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).grpo(#{ lr: 1e-4 }).steps` is `0`
    #[rhai_fn(return_raw)]
    pub fn grpo(policy: Trainable, options: Map) -> ScriptResult<Grpo> {
        Ok(std::rc::Rc::new(std::cell::RefCell::new(Core::new(policy, options::grpo(options)?)?)))
    }

    #[rhai_fn(name = "grpo", return_raw)]
    pub fn grpo_plainly(policy: Trainable) -> ScriptResult<Grpo> {
        grpo(policy, Map::new())
    }

    /// One step on responses with a score each; responses to equal queries are a group. Queries and responses
    /// are arrays of token ids, or texts. Gives a map with `grpo/loss/total`, `grpo/loss/policy`, `grpo/kl`,
    /// `grpo/policy/clipfrac`, `grpo/policy/entropy`, `grpo/mean_scores` and `grpo/std_scores`.
    ///
    /// Errors: unequal numbers of queries, responses and scores, none of them, an empty response, a score
    /// that is not finite, a query with one response.
    ///
    /// Example: `let grpo = load_model("mora/tiny-ipd").lora(#{ rank: 2 }).grpo(); grpo.step(["Choose: ",
    /// "Choose: "], ["action1", "action2"], [1.0, 0.0])["grpo/mean_scores"]` is `0.5`
    #[rhai_fn(name = "step", return_raw)]
    pub fn step_grpo(grpo: Grpo, queries: Array, responses: Array, scores: Array) -> ScriptResult<Map> {
        let scores = argument::<Vec<f64>>("step", "scores", &scores.into())?;
        let statistics = changed(&grpo, |grpo| {
            let model = grpo.trainable().reference().clone();
            let queries = examples::sequences(&model, &queries, "query", true)?;
            let responses = examples::sequences(&model, &responses, "response", false)?;
            grpo.step(&queries, &responses, &scores)
        })?;
        Ok(map(statistics))
    }

    /// Steps taken.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).grpo().steps` is `0`
    #[rhai_fn(get = "steps")]
    pub fn steps(grpo: Grpo) -> i64 {
        grpo.borrow().n_steps() as i64
    }

    /// What is trained.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).grpo().trainable.n_parameters` is `63232`
    #[rhai_fn(get = "trainable")]
    pub fn trained(grpo: Grpo) -> Trainable {
        grpo.borrow().trainable().clone()
    }

    /// Writes a checkpoint to `file` in the output folder, in place of the one before: adapter or weights,
    /// optimiser, step, and the script's own `state`.
    ///
    /// Errors: a `file` that leaves the output folder or cannot be written, a state that holds something but
    /// maps, arrays, numbers, strings and truth values.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).grpo().save_checkpoint("groups.ckpt",
    /// #{ episode: 3 })`
    #[rhai_fn(name = "save_checkpoint", return_raw)]
    pub fn save_checkpoint_with(
        call: NativeCallContext,
        grpo: Grpo,
        file: &str,
        state: Map,
    ) -> ScriptResult<()> {
        let path = Context::of(&call)?.output_path(file)?;
        Ok(grpo.borrow().save(&path, state_to_json(&state)?)?)
    }

    #[rhai_fn(name = "save_checkpoint", return_raw)]
    pub fn save_checkpoint(call: NativeCallContext, grpo: Grpo, file: &str) -> ScriptResult<()> {
        save_checkpoint_with(call, grpo, file, Map::new())
    }

    /// Goes on from the checkpoint `file` in the output folder, where there is one: gives the script's own
    /// state, or () where there is none.
    ///
    /// Errors: a file that is damaged or no checkpoint, one of other options or of something else that was
    /// trained.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).grpo().resume("none_yet.ckpt") == ()` is `true`
    #[rhai_fn(return_raw)]
    pub fn resume(call: NativeCallContext, grpo: Grpo, file: &str) -> ScriptResult<Dynamic> {
        let path = Context::of(&call)?.kept_path(file)?;
        Ok(state_from_json(changed(&grpo, |grpo| grpo.resume(&path))?)?)
    }

    /// One line about a GRPO training.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn grpo_to_string(grpo: Grpo) -> String {
        match grpo.try_borrow() {
            Ok(grpo) => format!("GRPO at step {} of {}", grpo.n_steps(), grpo.trainable().describe()),
            Err(_) => "GRPO in the middle of a step".to_owned(),
        }
    }
}
