//! Every kind of figure, with data as a study has them: its words stay on the page and off each other.
//!
//! With `MORA_PICTURES` set to a folder, the figures are saved there, to be looked at.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod circuit;

use super::scene::{Align, Hang, Rect, Shape};
use super::*;

/// Numbers that look random and are the same everywhere (a linear congruential generator, from −1 to 1).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    }
}

fn words(words: &str) -> Vec<String> {
    words.split(' ').map(str::to_string).collect()
}

fn labelled(title: &str, x: &str, y: &str) -> FigureOptions {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_string());
    FigureOptions { title: some(title), x_label: some(x), y_label: some(y), ..FigureOptions::default() }
}

fn top_components() -> Figure {
    let mut noise = Noise(7);
    let labels: Vec<String> = (0..26)
        .flat_map(|l| (0..9).map(move |h| if h == 8 { format!("L{l}_MLP") } else { format!("L{l}H{h}") }))
        .collect();
    let values = labels.iter().map(|_| noise.next().powi(5) * 4.0).collect();
    let bars = Bars { horizontal: true, sign_colors: true, ..Bars::of(labels, values) }.top(20).unwrap();
    Figure::bars(
        bars,
        labelled(
            "Logit attribution of the decision, 20 largest components",
            "contribution to Δ (logits)",
            "",
        ),
    )
    .unwrap()
}

const SCENARIOS: &str = "CC_continue CD_trust_breach DC_exploited DD_trapped CC_temptation";

fn scenarios_by_model() -> Figure {
    let mut noise = Noise(3);
    let group = |name: &str, noise: &mut Noise| {
        let values: Vec<f64> = (0..5).map(|_| noise.next() * 2.0).collect();
        let errors = values.iter().map(|value| (value - 0.3, value + 0.3 + noise.next() * 0.1)).collect();
        BarGroup { name: name.into(), values, errors }
    };
    let groups =
        ["base", "PT2 strategic", "PT3 deontological", "PT3 utilitarian"].map(|name| group(name, &mut noise));
    let mut groups = groups.to_vec();
    groups[2].values[3] = f64::NAN;
    groups[2].errors[3] = (f64::NAN, f64::NAN);
    let bars = Bars { labels: words(SCENARIOS), groups, ..Bars::default() };
    Figure::bars(bars, labelled("Decision by scenario and model", "", "Δ (logits), mean and 95 % interval"))
        .unwrap()
}

fn head_map(show: Option<bool>) -> Figure {
    let mut noise = Noise(11);
    let mut values: Vec<Vec<f64>> =
        (0..26).map(|_| (0..8).map(|_| noise.next().powi(3) * 0.9).collect()).collect();
    values[4][2] = f64::NAN;
    values[20][7] = f64::INFINITY;
    let map = HeatMap {
        values,
        row_labels: (0..26).map(|layer| layer.to_string()).collect(),
        column_labels: (0..8).map(|head| head.to_string()).collect(),
        show_values: show,
        value_label: Some("contribution to Δ (logits)".into()),
        ..HeatMap::default()
    };
    Figure::heatmap(map, labelled("Attention heads", "head", "layer")).unwrap()
}

fn attention_map() -> Figure {
    let tokens = words("<bos> You are playing a game . Your opponent chose action1 . \\n Choose");
    let count = tokens.len();
    let values = (0..count)
        .map(|q| {
            (0..count).map(|k| if k > q { f64::NAN } else { 1.0 / (1.0 + (q - k) as f64) / 2.0 }).collect()
        })
        .collect();
    let map = HeatMap {
        values,
        row_labels: tokens.clone(),
        column_labels: tokens,
        scale: ColorScale::Sequential,
        show_values: Some(false),
        ..HeatMap::default()
    };
    Figure::heatmap(map, labelled("Pattern of L8H3", "key", "query")).unwrap()
}

fn trajectories(title: &str, seed: u64, models: &[&str]) -> Figure {
    let mut noise = Noise(seed);
    let series = models
        .iter()
        .map(|name| {
            let mut at = 0.0;
            let slope = noise.next() * 0.2;
            let points: Vec<(f64, f64)> = (0..26)
                .map(|layer| {
                    at += slope + noise.next() * 0.25;
                    (f64::from(layer), at)
                })
                .collect();
            let band = points.iter().map(|(x, y)| (y - 0.2 - x * 0.02, y + 0.2 + x * 0.02)).collect();
            Series { name: name.to_string(), points, band }
        })
        .collect();
    Figure::lines(Lines { series, marks: vec![] }, labelled(title, "layer", "Δ (logits)")).unwrap()
}

