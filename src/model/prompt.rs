//! A prompt as a forward takes it.

/// A prompt as tokens and, where there is one, as the text they were made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Needed to tokenise answers in their context, and to find words.
    pub text: Option<String>,
    /// Never empty in a forward.
    pub tokens: Vec<u32>,
}
