//! The value head: V = w · h + b of the last hidden state h, after the final norm.

use candle_core::{Device, Tensor, Var};

use crate::error::{Error, Result};
use crate::random::Random;
use crate::train::rollout::{Said, flat};
use crate::train::trainable::Parameter;

/// A linear map of the last hidden state to one number.
#[derive(Debug, Clone)]
pub struct ValueHead {
    /// [1, d_model]
    weight: Var,
    /// [1]
    bias: Var,
}

impl ValueHead {
    /// A head that starts uniform in ±1/√d_model, as torch starts a linear layer.
    ///
    /// # Errors
    /// Where the device is out of memory.
    pub fn fresh(d_model: usize, seed: u64, device: &Device) -> Result<Self> {
        let mut random = Random::new(seed);
        let bound = 1.0 / (d_model as f64).sqrt();
        let values: Vec<f32> =
            (0..=d_model).map(|_| ((2.0 * random.uniform() - 1.0) * bound) as f32).collect();
        let values = Tensor::new(values, device)?;
        Self::new(&values.narrow(0, 0, d_model)?.unsqueeze(0)?, &values.narrow(0, d_model, 1)?)
    }

    /// A head of a weight [1, d_model] and a bias [1].
    ///
    /// # Errors
    /// Other shapes.
    pub fn new(weight: &Tensor, bias: &Tensor) -> Result<Self> {
        if weight.rank() != 2 || weight.dims()[0] != 1 || bias.dims() != [1] {
            return Err(Error::new(format!(
                "a value head of {:?} and {:?}, expected [1, d_model] and [1]",
                weight.dims(),
                bias.dims()
            )));
        }
        Ok(Self {
            weight: Var::from_tensor(&weight.contiguous()?)?,
            bias: Var::from_tensor(&bias.contiguous()?)?,
        })
    }

    /// Values [token] of hidden states [token, d_model].
    ///
    /// # Errors
    /// Another width.
    pub fn values(&self, hidden: &Tensor) -> Result<Tensor> {
        let hidden = hidden.to_dtype(candle_core::DType::F32)?;
        flat(&hidden.matmul(&self.weight.as_tensor().t()?)?.broadcast_add(self.bias.as_tensor())?)
    }

    /// What is trained of it.
    pub fn parameters(&self) -> [Parameter; 2] {
        [("value_head.weight", &self.weight), ("value_head.bias", &self.bias)]
            .map(|(name, var)| Parameter { name: name.to_owned(), var: var.clone() })
    }
}

impl Said {
    /// The hidden states, where they were kept.
    ///
    /// # Errors
    /// Where they were not.
    pub(super) fn hidden_states(&self) -> Result<Tensor> {
        self.hidden.clone().ok_or_else(|| Error::new("the forward kept no hidden states"))
    }
}
