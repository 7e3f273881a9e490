//! Supervised training, as scripts see it.

use rhai::plugin::*;

use super::Shared;
use crate::script::value::script_value;

/// A trainer that a script holds.
pub type TrainerValue = Shared<crate::train::Trainer>;

script_value!(TrainerValue: "a trainer");

/// The tensors that are trained, for a loss that gradients flow back from.
fn live_tensors(trainable: &crate::train::Trainable) -> rhai::Map {
    let tensor = |var: &candle_core::Var| {
        rhai::Dynamic::from(crate::tensor::NamedTensor::from(var.as_tensor().clone()))
    };
    trainable.parameters().iter().map(|p| (p.name.as_str().into(), tensor(&p.var))).collect()
}

#[export_module(manifest)]
pub mod trainers {
    use crate::script::bind::prelude::*;
    use crate::script::bind::train::{changed, examples, map, options, state_from_json, state_to_json};
    use crate::tensor::NamedTensor;
    use crate::train::trainer::{Stepped, Trainer as Core};

    type Trainable = crate::train::Trainable;
    /// Takes supervised steps. Copies share its state.
    pub type Trainer = super::TrainerValue;

    /// A trainer of what is trained.
    ///
    /// Options: `lr` (number, 0.0001): the learning rate; `optimizer` ("adamw" | "sgd", "adamw"): the rule of
    /// the steps; `betas` (array, [0.9, 0.999]): of AdamW; `eps` (number, 1e-8): of AdamW; `weight_decay`
    /// (number, 0.01): 0 for "sgd" where it is not given; `momentum` (number, 0.0): of "sgd"; `schedule`
    /// ("constant" | "linear" | "cosine", "constant"): how the rate goes down to 0 at the last step; `warmup`
    /// (integer, 0): steps in which the rate rises; `steps` (integer, 0): the whole number of steps, for a rate
    /// that falls; `clip` (number, none): largest norm of all gradients; `accumulate` (integer, 1): parts that
    /// a batch is run in, for less memory; `seed` (integer, the run's): of dropout.
    ///
    /// Errors: a rate that falls without `steps`.
    ///
    /// Example: `let trainer = load_model("mora/tiny-ipd").lora(#{ rank: 2 }).trainer(#{ lr: 0.001,
    /// schedule: "cosine", steps: 2 }); trainer.step(["Choose action1"]);
    /// fixed(trainer.step(["Choose action1"]).lr, 5)` is `0.00050`
    #[rhai_fn(return_raw)]
    pub fn trainer(call: NativeCallContext, trainable: Trainable, options: Map) -> ScriptResult<Trainer> {
        let options = options::trainer(options, Context::of(&call)?.seed())?;
        Ok(std::rc::Rc::new(std::cell::RefCell::new(Core::new(trainable, options)?)))
    }

    #[rhai_fn(name = "trainer", return_raw)]
    pub fn trainer_plainly(call: NativeCallContext, trainable: Trainable) -> ScriptResult<Trainer> {
        trainer(call, trainable, Map::new())
    }

    /// One step on a `batch` of examples: strings, of which every token counts, or maps with `prompt` and
    /// `completion`, of which the completion's tokens count, or maps with `tokens` (ids) and `from` (the
    /// first that counts). The loss is the mean next-token cross-entropy over the tokens that count, in nats.
    ///
    /// Gives a map with `loss` (before the step), `norm` (of the gradients, before clipping), `lr`, `step` and
    /// `tokens`. Where the loss or a gradient is not finite there is an error and nothing has changed.
    ///
    /// Errors: an empty batch, an example of which no token counts, a loss or gradient that is not finite, a
    /// step within a step.
    ///
    /// Example: `let trainer = load_model("mora/tiny-ipd").lora(#{ rank: 2 }).trainer(#{ lr: 0.001 });
    /// let batch = [#{ prompt: "Choose: ", completion: "action1" }]; let first = trainer.step(batch).loss;
    /// trainer.step(batch).loss < first` is `true`
    #[rhai_fn(name = "step", return_raw)]
    pub fn step_examples(trainer: Trainer, batch: Array) -> ScriptResult<Map> {
        let stepped = changed(&trainer, |trainer| {
            let examples = examples::examples(trainer.trainable().reference(), &batch)?;
            trainer.cross_entropy(&examples)
        })?;
        Ok(told(stepped))
    }

    /// One step of direct preference optimisation on `pairs`, maps with `prompt`, `chosen` and `rejected`;
    /// the reference is the model before training. Gives the map of `step`, with `chosen_reward`,
    /// `rejected_reward` and `accuracy` besides.
    ///
    /// Options: `beta` (number, 0.1): the weight of the distance to the reference.
    ///
    /// Errors: no pairs, a completion without tokens, a `beta` that is not above 0, a loss or gradient that
    /// is not finite.
    ///
    /// Example: `let trainer = load_model("mora/tiny-ipd").lora(#{ rank: 2 }).trainer();
    /// fixed(trainer.step_preferences([#{ prompt: "Choose: ", chosen: "action1", rejected: "action2" }]).loss,
    /// 4)` is `0.6931`
    #[rhai_fn(return_raw)]
    pub fn step_preferences(trainer: Trainer, pairs: Array, options: Map) -> ScriptResult<Map> {
        let mut options = Options::of("step_preferences", options);
        let beta = options.get("beta", 0.1)?;
        options.finish()?;
        let stepped = changed(&trainer, |trainer| {
            let pairs = examples::pairs(trainer.trainable().reference(), &pairs)?;
            trainer.preference(&pairs, beta)
        })?;
        Ok(told(stepped))
    }

