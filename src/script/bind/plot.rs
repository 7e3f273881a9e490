//! Figures in scripts.

use rhai::plugin::*;

use crate::script::bind::Room;
use crate::script::value::script_value;

/// The plot room.
pub static ROOM: Room = Room {
    name: "plot",
    about: "Figures: bars, lines, heat maps, scatter plots, circuits, grids of them; SVG and PNG.",
    parts: &[&charts::RHAI_MANIFEST, &figures::RHAI_MANIFEST],
};

script_value! { crate::plot::Figure: "a figure" }

#[export_module(manifest)]
mod charts {
    use crate::plot::{Bars, Circuit, ColorScale, Grid, Lines, Scatter};
    use crate::script::bind::charts::{self as data, Bounds, figure_options};
    use crate::script::bind::prelude::*;

    /// A picture of numbers, drawn where it is saved. Missing values show as gaps, crosses or hatched cells.
    ///
    /// Options of every figure: `title` (string, none): above it; `caption` (string, none): below everything:
    /// what was measured, on how many; `x_label` (string, what stands across): most often the column's name, ""
    /// for none; `y_label` (string, what stands down): the same; `width` (integer, what suits the data): in
    /// logical pixels, 96 an inch; `height` (integer, what suits the data): in the same; `x_range` (array, the
    /// data with some room): [low, high] of a horizontal axis of numbers; `y_range` (array, the data with some
    /// room): [low, high] of a vertical one; `legend` (bool, true): whether it is shown.
    pub type Figure = crate::plot::Figure;
    type Frame = crate::frame::Frame;
    type Tensor = crate::tensor::NamedTensor;

    /// Draws bars. There is one row for each bar; bars stand in the order of the rows.
    ///
    /// Options: `x` (string, required): the column of labels; `y` (string, required): the column of values;
    /// `group` (string, none): a column whose values stand side by side in colours; `lo` (string, none): the
    /// column of the error bars' lower ends; `hi` (string, none): that of their upper ends; `error` (string,
    /// none): in place of these, the column of a distance to both sides; `top` (integer, all): how many of the
    /// largest values in size are shown, largest first; `horizontal` (bool, true with `top`, else false): bars
    /// to the right; `sign_colors` (bool, false): red for positive and blue for negative values; and those of
    /// every figure.
    ///
    /// Errors: several rows for one bar, a column of values that holds no numbers.
    ///
    /// Example: `let table = frame(["component", "delta"], [["L8_MLP", 1.5], ["L2H3", -0.25]]);
    /// table.bar(#{ x: "component", y: "delta", title: "Effects" })` is `bar figure of 720 × 440`
    #[rhai_fn(return_raw)]
    pub fn bar(frame: Frame, options: Map) -> ScriptResult<Figure> {
        let mut options = Options::of("bar", options);
        let (x, y) = (options.required::<String>("x")?, options.required::<String>("y")?);
        let group = options.maybe::<String>("group")?;
        let bounds = Bounds::of(&mut options)?;
        let top = options.maybe::<usize>("top")?;
        let horizontal = options.get("horizontal", top.is_some())?;
        let sign_colors = options.get("sign_colors", false)?;
        let (x_label, y_label) = if horizontal { (y.as_str(), "") } else { ("", y.as_str()) };
        let settings = figure_options(&mut options, x_label, y_label)?;
        options.finish()?;
        let (labels, groups) = data::bars(&frame, (&x, &y), group.as_deref(), &bounds)?;
        let bars = Bars { labels, groups, horizontal, sign_colors };
        let bars = match top {
            Some(count) => bars.top(count)?,
            None => bars,
        };
        Ok(crate::plot::Figure::bars(bars, settings)?)
    }

