//! Figures: bars, lines, heat maps, scatter plots, circuits and grids of them, as SVG and PNG.
//!
//! A [`Figure`] is data; it is laid out and drawn where it is rendered. The same figure gives the same
//! bytes on every machine: the font travels with the program.
//!
//! NaN, the infinities and numbers beyond 1e150 are missing values: a gap in a line, a cross for a bar, a
//! hatched cell. A figure without any value is an error where it is made.

mod axes;
mod bar;
mod circuit;
mod colorbar;
mod draw;
mod grid;
mod heatmap;
mod labels;
mod legend;
mod line;
mod palette;
mod scatter;
mod scene;
mod text;
mod ticks;

use std::path::Path;
use std::sync::Arc;

pub use bar::{BarGroup, Bars};
pub use circuit::{Circuit, Edge, Node};
pub use grid::Grid;
pub use heatmap::HeatMap;
pub use line::{Lines, Series};
pub use palette::ColorScale;
pub use scatter::{PointGroup, Scatter};

use crate::error::{Error, Result, did_you_mean};
use crate::save::write_whole;
use axes::{Axis, Frame};
use legend::Entry;
use scene::{Rect, Scene};

/// The white border around a figure, in logical pixels.
const BORDER: f64 = 14.0;
/// The narrowest and the widest a figure can be.
const SIZES: std::ops::RangeInclusive<u32> = 100..=10_000;
/// Pixels of a saved bitmap to the logical one.
const BITMAP_SCALE: f64 = 2.0;

/// What every kind of figure may have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FigureOptions {
    /// Above the data; long ones take several lines.
    pub title: Option<String>,
    /// Below everything: what was measured, and on how many. A panel of a grid has none.
    pub caption: Option<String>,
    /// Below the horizontal axis; units belong here.
    pub x_label: Option<String>,
    /// Beside the vertical axis, from bottom to top.
    pub y_label: Option<String>,
    /// In logical pixels (96 an inch); by default what suits the data.
    pub width: Option<u32>,
    /// In logical pixels; by default what suits the data.
    pub height: Option<u32>,
    /// The ends of a horizontal axis of numbers; by default the data with some room.
    pub x_range: Option<(f64, f64)>,
    /// The ends of a vertical axis of numbers; by default the data with some room.
    pub y_range: Option<(f64, f64)>,
    /// No legend, where the colours explain themselves.
    pub no_legend: bool,
}

impl FigureOptions {
    /// Options with a title alone.
    pub fn titled(title: impl Into<String>) -> Self {
        Self { title: Some(title.into()), ..Self::default() }
    }

