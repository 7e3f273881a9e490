//! Rows and columns: choosing, sorting, adding.

use rhai::plugin::*;

#[export_module(manifest)]
pub mod rows {
    use crate::frame::{Cell, Column, Order};
    use crate::script::bind::cells::{self, Names};
    use crate::script::bind::prelude::*;
    use crate::script::callback::Callbacks;

    type Frame = crate::frame::Frame;

    /// The columns `names`, in this order: a name or an array of names.
    ///
    /// Errors: a column that is missing, one that comes twice.
    ///
    /// Example: `frame(#{ a: 0..2, b: 0..2, c: 0..2 }).select(["c", "a"]).names` is `["c", "a"]`
    #[rhai_fn(return_raw)]
    pub fn select(frame: Frame, names: Dynamic) -> ScriptResult<Frame> {
        Ok(frame.select(&argument::<Names>("select", "names", &names)?.0)?)
    }

    /// All columns but `names`: a name or an array of names.
    ///
    /// Errors: a column that is missing.
    ///
    /// Example: `frame(#{ a: 0..2, b: 0..2, c: 0..2 }).drop("b").names` is `["a", "c"]`
    #[rhai_fn(return_raw)]
    pub fn drop(frame: Frame, names: Dynamic) -> ScriptResult<Frame> {
        Ok(frame.drop(&argument::<Names>("drop", "names", &names)?.0)?)
    }

    /// Gives columns new `names`, a map of old to new.
    ///
    /// Errors: a column that is missing, a name that another column has.
    ///
    /// Example: `frame(#{ a: 0..2, b: 0..2 }).rename(#{ a: "layer" }).names` is `["layer", "b"]`
    #[rhai_fn(return_raw)]
    pub fn rename(frame: Frame, names: Map) -> ScriptResult<Frame> {
        let pairs = names
            .iter()
            .map(|(old, new)| Ok((old.as_str(), argument::<String>("rename", old, new)?)))
            .collect::<crate::Result<Vec<_>>>()?;
        Ok(frame.rename(&pairs)?)
    }

    /// Puts a column `name` in the place of the one of its name, or after the last one. The `values` are an
    /// array, a range, a tensor of one axis, a single value for every row, or a function of a row.
    ///
    /// Errors: another number of values than of rows, values of different kinds, a tensor of several axes,
    /// what the function fails with.
    ///
    /// Example: `frame(#{ delta: [0.5, -1.5] }).with_column("size", |row| abs(row.delta)).column("size")`
    /// is `[0.5, 1.5]`
    #[rhai_fn(return_raw)]
    pub fn with_column(
        call: NativeCallContext,
        frame: Frame,
        name: &str,
        values: Dynamic,
    ) -> ScriptResult<Frame> {
        let Some(function) = values.read_lock::<FnPtr>().map(|function| function.clone()) else {
            let column =
                cells::column_of(&values, frame.height()).within(|| format!("with_column: \"{name}\""))?;
            return Ok(frame.with_column(name, column)?);
        };
        let callbacks = Callbacks::new(&call);
        let made = (|| {
            let rows = frame.rows()?.into_iter();
            let values = rows.map(|row| callbacks.call::<Cell>(&function, (cells::row(row),)));
            let column = Column::from_cells(values.collect::<crate::Result<Vec<_>>>()?);
            frame.with_column(name, column.within(|| format!("with_column: \"{name}\""))?)
        })();
        callbacks.settle(made)
    }

    /// The rows that `keep` is true of: a function of the row, or an array of a bool for each row.
    ///
    /// Errors: another number of bools than of rows; a function that gives something but true or false, and
    /// what it fails with.
    ///
    /// Example: `frame(#{ layer: 0..26 }).filter(|row| row.layer > 20).height` is `5`
    #[rhai_fn(return_raw)]
    pub fn filter(call: NativeCallContext, frame: Frame, keep: Dynamic) -> ScriptResult<Frame> {
        let Some(function) = keep.read_lock::<FnPtr>().map(|function| function.clone()) else {
            return Ok(frame.filter(&argument::<Vec<bool>>("filter", "rows", &keep)?)?);
        };
        let callbacks = Callbacks::new(&call);
        let kept = (|| {
            let rows = frame.rows()?.into_iter();
            let keep = rows.map(|row| callbacks.call::<bool>(&function, (cells::row(row),)));
            frame.filter(&keep.collect::<crate::Result<Vec<_>>>()?)
        })();
        callbacks.settle(kept)
    }

