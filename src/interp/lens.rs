//! The logit lens: what the model would say if it stopped after a layer.
//!
//! The residual stream after each block goes through the model's own final norm, unembedding and
//! soft-cap.

use candle_core::Tensor;

use super::cache::CacheTap;
use super::metric::Scoring;
use super::positions::Positions;
use crate::error::Result;
use crate::frame::{Column, Frame};
use crate::model::decoder::Decoder;
use crate::model::pass::{Pass, Read};
use crate::model::site::{Point, Site};
use crate::model::tree::TokenTree;
use crate::{interrupt, progress};

/// Logits [.., d_vocab] of residuals [.., d_model], by the model's final norm, unembedding and soft-cap.
///
/// # Errors
/// Where the last axis is not the model's width.
pub fn lens_logits(decoder: &Decoder, resid: &Tensor) -> Result<Tensor> {
    let mut shape = resid.dims().to_vec();
    let width = decoder.config().d_model;
    if shape.last() != Some(&width) {
        return Err(crate::Error::new(format!(
            "the lens needs residuals [.., {width}], found {:?}",
            resid.dims()
        )));
    }
    let flat = resid.reshape(((), width))?;
    let logits = decoder.unembed(&decoder.ln_final().forward(&flat, true)?, true)?;
    if let Some(last) = shape.last_mut() {
        *last = logits.dim(1)?;
    }
    Ok(logits.reshape(shape)?)
}

/// The residual streams that the lens looks at: before the first block and after each.
fn residuals(decoder: &Decoder) -> Vec<(i64, Site)> {
    let after =
        (0..decoder.config().n_layers()).map(|layer| (layer as i64, Site::block(layer, Point::ResidPost)));
    [(-1, Site::block(0, Point::ResidPre))].into_iter().chain(after).collect()
}

/// A metric through the lens, after every layer.
///
/// Columns: `prompt`, `layer` (−1 for the embedding), `value`, and where the metric names answers their
/// log-probabilities and `legal_mass`.
///
/// # Errors
/// Where a forward fails.
pub fn logit_lens(decoder: &Decoder, scoring: &Scoring) -> Result<Frame> {
    let residuals = residuals(decoder);
    let mut tap = CacheTap::new(residuals.iter().map(|(_, site)| *site), Positions::All);
    decoder.forward(&TokenTree::shared(scoring.sequences())?, Pass::new(&mut tap, Read::Nothing))?;
    let cache = tap.into_cache();
    let mut bar = progress::bar("reading layers", residuals.len() as u64);
    let frames = residuals
        .iter()
        .map(|(layer, site)| {
            interrupt::check()?;
            let logits = lens_logits(decoder, &cache.at(site, scoring.reads())?)?;
            let frame = scoring.frame(&logits)?;
            let mut columns = frame.columns()?;
            columns.insert(1, ("layer".to_string(), Column::ints(vec![*layer; frame.height()])));
            bar.advance(1);
            Frame::new(columns)
        })
        .collect::<Result<Vec<_>>>()?;
    Frame::concat(&frames)
}

/// The likeliest tokens through the lens, after every layer and at chosen positions.
///
/// Columns: `prompt`, `layer` (−1 for the embedding), `position`, `rank` (0 is the likeliest), `token`
/// (its id), `probability`.
///
/// # Errors
/// Where a position does not exist, or a forward fails.
pub fn lens_tokens(
    decoder: &Decoder,
    sequences: &[Vec<u32>],
    positions: &Positions,
    top: usize,
) -> Result<Frame> {
    let lengths: Vec<usize> = sequences.iter().map(Vec::len).collect();
    let cells = positions.cells(&lengths)?;
    let residuals = residuals(decoder);
    let mut tap = CacheTap::new(residuals.iter().map(|(_, site)| *site), Positions::All);
    decoder.forward(&TokenTree::shared(sequences)?, Pass::new(&mut tap, Read::Nothing))?;
    let cache = tap.into_cache();

    let mut rows: Vec<(i64, usize, usize, u32, f64)> = Vec::new();
    let mut bar = progress::bar("reading positions", (residuals.len() * cells.len()) as u64);
    for (layer, site) in &residuals {
        // A position at a time: a vocabulary of logits for each would not fit for long prompts.
        for (cell, at) in cells.iter().enumerate() {
            interrupt::check()?;
            let logits = lens_logits(decoder, &cache.at(site, &[*at])?)?;
            let probabilities: Vec<f32> = candle_nn::ops::softmax(&logits.get(0)?, 0)?.to_vec1()?;
            let mut order: Vec<u32> = (0..probabilities.len() as u32).collect();
            let by_probability = |a: &u32, b: &u32| {
                probabilities[*b as usize].total_cmp(&probabilities[*a as usize]).then(a.cmp(b))
            };
            if top < order.len() {
                order.select_nth_unstable_by(top, by_probability);
                order.truncate(top);
            }
            order.sort_by(by_probability);
            for (rank, token) in order.into_iter().enumerate() {
                rows.push((*layer, cell, rank, token, f64::from(probabilities[token as usize])));
            }
            bar.advance(1);
        }
    }
    Frame::new([
        ("prompt", Column::ints(rows.iter().map(|row| cells[row.1].0 as i64))),
        ("layer", Column::ints(rows.iter().map(|row| row.0))),
        ("position", Column::ints(rows.iter().map(|row| cells[row.1].1 as i64))),
        ("rank", Column::ints(rows.iter().map(|row| row.2 as i64))),
        ("token", Column::ints(rows.iter().map(|row| i64::from(row.3)))),
        ("probability", Column::floats(rows.iter().map(|row| row.4))),
    ])
}
