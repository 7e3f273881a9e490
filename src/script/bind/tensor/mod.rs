//! Tensors in scripts.

mod convert;
mod files;
mod functions;
mod make;
mod operators;
mod reductions;

pub use convert::from_arrays;

use crate::script::bind::Room;

/// The tensor room.
pub static ROOM: Room = Room {
    name: "tensor",
    about: "Numbers along axes: creation, indexing, arithmetic, reductions, files.",
    parts: &[
        &make::make::RHAI_MANIFEST,
        &operators::add::RHAI_MANIFEST,
        &operators::subtract::RHAI_MANIFEST,
        &operators::multiply::RHAI_MANIFEST,
        &operators::divide::RHAI_MANIFEST,
        &operators::equal::RHAI_MANIFEST,
        &operators::not_equal::RHAI_MANIFEST,
        &operators::less::RHAI_MANIFEST,
        &operators::less_or_equal::RHAI_MANIFEST,
        &operators::greater::RHAI_MANIFEST,
        &operators::greater_or_equal::RHAI_MANIFEST,
        &operators::others::RHAI_MANIFEST,
        &functions::functions::RHAI_MANIFEST,
        &reductions::reductions::RHAI_MANIFEST,
        &files::files::RHAI_MANIFEST,
    ],
};