const MODELS: [&str; 5] = ["base", "PT2 strategic", "PT3 deontological", "PT3 utilitarian", "PT4 mixed"];

fn lens() -> Figure {
    trajectories("Logit lens: the decision through the layers", 5, &MODELS)
}

fn lens_grid() -> Figure {
    let figures: Vec<Figure> = words(SCENARIOS)
        .iter()
        .enumerate()
        .map(|(n, name)| trajectories(name, n as u64 + 20, &MODELS))
        .collect();
    let grid = Grid { figures, columns: Some(3), share: None };
    Figure::grid(grid, FigureOptions::titled("Logit lens by scenario, mean of three prompts with 95 % bands"))
        .unwrap()
}

fn map_grid() -> Figure {
    let grid = Grid { figures: vec![head_map(Some(false)), head_map(None)], ..Grid::default() };
    Figure::grid(grid, FigureOptions::titled("Two models")).unwrap()
}

fn many_lines() -> Figure {
    let names: Vec<String> =
        (0..14).map(|number| format!("a rather long name of series number {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    trajectories("Many series", 9, &names)
}

fn few_points() -> Figure {
    let points =
        vec![(0.0, 1e-6), (1.0, 3e-6), (2.0, f64::NAN), (3.0, 2e-6), (4.0, f64::INFINITY), (5.0, 9e-7)];
    let series = vec![Series { name: "loss".into(), points, band: vec![] }];
    Figure::lines(Lines { series, marks: vec![2.5e-6] }, labelled("Gaps", "epoch", "loss")).unwrap()
}

fn asymmetry() -> Figure {
    let mut noise = Noise(17);
    let group = |name: &str, count: usize, noise: &mut Noise| {
        let points: Vec<(f64, f64)> = (0..count)
            .map(|_| {
                let x = noise.next().powi(3) * 3.0;
                (x, x * 0.7 + noise.next() * 0.4)
            })
            .collect();
        let labels = points
            .iter()
            .enumerate()
            .map(|(n, point)| if point.0.abs() > 1.2 { format!("L{}_MLP", n) } else { String::new() });
        PointGroup { name: name.into(), labels: labels.collect(), points }
    };
    let groups = vec![group("heads", 60, &mut noise), group("MLPs", 26, &mut noise)];
    Figure::scatter(
        Scatter { groups, diagonal: true },
        labelled("A patch and its reverse", "effect base → tuned (logits)", "effect tuned → base (logits)"),
    )
    .unwrap()
}

fn crowded_bars() -> Figure {
    let labels: Vec<String> = (0..60).map(|n| format!("component number {n}")).collect();
    let values = (0..60).map(|n| f64::from(n) - 20.5).collect();
    Figure::bars(
        Bars::of(labels, values),
        labelled("", "", "a very long label of the axis that says what the bars are of"),
    )
    .unwrap()
}

fn all() -> Vec<(&'static str, Figure)> {
    vec![
        ("top_components", top_components()),
        ("scenarios", scenarios_by_model()),
        ("heads", head_map(None)),
        ("heads_values", head_map(Some(true))),
        ("attention", attention_map()),
        ("lens", lens()),
        ("lens_grid", lens_grid()),
        ("map_grid", map_grid()),
        ("many_lines", many_lines()),
        ("few_points", few_points()),
        ("asymmetry", asymmetry()),
        ("crowded_bars", crowded_bars()),
        ("circuit_26x8", circuit::gemma()),
        ("circuit_18x4", circuit::small()),
        ("circuit_sparse", circuit::sparse()),
        ("circuit_pathways", circuit::pathways()),
    ]
}

/// The box that a text takes, from a little below the letters' line to the top of capitals.
fn texts(figure: &Figure) -> Vec<(String, Rect)> {
    let scene = figure.scene();
    let boxed = |shape: &Shape| {
        let Shape::Text { at, text, font } = shape else { return None };
        let width = text::width(text, font.size, font.bold);
        let start = match font.align {
            Align::Start => 0.0,
            Align::Middle => -width / 2.0,
            Align::End => -width,
        };
        let below = match font.hang {
            Hang::Top => text::CAPITAL,
            Hang::Middle => text::CAPITAL / 2.0,
            Hang::Baseline => 0.0,
        } * font.size;
        let above = below - text::CAPITAL * font.size;
        let area = match font.upwards {
            false => Rect::new(at.0 + start, at.1 + above, at.0 + start + width, at.1 + below),
            true => Rect::new(at.0 + above, at.1 - start - width, at.0 + below, at.1 - start),
        };
        Some((text.clone(), area))
    };
    scene.shapes.iter().filter_map(boxed).collect()
}

#[test]
fn words_stay_on_the_page_and_off_each_other() {
    for (name, figure) in all() {
        let (width, height) = figure.size();
        let page = Rect::new(0.0, 0.0, f64::from(width), f64::from(height)).inset(1.0);
        let texts = texts(&figure);
        assert!(texts.len() > 5, "{name}");
        for (number, (text, area)) in texts.iter().enumerate() {
            assert!(page.contains(area), "{name}: {text:?} leaves the page: {area:?} of {page:?}");
            for (other, taken) in texts.iter().take(number) {
                assert!(!taken.overlaps(area), "{name}: {text:?} lies on {other:?}");
            }
        }
    }
}

#[test]
fn figures_save_as_svg_and_png() {
    let own = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("MORA_PICTURES").map_or_else(|| own.path().to_path_buf(), Into::into);
    for (name, figure) in all() {
        for extension in ["svg", "png"] {
            let path = folder.join(format!("{name}.{extension}"));
            figure.save(&path).unwrap();
            assert!(std::fs::metadata(&path).unwrap().len() > 1000);
        }
    }
}

#[test]
fn the_same_figure_gives_the_same_bytes() {
    let (once, again) = (lens(), lens());
    assert_eq!(once.render_svg().unwrap(), again.render_svg().unwrap());
    assert_eq!(once.render_png(1.0).unwrap(), again.render_png(1.0).unwrap());
}

#[test]
fn a_bitmap_has_the_size_it_is_asked_for() {
    let options = FigureOptions { width: Some(300), height: Some(200), ..FigureOptions::default() };
    let figure = few_points().with_options(options).unwrap();
    let bytes = figure.render_png(1.5).unwrap();
    let header = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    assert_eq!((header.info().width, header.info().height), (450, 300));
    assert!(figure.render_png(0.0).is_err() && figure.render_png(f64::NAN).is_err());
    assert!(figure.render_png(1e4).unwrap_err().to_string().contains("too large"));
}

/// Data are where the axes say: the middle of a band of pixels around each bar's end tells.
#[test]
fn bars_end_at_their_values() {
    let bars = Bars::of(vec!["a".into(), "b".into()], vec![2.0, -1.0]);
    let figure =
        Figure::bars(bars, FigureOptions { y_range: Some((-2.0, 2.0)), ..FigureOptions::default() }).unwrap();
    let scene = figure.scene();
    let areas: Vec<Rect> = scene
        .shapes
        .iter()
        .filter_map(|shape| match shape {
            Shape::Rect { area, .. } => Some(*area),
            _ => None,
        })
        .collect();
    let [up, down] = areas.as_slice() else { panic!("two bars: {areas:?}") };
    assert!((up.bottom - down.top).abs() < 1e-9, "both stand on zero");
    assert!((up.height() - 2.0 * down.height()).abs() < 1e-9);
    assert!(up.right < down.left);
}

#[test]
fn the_largest_bars_come_first() {
    let labels = words("a b c d e");
    let errors = vec![(0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, 4.0)];
    let group = BarGroup { name: "g".into(), values: vec![1.0, -3.0, f64::NAN, 3.0, 0.5], errors };
    let top = Bars { labels, groups: vec![group], ..Bars::default() }.top(3).unwrap();
    assert_eq!(top.labels, ["b", "d", "a"]);
    assert_eq!(top.groups[0].values, [-3.0, 3.0, 1.0]);
    assert_eq!(top.groups[0].errors, [(1.0, 1.0), (3.0, 3.0), (0.0, 0.0)]);
}

#[test]
fn zero_is_white_on_a_diverging_scale() {
    assert_eq!(ColorScale::Diverging.at(0.5).rgb, [0xF7, 0xF7, 0xF7]);
    let [red, _, blue] = ColorScale::Diverging.at(0.9).rgb;
    assert!(red > blue, "positive is red");
}

fn message(result: Result<Figure>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn figures_of_nothing_and_of_unequal_parts_are_errors() {
    let plain = FigureOptions::default;
    assert!(message(Figure::bars(Bars::default(), plain())).contains("at least one label"));
    assert!(message(Figure::lines(Lines::default(), plain())).contains("at least one point"));
    assert!(message(Figure::scatter(Scatter::default(), plain())).contains("at least one point"));
    assert!(message(Figure::heatmap(HeatMap::default(), plain())).contains("found 0 rows × 0 columns"));
    assert!(message(Figure::grid(Grid::default(), plain())).contains("at least one figure"));
    let bars = Bars::of(words("a b"), vec![1.0]);
    assert_eq!(
        message(Figure::bars(bars, plain())),
        "bars \"\": expected 2 values, one for each label, found 1"
    );
    let ragged = HeatMap { values: vec![vec![1.0], vec![1.0, 2.0]], ..HeatMap::default() };
    assert_eq!(message(Figure::heatmap(ragged, plain())), "expected 1 values in row 1 as in row 0, found 2");
    let nested = Grid { figures: vec![lens_grid()], ..Grid::default() };
    assert!(message(Figure::grid(nested, plain())).contains("not other grids"));
    let small = FigureOptions { width: Some(9), ..plain() };
    assert!(message(lens().with_options(small)).contains("expected a width from 100 to 10000"));
    let turned = FigureOptions { y_range: Some((1.0, 0.0)), ..plain() };
    assert!(message(lens().with_options(turned)).contains("the lower first"));
    let found = lens().save(Path::new("a.pngg")).unwrap_err().to_string();
    assert!(found.contains("expected a picture file") && found.contains("did you mean \"png\"?"), "{found}");
    assert!(
        lens().save(Path::new("/no/such/folder/a.png")).unwrap_err().to_string().contains("/no/such/folder")
    );
}

/// Missing, huge, tiny and equal values, in every kind and down to the smallest figure.
#[test]
fn no_values_stop_a_figure() {
    let hard: [&[f64]; 7] = [
        &[f64::NAN, f64::NAN],
        &[f64::INFINITY, f64::NEG_INFINITY],
        &[1e308, -1e308],
        &[1e149, -1e149],
        &[5e-324, 0.0],
        &[1e15, 1e15 + 1.0],
        &[0.0, 0.0],
    ];
    for values in hard {
        let points: Vec<(f64, f64)> = values.iter().map(|value| (*value, *value)).collect();
        let series = Series { name: "s".into(), points: points.clone(), band: points.clone() };
        let group = PointGroup { name: "g".into(), points: points.clone(), labels: words("a b") };
        let bars = BarGroup { name: "b".into(), values: values.to_vec(), errors: points };
        let map = |scale| HeatMap {
            values: vec![values.to_vec()],
            row_labels: words("r"),
            column_labels: words("a b"),
            scale,
            ..HeatMap::default()
        };
        for (width, height) in [(None, None), (Some(100), Some(100))] {
            let options = FigureOptions { width, height, ..labelled("a title", "x", "y") };
            let vertical = Bars { labels: words("a b"), groups: vec![bars.clone(); 2], ..Bars::default() };
            let horizontal = Bars { horizontal: true, ..vertical.clone() };
            let figures = vec![
                Figure::bars(vertical, options.clone()).unwrap(),
                Figure::bars(horizontal, options.clone()).unwrap(),
                Figure::lines(
                    Lines { series: vec![series.clone(); 2], marks: values.to_vec() },
                    options.clone(),
                )
                .unwrap(),
                Figure::scatter(Scatter { groups: vec![group.clone()], diagonal: true }, options.clone())
                    .unwrap(),
                Figure::heatmap(map(ColorScale::Diverging), options.clone()).unwrap(),
                Figure::heatmap(map(ColorScale::Sequential), options.clone()).unwrap(),
                Figure::circuit(circuit::hard([values[0], values[1]]), options.clone()).unwrap(),
            ];
            let grid = Figure::grid(Grid { figures: figures.clone(), ..Grid::default() }, options).unwrap();
            for figure in figures.iter().chain([&grid]) {
                assert!(!figure.render_svg().unwrap().contains("NaN"), "{values:?} {}", figure.kind());
                figure.render_png(0.5).unwrap();
            }
        }
    }
}

#[test]
fn panels_that_measure_the_same_share_their_scale() {
    let ticks_of = |share| {
        let line = |high: f64| {
            let series =
                vec![Series { name: "s".into(), points: vec![(0.0, 0.0), (1.0, high)], band: vec![] }];
            Figure::lines(Lines { series, marks: vec![] }, labelled("", "x", "loss")).unwrap()
        };
        let grid = Grid { figures: vec![line(1.0), line(1000.0)], columns: Some(2), share };
        let grid = Figure::grid(grid, FigureOptions::default()).unwrap();
        texts(&grid).iter().filter(|(text, _)| text == "1000").count()
    };
    assert_eq!(ticks_of(None), 2);
    assert_eq!(ticks_of(Some(false)), 1);
}

#[test]
fn text_in_an_svg_is_escaped_and_can_be_read() {
    let figure = Figure::bars(Bars::of(words("<bos> &"), vec![1.0, 2.0]), labelled("a < b", "", "")).unwrap();
    let svg = figure.render_svg().unwrap();
    assert!(svg.contains("a &lt; b") && svg.contains("&lt;bos&gt;"));
    assert!(svg.starts_with("<svg xmlns=") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("font-family=\"DejaVu Sans, Verdana"));
}
