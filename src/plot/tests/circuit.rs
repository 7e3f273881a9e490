//! Circuits: as a study draws them, and at their limits.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn head(layer: usize, head: usize, value: f64) -> Node {
    let name = format!("L{layer}H{head}");
    Node { name, layer: Some(layer), kind: "head".into(), head: Some(head), value, chosen: false }
}

fn of_kind(kind: &str, layer: usize, value: f64) -> Node {
    let name = format!("L{layer}_{}", kind.to_uppercase());
    Node { name, layer: Some(layer), kind: kind.into(), head: None, value, chosen: false }
}

fn edge(from: &str, to: &str, weight: f64) -> Edge {
    Edge { from: from.into(), to: to.into(), weight }
}

/// All components of a model of these layers and heads, with its embedding; few of them matter.
fn components(layers: usize, heads: usize, seed: u64) -> Vec<Node> {
    let mut noise = Noise(seed);
    let mut nodes = vec![Node { name: "EMBED".into(), kind: "embed".into(), value: 0.4, ..Node::default() }];
    for layer in 0..layers {
        nodes.extend((0..heads).map(|n| head(layer, n, noise.next().powi(9) * 1.5)));
        nodes.push(of_kind("mlp", layer, noise.next().powi(5) * 2.5));
    }
    nodes
}

/// Arcs between chosen nodes, from earlier to later ones.
fn among(nodes: &[Node], seed: u64) -> Vec<Edge> {
    let mut noise = Noise(seed);
    let chosen: Vec<&Node> = nodes.iter().filter(|node| node.chosen).collect();
    let mut edges = Vec::new();
    for (place, from) in chosen.iter().enumerate() {
        for to in chosen.iter().skip(place + 1).filter(|to| to.layer > from.layer) {
            let weight = noise.next().powi(3);
            if weight.abs() > 0.12 {
                edges.push(edge(&from.name, &to.name, weight));
            }
        }
    }
    edges
}

fn study(layers: usize, heads: usize, seed: u64) -> Circuit {
    let circuit = Circuit { nodes: components(layers, heads, seed), ..Circuit::default() }.top(10);
    let edges = among(&circuit.nodes, seed + 1);
    let (value_label, weight_label) = (Some("effect on Δ (logits)".into()), "direct effect".into());
    Circuit { edges, value_label, weight_label, ..circuit }
}

pub(super) fn gemma() -> Figure {
    let options = labelled("The ten largest components and what they pass on", "layer", "");
    Figure::circuit(study(26, 8, 31), options).unwrap()
}

pub(super) fn small() -> Figure {
    Figure::circuit(study(18, 4, 5), labelled("A circuit of a smaller model", "layer", "")).unwrap()
}

/// The chosen nodes alone, in the places that the model's other components leave free.
pub(super) fn sparse() -> Figure {
    let mut circuit = study(26, 8, 77);
    circuit.nodes.retain(|node| node.chosen);
    circuit.edges.clear();
    let circuit = Circuit { layers: Some(26), heads: Some(8), ..circuit };
    Figure::circuit(circuit, labelled("Chosen components", "layer", "")).unwrap()
}

/// Layers as columns, their pairs as arcs.
pub(super) fn pathways() -> Figure {
    let mut noise = Noise(12);
    let nodes: Vec<Node> = (0..26).map(|layer| of_kind("mlp", layer, noise.next().powi(3))).collect();
    let pairs =
        [(0, 25), (2, 9), (4, 8), (6, 20), (8, 9), (9, 17), (11, 12), (11, 16), (13, 24), (17, 25), (20, 22)];
    let edges =
        pairs.map(|(from, to)| edge(&format!("L{from}_MLP"), &format!("L{to}_MLP"), noise.next())).to_vec();
    let (value_label, weight_label) = (Some("effect (logits)".into()), "interaction".into());
    let circuit = Circuit { nodes, edges, value_label, weight_label, ..Circuit::default() };
    Figure::circuit(circuit, labelled("Pathways between MLPs", "layer", "")).unwrap()
}

#[test]
fn chosen_nodes_are_named_and_others_are_not() {
    let sizes = [(26, 8), (18, 4), (12, 12), (32, 3), (48, 16)];
    for ((layers, heads), seed) in sizes.into_iter().flat_map(|size| (0..6).map(move |seed| (size, seed))) {
        let circuit = study(layers, heads, seed);
        let figure = Figure::circuit(circuit.clone(), FigureOptions::default()).unwrap();
        let written: Vec<String> = texts(&figure).into_iter().map(|(text, _)| text).collect();
        for node in circuit.nodes {
            let named = node.chosen || node.layer.is_none();
            assert_eq!(written.contains(&node.name), named, "{layers} × {heads}, {seed}: {}", node.name);
        }
    }
}

#[test]
fn the_largest_are_chosen() {
    let values = [0.5, -3.0, f64::NAN, 3.0, 0.1];
    let nodes = values.iter().enumerate().map(|(n, value)| head(0, n, *value)).collect();
    let chosen = |count| {
        let circuit = Circuit { nodes, ..Circuit::default() }.top(count);
        circuit.nodes.iter().map(|node| node.chosen).collect::<Vec<_>>()
    };
    assert_eq!(chosen(2), [false, true, false, true, false]);
}

