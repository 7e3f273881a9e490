//! Taps: what looks at or edits values during a forward.
//!
//! A cache, a patch, an ablation, a steering vector and a script's closure are all taps. A forward asks
//! one tap; [`Taps`] makes one of many, in order.

use candle_core::Tensor;

use super::activation::Activation;
use super::site::Site;
use crate::error::Result;

/// Looks at, or edits, values during a forward.
pub trait Tap {
    /// True where the tap wants to visit `site`. A site that no tap wants may never be computed.
    fn wants(&self, site: &Site) -> bool;

    /// True where the tap may replace what `site` holds. Rows that begin alike are then computed apart.
    fn edits(&self) -> bool {
        false
    }

    /// Sees the value at `site` and may give another for it, in the same axes.
    ///
    /// # Errors
    /// An error ends the forward.
    fn visit(&mut self, site: &Site, value: &Activation) -> Result<Option<Tensor>>;
}

/// The tap that wants nothing.
pub struct NoTap;

impl Tap for NoTap {
    fn wants(&self, _: &Site) -> bool {
        false
    }

    fn visit(&mut self, _: &Site, _: &Activation) -> Result<Option<Tensor>> {
        Ok(None)
    }
}

/// Several taps, asked in order: each sees what the ones before it left.
#[derive(Default)]
pub struct Taps<'a>(Vec<&'a mut dyn Tap>);

impl<'a> Taps<'a> {
    /// Taps in the order given.
    pub fn new(taps: Vec<&'a mut dyn Tap>) -> Self {
        Self(taps)
    }
}

impl Tap for Taps<'_> {
    fn wants(&self, site: &Site) -> bool {
        self.0.iter().any(|tap| tap.wants(site))
    }

    fn edits(&self) -> bool {
        self.0.iter().any(|tap| tap.edits())
    }

    fn visit(&mut self, site: &Site, value: &Activation) -> Result<Option<Tensor>> {
        let mut current = value.clone();
        let mut replaced = None;
        for tap in self.0.iter_mut().filter(|tap| tap.wants(site)) {
            if let Some(replacement) = tap.visit(site, &current)? {
                current = current.with(&replacement)?;
                replaced = Some(replacement);
            }
        }
        Ok(replaced)
    }
}
