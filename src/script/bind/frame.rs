//! Tables in scripts.

use rhai::plugin::*;

use crate::script::bind::Room;
use crate::script::value::script_value;

/// The frame room.
pub static ROOM: Room = Room {
    name: "frame",
    about: "Tables: building, selecting, sorting, grouping, joining, reshaping, CSV and Parquet.",
    parts: &[&values::RHAI_MANIFEST, &rows::RHAI_MANIFEST, &groups::RHAI_MANIFEST, &files::RHAI_MANIFEST],
};

script_value! { crate::frame::Frame: "a frame" }

#[export_module(manifest)]
mod values {
    use crate::script::bind::cells;
    use crate::script::bind::prelude::*;

    /// A table with named columns of equal length, each of numbers, integers, strings or bools; `()` stands
    /// for no value. A frame never changes: every operation gives a new one, at little cost. It prints as a
    /// table: numbers to the right, long tables cut in the middle.
    pub type Frame = crate::frame::Frame;
    /// A tensor.
    pub type Tensor = crate::tensor::NamedTensor;

    /// Makes a frame from a map of columns, or from an array of rows.
    ///
    /// A column is an array, a range, a tensor of one axis, or a single value for every row; a row is a map,
    /// and what it lacks is `()`. Columns stand in the order of their names: use `select` for another.
    ///
    /// Errors: columns of unequal length, values of different kinds in one column.
    ///
    /// Example: `frame(#{ layer: 0..3, delta: [0.5, -1.0, ()], model: "base" })[2]`
    /// is `#{"delta": (), "layer": 2, "model": "base"}`
    #[rhai_fn(name = "frame", return_raw)]
    pub fn frame_of_columns(columns: Map) -> ScriptResult<Frame> {
        Ok(cells::from_columns(&columns).within(|| "frame")?)
    }

    #[rhai_fn(name = "frame", return_raw)]
    pub fn frame_of_rows(rows: Array) -> ScriptResult<Frame> {
        Ok(cells::from_maps(&rows).within(|| "frame")?)
    }

    /// Makes a frame from the names of its columns and an array of rows, each an array of as many values.
    ///
    /// Errors: a row of another length, values of different kinds in one column.
    ///
    /// Example: `frame(["component", "delta"], [["L8_MLP", 1.5], ["L2H3", -0.25]]).column("delta")`
    /// is `[1.5, -0.25]`
    #[rhai_fn(name = "frame", return_raw)]
    pub fn frame_of_arrays(names: Array, rows: Array) -> ScriptResult<Frame> {
        let names = argument::<Vec<String>>("frame", "names", &names.into())?;
        Ok(cells::from_arrays(&names, &rows).within(|| "frame")?)
    }

    /// The number of rows.
    ///
    /// Example: `frame(#{ layer: 0..26 }).height` is `26`
    #[rhai_fn(get = "height")]
    pub fn height(frame: Frame) -> i64 {
        frame.height() as i64
    }

    /// The number of columns.
    ///
    /// Example: `frame(#{ layer: 0..26, model: "base" }).width` is `2`
    #[rhai_fn(get = "width")]
    pub fn width(frame: Frame) -> i64 {
        frame.width() as i64
    }

    /// The number of rows of a frame.
    ///
    /// Example: `frame(#{ layer: 0..26 }).len()` is `26`
    #[rhai_fn(name = "len")]
    pub fn len(frame: Frame) -> i64 {
        frame.height() as i64
    }

    /// The names of the columns, in order.
    ///
    /// Example: `frame(["layer", "delta"], [[0, 1.5]]).names` is `["layer", "delta"]`
    #[rhai_fn(get = "names")]
    pub fn names(frame: Frame) -> Array {
        array(frame.names().into_iter().map(str::to_owned))
    }

    /// A column as an array.
    ///
    /// Errors: no such column.
    ///
    /// Example: `frame(["layer", "delta"], [[0, 1.5], [1, ()]])["delta"]` is `[1.5, ()]`
    #[rhai_fn(index_get, return_raw)]
    pub fn column_at(frame: Frame, name: &str) -> ScriptResult<Array> {
        Ok(cells::cells(&frame.column(name)?))
    }

