//! Low-rank paths beside frozen weights: y = m ⊙ (x · Wᵀ + s · (x · Aᵀ) · Bᵀ) + b
//!
//! LoRA (Hu and others, 2021) has no m. DoRA (Liu and others, 2024) has m = magnitude / ‖W + s·B·A‖, one
//! factor for each output, with the norm over the row and held constant for gradients, as peft does.
//! The path is float32 whatever the weight is.

use candle_core::{DType, Tensor};

use super::block::Block;
use super::decoder::Decoder;
use super::linear::Linear;
use crate::error::{Context, Error, Result};
use crate::interrupt;

/// A change of rank r of a weight [out, in]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SidePath {
    /// A: [r, in]
    a: Tensor,
    /// B: [out, r]
    b: Tensor,
    /// s
    scale: f64,
    magnitude: Option<Magnitude>,
}

/// DoRA's factor of each output.
#[derive(Debug, Clone)]
struct Magnitude {
    /// [out]
    weight: Tensor,
    /// ‖W + s·B·A‖ of the weight that the path was laid beside, [out]; not kept while A or B are trained.
    norm: Option<Tensor>,
}

impl SidePath {
    /// The path of A [r, in], B [out, r] and s; with DoRA's magnitude [out] where there is one.
    ///
    /// # Errors
    /// Shapes that do not fit each other, or rank 0.
    pub fn new(a: Tensor, b: Tensor, scale: f64, magnitude: Option<Tensor>) -> Result<Self> {
        let (rank, _) = a.dims2().within(|| "A")?;
        let (out, columns) = b.dims2().within(|| "B")?;
        if rank == 0 || rank != columns {
            return Err(Error::new(format!(
                "A {:?} and B {:?} make no path, expected [r, in] and [out, r] with r of 1 or more",
                a.dims(),
                b.dims()
            )));
        }
        if let Some(magnitude) = &magnitude
            && magnitude.dims() != [out]
        {
            return Err(Error::new(format!("a magnitude {:?}, expected [{out}]", magnitude.dims())));
        }
        let single = |tensor: Tensor| tensor.to_dtype(DType::F32);
        let magnitude = match magnitude {
            Some(weight) => Some(Magnitude { weight: single(weight)?, norm: None }),
            None => None,
        };
        Ok(Self { a: single(a)?, b: single(b)?, scale, magnitude })
    }

    /// The path beside `weight`: on its device, with DoRA's norm computed once where nothing is trained.
    ///
    /// # Errors
    /// A weight of another shape; a row of W + s·B·A without a direction.
    fn beside(&self, weight: &Tensor) -> Result<Self> {
        let (out, input) = weight.dims2()?;
        let (rank, _) = self.a.dims2()?;
        if self.a.dims() != [rank, input] || self.b.dims() != [out, rank] {
            return Err(Error::new(format!(
                "A {:?} and B {:?}, expected [{rank}, {input}] and [{out}, {rank}] beside a weight [{out}, {input}]",
                self.a.dims(),
                self.b.dims()
            )));
        }
        let device = weight.device();
        let mut path = Self {
            a: self.a.to_device(device)?,
            b: self.b.to_device(device)?,
            scale: self.scale,
            magnitude: None,
        };
        if let Some(Magnitude { weight: magnitude, .. }) = &self.magnitude {
            let norm = match path.a.track_op() || path.b.track_op() {
                true => None,
                false => Some(path.norm(weight)?),
            };
            if let Some(norm) = &norm
                && norm.min(0)?.to_scalar::<f32>()? <= 0.0
            {
                return Err(Error::new("a row of the changed weight is zero and has no direction for DoRA"));
            }
            path.magnitude = Some(Magnitude { weight: magnitude.to_device(device)?, norm });
        }
        Ok(path)
    }

    /// Adds the path to `y` = x · Wᵀ [node, out], without the bias; `x` is [node, in], `weight` W [out, in].
    /// The sum is float32 and then rounded to y's dtype.
    pub fn apply(&self, y: Tensor, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let dtype = y.dtype();
        let low = (x.to_dtype(DType::F32)?.matmul(&self.a.t()?)? * self.scale)?;
        let y = (y.to_dtype(DType::F32)? + low.matmul(&self.b.t()?)?)?;
        let y = match self.factor(weight)? {
            Some(factor) => y.broadcast_mul(&factor)?,
            None => y,
        };
        Ok(y.to_dtype(dtype)?)
    }