    /// Draws lines. There is one row for each point; a line goes from small x to large, with a gap where a
    /// value is missing.
    ///
    /// Options: `x` (string, required): a column of numbers; `y` (string, required): a column of numbers;
    /// `group` (string, none): a column whose values give a line each; `lo` (string, none): the column of a
    /// band's lower ends around each line; `hi` (string, none): that of its upper ends; `error` (string, none):
    /// in place of these, the column of a distance to both sides; `marks` (array, none): heights of dashed
    /// lines across; and those of every figure.
    ///
    /// Errors: several rows for one point.
    ///
    /// Example: `let table = frame(#{ layer: 0..3, delta: [0.5, -1.0, 0.2] }); table.line(#{ x: "layer",
    /// y: "delta", marks: [0.0] }).kind` is `line`
    #[rhai_fn(return_raw)]
    pub fn line(frame: Frame, options: Map) -> ScriptResult<Figure> {
        let mut options = Options::of("line", options);
        let (x, y) = (options.required::<String>("x")?, options.required::<String>("y")?);
        let group = options.maybe::<String>("group")?;
        let bounds = Bounds::of(&mut options)?;
        let marks = options.maybe::<Vec<f64>>("marks")?.unwrap_or_default();
        let settings = figure_options(&mut options, &x, &y)?;
        options.finish()?;
        let series = data::lines(&frame, (&x, &y), group.as_deref(), &bounds)?;
        Ok(crate::plot::Figure::lines(Lines { series, marks }, settings)?)
    }

    /// Draws points.
    ///
    /// Options: `x` (string, required): a column of numbers; `y` (string, required): a column of numbers;
    /// `group` (string, none): a column whose values give a colour each; `label` (string, none): a column whose
    /// values stand beside the points, `()` for none; a label that finds no free place is left out; `diagonal`
    /// (bool, false): a dashed line where x and y are equal; and those of every figure.
    ///
    /// Errors: no rows, a column that is missing or holds no numbers, a `width` or `height` out of range.
    ///
    /// Example: `let table = frame(["forward", "reverse"], [[1.5, -1.2], [0.3, -0.4]]);
    /// table.scatter(#{ x: "forward", y: "reverse", diagonal: true }).kind` is `scatter`
    #[rhai_fn(return_raw)]
    pub fn scatter(frame: Frame, options: Map) -> ScriptResult<Figure> {
        let mut options = Options::of("scatter", options);
        let (x, y) = (options.required::<String>("x")?, options.required::<String>("y")?);
        let group = options.maybe::<String>("group")?;
        let label = options.maybe::<String>("label")?;
        let diagonal = options.get("diagonal", false)?;
        let settings = figure_options(&mut options, &x, &y)?;
        options.finish()?;
        let groups = data::points(&frame, (&x, &y), group.as_deref(), label.as_deref())?;
        Ok(crate::plot::Figure::scatter(Scatter { groups, diagonal }, settings)?)
    }

    /// Draws a matrix as coloured cells, with one row of the frame for each cell. Numbers stand in their order,
    /// other labels in the order they first appear.
    ///
    /// Options: `x` (string, required): the column of what stands across; `y` (string, required): that of what
    /// stands down; `value` (string, required): that of the values; `scale` ("diverging" | "sequential",
    /// "diverging"): "diverging" is white at zero; `limits` (array, the data's): [low, high], the values at the
    /// ends of the colours; `show_values` (bool, where they fit): as numbers in the cells; `value_label`
    /// (string, the column's name): beside the colours; and those of every figure.
    ///
    /// Errors: several rows for one cell.
    ///
    /// Example: `let table = frame(["layer", "head", "delta"], [[0, 0, 1.5], [0, 1, -0.25], [1, 0, 0.5]]);
    /// table.heatmap(#{ x: "head", y: "layer", value: "delta" }).kind` is `heatmap`
    #[rhai_fn(name = "heatmap", return_raw)]
    pub fn heatmap_of_frame(frame: Frame, options: Map) -> ScriptResult<Figure> {
        let mut options = Options::of("heatmap", options);
        let (x, y) = (options.required::<String>("x")?, options.required::<String>("y")?);
        let value = options.required::<String>("value")?;
        let map = data::matrix(&frame, (&x, &y), &value)?;
        draw_heatmap(map, options, (&x, &y, &value))
    }

