//! Reading an [`ArchConfig`](super::ArchConfig) from a Hugging Face `config.json`.
