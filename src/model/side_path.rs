//! Low-rank paths beside frozen weights: y = m ⊙ (x · Wᵀ + s · (x · Aᵀ) · Bᵀ) + b
//!
//! LoRA (Hu and others, 2021) has no m. DoRA (Liu and others, 2024) has m = magnitude / ‖W + s·B·A‖, one
//! factor for each output, with the norm over the row and held constant for gradients, as peft does.
//! The path is float32 whatever the weight is.

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::block::Block;
use super::decoder::Decoder;
use super::kernels;
use super::linear::{Linear, product};
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
    /// What training leaves out of the path's input.
    dropout: Option<Dropout>,
}

/// Inputs that a step of training leaves out at random: a matter of its key alone, so that a forward keeps
/// no state and the same step leaves out the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Share that is left out.
    share: f64,
    key: u64,
}

impl Dropout {
    /// What part `part` of step `step` of a training with `seed` leaves out.
    pub fn new(share: f64, seed: u64, step: u64, part: u64) -> Self {
        Self { share, key: mixed(mixed(mixed(seed) ^ step) ^ part) }
    }

    /// What it leaves out of the input of one of many modules.
    pub fn of_module(self, index: u64) -> Self {
        Self { key: mixed(self.key ^ index), ..self }
    }

    /// `x` with each element left out with the chance `share`, and the others grown by 1/(1 − share).
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let left = (1.0 / (1.0 - self.share)) as f32;
        let bound = (self.share * u64::MAX as f64) as u64;
        let mask: Vec<f32> = (0..x.elem_count() as u64)
            .into_par_iter()
            .map(|index| if mixed(self.key.wrapping_add(index)) < bound { 0.0 } else { left })
            .collect();
        Ok((x * Tensor::from_vec(mask, x.shape(), x.device())?)?)
    }
}

/// The bits of a number, mixed as SplitMix64 mixes them.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
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
        Ok(Self { a: single(a)?, b: single(b)?, scale, magnitude, dropout: None })
    }

    /// Leaves some of its inputs out from now on, as training does.
    pub fn drop_inputs(&mut self, dropout: Dropout) {
        self.dropout = Some(dropout);
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
            dropout: self.dropout,
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

    /// m ⊙ (x · Wᵀ + s · (x · Aᵀ) · Bᵀ), [node, out]: `x` is [node, in], `weight` W [out, in].
    /// The sum is float32 and then rounded to x's dtype. `fused` where a kernel may be taken.
    pub fn apply(&self, x: &Tensor, weight: &Tensor, fused: bool) -> Result<Tensor> {
        // The kernel takes the weight for a constant, and gives both paths the same input.
        let is_plain = !fused || self.dropout.is_some() || weight.track_op();
        let y = match !is_plain && kernels::apply_to(&[x, weight, &self.a, &self.b]) {
            true => kernels::side_path::side_path(x, weight, &self.a, &self.b, self.scale)?,
            false => {
                let y = product(x, weight, None, fused)?.to_dtype(DType::F32)?;
                let x = x.to_dtype(DType::F32)?;
                let input = match &self.dropout {
                    Some(dropout) => dropout.apply(&x)?,
                    None => x,
                };
                let low = (product(&input, &self.a, None, fused)? * self.scale)?;
                (y + product(&low, &self.b, None, fused)?)?
            }
        };
        let y = match self.factor(weight)? {
            Some(factor) => y.broadcast_mul(&factor)?,
            None => y,
        };
        Ok(y.to_dtype(x.dtype())?)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::{Device, Var};

    use super::*;

    fn random(shape: &[usize]) -> Tensor {
        let count = shape.iter().product();
        let mut random = crate::random::Random::new(count as u64);
        let values: Vec<f32> = (0..count).map(|_| random.uniform() as f32 - 0.5).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// While A, B and the magnitude are trained the norm follows them, and is a constant to gradients:
    /// the gradients are those of y = magnitude / c ⊙ (x·Wᵀ + s·x·Aᵀ·Bᵀ) with c the norm's present value.
    #[test]
    fn gradients_take_the_norm_for_a_constant() {
        let (weight, x, seed) = (random(&[5, 4]), random(&[3, 4]), random(&[3, 5]));
        let vars = [random(&[2, 4]), random(&[5, 2]), random(&[5])].map(|t| Var::from_tensor(&t).unwrap());
        let [a, b, magnitude] = [0, 1, 2].map(|i| vars[i].as_tensor().clone());
        let scale = 1.5;
        let path = SidePath::new(a.clone(), b.clone(), scale, Some(magnitude.clone())).unwrap();
        let path = path.beside(&weight).unwrap();
        let changed = (&weight + (b.matmul(&a).unwrap() * scale).unwrap()).unwrap().detach();
        let norm = changed.sqr().unwrap().sum(1).unwrap().sqrt().unwrap();
        let low = (x.matmul(&a.t().unwrap()).unwrap().matmul(&b.t().unwrap()).unwrap() * scale).unwrap();
        let plain = (x.matmul(&weight.t().unwrap()).unwrap() + low).unwrap();
        let expected = plain.broadcast_mul(&(&magnitude / norm).unwrap()).unwrap();

        let gradients = |y: &Tensor| (y * &seed).unwrap().sum_all().unwrap().backward().unwrap();
        let wanted = gradients(&expected);
        for fused in [false, true] {
            let found = gradients(&path.apply(&x, &weight, fused).unwrap());
            for var in &vars {
                let (found, wanted) = (values(found.get(var).unwrap()), values(wanted.get(var).unwrap()));
                assert!(found.iter().any(|value| value.abs() > 1e-3));
                for (found, wanted) in found.iter().zip(wanted) {
                    assert!((found - wanted).abs() <= 1e-6, "{found} {wanted}");
                }
            }
        }

        // A step of training changes the norm that the next forward divides by.
        vars[1].set(&random(&[5, 2]).affine(2.0, 0.1).unwrap()).unwrap();
        let y = path.apply(&x, &weight, false).unwrap();
        let merged = x.matmul(&path.merge_into(&weight).unwrap().t().unwrap()).unwrap();
        for (beside, merged) in values(&y).iter().zip(values(&merged)) {
            assert!((beside - merged).abs() <= 1e-6, "{beside} {merged}");
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let fault = |a: &[usize], b: &[usize], magnitude: Option<&[usize]>| {
            SidePath::new(random(a), random(b), 1.0, magnitude.map(random)).unwrap_err().to_string()
        };
        assert!(fault(&[2, 4], &[5, 3], None).contains("[2, 4] and B [5, 3]"));
        assert!(fault(&[0, 4], &[5, 0], None).contains("r of 1 or more"));
        assert!(fault(&[4], &[5, 2], None).starts_with("A: "));
        assert!(fault(&[2, 4], &[5, 2], Some(&[4])).contains("a magnitude [4], expected [5]"));
        let path = SidePath::new(random(&[2, 4]), random(&[5, 2]), 1.0, None).unwrap();
        let error = path.beside(&random(&[5, 3])).unwrap_err();
        assert!(error.what().contains("beside a weight [5, 3]"), "{error}");
        let zero = Tensor::zeros((5, 4), DType::F32, &Device::Cpu).unwrap();
        let none = SidePath::new(zero.narrow(0, 0, 2).unwrap(), random(&[5, 2]), 1.0, Some(random(&[5])));
        assert!(none.unwrap().beside(&zero).unwrap_err().what().contains("no direction"));
    }
}
