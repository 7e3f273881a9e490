//! A drawing as data: shapes in logical pixels, y downwards, before any file format.

/// A place in logical pixels.
pub(super) type Point = (f64, f64);

/// A colour with an opacity from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Color {
    pub rgb: [u8; 3],
    pub alpha: f64,
}

impl Color {
    /// An opaque colour, written as in `#0072B2`.
    pub const fn hex(code: u32) -> Self {
        Self { rgb: [(code >> 16) as u8, (code >> 8) as u8, code as u8], alpha: 1.0 }
    }

    /// The opaque mixture with `other`, of which there is `part` from 0 to 1.
    pub fn mixed(self, other: Self, part: f64) -> Self {
        let mix =
            |(from, to): (u8, u8)| (f64::from(from) + (f64::from(to) - f64::from(from)) * part).round() as u8;
        let ([r, g, b], [red, green, blue]) = (self.rgb, other.rgb);
        Self { rgb: [(r, red), (g, green), (b, blue)].map(mix), alpha: 1.0 }
    }

    pub fn with_alpha(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }
}

/// An upright rectangle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rect {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Rect {
    pub fn new(left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Self { left: left.min(right), top: top.min(bottom), right: right.max(left), bottom: bottom.max(top) }
    }

    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    pub fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub fn center(&self) -> Point {
        ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }

    /// The same rectangle, smaller by `by` on each side.
    pub fn inset(&self, by: f64) -> Self {
        Self::new(self.left + by, self.top + by, self.right - by, self.bottom - by)
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    pub fn contains(&self, other: &Self) -> bool {
        self.left <= other.left
            && self.right >= other.right
            && self.top <= other.top
            && self.bottom >= other.bottom
    }
}

/// Where along a text its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Start,
    Middle,
    End,
}

/// What of a text's height its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hang {
    /// The upper edge of capitals.
    Top,
    /// Half of the capitals' height.
    Middle,
    /// The line the letters stand on.
    Baseline,
}

/// How a text looks and where it stands to its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Font {
    /// Size of the em in logical pixels.
    pub size: f64,
    pub bold: bool,
    pub color: Color,
    pub align: Align,
    pub hang: Hang,
    /// Reads from bottom to top; `hang` then is sideways.
    pub upwards: bool,
}

/// One thing to draw.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Rect {
        area: Rect,
        fill: Color,
    },
    /// A run of connected segments; never a single point.
    Line {
        points: Vec<Point>,
        width: f64,
        color: Color,
    },
    Polygon {
        points: Vec<Point>,
        fill: Color,
    },
    Disc {
        center: Point,
        radius: f64,
        fill: Color,
    },
    Text {
        at: Point,
        text: String,
        font: Font,
    },
}

/// Shapes in the order they are drawn, on a white page.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub width: f64,
    pub height: f64,
    pub shapes: Vec<Shape>,
}

