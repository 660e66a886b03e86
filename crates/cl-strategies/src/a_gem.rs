//! Averaged gradient episodic memory (Chaudhry et al. 2019, arXiv 1812.00420, equation 11).
//!
//! Where the gradient g points against that of the loss on the buffer, g_ref, that part of it is taken away:
//! g - (g . g_ref) / (g_ref . g_ref) g_ref if g . g_ref < 0, else g.

use burn::{
    optim::GradientsParams,
    tensor::{Tensor, backend::Backend},
};
use data_streams::ImageDataset;
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
    parameters::{ParameterVector, gradients_from, take_gradients},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError,
    buffer::{self, Buffer, BufferConfig, Size},
    check,
};

const REFERENCE: Purpose = Purpose::named("reference gradient");

/// The options of A-GEM.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AGemConfig {
    /// Images of the buffer in each step; as many as the current batch has if absent.
    pub batch_size: Option<usize>,
    /// What is kept.
    pub buffer: BufferConfig,
}

impl Default for AGemConfig {
    fn default() -> Self {
        Self { batch_size: None, buffer: BufferConfig::ClassBalanced(Size::per_class(20)) }
    }
}

impl AGemConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for the first option out of range.
    pub fn validate(&self) -> Result<(), StrategyError> {
        check::batch_size("a_gem.batch_size", self.batch_size)?;
        self.buffer.validate("a_gem")?;
        Ok(())
    }

    /// Whether it works only on streams that tell where an experience ends.
    pub fn needs_boundaries(&self) -> bool {
        !self.buffer.is_online()
    }
}

/// A-GEM.
#[derive(Debug)]
pub struct AGem {
    config: AGemConfig,
    buffer: Box<dyn Buffer>,
}

impl AGem {
    /// A-GEM with an empty buffer.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: AGemConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { config, buffer: config.buffer.build() })
    }
}

/// The gradient without what points against the reference; nothing is read by the host.
pub fn project<I: Backend>(g: ParameterVector<I>, reference: ParameterVector<I>) -> ParameterVector<I> {
    let against = g.dot(&reference).clamp_max(0.0);
    let norm: Tensor<I, 1> = reference.dot(&reference).clamp_min(f32::MIN_POSITIVE);
    let share = against / norm;
    g.plus(reference.map(|r| r * share.clone()), -1.0)
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for AGem {
    fn gradients(&mut self, step: &Step<'_, B, D>, mut grads: GradientsParams) -> GradientsParams {
        let Some(stored) = self.buffer.contents() else { return grads };
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let positions = buffer::draw(stored.len(), n, step.key);
        let loss = step.loss_on(&step.noisy(stored, &positions, REFERENCE));
        let mut of_buffer = GradientsParams::from_grads(loss.backward(), step.model);
        let reference = take_gradients::<B, D>(step.model, &mut of_buffer);
        let g = take_gradients::<B, D>(step.model, &mut grads);
        gradients_from::<B, D>(step.model, project(g, reference))
    }

    fn needs_boundaries(&self) -> bool {
        self.config.needs_boundaries()
    }

    fn observe(&mut self, arrived: &ImageDataset, key: Key) -> Result<(), StrategyError> {
        self.buffer.absorb(arrived, key)
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.buffer.absorb(&boundary.experience.train, boundary.key)
    }

    fn stored_images(&self) -> Option<ImageDataset> {
        self.buffer.contents().cloned()
    }

    fn memory(&self) -> HeldMemory {
        HeldMemory { buffer_bytes: self.buffer.bytes(), extra_parameters: 0 }
    }

    fn save(&self, state: &mut State) {
        self.buffer.save(state);
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.buffer.restore(state, context.data)
    }
}
