//! Parts of an adapter as a user names them: `L13_MLP`, `L11-L23_MLP`, `L13`, `ATTN`, `q_proj`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use glob::{MatchOptions, Pattern};

use super::{Adapter, Place};
use crate::error::{Error, Result};

/// A choice of an adapter's modules: everything that one of its parts names.
#[derive(Debug, Clone)]
pub struct Parts(Vec<Part>);

#[derive(Debug, Clone)]
struct Part {
    text: String,
    layers: Option<RangeInclusive<usize>>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    All,
    Kind(Kind),
    /// The end of a module's name behind a dot.
    Name(String),
    Glob(Pattern),
}

/// The two halves of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Queries, keys, values and output.
    Attn,
    /// The MLP's projections.
    Mlp,
}

impl Kind {
    /// The half that a module of this name inside its layer belongs to.
    pub fn of(inner_name: &str) -> Self {
        if inner_name.starts_with("mlp.") { Kind::Mlp } else { Kind::Attn }
    }

    /// `attn` or `mlp`, as the kinds of components are called.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Attn => "attn",
            Kind::Mlp => "mlp",
        }
    }

    /// The component's name in a layer: `L13_MLP`.
    pub fn component(self, layer: usize) -> String {
        format!("L{layer}_{}", self.name().to_ascii_uppercase())
    }
}

impl Parts {
    /// The modules that any of several parts names.
    ///
    /// # Errors
    /// As for one part; a list of none.
    pub fn new<S: AsRef<str>>(texts: &[S]) -> Result<Self> {
        match texts {
            [] => Err(Error::new("an empty list names no part of an adapter")),
            texts => Ok(Self(texts.iter().map(|text| text.as_ref().parse()).collect::<Result<_>>()?)),
        }
    }

    /// True where the module at `place` belongs to it.
    pub fn holds(&self, adapter: &Adapter, place: Place) -> bool {
        self.holds_module(place.layer, adapter.inner_name(place), &adapter.module_name(place))
    }

    /// True where a module belongs to it: its layer, its name inside the layer, its whole name.
    pub fn holds_module(&self, layer: usize, inner: &str, whole: &str) -> bool {
        let options = MatchOptions { require_literal_separator: false, ..MatchOptions::new() };
        self.0.iter().any(|part| {
            part.layers.as_ref().is_none_or(|layers| layers.contains(&layer))
                && match &part.what {
                    What::All => true,
                    What::Kind(kind) => Kind::of(inner) == *kind,
                    What::Name(name) => whole
                        .strip_suffix(name.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
                    What::Glob(glob) => glob.matches_with(whole, options),
                }
        })
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<&str> = self.0.iter().map(|part| part.text.as_str()).collect();
        f.write_str(&texts.join(", "))
    }
}

impl FromStr for Parts {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(&[text])
    }
}

impl FromStr for Part {
    type Err = Error;

    /// # Errors
    /// A head or neuron, which no module is; an empty range; what is no part's name.
    fn from_str(text: &str) -> Result<Self> {
        let part = |layers, what| Ok(Self { text: text.to_owned(), layers, what });
        match text {
            "ATTN" => return part(None, What::Kind(Kind::Attn)),
            "MLP" => return part(None, What::Kind(Kind::Mlp)),
            _ => {}
        }
        if let Some((layers, rest)) = layers(text) {
            if layers.is_empty() {
                return Err(Error::new(format!(
                    "\"{text}\": a range of layers goes from the lower to the higher"
                )));
            }
            return match rest {
                "" => part(Some(layers), What::All),
                "_ATTN" => part(Some(layers), What::Kind(Kind::Attn)),
                "_MLP" => part(Some(layers), What::Kind(Kind::Mlp)),
                rest => {
                    let error = Error::new(format!("\"{text}\" is no part of an adapter"));
                    Err(error.hint(match rest.starts_with(['H', 'N']) {
                        true => "a layer's heads and neurons share its modules: take L13_ATTN or L13_MLP",
                        false => "its parts are layers (L13, L11-L23), halves of layers (L13_MLP, L11-L23_ATTN) and modules",
                    }))
                }
            };
        }
        let is_name =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '*' | '?' | '[' | ']' | '!');
        if text.is_empty() || !text.chars().all(is_name) {
            return Err(Error::new(format!("\"{text}\" is no part of an adapter"))
                .hint("write L13_MLP, L11-L23_MLP, L13, MLP, q_proj, or a glob such as *.layers.1?.mlp.*"));
        }
        match text.contains(['*', '?', '[']) {
            false => part(None, What::Name(text.to_owned())),
            true => match Pattern::new(text) {
                Ok(glob) => part(None, What::Glob(glob)),
                Err(error) => Err(Error::new(format!("\"{text}\" is no glob: {}", error.msg))),
            },
        }
    }
}

/// `L13` or `L11-L23` (also `L11-23`), and what follows it.
fn layers(text: &str) -> Option<(RangeInclusive<usize>, &str)> {
    let (first, rest) = number(text.strip_prefix('L')?)?;
    match rest.strip_prefix('-') {
        None => Some((first..=first, rest)),
        Some(rest) => {
            let (last, rest) = number(rest.strip_prefix('L').unwrap_or(rest))?;
            Some((first..=last, rest))
        }
    }
}

fn number(text: &str) -> Option<(usize, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (digits, rest) = text.split_at(digits);
    Some((digits.parse().ok()?, rest))
}
