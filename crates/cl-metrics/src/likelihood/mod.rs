//! Likelihood, taken apart: what each range of timesteps contributes to the bits per dimension.

mod grid;
mod profile;

pub use grid::{GridPoint, TimestepGrid};
pub use profile::{LikelihoodConfig, TimestepProfile, timestep_profile};
