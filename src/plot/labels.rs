//! Words beside points: each where it covers nothing.

use super::axes::font;
use super::palette::WHITE;
use super::scene::{Point, Rect, Scene};
use super::text;

const SIZE: f64 = 10.5;

/// Where a label rather stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Right of its point: where neighbours may be anywhere.
    Beside,
    /// Above its point, on a ground of its own: where neighbours stand in rows and lines cross.
    Above,
}

/// Places labels one after the other.
pub(super) struct Labels {
    area: Rect,
    side: Side,
    taken: Vec<Rect>,
    unwelcome: Vec<Rect>,
}

impl Labels {
    /// Labels that stay inside `area`.
    pub fn new(area: Rect, side: Side) -> Self {
        Self { area, side, taken: Vec::new(), unwelcome: Vec::new() }
    }

    /// Keeps labels off a disc.
    pub fn avoid_disc(&mut self, center: Point, radius: f64) {
        self.taken.push(around(center, radius));
    }

    /// Keeps labels off a disc as long as they find another place.
    pub fn rather_avoid_disc(&mut self, center: Point, radius: f64) {
        self.unwelcome.push(around(center, radius));
    }

    /// Keeps labels off a line.
    pub fn avoid_line(&mut self, [from, to]: [Point; 2]) {
        let steps = ((to.0 - from.0).hypot(to.1 - from.1) / 4.0).ceil().max(1.0);
        for step in 0..=steps as usize {
            let part = step as f64 / steps;
            let at = (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
            self.avoid_disc(at, 1.5);
        }
    }

    /// Writes `label` near a disc, at the first place that is free; nowhere if there is none.
    pub fn write(&mut self, scene: &mut Scene, at: Point, radius: f64, label: &str) {
        let label = text::plain(label);
        let width = text::width(&label, SIZE, false);
        let is_free = |(_, room): &(Point, Rect)| {
            self.area.contains(room) && !self.taken.iter().any(|other| other.overlaps(room))
        };
        let is_welcome = |(_, room): &(Point, Rect)| !self.unwelcome.iter().any(|other| other.overlaps(room));
        let places = self.places(at, radius, width);
        let mut free = places.iter().filter(|place| is_free(place));
        let best = free.clone().find(|place| is_welcome(place)).or_else(|| free.next());
        if let Some(&(start, room)) = best {
            if self.side == Side::Above {
                scene.rect(room.inset(1.0), WHITE.with_alpha(0.75));
            }
            scene.text(start, label, font(SIZE));
            self.taken.push(room);
        }
    }

    /// Where a label could stand, best first: its start, and the room it takes.
    fn places(&self, (x, y): Point, radius: f64, width: f64) -> [(Point, Rect); 8] {
        let (near, half) = (radius + 4.0, SIZE / 2.0 + 1.0);
        let (above, below) = (y - near - half, y + near + half);
        let (right, left) = ((x + near, y), (x - near - width, y));
        let slanted_right = [(x + near * 0.7, above + 2.0), (x + near * 0.7, below - 2.0)];
        let slanted_left = slanted_right.map(|(_, y)| (x - near * 0.7 - width, y));
        let (over, under) = ((x - width / 2.0, above), (x - width / 2.0, below));
        let starts = match self.side {
            Side::Beside => [
                right,
                slanted_right[0],
                slanted_right[1],
                left,
                over,
                under,
                slanted_left[0],
                slanted_left[1],
            ],
            // A slanted one would seem to belong to the neighbour in the row.
            Side::Above => {
                let (over, under) = ((over.0, over.1 + 2.0), (under.0, under.1 - 2.0));
                let aside = |(x, y): Point, by: f64| (x + by * width, y);
                [
                    over,
                    under,
                    aside(over, 0.2),
                    aside(over, -0.2),
                    aside(under, 0.2),
                    aside(under, -0.2),
                    right,
                    left,
                ]
            }
        };
        starts.map(|(left, middle)| {
            ((left, middle), Rect::new(left - 2.0, middle - half, left + width + 2.0, middle + half))
        })
    }
}

fn around((x, y): Point, radius: f64) -> Rect {
    Rect::new(x - radius, y - radius, x + radius, y + radius)
}
