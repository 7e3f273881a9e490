//! Metrics: from a forward to one number per prompt.
//!
//! A metric names answers as text. [`Scoring`] is what it means for given prompts: the sequences to run,
//! the positions to read and the tokens that count there. Answers that begin alike share their beginning,
//! and the last token of an answer is read, never run.

mod table;

use std::ops::Range;

use candle_core::Tensor;

pub use self::table::{Row, Table};
use self::table::{Step, balance};
use crate::error::{Error, Result};
use crate::frame::{Column, Frame};
use crate::model::decoder::Decoder;
use crate::model::pass::{Pass, Read};
use crate::model::prompt::Prompt;
use crate::model::tap::Tap;
use crate::model::tokenizer::Tokenizer;
use crate::model::tree::TokenTree;

/// What is measured after each prompt. Logarithms are natural.
#[derive(Debug, Clone)]
pub enum Metric {
    /// logit(plus) − logit(minus) of two single tokens.
    LogitDiff {
        /// The token that counts for.
        plus: String,
        /// The token that counts against.
        minus: String,
    },
    /// log P(plus) − log P(minus) of two whole answers.
    AnswerDiff {
        /// The answer that counts for.
        plus: String,
        /// The answer that counts against.
        minus: String,
    },
    /// log P(answer) of a whole answer.
    LogProb {
        /// The answer.
        answer: String,
    },
    /// Σ P(answer) of several whole answers.
    LegalMass {
        /// The answers.
        answers: Vec<String>,
    },
    /// −Σ p log p of the next token, in nats.
    Entropy,
    /// Σ p log(p / q) of the next token, in nats, where p are the reference's logits.
    Kl {
        /// [batch, d_vocab]
        reference: Tensor,
    },
}

impl Metric {
    /// The metric's name in scripts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LogitDiff { .. } => "logit_diff",
            Self::AnswerDiff { .. } => "answer_diff",
            Self::LogProb { .. } => "log_prob",
            Self::LegalMass { .. } => "legal_mass",
            Self::Entropy => "entropy",
            Self::Kl { .. } => "kl",
        }
    }

    /// The answers that the metric names, in order.
    pub fn answers(&self) -> Vec<&str> {
        match self {
            Self::LogitDiff { plus, minus } | Self::AnswerDiff { plus, minus } => vec![plus, minus],
            Self::LogProb { answer } => vec![answer],
            Self::LegalMass { answers } => answers.iter().map(String::as_str).collect(),
            Self::Entropy | Self::Kl { .. } => Vec::new(),
        }
    }
}

/// A metric for given prompts: what to run, what to read, what to compute from it.
#[derive(Debug, Clone)]
pub struct Scoring {
    metric: Metric,
    sequences: Vec<Vec<u32>>,
    /// For each prompt its rows in `sequences`.
    rows: Vec<Range<usize>>,
    /// (row, pos) in `sequences` of each read.
    reads: Vec<(usize, usize)>,
    /// For each prompt the read at its own last token.
    last: Vec<usize>,
    /// For each prompt, for each answer, its tokens.
    answers: Vec<Vec<Vec<Step>>>,
}

impl Scoring {
    /// What `metric` means for `prompts`.
    ///
    /// # Errors
    /// Where there are no prompts, an answer has no tokens, a single token was asked for and the text has
    /// several, or a reference does not fit.
    pub fn new(metric: Metric, prompts: &[Prompt], tokenizer: &Tokenizer) -> Result<Self> {
        if prompts.is_empty() {
            return Err(Error::new("no prompts to measure").hint("give at least one prompt"));
        }
        if let Some(prompt) = prompts.iter().position(|prompt| prompt.tokens.is_empty()) {
            return Err(Error::new(format!("prompt {prompt} has no tokens")));
        }
        if let Metric::Kl { reference } = &metric
            && (reference.rank() != 2 || reference.dim(0)? != prompts.len())
        {
            return Err(Error::new(format!(
                "kl needs reference logits [{}, d_vocab], found {:?}",
                prompts.len(),
                reference.dims()
            )));
        }
        let mut scoring = Self {
            metric,
            sequences: Vec::new(),
            rows: Vec::new(),
            reads: Vec::new(),
            last: Vec::new(),
            answers: Vec::new(),
        };
        for prompt in prompts {
            let answers = scoring
                .metric
                .answers()
                .into_iter()
                .map(|answer| scoring.metric.tokens(answer, prompt, tokenizer))
                .collect::<Result<Vec<_>>>()?;
            if matches!(scoring.metric, Metric::LegalMass { .. }) {
                check_apart(&answers, &scoring.metric.answers())?;
            }
            scoring.add(prompt, &answers);
        }
        Ok(scoring)
    }

