//! Finetuning: train on each experience as it comes, and do nothing against forgetting. No paper's method; the baseline.

use cldiff_choices::Describe;
use data_streams::ImageDataset;
use ddpm_core::{TrainBackend, TrainableDenoiser, noise::Key};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildStrategy, Family, Needs, StrategyOptions};
use crate::{Observer, Strategy, StrategyError};

/// The options of finetuning: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FinetuneConfig {}

impl Describe for FinetuneConfig {
    const NAME: &'static str = "finetune";
    const SUMMARY: &'static str = "The baseline with nothing against forgetting";
}

impl StrategyOptions for FinetuneConfig {
    fn family(&self) -> Family {
        Family::Baseline
    }

    fn validate(&self) -> Result<(), StrategyError> {
        Ok(())
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for FinetuneConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Finetune))
    }
}

/// No hook that changes anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Finetune;

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Finetune {
    fn observer(&mut self) -> Option<&mut dyn Observer> {
        Some(self)
    }
}

/// It keeps nothing.
impl Observer for Finetune {
    fn observe(&mut self, _arrived: &ImageDataset, _key: Key) -> Result<(), StrategyError> {
        Ok(())
    }
}
