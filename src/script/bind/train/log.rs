//! Training logs, as scripts see them.

use rhai::plugin::*;

use super::Shared;
use crate::script::value::script_value;

/// A log that a script holds.
pub type LogValue = Shared<crate::train::log::TrainingLog>;

script_value!(LogValue: "a training log");

#[export_module(manifest)]
pub mod logs {
    use crate::frame::Cell;
    use crate::script::bind::prelude::*;
    use crate::script::bind::train::changed;
    use crate::train::log::TrainingLog as Core;

    type Frame = crate::frame::Frame;
    /// The log of a training: a table that grows. Copies share it.
    pub type TrainingLog = super::LogValue;

    /// A log of `steps` rows to come, kept as the CSV `file` in the output folder as it grows; a line on the
    /// terminal says where the training stands.
    ///
    /// Errors: fewer than 0 steps, a `file` that leaves the output folder or that cannot be written.
    ///
    /// Example: `let log = training_log("training.csv", 2); log.record(#{ step: 1, loss: 0.5 });
    /// read_csv(output_folder() + "/training.csv").column("loss")` is `[0.5]`
    #[rhai_fn(return_raw)]
    pub fn training_log(call: NativeCallContext, file: &str, steps: i64) -> ScriptResult<TrainingLog> {
        let path = Context::of(&call)?.output_path(file)?;
        let steps = argument::<u64>("training_log", "steps", &steps.into())?;
        Ok(std::rc::Rc::new(std::cell::RefCell::new(Core::new(Some(path), steps))))
    }

    /// Adds a `row` to a log: a map of names and values. `seconds` since the last row are added.
    ///
    /// Errors: a value that a table does not hold, one of another kind than those above it, a file that
    /// cannot be written.
    ///
    /// Example: `let log = training_log("recorded.csv", 2); log.record(#{ step: 1, loss: 0.5 });
    /// log.frame.names` is `["step", "loss", "seconds"]`
    #[rhai_fn(return_raw)]
    pub fn record(log: TrainingLog, row: Map) -> ScriptResult<()> {
        let row = row
            .into_iter()
            .map(|(name, value)| Ok((name.to_string(), argument::<Cell>("record", &name, &value)?)))
            .collect::<crate::Result<Vec<_>>>()?;
        Ok(changed(&log, |log| log.record(row))?)
    }

    /// Puts `rows`, an array of maps, in front: those of the part of a training that was done before.
    ///
    /// Errors: a row that is no map, a value that a table does not hold.
    ///
    /// Example: `let log = training_log("continued.csv", 3); log.go_on_from([#{ step: 1, loss: 0.5 }]);
    /// log.record(#{ step: 2, loss: 0.4 }); log.frame.column("step")` is `[1, 2]`
    #[rhai_fn(return_raw)]
    pub fn go_on_from(log: TrainingLog, rows: Array) -> ScriptResult<()> {
        let rows = rows
            .into_iter()
            .map(|row| {
                argument::<Map>("go_on_from", "a row", &row)?
                    .into_iter()
                    .map(|(name, value)| {
                        Ok((name.to_string(), argument::<Cell>("go_on_from", &name, &value)?))
                    })
                    .collect()
            })
            .collect::<crate::Result<Vec<Vec<_>>>>()?;
        Ok(changed(&log, |log| {
            log.go_on_from(rows);
            Ok(())
        })?)
    }

    /// The rows so far, as an array of maps, such as a checkpoint's state can hold.
    ///
    /// Example: `let log = training_log("rows.csv", 1); log.record(#{ step: 1, loss: 0.5 }); log.rows[0].loss`
    /// is `0.5`
    #[rhai_fn(get = "rows")]
    pub fn rows(log: TrainingLog) -> Array {
        let row = |row: &Vec<(String, Cell)>| {
            let map: Map = row
                .iter()
                .map(|(name, value)| (name.as_str().into(), crate::script::bind::cells::cell(value.clone())))
                .collect();
            Dynamic::from(map)
        };
        log.borrow().rows().iter().map(row).collect()
    }

    /// The log as a table.
    ///
    /// Errors: rows with values of different kinds under one name.
    ///
    /// Example: `let log = training_log("table.csv", 1); log.record(#{ step: 1, loss: 0.5 }); log.frame.height`
    /// is `1`
    #[rhai_fn(get = "frame", return_raw)]
    pub fn frame(log: TrainingLog) -> ScriptResult<Frame> {
        Ok(log.borrow().frame()?)
    }

    /// One line about a log.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn log_to_string(log: TrainingLog) -> String {
        format!("training log of {} steps", log.borrow().rows().len())
    }
}
