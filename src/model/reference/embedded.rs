//! Models that are part of the program.

/// A model whose files were compiled in.
pub struct Model {
    /// Its name after `mora/`.
    pub name: &'static str,
    /// Its files by name.
    pub files: &'static [(&'static str, &'static [u8])],
}

macro_rules! embed {
    ($name:literal: $($file:literal),* $(,)?) => {
        Model {
            name: $name,
            files: &[$(($file, include_bytes!(concat!("../../../assets/", $name, "/", $file)))),*],
        }
    };
}

/// All embedded models.
pub static MODELS: &[Model] = &[embed!(
    "tiny-ipd": "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
)];
