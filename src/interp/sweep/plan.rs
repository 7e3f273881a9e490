//! A sweep's rows: prompts continued by their answers, each beside the source that its values come from.

use std::sync::Arc;

use super::Runs;
use super::forest::{Forest, Row};
use super::spot::{Align, Pair, Spot, Where};
use super::values::Values;
use crate::error::{Error, Result};
use crate::interp::metric::Scoring;
use crate::model::Model;
use crate::model::prompt::Prompt;

/// The prompts that values are taken from, one for each prompt of the sweep.
pub struct Donor<'a> {
    /// The model that runs them.
    pub model: &'a Model,
    /// The prompts.
    pub prompts: &'a [Prompt],
    /// The metric on them.
    pub scoring: Scoring,
}

/// The prompts of a sweep beside their sources.
pub struct Plan<'a> {
    /// The model that is patched.
    pub model: &'a Model,
    /// Its prompts.
    pub prompts: &'a [Prompt],
    /// The metric on them.
    pub scoring: Scoring,
    /// Where values are taken from, where they come from a run.
    pub donor: Option<Donor<'a>>,
    is_reversed: bool,
}

impl<'a> Plan<'a> {
    /// # Errors
    /// Where there is not one source a prompt, the two models' layers do not correspond, or an answer is
    /// other tokens after the source than after the prompt.
    pub fn new(
        model: &'a Model,
        prompts: &'a [Prompt],
        scoring: Scoring,
        donor: Option<Donor<'a>>,
    ) -> Result<Self> {
        let plan = Self { model, prompts, scoring, donor, is_reversed: false };
        let Some(donor) = &plan.donor else { return Ok(plan) };
        if donor.prompts.len() != prompts.len() {
            return Err(Error::new(format!(
                "{} source prompts for {} prompts",
                donor.prompts.len(),
                prompts.len()
            ))
            .hint("give one source prompt for each prompt, in the same order"));
        }
        same_shape(model, donor.model)?;
        same_tokens(model, donor.model, prompts)?;
        for prompt in 0..prompts.len() {
            if plan.answers(prompt) != donor.answers(prompt) {
                return Err(Error::new(format!(
                    "the answers to prompt {prompt} are other tokens after its source"
                ))
                .hint("source and prompt need one tokenizer, and answers that do not run into the prompt"));
            }
        }
        Ok(plan)
    }

    /// The plan the other way: the source's prompts patched from these.
    ///
    /// # Errors
    /// Where values come from no run.
    pub fn reversed(&self) -> Result<Self> {
        let donor = self.donor.as_ref().ok_or_else(|| {
            Error::new("a sweep goes both ways only between two runs")
                .hint("give a model or prompts as source")
        })?;
        Ok(Self {
            model: donor.model,
            prompts: donor.prompts,
            scoring: donor.scoring.clone(),
            donor: Some(Donor { model: self.model, prompts: self.prompts, scoring: self.scoring.clone() }),
            is_reversed: !self.is_reversed,
        })
    }

    /// True for the other way of a sweep.
    pub fn is_reversed(&self) -> bool {
        self.is_reversed
    }

    /// What is run after a prompt, for each of its rows.
    fn answers(&self, prompt: usize) -> Vec<&[u32]> {
        answers(&self.scoring, prompt, self.prompts[prompt].tokens.len())
    }

