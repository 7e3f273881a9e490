//! Where a value can be seen or replaced during a forward, by the names the field knows.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, did_you_mean};

/// A place in the decoder: a [`Point`] and, for points inside a block, the layer.
///
/// Displayed and parsed by its canonical name: `blocks.8.attn.hook_z`, `ln_final.hook_scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    /// The block, where the point lies in one.
    pub layer: Option<usize>,
    /// What is seen there.
    pub point: Point,
}

/// The axes of a value, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axes {
    /// [batch, pos, d_model]
    Residual,
    /// [batch, pos, head, d_head]
    Head,
    /// [batch, pos, kv_head, d_head]
    KvHead,
    /// [batch, head, query, key]
    Pattern,
    /// [batch, pos, head, d_model]
    Result,
    /// [batch, pos, d_mlp]
    Mlp,
    /// [batch, pos, 1]
    Scale,
}

impl Axes {
    /// The names of the axes.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Residual => &["batch", "pos", "d_model"],
            Self::Head => &["batch", "pos", "head", "d_head"],
            Self::KvHead => &["batch", "pos", "kv_head", "d_head"],
            Self::Pattern => &["batch", "head", "query", "key"],
            Self::Result => &["batch", "pos", "head", "d_model"],
            Self::Mlp => &["batch", "pos", "d_mlp"],
            Self::Scale => &["batch", "pos", "scale"],
        }
    }
}

/// Declares [`Point`] with, for each point, its name (after `blocks.N.` where it lies in a block), whether
/// it lies in a block, its axes and its doc.
macro_rules! points {
    ($($point:ident $name:literal $block:literal $axes:ident $doc:literal;)*) => {
        /// What can be seen at a site.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Point {
            $(#[doc = $doc] $point,)*
        }

        impl Point {
            /// Every point there is, in the order of a forward.
            pub const ALL: &[Point] = &[$(Self::$point),*];

            /// The point's name; inside a block, what follows `blocks.N.`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$point => $name),* }
            }

            /// True where every block has this point.
            pub fn in_block(self) -> bool {
                match self { $(Self::$point => $block),* }
            }

            /// The axes of the value seen here.
            pub fn axes(self) -> Axes {
                match self { $(Self::$point => Axes::$axes),* }
            }

            /// What the value is.
            pub fn doc(self) -> &'static str {
                match self { $(Self::$point => $doc),* }
            }
        }
    };
}

points! {
    Embed "hook_embed" false Residual "Token embeddings, scaled where the family scales them.";
    PosEmbed "hook_pos_embed" false Residual "Learned position embeddings.";
    ResidPre "hook_resid_pre" true Residual "The residual stream as it enters the block.";
    Ln1Scale "ln1.hook_scale" true Scale "What attention's input norm divides by.";
    Ln1Normalized "ln1.hook_normalized" true Residual "Attention's input after division, before the norm's weight.";
    Q "attn.hook_q" true Head "Queries as projected, before any query norm.";
    K "attn.hook_k" true KvHead "Keys as projected, before any key norm.";
    V "attn.hook_v" true KvHead "Values as projected.";
    RotQ "attn.hook_rot_q" true Head "Queries as they enter the scores: normed and rotated.";
    RotK "attn.hook_rot_k" true KvHead "Keys as they enter the scores: normed and rotated.";
    AttnScores "attn.hook_attn_scores" true Pattern "Scaled, soft-capped and masked scores; −inf where a query may not look.";
    Pattern "attn.hook_pattern" true Pattern "Attention weights: softmax of the scores over keys.";
    Z "attn.hook_z" true Head "Each head's weighted sum of values.";
    Result "attn.hook_result" true Result "Each head's part of attention's output, before its bias and any post-norm.";
    Ln1PostScale "ln1_post.hook_scale" true Scale "What the norm after attention divides by.";
    Ln1PostNormalized "ln1_post.hook_normalized" true Residual "Attention's output after division, before the post-norm's weight.";
    AttnOut "hook_attn_out" true Residual "What attention adds to the residual, after a post-norm where there is one.";
    ResidMid "hook_resid_mid" true Residual "The residual stream between attention and MLP.";
    Ln2Scale "ln2.hook_scale" true Scale "What the MLP's input norm divides by.";
    Ln2Normalized "ln2.hook_normalized" true Residual "The MLP's input after division, before the norm's weight.";
    MlpPre "mlp.hook_pre" true Mlp "The MLP's hidden layer before its non-linearity (the gate, in gated MLPs).";
    MlpPreLinear "mlp.hook_pre_linear" true Mlp "In gated MLPs, the factor that is not gated.";
    MlpPost "mlp.hook_post" true Mlp "The MLP's neurons: what enters its output projection.";
    Ln2PostScale "ln2_post.hook_scale" true Scale "What the norm after the MLP divides by.";
    Ln2PostNormalized "ln2_post.hook_normalized" true Residual "The MLP's output after division, before the post-norm's weight.";
    MlpOut "hook_mlp_out" true Residual "What the MLP adds to the residual, after a post-norm where there is one.";
    ResidPost "hook_resid_post" true Residual "The residual stream as it leaves the block.";
    LnFinalScale "ln_final.hook_scale" false Scale "What the final norm divides by.";
    LnFinalNormalized "ln_final.hook_normalized" false Residual "The last residual after division, before the final norm's weight.";
}

