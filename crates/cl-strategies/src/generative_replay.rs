//! Generative replay (Shin et al. 2017, arXiv 1705.08690, equation 3, with the model as its own generator).
//!
//! The model at the end of the last experience draws images of what was seen so far; they are trained on like data, with
//! noise of their own: L / k + (1 - 1/k) lambda L_generated in the k-th experience.

use burn::tensor::Tensor;
use ddpm_core::{TrainBackend, TrainableDenoiser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError, check,
    generator::{Generator, GeneratorConfig},
    replay::Mixing,
};

/// The options of generative replay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GenerativeReplayConfig {
    /// lambda: the weight of the loss on generated images.
    pub rehearsal_coefficient: f64,
    /// Generated images in each step; as many as the current batch has if absent.
    pub batch_size: Option<usize>,
    /// How the two losses become one.
    pub mixing: Mixing,
    /// How images are drawn.
    pub generator: GeneratorConfig,
}

impl Default for GenerativeReplayConfig {
    fn default() -> Self {
        Self {
            rehearsal_coefficient: 1.0,
            batch_size: None,
            mixing: Mixing::TaskShares,
            generator: GeneratorConfig::default(),
        }
    }
}

impl GenerativeReplayConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for the first option out of range.
    pub fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("generative_replay.rehearsal_coefficient", self.rehearsal_coefficient)?;
        check::batch_size("generative_replay.batch_size", self.batch_size)?;
        self.generator.check("generative_replay")?;
        Ok(())
    }
}

/// Generative replay.
#[derive(Debug)]
pub struct GenerativeReplay<B: TrainBackend, D: TrainableDenoiser<B>> {
    config: GenerativeReplayConfig,
    generator: Generator<B, D>,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> GenerativeReplay<B, D> {
    /// Generative replay before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: GenerativeReplayConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { config, generator: Generator::new(config.generator) })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for GenerativeReplay<B, D> {
    fn loss(&mut self, step: &Step<'_, B, D>, loss: Tensor<B, 1>) -> Tensor<B, 1> {
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let Some(batch) = self.generator.noisy_batch(step, n) else { return loss };
        let replayed = step.loss_on(&batch);
        let GenerativeReplayConfig { mixing, rehearsal_coefficient, .. } = self.config;
        mixing.mix(loss, replayed, rehearsal_coefficient, step.experience, (step.batch.len(), n))
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.generator.learn(boundary)
    }

    fn memory(&self) -> HeldMemory {
        HeldMemory { buffer_bytes: 0, extra_parameters: self.generator.len() }
    }

    fn save(&self, state: &mut State) {
        self.generator.save(state);
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.generator.restore(state, context)
    }
}
