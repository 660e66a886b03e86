//! Averaged gradient episodic memory (Chaudhry et al. 2019, arXiv 1812.00420, equation 11).
//!
//! Where the gradient g points against that of the loss on the buffer, g_ref, that part of it is taken away:
//! g - (g . g_ref) / (g_ref . g_ref) g_ref if g . g_ref < 0, else g.

use burn::{
    optim::GradientsParams,
    tensor::{Tensor, backend::Backend},
};
use cldiff_choices::Describe;
use data_streams::ImageDataset;
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
    parameters::{ParameterVector, gradients_from, take_gradients},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildStrategy, Family, Needs, StrategyOptions};
use crate::{
    Boundary, HeldMemory, Observer, Restore, State, Step, Strategy, StrategyError,
    buffer::{self, Buffer, BufferConfig, ClassBalanced},
    check,
};

const REFERENCE: Purpose = Purpose::named("reference gradient");

/// The options of A-GEM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AGemConfig {
    /// Images of the buffer in each step; as many as the current batch has if absent.
    pub batch_size: Option<usize>,
    /// The buffer of stored images.
    pub buffer: BufferConfig,
}

impl Default for AGemConfig {
    fn default() -> Self {
        Self { batch_size: None, buffer: BufferConfig::of(ClassBalanced::per_class(20)) }
    }
}

impl Describe for AGemConfig {
    const NAME: &'static str = "a_gem";
    const SUMMARY: &'static str = "Gradients without their part that opposes the gradient on the buffer";
    const CITATION: &'static str = "Chaudhry et al. 2019, arXiv 1812.00420";
}

impl StrategyOptions for AGemConfig {
    fn family(&self) -> Family {
        Family::Gradient
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::batch_size("batch_size", self.batch_size)?;
        self.buffer.validate().map_err(|error| error.at("buffer"))
    }

    fn needs(&self) -> Needs {
        let boundaries = !self.buffer.is_online();
        let (unless, buffer) = (Some("a reservoir"), Some(self.buffer.clone()));
        Needs { boundaries, unless, looks_back: true, buffer, classes: None }
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for AGemConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(AGem::new(self.clone())?))
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
        Ok(Self { buffer: config.buffer.build(), config })
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
    fn gradients(
        &mut self,
        step: &Step<'_, B, D>,
        mut grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        let Some(stored) = self.buffer.contents() else { return Ok(grads) };
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let positions = buffer::draw(stored.len(), n, step.key);
        let loss = step.loss_on(&step.noisy(stored, &positions, REFERENCE));
        let mut of_buffer = GradientsParams::from_grads(loss.backward(), step.model);
        let reference = take_gradients::<B, D>(step.model, &mut of_buffer);
        let g = take_gradients::<B, D>(step.model, &mut grads);
        Ok(gradients_from::<B, D>(step.model, project(g, reference)))
    }

    fn observer(&mut self) -> Option<&mut dyn Observer> {
        if self.config.needs().boundaries { None } else { Some(self) }
    }

    fn remove_classes(&mut self, classes: &[usize]) -> Result<(), StrategyError> {
        self.buffer.forget(classes);
        Ok(())
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        if boundary.experience.is_removal() {
            return Ok(());
        }
        let absorbed = self.buffer.absorb(&boundary.experience.train, boundary.key);
        absorbed.map_err(|error| error.at("buffer"))
    }

    fn stored_images(&self) -> Result<Option<ImageDataset>, StrategyError> {
        Ok(self.buffer.contents().cloned())
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

impl Observer for AGem {
    fn observe(&mut self, arrived: &ImageDataset, key: Key) -> Result<(), StrategyError> {
        self.buffer.absorb(arrived, key).map_err(|error| error.at("buffer"))
    }
}