    #[rhai_fn(name = "step_preferences", return_raw)]
    pub fn step_preferences_plainly(trainer: Trainer, pairs: Array) -> ScriptResult<Map> {
        step_preferences(trainer, pairs, Map::new())
    }

    /// One step down a `loss` of your own: a closure that is given the model as it is trained and returns a
    /// tensor of one number, made from the model's outputs with tensor operations. Where tensors of your own
    /// are trained the closure is given them too: `trainer.step(|model, tensors| …)`. Gives the map of `step`
    /// without `tokens`.
    ///
    /// Errors: a loss of several numbers, one that is not finite or that does not depend on what is trained,
    /// what the closure fails with.
    ///
    /// Example: `let trainer = load_model("mora/tiny-ipd").lora(#{ rank: 2 }).trainer(#{ lr: 0.001 });
    /// trainer.step(|model| model.run("Choose").logits.square().mean()).step` is `1`
    #[rhai_fn(name = "step", return_raw)]
    pub fn step_closure(call: NativeCallContext, trainer: Trainer, loss: FnPtr) -> ScriptResult<Map> {
        let callbacks = Callbacks::new(&call);
        let result = changed(&trainer, |trainer| {
            let tensors = trainer.trainable().is_tensors().then(|| super::live_tensors(trainer.trainable()));
            trainer.custom(|model| {
                let loss = match tensors {
                    Some(tensors) => callbacks.call::<NamedTensor>(&loss, (model.clone(), tensors)),
                    None => callbacks.call::<NamedTensor>(&loss, (model.clone(),)),
                };
                Ok(loss?.into_tensor())
            })
        });
        Ok(told(callbacks.settle(result)?))
    }

    /// Steps taken.
    ///
    /// Example: `let trainer = load_model("mora/tiny-ipd").lora(#{ rank: 2 }).trainer();
    /// trainer.step(["Choose action1"]); trainer.steps` is `1`
    #[rhai_fn(get = "steps")]
    pub fn steps(trainer: Trainer) -> i64 {
        trainer.borrow().n_steps() as i64
    }

    /// What is trained.
    ///
    /// Example: `load_model("mora/tiny-ipd").lora(#{ rank: 2 }).trainer().trainable.n_parameters` is `63232`
    #[rhai_fn(get = "trainable")]
    pub fn trained(trainer: Trainer) -> Trainable {
        trainer.borrow().trainable().clone()
    }

    /// Writes a checkpoint to `file` in the output folder, in place of the one before: everything that a
    /// training goes on from, bit for bit. `state` is a map of what the script itself needs to go on.
    ///
    /// Errors: a `file` that leaves the output folder or cannot be written, a state that holds something but
    /// maps, arrays, numbers, strings and truth values.
    ///
    /// Example: `let trainer = load_model("mora/tiny-ipd").lora(#{ rank: 2 }).trainer();
    /// trainer.step(["Choose action1"]); trainer.save_checkpoint("supervised.ckpt", #{ epoch: 1 })`
    #[rhai_fn(name = "save_checkpoint", return_raw)]
    pub fn save_checkpoint_with(
        call: NativeCallContext,
        trainer: Trainer,
        file: &str,
        state: Map,
    ) -> ScriptResult<()> {
        let path = Context::of(&call)?.output_path(file)?;
        Ok(trainer.borrow().save(&path, state_to_json(&state)?)?)
    }

    #[rhai_fn(name = "save_checkpoint", return_raw)]
    pub fn save_checkpoint(call: NativeCallContext, trainer: Trainer, file: &str) -> ScriptResult<()> {
        save_checkpoint_with(call, trainer, file, Map::new())
    }

    /// Goes on from the checkpoint `file` in the output folder, where there is one: gives the script's own
    /// state, or () where there is none.
    ///
    /// Errors: a file that is damaged or no checkpoint, one of other options or of something else that was
    /// trained.
    ///
    /// Example: `let fresh = || load_model("mora/tiny-ipd").lora(#{ rank: 2 }).trainer();
    /// let first = fresh.call(); first.step(["Choose action1"]); first.save_checkpoint("resumed.ckpt",
    /// #{ epoch: 1 }); let second = fresh.call(); [second.resume("resumed.ckpt").epoch, second.steps]`
    /// is `[1, 1]`
    #[rhai_fn(return_raw)]
    pub fn resume(call: NativeCallContext, trainer: Trainer, file: &str) -> ScriptResult<Dynamic> {
        let path = Context::of(&call)?.kept_path(file)?;
        Ok(state_from_json(changed(&trainer, |trainer| trainer.resume(&path))?)?)
    }

    /// One line about a trainer.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn trainer_to_string(trainer: Trainer) -> String {
        match trainer.try_borrow() {
            Ok(trainer) => {
                format!("trainer at step {} of {}", trainer.n_steps(), trainer.trainable().describe())
            }
            Err(_) => "trainer in the middle of a step".to_owned(),
        }
    }

    fn told(stepped: Stepped) -> Map {
        let mut map = map(stepped.more);
        map.insert("loss".into(), stepped.loss.into());
        map.insert("norm".into(), stepped.norm.into());
        map.insert("lr".into(), stepped.rate.into());
        map.insert("step".into(), (stepped.step as i64).into());
        map
    }
}
