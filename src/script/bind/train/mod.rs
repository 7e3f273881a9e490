//! Training: adapters and models that learn, supervised and by reinforcement.

mod examples;
mod fresh;
mod log;
mod options;
mod reinforce;
mod supervised;
mod trainable;

use std::cell::RefCell;
use std::rc::Rc;

use rhai::{Dynamic, Map};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::script::bind::Room;

/// The train room.
pub static ROOM: Room = Room {
    name: "train",
    about: "Training: fresh adapters and models, supervised steps, PPO and GRPO, checkpoints, logs.",
    parts: &[
        &trainable::trainables::RHAI_MANIFEST,
        &fresh::fresh_models::RHAI_MANIFEST,
        &supervised::trainers::RHAI_MANIFEST,
        &reinforce::ppos::RHAI_MANIFEST,
        &reinforce::grpos::RHAI_MANIFEST,
        &log::logs::RHAI_MANIFEST,
    ],
};

/// A value of the core that steps change, shared by all copies of a script's variable.
pub type Shared<T> = Rc<RefCell<T>>;

/// A shared value, for a change.
///
/// # Errors
/// Where it is being changed already: a closure that is called by a step takes another step.
pub fn changed<T, R>(shared: &Shared<T>, change: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
    match shared.try_borrow_mut() {
        Ok(mut value) => change(&mut value),
        Err(_) => Err(Error::new("the training is in the middle of a step already")
            .hint("a loss closure computes a loss; it takes no steps of its own")),
    }
}

/// What a script keeps beside a checkpoint, as JSON.
fn state_to_json(state: &Map) -> Result<Value> {
    rhai::serde::from_dynamic::<Value>(&Dynamic::from(state.clone()))
        .map_err(|_| Error::new("the state holds something that a checkpoint cannot keep"))
        .map_err(|error| error.hint("maps, arrays, numbers, strings and truth values can be kept"))
}

/// The same back; `()` where there is none.
fn state_from_json(state: Option<Value>) -> Result<Dynamic> {
    match state {
        None => Ok(Dynamic::UNIT),
        Some(Value::Null) => Ok(Map::new().into()),
        Some(value) => rhai::serde::to_dynamic(value).map_err(|error| Error::new(error.to_string())),
    }
}

/// Statistics as a script's map.
fn map(statistics: impl IntoIterator<Item = (&'static str, f64)>) -> Map {
    statistics.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}
