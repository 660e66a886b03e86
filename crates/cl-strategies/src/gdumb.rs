//! GDumb (Prabhu et al. 2020): a buffer that is balanced over the classes seen, and a model that is trained on nothing
//! else, from scratch, in every experience. What a strategy with a buffer has to beat.

use data_streams::{ImageDataset, Stream};
use ddpm_core::{TrainBackend, TrainableDenoiser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Boundary, HeldMemory, Restore, State, Strategy, StrategyError,
    buffer::{Buffer, BufferConfig, Size},
};

/// The options of GDumb.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GdumbConfig {
    /// What is kept.
    pub buffer: BufferConfig,
}

impl Default for GdumbConfig {
    fn default() -> Self {
        Self { buffer: BufferConfig::ClassBalanced(Size::per_class(20)) }
    }
}

impl GdumbConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for the first option out of range.
    pub fn validate(&self) -> Result<(), StrategyError> {
        self.buffer.validate("gdumb")?;
        Ok(())
    }
}

/// GDumb.
#[derive(Debug)]
pub struct Gdumb<D> {
    buffer: Box<dyn Buffer>,
    /// The model before any training.
    untrained: Option<D>,
}

impl<D> Gdumb<D> {
    /// GDumb with an empty buffer.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: GdumbConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { buffer: config.buffer.build(), untrained: None })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Gdumb<D> {
    fn before_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.untrained.get_or_insert_with(|| boundary.model.clone());
        self.buffer.absorb(&boundary.experience.train, boundary.key)
    }

    fn start_from(&mut self, boundary: &Boundary<'_, B, D>) -> Option<D> {
        if boundary.k == 0 { None } else { self.untrained.clone() }
    }

    fn training_data(&self, _stream: &Stream, _k: usize) -> Option<ImageDataset> {
        self.buffer.contents().cloned()
    }

    fn stored_images(&self) -> Option<ImageDataset> {
        self.buffer.contents().cloned()
    }

    fn memory(&self) -> HeldMemory {
        HeldMemory { buffer_bytes: self.buffer.bytes(), extra_parameters: 0 }
    }

    fn save(&self, state: &mut State) {
        self.buffer.save(state);
        if let Some(untrained) = &self.untrained {
            state.put_module("untrained", untrained);
        }
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.untrained = state.take_module("untrained", context.model.clone())?;
        self.buffer.restore(state, context.data)
    }
}
