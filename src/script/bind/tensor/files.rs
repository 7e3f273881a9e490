//! Tensors in files.

use rhai::plugin::*;

#[export_module(manifest)]
pub mod files {
    use std::collections::BTreeMap;

    use crate::script::bind::prelude::*;
    use crate::tensor::{self, NamedTensor};

    type Tensor = NamedTensor;

    /// Writes the tensor into the run's folder as `.safetensors` (with axis names) or `.npy` (NumPy).
    #[rhai_fn(return_raw)]
    pub fn save(call: NativeCallContext, tensor: Tensor, name: &str) -> ScriptResult<()> {
        let path = Context::of(&call)?.output_path(name)?;
        Ok(tensor::save(&tensor, &path)?)
    }

    /// Writes a map of tensors into the run's folder as one `.safetensors` file.
    #[rhai_fn(return_raw)]
    pub fn save_tensors(call: NativeCallContext, tensors: Map, name: &str) -> ScriptResult<()> {
        let tensors = tensors
            .iter()
            .map(|(key, value)| Ok((key.to_string(), argument("save_tensors", key, value)?)))
            .collect::<Result<BTreeMap<String, Tensor>, Error>>()?;
        let path = Context::of(&call)?.output_path(name)?;
        Ok(tensor::save_all(&tensors, &path)?)
    }

    /// Reads the tensor of an `.npy` file, or the only one of a `.safetensors` file.
    #[rhai_fn(return_raw)]
    pub fn load_tensor(call: NativeCallContext, path: &str) -> ScriptResult<Tensor> {
        let context = Context::of(&call)?;
        Ok(tensor::load(context.input_path(path)?, context.device())?)
    }

    /// Reads all tensors of a `.safetensors` file: a map of name to tensor.
    #[rhai_fn(return_raw)]
    pub fn load_tensors(call: NativeCallContext, path: &str) -> ScriptResult<Map> {
        let context = Context::of(&call)?;
        let tensors = tensor::load_all(context.input_path(path)?, context.device())?;
        Ok(tensors.into_iter().map(|(name, tensor)| (name.into(), Dynamic::from(tensor))).collect())
    }
}
