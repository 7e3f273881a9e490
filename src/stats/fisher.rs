//! Fisher's exact test.

use super::distribution::Tails;
use super::result::{Alternative, Settings, Test};
use super::root::falling_root;
use super::sample::sum;
use crate::error::{Error, Result};

/// Most values that the first cell may take.
const MOST: u64 = 10_000_000;

/// Are rows and columns of a table of counts [[a, b], [c, d]] independent?
///
/// Statistic: the sample odds ratio a d / (b c), ∞ where b or c is 0. Two-sided p: the probability of all tables of
/// the same margins that are no more probable than the observed one. Estimate: the conditional
/// maximum-likelihood odds ratio with its exact interval (Cornfield, 1956), as R's `fisher.test` gives them.
///
/// # Errors
/// A row or column without any count; margins that allow more than ten million tables.
pub fn fisher_exact(table: [[u64; 2]; 2], settings: Settings) -> Result<Test> {
    let [[a, b], [c, d]] = table;
    let margins = [("row", 0, [a, b]), ("row", 1, [c, d]), ("column", 0, [a, c]), ("column", 1, [b, d])];
    let mut sums = [0; 4];
    for (sum, (kind, place, cells)) in sums.iter_mut().zip(margins) {
        *sum = cells[0].checked_add(cells[1]).filter(|sum| *sum <= u64::MAX / 4).ok_or_else(too_large)?;
        if *sum == 0 {
            return Err(Error::new(format!("{kind} {place} of the table has no counts")));
        }
    }
    let tables = Tables::new(a, sums[0], sums[1], sums[2])?;
    let terms = tables.probabilities(0.0);
    let observed = tables.observed;
    let p = match settings.alternative() {
        Alternative::TwoSided => {
            // Tables that are as probable as the observed one, up to rounding, count as such: as in R.
            let most = terms[observed] * (1.0 + 1e-7);
            sum(terms.iter().copied().filter(|term| *term <= most))
        }
        direction => Tails::of_terms(&terms, observed).p(direction),
    };
    let (low, high) = tables.interval(settings.outside());
    let odds = (a as f64 * d as f64) / (b as f64 * c as f64);
    Ok(Test::new("Fisher's exact test", odds, p.min(1.0), (sums[0] + sums[1]) as usize)
        .directed(settings)
        .estimate("conditional odds ratio", tables.likeliest())
        .interval(settings.interval(low, high, 0.0, f64::INFINITY)))
}

fn too_large() -> Error {
    Error::new(format!("the margins allow more than {MOST} tables")).hint("use chi_square_test")
}

/// All tables of some margins, by their first cell.
struct Tables {
    /// Logarithms of their probabilities where rows and columns are independent, up to a constant.
    logs: Vec<f64>,
    /// Place of the observed one.
    observed: usize,
}

impl Tables {
    fn new(cell: u64, row: u64, other_row: u64, column: u64) -> Result<Self> {
        let (least, most) = (column.saturating_sub(other_row), row.min(column));
        if most - least >= MOST {
            return Err(too_large());
        }
        let mut logs = vec![0.0; 1];
        let mut log = 0.0;
        for cell in least..most {
            let up = (row - cell) as f64 * (column - cell) as f64;
            let down = (cell + 1) as f64 * (other_row + cell + 1 - column) as f64;
            log += (up / down).ln();
            logs.push(log);
        }
        Ok(Self { logs, observed: (cell - least) as usize })
    }

    /// Probabilities under an odds ratio, given by its logarithm.
    fn probabilities(&self, log_odds: f64) -> Vec<f64> {
        let log = |place: usize| self.logs[place] + place as f64 * log_odds;
        let most = (0..self.logs.len()).map(log).fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = (0..self.logs.len()).map(|place| (log(place) - most).exp()).collect();
        let total = sum(weights.iter().copied());
        weights.into_iter().map(|weight| weight / total).collect()
    }

    fn is_least(&self) -> bool {
        self.observed == 0
    }

    fn is_greatest(&self) -> bool {
        self.observed + 1 == self.logs.len()
    }

    /// The odds ratio under which the expected first cell is the observed one.
    fn likeliest(&self) -> f64 {
        if self.is_least() {
            return if self.is_greatest() { f64::NAN } else { 0.0 };
        }
        if self.is_greatest() {
            return f64::INFINITY;
        }
        let off = |log_odds: f64| {
            let terms = self.probabilities(log_odds);
            sum(terms.iter().enumerate().map(|(place, term)| (self.observed as f64 - place as f64) * term))
        };
        falling_root(off, 0.0, 1.0).map_or(f64::NAN, f64::exp)
    }

    /// The odds ratios under which the observed table lies `outside` far out in the upper and the lower tail.
    fn interval(&self, outside: f64) -> (f64, f64) {
        let tails = |log_odds: f64| Tails::of_terms(&self.probabilities(log_odds), self.observed);
        let low = match self.is_least() {
            true => Some(f64::NEG_INFINITY),
            false => falling_root(|log_odds| outside - tails(log_odds).upper, 0.0, 1.0),
        };
        let high = match self.is_greatest() {
            true => Some(f64::INFINITY),
            false => falling_root(|log_odds| tails(log_odds).lower - outside, 0.0, 1.0),
        };
        (low.map_or(f64::NAN, f64::exp), high.map_or(f64::NAN, f64::exp))
    }
}
