//! A cell of a sweep: what is patched in one run.

use super::part::Part;
use super::receiver::{self, Receiver};
use super::wave::{Stage, clean_sites, source_sites};
use crate::model::config::ArchConfig;
use crate::model::site::{Point, Site};

/// Parts and positions that are patched together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cell {
    /// What is patched.
    pub parts: Vec<Part>,
    /// Which of the sweep's spots.
    pub spot: usize,
    /// In path patching what alone reads the parts' change, everything between the two frozen. Where it is
    /// empty the change goes everywhere.
    pub receivers: Vec<Receiver>,
}

impl Cell {
    /// Parts that are patched together at one of the sweep's spots.
    pub fn new(parts: Vec<Part>, spot: usize) -> Self {
        Self { parts, spot, receivers: Vec::new() }
    }

    /// A path from senders, patched at one of the sweep's spots, to receivers.
    pub fn path(senders: Vec<Part>, receivers: Vec<Receiver>, spot: usize) -> Self {
        Self { parts: senders, spot, receivers }
    }

    /// The names of its parts, joined by `+`; of a path also those of its receivers: `L1H0+L2_MLP -> L5H3.q`.
    pub fn name(&self) -> String {
        match self.is_path() {
            true => format!("{} -> {}", joined(&self.parts), joined(&self.receivers)),
            false => joined(&self.parts),
        }
    }

    /// True where only chosen receivers read the change.
    pub fn is_path(&self) -> bool {
        !self.receivers.is_empty()
    }

    /// Where its first patch takes effect.
    pub(super) fn entry(&self, config: &ArchConfig) -> Option<(usize, Stage)> {
        let received = receiver::parts_of(&self.receivers, config);
        let parts = if self.is_path() { &received } else { &self.parts };
        parts.iter().map(|part| (part.layer, Stage::of(part.point))).min()
    }

    /// The sites of the clean run and of the source that it needs.
    pub(super) fn needed(&self, config: &ArchConfig) -> Vec<Site> {
        let clean = self.entry(config).into_iter().flat_map(|(layer, stage)| clean_sites(layer, stage));
        let sent = match self.is_path() {
            true => receiver::sites(&self.parts, &self.receivers, config),
            false => Vec::new(),
        };
        clean.chain(self.parts.iter().flat_map(source_sites)).chain(sent).collect()
    }

    pub(super) fn place(&self) -> Place {
        (self.spot, self.by_pattern())
    }

    fn by_pattern(&self) -> bool {
        self.parts.iter().any(|part| part.point == Point::Pattern)
    }
}

/// On what a cell's forest depends: its spot, and whether it patches patterns.
pub type Place = (usize, bool);

/// Names joined by `+`.
pub fn joined(names: &[impl ToString]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join("+")
}
