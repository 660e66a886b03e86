//! Continual-learning strategies for diffusion models, and the loop that trains with them.
//!
//! A [`Strategy`] is one file that shows its whole algorithm as hooks into the [`Trainer`]'s loop: which data an
//! experience trains on, what is added to the loss, what happens to the gradients, what is kept afterwards. A
//! buffer's storage policy ([`buffer`]) is apart from its use. Strategies work with any
//! [`TrainableDenoiser`](ddpm_core::TrainableDenoiser) on any backend, and draw everything random from keys.

mod batch;
pub mod buffer;
mod compose;
mod error;
mod finetune;
mod joint;
mod replay;
mod strategy;
mod trainer;

pub use batch::{ConditionOn, images};
pub use compose::Compose;
pub use error::StrategyError;
pub use finetune::Finetune;
pub use joint::Joint;
pub use replay::{Replay, ReplayConfig};
pub use strategy::{HeldMemory, Step, Strategy};
pub use trainer::{OptimizerConfig, StepReport, Trainer, TrainerConfig};