    /// The changed weight [out, in]: m ⊙ (W + s·B·A), computed in float32 and rounded to W's dtype.
    pub fn merge_into(&self, weight: &Tensor) -> Result<Tensor> {
        let changed = self.changed(weight)?;
        let changed = match self.factor(weight)? {
            Some(factor) => changed.broadcast_mul(&factor.unsqueeze(1)?)?,
            None => changed,
        };
        Ok(changed.to_dtype(weight.dtype())?)
    }

    /// The path's own numbers: r · (in + out), and DoRA's out.
    pub fn n_parameters(&self) -> usize {
        let magnitude = self.magnitude.as_ref().map_or(0, |magnitude| magnitude.weight.elem_count());
        self.a.elem_count() + self.b.elem_count() + magnitude
    }

    /// W + s·B·A in float32.
    fn changed(&self, weight: &Tensor) -> Result<Tensor> {
        Ok((weight.to_dtype(DType::F32)? + (self.b.matmul(&self.a)? * self.scale)?)?)
    }

    /// ‖W + s·B·A‖ of each row, [out], a constant to gradients.
    fn norm(&self, weight: &Tensor) -> Result<Tensor> {
        Ok(self.changed(&weight.detach())?.detach().sqr()?.sum(1)?.sqrt()?)
    }

    /// m, [out].
    fn factor(&self, weight: &Tensor) -> Result<Option<Tensor>> {
        let Some(Magnitude { weight: magnitude, norm }) = &self.magnitude else { return Ok(None) };
        let factor = match norm {
            Some(norm) => magnitude.div(norm)?,
            None => magnitude.div(&self.norm(weight)?)?,
        };
        Ok(Some(factor))
    }
}

impl Decoder {
    /// This decoder with side paths beside the named projections (`blocks.3.attn.q`, as
    /// [`ArchConfig::tensors`](super::config::ArchConfig::tensors) names their weights), in place of those
    /// it has. All weights are shared with this one.
    ///
    /// # Errors
    /// A name that no projection has, or a path of another shape than its weight.
    pub fn with_side_paths<'a>(
        &self,
        paths: impl IntoIterator<Item = (&'a str, &'a SidePath)>,
    ) -> Result<Self> {
        let mut decoder = self.clone();
        let all = decoder.blocks_mut().iter_mut().flat_map(Block::linears_mut);
        all.for_each(|(_, linear)| linear.side = None);
        for (name, path) in paths {
            let Some(linear) = decoder.linear_mut(name) else {
                return Err(Error::new(format!("the model has no projection \"{name}\"")));
            };
            linear.side = Some(path.beside(&linear.weight).within(|| name)?);
        }
        Ok(decoder)
    }

    /// This decoder with its side paths written into the weights they change. All other weights are
    /// shared with this one.
    ///
    /// # Errors
    /// Where the device is out of memory, or Ctrl-C.
    pub fn merged(&self) -> Result<Self> {
        let mut decoder = self.clone();
        for block in decoder.blocks_mut() {
            interrupt::check()?;
            for (name, linear) in block.linears_mut().filter(|(_, linear)| linear.side.is_some()) {
                linear.weight = linear.effective_weight().within(|| name)?;
                linear.side = None;
            }
        }
        Ok(decoder)
    }

    /// The projection of a name such as `blocks.3.attn.q`.
    pub fn linear(&self, name: &str) -> Option<&Linear> {
        let (layer, part) = layer_and_part(name)?;
        self.blocks().get(layer)?.linears().find_map(|(known, linear)| (known == part).then_some(linear))
    }

    fn linear_mut(&mut self, name: &str) -> Option<&mut Linear> {
        let (layer, part) = layer_and_part(name)?;
        let block = self.blocks_mut().get_mut(layer)?;
        block.linears_mut().find_map(|(known, linear)| (known == part).then_some(linear))
    }
}

/// 3 and `attn.q` of `blocks.3.attn.q`.
fn layer_and_part(name: &str) -> Option<(usize, &str)> {
    let (layer, part) = name.strip_prefix("blocks.")?.split_once('.')?;
    Some((layer.parse().ok()?, part))
}