#[test]
fn nodes_stand_by_layer_and_row_and_are_as_large_as_their_values() {
    let nodes = vec![head(0, 0, 1.0), head(2, 1, -4.0), of_kind("attn", 1, 4.0), of_kind("mlp", 2, 0.25)];
    let circuit = Circuit { nodes, ..Circuit::default() };
    let figure = Figure::circuit(circuit, FigureOptions::default()).unwrap();
    let diverging = |value: f64| ColorScale::Diverging.at((value + 4.0) / 8.0);
    let scene = figure.scene();
    let disc = |value: f64| {
        let found = scene.shapes.iter().find_map(|shape| match shape {
            Shape::Disc { center, radius, fill } if *fill == diverging(value) => Some((*center, *radius)),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no disc of {value}"))
    };
    let [one, negative, attn, mlp] = [1.0, -4.0, 4.0, 0.25].map(disc);
    // Later layers right, heads above attention above the MLP, equal steps.
    assert!((negative.0.0 - attn.0.0 - (attn.0.0 - one.0.0)).abs() < 1e-9);
    assert_eq!(negative.0.0, mlp.0.0);
    let rows = [one, negative, attn, mlp].map(|(center, _)| center.1);
    assert!(rows.windows(2).all(|pair| (pair[1] - pair[0] - (rows[1] - rows[0])).abs() < 1e-9));
    assert!(rows[1] > rows[0]);
    // Areas as values.
    assert_eq!(negative.1, attn.1);
    assert!((attn.1 / one.1 - 2.0).abs() < 1e-9 && (one.1 / mlp.1 - 2.0).abs() < 1e-9);
}

#[test]
fn arcs_are_as_wide_as_their_weights_and_join_their_nodes() {
    let nodes = vec![of_kind("mlp", 0, 1.0), of_kind("mlp", 1, -1.0), of_kind("mlp", 3, 0.5)];
    let edges = vec![edge("L0_MLP", "L1_MLP", -0.5), edge("L0_MLP", "L3_MLP", 1.0)];
    let circuit = Circuit { nodes, edges, weight_label: "weight".into(), ..Circuit::default() };
    let figure = Figure::circuit(circuit, FigureOptions::default()).unwrap();
    let arcs: Vec<(Vec<scene::Point>, f64, scene::Color)> = figure
        .scene()
        .shapes
        .iter()
        .filter_map(|shape| match shape {
            Shape::Line { points, width, color } if points.len() > 10 => {
                Some((points.clone(), *width, *color))
            }
            _ => None,
        })
        .collect();
    // The widest is drawn last, over the others.
    let [(short, thin, blue), (long, wide, red)] = arcs.as_slice() else { panic!("{} arcs", arcs.len()) };
    assert!((wide / thin - 2.0).abs() < 1e-9);
    assert!(blue.rgb[2] > blue.rgb[0] && red.rgb[0] > red.rgb[2]);
    assert_eq!(short[0], long[0]);
    let span = |points: &[scene::Point]| points.last().unwrap().0 - points[0].0;
    assert!((span(long) / span(short) - 3.0).abs() < 1e-9);
    // It rises over the row, and stays on the page.
    let top = long.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    assert!(top < long[0].1 - 20.0 && top > 0.0);
    let legend: Vec<String> = texts(&figure).into_iter().map(|(text, _)| text).collect();
    for entry in ["weight > 0, up to 1", "weight < 0, down to −0.5"] {
        assert!(legend.iter().any(|text| text == entry), "{legend:?}");
    }
}

#[test]
fn circuits_that_contradict_themselves_are_errors() {
    let error = |circuit: Circuit| message(Figure::circuit(circuit, FigureOptions::default()));
    let nodes = || vec![head(0, 0, 1.0), of_kind("mlp", 1, 1.0)];
    let with = |edges| Circuit { nodes: nodes(), edges, ..Circuit::default() };
    assert!(error(Circuit::default()).contains("at least one component"));
    let twice = Circuit { nodes: [nodes(), nodes()].concat(), ..Circuit::default() };
    assert_eq!(error(twice), "the circuit has two components \"L0H0\"");
    assert_eq!(
        error(with(vec![edge("L0H0", "L1_MPL", 1.0)])),
        "edge \"L0H0\" → \"L1_MPL\": the circuit has no component \"L1_MPL\"\nhint: did you mean \"L1_MLP\"?"
    );
    assert!(error(with(vec![edge("L0H0", "L0H0", 1.0)])).contains("leads to another component"));
    let deep = Circuit { nodes: vec![head(usize::MAX, 0, 1.0)], ..Circuit::default() };
    assert!(error(deep).contains("expected at most 1000 layers"));
    let turned = Circuit { limits: Some((1.0, -1.0)), ..with(vec![]) };
    assert!(error(turned).contains("limits with the lower first"));
}

/// Missing and extreme values and weights, shared slots, arcs backwards and downwards.
pub(super) fn hard(values: [f64; 2]) -> Circuit {
    let [a, b] = values;
    let neuron = |n: usize| Node { name: format!("L1N{n}"), ..of_kind("neuron", 1, b) };
    let embed = |name: &str| Node { name: name.into(), value: a, ..Node::default() };
    let nodes =
        vec![head(0, 0, a), of_kind("mlp", 0, b), neuron(0), neuron(1), embed("EMBED"), embed("POS_EMBED")];
    let pairs =
        [("L0H0", "L0_MLP"), ("L1N1", "L0H0"), ("L1N0", "L1N1"), ("EMBED", "L0_MLP"), ("L0H0", "L1N0")];
    let edges = pairs.iter().zip([a, b, a, b, a]).map(|((from, to), w)| edge(from, to, w)).collect();
    Circuit { nodes, edges, weight_label: "w".into(), ..Circuit::default() }
}
