//! Where a cell patches: positions of the prompts, each with the position of its source.

use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::prompt::Prompt;

/// Which positions of each prompt a sweep patches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Where {
    /// Every position, the answer's among them.
    All,
    /// The prompt's last position and those of the answer after it: where the answer is predicted.
    Last,
    /// These positions together, negative ones from the end.
    At(Vec<i64>),
    /// The tokens that hold these words.
    Words(String),
}

/// How the positions of a prompt and a source of another length correspond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Align {
    /// One by one: the two must be equally long.
    #[default]
    Positions,
    /// The beginning and the end that the two have in common correspond; what stands between is left.
    Ends,
}

/// A choice of positions, resolved for every prompt.
#[derive(Debug, Clone)]
pub struct Spot {
    /// What the frame calls it: `all`, `last`, an index, the words.
    pub label: String,
    /// For each prompt, (position, position in the source), ascending.
    pub pairs: Vec<Vec<(usize, usize)>>,
    /// The positions of the answer after the prompt are patched too.
    pub with_answer: bool,
}

/// A prompt beside its source.
pub struct Pair<'a> {
    /// The number of the prompt, for messages.
    pub number: usize,
    /// The prompt that is patched.
    pub target: (&'a Model, &'a Prompt),
    /// The prompt that the values come from; `None` where they come from no prompt.
    pub source: Option<(&'a Model, &'a Prompt)>,
}

impl Spot {
    /// The positions that `place` names in each prompt.
    ///
    /// # Errors
    /// Where a position lies outside a prompt, words are not found, or prompt and source do not correspond.
    pub fn new(place: &Where, align: Align, pairs: &[Pair]) -> Result<Self> {
        let label = match place {
            Where::All => "all".to_string(),
            Where::Last => "last".to_string(),
            Where::At(positions) => positions.iter().map(i64::to_string).collect::<Vec<_>>().join(","),
            Where::Words(words) => words.clone(),
        };
        let pairs = pairs.iter().map(|pair| pair.positions(place, align)).collect::<Result<_>>()?;
        Ok(Self { label, pairs, with_answer: matches!(place, Where::All | Where::Last) })
    }

    /// The positions of the source, each with that of the prompt.
    pub(super) fn reversed(&self) -> Self {
        let swapped = |pairs: &Vec<(usize, usize)>| {
            let mut pairs: Vec<_> = pairs.iter().map(|&(target, source)| (source, target)).collect();
            pairs.sort_unstable();
            pairs
        };
        Self {
            label: self.label.clone(),
            pairs: self.pairs.iter().map(swapped).collect(),
            with_answer: self.with_answer,
        }
    }

    /// One spot for each position that any prompt has.
    ///
    /// # Errors
    /// Where prompt and source do not correspond.
    pub fn each(align: Align, pairs: &[Pair]) -> Result<Vec<Self>> {
        let all = pairs.iter().map(|pair| pair.positions(&Where::All, align)).collect::<Result<Vec<_>>>()?;
        let longest = pairs.iter().map(|pair| pair.target.1.tokens.len()).max().unwrap_or(0);
        let at = |position: usize| Self {
            label: position.to_string(),
            pairs: all
                .iter()
                .map(|pairs| pairs.iter().copied().filter(|pair| pair.0 == position).collect())
                .collect(),
            with_answer: false,
        };
        Ok((0..longest).map(at).collect())
    }
}

impl Pair<'_> {
    fn positions(&self, place: &Where, align: Align) -> Result<Vec<(usize, usize)>> {
        let target_len = self.target.1.tokens.len();
        let source_len = self.source.map_or(target_len, |(_, prompt)| prompt.tokens.len());
        match place {
            Where::All => self.whole(align, target_len, source_len),
            Where::Last => Ok(vec![(target_len - 1, source_len - 1)]),
            Where::At(positions) => {
                let mut pairs = positions
                    .iter()
                    .map(|&position| {
                        let target = self.index(position, target_len, "prompt")?;
                        Ok((target, self.index(position, source_len, "the source of prompt")?))
                    })
                    .collect::<Result<Vec<_>>>()?;
                pairs.sort_unstable();
                pairs.dedup();
                Ok(pairs)
            }
            Where::Words(words) => self.words(words),
        }
    }

    fn index(&self, position: i64, len: usize, what: &str) -> Result<usize> {
        let from_start = if position < 0 { position.saturating_add(len as i64) } else { position };
        usize::try_from(from_start).ok().filter(|&found| found < len).ok_or_else(|| {
            Error::new(format!("{what} {} has no position {position}", self.number)).hint(format!(
                "it has {len} tokens: 0–{} or, from the end, -1 to -{len}",
                len.saturating_sub(1)
            ))
        })
    }

    fn whole(&self, align: Align, target_len: usize, source_len: usize) -> Result<Vec<(usize, usize)>> {
        if target_len == source_len {
            return Ok((0..target_len).map(|position| (position, position)).collect());
        }
        if align == Align::Positions {
            return Err(Error::new(format!(
                "prompt {} has {target_len} tokens, its source {source_len}: their positions do not correspond",
                self.number
            ))
            .hint(
                "align: \"ends\" patches the beginning and the end that they have in common; \
                 positions: \"last\", a negative index or words are aligned too",
            ));
        }
        let (target, source) = (&self.target.1.tokens, self.source.map_or(&[][..], |(_, p)| &p.tokens));
        let begin = target.iter().zip(source).take_while(|(a, b)| a == b).count();
        let rest = target_len.min(source_len) - begin;
        let end = target.iter().rev().zip(source.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
        let beginning = (0..begin).map(|position| (position, position));
        let ending = (0..end).rev().map(|back| (target_len - 1 - back, source_len - 1 - back));
        Ok(beginning.chain(ending).collect())
    }

    fn words(&self, words: &str) -> Result<Vec<(usize, usize)>> {
        let found = |(model, prompt): (&Model, &Prompt), what: &str| -> Result<Vec<usize>> {
            let positions = model.positions_of(prompt, words)?;
            match positions.is_empty() {
                true => Err(Error::new(format!("{what} {} does not hold \"{words}\"", self.number))),
                false => Ok(positions),
            }
        };
        let target = found(self.target, "prompt")?;
        let Some(source) = self.source else {
            return Ok(target.into_iter().map(|position| (position, position)).collect());
        };
        let source = found(source, "the source of prompt")?;
        if target.len() != source.len() {
            return Err(Error::new(format!(
                "\"{words}\" is {} tokens in prompt {}, {} in its source: they do not correspond",
                target.len(),
                self.number,
                source.len()
            )));
        }
        Ok(target.into_iter().zip(source).collect())
    }
}
