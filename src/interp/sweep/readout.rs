//! What is read at the end of a pass: the logits that the metric needs, and no others.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::forest::Forest;
use super::wave::Variant;
use crate::error::{Error, Result};
use crate::interp::metric::{Demand, Row, Table};
use crate::model::decoder::Decoder;
use crate::model::linear::Linear;

/// Rows whose whole vocabulary is computed at once.
const WHOLE_ROWS: usize = 128;

/// What a metric reads, with the clean run's logits for what a variant cannot change.
pub struct Readout<'a> {
    demand: &'a Demand,
    tokens: Arc<[u32]>,
    /// The unembedding of the tokens that count.
    chosen: Option<Linear>,
    clean: Table,
}

impl<'a> Readout<'a> {
    /// Reads what `demand` says; `clean` holds the clean run's logits [read, d_vocab].
    ///
    /// # Errors
    /// Where a token lies outside the vocabulary.
    pub fn new(decoder: &Decoder, demand: &'a Demand, clean: &Tensor) -> Result<Self> {
        let chosen = match demand.tokens.is_empty() {
            true => None,
            false => {
                let tokens = Tensor::new(demand.tokens.as_slice(), decoder.device())?;
                Some(Linear::new(decoder.unembed_weight().index_select(&tokens, 0)?, None))
            }
        };
        Ok(Self { demand, tokens: demand.tokens.clone().into(), chosen, clean: Table::new(clean)? })
    }

    /// The clean run's logits.
    pub fn clean(&self) -> &Table {
        &self.clean
    }

    /// The table of each variant from the last residuals [row, d_model] of the variants under way, in their
    /// order; what is not under way is as in the clean run.
    ///
    /// # Errors
    /// Where the unembedding fails.
    pub fn tables(
        &self,
        decoder: &Decoder,
        resid: Option<&Tensor>,
        order: &[usize],
        variants: &[Variant],
        forests: &[Forest],
    ) -> Result<Vec<Table>> {
        let mut tables = vec![self.clean.clone(); variants.len()];
        let Some(resid) = resid else { return Ok(tables) };
        // (variant, read) of each read that may have changed, with its row.
        let mut cells = Vec::new();
        let mut first = 0;
        for &variant in order {
            let forest = &forests[variants[variant].forest];
            let rows = forest.read_rows.iter().enumerate();
            cells.extend(rows.filter_map(|(read, row)| row.map(|row| (variant, read, first + row))));
            first += forest.reads.len;
        }
        let normed = decoder.ln_final().forward(resid, true)?;
        let (whole, chosen): (Vec<_>, Vec<_>) =
            cells.into_iter().partition(|(_, read, _)| self.demand.whole[*read]);
        for (variant, read, row) in self.chosen(decoder, &normed, &chosen)? {
            tables[variant].0[read] = row;
        }
        for slab in whole.chunks(WHOLE_ROWS) {
            for (variant, read, row) in self.whole(decoder, &normed, slab)? {
                tables[variant].0[read] = row;
            }
        }
        Ok(tables)
    }

    fn chosen(&self, decoder: &Decoder, normed: &Tensor, cells: &[Cell]) -> Result<Vec<Found>> {
        let Some(chosen) = self.chosen.as_ref().filter(|_| !cells.is_empty()) else { return Ok(Vec::new()) };
        let logits = decoder.softcapped(&chosen.forward(&select(normed, cells)?, true)?, true)?;
        let logits: Vec<Vec<f32>> = logits.to_vec2()?;
        let rows = cells.iter().zip(logits).map(|(&(variant, read, _), logits)| {
            (variant, read, Arc::new(Row::chosen(self.tokens.clone(), logits)))
        });
        Ok(rows.collect())
    }

    fn whole(&self, decoder: &Decoder, normed: &Tensor, cells: &[Cell]) -> Result<Vec<Found>> {
        let logits = decoder.unembed(&select(normed, cells)?, true)?;
        let logits: Vec<Vec<f32>> = logits.to_dtype(DType::F32)?.to_vec2()?;
        if logits.len() != cells.len() {
            return Err(Error::new("the unembedding lost rows"));
        }
        let rows = cells.par_iter().zip(logits);
        Ok(rows.map(|(&(variant, read, _), logits)| (variant, read, Arc::new(Row::whole(logits)))).collect())
    }
}

/// (variant, read, row)
type Cell = (usize, usize, usize);
type Found = (usize, usize, Arc<Row>);

fn select(normed: &Tensor, cells: &[Cell]) -> Result<Tensor> {
    let index: Vec<u32> = cells.iter().map(|cell| cell.2 as u32).collect();
    Ok(normed.index_select(&Tensor::new(index, normed.device())?, 0)?)
}
