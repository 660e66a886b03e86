//! One file a method, and the list of all of them.
//!
//! A method's file has its name, summary and source ([`Describe`](cldiff_choices::Describe)), its options with their
//! checks and needs ([`StrategyOptions`]), the strategy itself ([`Strategy`](crate::Strategy)), and how it is made from
//! its options ([`BuildStrategy`]).

mod a_gem;
mod cumulative;
mod der;
mod der_plus_plus;
mod ensemble;
mod ewc;
mod family;
mod finetune;
mod gdumb;
mod gem;
mod generative_distillation;
mod generative_replay;
mod joint;
mod l2;
mod lora;
mod lwf;
mod mas;
mod needs;
mod online_ewc;
mod options;
mod packnet;
mod partial_sampling_distillation;
mod reference;
mod replay;
mod rwalk;
mod selective_amnesia;
mod shared;
mod si;
mod timestep_replay;
mod tunable;

pub use a_gem::*;
pub use cumulative::*;
pub use der::*;
pub use der_plus_plus::*;
pub use ensemble::*;
pub use ewc::*;
pub use family::Family;
pub use finetune::*;
pub use gdumb::*;
pub use gem::*;
pub use generative_distillation::*;
pub use generative_replay::*;
pub use joint::*;
pub use l2::*;
pub use lora::*;
pub use lwf::*;
pub use mas::*;
pub use needs::Needs;
pub use online_ewc::*;
pub use options::{BuildStrategy, Setting, StrategyOptions};
pub use packnet::*;
pub use partial_sampling_distillation::*;
pub use reference::ReferenceKind;
pub use replay::*;
pub use rwalk::*;
pub use selective_amnesia::*;
pub use shared::{
    dark::DarkNoise,
    distilled::DistillationWeighting,
    generator::{GeneratorConfig, Source},
    mixing::Mixing,
    noisy_classifier::{ClassifierGuidanceConfig, Towards},
    teacher::TeacherWeights,
};
pub use si::*;
pub use timestep_replay::*;
pub use tunable::{Scale, Tunable, Values};

/// Hands the option types of the built-in strategies to another macro, in the order in which the terms of a composition
/// are applied: `callback! { { context } FirstConfig, SecondConfig, … }`.
///
/// ```
/// macro_rules! names {
///     ({ $first:literal } $($Config:ty),*) => {
///         [$first $(, <$Config as cldiff_choices::Describe>::NAME)*]
///     };
/// }
/// let names = cl_strategies::built_in_strategies!(names! { "all of them" });
/// assert_eq!(names[1..3], ["joint", "cumulative"]);
/// ```
#[macro_export]
macro_rules! built_in_strategies {
    ($callback:ident ! { $($context:tt)* }) => {
        $callback! {
            { $($context)* }
            $crate::JointConfig,
            $crate::CumulativeConfig,
            $crate::EnsembleConfig,
            $crate::FinetuneConfig,
            $crate::GdumbConfig,
            $crate::ReplayConfig,
            $crate::TimestepReplayConfig,
            $crate::GenerativeReplayConfig,
            $crate::GenerativeDistillationConfig,
            $crate::PartialSamplingDistillationConfig,
            $crate::SelectiveAmnesiaConfig,
            $crate::LwfConfig,
            $crate::DerConfig,
            $crate::DerPlusPlusConfig,
            $crate::L2Config,
            $crate::EwcConfig,
            $crate::OnlineEwcConfig,
            $crate::SiConfig,
            $crate::MasConfig,
            $crate::RwalkConfig,
            $crate::AGemConfig,
            $crate::GemConfig,
            $crate::LoraConfig,
            $crate::PacknetConfig
        }
    };
}

#[cfg(test)]
mod tests;
