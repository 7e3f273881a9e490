//! Greedy circuits: the fewest components that turn the metric's sign, found one at a time.

use super::{Cell, Part, Session, Sweep};
use crate::error::{Error, Result};
use crate::frame::{Cell as Value, Column, Frame};

/// Which way a circuit is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// From the clean run, components take the source's values until the metric turns.
    #[default]
    PatchIn,
    /// From a run in which all components have the source's values, components get their own back until the
    /// metric turns to the clean run's side.
    AblateOut,
}

/// How a circuit is looked for.
#[derive(Debug, Clone)]
pub struct Greedy {
    /// Which way.
    pub direction: Direction,
    /// Components at most.
    pub max: usize,
    /// Rank what is left again after every step, in place of once at the beginning.
    pub rerank: bool,
    /// Stop when the metric's mean has turned its sign.
    pub until_flip: bool,
}

impl Default for Greedy {
    /// Up to ten components patched in, ranked again at every step, until the sign turns.
    fn default() -> Self {
        Self { direction: Direction::PatchIn, max: 10, rerank: true, until_flip: true }
    }
}

/// One step of a circuit.
#[derive(Debug, Clone)]
pub struct Step {
    /// The component that joined; none before the first.
    pub part: Option<Part>,
    /// The metric with all components so far, by prompt.
    pub values: Vec<f64>,
}

impl Step {
    fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }
}

/// A circuit: how the metric moves as components join.
#[derive(Debug, Clone)]
pub struct Circuit {
    /// Which way it was found.
    pub direction: Direction,
    /// The metric of the clean run, by prompt.
    pub baseline: Vec<f64>,
    /// The metric of the source's run, where values come from a run.
    pub source: Option<Vec<f64>>,
    /// The steps, from the one without components on.
    pub steps: Vec<Step>,
    /// True where the mean turned its sign.
    pub flipped: bool,
}

impl Sweep<'_> {
    /// Looks for a circuit among `candidates`, at the sweep's spot `spot`. A component is ranked by how far it
    /// moves the mean metric towards the other sign.
    ///
    /// # Errors
    /// As [`Sweep::run`], and where there are no candidates.
    pub fn circuit(
        &self,
        candidates: &[Part],
        spot: usize,
        greedy: &Greedy,
        session: &mut Session,
    ) -> Result<Circuit> {
        if candidates.is_empty() {
            return Err(Error::new("a circuit needs components to choose from"));
        }
        // What is patched where `chosen` have joined.
        let cell = |chosen: &[Part]| {
            let parts = match greedy.direction {
                Direction::PatchIn => chosen.to_vec(),
                Direction::AblateOut => {
                    candidates.iter().copied().filter(|part| !chosen.contains(part)).collect()
                }
            };
            Cell::new(parts, spot)
        };
        let one_more = |chosen: &[Part], part: Part| cell(&[chosen, &[part]].concat());

        let mut left = candidates.to_vec();
        let first = match greedy.direction {
            Direction::PatchIn => None,
            Direction::AblateOut => Some(self.run(&[cell(&[])], session)?),
        };
        let singles: Vec<Cell> = left.iter().map(|&part| one_more(&[], part)).collect();
        let singles: Vec<Cell> = singles.into_iter().filter(|cell| !cell.parts.is_empty()).collect();
        if singles.len() < left.len() {
            return Err(Error::new("a circuit by ablation needs at least two components"));
        }
        let effects = self.run(&singles, session)?;
        let start = first.map_or_else(|| effects.baseline.clone(), |effects| effects.patched[0].clone());
        let mut circuit = Circuit {
            direction: greedy.direction,
            baseline: effects.baseline.clone(),
            source: effects.source.clone(),
            steps: vec![Step { part: None, values: start }],
            flipped: false,
        };
        let towards = -circuit.steps[0].mean().signum();
        let score = |values: &[f64]| towards * values.iter().sum::<f64>();
        let mut scored: Vec<(Part, Vec<f64>)> = left.iter().copied().zip(effects.patched).collect();
        // A score that is no number is the worst, and both zeros are one.
        let rank = |values: &[f64]| match score(values) {
            score if score.is_nan() => f64::NEG_INFINITY,
            score => score + 0.0,
        };
        let best_first = |a: &(Part, Vec<f64>), b: &(Part, Vec<f64>)| rank(&b.1).total_cmp(&rank(&a.1));
        scored.sort_by(best_first);

        let mut chosen = Vec::new();
        while circuit.steps.len() <= greedy.max && !left.is_empty() {
            let all_but_last = greedy.direction == Direction::AblateOut && left.len() == 1;
            let next = match chosen.is_empty() {
                true => scored[0].clone(),
                // With everything restored nothing is patched: that is the clean run.
                false if all_but_last => (left[0], circuit.baseline.clone()),
                false if greedy.rerank => {
                    let cells: Vec<Cell> = left.iter().map(|&part| one_more(&chosen, part)).collect();
                    let effects = self.run(&cells, session)?;
                    let mut ranked: Vec<_> = left.iter().copied().zip(effects.patched).collect();
                    ranked.sort_by(best_first);
                    ranked.swap_remove(0)
                }
                false => {
                    let part = scored[chosen.len()].0;
                    let effects = self.run(&[one_more(&chosen, part)], session)?;
                    (part, effects.patched[0].clone())
                }
            };
            chosen.push(next.0);
            left.retain(|part| *part != next.0);
            let step = Step { part: Some(next.0), values: next.1 };
            circuit.flipped = step.mean() * circuit.steps[0].mean() < 0.0;
            circuit.steps.push(step);
            if circuit.flipped && greedy.until_flip {
                break;
            }
        }
        Ok(circuit)
    }
}

