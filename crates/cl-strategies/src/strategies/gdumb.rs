//! GDumb (Prabhu et al. 2020): a buffer that is balanced over the classes seen, and a model that is trained on nothing
//! else, from scratch, in every experience. A baseline for strategies with a buffer. Optimiser and moving average start
//! anew with each model, whatever `training.ema.at_experience` says. Where a stream removes classes, the buffer loses them.

use cldiff_choices::Describe;
use data_streams::{ImageDataset, Stream};
use ddpm_core::{TrainBackend, TrainableDenoiser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildStrategy, Family, Needs, StrategyOptions};
use crate::{
    Boundary, HeldMemory, Restore, State, Strategy, StrategyError,
    buffer::{Buffer, BufferConfig, ClassBalanced},
};

/// The options of GDumb.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GdumbConfig {
    /// The buffer of stored images.
    pub buffer: BufferConfig,
}

impl Default for GdumbConfig {
    fn default() -> Self {
        Self { buffer: BufferConfig::of(ClassBalanced::per_class(20)) }
    }
}

impl Describe for GdumbConfig {
    const NAME: &'static str = "gdumb";
    const SUMMARY: &'static str = "A model trained from scratch on a balanced buffer alone";
    const CITATION: &'static str = "Prabhu et al. 2020";
}

impl StrategyOptions for GdumbConfig {
    fn family(&self) -> Family {
        Family::Baseline
    }

    fn validate(&self) -> Result<(), StrategyError> {
        self.buffer.validate().map_err(|error| error.at("buffer"))
    }

    fn needs(&self) -> Needs {
        Needs { buffer: Some(self.buffer.clone()), ..Needs::boundaries() }
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for GdumbConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Gdumb::new(self.clone())?))
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
    fn remove_classes(&mut self, classes: &[usize]) -> Result<(), StrategyError> {
        self.buffer.forget(classes);
        Ok(())
    }

    fn before_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.untrained.get_or_insert_with(|| boundary.model.clone());
        if boundary.experience.is_removal() {
            return Ok(());
        }
        let absorbed = self.buffer.absorb(&boundary.experience.train, boundary.key);
        absorbed.map_err(|error| error.at("buffer"))
    }

    fn start_from(&mut self, boundary: &Boundary<'_, B, D>) -> Result<Option<D>, StrategyError> {
        Ok(if boundary.k == 0 { None } else { self.untrained.clone() })
    }

    fn training_data(&self, _stream: &Stream, _k: usize) -> Result<Option<ImageDataset>, StrategyError> {
        Ok(self.buffer.contents().cloned())
    }

    fn stored_images(&self) -> Result<Option<ImageDataset>, StrategyError> {
        Ok(self.buffer.contents().cloned())
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
