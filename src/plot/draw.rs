//! A scene through plotters' back ends: as SVG text and as PNG bytes.

use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::style::{FontDesc, FontError};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontFamily,
    FontStyle, FontTransform,
};

use super::scene::{Align, Color, Font, Hang, Point, Rect, Scene, Shape};
use super::text::{self, CAPITAL};
use crate::error::{Error, Result};

/// plotters' places are whole numbers: an SVG is drawn at ten units to the logical pixel.
const SVG_UNITS: f64 = 10.0;
/// Pixels drawn for one pixel of a bitmap, each way; their mean smooths edges and letters.
const OVERSAMPLING: usize = 3;
/// The largest bitmap, in pixels.
const MOST_PIXELS: f64 = 60e6;
/// Logical pixels an inch.
const DENSITY: f64 = 96.0;

/// The scene as an SVG document.
pub(super) fn svg(scene: &Scene) -> Result<String> {
    let units = |length: f64| (length * SVG_UNITS).round() as u32;
    let mut drawn = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut drawn, (units(scene.width), units(scene.height)));
        draw(scene, &mut backend, SVG_UNITS, false)?;
        backend.present().map_err(failed)?;
    }
    // The back end's own root element has no room for a size in pixels apart from the units within.
    let body = drawn.split_once('\n').map_or("", |(_, body)| body);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" \
         stroke-linejoin=\"round\" stroke-linecap=\"round\">\n{body}",
        scene.width,
        scene.height,
        units(scene.width),
        units(scene.height),
    ))
}

/// The scene as a PNG file, `scale` pixels to the logical one.
pub(super) fn png(scene: &Scene, scale: f64) -> Result<Vec<u8>> {
    let (pixels, width, height) = pixels(scene, scale)?;
    encode(&pixels, width, height, scale)
}

/// The scene as red, green and blue bytes, row by row, `scale` pixels to the logical one; and its width and height.
pub(super) fn pixels(scene: &Scene, scale: f64) -> Result<(Vec<u8>, usize, usize)> {
    let pixels = |length: f64| (length * scale).round().max(1.0);
    let (width, height) = (pixels(scene.width), pixels(scene.height));
    if !(scale > 0.0 && width * height <= MOST_PIXELS) {
        return Err(Error::new(format!(
            "a picture of {width} × {height} pixels is too large or has no size"
        ))
        .hint(format!("at most {MOST_PIXELS:e} pixels; choose a smaller scale, width or height")));
    }
    let (width, height) = (width as usize, height as usize);
    let (wide, high) = (width * OVERSAMPLING, height * OVERSAMPLING);
    let mut fine = vec![255u8; wide * high * 3];
    {
        let mut backend = BitMapBackend::with_buffer_and_format(&mut fine, (wide as u32, high as u32))
            .map_err(|error| Error::new(format!("cannot draw a bitmap: {error}")))?;
        draw::<BitMapBackend>(scene, &mut backend, scale * OVERSAMPLING as f64, true)?;
        backend.present().map_err(failed)?;
    }
    Ok((shrink(&fine, width, height), width, height))
}

/// The mean of each block of `OVERSAMPLING` × `OVERSAMPLING` pixels.
fn shrink(fine: &[u8], width: usize, height: usize) -> Vec<u8> {
    let stride = width * OVERSAMPLING * 3;
    let count = (OVERSAMPLING * OVERSAMPLING) as u32;
    let mut sums = vec![0u32; width * 3];
    let mut coarse = Vec::with_capacity(width * height * 3);
    for block in fine.chunks_exact(stride * OVERSAMPLING) {
        sums.fill(0);
        for row in block.chunks_exact(stride) {
            for (sum, pixels) in sums.chunks_exact_mut(3).zip(row.chunks_exact(3 * OVERSAMPLING)) {
                for pixel in pixels.chunks_exact(3) {
                    sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u32::from(*value));
                }
            }
        }
        coarse.extend(sums.iter().map(|sum| ((sum + count / 2) / count) as u8));
    }
    coarse
}

fn encode(pixels: &[u8], width: usize, height: usize, scale: f64) -> Result<Vec<u8>> {
    let bad = |error: png::EncodingError| Error::new(format!("cannot encode a PNG: {error}"));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // Figures are flat areas: rows mostly equal the ones above.
    encoder.set_filter(png::FilterType::Up);
    encoder.set_compression(png::Compression::Best);
    let a_metre = (DENSITY * scale / 0.0254).round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: a_metre,
        yppu: a_metre,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().map_err(bad)?;
    writer.write_image_data(pixels).map_err(bad)?;
    writer.finish().map_err(bad)?;
    Ok(bytes)
}

fn failed<E: std::error::Error + Send + Sync>(error: DrawingErrorKind<E>) -> Error {
    Error::new(format!("cannot draw the figure: {error}"))
}

/// A colour and a width, as plotters takes them.
struct Stroke {
    color: Color,
    width: u32,
}

impl BackendStyle for Stroke {
    fn color(&self) -> BackendColor {
        backend_color(self.color)
    }

    fn stroke_width(&self) -> u32 {
        self.width
    }
}

fn backend_color(color: Color) -> BackendColor {
    let [red, green, blue] = color.rgb;
    BackendColor { alpha: color.alpha, rgb: (red, green, blue) }
}

