//! Making tables, and what they hold.

use rhai::plugin::*;

#[export_module(manifest)]
pub mod values {
    use crate::script::bind::cells;
    use crate::script::bind::prelude::*;

    /// A table with named columns of equal length, each of numbers, integers, strings or bools; `()` stands
    /// for no value. A frame never changes: every operation gives a new one, at little cost. It prints as a
    /// table: numbers to the right, long tables cut in the middle.
    pub type Frame = crate::frame::Frame;
    type Tensor = crate::tensor::NamedTensor;

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

    /// The column of a name as an array of its values, `()` where there is none.
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

    /// The column `name` as an array, as `frame["delta"]` gives it.
    ///
    /// Errors: no such column.
    ///
    /// Example: `frame(["layer", "delta"], [[0, 1.5], [1, -0.5]]).column("layer")` is `[0, 1]`
    #[rhai_fn(return_raw)]
    pub fn column(frame: Frame, name: &str) -> ScriptResult<Array> {
        Ok(cells::cells(&frame.column(name)?))
    }

    /// The column `name`, of numbers, as a tensor [row] in f64; `()` becomes NaN.
    ///
    /// Errors: a column that is missing or holds no numbers.
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
    /// Errors: none for a frame that was made.
    ///
    /// Example: `frame(["layer", "delta"], [[0, 1.5], [1, -0.5]]).rows().len()` is `2`
    #[rhai_fn(return_raw)]
    pub fn rows(frame: Frame) -> ScriptResult<Array> {
        Ok(frame.rows()?.into_iter().map(|row| Dynamic::from(cells::row(row))).collect())
    }

    /// One row for each column: `column`, `kind`, `count`, `nulls`, and for numbers `mean`, `std`, `min`,
    /// `median` and `max`.
    ///
    /// Errors: none for a frame that was made.
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
    /// Errors: a number of rows or characters below 0.
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
