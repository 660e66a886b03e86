//! The sigmoid schedule of GeoDiff (Xu et al. 2022), as in diffusers.

use super::linspace;

/// Betas on a sigmoid from `start` to `end`, over the logits -6 to 6.
pub(super) fn sigmoid(start: f64, end: f64, timesteps: usize) -> Vec<f64> {
    linspace(-6.0, 6.0, timesteps).map(|x| (end - start) / (1.0 + (-x).exp()) + start).collect()
}