impl Scene {
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, shapes: Vec::new() }
    }

    pub fn rect(&mut self, area: Rect, fill: Color) {
        self.shapes.push(Shape::Rect { area, fill });
    }

    /// The outline of a rectangle.
    pub fn outline(&mut self, area: Rect, width: f64, color: Color) {
        let Rect { left, top, right, bottom } = area;
        self.line(
            vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)],
            width,
            color,
        );
    }

    pub fn line(&mut self, points: Vec<Point>, width: f64, color: Color) {
        if points.len() > 1 {
            self.shapes.push(Shape::Line { points, width, color });
        }
    }

    /// A run of segments as dashes.
    pub fn dashes(&mut self, points: &[Point], width: f64, color: Color) {
        const ON: f64 = 5.0;
        const OFF: f64 = 4.0;
        // Where in the pattern of one dash and one gap the run has come.
        let mut phase = 0.0;
        let mut dash: Vec<Point> = Vec::new();
        for pair in points.windows(2) {
            let &[from, to] = pair else { continue };
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            let at = |along: f64| {
                (from.0 + (to.0 - from.0) * along / length, from.1 + (to.1 - from.1) * along / length)
            };
            let mut along = 0.0;
            while along < length {
                let inked = phase < ON;
                let step = (if inked { ON } else { ON + OFF } - phase).min(length - along);
                if inked && dash.is_empty() {
                    dash.push(at(along));
                }
                along += step;
                phase += step;
                if inked {
                    dash.push(at(along));
                }
                if inked && phase >= ON {
                    self.line(std::mem::take(&mut dash), width, color);
                }
                if phase >= ON + OFF {
                    phase = 0.0;
                }
                // A remainder below the precision of a place would not move on.
                if step < 1e-9 {
                    break;
                }
            }
        }
        self.line(dash, width, color);
    }

    /// Slanted lines over a rectangle: the sign for "no value".
    pub fn hatch(&mut self, area: Rect, color: Color) {
        const STEP: f64 = 6.0;
        let mut offset = STEP / 2.0;
        while offset < area.width() + area.height() {
            // The line x + y = offset, from the left or lower edge to the upper or right one.
            let low = (offset.min(area.height()), (offset - area.height()).max(0.0));
            let high = ((offset - area.width()).max(0.0), offset.min(area.width()));
            self.line(
                vec![(area.left + low.1, area.top + low.0), (area.left + high.1, area.top + high.0)],
                0.7,
                color,
            );
            offset += STEP;
        }
    }

    pub fn polygon(&mut self, points: Vec<Point>, fill: Color) {
        if points.len() > 2 {
            self.shapes.push(Shape::Polygon { points, fill });
        }
    }

    pub fn disc(&mut self, center: Point, radius: f64, fill: Color) {
        self.shapes.push(Shape::Disc { center, radius, fill });
    }

    /// A disc with an outline, which lies inside its radius.
    pub fn ring(&mut self, center: Point, radius: f64, width: f64, outline: Color, fill: Color) {
        self.disc(center, radius, outline);
        self.disc(center, (radius - width).max(0.0), fill);
    }

    pub fn text(&mut self, at: Point, text: impl Into<String>, font: Font) {
        let text = text.into();
        if !text.is_empty() {
            self.shapes.push(Shape::Text { at, text, font });
        }
    }
}

/// The parts of a run of segments that lie inside a rectangle (Liang–Barsky).
pub(super) fn clip_line(points: &[Point], area: &Rect) -> Vec<Vec<Point>> {
    let mut runs: Vec<Vec<Point>> = Vec::new();
    for pair in points.windows(2) {
        let &[from, to] = pair else { continue };
        let Some((start, end)) = clip_segment(from, to, area) else { continue };
        match runs.last_mut() {
            Some(run) if run.last() == Some(&start) => run.push(end),
            _ => runs.push(vec![start, end]),
        }
    }
    runs
}

fn clip_segment(from: Point, to: Point, area: &Rect) -> Option<(Point, Point)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enter, mut leave) = (0.0f64, 1.0f64);
    let edges = [
        (-dx, from.0 - area.left),
        (dx, area.right - from.0),
        (-dy, from.1 - area.top),
        (dy, area.bottom - from.1),
    ];
    for (towards, room) in edges {
        if towards == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if towards < 0.0 {
            enter = enter.max(room / towards);
        } else {
            leave = leave.min(room / towards);
        }
    }
    // Ends that are inside stay exactly as they were, so that runs join.
    let at = |part: f64| (from.0 + dx * part, from.1 + dy * part);
    let start = if enter == 0.0 { from } else { at(enter) };
    let end = if leave == 1.0 { to } else { at(leave) };
    (enter <= leave).then_some((start, end))
}

/// The part of a polygon between two heights (Sutherland–Hodgman).
pub(super) fn clip_polygon(points: &[Point], top: f64, bottom: f64) -> Vec<Point> {
    let above = clip_half(points, |y| y - top, top);
    clip_half(&above, |y| bottom - y, bottom)
}

fn clip_half(points: &[Point], room: impl Fn(f64) -> f64, edge: f64) -> Vec<Point> {
    let mut kept = Vec::with_capacity(points.len());
    let Some(mut before) = points.last().copied() else { return kept };
    for &point in points {
        let (was, is) = (room(before.1) >= 0.0, room(point.1) >= 0.0);
        if was != is {
            let part = (edge - before.1) / (point.1 - before.1);
            kept.push((before.0 + (point.0 - before.0) * part, edge));
        }
        if is {
            kept.push(point);
        }
        before = point;
    }
    kept
}
