//! What a test is asked, and what it answers.

use std::fmt;

use crate::error::{Error, Result};

/// Which deviations from the null hypothesis count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alternative {
    /// Both directions.
    #[default]
    TwoSided,
    /// The quantity is less than under the null hypothesis; of two samples, `a` less than `b`.
    Less,
    /// The quantity is greater.
    Greater,
}

impl Alternative {
    /// Name and value of each.
    pub const ALL: [(&'static str, Self); 3] =
        [("two-sided", Self::TwoSided), ("less", Self::Less), ("greater", Self::Greater)];
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TwoSided => "two-sided",
            Self::Less => "less",
            Self::Greater => "greater",
        })
    }
}

/// The direction of a test and the confidence of its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    alternative: Alternative,
    confidence: f64,
}

/// Two-sided, confidence 0.95.
impl Default for Settings {
    fn default() -> Self {
        Self { alternative: Alternative::TwoSided, confidence: 0.95 }
    }
}

impl Settings {
    /// A direction, and a confidence between 0 and 1.
    ///
    /// # Errors
    /// The confidence does not lie between 0 and 1.
    pub fn new(alternative: Alternative, confidence: f64) -> Result<Self> {
        check_confidence(confidence)?;
        Ok(Self { alternative, confidence })
    }

    /// Which deviations count.
    pub fn alternative(self) -> Alternative {
        self.alternative
    }

    /// How sure the interval is.
    pub fn confidence(self) -> f64 {
        self.confidence
    }

    /// What lies outside the interval, at each end where it has two.
    pub(super) fn outside(self) -> f64 {
        let outside = 1.0 - self.confidence;
        if self.alternative == Alternative::TwoSided { 0.5 * outside } else { outside }
    }

    /// The interval from the ends that a two-sided one of [`Self::outside`] at each end has: a one-sided one
    /// reaches to `least` or `most`, the end of what is possible.
    pub(super) fn interval(self, low: f64, high: f64, least: f64, most: f64) -> Interval {
        let (low, high) = match self.alternative {
            Alternative::TwoSided => (low, high),
            Alternative::Less => (least, high),
            Alternative::Greater => (low, most),
        };
        Interval { low, high, confidence: self.confidence }
    }
}

/// # Errors
/// `confidence` does not lie between 0 and 1.
pub(super) fn check_confidence(confidence: f64) -> Result<()> {
    if confidence > 0.0 && confidence < 1.0 {
        return Ok(());
    }
    Err(Error::new(format!("expected a confidence between 0 and 1, found {confidence}"))
        .hint("95 percent is 0.95"))
}

/// How a p-value is found, where there are two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Approach {
    /// Exact where the sample is small, else the other; each test says where it changes.
    #[default]
    Auto,
    /// By counting the arrangements that are equally likely under the null hypothesis.
    Exact,
    /// By the normal approximation.
    Asymptotic,
}

impl Approach {
    /// Name and value of each.
    pub const ALL: [(&'static str, Self); 3] =
        [("auto", Self::Auto), ("exact", Self::Exact), ("asymptotic", Self::Asymptotic)];
}

/// How many arrangements a Monte Carlo test draws, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// Arrangements that are drawn.
    pub count: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// Draws even where all arrangements could be counted.
    pub always: bool,
}

/// 9,999 draws from seed 0, where not all arrangements can be counted.
impl Default for Draws {
    fn default() -> Self {
        Self { count: 9_999, seed: 0, always: false }
    }
}

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end; −∞ or the least possible value where it has none.
    pub low: f64,
    /// Its upper end; ∞ or the greatest possible value where it has none.
    pub high: f64,
    /// The share of such intervals that hold the true value.
    pub confidence: f64,
}

/// An estimated quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// How it was found: `"Hedges' g"`.
    pub method: &'static str,
    /// Its value.
    pub value: f64,
    /// Its confidence interval, where there is one.
    pub interval: Option<Interval>,
    /// Observations it rests on, or pairs of them.
    pub n: usize,
    /// Observations of the two samples, where there are two.
    pub sizes: Option<(usize, usize)>,
}

/// The result of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// The name of the test, with what was chosen: `"Wilcoxon signed-rank test (exact)"`.
    pub method: String,
    /// Which deviations counted; `None` where the test has no direction.
    pub alternative: Option<Alternative>,
    /// The test statistic.
    pub statistic: f64,
    /// Degrees of freedom, where the statistic has them; of F, those between groups.
    pub df: Option<f64>,
    /// Of F, the degrees of freedom within groups.
    pub df_within: Option<f64>,
    /// The p-value.
    pub p: f64,
    /// The estimated effect, where the test has one.
    pub estimate: Option<f64>,
    /// What the estimate is: `"difference of means"`; empty where there is none.
    pub estimate_of: &'static str,
    /// A confidence interval of the estimate, where there is one.
    pub interval: Option<Interval>,
    /// Observations, or pairs of them, that were given.
    pub n: usize,
    /// Observations of the two samples, where there are two.
    pub sizes: Option<(usize, usize)>,
}

impl Test {
    /// A test with a statistic and a p-value; the rest is added.
    pub(super) fn new(method: impl Into<String>, statistic: f64, p: f64, n: usize) -> Self {
        Self {
            method: method.into(),
            alternative: None,
            statistic,
            df: None,
            df_within: None,
            p,
            estimate: None,
            estimate_of: "",
            interval: None,
            n,
            sizes: None,
        }
    }

    pub(super) fn directed(mut self, settings: Settings) -> Self {
        self.alternative = Some(settings.alternative);
        self
    }

    pub(super) fn df(mut self, df: f64) -> Self {
        self.df = Some(df);
        self
    }

    pub(super) fn estimate(mut self, of: &'static str, value: f64) -> Self {
        (self.estimate, self.estimate_of) = (Some(value), of);
        self
    }

    pub(super) fn interval(mut self, interval: Interval) -> Self {
        self.interval = Some(interval);
        self
    }

    pub(super) fn sizes(mut self, a: usize, b: usize) -> Self {
        self.sizes = Some((a, b));
        self
    }
}
