//! Where the components of a circuit stand: layers in columns, heads and kinds in rows.

use std::collections::HashMap;

use super::{Circuit, Edge, MARGIN, RISE};
use crate::plot::scene::Point;

/// The most room, in rows, that is left above the first row to arcs along it: where it is the only row, and
/// where there are more.
const MOST_ABOVE: [f64; 2] = [6.0, 1.5];

/// Which slot each node has.
pub(super) struct Layout {
    /// What stands below each column and beside each row.
    pub columns: Vec<String>,
    pub rows: Vec<String>,
    /// The column of layer 0.
    pub first: usize,
    /// Room for arcs above the first row, in rows.
    pub above: f64,
    /// How many nodes each slot has.
    pub taken: HashMap<(usize, usize), usize>,
    /// Where each node stands, in slots.
    pub places: Vec<Point>,
    /// Which nodes their row and column do not name: those without a layer, or with others in their slot.
    pub nameless: Vec<bool>,
    /// The part of a slot that a node has, where the fullest is shared.
    pub share: f64,
}

impl Layout {
    /// The places of all nodes.
    pub fn of(circuit: &Circuit) -> Self {
        let first = usize::from(circuit.nodes.iter().any(|node| node.layer.is_none()));
        let mut columns = vec![String::new(); first];
        columns.extend((0..circuit.n_layers()).map(|layer| layer.to_string()));
        let heads = circuit.n_heads();
        let kinds = kinds(circuit);
        let mut rows: Vec<String> = (0..heads).map(|head| format!("H{head}")).collect();
        rows.extend(kinds.iter().map(|kind| if *kind == "mlp" { "MLP".into() } else { kind.to_string() }));
        if rows.is_empty() {
            rows.push(String::new());
        }

        let mut apart = 0;
        let slots: Vec<(usize, usize)> = circuit
            .nodes
            .iter()
            .map(|node| match node.layer {
                Some(layer) => {
                    let kind = || kinds.iter().position(|kind| *kind == node.kind);
                    (first + layer, node.head.unwrap_or_else(|| heads + kind().unwrap_or(0)))
                }
                // They have no row of their own: beside the last ones, from below.
                None => {
                    apart += 1;
                    (0, rows.len() - 1 - (apart - 1) % rows.len())
                }
            })
            .collect();
        let mut taken: HashMap<(usize, usize), usize> = HashMap::new();
        for slot in &slots {
            *taken.entry(*slot).or_default() += 1;
        }
        let mut seen: HashMap<(usize, usize), usize> = HashMap::new();
        let place = |slot: &(usize, usize)| {
            let number = seen.entry(*slot).or_default();
            *number += 1;
            let count = taken.get(slot).copied().unwrap_or(1);
            (slot.0 as f64 + (*number as f64 - 0.5) / count as f64, slot.1 as f64 + 0.5)
        };
        let places: Vec<Point> = slots.iter().map(place).collect();
        let above = headroom(circuit, &places, if rows.len() == 1 { MOST_ABOVE[0] } else { MOST_ABOVE[1] });
        let is_shared = |slot: &(usize, usize)| taken.get(slot).is_some_and(|count| *count > 1);
        let nameless = circuit
            .nodes
            .iter()
            .zip(&slots)
            .map(|(node, slot)| node.layer.is_none() || is_shared(slot))
            .collect();
        let share = 1.0 / taken.values().copied().max().unwrap_or(1) as f64;
        Self { columns, rows, first, above, taken, places, nameless, share }
    }
}

/// The kinds that have a row: those of nodes in layers that are no heads. MLPs, which read what all others
/// of their layer wrote, come last.
fn kinds(circuit: &Circuit) -> Vec<&str> {
    let mut kinds: Vec<&str> = Vec::new();
    for node in circuit.nodes.iter().filter(|node| node.layer.is_some() && node.head.is_none()) {
        if !kinds.contains(&node.kind.as_str()) {
            kinds.push(&node.kind);
        }
    }
    kinds.sort_by_key(|kind| *kind == "mlp");
    kinds
}

/// How much room the arcs along the rows need above the first, in rows; labels need a little.
fn headroom(circuit: &Circuit, places: &[Point], most: f64) -> f64 {
    let index: HashMap<&str, usize> =
        circuit.nodes.iter().enumerate().map(|(place, node)| (node.name.as_str(), place)).collect();
    let place = |name: &String| index.get(name.as_str()).and_then(|node| places.get(*node)).copied();
    let over = |edge: &Edge| {
        let (from, to) = (place(&edge.from)?, place(&edge.to)?);
        (from.1 == to.1).then_some((to.0 - from.0).abs() * RISE - from.1 + 0.3)
    };
    circuit.edges.iter().filter_map(over).fold(MARGIN, f64::max).min(most)
}