    /// A row as a map; a negative number counts from the end.
    ///
    /// Errors: no such row.
    ///
    /// Example: `frame(["layer", "delta"], [[0, 1.5], [1, -0.5]])[-1].delta` is `-0.5`
    #[rhai_fn(index_get, return_raw)]
    pub fn row_at(frame: Frame, row: i64) -> ScriptResult<Map> {
        let height = frame.height() as i64;
        let place = if row < 0 { row.saturating_add(height) } else { row };
        let Ok(place) = usize::try_from(place) else {
            return Err(Error::new(format!("row {row} of a frame of {height} rows")).into());
        };
        Ok(cells::row(frame.row(place)?))
    }

    /// A column as an array, as `frame["delta"]` gives it.
    ///
    /// Errors: no such column.
    ///
    /// Example: `frame(["layer", "delta"], [[0, 1.5], [1, -0.5]]).column("layer")` is `[0, 1]`
    #[rhai_fn(return_raw)]
    pub fn column(frame: Frame, name: &str) -> ScriptResult<Array> {
        Ok(cells::cells(&frame.column(name)?))
    }

    /// A column of numbers as a tensor of one axis, in f64; `()` becomes NaN.
    ///
    /// Errors: a column of something else.
    ///
    /// Example: `frame(["layer", "delta"], [[0, 1.5], [1, -0.5]]).to_tensor("delta").abs().sum().item()`
    /// is `2.0`
    #[rhai_fn(return_raw)]
    pub fn to_tensor(frame: Frame, name: &str) -> ScriptResult<Tensor> {
        let values = frame.floats(name)?;
        let count = values.len();
        let tensor = candle_core::Tensor::from_vec(values, count, &candle_core::Device::Cpu);
        Ok(crate::tensor::NamedTensor::from(tensor.map_err(Error::from)?))
    }

    /// All rows, each a map of its values: `for row in frame.rows() { … }`.
    ///
    /// Example: `frame(["layer", "delta"], [[0, 1.5], [1, -0.5]]).rows().len()` is `2`
    #[rhai_fn(return_raw)]
    pub fn rows(frame: Frame) -> ScriptResult<Array> {
        Ok(frame.rows()?.into_iter().map(|row| Dynamic::from(cells::row(row))).collect())
    }

    /// One row for each column: `column`, `kind`, `count`, `nulls`, and for numbers `mean`, `std`, `min`,
    /// `median` and `max`.
    ///
    /// Example: `frame(#{ delta: [1.0, 2.0, ()] }).describe()[0].mean` is `1.5`
    #[rhai_fn(return_raw)]
    pub fn describe(frame: Frame) -> ScriptResult<Frame> {
        Ok(frame.describe()?)
    }

    /// The table as text.
    ///
    /// Options: `rows` (integer, 20): how many are shown before the middle is cut; `width` (integer, 100): the
    /// most characters in a line.
    ///
    /// Example: `frame(#{ layer: 0..26 }).text(#{ rows: 4 }).split("\n").len()` is `8`
    #[rhai_fn(name = "text", return_raw)]
    pub fn text_with(frame: Frame, options: Map) -> ScriptResult<String> {
        let mut options = Options::of("text", options);
        let (rows, width) = (options.get("rows", 20_usize)?, options.get("width", 100_usize)?);
        options.finish()?;
        Ok(frame.render(width, rows))
    }

    /// The table as text, as `print` shows it.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn frame_to_string(frame: Frame) -> String {
        frame.to_string()
    }

    /// True where names, their order and values are equal; NaN equals NaN, and an integer the number of its
    /// value.
    ///
    /// Example: `frame(#{ layer: 0..3 }) == frame(#{ layer: [0, 1, 2] })` is `true`
    #[rhai_fn(name = "==")]
    pub fn equal(a: Frame, b: Frame) -> bool {
        a == b
    }

    /// True where two frames differ.
    ///
    /// Example: `frame(#{ layer: [0, 1] }) != frame(#{ layer: ["0", "1"] })` is `true`
    #[rhai_fn(name = "!=")]
    pub fn unequal(a: Frame, b: Frame) -> bool {
        a != b
    }
}

#[export_module(manifest)]
mod rows {
    use crate::frame::{Cell, Column, Order};
    use crate::script::bind::cells::{self, Names};
    use crate::script::bind::prelude::*;
    use crate::script::callback::Callbacks;

    type Frame = crate::frame::Frame;

    /// These columns, in this order: a name or an array of names.
    ///
    /// Example: `frame(#{ a: 0..2, b: 0..2, c: 0..2 }).select(["c", "a"]).names` is `["c", "a"]`
    #[rhai_fn(return_raw)]
    pub fn select(frame: Frame, names: Dynamic) -> ScriptResult<Frame> {
        Ok(frame.select(&argument::<Names>("select", "names", &names)?.0)?)
    }

