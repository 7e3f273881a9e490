//! What a cell patches: a value at a site, or one head or neuron of it.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, did_you_mean};
use crate::model::config::ArchConfig;
use crate::model::site::{Axes, Point, Site};

/// A value at a site in a block, or one head or neuron of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Part {
    /// The block.
    pub layer: usize,
    /// Where in the block.
    pub point: Point,
    /// The head or neuron, at points that are patched one by one.
    pub index: Option<usize>,
}

/// How a point's parts are named: `L3H2.q` is `("H", ".q")`, `L3_MLP` is `("_MLP", "")`.
struct Naming {
    point: Point,
    /// The name of all its parts in a list of components.
    set: &'static str,
    prefix: &'static str,
    suffix: &'static str,
    kind: &'static str,
    is_indexed: bool,
}

const NAMINGS: [Naming; 11] = [
    naming(Point::Z, "heads", "H", "", "head", true),
    naming(Point::Q, "heads.q", "H", ".q", "head.q", true),
    naming(Point::K, "heads.k", "KV", ".k", "head.k", true),
    naming(Point::V, "heads.v", "KV", ".v", "head.v", true),
    naming(Point::Pattern, "heads.pattern", "H", ".pattern", "head.pattern", true),
    naming(Point::MlpPost, "neurons", "N", "", "neuron", true),
    naming(Point::AttnOut, "attn", "_ATTN", "", "attn", false),
    naming(Point::MlpOut, "mlp", "_MLP", "", "mlp", false),
    naming(Point::ResidPre, "resid_pre", "_RESID_PRE", "", "resid_pre", false),
    naming(Point::ResidMid, "resid_mid", "_RESID_MID", "", "resid_mid", false),
    naming(Point::ResidPost, "resid_post", "_RESID_POST", "", "resid_post", false),
];

const fn naming(
    point: Point,
    set: &'static str,
    prefix: &'static str,
    suffix: &'static str,
    kind: &'static str,
    is_indexed: bool,
) -> Naming {
    Naming { point, set, prefix, suffix, kind, is_indexed }
}

impl Part {
    /// The site it lies at.
    pub fn site(&self) -> Site {
        Site::block(self.layer, self.point)
    }

    /// `head`, `mlp`, `attn`, `neuron`, `head.q`, `resid_pre` ….
    pub fn kind(&self) -> &'static str {
        self.naming().map_or("part", |naming| naming.kind)
    }

    fn naming(&self) -> Option<&'static Naming> {
        NAMINGS.iter().find(|naming| naming.point == self.point)
    }

    /// How many parts of its kind a block of the model has.
    fn count(point: Point, config: &ArchConfig) -> usize {
        match point.axes() {
            Axes::Head | Axes::Pattern | Axes::Result => config.n_heads,
            Axes::KvHead => config.n_kv_heads,
            Axes::Mlp => config.d_mlp,
            Axes::Residual | Axes::Scale => 1,
        }
    }

    /// Fails where the model has no such part.
    ///
    /// # Errors
    /// Says which layers, heads or neurons there are.
    pub fn check(&self, config: &ArchConfig) -> Result<()> {
        if self.layer >= config.n_layers() {
            return Err(Error::new(format!("{self}: layers are 0–{}", config.n_layers() - 1)));
        }
        let count = Self::count(self.point, config);
        if self.index.is_some_and(|index| index >= count) {
            let what = match self.point.axes() {
                Axes::KvHead => "key/value heads",
                Axes::Mlp => "neurons",
                _ => "heads",
            };
            return Err(Error::new(format!("{self}: {what} are 0–{}", count - 1)));
        }
        if self.point == Point::ResidMid && config.parallel_residual {
            return Err(Error::new(format!(
                "{self}: in this model attention and MLP read the same residual, there is none between them"
            )));
        }
        Ok(())
    }

    /// The parts that a set names in the given layers: `"heads"`, `"mlp"`, `"heads+mlp"`, `"heads.q"`, ….
    ///
    /// # Errors
    /// Where a name is no set, or the model has no such layer.
    pub fn set(names: &str, layers: &[usize], config: &ArchConfig) -> Result<Vec<Self>> {
        let mut parts = Vec::new();
        let chosen = names.split('+').map(|name| set_named(name.trim())).collect::<Result<Vec<_>>>()?;
        for &layer in layers {
            for naming in &chosen {
                let count = Self::count(naming.point, config);
                let indices = match naming.is_indexed {
                    true => (0..count).map(Some).collect(),
                    false => vec![None],
                };
                for index in indices {
                    let part = Self { layer, point: naming.point, index };
                    part.check(config)?;
                    parts.push(part);
                }
            }
        }
        Ok(parts)
    }
}

fn set_named(name: &str) -> Result<&'static Naming> {
    let name = if name == "heads.z" { "heads" } else { name };
    NAMINGS.iter().find(|naming| naming.set == name).ok_or_else(|| {
        let sets = NAMINGS.iter().map(|naming| naming.set);
        let all = sets.clone().collect::<Vec<_>>().join(", ");
        let error = Error::new(format!("there is no set of components \"{name}\""));
        match did_you_mean(name, sets) {
            Some(hint) => error.hint(hint),
            None => error.hint(format!("there are {all}, joined by +, and names like L8_MLP and L25H0")),
        }
    })
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Naming { prefix, suffix, .. }) = self.naming() else { return write!(f, "{}", self.site()) };
        match self.index {
            Some(index) => write!(f, "L{}{prefix}{index}{suffix}", self.layer),
            None => write!(f, "L{}{prefix}{suffix}", self.layer),
        }
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            Error::new(format!("there is no component \"{text}\"")).hint(
                "components are named like L8_MLP, L25H0, L8_ATTN, L3H2.q, L3KV0.k, L4N17 and L5_RESID_PRE",
            )
        })
    }
}

fn parse(text: &str) -> Option<Part> {
    let rest = text.strip_prefix('L')?;
    let (layer, rest) = number(rest)?;
    NAMINGS.iter().find_map(|naming| {
        let rest = rest.strip_prefix(naming.prefix)?;
        let (index, rest) = match naming.is_indexed {
            true => number(rest).map(|(index, rest)| (Some(index), rest))?,
            false => (None, rest),
        };
        (rest == naming.suffix).then_some(Part { layer, point: naming.point, index })
    })
}

/// A leading number as names write it, without leading zeros, and what follows.
fn number(text: &str) -> Option<(usize, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = text.split_at(digits);
    let value: usize = number.parse().ok()?;
    (value.to_string() == number).then_some((value, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_round_trip(layer in 0usize..200, index in 0usize..20_000, which in 0usize..11) {
            let Naming { point, is_indexed, .. } = NAMINGS[which];
            let part = Part { layer, point, index: is_indexed.then_some(index) };
            prop_assert_eq!(part.to_string().parse::<Part>().unwrap(), part);
        }
    }

    #[test]
    fn names_are_the_fields() {
        for name in ["L8_MLP", "L25H0", "L8_ATTN", "L0H1.pattern", "L2KV1.v", "L3N14"] {
            assert_eq!(name.parse::<Part>().unwrap().to_string(), name);
        }
        for name in ["L8", "8_MLP", "L08_MLP", "L8H", "L8H1.x", "EMBED", "L8_MLP2"] {
            assert!(name.parse::<Part>().is_err(), "{name}");
        }
    }
}
