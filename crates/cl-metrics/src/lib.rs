//! Metrics for continually trained diffusion models.
//!
//! [`sample`]: how good samples are, from [`features`] of images; [`likelihood`]: the variational bound along the
//! timesteps; [`hybrid`]: which part of a trajectory has to be remembered; [`representation`]: gradients and activations;
//! [`summary`]: what an evaluation matrix says about forgetting, as pure functions; [`pytorch`]: published weights, read
//! safely. A number always names the features that it was measured with.

mod error;
pub mod features;
pub mod hybrid;
pub mod likelihood;
mod linalg;
pub mod pytorch;
pub mod representation;
pub mod sample;
pub mod summary;

pub use error::MetricError;
