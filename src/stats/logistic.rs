//! Logistic regression with a ridge penalty.

use nalgebra::{DMatrix, DVector};

use super::matrix::{Matrix, dot};
use crate::error::{Error, Result};
use crate::interrupt;

/// Newton rounds, at most. A dozen are usual.
const ROUNDS: usize = 200;
/// The search ends where no entry of the gradient is larger, for each observation.
const TOLERANCE: f64 = 1e-12;

/// A fitted logistic regression: log p / (1 − p) = x · weights + intercept.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    /// One weight for each feature.
    pub weights: Vec<f64>,
    /// The log odds where all features are 0. It is not penalised.
    pub intercept: f64,
    /// The penalised loss: Σ −ln P(label) + ½ ridge ‖weights‖².
    pub loss: f64,
    /// Newton rounds taken.
    pub rounds: usize,
}

impl Logistic {
    /// The log odds of an observation.
    pub fn log_odds(&self, observation: &[f64]) -> f64 {
        dot(&self.weights, observation) + self.intercept
    }
}

/// Fits labels to observations, one a row, with `ridge` · ½ ‖weights‖² as penalty (scikit-learn's `C` is 1 / ridge).
///
/// Newton's method with halved steps. The weights are a combination of the observations, so where there are more
/// features than observations the search runs over the observations' coefficients: w = Xᵀ α.
///
/// # Errors
/// Another number of labels than of observations, labels that are all equal, a ridge that is not above 0.
pub fn logistic_regression(observations: &Matrix, labels: &[bool], ridge: f64) -> Result<Logistic> {
    let (n, width) = (observations.height(), observations.width());
    if labels.len() != n {
        return Err(Error::new(format!("{n} observations have {} labels", labels.len())));
    }
    if labels.iter().all(|label| *label) || !labels.iter().any(|label| *label) {
        return Err(Error::new("all labels are equal").hint("a regression tells two classes apart"));
    }
    if !ridge.is_finite() || ridge <= 0.0 {
        return Err(Error::new(format!("ridge is {ridge}, expected more than 0"))
            .hint("without a penalty, classes that a plane divides have no best weights"));
    }
    let rows = DMatrix::from_row_slice(n, width, observations.values());
    // Features of the search and the penalty's matrix: the observations and 1, or their inner products and those.
    let is_dual = width > n;
    let features = if is_dual { &rows * rows.transpose() } else { rows.clone() };
    let found = newton(&features, is_dual, labels, ridge)?;
    let weights = if is_dual { rows.transpose() * &found.weights } else { found.weights };
    Ok(Logistic {
        weights: weights.as_slice().to_vec(),
        intercept: found.intercept,
        loss: found.loss,
        rounds: found.rounds,
    })
}

/// Where the search has come to.
struct State {
    weights: DVector<f64>,
    intercept: f64,
    loss: f64,
    rounds: usize,
}

/// Σ −ln P(label) + ½ ridge wᵀ P w, where P is 1, or the features themselves where they are inner products.
fn newton(features: &DMatrix<f64>, is_dual: bool, labels: &[bool], ridge: f64) -> Result<State> {
    let (n, width) = features.shape();
    let penalised = |weights: &DVector<f64>| if is_dual { features * weights } else { weights.clone() };
    let log_odds = |weights: &DVector<f64>, intercept: f64| (features * weights).add_scalar(intercept);
    let loss = |weights: &DVector<f64>, odds: &DVector<f64>| {
        let data: f64 = odds.iter().zip(labels).map(|(odds, label)| minus_log_p(*odds, *label)).sum();
        data + 0.5 * ridge * weights.dot(&penalised(weights))
    };
    let mut state = State { weights: DVector::zeros(width), intercept: 0.0, loss: 0.0, rounds: 0 };
    let mut odds = log_odds(&state.weights, state.intercept);
    state.loss = loss(&state.weights, &odds);
    while state.rounds < ROUNDS {
        interrupt::check()?;
        let p = odds.map(|odds| 1.0 / (1.0 + (-odds).exp()));
        let error = DVector::from_fn(n, |row, _| p[row] - f64::from(u8::from(labels[row])));
        let slope = features.transpose() * &error + ridge * penalised(&state.weights);
        if slope.amax().max(error.sum().abs()) <= TOLERANCE * n as f64 {
            break;
        }
        let spread = p.map(|p| (p * (1.0 - p)).max(f64::MIN_POSITIVE));
        let step = step(features, is_dual, ridge, &spread, &slope, error.sum())?;
        // Newton's step is a descent; far from the end it may be too long.
        let mut length = 1.0;
        loop {
            let weights = &state.weights - length * step.rows(0, width);
            let intercept = state.intercept - length * step[width];
            let next = log_odds(&weights, intercept);
            let reached = loss(&weights, &next);
            if reached <= state.loss || length < 1e-10 {
                let is_over = length < 1e-10 || reached == state.loss;
                state = State { weights, intercept, loss: reached, rounds: state.rounds + 1 };
                odds = next;
                if is_over {
                    return Ok(state);
                }
                break;
            }
            length /= 2.0;
        }
    }
    Ok(state)
}

/// The solution of the Hessian's system, weights first, then the intercept.
fn step(
    features: &DMatrix<f64>,
    is_dual: bool,
    ridge: f64,
    spread: &DVector<f64>,
    slope: &DVector<f64>,
    slope_of_intercept: f64,
) -> Result<DVector<f64>> {
    let width = features.ncols();
    let mut weighted = features.clone();
    weighted.row_iter_mut().zip(spread.iter()).for_each(|(mut row, spread)| row *= *spread);
    let mut hessian = DMatrix::zeros(width + 1, width + 1);
    let mut inner = features.transpose() * &weighted;
    match is_dual {
        true => inner += ridge * features,
        false => (0..width).for_each(|place| inner[(place, place)] += ridge),
    }
    hessian.view_mut((0, 0), (width, width)).copy_from(&inner);
    let across = weighted.row_sum();
    hessian.view_mut((width, 0), (1, width)).copy_from(&across);
    hessian.view_mut((0, width), (width, 1)).copy_from(&across.transpose());
    hessian[(width, width)] = spread.sum();
    let mut wanted = DVector::zeros(width + 1);
    wanted.rows_mut(0, width).copy_from(slope);
    wanted[width] = slope_of_intercept;
    // Equal observations make inner products singular: any of the solutions gives the same weights.
    let solved = match hessian.clone().cholesky() {
        Some(factors) => Some(factors.solve(&wanted)),
        None => hessian.svd(true, true).solve(&wanted, f64::EPSILON).ok(),
    };
    solved.filter(|step| step.iter().all(|value| value.is_finite())).ok_or_else(|| {
        Error::new("the regression's equations cannot be solved").hint("a larger ridge may help")
    })
}

/// −ln of the probability of a label, without cancellation.
fn minus_log_p(odds: f64, label: bool) -> f64 {
    let against = if label { -odds } else { odds };
    against.max(0.0) + (-against.abs()).exp().ln_1p()
}
