//! What may read a sender's change in path patching, and what may send one.

use std::fmt;
use std::str::FromStr;

use super::part::Part;
use crate::error::{Error, Result};
use crate::model::config::ArchConfig;
use crate::model::site::{Point, Site};

/// What alone reads the change of a path's sender; everything between the two is frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Receiver {
    /// `L9H3`, `L9H3.q`: what a head makes of its input.
    Head {
        /// Its block.
        layer: usize,
        /// Its number among the query heads.
        head: usize,
        /// Which of its projections; all three where `None`.
        input: Option<Input>,
    },
    /// `L9_ATTN`: a block's attention, what all its heads make of its input.
    Attn {
        /// Its block.
        layer: usize,
    },
    /// `L9_MLP`: a block's MLP.
    Mlp {
        /// Its block.
        layer: usize,
    },
    /// `LOGITS`: the final norm, and so the direct effect.
    Logits,
}

/// A projection of a head's input. Under grouped-query attention several heads share keys and values: those of
/// a head are those of the key/value head that it uses, and the other heads of the group read them too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Input {
    /// Its queries.
    Query,
    /// Its keys.
    Key,
    /// Its values.
    Value,
}

impl Input {
    const ALL: [Self; 3] = [Self::Query, Self::Key, Self::Value];

    fn suffix(self) -> &'static str {
        match self {
            Self::Query => ".q",
            Self::Key => ".k",
            Self::Value => ".v",
        }
    }

    /// The part of the model that holds this projection of a head.
    fn part(self, layer: usize, head: usize, config: &ArchConfig) -> Part {
        let group = config.n_heads / config.n_kv_heads;
        let (point, index) = match self {
            Self::Query => (Point::Q, head),
            Self::Key => (Point::K, head / group),
            Self::Value => (Point::V, head / group),
        };
        Part { layer, point, index: Some(index) }
    }
}

impl Receiver {
    /// Where the receiver's new values are put in.
    fn parts(self, config: &ArchConfig) -> Vec<Part> {
        match self {
            Self::Head { layer, head, input } => {
                let inputs = Input::ALL.into_iter().filter(|own| input.is_none_or(|input| input == *own));
                inputs.map(|input| input.part(layer, head, config)).collect()
            }
            Self::Attn { layer } => {
                let heads = [
                    (Point::Q, config.n_heads),
                    (Point::K, config.n_kv_heads),
                    (Point::V, config.n_kv_heads),
                ];
                let of_point =
                    |(point, count)| (0..count).map(move |head| Part { layer, point, index: Some(head) });
                heads.into_iter().flat_map(of_point).collect()
            }
            Self::Mlp { layer } => vec![Part { layer, point: Point::MlpOut, index: None }],
            Self::Logits => {
                vec![Part { layer: config.n_layers() - 1, point: Point::ResidPost, index: None }]
            }
        }
    }

    /// Fails where the model has no such head or layer.
    fn check(self, config: &ArchConfig) -> Result<()> {
        match self {
            Self::Head { layer, head, .. } => {
                Part { layer, point: Point::Z, index: Some(head) }.check(config)
            }
            Self::Attn { layer } => Part { layer, point: Point::AttnOut, index: None }.check(config),
            Self::Mlp { layer } => Part { layer, point: Point::MlpOut, index: None }.check(config),
            Self::Logits => Ok(()),
        }
    }

    /// True where what `sender` adds to the residual stream is there when the receiver reads it.
    fn is_above(self, sender: &Part, config: &ArchConfig) -> bool {
        match self {
            Self::Head { layer, .. } | Self::Attn { layer } => sender.layer < layer,
            Self::Mlp { layer } => {
                let sees_own_attention = !config.parallel_residual && writes(sender.point) == Point::AttnOut;
                sender.layer < layer || (sender.layer == layer && sees_own_attention)
            }
            Self::Logits => true,
        }
    }
}

/// Where the value of a sender at `point` reaches the residual stream.
pub fn writes(point: Point) -> Point {
    match point {
        Point::Z => Point::AttnOut,
        Point::MlpPost => Point::MlpOut,
        _ => point,
    }
}

