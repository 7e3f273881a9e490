//! Components of a decoder by the study's names: `L8_MLP`, `L25H0`, `L8_ATTN`, `EMBED`.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A part of the model that adds to the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Component {
    /// Token embeddings.
    Embed,
    /// Learned position embeddings.
    PosEmbed,
    /// One head.
    Head {
        /// Its block.
        layer: usize,
        /// Its number in the block.
        head: usize,
    },
    /// All heads of a block.
    Attn {
        /// Its block.
        layer: usize,
    },
    /// What attention adds whatever the heads do.
    AttnBias {
        /// Its block.
        layer: usize,
    },
    /// A block's MLP.
    Mlp {
        /// Its block.
        layer: usize,
    },
    /// One neuron of a block's MLP.
    Neuron {
        /// Its block.
        layer: usize,
        /// Its number in the hidden layer.
        neuron: usize,
    },
    /// What the MLP adds whatever its neurons do.
    MlpBias {
        /// Its block.
        layer: usize,
    },
    /// The bias of the final norm.
    FinalBias,
}

impl Component {
    /// The block it lies in.
    pub fn layer(&self) -> Option<usize> {
        match *self {
            Self::Embed | Self::PosEmbed | Self::FinalBias => None,
            Self::Head { layer, .. }
            | Self::Attn { layer }
            | Self::AttnBias { layer }
            | Self::Mlp { layer }
            | Self::Neuron { layer, .. }
            | Self::MlpBias { layer } => Some(layer),
        }
    }

    /// The head, for a head.
    pub fn head(&self) -> Option<usize> {
        match *self {
            Self::Head { head, .. } => Some(head),
            _ => None,
        }
    }

    /// `embed`, `head`, `attn`, `mlp`, `neuron` or `bias`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Embed | Self::PosEmbed => "embed",
            Self::Head { .. } => "head",
            Self::Attn { .. } => "attn",
            Self::Mlp { .. } => "mlp",
            Self::Neuron { .. } => "neuron",
            Self::AttnBias { .. } | Self::MlpBias { .. } | Self::FinalBias => "bias",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embed => f.write_str("EMBED"),
            Self::PosEmbed => f.write_str("POS_EMBED"),
            Self::Head { layer, head } => write!(f, "L{layer}H{head}"),
            Self::Attn { layer } => write!(f, "L{layer}_ATTN"),
            Self::AttnBias { layer } => write!(f, "L{layer}_ATTN_BIAS"),
            Self::Mlp { layer } => write!(f, "L{layer}_MLP"),
            Self::Neuron { layer, neuron } => write!(f, "L{layer}N{neuron}"),
            Self::MlpBias { layer } => write!(f, "L{layer}_MLP_BIAS"),
            Self::FinalBias => f.write_str("FINAL_BIAS"),
        }
    }
}

impl FromStr for Component {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            Error::new(format!("there is no component \"{text}\""))
                .hint("components are named like L8_MLP, L25H0, L8_ATTN and EMBED")
        })
    }
}

fn parse(text: &str) -> Option<Component> {
    match text {
        "EMBED" => return Some(Component::Embed),
        "POS_EMBED" => return Some(Component::PosEmbed),
        "FINAL_BIAS" => return Some(Component::FinalBias),
        _ => {}
    }
    let rest = text.strip_prefix('L')?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (layer, part) = rest.split_at(digits);
    let layer = number(layer)?;
    match part {
        "_MLP" => Some(Component::Mlp { layer }),
        "_ATTN" => Some(Component::Attn { layer }),
        "_MLP_BIAS" => Some(Component::MlpBias { layer }),
        "_ATTN_BIAS" => Some(Component::AttnBias { layer }),
        _ => match (part.strip_prefix('H'), part.strip_prefix('N')) {
            (Some(head), _) => Some(Component::Head { layer, head: number(head)? }),
            (_, Some(neuron)) => Some(Component::Neuron { layer, neuron: number(neuron)? }),
            _ => None,
        },
    }
}

/// A number as these names write it: digits alone, without leading zeros.
fn number(text: &str) -> Option<usize> {
    let number: usize = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_round_trip(layer in 0usize..500, index in 0usize..20_000) {
            for component in [
                Component::Embed, Component::PosEmbed, Component::FinalBias, Component::Attn { layer },
                Component::AttnBias { layer }, Component::Mlp { layer }, Component::MlpBias { layer },
                Component::Head { layer, head: index }, Component::Neuron { layer, neuron: index },
            ] {
                prop_assert_eq!(component.to_string().parse::<Component>().unwrap(), component);
            }
        }

        #[test]
        fn what_parses_is_a_name(text in "L?[0-9]{0,3}(_MLP|H|N|_ATTN)?[0-9+]{0,2}") {
            if let Ok(component) = text.parse::<Component>() {
                prop_assert_eq!(component.to_string(), text);
            }
        }
    }
}
