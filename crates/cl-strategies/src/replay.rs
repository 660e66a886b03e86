//! Experience replay: a second loss, on images kept from past experiences.
//!
//! L = L(current batch) + lambda L(buffer batch), each the mean over its own batch. lambda is the *rehearsal
//! coefficient*; "reduced" means below 1 ("Exploring Continual Learning of Diffusion Models", arXiv 2303.15342).
//! While the buffer is empty, in the first experience, this is finetuning.

use burn::tensor::Tensor;
use data_streams::Experience;
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
};
use serde::{Deserialize, Serialize};

use crate::{
    HeldMemory, Step, Strategy, StrategyError,
    buffer::{self, Buffer, BufferConfig},
};

const REPLAYED: Purpose = Purpose::named("replayed batch");

/// The options of experience replay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayConfig {
    /// lambda: the weight of the loss on the buffer.
    pub rehearsal_coefficient: f64,
    /// Images of the buffer in each step; as many as the current batch has if absent.
    pub batch_size: Option<usize>,
    /// What is kept.
    pub buffer: BufferConfig,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        Self {
            rehearsal_coefficient: 1.0,
            batch_size: None,
            buffer: BufferConfig::ClassBalanced { per_class: 20 },
        }
    }
}

/// Experience replay.
#[derive(Debug)]
pub struct Replay {
    config: ReplayConfig,
    buffer: Box<dyn Buffer>,
}

impl Replay {
    /// A replay with an empty buffer.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: ReplayConfig) -> Result<Self, StrategyError> {
        let lambda = config.rehearsal_coefficient;
        if !(lambda.is_finite() && lambda >= 0.0) {
            return Err(StrategyError::config("replay.rehearsal_coefficient", lambda, "expected 0 or more"));
        }
        if config.batch_size == Some(0) {
            return Err(StrategyError::config("replay.batch_size", 0, "expected at least 1"));
        }
        Ok(Self { config, buffer: config.buffer.build()? })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Replay {
    fn loss(&mut self, step: &Step<'_, B, D>, loss: Tensor<B, 1>) -> Tensor<B, 1> {
        let Some(stored) = self.buffer.contents() else { return loss };
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let positions = buffer::draw(stored.len(), n, step.key);
        let replayed = step.noisy(stored, &positions, REPLAYED);
        loss + step.loss_on(&replayed).mul_scalar(self.config.rehearsal_coefficient)
    }

    fn after_experience(
        &mut self,
        _k: usize,
        experience: &Experience,
        _model: &D,
        key: Key,
    ) -> Result<(), StrategyError> {
        self.buffer.absorb(&experience.train, key)
    }

    fn memory(&self) -> HeldMemory {
        HeldMemory { buffer_bytes: self.buffer.bytes(), extra_parameters: 0 }
    }
}