    fn pairs(&self) -> Vec<Pair<'_>> {
        let source = |number: usize| self.donor.as_ref().map(|donor| (donor.model, &donor.prompts[number]));
        let prompts = self.prompts.iter().enumerate();
        prompts
            .map(|(number, prompt)| Pair { number, target: (self.model, prompt), source: source(number) })
            .collect()
    }

    /// The positions that `place` names.
    ///
    /// # Errors
    /// As [`Spot::new`].
    pub fn spot(&self, place: &Where, align: Align) -> Result<Spot> {
        Spot::new(place, align, &self.pairs())
    }

    /// One spot for each position.
    ///
    /// # Errors
    /// As [`Spot::each`].
    pub fn each(&self, align: Align) -> Result<Vec<Spot>> {
        Spot::each(align, &self.pairs())
    }

    /// For each row of the scoring, for each position, the (row, position) of the source that is put in there;
    /// (row, position) itself where values come from no run.
    pub fn put_in(&self, spot: &Spot) -> Vec<Vec<Option<(usize, usize)>>> {
        let mut rows: Vec<Vec<Option<(usize, usize)>>> =
            self.scoring.sequences().iter().map(|tokens| vec![None; tokens.len()]).collect();
        for (prompt, pairs) in spot.pairs.iter().enumerate() {
            let target_len = self.prompts[prompt].tokens.len();
            let (first, source_len) = match &self.donor {
                Some(donor) => (donor.scoring.rows_of(prompt).start, donor.prompts[prompt].tokens.len()),
                None => (self.scoring.rows_of(prompt).start, target_len),
            };
            for (nth, row) in self.scoring.rows_of(prompt).enumerate() {
                let put_in = &mut rows[row];
                for &(position, source) in pairs {
                    put_in[position] = Some((first + nth, source));
                }
                if spot.with_answer {
                    let answer = put_in[target_len..].iter_mut().enumerate();
                    answer.for_each(|(step, cell)| *cell = Some((first + nth, source_len + step)));
                }
            }
        }
        rows
    }

    /// The nodes that a patch at `spot` can change after the clean run; `by_pattern` where what a patch
    /// changes depends on the source's earlier positions too.
    ///
    /// # Errors
    /// Where patterns are to be patched between prompts whose positions do not correspond.
    pub(super) fn forest(&self, spot: &Spot, runs: &Runs, by_pattern: bool) -> Result<Forest> {
        let (clean, clean_rows) = (&runs.clean, &runs.clean.tree().rows()[runs.first_row..]);
        let put_in = self.put_in(spot);
        // A pattern's keys are the source's at every position, patched or not: they must be at hand.
        let followed = match by_pattern {
            true => self.put_in(&self.spot(&Where::All, Align::Positions)?),
            false => put_in.iter().map(|row| vec![None; row.len()]).collect(),
        };
        let node = |cell: Option<(usize, usize)>| match &runs.values {
            Values::Run { run, first_row } => {
                cell.map(|(row, position)| run.tree().rows()[first_row + row][position])
            }
            _ => cell.map(|_| 0),
        };
        // In one run of both, a node of the source may be the prompt's own.
        let is_one_run = matches!(&runs.values, Values::Run { run, .. } if Arc::ptr_eq(run, clean));
        let mut rows = Vec::new();
        for (r, tokens) in self.scoring.sequences().iter().enumerate() {
            let nodes = |cells: &[Option<(usize, usize)>]| cells.iter().map(|&cell| node(cell)).collect();
            let (mut source, mut beside): (Vec<_>, Vec<_>) = (nodes(&put_in[r]), nodes(&followed[r]));
            let changes = |p: usize, node: Option<u32>| {
                node.is_some_and(|node| !is_one_run || node != clean_rows[r][p])
            };
            // Up to the first change a patch puts in what is there; behind it, what is there has changed.
            let first = (0..tokens.len()).find(|&p| changes(p, source[p]) || changes(p, beside[p]));
            let unchanged = first.unwrap_or(tokens.len());
            source[..unchanged].fill(None);
            beside[..unchanged].fill(None);
            for (beside, _) in beside.iter_mut().zip(&source).filter(|(_, source)| source.is_some()) {
                *beside = None;
            }
            rows.push(Row { tokens, clean: &clean_rows[r], source, beside });
        }
        Forest::new(&rows, clean.tree().len(), self.scoring.reads(), self.model.decoder().device())
    }
}

impl Donor<'_> {
    fn answers(&self, prompt: usize) -> Vec<&[u32]> {
        answers(&self.scoring, prompt, self.prompts[prompt].tokens.len())
    }
}

fn answers(scoring: &Scoring, prompt: usize, len: usize) -> Vec<&[u32]> {
    scoring.rows_of(prompt).map(|row| &scoring.sequences()[row][len..]).collect()
}

/// Fails where the prompts' tokens mean something else to the source.
fn same_tokens(target: &Model, source: &Model, prompts: &[Prompt]) -> Result<()> {
    let mut tokens: Vec<u32> = prompts.iter().flat_map(|prompt| prompt.tokens.iter().copied()).collect();
    tokens.sort_unstable();
    tokens.dedup();
    for token in tokens {
        let text = |model: &Model| model.tokenizer().token_text(token).ok();
        let (expected, found) = (text(target), text(source));
        if expected != found {
            let text = |text: Option<String>| text.map_or("no token".to_string(), |text| format!("{text:?}"));
            return Err(Error::new(format!(
                "the source {} has another tokenizer: token {token} is {}, expected {}",
                source.reference(),
                text(found),
                text(expected)
            )));
        }
    }
    Ok(())
}

/// Fails where values of one model cannot stand in the other.
fn same_shape(target: &Model, source: &Model) -> Result<()> {
    let (a, b) = (target.decoder().config(), source.decoder().config());
    if a.family != b.family {
        return Err(Error::new(format!(
            "the source {} is of another architecture: {}, expected {}",
            source.reference(),
            b.family,
            a.family
        ))
        .hint("values can be patched between fine-tunes of one base, and between prompts of one model"));
    }
    let sizes = |config: &crate::model::config::ArchConfig| {
        [
            ("layers", config.n_layers()),
            ("heads", config.n_heads),
            ("key/value heads", config.n_kv_heads),
            ("d_model", config.d_model),
            ("d_head", config.d_head),
            ("d_mlp", config.d_mlp),
        ]
    };
    match sizes(a).into_iter().zip(sizes(b)).find(|(a, b)| a.1 != b.1) {
        Some(((what, expected), (_, found))) => Err(Error::new(format!(
            "the source {} is of another architecture: {what} {found}, expected {expected}",
            source.reference()
        ))
        .hint("values can be patched between fine-tunes of one base, and between prompts of one model")),
        None => Ok(()),
    }
}
