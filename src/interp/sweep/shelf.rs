//! Clean runs kept for the next use: both ways of a sweep, and the steps of a circuit, stand on the same ones.

use std::collections::HashSet;
use std::sync::Arc;

use super::record::Recording;
use crate::error::Result;
use crate::interp::metric::Scoring;
use crate::model::decoder::Decoder;
use crate::model::site::Site;

/// Runs that are kept: those of the prompts and of their source.
const KEPT: usize = 2;

/// The last clean runs.
#[derive(Default)]
pub struct Shelf(Vec<Kept>);

struct Kept {
    /// Where the decoder lies; it outlives the sweep.
    decoder: usize,
    sequences: Vec<Vec<u32>>,
    reads: Vec<(usize, usize)>,
    sites: HashSet<Site>,
    run: Arc<Recording>,
}

impl Shelf {
    /// The run of all rows of `scorings`, in order, that keeps at least `sites`, with the logits at their reads.
    pub fn run(
        &mut self,
        decoder: &Decoder,
        scorings: &[&Scoring],
        sites: HashSet<Site>,
    ) -> Result<Arc<Recording>> {
        let (mut sequences, mut reads) = (Vec::new(), Vec::new());
        for scoring in scorings {
            let first = sequences.len();
            reads.extend(scoring.reads().iter().map(|&(row, position)| (first + row, position)));
            sequences.extend_from_slice(scoring.sequences());
        }
        let address = std::ptr::from_ref(decoder) as usize;
        let is_same =
            |kept: &Kept| kept.decoder == address && kept.sequences == sequences && kept.reads == reads;
        if let Some(kept) = self.0.iter().find(|kept| is_same(kept) && sites.is_subset(&kept.sites)) {
            return Ok(kept.run.clone());
        }
        // What is replaced goes first: two runs of one kind would not be in the budget.
        self.0.retain(|kept| !is_same(kept));
        if self.0.len() >= KEPT {
            self.0.remove(0);
        }
        let run = Arc::new(Recording::new(decoder, &sequences, sites.clone(), reads.clone())?);
        self.0.push(Kept { decoder: address, sequences, reads, sites, run: run.clone() });
        Ok(run)
    }
}