fn draw<B: DrawingBackend>(scene: &Scene, backend: &mut B, scale: f64, bitmap: bool) -> Result<()> {
    let place = |(x, y): Point| ((x * scale).round() as i32, (y * scale).round() as i32);
    let fill = |color: Color| Stroke { color, width: 1 };
    let page = Rect::new(0.0, 0.0, scene.width, scene.height);
    let ground = Shape::Rect { area: page, fill: super::palette::WHITE };
    for shape in std::iter::once(&ground).chain(&scene.shapes) {
        match shape {
            Shape::Rect { area, fill: color } => {
                let (from, to) = (place((area.left, area.top)), place((area.right, area.bottom)));
                backend.draw_rect(from, to, &fill(*color), true)
            }
            Shape::Line { points, width, color } => {
                let width = (width * scale).round().max(1.0) as u32;
                let stroke = Stroke { color: *color, width };
                let points: Vec<BackendCoord> = points.iter().copied().map(place).collect();
                if bitmap {
                    draw_strokes(backend, &points, &stroke)
                } else {
                    backend.draw_path(points, &stroke)
                }
            }
            Shape::Polygon { points, fill: color } => {
                backend.fill_polygon(points.iter().copied().map(place).collect::<Vec<_>>(), &fill(*color))
            }
            Shape::Disc { center, radius, fill: color } => {
                backend.draw_circle(place(*center), (radius * scale).round() as u32, &fill(*color), true)
            }
            Shape::Text { at, text, font } => draw_text(backend, *at, text, font, scale),
        }
        .map_err(failed)?;
    }
    Ok(())
}

/// A run of segments on a bitmap. Each is drawn by itself with a disc where two meet: the back end's own
/// outline of a run crosses itself at sharp turns, and leaves holes there.
fn draw_strokes<B: DrawingBackend>(
    backend: &mut B,
    points: &[BackendCoord],
    stroke: &Stroke,
) -> Result<(), DrawingErrorKind<B::ErrorType>> {
    for pair in points.windows(2) {
        let &[from, to] = pair else { continue };
        let half = (stroke.width / 2) as i32;
        let upright = Rect::new(f64::from(from.0), f64::from(from.1), f64::from(to.0), f64::from(to.1));
        let (left, top, right, bottom) =
            (upright.left as i32, upright.top as i32, upright.right as i32, upright.bottom as i32);
        let rest = stroke.width as i32 - half;
        if top == bottom {
            backend.draw_rect((left, top - half), (right, top + rest), stroke, true)?;
        } else if left == right {
            backend.draw_rect((left - half, top), (left + rest, bottom), stroke, true)?;
        } else {
            backend.draw_line(from, to, stroke)?;
        }
    }
    if stroke.width > 3 {
        for &joint in points.iter().skip(1).rev().skip(1) {
            backend.draw_circle(joint, stroke.width / 2, stroke, true)?;
        }
    }
    Ok(())
}

/// Where SVG's back end puts the line of letters below the place of a text that hangs from its top.
const TOP_TO_BASELINE: f64 = 0.76;

fn draw_text<B: DrawingBackend>(
    backend: &mut B,
    (x, y): Point,
    text: &str,
    font: &Font,
    scale: f64,
) -> Result<(), DrawingErrorKind<B::ErrorType>> {
    let size = font.size * scale;
    let above = match font.hang {
        Hang::Top => CAPITAL * size,
        Hang::Middle => CAPITAL * size / 2.0,
        Hang::Baseline => 0.0,
    };
    // Both back ends are told the upper edge; `TextStyle` draws where SVG's would.
    let shift = above - TOP_TO_BASELINE * size;
    let (x, y) = (x * scale, y * scale);
    let (x, y) = if font.upwards { (x + shift, y) } else { (x, y + shift) };
    let style = TextStyle { desc: text::font(size, font.bold), font: *font, size };
    backend.draw_text(text, &style, (x.round() as i32, y.round() as i32))
}

/// A text's look, as the back ends ask for it.
struct TextStyle {
    desc: FontDesc<'static>,
    font: Font,
    size: f64,
}

impl BackendTextStyle for TextStyle {
    type FontError = FontError;

    fn color(&self) -> BackendColor {
        backend_color(self.font.color)
    }

    fn size(&self) -> f64 {
        // SVG's back end divides by this to get the em.
        self.size * 1.24
    }

    fn transform(&self) -> FontTransform {
        if self.font.upwards { FontTransform::Rotate270 } else { FontTransform::None }
    }

    fn style(&self) -> FontStyle {
        if self.font.bold { FontStyle::Bold } else { FontStyle::Normal }
    }

    fn anchor(&self) -> Pos {
        let across = match self.font.align {
            Align::Start => HPos::Left,
            Align::Middle => HPos::Center,
            Align::End => HPos::Right,
        };
        Pos::new(across, VPos::Top)
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(text::FAMILIES)
    }

    fn layout_box(&self, text: &str) -> std::result::Result<((i32, i32), (i32, i32)), FontError> {
        self.desc.layout_box(text)
    }

    fn draw<E, F: FnMut(i32, i32, BackendColor) -> std::result::Result<(), E>>(
        &self,
        text: &str,
        (x, y): BackendCoord,
        mut draw: F,
    ) -> std::result::Result<std::result::Result<(), E>, FontError> {
        // The font draws its line of letters half of its size below the place it is given.
        let down = (TOP_TO_BASELINE * self.size - self.desc.get_size() / 2.0).round() as i32;
        let color = self.color();
        self.desc.draw(text, (x, y + down), |x, y, alpha| draw(x, y, color.mix(f64::from(alpha))))
    }
}
