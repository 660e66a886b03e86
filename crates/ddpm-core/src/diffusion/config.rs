//! A diffusion process as plain data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GaussianDiffusion, Prediction, Variance};
use crate::{
    CoreError,
    schedule::{BetaSchedule, rescale_zero_terminal_snr},
};

/// The choices that make a [`GaussianDiffusion`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessConfig {
    /// T
    pub timesteps: usize,
    /// The betas.
    pub schedule: BetaSchedule,
    /// Whether the betas are rescaled so that nothing of x_0 is left at the last timestep.
    pub zero_terminal_snr: bool,
    /// The meaning of the model's output.
    pub prediction: Prediction,
    /// The variance of the reverse process.
    pub variance: Variance,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self {
            timesteps: 1000,
            schedule: BetaSchedule::linear(),
            zero_terminal_snr: false,
            prediction: Prediction::default(),
            variance: Variance::default(),
        }
    }
}

impl ProcessConfig {
    /// Makes the process.
    ///
    /// # Errors
    /// [`CoreError::Config`] for a schedule that cannot work, or one without signal at its end for a model that
    /// predicts epsilon.
    pub fn build(&self) -> Result<GaussianDiffusion, CoreError> {
        let betas = self.schedule.betas(self.timesteps)?;
        let betas = if self.zero_terminal_snr { rescale_zero_terminal_snr(&betas) } else { betas };
        let mut process = GaussianDiffusion::from_betas(betas)?;
        process.prediction = self.prediction;
        process.variance = self.variance;
        if self.prediction == Prediction::Epsilon && !process.has_signal(self.timesteps - 1) {
            let expected = "with no signal at the last timestep, epsilon says nothing of x_0 there; expected \
                            `v_prediction` or `sample`";
            return Err(CoreError::config("prediction", self.prediction, expected));
        }
        Ok(process)
    }
}
