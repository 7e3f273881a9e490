//! Training: what is trained, losses, optimisers, the steps that put them together, and checkpoints.
//!
//! A [`Trainable`] is a model of which some tensors are variables: an adapter beside a frozen base, or all
//! weights of a small model. A [`Trainer`] takes supervised steps, [`ppo::Ppo`] and [`grpo::Grpo`]
//! reinforcement steps. Forwards are those of inference: sequences that begin alike share their
//! beginning, there and back, and only what a loss reads is read.

pub mod checkpoint;
pub mod example;
pub mod fresh;
pub mod gradient;
pub mod grpo;
pub mod log;
pub mod lora;
pub mod loss;
pub mod optimizer;
pub mod ppo;
pub mod rollout;
pub mod schedule;
pub mod trainable;
pub mod trainer;

pub use trainable::Trainable;
pub use trainer::Trainer;
