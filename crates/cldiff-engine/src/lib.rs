//! Runs one cell of a benchmark (strategy x seed) on a backend chosen at run time.
//!
//! This is the only crate that names concrete backends. [`open`] finds the backend and gives an [`Engine`], an
//! object without type parameters, so that Burn's generics are compiled here, once, and a change to configuration,
//! report or command line recompiles none of them.

mod analysis;
mod backend;
mod benchmark;
mod cell;
mod check;
mod cost;
mod engine;
mod error;
mod evaluate;
mod everywhere;
pub mod features;
mod floors;
mod generate;
mod measure;
mod memory;
mod network;
mod pace;
mod parity;
mod probe;
mod reference;
mod sampling;
mod spec;
mod strategy;
mod training_images;

pub use analysis::{Analyses, CasReading, CkaTable, ClassReadings, RemovedClass, TaskLook, WithinLook};
pub use backend::{Backend, cpu_features, open};
pub use benchmark::{BenchmarkJob, Measurement, ReferenceWorkload};
pub use check::{Misfit, check_evaluation, evaluation_doubts};
pub use cost::{Amount, COSTS, Cost, CostQuantity, Shown};
pub use ddpm_core::ProcessConfig;
pub use ddpm_core::sampler::SamplerConfig;
pub use engine::{
    CellObserver, CellOutcome, Engine, Evaluation, MakeState, Measured, Moment, Phase, Probe, SaveModel,
    Shared, TaskValues, Tick, Workload,
};
pub use error::{Asked, EngineError};
pub use everywhere::{EveryFeatures, EveryNetwork, EverySampler, EveryStrategy, add_sampler};
pub use features::{ExtractorContext, FeaturesConfig};
pub use floors::Floors;
pub use generate::{BitsJob, HostImages, PredictJob, SampleJob, network_of};
pub use network::{ModelConfig, NetworkConfig};
pub use parity::{Difference, Rounding};
pub use reference::{Reference, ReferenceSummary};
pub use spec::{CellSpec, EvaluationConfig, PrecisionConfig};
pub use strategy::{StrategySpec, StrategyTerm};
