//! Groups, joins, and tables made wide and long.

use rhai::plugin::*;

#[export_module(manifest)]
pub mod groups {
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

    /// One row for each distinct combination of values in the columns `keys` (a name or an array of names),
    /// in the order they first appear, with the mean of every other column of numbers under its own name.
    ///
    /// Errors: a column that is missing.
    ///
    /// Example: `frame(["component", "delta"], [["L8_MLP", 1.0], ["L8_MLP", 2.0], ["L2H3",
    /// 0.5]]).mean_by("component").column("delta")` is `[1.5, 0.5]`
    #[rhai_fn(return_raw)]
    pub fn mean_by(frame: Frame, keys: Dynamic) -> ScriptResult<Frame> {
        Ok(frame.mean_by(&argument::<Names>("mean_by", "keys", &keys)?.0)?)
    }

    /// The frame in parts, an array with one for each distinct combination of values in the columns `keys` (a
    /// name or an array of names).
    ///
    /// Errors: a column that is missing, no columns.
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
    /// Errors: a column that one of the frames lacks or has of another kind, no columns, names that are taken
    /// in spite of the `suffix`.
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
    /// Errors: a column that is missing, a value of `columns` that is the name of another column, a statistic
    /// of numbers of a column that holds none.
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
    /// Errors: a column that is missing, no column of values, columns of values of different kinds, a new
    /// name that a column has.
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