    /// Draws a tensor of two axes as coloured cells, its first axis down.
    ///
    /// Options: `row_labels` (array, numbers from 0): of the first axis; `column_labels` (array, numbers from
    /// 0): of the second; `scale` ("diverging" | "sequential", "diverging"): "diverging" is white at zero;
    /// `limits` (array, the data's): [low, high], the values at the ends of the colours; `show_values` (bool,
    /// where they fit): as numbers in the cells; `value_label` (string, none): beside the colours; and those of
    /// every figure.
    ///
    /// Errors: a tensor of other axes, another number of labels than of cells.
    ///
    /// Example: `eye(3).heatmap(#{ row_labels: ["a", "b", "c"], scale: "sequential" }).kind` is `heatmap`
    #[rhai_fn(name = "heatmap", return_raw)]
    pub fn heatmap_of_tensor(tensor: Tensor, options: Map) -> ScriptResult<Figure> {
        let mut options = Options::of("heatmap", options);
        let map = data::matrix_of(
            &tensor,
            options.maybe::<Vec<Dynamic>>("row_labels")?,
            options.maybe::<Vec<Dynamic>>("column_labels")?,
        )?;
        let names: Vec<String> = tensor.names().map(<[String]>::to_vec).unwrap_or_default();
        let name = |axis: usize| names.get(axis).map_or("", String::as_str);
        draw_heatmap(map, options, (name(1), name(0), ""))
    }

    fn draw_heatmap(
        map: crate::plot::HeatMap,
        mut options: Options,
        (x, y, value): (&str, &str, &str),
    ) -> ScriptResult<Figure> {
        let scales = [("diverging", ColorScale::Diverging), ("sequential", ColorScale::Sequential)];
        let scale = options.choice("scale", &scales)?;
        let limits = data::range(&mut options, "limits")?;
        let show_values = options.maybe::<bool>("show_values")?;
        let value_label = options.get("value_label", value.to_owned())?;
        let settings = figure_options(&mut options, x, y)?;
        options.finish()?;
        let value_label = (!value_label.is_empty()).then_some(value_label);
        let map = crate::plot::HeatMap { scale, limits, show_values, value_label, ..map };
        Ok(crate::plot::Figure::heatmap(map, settings)?)
    }

    /// Draws the picture of a circuit. Layers stand from left to right, each head in a row and each other kind
    /// of component in one; a component's colour is its value, its area the value's size. There is one row for
    /// each component, with its name in `component` and its place in `layer`, `kind` and `head`; a frame
    /// without these takes them from the names (`L25H0`, `L8_MLP`, `EMBED`).
    ///
    /// Options: `value` (string, required): the column of values; `chosen` (string, none): a column of bools,
    /// true for the components of the circuit, which are outlined and named; `top` (integer, none): in its
    /// place, how many of the largest values in size they are; `edges` (frame, none): with the columns `from`
    /// and `to`, which are components, and `weight`, drawn as arcs as wide as the weight's size, red above zero
    /// and blue below; `layers` (integer, those of the frame): how many the model has; `heads` (integer, those
    /// of the frame): how many a layer has; `limits` (array, the data's): [low, high], the values at the ends
    /// of the colours; `value_label` (string, the column's name): beside the colours; `weight_label` (string,
    /// "weight"): in the legend; and those of every figure.
    ///
    /// Errors: a component twice, a name that is no component's, `chosen` and `top` together.
    ///
    /// Example: `let table = frame(["component", "delta"], [["L8_MLP", 1.5], ["L2H3", -0.25]]);
    /// let paths = frame(["from", "to", "weight"], [["L2H3", "L8_MLP", 0.4]]); table.circuit(#{ value: "delta",
    /// top: 1, edges: paths }).kind` is `circuit`
    #[rhai_fn(return_raw)]
    pub fn circuit(frame: Frame, options: Map) -> ScriptResult<Figure> {
        let mut options = Options::of("circuit", options);
        let value = options.required::<String>("value")?;
        let chosen = options.maybe::<String>("chosen")?;
        let top = options.maybe::<usize>("top")?;
        let edges = options.maybe::<crate::frame::Frame>("edges")?;
        let (layers, heads) = (options.maybe::<usize>("layers")?, options.maybe::<usize>("heads")?);
        let limits = data::range(&mut options, "limits")?;
        let value_label = options.get("value_label", value.clone())?;
        let weight_label = options.get("weight_label", "weight".to_owned())?;
        let settings = figure_options(&mut options, "layer", "")?;
        options.finish()?;
        if chosen.is_some() && top.is_some() {
            return Err(
                Error::new("circuit: components are chosen by \"chosen\" or by \"top\", not both").into()
            );
        }
        let circuit = Circuit {
            nodes: data::nodes(&frame, &value, chosen.as_deref())?,
            edges: edges.map(|edges| data::edges(&edges).within(|| "edges")).transpose()?.unwrap_or_default(),
            layers,
            heads,
            limits,
            value_label: (!value_label.is_empty()).then_some(value_label),
            weight_label,
        };
        let circuit = match top {
            Some(count) => circuit.top(count),
            None => circuit,
        };
        Ok(crate::plot::Figure::circuit(circuit, settings)?)
    }