impl Site {
    /// The site of `point` in block `layer`.
    pub fn block(layer: usize, point: Point) -> Self {
        Self { layer: Some(layer), point }
    }

    /// The site of a point outside the blocks.
    pub fn global(point: Point) -> Self {
        Self { layer: None, point }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer {
            Some(layer) => write!(f, "blocks.{layer}.{}", self.point.name()),
            None => f.write_str(self.point.name()),
        }
    }
}

impl FromStr for Site {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (layer, name) = match text.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) {
            Some((layer, name)) => {
                let layer = layer.parse().map_err(|_| {
                    Error::new(format!("\"{text}\" is no site: \"{layer}\" is not a layer number"))
                })?;
                (Some(layer), name)
            }
            None => (None, text),
        };
        let point =
            Point::ALL.iter().find(|point| point.name() == name && point.in_block() == layer.is_some());
        match point {
            Some(&point) => Ok(Self { layer, point }),
            None => Err(unknown_site(text, name)),
        }
    }
}

/// The error for a name that is no site, with the nearest site that is.
fn unknown_site(text: &str, name: &str) -> Error {
    let error = Error::new(format!("there is no site \"{text}\""));
    if let Some(point) = Point::ALL.iter().find(|point| point.name() == name) {
        return error.hint(match point.in_block() {
            true => format!("it lies in a block: \"blocks.0.{name}\""),
            false => format!("it lies outside the blocks: \"{name}\""),
        });
    }
    match did_you_mean(name, Point::ALL.iter().map(|point| point.name())) {
        Some(hint) => error.hint(hint),
        None => error.hint("sites are named like \"blocks.3.hook_resid_post\" or \"blocks.*.attn.hook_z\""),
    }
}

/// Chooses sites by name; `*` stands for any run of characters: `blocks.*.hook_mlp_out`, `*.hook_z`.
#[derive(Debug, Clone)]
pub struct SiteGlob(glob::Pattern);

impl SiteGlob {
    /// True where the glob names `site`.
    pub fn matches(&self, site: &Site) -> bool {
        self.0.matches(&site.to_string())
    }

    /// The sites among `sites` that the glob names.
    ///
    /// # Errors
    /// Where it names none: a glob that selects nothing is a mistake, with the nearest name as a hint.
    pub fn select(&self, sites: &[Site]) -> Result<Vec<Site>> {
        let chosen: Vec<Site> = sites.iter().copied().filter(|site| self.matches(site)).collect();
        if !chosen.is_empty() {
            return Ok(chosen);
        }
        let text = self.0.as_str();
        if let Ok(site) = text.parse::<Site>() {
            let layers = sites.iter().filter_map(|site| site.layer).max().map_or(0, |last| last + 1);
            return Err(match site.layer {
                Some(layer) if layer >= layers => Error::new(format!("there is no site \"{text}\""))
                    .hint(format!("this model has {layers} layers: 0–{}", layers.saturating_sub(1))),
                _ => Error::new(format!("this model has no site \"{text}\"")),
            });
        }
        let name = match text.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) {
            Some((_, name)) => name,
            None => text.strip_prefix("*.").unwrap_or(text),
        };
        let nearest = sites.iter().map(|site| site.point.name());
        let error = Error::new(format!("no site matches \"{text}\""));
        Err(match did_you_mean(name, nearest) {
            Some(hint) => error.hint(hint),
            None => {
                error.hint("sites are named like \"blocks.3.hook_resid_post\" or \"blocks.*.attn.hook_z\"")
            }
        })
    }
}

impl FromStr for SiteGlob {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        glob::Pattern::new(text)
            .map(Self)
            .map_err(|error| Error::new(format!("\"{text}\" is no site pattern: {}", error.msg)))
    }
}

impl fmt::Display for SiteGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_round_trip(index in 0..Point::ALL.len(), layer in 0usize..1000) {
            let point = Point::ALL[index];
            let site = Site { layer: point.in_block().then_some(layer), point };
            prop_assert_eq!(site.to_string().parse::<Site>().unwrap(), site);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<Site>();
            let _ = text.parse::<SiteGlob>();
        }
    }

    #[test]
    fn a_glob_selects_by_name() {
        let sites: Vec<Site> =
            (0..3).flat_map(|l| [Site::block(l, Point::Z), Site::block(l, Point::MlpOut)]).collect();
        let select = |glob: &str| glob.parse::<SiteGlob>().unwrap().select(&sites);
        assert_eq!(select("*.hook_z").unwrap().len(), 3);
        assert_eq!(select("blocks.1.*").unwrap().len(), 2);
        assert_eq!(select("blocks.7.hook_mlp_out").unwrap_err().help(), Some("this model has 3 layers: 0–2"));
        assert_eq!(
            select("blocks.*.hook_mlp_ot").unwrap_err().help(),
            Some("did you mean \"hook_mlp_out\"?")
        );
    }

    #[test]
    fn a_misplaced_name_says_where_it_lies() {
        let hint = |text: &str| text.parse::<Site>().unwrap_err().help().unwrap().to_string();
        assert_eq!(hint("hook_mlp_out"), "it lies in a block: \"blocks.0.hook_mlp_out\"");
        assert_eq!(hint("blocks.0.hook_embed"), "it lies outside the blocks: \"hook_embed\"");
    }
}
