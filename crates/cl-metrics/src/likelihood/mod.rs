//! Likelihood, taken apart: what each range of timesteps contributes to the bits per dimension, and how that changes
//! when a model goes on learning.

mod forgetting;
mod grid;
mod losses;
mod numbers;
mod profile;
mod quick;

pub use forgetting::{Change, TimestepForgetting, timestep_forgetting};
pub use grid::{GridPoint, TimestepGrid};
pub use losses::BinnedLosses;
pub use profile::{LikelihoodConfig, TimestepProfile, timestep_profile};
pub use quick::{QuickLosses, quick_losses, quick_strata};
