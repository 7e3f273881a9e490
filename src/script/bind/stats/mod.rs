//! Statistics in scripts.

mod activations;
mod convert;
mod correlations;
mod counts;
mod effects;
mod means;
mod ranks;
mod resampling;

use crate::script::bind::Room;

/// The stats room.
pub static ROOM: Room = Room {
    name: "stats",
    about: "Tests, effect sizes, intervals, corrections, similarity, principal components, clusters and power.",
    parts: &[
        &means::means::RHAI_MANIFEST,
        &ranks::ranks::RHAI_MANIFEST,
        &counts::counts::RHAI_MANIFEST,
        &resampling::resampling::RHAI_MANIFEST,
        &correlations::correlations::RHAI_MANIFEST,
        &effects::effects::RHAI_MANIFEST,
        &activations::activations::RHAI_MANIFEST,
    ],
};
