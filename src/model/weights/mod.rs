//! A decoder's weights by their canonical names.

use std::collections::HashMap;

use candle_core::Tensor;

use crate::error::{Error, Result};

/// Weights on their way from a file into a decoder.
#[derive(Debug, Default)]
pub struct Weights(HashMap<String, Tensor>);

impl Weights {
    /// Weights that are at hand already.
    pub fn new(tensors: HashMap<String, Tensor>) -> Self {
        Self(tensors)
    }

    /// Hands out a weight, once.
    pub fn take(&mut self, name: &str) -> Result<Tensor> {
        self.0.remove(name).ok_or_else(|| Error::new(format!("there is no weight \"{name}\"")))
    }
}
