//! Dark experience replay (Buzzega et al. 2020, arXiv 2004.07211, equations 5 and 6), for a denoiser.
//!
//! With each stored image goes a timestep, a noise and what the model predicted there at the end of its experience. DER
//! holds the model to that prediction: L + alpha |prediction - stored|^2. DER++ adds the ordinary loss on stored images:
//! + beta L_buffer. Deviation: predictions are stored at the end of an experience, not while it is learned.
//!
//! The paper's predictions are of an image; a denoiser's are of an image, a timestep and a noise. `noise = "fixed"` keeps one
//! of them, as above. `noise = "fresh"` holds the model to the prediction at a new timestep and noise in every step; for that
//! the model at the end of each experience is kept. `teacher` says whether predictions are those of the model as trained, as
//! in the reference code (aimagelab/mammoth), or of its moving average.
//!
//! `weighting` and `variance_channels` say how far a prediction is from the stored one; both are off, as the paper compares
//! outputs alone and has no timesteps. With the variance's channels, these are stored too.
//!
//! With label dropout an image is stored with the label that the model was asked with, which is the one for "no label" as
//! often as in training, and with its timestep's importance weight where timesteps are not drawn uniformly.

use burn::tensor::Tensor;
use cldiff_choices::Describe;
use data_streams::ImageDataset;
use ddpm_core::{TrainBackend, TrainableDenoiser, noise::Purpose};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, DerPlusPlusConfig, Family, Needs, Setting, StrategyOptions, Tunable,
    shared::{
        dark::{DarkNoise, Target},
        distilled::{Distillation, DistillationWeighting},
        teacher::TeacherWeights,
    },
};
use crate::{AddedLoss, Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError, buffer, check};

const STORED: Purpose = Purpose::named("what dark experience replay stores");
const REPLAYED: Purpose = Purpose::named("replayed batch");
const SECOND: Purpose = Purpose::named("second draw of dark experience replay");

/// The options of DER.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DerConfig {
    /// The weight of the stored predictions.
    pub alpha: f64,
    /// Images of the buffer in each step; as many as the current batch has if absent.
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

impl Default for DerConfig {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            batch_size: None,
            per_experience: 40,
            noise: DarkNoise::Fixed,
            teacher: TeacherWeights::Raw,
            weighting: DistillationWeighting::None,
            variance_channels: false,
        }
    }
}

impl Describe for DerConfig {
    const NAME: &'static str = "der";
    const SUMMARY: &'static str = "Distillation of stored predictions at stored images, timesteps and noise";
    const CITATION: &'static str = "Buzzega et al. 2020, arXiv 2004.07211";
}

impl StrategyOptions for DerConfig {
    fn family(&self) -> Family {
        Family::Rehearsal
    }

    fn tunables(&self) -> &'static [Tunable] {
        // Buzzega et al. chose 0.1 to 1 (Mammoth, `utils/best_args.py`). From there on little changed here
        // (evidence/effects-grid).
        const { &[Tunable::log("alpha", 0.05, 5.0)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("alpha", self.alpha)?;
        check::batch_size("batch_size", self.batch_size)?;
        check::at_least_1("per_experience", self.per_experience)
    }

    fn needs(&self) -> Needs {
        Needs::looking_back()
    }

    fn check(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        let Self { weighting, variance_channels, .. } = *self;
        Distillation { weighting, variance_channels }.check_setting(setting)
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for DerConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Der::new(*self)?))
    }
}

/// Images of an experience with what was predicted of them.
#[derive(Debug)]
struct Stored<B: TrainBackend> {
    data: ImageDataset,
    target: Target<B>,
}

/// DER or DER++.
#[derive(Debug)]
pub struct Der<B: TrainBackend> {
    config: DerPlusPlusConfig,
    stored: Vec<Stored<B>>,
    /// The images of all experiences.
    images: Option<ImageDataset>,
}

