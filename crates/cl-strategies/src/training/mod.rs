//! The loop that trains, and the hooks that a strategy has in it.

mod batch;
mod boundary;
mod budget;
mod compose;
mod config;
mod passes;
mod schedule;
mod step;
mod strategy;
mod trainer;

pub use batch::{ConditionOn, LabelDropout, images};
pub use boundary::Boundary;
pub use budget::Budget;
pub use compose::Compose;
pub use config::{OnDivergence, OptimizerConfig, TrainerConfig};
pub use passes::{Pass, PassCounter, Passes};
pub use schedule::{Schedule, Span};
pub use step::Step;
pub use strategy::{AddedLoss, HeldMemory, Observer, PathIntegral, StepTaker, Strategy};
pub use trainer::{Position, StepReport, Trainer};
