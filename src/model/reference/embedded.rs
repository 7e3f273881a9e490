//! Models and adapters that are part of the program.

/// A model or an adapter whose files were compiled in.
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

/// All that is embedded: the model, and its adapters as the script `train_moral_agents` made them.
pub static MODELS: &[Model] = &[
    embed!(
        "tiny-ipd": "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json",
    ),
    embed!("tiny-ipd/PT2": "adapter_config.json", "adapter_model.safetensors"),
    embed!("tiny-ipd/PT3_De": "adapter_config.json", "adapter_model.safetensors"),
    embed!("tiny-ipd/PT3_Ut": "adapter_config.json", "adapter_model.safetensors"),
    embed!("tiny-ipd/PT4": "adapter_config.json", "adapter_model.safetensors"),
];