    /// All columns but these: a name or an array of names.
    ///
    /// Example: `frame(#{ a: 0..2, b: 0..2, c: 0..2 }).drop("b").names` is `["a", "c"]`
    #[rhai_fn(return_raw)]
    pub fn drop(frame: Frame, names: Dynamic) -> ScriptResult<Frame> {
        Ok(frame.drop(&argument::<Names>("drop", "names", &names)?.0)?)
    }

    /// Gives columns new names, a map of old to new.
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

    /// Puts a column in the place of the one of its name, or after the last one. The values are an array, a
    /// range, a tensor of one axis, a single value for every row, or a function of a row.
    ///
    /// Errors: another number of values than of rows.
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

    /// The rows for which a function of the row is true, or the place in an array of bools is.
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

    /// The rows in ascending order of a column, where it is equal in that of the next, and so on: a name or an
    /// array of names. Equal rows keep their order; `()` and NaN come last.
    ///
    /// Options: `descending` (bool | array, false): the largest first, one bool for all columns or an array of
    /// one for each.
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

    /// The `count` rows with the largest numbers in a column, whatever their sign, largest first; all where
    /// there are fewer.
    ///
    /// Example: `frame(["component", "delta"], [["L0H1", 0.1], ["L8_MLP", -1.5], ["L2H3", 0.4]]).top("delta",
    /// 2).column("component")` is `["L8_MLP", "L2H3"]`
    #[rhai_fn(return_raw)]
    pub fn top(frame: Frame, column: &str, count: i64) -> ScriptResult<Frame> {
        Ok(frame.top(column, argument("top", "count", &count.into())?)?)
    }

    /// The first rows: `count` of them, or all where there are fewer.
    ///
    /// Example: `frame(#{ layer: 0..26 }).head(2).column("layer")` is `[0, 1]`
    #[rhai_fn(return_raw)]
    pub fn head(frame: Frame, count: i64) -> ScriptResult<Frame> {
        Ok(frame.head(argument("head", "count", &count.into())?))
    }

    /// The last rows: `count` of them, or all where there are fewer.
    ///
    /// Example: `frame(#{ layer: 0..26 }).tail(2).column("layer")` is `[24, 25]`
    #[rhai_fn(return_raw)]
    pub fn tail(frame: Frame, count: i64) -> ScriptResult<Frame> {
        Ok(frame.tail(argument("tail", "count", &count.into())?))
    }

    /// `count` rows from row `start` on, as far as there are any.
    ///
    /// Example: `frame(#{ layer: 0..26 }).slice(10, 3).column("layer")` is `[10, 11, 12]`
    #[rhai_fn(return_raw)]
    pub fn slice(frame: Frame, start: i64, count: i64) -> ScriptResult<Frame> {
        let start = argument("slice", "start", &start.into())?;
        Ok(frame.slice(start, argument("slice", "count", &count.into())?))
    }

    /// The first row of every distinct combination of values, in all columns or in those named (a name or an
    /// array).
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

#[export_module(manifest)]
mod groups {
    use crate::frame::{Aggregate, Join, Stat};
    use crate::script::bind::cells::Names;
    use crate::script::bind::prelude::*;

    type Frame = crate::frame::Frame;

    /// One row for each distinct combination of values in the key columns, in the order they first appear, with
    /// statistics of other columns. `keys` is a name or an array of names; each entry of `statistics` is a
    /// column with a statistic or an array of them, which becomes the column `mean_delta`, `std_delta`, ….
    ///
    /// Statistics: `mean`, `sum`, `min`, `max`, `median`, `std` and `var` (n − 1), `count`, `first`, `last`,
    /// and quantiles such as `q0.9`. `()` is left out; NaN spreads.
    ///
    /// Errors: an unknown statistic, one of numbers of a column that holds none.
    ///
    /// Example: `frame(["component", "delta"], [["L8_MLP", 1.0], ["L8_MLP", 2.0], ["L2H3",
    /// 0.5]]).group_by("component", #{ delta: ["mean", "count"] })[0]`
    /// is `#{"component": "L8_MLP", "count_delta": 2, "mean_delta": 1.5}`
    #[rhai_fn(return_raw)]
    pub fn group_by(frame: Frame, keys: Dynamic, statistics: Map) -> ScriptResult<Frame> {
        let keys = argument::<Names>("group_by", "keys", &keys)?.0;
        let mut aggregates = Vec::new();
        for (column, stats) in &statistics {
            for stat in argument::<Names>("group_by", column, stats)?.0 {
                aggregates.push(Aggregate::new(column.as_str(), stat.parse::<Stat>()?));
            }
        }
        Ok(frame.group_by(&keys, &aggregates)?)
    }