    fn check(&self) -> Result<()> {
        for (name, size) in [("width", self.width), ("height", self.height)] {
            if let Some(size) = size.filter(|size| !SIZES.contains(size)) {
                return Err(Error::new(format!(
                    "expected a {name} from {} to {} logical pixels, found {size}",
                    SIZES.start(),
                    SIZES.end()
                )));
            }
        }
        for (name, range) in [("x_range", self.x_range), ("y_range", self.y_range)] {
            if let Some((low, high)) = range {
                let drawable = ticks::drawable(low) && ticks::drawable(high);
                if !(drawable && low < high && high - low > 1e-9 * low.abs().max(high.abs())) {
                    return Err(Error::new(format!(
                        "expected {name} as two numbers, the lower first, found {low} and {high}"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// A picture of numbers. A clone costs a pointer.
#[derive(Clone, Debug)]
pub struct Figure(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    chart: Chart,
    options: FigureOptions,
}

#[derive(Clone, Debug)]
enum Chart {
    Bars(Bars),
    Lines(Lines),
    HeatMap(HeatMap),
    Scatter(Scatter),
    Circuit(Circuit),
    Grid(Grid),
}

/// What a grid decides for its panels; a figure by itself decides for itself.
#[derive(Clone, Debug)]
struct Panel {
    area: Rect,
    options: FigureOptions,
    title_size: f64,
    /// The range of the measured values over all panels.
    range: Option<(f64, f64)>,
}

impl Panel {
    /// The frame around data over these axes, with the labels that were asked for.
    fn frame(&self, legend: Vec<Entry>, x: Axis, y: Axis) -> Frame {
        Frame {
            area: self.area,
            title: self.options.title.clone(),
            title_size: self.title_size,
            legend: if self.options.no_legend { Vec::new() } else { legend },
            x: Axis { label: self.options.x_label.clone(), ..x },
            y: Axis { label: self.options.y_label.clone(), ..y },
            right: 0.0,
        }
    }
}

/// Refuses `found` of what there is one of for each of `expected` things.
fn check_count(expected: usize, found: usize, what: &str, whose: impl FnOnce() -> String) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::new(format!("expected {expected} {what}, found {found}")).within(whose())),
    }
}

impl Figure {
    /// Bars, grouped where there are several values for each label.
    ///
    /// # Errors
    /// No label; a group with another number of values than there are labels; options out of their range.
    pub fn bars(bars: Bars, options: FigureOptions) -> Result<Self> {
        bars.check()?;
        Self::of(Chart::Bars(bars), options)
    }

    /// Lines over a common axis, with bands where they have bounds.
    ///
    /// # Errors
    /// No point; bounds of another number than points; options out of their range.
    pub fn lines(lines: Lines, options: FigureOptions) -> Result<Self> {
        lines.check()?;
        Self::of(Chart::Lines(lines), options)
    }

    /// A matrix as coloured cells.
    ///
    /// # Errors
    /// No cell; rows of unequal length; labels of another number than rows or columns; options out of their
    /// range.
    pub fn heatmap(map: HeatMap, options: FigureOptions) -> Result<Self> {
        map.check()?;
        Self::of(Chart::HeatMap(map), options)
    }

    /// Points, coloured by group.
    ///
    /// # Errors
    /// No point; labels of another number than points; options out of their range.
    pub fn scatter(scatter: Scatter, options: FigureOptions) -> Result<Self> {
        scatter.check()?;
        Self::of(Chart::Scatter(scatter), options)
    }

    /// The components of a model by layer, with arcs between them.
    ///
    /// # Errors
    /// No node; two of one name; an edge that ends at no node; more layers or heads than a model has; options
    /// out of their range.
    pub fn circuit(circuit: Circuit, options: FigureOptions) -> Result<Self> {
        circuit.check()?;
        Self::of(Chart::Circuit(circuit), options)
    }

    /// Figures in rows and columns under one title. Panels that measure the same thing (the same kind of
    /// figure, the same label) share one scale and one legend.
    ///
    /// # Errors
    /// No figure; a grid within a grid; options out of their range.
    pub fn grid(grid: Grid, options: FigureOptions) -> Result<Self> {
        grid.check()?;
        Self::of(Chart::Grid(grid), options)
    }

    fn of(chart: Chart, options: FigureOptions) -> Result<Self> {
        options.check()?;
        Ok(Self(Arc::new(Inner { chart, options })))
    }

    /// The figure's options.
    pub fn options(&self) -> &FigureOptions {
        &self.0.options
    }

    /// The same data with other options.
    ///
    /// # Errors
    /// Options out of their range.
    pub fn with_options(&self, options: FigureOptions) -> Result<Self> {
        Self::of(self.0.chart.clone(), options)
    }

    /// The kind of figure, as a word: `bar`, `line`, `heatmap`, `scatter`, `circuit`, `grid`.
    pub fn kind(&self) -> &'static str {
        match &self.0.chart {
            Chart::Bars(_) => "bar",
            Chart::Lines(_) => "line",
            Chart::HeatMap(_) => "heatmap",
            Chart::Scatter(_) => "scatter",
            Chart::Circuit(_) => "circuit",
            Chart::Grid(_) => "grid",
        }
    }

    /// Width and height in logical pixels: as asked for, else what suits the data and the caption.
    pub fn size(&self) -> (u32, u32) {
        let Inner { chart, options } = &*self.0;
        let (width, height) = match chart {
            Chart::Bars(bars) => bars.natural_size(options),
            Chart::Lines(_) => (720.0, 440.0),
            Chart::HeatMap(map) => map.natural_size(options),
            Chart::Scatter(_) => (600.0, 480.0),
            Chart::Circuit(circuit) => circuit.natural_size(options),
            Chart::Grid(grid) => grid.natural_size(options),
        };
        let clamped = |size: f64| (size.round() as u32).clamp(*SIZES.start(), *SIZES.end());
        let width = options.width.unwrap_or(clamped(width));
        let room = f64::from(width) - 2.0 * BORDER;
        let caption = options.caption.as_deref().map_or(0.0, |caption| axes::caption_height(caption, room));
        (width, options.height.unwrap_or(clamped(height + caption)))
    }

    /// The figure as an SVG document. Its text is text: it can be searched and edited.
    ///
    /// # Errors
    /// The font cannot be used.
    pub fn render_svg(&self) -> Result<String> {
        draw::svg(&self.scene())
    }

    /// The figure as a PNG file of `scale` pixels to the logical one: [`Figure::size`] times `scale`.
    ///
    /// # Errors
    /// A picture of more than 60 million pixels.
    pub fn render_png(&self, scale: f64) -> Result<Vec<u8>> {
        draw::png(&self.scene(), scale)
    }

    /// The figure as red, green and blue bytes, row by row, and its width and height in pixels: [`Figure::size`]
    /// times `scale`.
    ///
    /// # Errors
    /// A picture of more than 60 million pixels.
    pub fn render_pixels(&self, scale: f64) -> Result<(Vec<u8>, usize, usize)> {
        draw::pixels(&self.scene(), scale)
    }

    /// Saves the figure by the file's extension: `.svg`, or `.png` at two pixels to the logical one. The
    /// file appears whole or not at all.
    ///
    /// # Errors
    /// Another extension; a file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let found = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        let bytes = match found.to_ascii_lowercase().as_str() {
            "svg" => self.render_svg()?.into_bytes(),
            "png" => self.render_png(BITMAP_SCALE)?,
            other => {
                return Err(Error::new(format!("{}: expected a picture file, .svg or .png", path.display()))
                    .hint(
                        did_you_mean(other, ["svg", "png"])
                            .unwrap_or_else(|| "svg for papers and browsers, png for everything else".into()),
                    ));
            }
        };
        write_whole(path, |file| Ok(file.write_all(&bytes)?))
    }

    fn scene(&self) -> Scene {
        let (width, height) = self.size();
        let (width, height) = (f64::from(width), f64::from(height));
        let mut scene = Scene::new(width, height);
        let mut area = Rect::new(0.0, 0.0, width, height).inset(BORDER);
        let options = self.0.options.clone();
        if let Some(caption) = &options.caption {
            area = axes::draw_caption(&mut scene, &area, caption);
        }
        self.draw(&mut scene, Panel { area, options, title_size: axes::TITLE_SIZE, range: None });
        scene
    }

    fn draw(&self, scene: &mut Scene, panel: Panel) {
        match &self.0.chart {
            Chart::Bars(bars) => bars.draw(scene, panel),
            Chart::Lines(lines) => lines.draw(scene, panel),
            Chart::HeatMap(map) => map.draw(scene, panel),
            Chart::Scatter(scatter) => scatter.draw(scene, panel),
            Chart::Circuit(circuit) => circuit.draw(scene, panel),
            Chart::Grid(grid) => grid.draw(scene, panel),
        }
    }

    /// The series that the legend explains.
    fn legend(&self) -> Vec<Entry> {
        if self.0.options.no_legend {
            return Vec::new();
        }
        match &self.0.chart {
            Chart::Bars(bars) => bars.legend(),
            Chart::Lines(lines) => lines.legend(),
            Chart::Scatter(scatter) => scatter.legend(),
            Chart::Circuit(circuit) => circuit.legend(),
            Chart::HeatMap(_) | Chart::Grid(_) => Vec::new(),
        }
    }

    /// The range of the measured values, and what they are called.
    fn measured(&self) -> (Option<(f64, f64)>, Option<&str>) {
        let options = &self.0.options;
        match &self.0.chart {
            Chart::Bars(bars) => {
                let label = if bars.horizontal { &options.x_label } else { &options.y_label };
                (bars.range(), label.as_deref())
            }
            Chart::Lines(lines) => (lines.range(), options.y_label.as_deref()),
            Chart::HeatMap(map) => (map.range(), map.value_label.as_deref()),
            Chart::Scatter(scatter) => (scatter.y_range(), options.y_label.as_deref()),
            Chart::Circuit(circuit) => (circuit.range(), circuit.value_label.as_deref()),
            Chart::Grid(_) => (None, None),
        }
    }
}

#[cfg(test)]
mod tests;
