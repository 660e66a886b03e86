//! Continual-learning strategies for diffusion models, and the loop that trains with them.
//!
//! A [`Strategy`] is one file that shows its whole algorithm as hooks into the [`Trainer`]'s loop: which data an
//! experience trains on, what is added to the loss, what happens to the gradients, what is kept afterwards. A
//! buffer's storage policy ([`buffer`]) is apart from its use. Strategies work with any
//! [`TrainableDenoiser`](ddpm_core::TrainableDenoiser) on any backend, and draw everything random from keys.

mod a_gem;
#[cfg(test)]
mod analytic_tests;
mod batch;
pub mod buffer;
mod check;
pub mod checkpoint;
mod compose;
mod cumulative;
mod der;
pub mod durable;
mod ensemble;
mod error;
mod ewc;
mod finetune;
mod gdumb;
mod gem;
mod generative_distillation;
mod generative_replay;
mod generator;
mod joint;
mod l2;
mod lora;
mod lwf;
mod mas;
mod noisy_classifier;
mod packnet;
mod partial_sampling_distillation;
mod parts;
mod penalty;
mod replay;
mod rwalk;
mod si;
mod state;
mod strategy;
mod teacher;
#[cfg(test)]
mod test_support;
mod timestep_replay;
mod trainer;

pub use a_gem::{AGem, AGemConfig, project};
pub use batch::{ConditionOn, LabelDropout, images};
pub use checkpoint::Checkpoints;
pub use compose::Compose;
pub use cumulative::Cumulative;
pub use der::{Der, DerConfig, DerPlusPlusConfig};
pub use ensemble::Ensemble;
pub use error::StrategyError;
pub use ewc::{Ewc, EwcConfig, Fisher, OnlineEwcConfig};
pub use finetune::Finetune;
pub use gdumb::{Gdumb, GdumbConfig};
pub use gem::{Gem, GemConfig, minimise};
pub use generative_distillation::{GenerativeDistillation, GenerativeDistillationConfig, Inputs};
pub use generative_replay::{GenerativeReplay, GenerativeReplayConfig};
pub use generator::{GeneratorConfig, Source};
pub use joint::Joint;
pub use l2::{L2, L2Config};
pub use lora::{Adapters, Lora, LoraConfig, Trained};
pub use lwf::{Lwf, LwfConfig};
pub use mas::{Mas, MasConfig};
pub use noisy_classifier::ClassifierGuidanceConfig;
pub use packnet::{Packnet, PacknetConfig};
pub use partial_sampling_distillation::{PartialSamplingDistillation, PartialSamplingDistillationConfig};
pub use replay::{Mixing, Replay, ReplayConfig};
pub use rwalk::{Rwalk, RwalkConfig};
pub use si::{Si, SiConfig};
pub use state::{Restore, State};
pub use strategy::{Boundary, HeldMemory, Step, Strategy};
pub use timestep_replay::{Emphasis, TimestepReplay, TimestepReplayConfig};
pub use trainer::{OnDivergence, OptimizerConfig, Position, StepReport, Trainer, TrainerConfig};
