//! Regular expressions over module names, with the meaning that peft gives them in Python.

use std::fmt;

use fancy_regex::{Regex, RegexBuilder};

use crate::error::{Error, Result};

/// Steps after which a pattern gives up on a name: hostile ones would take for ever.
const MOST_STEPS: usize = 100_000;

/// A regular expression as an adapter's configuration holds it, and how it is asked.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Fits a whole name (`re.fullmatch`).
    ///
    /// # Errors
    /// The text is no regular expression.
    pub fn whole(text: &str) -> Result<Self> {
        Self::new(text, format!(r"\A(?:{text})\z"))
    }

    /// Fits a name, or what follows one of its dots to the end: the keys of `rank_pattern`.
    ///
    /// # Errors
    /// The text is no regular expression.
    pub fn ending(text: &str) -> Result<Self> {
        Self::new(text, format!(r"\A(?:.*\.)?(?:{text})\z"))
    }

    /// Fits a name with a layer's number behind this word: `layers_pattern`.
    ///
    /// # Errors
    /// The text is no regular expression.
    pub fn layers(text: &str) -> Result<Self> {
        Self::new(text, format!(r"\A(?:|.*?\.)(?:{text})\.(?P<idx>\d+)\."))
    }

    /// The pattern that fits this module's name and no other.
    pub(super) fn of_name(name: &str) -> Result<Self> {
        Self::ending(&fancy_regex::escape(name))
    }

    fn new(text: &str, whole: String) -> Result<Self> {
        match RegexBuilder::new(&whole).backtrack_limit(MOST_STEPS).build() {
            Ok(regex) => Ok(Self { text: text.to_owned(), regex }),
            Err(error) => Err(Error::new(format!("\"{text}\" is no regular expression: {error}"))),
        }
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True where it fits the name.
    ///
    /// # Errors
    /// The expression takes too long.
    pub fn is_match(&self, name: &str) -> Result<bool> {
        self.regex.is_match(name).map_err(|error| self.gave_up(name, &error))
    }

    /// The layer's number that [`Pattern::layers`] finds in a name.
    ///
    /// # Errors
    /// The expression takes too long.
    pub fn layer_of(&self, name: &str) -> Result<Option<usize>> {
        let found = self.regex.captures(name).map_err(|error| self.gave_up(name, &error))?;
        Ok(found.and_then(|found| found.name("idx")?.as_str().parse().ok()))
    }

    fn gave_up(&self, name: &str, error: &fancy_regex::Error) -> Error {
        Error::new(format!("the regular expression \"{}\" gives up on \"{name}\": {error}", self.text))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // Expected values: peft 0.21.2, `get_pattern_key` and `check_target_module_exists`.
    #[test]
    fn patterns_mean_what_they_mean_to_peft() {
        let name = "model.layers.11.self_attn.q_proj";
        for (pattern, fits) in [
            ("q_proj", true),
            ("proj", false),
            ("self_attn.q_proj", true),
            (r"layers\.1\.self_attn\.q_proj", false),
            (r"layers\.\d+\.self_attn\.q_proj", true),
            ("^model.layers.11.self_attn.q_proj", true),
            ("^layers.11.self_attn.q_proj", false),
            ("k_proj|q_proj", true),
            (r"(?!.*k_proj).*", true),
        ] {
            assert_eq!(Pattern::ending(pattern).unwrap().is_match(name).unwrap(), fits, "{pattern}");
        }
        assert!(Pattern::whole(r".*\.q_proj").unwrap().is_match(name).unwrap());
        assert!(!Pattern::whole("q_proj").unwrap().is_match(name).unwrap());
        assert!(!Pattern::whole("x|model").unwrap().is_match(name).unwrap());
        assert_eq!(Pattern::layers("layers").unwrap().layer_of(name).unwrap(), Some(11));
        assert_eq!(Pattern::layers("h").unwrap().layer_of(name).unwrap(), None);
        assert_eq!(Pattern::layers("h").unwrap().layer_of("h.3.attn.c_attn").unwrap(), Some(3));
        assert_eq!(Pattern::layers("[^.]*").unwrap().layer_of(name).unwrap(), Some(11));
        let own = Pattern::of_name(name).unwrap();
        assert!(own.is_match(name).unwrap() && !own.is_match("model.layers.11_self_attn.q_proj").unwrap());
    }

    #[test]
    fn bad_patterns_are_errors() {
        assert!(Pattern::whole("(").unwrap_err().what().contains("no regular expression"));
        let slow = Pattern::whole(r"(?:(a|a)*(?=b))*c").unwrap();
        assert!(slow.is_match(&"a".repeat(64)).unwrap_err().what().contains("gives up"));
    }
}
