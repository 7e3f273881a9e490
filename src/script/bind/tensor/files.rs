//! Tensors in files.

use rhai::plugin::*;

#[export_module(manifest)]
pub mod files {
    use std::collections::BTreeMap;

    use crate::script::bind::prelude::*;
    use crate::tensor::{self, NamedTensor};

    type Tensor = NamedTensor;

    /// Writes the tensor, in its shape, to the file `name` in the output folder as `.safetensors` (with axis
    /// names) or `.npy` (NumPy).
    ///
    /// Errors: a `name` that ends otherwise or leaves the output folder, a file that cannot be written.
    ///
    /// Example: `tensor([1.0, 2.0]).save("direction.npy"); load_tensor(output_folder() + "/direction.npy")`
    /// is `tensor [2] f32 [1, 2]`
    #[rhai_fn(return_raw)]
    pub fn save(call: NativeCallContext, tensor: Tensor, name: &str) -> ScriptResult<()> {
        let path = Context::of(&call)?.output_path(name)?;
        Ok(tensor::save(&tensor, &path)?)
    }

    /// Writes a map of `tensors` to one `.safetensors` file, `name`, in the output folder, each in its shape
    /// and with the names of its axes.
    ///
    /// Errors: a value that is no tensor, a `name` that ends otherwise or leaves the output folder, a file
    /// that cannot be written.
    ///
    /// Example: `save_tensors(#{ mean: zeros([4]), std: ones([4]) }, "moments.safetensors");
    /// load_tensors(output_folder() + "/moments.safetensors").keys()` is `["mean", "std"]`
    #[rhai_fn(return_raw)]
    pub fn save_tensors(call: NativeCallContext, tensors: Map, name: &str) -> ScriptResult<()> {
        let tensors = tensors
            .iter()
            .map(|(key, value)| Ok((key.to_string(), argument("save_tensors", key, value)?)))
            .collect::<Result<BTreeMap<String, Tensor>, Error>>()?;
        let path = Context::of(&call)?.output_path(name)?;
        Ok(tensor::save_all(&tensors, &path)?)
    }

    /// Reads the tensor of the `.npy` file `path`, or the only one of a `.safetensors` file, in the shape
    /// that it was saved in.
    ///
    /// Errors: a file that is not there, may not be read or is damaged, a `path` that ends otherwise, a
    /// `.safetensors` file with several tensors (`load_tensors` reads it).
    ///
    /// Example: `eye(2).save("eye.safetensors"); load_tensor(output_folder() + "/eye.safetensors").shape`
    /// is `[2, 2]`
    #[rhai_fn(return_raw)]
    pub fn load_tensor(call: NativeCallContext, path: &str) -> ScriptResult<Tensor> {
        let context = Context::of(&call)?;
        Ok(tensor::load(context.input_path(path)?, context.device())?)
    }

    /// Reads all tensors of the `.safetensors` file `path`: a map of name to tensor, each in the shape that
    /// it was saved in.
    ///
    /// Errors: a file that is not there, may not be read or is damaged, a `path` that ends otherwise.
    ///
    /// Example: `save_tensors(#{ steer: ones([4]) }, "vectors.safetensors");
    /// load_tensors(output_folder() + "/vectors.safetensors").steer` is `tensor [4] f32 [1, 1, 1, 1]`
    #[rhai_fn(return_raw)]
    pub fn load_tensors(call: NativeCallContext, path: &str) -> ScriptResult<Map> {
        let context = Context::of(&call)?;
        let tensors = tensor::load_all(context.input_path(path)?, context.device())?;
        Ok(tensors.into_iter().map(|(name, tensor)| (name.into(), Dynamic::from(tensor))).collect())
    }
}