    /// Adds a prompt with its answers: one row for each answer that no other answer's row covers.
    fn add(&mut self, prompt: &Prompt, answers: &[Vec<u32>]) {
        let run = |answer: &[u32]| [&prompt.tokens, &answer[..answer.len() - 1]].concat();
        let mut rows: Vec<Vec<u32>> = answers.iter().map(|answer| run(answer)).collect();
        rows.push(prompt.tokens.clone());
        rows.sort();
        rows.dedup();
        // Sorted, a sequence stands right before those that continue it.
        let rows: Vec<Vec<u32>> = rows
            .iter()
            .enumerate()
            .filter(|(i, row)| rows.get(i + 1).is_none_or(|next| !next.starts_with(row)))
            .map(|(_, row)| row.clone())
            .collect();
        let first = self.sequences.len();
        let mut read = |row: usize, pos: usize| {
            let cell = (first + row, pos);
            self.reads.iter().position(|read| *read == cell).unwrap_or_else(|| {
                self.reads.push(cell);
                self.reads.len() - 1
            })
        };
        let end = prompt.tokens.len() - 1;
        self.last.push(read(0, end));
        let steps = answers.iter().map(|answer| {
            let ran = run(answer);
            let row = rows.iter().position(|row| row.starts_with(&ran)).unwrap_or(0);
            let steps = answer.iter().enumerate().map(|(i, &token)| {
                // At the prompt's last token all rows are the same.
                (read(if i == 0 { 0 } else { row }, end + i), token)
            });
            steps.collect()
        });
        self.answers.push(steps.collect());
        self.sequences.extend(rows);
        self.rows.push(first..self.sequences.len());
    }

    /// What to run: each prompt, continued by its answers.
    pub fn sequences(&self) -> &[Vec<u32>] {
        &self.sequences
    }

    /// The rows of [`Scoring::sequences`] that begin with a prompt.
    pub fn rows_of(&self, prompt: usize) -> Range<usize> {
        self.rows.get(prompt).cloned().unwrap_or_default()
    }

    /// The (row, pos) pairs of [`Scoring::sequences`] whose logits are wanted.
    pub fn reads(&self) -> &[(usize, usize)] {
        &self.reads
    }

    /// Number of prompts.
    pub fn n_prompts(&self) -> usize {
        self.last.len()
    }

    /// True where the logits at the prompts' last tokens are all that is needed.
    pub fn is_last_only(&self) -> bool {
        self.reads.len() == self.last.len()
    }

    /// Runs the sequences under `tap`: logits [read, d_vocab].
    ///
    /// # Errors
    /// Where the forward fails.
    pub fn run(&self, decoder: &Decoder, tap: &mut dyn Tap) -> Result<Tensor> {
        let tree = TokenTree::for_tap(&self.sequences, tap)?;
        let output = decoder.forward(&tree, Pass::new(tap, Read::At(self.reads.clone())))?;
        output.logits.ok_or_else(|| Error::new("the forward gave no logits"))
    }

    /// One number per prompt, from logits [read, d_vocab].
    ///
    /// # Errors
    /// Where the logits are not those of this scoring.
    pub fn values(&self, logits: &Tensor) -> Result<Vec<f64>> {
        self.values_of(&self.table(logits)?)
    }

    /// One number per prompt, from the logits at each read: at least those that [`Scoring::demand`] names.
    ///
    /// # Errors
    /// Where a reference does not fit the vocabulary.
    pub fn values_of(&self, table: &Table) -> Result<Vec<f64>> {
        (0..self.n_prompts()).map(|prompt| self.value(prompt, table)).collect()
    }

    /// What the numbers need of the logits.
    pub fn demand(&self) -> Demand {
        let mut tokens: Vec<u32> = self.answers.iter().flatten().flatten().map(|step| step.1).collect();
        tokens.sort_unstable();
        tokens.dedup();
        let mut whole = vec![false; self.reads.len()];
        for (answers, &last) in self.answers.iter().zip(&self.last) {
            match (&self.metric, answers.as_slice()) {
                (Metric::LogitDiff { .. }, _) => {}
                (Metric::AnswerDiff { .. }, [plus, minus]) => {
                    balance(plus, minus).into_iter().for_each(|(read, _)| whole[read] = true);
                }
                (Metric::Kl { .. } | Metric::Entropy, _) => whole[last] = true,
                (_, answers) => answers.iter().flatten().for_each(|step| whole[step.0] = true),
            }
        }
        Demand { tokens, whole }
    }

    /// The numbers as a frame: `prompt`, `value`, and for metrics of answers the log-probability of each
    /// (`log_prob_1`, …) and their `legal_mass`.
    ///
    /// # Errors
    /// Where the logits are not those of this scoring.
    pub fn frame(&self, logits: &Tensor) -> Result<Frame> {
        let table = self.table(logits)?;
        let prompts = 0..self.n_prompts();
        let values = prompts.clone().map(|prompt| self.value(prompt, &table)).collect::<Result<Vec<_>>>()?;
        let mut columns = vec![
            ("prompt".to_string(), Column::ints(prompts.clone().map(|prompt| prompt as i64))),
            ("value".to_string(), Column::floats(values)),
        ];
        let n_answers = self.answers.first().map_or(0, Vec::len);
        for answer in 0..n_answers {
            let log_probs = prompts.clone().map(|prompt| table.log_prob(&self.answers[prompt][answer]));
            columns.push((format!("log_prob_{}", answer + 1), Column::floats(log_probs)));
        }
        if n_answers > 0 {
            columns.push((
                "legal_mass".to_string(),
                Column::floats(prompts.map(|prompt| self.mass(prompt, &table))),
            ));
        }
        Frame::new(columns)
    }

