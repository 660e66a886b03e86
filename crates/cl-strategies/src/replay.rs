//! Experience replay: a second loss, on images kept from past experiences.
//!
//! L = L(current batch) + lambda L(buffer batch), each the mean over its own batch. lambda is the *rehearsal
//! coefficient*; "reduced" means below 1 ("Exploring Continual Learning of Diffusion Models", arXiv 2303.15342).
//! While the buffer is empty, in the first experience, this is finetuning. Where the literature weighs the two losses
//! in other ways, these are [`Mixing`].

use burn::tensor::Tensor;
use data_streams::ImageDataset;
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError,
    buffer::{self, Buffer, BufferConfig, Size},
    check,
};

const REPLAYED: Purpose = Purpose::named("replayed batch");

/// How the losses on current and on stored images become one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mixing {
    /// `L + lambda L_buffer`, the mean over each batch (Chaudhry et al. 2019, arXiv 1902.10486).
    #[default]
    TwoMeans,
    /// The mean over both batches as one, an image of the buffer counting lambda times.
    Concatenated,
    /// `L / k + (1 - 1/k) lambda L_buffer` in the k-th experience, so that each has its share (Shin et al. 2017, arXiv
    /// 1705.08690, equation 3).
    TaskShares,
}

impl Mixing {
    /// The one loss.
    ///
    /// # Shapes
    /// - `current`, `replayed`: `[1]`, the mean of `counts.0` and `counts.1` images; output: `[1]`
    pub(crate) fn mix<B: TrainBackend>(
        self,
        current: Tensor<B, 1>,
        replayed: Tensor<B, 1>,
        coefficient: f64,
        experience: usize,
        counts: (usize, usize),
    ) -> Tensor<B, 1> {
        let (a, b) = match self {
            Self::TwoMeans => return current + replayed.mul_scalar(coefficient),
            Self::Concatenated => {
                let (n, m) = (counts.0 as f64, counts.1 as f64 * coefficient);
                (n / (n + m), m / (n + m))
            }
            Self::TaskShares => {
                let share = 1.0 / (experience as f64 + 1.0);
                (share, (1.0 - share) * coefficient)
            }
        };
        current.mul_scalar(a) + replayed.mul_scalar(b)
    }
}

/// The options of experience replay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayConfig {
    /// lambda: the weight of the loss on the buffer.
    pub rehearsal_coefficient: f64,
    /// Images of the buffer in each step; as many as the current batch has if absent.
    pub batch_size: Option<usize>,
    /// How the two losses become one.
    pub mixing: Mixing,
    /// What is kept.
    pub buffer: BufferConfig,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        Self {
            rehearsal_coefficient: 1.0,
            batch_size: None,
            mixing: Mixing::TwoMeans,
            buffer: BufferConfig::ClassBalanced(Size::per_class(20)),
        }
    }
}

impl ReplayConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for the first option out of range.
    pub fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("replay.rehearsal_coefficient", self.rehearsal_coefficient)?;
        check::batch_size("replay.batch_size", self.batch_size)?;
        self.buffer.validate("replay")?;
        Ok(())
    }

    /// Whether it works only on streams that tell where an experience ends.
    pub fn needs_boundaries(&self) -> bool {
        self.mixing == Mixing::TaskShares || !self.buffer.is_online()
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
        Ok(Self { config, buffer: config.buffer.build() })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Replay {
    fn loss(&mut self, step: &Step<'_, B, D>, loss: Tensor<B, 1>) -> Tensor<B, 1> {
        let Some(stored) = self.buffer.contents() else { return loss };
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let positions = buffer::draw(stored.len(), n, step.key);
        let replayed = step.loss_on(&step.noisy(stored, &positions, REPLAYED));
        let ReplayConfig { mixing, rehearsal_coefficient, .. } = self.config;
        mixing.mix(loss, replayed, rehearsal_coefficient, step.experience, (step.batch.len(), n))
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