    /// One row for each distinct combination of values in the key columns (a name or an array of names), in the
    /// order they first appear, with the mean of every other column of numbers under its own name.
    ///
    /// Example: `frame(["component", "delta"], [["L8_MLP", 1.0], ["L8_MLP", 2.0], ["L2H3",
    /// 0.5]]).mean_by("component").column("delta")` is `[1.5, 0.5]`
    #[rhai_fn(return_raw)]
    pub fn mean_by(frame: Frame, keys: Dynamic) -> ScriptResult<Frame> {
        Ok(frame.mean_by(&argument::<Names>("mean_by", "keys", &keys)?.0)?)
    }

    /// The frame in parts, an array with one for each distinct combination of values in the key columns (a name
    /// or an array of names).
    ///
    /// Example: `frame(["model", "delta"], [["base", 1.0], ["PT2", 2.0], ["base",
    /// 3.0]]).split_by("model").map(|part| part.height)` is `[2, 1]`
    #[rhai_fn(name = "split_by", return_raw)]
    pub fn split_by(frame: Frame, keys: Dynamic) -> ScriptResult<Array> {
        let parts = frame.split(&argument::<Names>("split_by", "keys", &keys)?.0)?;
        Ok(parts.into_iter().map(Dynamic::from).collect())
    }

    /// The rows of this frame and of `other` that agree in the columns `on` (a name or an array of names), side
    /// by side. Several matches give several rows; `()` matches nothing.
    ///
    /// Options: `how` ("inner" | "left" | "outer" | "anti", "inner"): "inner" gives rows that match, "left"
    /// also this frame's others, "outer" also those of both, "anti" this frame's others alone; `suffix`
    /// (string, "_right"): ends the names of `other` that both have.
    ///
    /// Example: `let a = frame(["layer", "base"], [[0, 1.5], [1, 0.5]]); let b = frame(["layer", "PT2"], [[1,
    /// 0.7]]); a.join(b, "layer", #{ how: "left" }).column("PT2")` is `[(), 0.7]`
    #[rhai_fn(name = "join", return_raw)]
    pub fn join_with(frame: Frame, other: Frame, on: Dynamic, options: Map) -> ScriptResult<Frame> {
        let on = argument::<Names>("join", "on", &on)?.0;
        let mut options = Options::of("join", options);
        let how =
            [("inner", Join::Inner), ("left", Join::Left), ("outer", Join::Outer), ("anti", Join::Anti)];
        let how = options.choice("how", &how)?;
        let suffix = options.get("suffix", String::from("_right"))?;
        options.finish()?;
        Ok(frame.join(&other, &on, how, &suffix)?)
    }

    #[rhai_fn(name = "join", return_raw)]
    pub fn join(frame: Frame, other: Frame, on: Dynamic) -> ScriptResult<Frame> {
        join_with(frame, other, on, Map::new())
    }

    /// From long to wide: one row for each value of `index`, one column for each value of `columns`, holding
    /// the `values` that meet there; `()` where none do. Rows and columns stand in the order they first appear.
    ///
    /// Options: `index` (string | array, required): one or several columns, which stay; `columns` (string,
    /// required): the column whose values become names; `values` (string, required): the column of numbers;
    /// `stat` (string, "mean"): what is made of values that meet in one place, as in `group_by`.
    ///
    /// Example: `frame(["layer", "model", "delta"], [[0, "base", 1.5], [0, "PT2", 2.5], [1, "base",
    /// 0.5]]).pivot(#{ index: "layer", columns: "model", values: "delta" }).column("PT2")` is `[2.5, ()]`
    #[rhai_fn(return_raw)]
    pub fn pivot(frame: Frame, options: Map) -> ScriptResult<Frame> {
        let mut options = Options::of("pivot", options);
        let index = options.required::<Names>("index")?.0;
        let columns = options.required::<String>("columns")?;
        let values = options.required::<String>("values")?;
        let stat = options.get("stat", String::from("mean"))?;
        options.finish()?;
        Ok(frame.pivot(&index, &columns, &values, stat.parse::<Stat>()?)?)
    }

