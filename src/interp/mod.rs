//! What one does with a decoder: caches, metrics, attribution, lenses, interventions.

pub mod attention;
pub mod attribution;
pub mod cache;
pub mod component;
pub mod intervene;
pub mod lens;
pub mod metric;
pub mod positions;
pub mod sweep;