/// The parts that `receivers` put their new values in at, in the order of a forward.
pub fn parts_of(receivers: &[Receiver], config: &ArchConfig) -> Vec<Part> {
    let mut parts: Vec<Part> = receivers.iter().flat_map(|receiver| receiver.parts(config)).collect();
    parts.sort_unstable();
    parts.dedup();
    parts
}

/// The residual that what lies at `site` is made of; `None` for a residual itself.
pub fn base(site: Site, config: &ArchConfig) -> Option<Site> {
    let point = match site.point {
        Point::Q | Point::K | Point::V => Point::ResidPre,
        Point::MlpOut if config.parallel_residual => Point::ResidPre,
        Point::MlpOut => Point::ResidMid,
        _ => return None,
    };
    Some(Site { point, ..site })
}

/// The sites of the clean run that the values of a path from `senders` to `receivers` are made of.
pub fn sites(senders: &[Part], receivers: &[Receiver], config: &ArchConfig) -> Vec<Site> {
    let sent = senders.iter().flat_map(|part| [part.site(), Site::block(part.layer, writes(part.point))]);
    let received = parts_of(receivers, config).into_iter().filter_map(|part| base(part.site(), config));
    sent.chain(received).collect()
}

/// Fails where `senders` cannot send to `receivers`.
///
/// # Errors
/// Names the first sender and receiver that are out of order, or what is no sender.
pub fn check(senders: &[Part], receivers: &[Receiver], config: &ArchConfig) -> Result<()> {
    for receiver in receivers {
        receiver.check(config)?;
        for sender in senders {
            if !matches!(sender.point, Point::Z | Point::AttnOut | Point::MlpPost | Point::MlpOut) {
                return Err(Error::new(format!("{sender} cannot send to {receiver}"))
                    .hint("what adds to the residual stream sends: heads, neurons, L8_ATTN and L8_MLP"));
            }
            if !receiver.is_above(sender, config) {
                let error = Error::new(format!("{sender} does not lie below {receiver}"));
                return Err(error.hint(match config.parallel_residual {
                    true => "heads and MLPs read what lower layers wrote",
                    false => "a head reads what lower layers wrote, an MLP its own layer's attention too",
                }));
            }
        }
    }
    Ok(())
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head { layer, head, input } => {
                write!(f, "L{layer}H{head}{}", input.map_or("", Input::suffix))
            }
            Self::Attn { layer } => write!(f, "L{layer}_ATTN"),
            Self::Mlp { layer } => write!(f, "L{layer}_MLP"),
            Self::Logits => f.write_str("LOGITS"),
        }
    }
}

impl FromStr for Receiver {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            Error::new(format!("there is no receiver \"{text}\""))
                .hint("receivers are named like L9H3, L9H3.q, L9H3.k, L9H3.v, L9_ATTN, L9_MLP and LOGITS")
        })
    }
}

fn parse(text: &str) -> Option<Receiver> {
    if text == "LOGITS" {
        return Some(Receiver::Logits);
    }
    let named = Input::ALL.into_iter().find_map(|input| Some((text.strip_suffix(input.suffix())?, input)));
    let (name, input) = named.map_or((text, None), |(name, input)| (name, Some(input)));
    match (name.parse::<Part>().ok()?, input) {
        (Part { layer, point: Point::Z, index: Some(head) }, _) => {
            Some(Receiver::Head { layer, head, input })
        }
        (Part { layer, point: Point::AttnOut, .. }, None) => Some(Receiver::Attn { layer }),
        (Part { layer, point: Point::MlpOut, .. }, None) => Some(Receiver::Mlp { layer }),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["L9H3", "L9H3.q", "L0H11.k", "L2H0.v", "L9_ATTN", "L9_MLP", "LOGITS"] {
            assert_eq!(name.parse::<Receiver>().unwrap().to_string(), name);
        }
        for name in ["L9", "L9H3.z", "L9_MLP.q", "L9KV1.k", "logits", "L9H3.pattern", "L9_ATTN.q", "L1N4"] {
            assert!(name.parse::<Receiver>().is_err(), "{name}");
        }
    }
}
