//! A prompt as a forward takes it.

use std::ops::Range;

use super::Model;
use super::tokenizer::TokenSpan;
use crate::error::{Error, Result};

/// A prompt as tokens and, where there is one, as the text they were made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Needed to tokenise answers in their context, and to find words.
    pub text: Option<String>,
    /// Never empty in a forward.
    pub tokens: Vec<u32>,
}

impl Model {
    /// A text as a prompt: with the family's leading special tokens, unless the text has them already.
    ///
    /// # Errors
    /// Where the text cannot be tokenised.
    pub fn prompt(&self, text: &str) -> Result<Prompt> {
        Ok(Prompt { tokens: self.tokenizer().encode_prompt(text)?, text: Some(text.to_owned()) })
    }

    /// The tokens of a text as a prompt, with the bytes that each stands for.
    ///
    /// # Errors
    /// Where the text cannot be tokenised.
    pub fn prompt_spans(&self, text: &str) -> Result<Vec<TokenSpan>> {
        let plain = self.tokenizer().encode_with_offsets(text, false)?;
        match self.tokenizer().encode_prompt(text)?.len() == plain.len() {
            true => Ok(plain),
            false => self.tokenizer().encode_with_offsets(text, true),
        }
    }

    /// Positions of the tokens that hold any part of an occurrence of `words` in the prompt's text.
    ///
    /// # Errors
    /// Where the prompt has no text.
    pub fn positions_of(&self, prompt: &Prompt, words: &str) -> Result<Vec<usize>> {
        let Some(text) = &prompt.text else {
            return Err(Error::new("a prompt of token ids has no text to search"));
        };
        if words.is_empty() {
            return Err(Error::new("no words to look for"));
        }
        let spans = self.prompt_spans(text)?;
        let found: Vec<Range<usize>> =
            text.match_indices(words).map(|(start, part)| start..start + part.len()).collect();
        let holds = |span: &TokenSpan| found.iter().any(|at| span.start < at.end && at.start < span.end);
        Ok((0..spans.len()).filter(|&position| holds(&spans[position])).collect())
    }
}
