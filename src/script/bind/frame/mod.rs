//! Tables in scripts.

mod files;
mod groups;
mod rows;
mod values;

use crate::script::bind::Room;
use crate::script::value::script_value;

/// The frame room.
pub static ROOM: Room = Room {
    name: "frame",
    about: "Tables: building, selecting, sorting, grouping, joining, reshaping, CSV and Parquet.",
    parts: &[
        &values::values::RHAI_MANIFEST,
        &rows::rows::RHAI_MANIFEST,
        &groups::groups::RHAI_MANIFEST,
        &files::files::RHAI_MANIFEST,
    ],
};

script_value! { crate::frame::Frame: "a frame" }