    /// P of all answers together, for each prompt.
    ///
    /// # Errors
    /// Where the logits are not those of this scoring.
    pub fn legal_mass(&self, logits: &Tensor) -> Result<Vec<f64>> {
        let table = self.table(logits)?;
        Ok((0..self.n_prompts()).map(|prompt| self.mass(prompt, &table)).collect())
    }

    fn mass(&self, prompt: usize, table: &Table) -> f64 {
        self.answers[prompt].iter().map(|answer| table.log_prob(answer).exp()).sum()
    }

    fn value(&self, prompt: usize, table: &Table) -> Result<f64> {
        let answers = &self.answers[prompt];
        let last = self.last[prompt];
        Ok(match (&self.metric, answers.as_slice()) {
            (Metric::LogitDiff { .. }, [plus, minus]) => table.logit(plus[0]) - table.logit(minus[0]),
            (Metric::AnswerDiff { .. }, [plus, minus]) => table.log_odds(plus, minus),
            (Metric::LogProb { .. }, [answer]) => table.log_prob(answer),
            (Metric::LegalMass { .. }, _) => self.mass(prompt, table),
            (Metric::Kl { reference }, _) => table.kl(&reference.get(prompt)?, last)?,
            _ => table.entropy(last),
        })
    }

    fn table(&self, logits: &Tensor) -> Result<Table> {
        if logits.rank() != 2 || logits.dim(0)? != self.reads.len() {
            return Err(Error::new(format!(
                "{} needs logits [{}, d_vocab], found {:?}",
                self.metric.name(),
                self.reads.len(),
                logits.dims()
            )));
        }
        Table::new(logits)
    }

    /// For each prompt the sequence up to where the metric's two answers part, and the tokens by which
    /// they part there: what logit attribution takes apart.
    ///
    /// # Errors
    /// Where the metric has no such token, or an answer is the beginning of the other.
    pub fn contrasts(&self) -> Result<Vec<Contrast>> {
        (0..self.n_prompts()).map(|prompt| self.contrast(prompt)).collect()
    }

    fn contrast(&self, prompt: usize) -> Result<Contrast> {
        let (step, minus) = match self.answers[prompt].as_slice() {
            [plus, minus] => {
                let shared = plus.iter().zip(minus).take_while(|(a, b)| a == b).count();
                match (plus.get(shared), minus.get(shared)) {
                    (Some(&plus), Some(&(_, minus))) => (plus, Some(minus)),
                    _ => {
                        return Err(Error::new(
                            "one answer is the beginning of the other: they part at no token",
                        ));
                    }
                }
            }
            [answer] => (answer[0], None),
            _ => {
                return Err(Error::new(format!("{} is no difference of logits", self.metric.name()))
                    .hint("use logit_diff, answer_diff or log_prob"));
            }
        };
        let (row, pos) = self.reads[step.0];
        Ok(Contrast { tokens: self.sequences[row][..=pos].to_vec(), plus: step.1, minus })
    }
}

/// What a metric needs of the logits at its reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The tokens that count, ascending.
    pub tokens: Vec<u32>,
    /// For each read, whether the whole vocabulary is needed.
    pub whole: Vec<bool>,
}

/// A logit difference after a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contrast {
    /// What is run; the difference is that of its last position.
    pub tokens: Vec<u32>,
    /// The token that counts for.
    pub plus: u32,
    /// The token that counts against.
    pub minus: Option<u32>,
}

impl Metric {
    /// The tokens of `answer` after `prompt`.
    fn tokens(&self, answer: &str, prompt: &Prompt, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        let alone = || tokenizer.encode(answer, false);
        let tokens = match &prompt.text {
            // An answer is tokenised as the model would write it after the prompt, unless the two run
            // together in a token.
            Some(text) => {
                let whole = tokenizer.encode_prompt(&format!("{text}{answer}"))?;
                match whole.strip_prefix(prompt.tokens.as_slice()) {
                    Some(rest) => rest.to_vec(),
                    None => alone()?,
                }
            }
            None => alone()?,
        };
        if tokens.is_empty() {
            return Err(Error::new(format!("the answer \"{answer}\" has no tokens")));
        }
        if matches!(self, Self::LogitDiff { .. }) && tokens.len() > 1 {
            return Err(Error::new(format!(
                "logit_diff compares single tokens, \"{answer}\" has {}",
                tokens.len()
            ))
            .hint("use answer_diff for whole answers"));
        }
        Ok(tokens)
    }
}

/// Refuses answers whose probabilities cannot be added: one that is another, or begins another.
fn check_apart(tokens: &[Vec<u32>], answers: &[&str]) -> Result<()> {
    for (i, a) in tokens.iter().enumerate() {
        for (j, b) in tokens.iter().enumerate() {
            if i != j && b.starts_with(a) {
                return Err(Error::new(format!(
                    "legal_mass would count \"{}\" twice: it is the beginning of \"{}\"",
                    answers[i], answers[j]
                )));
            }
        }
    }
    Ok(())
}