impl Circuit {
    /// One row for each step and prompt: `direction` (`patch_in` or `ablate_out`), `step`, `component` (what
    /// joined), `layer`, `kind`, `head`, `prompt`, `baseline`, `source_value`, `metric` (with all components so
    /// far), `delta` (metric − that of step 0) and `flipped`.
    ///
    /// # Errors
    /// Where the table cannot be made.
    pub fn frame(&self) -> Result<Frame> {
        let n_prompts = self.baseline.len();
        let rows = || {
            let steps = self.steps.iter().enumerate();
            steps.flat_map(move |(number, step)| (0..n_prompts).map(move |prompt| (number, step, prompt)))
        };
        let int = |value: Option<usize>| value.map_or(Value::Null, |value| Value::Int(value as i64));
        let text = |value: Option<String>| value.map_or(Value::Null, Value::Text);
        let start = &self.steps[0].values;
        let name = match self.direction {
            Direction::PatchIn => "patch_in",
            Direction::AblateOut => "ablate_out",
        };
        let source =
            |prompt: usize| self.source.as_ref().map_or(Value::Null, |source| Value::Float(source[prompt]));
        Frame::new([
            ("direction", Column::texts(rows().map(|_| name))),
            ("step", Column::ints(rows().map(|(number, ..)| number as i64))),
            (
                "component",
                Column::from_cells(rows().map(|(_, step, _)| text(step.part.map(|part| part.to_string()))))?,
            ),
            ("layer", Column::from_cells(rows().map(|(_, step, _)| int(step.part.map(|part| part.layer))))?),
            (
                "kind",
                Column::from_cells(rows().map(|(_, step, _)| text(step.part.map(|p| p.kind().to_string()))))?,
            ),
            (
                "head",
                Column::from_cells(rows().map(|(_, step, _)| int(step.part.and_then(|part| part.index))))?,
            ),
            ("prompt", Column::ints(rows().map(|(.., prompt)| prompt as i64))),
            ("baseline", Column::floats(rows().map(|(.., prompt)| self.baseline[prompt]))),
            ("source_value", Column::from_cells(rows().map(|(.., prompt)| source(prompt)))?),
            ("metric", Column::floats(rows().map(|(_, step, prompt)| step.values[prompt]))),
            ("delta", Column::floats(rows().map(|(_, step, prompt)| step.values[prompt] - start[prompt]))),
            (
                "flipped",
                Column::bools(rows().map(|(_, step, prompt)| step.values[prompt] * start[prompt] < 0.0)),
            ),
        ])
    }
}