    /// The rows in ascending order of a column `by`, where it is equal in that of the next, and so on: a name
    /// or an array of names. Equal rows keep their order; `()` and NaN come last.
    ///
    /// Options: `descending` (bool | array, false): the largest first, one bool for all columns or an array of
    /// one for each.
    ///
    /// Errors: a column that is missing, another number of bools than of columns.
    ///
    /// Example: `frame(#{ delta: [0.5, -1.0, 2.0] }).sort("delta", #{ descending: true }).column("delta")`
    /// is `[2.0, 0.5, -1.0]`
    #[rhai_fn(name = "sort", return_raw)]
    pub fn sort_with(frame: Frame, by: Dynamic, options: Map) -> ScriptResult<Frame> {
        let names = argument::<Names>("sort", "by", &by)?.0;
        let mut options = Options::of("sort", options);
        let descending = options.maybe::<Dynamic>("descending")?.unwrap_or(false.into());
        options.finish()?;
        let descending = match descending.as_bool() {
            Ok(all) => vec![all; names.len()],
            Err(_) => argument::<Vec<bool>>("sort", "descending", &descending)?,
        };
        if descending.len() != names.len() {
            return Err(Error::new(format!(
                "sort: expected {} bools in \"descending\", one for each column, found {}",
                names.len(),
                descending.len()
            ))
            .into());
        }
        let order = |down| if down { Order::Descending } else { Order::Ascending };
        let keys: Vec<_> = names.iter().zip(descending).map(|(name, down)| (name, order(down))).collect();
        Ok(frame.sort(&keys)?)
    }

    #[rhai_fn(name = "sort", return_raw)]
    pub fn sort(frame: Frame, by: Dynamic) -> ScriptResult<Frame> {
        sort_with(frame, by, Map::new())
    }

    /// The `count` rows with the largest numbers in `column`, whatever their sign, largest first; all where
    /// there are fewer.
    ///
    /// Errors: a column that is missing or holds no numbers, a count below 0.
    ///
    /// Example: `frame(["component", "delta"], [["L0H1", 0.1], ["L8_MLP", -1.5], ["L2H3", 0.4]]).top("delta",
    /// 2).column("component")` is `["L8_MLP", "L2H3"]`
    #[rhai_fn(return_raw)]
    pub fn top(frame: Frame, column: &str, count: i64) -> ScriptResult<Frame> {
        Ok(frame.top(column, argument("top", "count", &count.into())?)?)
    }

    /// The first rows: `count` of them, or all where there are fewer.
    ///
    /// Errors: a count below 0.
    ///
    /// Example: `frame(#{ layer: 0..26 }).head(2).column("layer")` is `[0, 1]`
    #[rhai_fn(return_raw)]
    pub fn head(frame: Frame, count: i64) -> ScriptResult<Frame> {
        Ok(frame.head(argument("head", "count", &count.into())?))
    }

    /// The last rows: `count` of them, or all where there are fewer.
    ///
    /// Errors: a count below 0.
    ///
    /// Example: `frame(#{ layer: 0..26 }).tail(2).column("layer")` is `[24, 25]`
    #[rhai_fn(return_raw)]
    pub fn tail(frame: Frame, count: i64) -> ScriptResult<Frame> {
        Ok(frame.tail(argument("tail", "count", &count.into())?))
    }

    /// `count` rows from row `start` on, as far as there are any.
    ///
    /// Errors: a start or count below 0.
    ///
    /// Example: `frame(#{ layer: 0..26 }).slice(10, 3).column("layer")` is `[10, 11, 12]`
    #[rhai_fn(return_raw)]
    pub fn slice(frame: Frame, start: i64, count: i64) -> ScriptResult<Frame> {
        let start = argument("slice", "start", &start.into())?;
        Ok(frame.slice(start, argument("slice", "count", &count.into())?))
    }

    /// The first row of every distinct combination of values, in all columns or in those of `names` (a name
    /// or an array).
    ///
    /// Errors: a column that is missing.
    ///
    /// Example: `frame(["model", "layer"], [["base", 0], ["base", 1], ["PT2",
    /// 0]]).unique("model").column("layer")` is `[0, 0]`
    #[rhai_fn(name = "unique", return_raw)]
    pub fn unique_in(frame: Frame, names: Dynamic) -> ScriptResult<Frame> {
        Ok(frame.unique(&argument::<Names>("unique", "names", &names)?.0)?)
    }

    #[rhai_fn(name = "unique", return_raw)]
    pub fn unique(frame: Frame) -> ScriptResult<Frame> {
        Ok(frame.unique::<&str>(&[])?)
    }

    /// The rows of several frames, one frame after the other. They have the same columns, matched by name.
    ///
    /// Errors: no frames, a column that one of them lacks or has of another kind.
    ///
    /// Example: `concat([frame(#{ layer: 0..2 }), frame(#{ layer: 5..7 })]).column("layer")` is `[0, 1, 5, 6]`
    #[rhai_fn(return_raw)]
    pub fn concat(frames: Array) -> ScriptResult<Frame> {
        let frames = argument::<Vec<crate::frame::Frame>>("concat", "frames", &frames.into())?;
        Ok(crate::frame::Frame::concat(&frames).within(|| "concat")?)
    }
}