impl<B: TrainBackend> Der<B> {
    /// DER with nothing stored.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: DerConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        let DerConfig { alpha, batch_size, per_experience, noise, teacher, weighting, variance_channels } =
            config;
        Ok(Self::of(DerPlusPlusConfig {
            alpha,
            beta: 0.0,
            batch_size,
            per_experience,
            noise,
            teacher,
            weighting,
            variance_channels,
        }))
    }

    /// With nothing stored; `config` has been validated.
    pub(super) fn of(config: DerPlusPlusConfig) -> Self {
        Self { config, stored: Vec::new(), images: None }
    }

    fn keep(&mut self, stored: Stored<B>) -> Result<(), StrategyError> {
        let all: Vec<&ImageDataset> = self.images.iter().chain([&stored.data]).collect();
        let pooled = ImageDataset::concat(&all);
        self.images = Some(pooled?);
        self.stored.push(stored);
        Ok(())
    }

    /// The mean difference to stored predictions, of one experience drawn for the step.
    fn dark_loss<D: TrainableDenoiser<B>>(&self, step: &Step<'_, B, D>, n: usize) -> Tensor<B, 1> {
        use rand::Rng;
        let key = step.key.within(STORED);
        let stored = &self.stored[key.rng(0).random_range(0..self.stored.len())];
        let positions = buffer::draw(stored.data.len(), n, key);
        stored.target.loss(step, &stored.data, &positions, self.config.distillation())
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Der<B> {
    fn added(&mut self, step: &Step<'_, B, D>) -> Result<Option<AddedLoss<B>>, StrategyError> {
        let Some(images) = &self.images else { return Ok(None) };
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let dark = self.dark_loss(step, n).mul_scalar(self.config.alpha);
        if self.config.beta == 0.0 {
            return Ok(Some(AddedLoss::beside(dark)));
        }
        let positions = buffer::draw(images.len(), n, step.key.within(SECOND));
        let replayed = step.loss_on(&step.noisy(images, &positions, REPLAYED)).mul_scalar(self.config.beta);
        Ok(Some(AddedLoss::beside(dark + replayed)))
    }

    fn remove_classes(&mut self, classes: &[usize]) -> Result<(), StrategyError> {
        self.images = None;
        for mut stored in std::mem::take(&mut self.stored) {
            let kept: Vec<usize> =
                (0..stored.data.len()).filter(|&i| !classes.contains(&stored.data.label(i))).collect();
            if !kept.is_empty() {
                stored.target.select(&kept);
                self.keep(Stored { data: stored.data.select(&kept), ..stored })?;
            }
        }
        Ok(())
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        if boundary.experience.is_removal() {
            return Ok(());
        }
        let n = self.config.per_experience.min(boundary.experience.train.len());
        let positions = boundary.draw(n, STORED);
        let DerPlusPlusConfig { noise, teacher, .. } = self.config;
        let kind = (noise, teacher, self.config.distillation());
        let target = Target::of(boundary, &positions, boundary.key.within(STORED), kind);
        self.keep(Stored { data: boundary.experience.train.select(&positions), target })
    }

    fn stored_images(&self) -> Result<Option<ImageDataset>, StrategyError> {
        Ok(self.images.clone())
    }

    fn memory(&self) -> HeldMemory {
        let images = self.images.as_ref().map_or(0, |data| data.len() * data.shape().len());
        let numbers: usize = self.stored.iter().map(|stored| stored.target.len()).sum();
        HeldMemory { buffer_bytes: images as u64, extra_parameters: numbers as u64 }
    }

    fn save(&self, state: &mut State) {
        state.put("experiences", self.stored.len());
        for (k, stored) in self.stored.iter().enumerate() {
            state.put_images(&format!("images.{k}"), Some(&stored.data));
            stored.target.save(state, k);
        }
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        for k in 0..state.take("experiences")? {
            let Some(data) = state.take_images(&format!("images.{k}"), context.data)? else {
                return Err(StrategyError::state(&format!("images.{k}"), "it is missing"));
            };
            let target = Target::restore(state, context, k)?;
            self.keep(Stored { data, target })?;
        }
        Ok(())
    }
}
