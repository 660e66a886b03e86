//! DER++ (Buzzega et al. 2020, arXiv 2004.07211, equation 6): DER, and the ordinary loss on stored images.
//! `noise`, `teacher`, `weighting` and `variance_channels` are those of DER.

use cldiff_choices::Describe;
use ddpm_core::{TrainBackend, TrainableDenoiser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, Der, Family, Needs, Setting, StrategyOptions, Tunable,
    shared::{
        dark::DarkNoise,
        distilled::{Distillation, DistillationWeighting},
        teacher::TeacherWeights,
    },
};
use crate::{Strategy, StrategyError, check};

/// The options of DER++.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DerPlusPlusConfig {
    /// The weight of the stored predictions.
    pub alpha: f64,
    /// The weight of the loss on stored images.
    pub beta: f64,
    /// Images of the buffer in each step, for each of the two; as many as the current batch has if absent.
    pub batch_size: Option<usize>,
    /// Images kept of each experience.
    pub per_experience: usize,
    /// At which timesteps and noise the model is held to its past predictions.
    pub noise: DarkNoise,
    /// The weights of the model that predicts.
    pub teacher: TeacherWeights,
    /// Whether timesteps are weighted in the distillation as the training's objective weighs them.
    pub weighting: DistillationWeighting,
    /// Whether the channels of a learned variance are distilled.
    pub variance_channels: bool,
}

impl Default for DerPlusPlusConfig {
    fn default() -> Self {
        Self {
            alpha: 0.5,
            beta: 0.5,
            batch_size: None,
            per_experience: 40,
            noise: DarkNoise::Fixed,
            teacher: TeacherWeights::Raw,
            weighting: DistillationWeighting::None,
            variance_channels: false,
        }
    }
}

impl DerPlusPlusConfig {
    pub(super) fn distillation(self) -> Distillation {
        Distillation { weighting: self.weighting, variance_channels: self.variance_channels }
    }
}

impl Describe for DerPlusPlusConfig {
    const NAME: &'static str = "der_plus_plus";
    const SUMMARY: &'static str = "Dark experience replay, and the ordinary loss on stored images";
    const CITATION: &'static str = "Buzzega et al. 2020, arXiv 2004.07211";
}

impl StrategyOptions for DerPlusPlusConfig {
    fn family(&self) -> Family {
        Family::Rehearsal
    }

    fn tunables(&self) -> &'static [Tunable] {
        // Buzzega et al. chose alpha from 0.1 to 1 and beta from 0.5 to 1 (Mammoth, `utils/best_args.py`).
        const { &[Tunable::log("alpha", 0.05, 5.0), Tunable::log("beta", 0.05, 5.0)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("alpha", self.alpha)?;
        check::at_least_0("beta", self.beta)?;
        check::batch_size("batch_size", self.batch_size)?;
        check::at_least_1("per_experience", self.per_experience)
    }

    fn needs(&self) -> Needs {
        Needs::looking_back()
    }

    fn check(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        self.distillation().check_setting(setting)
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for DerPlusPlusConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Der::plus_plus(*self)?))
    }
}

impl<B: TrainBackend> Der<B> {
    /// DER++ with nothing stored.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn plus_plus(config: DerPlusPlusConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self::of(config))
    }
}
