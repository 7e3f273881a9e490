//! What is put in the place of a patched value.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::forest::Nodes;
use super::record::Recording;
use crate::error::{Error, Result};
use crate::model::site::Site;

/// What is put in the place of a patched value.
pub enum Values {
    /// What another run held at the corresponding node. It may be the clean run itself, with the source's
    /// rows after the prompts'.
    Run {
        /// The run.
        run: Arc<Recording>,
        /// Its first row of the source.
        first_row: usize,
    },
    /// Zeros.
    Zero,
    /// One value a site, [1, …], for all positions.
    Mean(HashMap<Site, Tensor>),
    /// A tensor that broadcasts to one position's value.
    Fixed(Tensor),
    /// The value itself plus a tensor that broadcasts to it.
    Add(Tensor),
}

impl Values {
    /// `own` [node, …] with the patched nodes' values put in, at the given heads or neurons.
    ///
    /// # Errors
    /// Where a given tensor does not broadcast to the value.
    pub fn patched(
        &self,
        own: &Tensor,
        site: Site,
        indices: &[Option<usize>],
        nodes: &Nodes,
    ) -> Result<Tensor> {
        let put_in = match self {
            Self::Run { run, .. } => run.get(site)?.index_select(&nodes.source, 0)?,
            Self::Zero => own.zeros_like()?,
            Self::Mean(means) => means
                .get(&site)
                .ok_or_else(|| Error::new(format!("the mean of {site} was not recorded")))?
                .broadcast_as(own.shape())?,
            Self::Fixed(tensor) => fitted(tensor, own)?,
            Self::Add(tensor) => (own + fitted(tensor, own)?)?,
        };
        replace(own, &put_in.to_dtype(own.dtype())?, indices, nodes)
    }
}

fn fitted(tensor: &Tensor, own: &Tensor) -> Result<Tensor> {
    let tensor = tensor.to_device(own.device())?.to_dtype(own.dtype())?;
    tensor.broadcast_as(own.shape()).map_err(|_| {
        Error::new(format!(
            "the source has shape {:?}, a position's value {:?}",
            tensor.dims(),
            &own.dims()[1..]
        ))
        .hint("a fixed source must broadcast to the value at one position")
    })
}

/// `own` [node, …] with `put_in` at the patched nodes and the given heads or neurons (all, for `None`).
pub fn replace(own: &Tensor, put_in: &Tensor, indices: &[Option<usize>], nodes: &Nodes) -> Result<Tensor> {
    let chosen: Option<Vec<usize>> = indices.iter().copied().collect();
    if chosen.is_none() && nodes.is_patched.iter().all(|&is_patched| is_patched) {
        return Ok(put_in.contiguous()?);
    }
    let mut shape = vec![1; own.rank()];
    shape[0] = nodes.len;
    let rows: Vec<u8> = nodes.is_patched.iter().map(|&is_patched| u8::from(is_patched)).collect();
    let mut mask = Tensor::from_vec(rows, shape, own.device())?;
    if let Some(chosen) = chosen {
        let count = own.dim(1)?;
        let mut columns = vec![0u8; count];
        chosen.into_iter().filter(|&index| index < count).for_each(|index| columns[index] = 1);
        let mut shape = vec![1; own.rank()];
        shape[1] = count;
        mask = mask.broadcast_mul(&Tensor::from_vec(columns, shape, own.device())?.to_dtype(DType::U8)?)?;
    }
    Ok(mask.broadcast_as(own.shape())?.where_cond(put_in, own)?)
}
