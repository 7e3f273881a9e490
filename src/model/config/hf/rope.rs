//! The rotary part of a `config.json`, in the shapes of transformers 4 and 5.
//!
//! Version 4 writes `rope_theta` and `rope_scaling: {type | rope_type, factor, …}` beside the other
//! fields; version 5 writes `rope_parameters: {rope_theta, rope_type, …}`, or one such object for
//! each kind of attention.

use super::fields::Fields;
use crate::error::{Error, Result};
use crate::model::config::{RopeConfig, RopeScaling};

/// The rotary table that all layers share.
///
/// `partial` is the share of a head that is rotated where the file does not say; `None` where the
/// family rotates whole heads and knows no such field.
pub(super) fn shared(json: Fields, d_head: usize, partial: Option<f64>) -> Result<RopeConfig> {
    let parameters = json.object("rope_parameters")?;
    let scaling = json.object("rope_scaling")?.or(parameters);
    let theta = match parameters.map(|p| p.positive("rope_theta")).transpose()?.flatten() {
        Some(theta) => Some(theta),
        None => json.positive("rope_theta")?.or(json.positive("rotary_emb_base")?),
    };
    let share = match parameters.map(|p| p.number("partial_rotary_factor")).transpose()?.flatten() {
        Some(share) => Some(share),
        None => json.number("partial_rotary_factor")?.or(json.number("rotary_pct")?),
    };
    Ok(RopeConfig {
        theta: theta.unwrap_or(10_000.0),
        d_rotary: rotated(d_head, share, partial)?,
        scaling: scaling.map(read_scaling).transpose()?.unwrap_or(RopeScaling::None),
    })
}

/// Gemma 3's two tables: sliding layers, then global ones.
pub(super) fn by_attention(json: Fields, d_head: usize) -> Result<[RopeConfig; 2]> {
    let parameters = json.object("rope_parameters")?;
    let table = |kind: &str, theta: &str, default: f64, scaling: Option<Fields>| -> Result<RopeConfig> {
        let own = parameters.map(|p| p.object(kind)).transpose()?.flatten();
        let stated = own.map(|p| p.positive("rope_theta")).transpose()?.flatten();
        Ok(RopeConfig {
            theta: match stated {
                Some(theta) => theta,
                None => json.positive_or(theta, default)?,
            },
            d_rotary: d_head,
            scaling: scaling.or(own).map(read_scaling).transpose()?.unwrap_or(RopeScaling::None),
        })
    };
    Ok([
        table("sliding_attention", "rope_local_base_freq", 10_000.0, None)?,
        // A scaling beside the other fields stretches global layers alone.
        table("full_attention", "rope_theta", 1_000_000.0, json.object("rope_scaling")?)?,
    ])
}

fn rotated(d_head: usize, share: Option<f64>, partial: Option<f64>) -> Result<usize> {
    let share = match (share, partial) {
        (Some(share), Some(_)) => share,
        (None, default) => default.unwrap_or(1.0),
        (Some(1.0), None) => 1.0,
        (Some(share), None) => {
            return Err(Error::new(format!(
                "partial_rotary_factor is {share}, but this family rotates whole heads"
            )));
        }
    };
    if !(share > 0.0 && share <= 1.0) {
        return Err(Error::new(format!(
            "the rotated share of a head is {share}, expected above 0 and up to 1"
        )));
    }
    Ok((d_head as f64 * share) as usize)
}

fn read_scaling(json: Fields) -> Result<RopeScaling> {
    let kind = match json.text("rope_type")? {
        Some(kind) => Some(kind),
        None => json.text("type")?,
    };
    match kind.unwrap_or("default") {
        "default" => Ok(RopeScaling::None),
        "linear" => Ok(RopeScaling::Linear { factor: json.required("factor")? }),
        "llama3" => {
            let (low, high) = (json.required("low_freq_factor")?, json.required("high_freq_factor")?);
            if high <= low {
                return Err(Error::new(format!(
                    "high_freq_factor is {high}, expected more than low_freq_factor, which is {low}"
                )));
            }
            Ok(RopeScaling::Llama3 {
                factor: json.required("factor")?,
                low_freq_factor: low,
                high_freq_factor: high,
                original_context: json.required("original_max_position_embeddings")?,
            })
        }
        other => Err(Error::new(format!(
            "rope scaling \"{other}\" is not supported, expected default, linear or llama3"
        ))),
    }
}
