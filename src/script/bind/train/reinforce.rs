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
    /// Options: `lr` (1.41e-5, Adam's), `epochs` (4), `minibatch` (responses a move of the parameters; the whole
    /// batch), `shuffle` (true: minibatches in a random order), `gamma` (1), `lambda` (0.95), `clip` (0.2),
    /// `value_clip` (0.2), `value_weight` (0.1), `ratio_limit` (10: a minibatch whose mean ratio is above
    /// contributes no loss), `kl` (0.2, weight of the penalty at the start), `adaptive_kl` (true), `kl_target`
    /// (6), `kl_horizon` (10000), `scale_scores` and `normalise_scores` (true: by running moments), `clip_norm`
    /// (largest norm of the gradients), `seed` (the run's).
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
    /// `value`, `total`; `ppo/policy/approxkl`, `clipfrac`, `ratio`, `entropy`, `advantages_mean`; `ppo/returns/mean`,
    /// `var`; `ppo/val/mean`, `error`, `clipfrac`, `var_explained`; `ppo/mean_scores`, `ppo/std_scores`.
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
    #[rhai_fn(get = "steps")]
    pub fn steps(ppo: Ppo) -> i64 {
        ppo.borrow().n_steps() as i64
    }

    /// What is trained.
    #[rhai_fn(get = "trainable")]
    pub fn trained(ppo: Ppo) -> Trainable {
        ppo.borrow().trainable().clone()
    }

    /// The weight of the penalty on the distance to the model before training, as it is now.
    #[rhai_fn(get = "kl_coefficient")]
    pub fn kl_coefficient(ppo: Ppo) -> f64 {
        ppo.borrow().kl_coefficient()
    }

    /// Writes a checkpoint into the output folder, in place of the one before: adapter or weights, value head,
    /// optimiser, KL weight, running moments, step, and the script's own `state`.
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

    /// Goes on from a checkpoint in the output folder, where there is one: gives the script's own state, or ()
    /// where there is none.
    #[rhai_fn(return_raw)]
    pub fn resume(call: NativeCallContext, ppo: Ppo, file: &str) -> ScriptResult<Dynamic> {
        let path = Context::of(&call)?.run().folder().join(file);
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
    /// Options: `lr` (1e-6, Adam's), `epochs` (1), `clip` (0.2), `beta` (0.04, weight of the distance to the
    /// model before training), `clip_norm` (largest norm of the gradients).
    #[rhai_fn(return_raw)]
    pub fn grpo(policy: Trainable, options: Map) -> ScriptResult<Grpo> {
        Ok(std::rc::Rc::new(std::cell::RefCell::new(Core::new(policy, options::grpo(options)?)?)))
    }

    #[rhai_fn(name = "grpo", return_raw)]
    pub fn grpo_plainly(policy: Trainable) -> ScriptResult<Grpo> {
        grpo(policy, Map::new())
    }

    /// One step on responses with a score each; responses to equal queries are a group. Gives a map with
    /// `grpo/loss/total`, `grpo/loss/policy`, `grpo/kl`, `grpo/policy/clipfrac`, `grpo/policy/entropy`, `grpo/mean_scores` and
    /// `grpo/std_scores`.
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
    #[rhai_fn(get = "steps")]
    pub fn steps(grpo: Grpo) -> i64 {
        grpo.borrow().n_steps() as i64
    }

    /// What is trained.
    #[rhai_fn(get = "trainable")]
    pub fn trained(grpo: Grpo) -> Trainable {
        grpo.borrow().trainable().clone()
    }

    /// Writes a checkpoint into the output folder, in place of the one before.
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

    /// Goes on from a checkpoint in the output folder, where there is one: gives the script's own state, or ()
    /// where there is none.
    #[rhai_fn(return_raw)]
    pub fn resume(call: NativeCallContext, grpo: Grpo, file: &str) -> ScriptResult<Dynamic> {
        let path = Context::of(&call)?.run().folder().join(file);
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
