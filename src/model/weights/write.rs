//! Weights under the names, and in the layouts, of Hugging Face files.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Tensor};

use super::arrange::Arrange;
use super::names::{Name, hugging_face};
use crate::error::{Error, Result};
use crate::model::config::ArchConfig;

/// The weights as a family's safetensors hold them, in `dtype`, by name.
///
/// # Errors
/// A weight that is missing; where memory is.
pub fn stored(
    config: &ArchConfig,
    weights: Vec<(String, Tensor)>,
    dtype: DType,
) -> Result<BTreeMap<String, Tensor>> {
    let naming = hugging_face(&config.family);
    let prefix = naming.prefixes.first().copied().unwrap_or_default();
    let weights: HashMap<String, Tensor> = weights.into_iter().collect();
    let mut out: BTreeMap<String, Tensor> = BTreeMap::new();
    for part in ["weight", "bias"] {
        for name in first_names(naming.outer) {
            if let Some(tensor) = weights.get(&format!("{}.{part}", name.canonical)) {
                let prefix = if name.bare { "" } else { prefix };
                out.insert(format!("{prefix}{}.{part}", name.stored), tensor.to_dtype(dtype)?);
            }
        }
        for layer in 0..config.n_layers() {
            let place = format!("{prefix}{}", naming.layer.replace('#', &layer.to_string()));
            let weight = |name: &Name| weights.get(&format!("blocks.{layer}.{}.{part}", name.canonical));
            let mut thirds: BTreeMap<&str, Vec<(Arrange, Tensor)>> = BTreeMap::new();
            for name in naming.inner {
                let Some(tensor) = weight(name) else { continue };
                let stored = format!("{place}{}.{part}", name.stored);
                match name.arrange {
                    Arrange::AsIs => drop(out.insert(stored, tensor.to_dtype(dtype)?)),
                    Arrange::Transposed if tensor.rank() == 2 => {
                        out.insert(stored, tensor.t()?.contiguous()?.to_dtype(dtype)?);
                    }
                    Arrange::Transposed => drop(out.insert(stored, tensor.to_dtype(dtype)?)),
                    Arrange::TransposedThird(_) | Arrange::HeadThird(_) => {
                        thirds.entry(name.stored).or_default().push((name.arrange, tensor.clone()));
                    }
                    Arrange::Interleaved => {
                        return Err(Error::new(format!("{stored} has a layout of GGUF files alone")));
                    }
                }
            }
            for (name, parts) in thirds {
                out.insert(format!("{place}{name}.{part}"), fused(parts, config.d_head)?.to_dtype(dtype)?);
            }
        }
    }
    Ok(out)
}

/// The names to write: of several for one weight the first.
fn first_names(names: &'static [Name]) -> impl Iterator<Item = &'static Name> {
    names.iter().enumerate().filter_map(move |(index, name)| {
        let is_first = names[..index].iter().all(|earlier| earlier.canonical != name.canonical);
        is_first.then_some(name)
    })
}

/// Queries, keys and values as one tensor.
fn fused(mut parts: Vec<(Arrange, Tensor)>, d_head: usize) -> Result<Tensor> {
    let third = |arrange: &Arrange| match arrange {
        Arrange::TransposedThird(third) | Arrange::HeadThird(third) => *third,
        _ => 0,
    };
    parts.sort_by_key(|(arrange, _)| third(arrange));
    let by_heads = matches!(parts.first(), Some((Arrange::HeadThird(_), _)));
    let tensors: Vec<Tensor> = parts.into_iter().map(|(_, tensor)| tensor).collect();
    if !by_heads {
        let whole = Tensor::cat(&tensors, 0)?;
        return Ok(if whole.rank() == 2 { whole.t()?.contiguous()? } else { whole });
    }
    // [head, d_head, …] of each, stacked to [head, 3, d_head, …].
    let heads = tensors
        .iter()
        .map(|tensor| {
            let mut shape = vec![tensor.dims()[0] / d_head, d_head];
            shape.extend_from_slice(&tensor.dims()[1..]);
            tensor.reshape(shape)
        })
        .collect::<candle_core::Result<Vec<_>>>()?;
    let whole = Tensor::stack(&heads, 1)?;
    let mut shape = vec![whole.dims()[..3].iter().product()];
    shape.extend_from_slice(&whole.dims()[3..]);
    Ok(whole.reshape(shape)?)
}
