//! Noise schedules: the variances beta_t of the forward process, in f64.

mod cosine;
mod linear;
mod sigmoid;
mod spacing;
mod zero_terminal_snr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{spacing::Spacing, zero_terminal_snr::rescale_zero_terminal_snr};
use crate::CoreError;

/// More timesteps than any process has: a file that says so is damaged.
const MOST_TIMESTEPS: usize = 1_000_000;

/// A family of noise schedules, named and parametrised as diffusers' `beta_schedule`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BetaSchedule {
    /// Evenly spaced between two values (Ho et al. 2020).
    Linear {
        /// beta_0
        beta_start: f64,
        /// beta_{T-1}
        beta_end: f64,
    },
    /// Square roots evenly spaced (Rombach et al. 2022, latent diffusion).
    ScaledLinear {
        /// beta_0
        beta_start: f64,
        /// beta_{T-1}
        beta_end: f64,
    },
    /// alphas_cumprod follows a squared cosine (Nichol & Dhariwal 2021, equation 17).
    SquaredcosCapV2 {
        /// The largest beta allowed; the paper's is 0.999.
        #[serde(default = "default_max_beta")]
        max_beta: f64,
    },
    /// Betas on a sigmoid between two values (Xu et al. 2022, GeoDiff).
    Sigmoid {
        /// Lower asymptote.
        beta_start: f64,
        /// Upper asymptote.
        beta_end: f64,
    },
    /// Given one by one (diffusers' `trained_betas`).
    Given(Vec<f64>),
}

fn default_max_beta() -> f64 {
    0.999
}

impl BetaSchedule {
    /// The schedule of Ho et al. 2020: 1e-4 to 0.02.
    pub const fn linear() -> Self {
        Self::Linear { beta_start: 1e-4, beta_end: 0.02 }
    }

    /// The schedule of Nichol & Dhariwal 2021.
    pub const fn cosine() -> Self {
        Self::SquaredcosCapV2 { max_beta: 0.999 }
    }

    /// beta_t for t in `0 .. timesteps`.
    ///
    /// # Errors
    /// [`CoreError::Config`] for fewer than 2 timesteps or more than a million, or parameters that give a beta outside
    /// (0, 1).
    pub fn betas(&self, timesteps: usize) -> Result<Vec<f64>, CoreError> {
        if !(2..=MOST_TIMESTEPS).contains(&timesteps) {
            let expected = format!("expected 2 to {MOST_TIMESTEPS}");
            return Err(CoreError::config("timesteps", timesteps, expected));
        }
        let betas = match self.clone() {
            Self::Linear { beta_start, beta_end } => linear::linear(beta_start, beta_end, timesteps),
            Self::ScaledLinear { beta_start, beta_end } => {
                linear::scaled_linear(beta_start, beta_end, timesteps)
            }
            Self::SquaredcosCapV2 { max_beta } => cosine::squaredcos_cap_v2(max_beta, timesteps),
            Self::Sigmoid { beta_start, beta_end } => sigmoid::sigmoid(beta_start, beta_end, timesteps),
            Self::Given(betas) if betas.len() == timesteps => return Ok(betas),
            Self::Given(betas) => {
                let expected = format!("expected {timesteps}, the number of timesteps");
                return Err(CoreError::config(
                    "schedule",
                    format_args!("a list of {} betas", betas.len()),
                    expected,
                ));
            }
        };
        match betas.iter().find(|b| !(**b > 0.0 && **b < 1.0)) {
            Some(beta) => {
                let expected = format!("it gives a beta of {beta}, and every beta must lie between 0 and 1");
                Err(CoreError::config("schedule", self, expected))
            }
            None => Ok(betas),
        }
    }
}

/// `n >= 2` evenly spaced numbers from `start` to `end`, both included (NumPy's `linspace`).
fn linspace(start: f64, end: f64, n: usize) -> impl Iterator<Item = f64> {
    let step = (end - start) / (n - 1) as f64;
    (0..n).map(move |i| if i == n - 1 { end } else { start + step * i as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beta_of_one_or_more_is_refused() {
        let err = BetaSchedule::Linear { beta_start: 0.1, beta_end: 1.0 }.betas(10).unwrap_err();
        assert!(err.to_string().contains("between 0 and 1"), "{err}");
        for timesteps in [0, 1, 1_000_001, usize::MAX] {
            let message = BetaSchedule::linear().betas(timesteps).unwrap_err().to_string();
            assert!(message.contains("2 to 1000000"), "{message}");
        }
    }
}
