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

    /// A picture of numbers, drawn where it is saved. Figures have the same options: `title`; `caption`, below
    /// everything (what was measured, on how many); `x_label` and `y_label` (by default the names of the columns, "" for
    /// none); `width` and `height` in logical pixels, 96
    /// an inch (by default what suits the data); `x_range` and `y_range` ([low, high]) of axes of numbers; and
    /// `legend` (true). Missing values show as gaps, crosses or hatched cells.
    pub type Figure = crate::plot::Figure;
    /// A table.
    pub type Frame = crate::frame::Frame;
    /// A tensor.
    pub type Tensor = crate::tensor::NamedTensor;

    /// Draws bars: `bar(frame, #{ x: "component", y: "delta", top: 20 })`. There is one row for each bar; bars
    /// stand in the order of the rows.
    ///
    /// Options: `x` (required), the column of labels; `y` (required), the column of values; `group`, a column
    /// whose values stand side by side in colours; `lo` and `hi`, or `error`, columns of error bars; `top`, how
    /// many of the largest values in size are shown, largest first; `horizontal` (true with `top`); `sign_colors`
    /// (false), red for positive and blue for negative values; and those of every figure.
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

    /// Draws lines: `line(frame, #{ x: "layer", y: "delta", group: "model" })`. There is one row for each point;
    /// a line goes from small x to large, with a gap where a value is missing.
    ///
    /// Options: `x` and `y` (required), columns of numbers; `group`, a column whose values give a line each; `lo`
    /// and `hi`, or `error`, columns of a band around each line; `marks`, an array of heights for dashed lines
    /// across; and those of every figure.
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

    /// Draws points: `scatter(frame, #{ x: "forward", y: "reverse", diagonal: true })`.
    ///
    /// Options: `x` and `y` (required), columns of numbers; `group`, a column whose values give a colour each;
    /// `label`, a column whose values stand beside the points (`()` for none; a label that finds no free place is
    /// left out); `diagonal` (false), a dashed line where x and y are equal; and those of every figure.
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

    /// Draws a matrix as coloured cells: `heatmap(frame, #{ x: "head", y: "layer", value: "delta" })`, with one row
    /// of the frame for each cell; or a tensor of two axes, its first one down. Numbers stand in their order,
    /// other labels in the order they first appear.
    ///
    /// Options: for a frame `x`, `y` and `value` (required), the columns; for a tensor `row_labels` and
    /// `column_labels`, arrays (by default numbers from 0); `scale` ("diverging", white at zero | "sequential");
    /// `limits` ([low, high]), the values at the ends of the colours; `show_values` (where they fit);
    /// `value_label`, beside the colours; and those of every figure.
    #[rhai_fn(name = "heatmap", return_raw)]
    pub fn heatmap_of_frame(frame: Frame, options: Map) -> ScriptResult<Figure> {
        let mut options = Options::of("heatmap", options);
        let (x, y) = (options.required::<String>("x")?, options.required::<String>("y")?);
        let value = options.required::<String>("value")?;
        let map = data::matrix(&frame, (&x, &y), &value)?;
        draw_heatmap(map, options, (&x, &y, &value))
    }

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

    /// Draws the picture of a circuit: `circuit(frame, #{ value: "delta", top: 10, edges: paths })`. Layers stand from
    /// left to right, each head in a row and each other kind of component in one; a component's colour is its value,
    /// its area the value's size. There is one row for each component, with its name in `component` and its place in
    /// `layer`, `kind` and `head`; a frame without these takes them from the names (`L25H0`, `L8_MLP`, `EMBED`).
    ///
    /// Options: `value` (required), the column of values; `chosen`, a column of bools, or `top`, how many of the largest
    /// values in size: the components of the circuit, which are outlined and named; `edges`, a frame with the columns
    /// `from`, `to` (components) and `weight`, drawn as arcs as wide as the weight's size, red above zero and blue
    /// below; `layers` and `heads`, how many the model has, where the frame has fewer; `limits` ([low, high]), the
    /// values at the ends of the colours; `value_label`, beside the colours; `weight_label` ("weight"), in the
    /// legend; and those of every figure.
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

    /// Puts figures into rows and columns under one title. Panels of one kind with the same label share one scale,
    /// and panels with the same legend one legend.
    ///
    /// Options: `columns`, how many stand in a row; `share`, one scale or not; and those of every figure.
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

    /// Saves a figure to a file in the output folder: `.svg`, or `.png` at two pixels to the logical one.
    #[rhai_fn(name = "save", return_raw)]
    pub fn save_figure(call: NativeCallContext, figure: Figure, path: &str) -> ScriptResult<()> {
        Ok(figure.save(&Context::of(&call)?.output_path(path)?)?)
    }

    /// The figure as the text of an SVG file.
    #[rhai_fn(return_raw)]
    pub fn to_svg(figure: Figure) -> ScriptResult<String> {
        Ok(figure.render_svg()?)
    }

    /// The kind of figure: "bar", "line", "heatmap", "scatter", "circuit" or "grid".
    #[rhai_fn(get = "kind")]
    pub fn kind(figure: Figure) -> String {
        figure.kind().to_owned()
    }

    /// The width in logical pixels.
    #[rhai_fn(get = "width")]
    pub fn figure_width(figure: Figure) -> i64 {
        i64::from(figure.size().0)
    }

    /// The height in logical pixels.
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
