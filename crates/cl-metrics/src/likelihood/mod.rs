//! Likelihood, taken apart: what each range of timesteps contributes to the bits per dimension, and how that changes
//! when a model goes on learning.

#[cfg(test)]
mod agreement;
mod config;
mod forgetting;
mod grid;
mod losses;
mod numbers;
mod profile;
mod quick;

pub use config::LikelihoodConfig;
pub use forgetting::{Change, TimestepForgetting, timestep_forgetting};
pub use grid::{Stratum, TimestepGrid};
pub use losses::BinnedLosses;
pub use profile::{ProfileRequest, TimestepProfile, timestep_profile};
pub use quick::{QuickLosses, quick_losses, quick_strata};