    /// Puts `figures` into rows and columns under one title. Panels of one kind with the same label share one
    /// scale, and panels with the same legend one legend.
    ///
    /// Options: `columns` (integer, the root of their number): how many stand in a row; `share` (bool, where
    /// they measure the same): one scale or not; and those of every figure.
    ///
    /// Errors: no figures, a grid among them, no column.
    ///
    /// Example: `let panels = ["base", "PT2"].map(|model| eye(4).heatmap(#{ title: model })); grid(panels,
    /// #{ columns: 2 }).kind` is `grid`
    #[rhai_fn(name = "grid", return_raw)]
    pub fn grid_with(figures: Array, options: Map) -> ScriptResult<Figure> {
        let figures = argument::<Vec<crate::plot::Figure>>("grid", "figures", &figures.into())?;
        let mut options = Options::of("grid", options);
        let (columns, share) = (options.maybe::<usize>("columns")?, options.maybe::<bool>("share")?);
        let settings = figure_options(&mut options, "", "")?;
        options.finish()?;
        Ok(crate::plot::Figure::grid(Grid { figures, columns, share }, settings)?)
    }

    #[rhai_fn(name = "grid", return_raw)]
    pub fn grid(figures: Array) -> ScriptResult<Figure> {
        grid_with(figures, Map::new())
    }
}

#[export_module(manifest)]
mod figures {
    use crate::script::bind::prelude::*;

    type Figure = crate::plot::Figure;

    /// Saves a figure to the file `path` in the output folder: `.svg`, or `.png` at two pixels to the logical
    /// one.
    ///
    /// Errors: a `path` that ends otherwise or leaves the output folder, a file that cannot be written, a
    /// picture of too many pixels.
    ///
    /// Example: `eye(4).heatmap(#{ caption: "The identity" }).save("identity.svg")`
    #[rhai_fn(name = "save", return_raw)]
    pub fn save_figure(call: NativeCallContext, figure: Figure, path: &str) -> ScriptResult<()> {
        Ok(figure.save(&Context::of(&call)?.output_path(path)?)?)
    }

    /// The figure as the text of an SVG file.
    ///
    /// Errors: none for a figure that was made.
    ///
    /// Example: `eye(4).heatmap(#{}).to_svg().starts_with("<svg")` is `true`
    #[rhai_fn(return_raw)]
    pub fn to_svg(figure: Figure) -> ScriptResult<String> {
        Ok(figure.render_svg()?)
    }

    /// The kind of figure: "bar", "line", "heatmap", "scatter", "circuit" or "grid".
    ///
    /// Example: `eye(4).heatmap(#{}).kind` is `heatmap`
    #[rhai_fn(get = "kind")]
    pub fn kind(figure: Figure) -> String {
        figure.kind().to_owned()
    }

    /// The width in logical pixels.
    ///
    /// Example: `eye(4).heatmap(#{ width: 400 }).width` is `400`
    #[rhai_fn(get = "width")]
    pub fn figure_width(figure: Figure) -> i64 {
        i64::from(figure.size().0)
    }

    /// The height in logical pixels.
    ///
    /// Example: `eye(4).heatmap(#{ height: 300 }).height` is `300`
    #[rhai_fn(get = "height")]
    pub fn figure_height(figure: Figure) -> i64 {
        i64::from(figure.size().1)
    }

    /// The kind and size of a figure, in words.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn figure_to_string(figure: Figure) -> String {
        let (width, height) = figure.size();
        format!("{} figure of {width} × {height}", figure.kind())
    }
}
