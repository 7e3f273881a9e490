//! Reading an [`ArchConfig`](super::ArchConfig) from GGUF metadata.
