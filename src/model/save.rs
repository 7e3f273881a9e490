//! A model as a folder in Hugging Face layout.

use std::collections::HashMap;
use std::path::Path;

use candle_core::DType;
use serde_json::Value;

use super::Model;
use super::weights::write::stored;
use crate::error::{Context, Error, Result};
use crate::save::write_whole;

impl Model {
    /// Writes the model into `folder`, which is made where it is not there: `config.json`, the tokenizer's files
    /// and `model.safetensors` in `dtype`. transformers and mora read it. The same model gives the same bytes.
    ///
    /// # Errors
    /// A model that carries an adapter, or was opened from a GGUF file, which has no `config.json`; a folder that
    /// cannot be written.
    pub fn save(&self, folder: &Path, dtype: DType) -> Result<()> {
        if let Some(adapter) = self.adapter() {
            return Err(Error::new(format!("{} carries the adapter {adapter}", self.reference()))
                .hint("save the adapter alone, or the merged model"));
        }
        let Some(config) = self.config_json() else {
            return Err(Error::new(format!("{} has no config.json to be saved with", self.reference()))
                .hint(
                    "a GGUF file describes its model in another form; open the Hugging Face folder instead",
                ));
        };
        let mut config = config.clone();
        if let Value::Object(fields) = &mut config {
            fields.remove("torch_dtype");
            fields.insert("dtype".into(), transformers_name(dtype)?.into());
        }
        let tensors = stored(self.decoder().config(), self.decoder().weights()?, dtype)?;
        // transformers looks for this entry.
        let info = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let bytes =
            ::safetensors::serialize(tensors, Some(info)).map_err(|error| Error::new(error.to_string()))?;
        std::fs::create_dir_all(folder).within(|| format!("cannot make {}", folder.display()))?;
        write_whole(&folder.join("model.safetensors"), |file| Ok(file.write_all(&bytes)?))?;
        for (name, text) in self.tokenizer().files()? {
            write_whole(&folder.join(name), |file| Ok(file.write_all(text.as_bytes())?))?;
        }
        // Last: a folder with a config.json is a whole model.
        write_whole(&folder.join("config.json"), |file| {
            serde_json::to_writer_pretty(&mut *file, &config)?;
            Ok(file.write_all(b"\n")?)
        })
    }
}

fn transformers_name(dtype: DType) -> Result<&'static str> {
    match dtype {
        DType::F32 => Ok("float32"),
        DType::F16 => Ok("float16"),
        DType::BF16 => Ok("bfloat16"),
        other => {
            Err(Error::new(format!("weights are not saved as {}", other.as_str()))
                .hint("one of: f32, bf16, f16"))
        }
    }
}
