//! Where heads look: attention weights summed over named groups of positions.

use candle_core::{DType, Tensor};

use super::positions::Positions;
use crate::error::{Error, Result};
use crate::frame::{Column, Frame};
use crate::model::activation::Activation;
use crate::model::decoder::Decoder;
use crate::model::pass::{Pass, Read};
use crate::model::site::{Point, Site};
use crate::model::tap::Tap;
use crate::model::tree::TokenTree;

/// A named group of positions: for each prompt, which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// What the positions have in common.
    pub name: String,
    /// Positions of each prompt.
    pub positions: Vec<Vec<usize>>,
}

/// The share of each head's attention, from the `queries` of each prompt (their mean), that goes to each
/// category.
///
/// Columns: `prompt`, `layer`, `head`, `category`, `attention` (0 to 1).
///
/// # Errors
/// Where a position does not exist, or a forward fails.
pub fn attention_by_category(
    decoder: &Decoder,
    sequences: &[Vec<u32>],
    queries: &Positions,
    categories: &[Category],
) -> Result<Frame> {
    let lengths: Vec<usize> = sequences.iter().map(Vec::len).collect();
    for category in categories {
        if category.positions.len() != sequences.len() {
            return Err(Error::new(format!(
                "category \"{}\" has positions for {} prompts, there are {}",
                category.name,
                category.positions.len(),
                sequences.len()
            )));
        }
        Positions::PerRow(category.positions.clone()).cells(&lengths)?;
    }
    let queries =
        lengths.iter().enumerate().map(|(row, &len)| queries.of(row, len)).collect::<Result<Vec<_>>>()?;
    let mut tap = AttentionTap { queries, categories, rows: Vec::new() };
    decoder.forward(&TokenTree::shared(sequences)?, Pass::new(&mut tap, Read::Nothing))?;
    let rows = tap.rows;
    Frame::new([
        ("prompt", Column::ints(rows.iter().map(|row| row.prompt as i64))),
        ("layer", Column::ints(rows.iter().map(|row| row.layer as i64))),
        ("head", Column::ints(rows.iter().map(|row| row.head as i64))),
        ("category", Column::texts(rows.iter().map(|row| categories[row.category].name.clone()))),
        ("attention", Column::floats(rows.iter().map(|row| row.attention))),
    ])
}

/// Sums each layer's pattern as it passes, so that no pattern is kept.
struct AttentionTap<'a> {
    queries: Vec<Vec<usize>>,
    categories: &'a [Category],
    rows: Vec<Row>,
}

struct Row {
    prompt: usize,
    layer: usize,
    head: usize,
    category: usize,
    attention: f64,
}

impl Tap for AttentionTap<'_> {
    fn wants(&self, site: &Site) -> bool {
        site.point == Point::Pattern
    }

    fn visit(&mut self, site: &Site, value: &Activation) -> Result<Option<Tensor>> {
        let Some(layer) = site.layer else { return Ok(None) };
        let pattern = value.tensor()?.to_dtype(DType::F32)?;
        for (prompt, queries) in self.queries.iter().enumerate() {
            let index = Tensor::new(queries.iter().map(|&q| q as u32).collect::<Vec<_>>(), pattern.device())?;
            // [head, query, key] to each head's mean over queries: [head, key]
            let heads: Vec<Vec<f32>> =
                pattern.get(prompt)?.contiguous()?.index_select(&index, 1)?.mean(1)?.to_vec2()?;
            for (head, weights) in heads.iter().enumerate() {
                for (category, Category { positions, .. }) in self.categories.iter().enumerate() {
                    // From 0 on: the sum of nothing is −0 in Rust.
                    let attention =
                        positions[prompt].iter().fold(0.0, |sum, &key| sum + f64::from(weights[key]));
                    self.rows.push(Row { prompt, layer, head, category, attention });
                }
            }
        }
        Ok(None)
    }
}
