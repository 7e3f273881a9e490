//! Path patching as its definition says it, in whole forwards: one with everything frozen but the sender, which
//! shows what the receivers make of it, and one with the receivers patched. The fast engine is held equal to it.

use std::collections::{HashMap, HashSet};

use candle_core::Tensor;

use super::Cell;
use super::naive::{PlainPatch, PlainValues, PutIn, logits, mask, run_apart, run_plain};
use super::part::Part;
use super::plan::Plan;
use super::receiver::{parts_of, writes};
use crate::error::{Error, Result};
use crate::interp::cache::Cache;
use crate::interp::metric::Table;
use crate::model::activation::Activation;
use crate::model::pass::Read;
use crate::model::site::{Point, Site};
use crate::model::tap::Tap;

/// What everything is frozen to: the clean run's values that the paths of `cells` need.
///
/// # Errors
/// Where the forward fails.
pub fn run_clean(plan: &Plan, cells: &[Cell]) -> Result<Cache> {
    let config = plan.model.decoder().config();
    let layers = 0..config.n_layers();
    let added = layers.flat_map(|layer| [Point::AttnOut, Point::MlpOut].map(|p| Site::block(layer, p)));
    let senders = cells.iter().flat_map(|cell| &cell.parts).map(Part::site);
    let sites = added.chain(senders).chain([Site::block(config.n_layers() - 1, Point::ResidPost)]);
    run_apart(plan.model, plan.scoring.sequences(), sites)
}

/// The logits at the metric's reads with the receivers of `cell` reading its sender, patched at `put_in`.
///
/// # Errors
/// Where a value does not fit, or a forward fails.
pub fn run_path(
    plan: &Plan,
    values: &PlainValues,
    clean: &Cache,
    cell: &Cell,
    put_in: &PutIn,
) -> Result<Table> {
    let parts = parts_of(&cell.receivers, plan.model.decoder().config());
    let sender = PlainPatch { values, parts: &cell.parts, put_in };
    let sites = parts.iter().map(Part::site).collect();
    let mut frozen = Frozen { sender, clean, receivers: sites, received: HashMap::new() };
    run_plain(plan, &mut frozen, Read::Nothing)?;
    let mut received = Received { parts: &parts, put_in, values: frozen.received };
    logits(plan.model, &plan.scoring, &mut received)
}

/// Freezes what every layer adds to the clean run's, but for the sender's, and keeps what receivers hold.
struct Frozen<'a> {
    sender: PlainPatch<'a>,
    clean: &'a Cache,
    receivers: HashSet<Site>,
    /// At the end of the residual stream the change alone.
    received: HashMap<Site, Tensor>,
}

impl Frozen<'_> {
    fn is_sent(&self, site: &Site) -> bool {
        self.sender.parts.iter().any(|part| part.site() == *site)
    }

    /// True where a sender patches heads or neurons of the part of a layer that adds at `out`.
    fn is_sent_through(&self, out: &Site) -> bool {
        self.sender.parts.iter().any(|part| {
            part.site() != *out && Some(part.layer) == out.layer && writes(part.point) == out.point
        })
    }
}

impl Tap for Frozen<'_> {
    fn wants(&self, site: &Site) -> bool {
        matches!(site.point, Point::AttnOut | Point::MlpOut)
            || self.is_sent(site)
            || self.receivers.contains(site)
    }

    fn edits(&self) -> bool {
        true
    }

    fn visit(&mut self, site: &Site, value: &Activation) -> Result<Option<Tensor>> {
        let computed = value.tensor()?;
        if self.receivers.contains(site) {
            let kept = match site.point {
                Point::ResidPost => (&computed - self.clean.get(site)?)?,
                _ => computed.clone(),
            };
            self.received.insert(*site, kept);
        }
        let adds = matches!(site.point, Point::AttnOut | Point::MlpOut);
        if !adds && !self.is_sent(site) {
            return Ok(None);
        }
        let value = if adds && self.is_sent_through(site) { computed } else { self.clean.get(site)? };
        Ok(Some(if self.is_sent(site) { self.sender.patched(site, &value)? } else { value }))
    }
}

/// Puts in what the receivers held.
struct Received<'a> {
    parts: &'a [Part],
    put_in: &'a PutIn,
    values: HashMap<Site, Tensor>,
}

impl Tap for Received<'_> {
    fn wants(&self, site: &Site) -> bool {
        self.parts.iter().any(|part| part.site() == *site)
    }

    fn edits(&self) -> bool {
        true
    }

    fn visit(&mut self, site: &Site, value: &Activation) -> Result<Option<Tensor>> {
        let current = value.tensor()?;
        let received =
            self.values.get(site).ok_or_else(|| Error::new(format!("nothing was received at {site}")))?;
        let put_in = match site.point {
            Point::ResidPost => (&current + received)?,
            _ => received.clone(),
        };
        let mask = mask(self.parts, self.put_in, site, &current)?;
        Ok(Some(mask.broadcast_as(current.shape())?.where_cond(&put_in, &current)?))
    }
}
