//! Clusters by k-means.

use rayon::prelude::*;

use super::matrix::Matrix;
use super::sample;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::random::Random;

/// How clusters are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Times that the search begins anew; the best result is kept.
    pub restarts: usize,
    /// Most rounds of one search.
    pub rounds: usize,
    /// Seed of the beginnings.
    pub seed: u64,
}

/// Ten beginnings of at most 300 rounds, from seed 0.
impl Default for Plan {
    fn default() -> Self {
        Self { restarts: 10, rounds: 300, seed: 0 }
    }
}

/// Observations in clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeans {
    /// The cluster of each observation, from 0.
    pub labels: Vec<usize>,
    /// The mean of each cluster, one a row.
    pub centres: Matrix,
    /// The number of observations in each cluster.
    pub sizes: Vec<usize>,
    /// The sum of squared distances of observations from the mean of their cluster.
    pub inertia: f64,
    /// Rounds that the search took.
    pub rounds: usize,
    /// True where the search ended because nothing changed any more.
    pub converged: bool,
}

/// Divides observations, one a row, into `k` clusters so that the sum of squared distances from their means is small.
///
/// Lloyd's rounds from the beginnings of D. Arthur and S. Vassilvitskii (k-means++, 2007). Clusters are numbered by
/// their first observation.
///
/// # Errors
/// No cluster or more than there are different observations; no restart, no round.
pub fn k_means(observations: &Matrix, k: usize, plan: Plan) -> Result<KMeans> {
    if plan.restarts == 0 || plan.rounds == 0 {
        let (restarts, rounds) = (plan.restarts, plan.rounds);
        return Err(Error::new(format!(
            "expected at least one restart and one round, found {restarts} and {rounds}"
        )));
    }
    let different = different_rows(observations);
    if k == 0 || k > different {
        return Err(Error::new(format!(
            "expected 1 to {different} clusters, one a different observation, found {k}"
        )));
    }
    let mut random = Random::new(plan.seed);
    let mut best: Option<KMeans> = None;
    for _ in 0..plan.restarts {
        let found = lloyd(observations, beginning(observations, k, &mut random), plan.rounds)?;
        if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
            best = Some(found);
        }
    }
    let best = best.ok_or_else(|| Error::new("no clusters found"))?;
    Ok(best.in_order_of_appearance())
}

/// Lloyd's rounds from given centres: each observation goes to the nearest centre, each centre to the mean of its own.
///
/// A cluster that loses all observations takes the one farthest from its centre, as in scikit-learn.
///
/// # Errors
/// Centres of another width than the observations, or more than there are.
pub fn lloyd(observations: &Matrix, centres: Matrix, rounds: usize) -> Result<KMeans> {
    let (k, n) = (centres.height(), observations.height());
    if centres.width() != observations.width() || k == 0 || k > n {
        return Err(Error::new(format!(
            "expected 1 to {n} centres of width {}, found {k} of width {}",
            observations.width(),
            centres.width()
        )));
    }
    let mut centres = centres;
    let mut labels = Vec::new();
    let mut done = 0;
    let mut converged = false;
    while done < rounds && !converged {
        interrupt::check()?;
        done += 1;
        let (mut next, mut distances) = nearest(observations, &centres);
        give_to_empty(&mut next, &mut distances, k);
        converged = next == labels;
        labels = next;
        centres = means(observations, &labels, k);
    }
    let inertia = sample::sum(
        observations.rows().zip(&labels).map(|(row, &label)| squared_distance(row, centres.row(label))),
    );
    let mut sizes = vec![0; k];
    labels.iter().for_each(|&label| sizes[label] += 1);
    Ok(KMeans { labels, centres, sizes, inertia, rounds: done, converged })
}

impl KMeans {
    fn in_order_of_appearance(mut self) -> Self {
        let mut order: Vec<usize> = Vec::with_capacity(self.sizes.len());
        for &label in &self.labels {
            if !order.contains(&label) {
                order.push(label);
            }
        }
        let mut centres = Matrix::zeros(order.len(), self.centres.width());
        let mut names = vec![0; self.sizes.len()];
        for (name, &label) in order.iter().enumerate() {
            centres.row_mut(name).copy_from_slice(self.centres.row(label));
            names[label] = name;
        }
        self.labels.iter_mut().for_each(|label| *label = names[*label]);
        self.sizes = order.iter().map(|&label| self.sizes[label]).collect();
        self.centres = centres;
        self
    }
}

fn different_rows(observations: &Matrix) -> usize {
    let mut rows: Vec<&[f64]> = observations.rows().collect();
    rows.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    rows.dedup();
    rows.len()
}

/// Observations to begin with, each drawn with a probability that grows with the squared distance from those before.
fn beginning(observations: &Matrix, k: usize, random: &mut Random) -> Matrix {
    let n = observations.height();
    let mut centres = Matrix::zeros(k, observations.width());
    let mut distances = vec![f64::INFINITY; n];
    for place in 0..k {
        let chosen = if place == 0 { random.below(n as u64) as usize } else { weighted(&distances, random) };
        let row = observations.row(chosen);
        centres.row_mut(place).copy_from_slice(row);
        distances
            .par_iter_mut()
            .enumerate()
            .for_each(|(place, least)| *least = least.min(squared_distance(observations.row(place), row)));
    }
    centres
}

/// A place, drawn with these weights, of which one at least is above 0.
fn weighted(weights: &[f64], random: &mut Random) -> usize {
    let mut rest = random.uniform() * sample::sum(weights.iter().copied());
    let mut last = 0;
    for (place, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        last = place;
        rest -= weight;
        if rest < 0.0 {
            break;
        }
    }
    last
}

/// The nearest centre of each observation and its squared distance; of equally near ones the first.
fn nearest(observations: &Matrix, centres: &Matrix) -> (Vec<usize>, Vec<f64>) {
    let of = |place: usize| {
        let row = observations.row(place);
        centres.rows().enumerate().fold((0, f64::INFINITY), |best, (label, centre)| {
            let distance = squared_distance(row, centre);
            if distance < best.1 { (label, distance) } else { best }
        })
    };
    (0..observations.height()).into_par_iter().map(of).unzip()
}

fn give_to_empty(labels: &mut [usize], distances: &mut [f64], k: usize) {
    let mut sizes = vec![0_usize; k];
    labels.iter().for_each(|&label| sizes[label] += 1);
    for empty in 0..k {
        if sizes[empty] > 0 {
            continue;
        }
        let farthest = (0..labels.len())
            .filter(|&place| sizes[labels[place]] > 1)
            .max_by(|&a, &b| distances[a].total_cmp(&distances[b]));
        if let Some(place) = farthest {
            sizes[labels[place]] -= 1;
            sizes[empty] = 1;
            labels[place] = empty;
            distances[place] = 0.0;
        }
    }
}

fn means(observations: &Matrix, labels: &[usize], k: usize) -> Matrix {
    let mut centres = Matrix::zeros(k, observations.width());
    let mut sizes = vec![0.0; k];
    for (row, &label) in observations.rows().zip(labels) {
        sizes[label] += 1.0;
        centres.row_mut(label).iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    for (centre, size) in centres.rows_mut().zip(sizes) {
        centre.iter_mut().for_each(|value| *value /= size);
    }
    centres
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}
