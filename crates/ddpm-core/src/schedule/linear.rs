//! The linear schedule of Ho et al. 2020 and the scaled linear one of latent diffusion (Rombach et al. 2022).

use super::linspace;

/// Betas evenly spaced from `start` to `end`.
pub(super) fn linear(start: f64, end: f64, timesteps: usize) -> Vec<f64> {
    linspace(start, end, timesteps).collect()
}

/// Betas whose square roots are evenly spaced.
pub(super) fn scaled_linear(start: f64, end: f64, timesteps: usize) -> Vec<f64> {
    linspace(start.sqrt(), end.sqrt(), timesteps).map(|root| root * root).collect()
}
