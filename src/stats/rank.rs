//! Ranks, where equal values share the mean of theirs.

/// The ranks of a sample.
pub struct Ranks {
    /// The rank of each value, from 1.
    pub ranks: Vec<f64>,
    /// How many values share one, for every value that is there more than once.
    pub ties: Vec<usize>,
}

impl Ranks {
    /// Σ (t³ − t) over the ties.
    pub fn tie_sum(&self) -> f64 {
        self.ties.iter().map(|&t| t as f64).map(|t| t * t * t - t).sum()
    }
}

/// Ranks the values; no NaN is among them.
pub fn ranks(values: &[f64]) -> Ranks {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut ties = Vec::new();
    let mut before = 0;
    // By value and not by total order: 0.0 and −0.0 are equal, and neighbours in it.
    for group in order.chunk_by(|&a, &b| values[a] == values[b]) {
        // The mean of before + 1 … before + length.
        let rank = before as f64 + 0.5 * (group.len() as f64 + 1.0);
        for &place in group {
            ranks[place] = rank;
        }
        if group.len() > 1 {
            ties.push(group.len());
        }
        before += group.len();
    }
    Ranks { ranks, ties }
}