    /// From wide to long: for each row one row for each column of `values`, with the column's name and its
    /// value.
    ///
    /// Options: `index` (string | array, required): the columns that stay; `values` (string | array, all
    /// others): the columns that become rows; `names_to` (string, "name"): the new column of their names;
    /// `values_to` (string, "value"): that of their values.
    ///
    /// Example: `frame(["layer", "base", "PT2"], [[0, 1.5, 2.5]]).unpivot(#{ index: "layer",
    /// names_to: "model" }).column("model")` is `["base", "PT2"]`
    #[rhai_fn(return_raw)]
    pub fn unpivot(frame: Frame, options: Map) -> ScriptResult<Frame> {
        let mut options = Options::of("unpivot", options);
        let index = options.required::<Names>("index")?.0;
        let values = options.maybe::<Names>("values")?.map_or_else(Vec::new, |names| names.0);
        let names_to = options.get("names_to", String::from("name"))?;
        let values_to = options.get("values_to", String::from("value"))?;
        options.finish()?;
        Ok(frame.unpivot(&index, &values, &names_to, &values_to)?)
    }
}

#[export_module(manifest)]
mod files {
    use crate::script::bind::prelude::*;

    type Frame = crate::frame::Frame;

    /// Writes a frame to a file in the output folder, as CSV with a header. Floats read back to the same bits.
    ///
    /// Example: `frame(#{ delta: [0.1, ()] }).write_csv("deltas.csv");
    /// read_csv(output_folder() + "/deltas.csv").column("delta")` is `[0.1, ()]`
    #[rhai_fn(return_raw)]
    pub fn write_csv(call: NativeCallContext, frame: Frame, path: &str) -> ScriptResult<()> {
        Ok(frame.write_csv(&Context::of(&call)?.output_path(path)?)?)
    }

    /// Writes a frame to a Parquet file in the output folder.
    ///
    /// Example: `frame(#{ layer: 0..3 }).write_parquet("layers.parquet");
    /// read_parquet(output_folder() + "/layers.parquet").height` is `3`
    #[rhai_fn(return_raw)]
    pub fn write_parquet(call: NativeCallContext, frame: Frame, path: &str) -> ScriptResult<()> {
        Ok(frame.write_parquet(&Context::of(&call)?.output_path(path)?)?)
    }

    /// Writes a frame to a file in the output folder: `.csv` or `.parquet`.
    ///
    /// Errors: a name that ends otherwise.
    ///
    /// Example: `frame(#{ layer: 0..3 }).save("layers.csv")`
    #[rhai_fn(name = "save", return_raw)]
    pub fn save_frame(call: NativeCallContext, frame: Frame, path: &str) -> ScriptResult<()> {
        Ok(frame.write(&Context::of(&call)?.output_path(path)?)?)
    }

    /// Reads a CSV file with a header. A column is of integers, numbers or bools where all its values are, else
    /// of strings; an empty field is `()`, and a quoted one always a string.
    ///
    /// Errors: a row of another number of fields than the header.
    ///
    /// Example: `write_text("scores.csv", "model,score\nbase,0.5\nPT2,\n");
    /// read_csv(output_folder() + "/scores.csv")[1]` is `#{"model": "PT2", "score": ()}`
    #[rhai_fn(return_raw)]
    pub fn read_csv(call: NativeCallContext, path: &str) -> ScriptResult<Frame> {
        Ok(crate::frame::Frame::read_csv(Context::of(&call)?.input_path(path)?)?)
    }

    /// Reads a Parquet file.
    ///
    /// Example: `frame(#{ model: ["base", "PT2"] }).save("models.parquet");
    /// read_parquet(output_folder() + "/models.parquet").column("model")` is `["base", "PT2"]`
    #[rhai_fn(return_raw)]
    pub fn read_parquet(call: NativeCallContext, path: &str) -> ScriptResult<Frame> {
        Ok(crate::frame::Frame::read_parquet(Context::of(&call)?.input_path(path)?)?)
    }

    /// Reads a frame from a `.csv` or a `.parquet` file.
    ///
    /// Errors: a name that ends otherwise.
    ///
    /// Example: `frame(#{ layer: 0..3 }).save("cells.csv");
    /// read_frame(output_folder() + "/cells.csv").column("layer")` is `[0, 1, 2]`
    #[rhai_fn(return_raw)]
    pub fn read_frame(call: NativeCallContext, path: &str) -> ScriptResult<Frame> {
        Ok(crate::frame::Frame::read(Context::of(&call)?.input_path(path)?)?)
    }
}
