//! Experience replay: a second loss, on images kept from past experiences.
//!
//! L = L(current batch) + lambda L(buffer batch), each the mean over its own batch. lambda is the *rehearsal
//! coefficient*; "reduced" means below 1 ("Exploring Continual Learning of Diffusion Models", arXiv 2303.15342).
//! While the buffer is empty, in the first experience, this is finetuning. Where the literature weighs the two losses
//! in other ways, these are [`Mixing`].

use cldiff_choices::Describe;
use data_streams::ImageDataset;
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildStrategy, Family, Needs, StrategyOptions, Tunable, shared::mixing::Mixing};
use crate::{
    AddedLoss, Boundary, HeldMemory, Observer, Restore, State, Step, Strategy, StrategyError,
    buffer::{self, Buffer, BufferConfig, ClassBalanced},
    check,
};

const REPLAYED: Purpose = Purpose::named("replayed batch");

/// The options of experience replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayConfig {
    /// lambda: the weight of the loss on the buffer.
    pub rehearsal_coefficient: f64,
    /// Images of the buffer in each step; as many as the current batch has if absent.
    pub batch_size: Option<usize>,
    /// How the two losses become one.
    pub mixing: Mixing,
    /// The buffer of stored images.
    pub buffer: BufferConfig,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        Self {
            rehearsal_coefficient: 1.0,
            batch_size: None,
            mixing: Mixing::TwoMeans,
            buffer: BufferConfig::of(ClassBalanced::per_class(20)),
        }
    }
}

impl Describe for ReplayConfig {
    const NAME: &'static str = "replay";
    const SUMMARY: &'static str = "A second loss on stored images, with a rehearsal coefficient";
    const CITATION: &'static str = "arXiv 2303.15342; Chaudhry et al. 2019, arXiv 1902.10486";
}

impl StrategyOptions for ReplayConfig {
    fn family(&self) -> Family {
        Family::Rehearsal
    }

    fn tunables(&self) -> &'static [Tunable] {
        // Published code has 1 (Mammoth, CLoG), and arXiv 2303.15342 less. On average 1 was better here than 0.1
        // (evidence/effects), so that the range has larger ones too.
        const { &[Tunable::log("rehearsal_coefficient", 0.03, 10.0)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("rehearsal_coefficient", self.rehearsal_coefficient)?;
        check::batch_size("batch_size", self.batch_size)?;
        self.buffer.validate().map_err(|error| error.at("buffer"))
    }

    fn needs(&self) -> Needs {
        let boundaries = self.mixing == Mixing::TaskShares || !self.buffer.is_online();
        let (unless, buffer) = (Some("a reservoir"), Some(self.buffer.clone()));
        Needs { boundaries, unless, looks_back: true, buffer, classes: None }
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for ReplayConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Replay::new(self.clone())?))
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
        config.validate()?;
        Ok(Self { buffer: config.buffer.build(), config })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Replay {
    fn added(&mut self, step: &Step<'_, B, D>) -> Result<Option<AddedLoss<B>>, StrategyError> {
        let Some(stored) = self.buffer.contents() else { return Ok(None) };
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let positions = buffer::draw(stored.len(), n, step.key);
        let replayed = step.loss_on(&step.noisy(stored, &positions, REPLAYED));
        let ReplayConfig { mixing, rehearsal_coefficient, .. } = self.config;
        let counts = (step.batch.len(), n);
        Ok(Some(mixing.added(replayed, rehearsal_coefficient, step.experience, counts)))
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

impl Observer for Replay {
    fn observe(&mut self, arrived: &ImageDataset, key: Key) -> Result<(), StrategyError> {
        self.buffer.absorb(arrived, key).map_err(|error| error.at("buffer"))
    }
}
