//! Generative replay (Shin et al. 2017, arXiv 1705.08690, equation 3, with the model as its own generator).
//!
//! The model at the end of the last experience draws images of what was seen so far; they are trained on like data, with
//! noise of their own: L / k + (1 - 1/k) lambda L_generated in the k-th experience. Classes are asked for as they occurred in
//! all past experiences; their labels are dropped as often as current ones, so that the branch without labels is rehearsed.
//! Guided by a classifier towards the images' own classes it is DDGR, towards the current ones GUIDE.

use cldiff_choices::Describe;
use ddpm_core::{TrainBackend, TrainableDenoiser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, Family, Needs, Setting, StrategyOptions, Tunable,
    shared::{
        generator::{Generator, GeneratorConfig},
        mixing::Mixing,
    },
};
use crate::{AddedLoss, Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError, check};

/// The options of generative replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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

impl Describe for GenerativeReplayConfig {
    const NAME: &'static str = "generative_replay";
    const SUMMARY: &'static str = "Replay of images that the last model draws";
    const CITATION: &'static str =
        "Shin et al. 2017, arXiv 1705.08690; guided: DDGR, Gao & Liu 2023; GUIDE, arXiv 2403.03938";
}

impl StrategyOptions for GenerativeReplayConfig {
    fn family(&self) -> Family {
        Family::Generative
    }

    fn tunables(&self) -> &'static [Tunable] {
        // A decade to either side of 1, the weight in CLoG and in Masip et al.'s replay, which search none.
        const { &[Tunable::log("rehearsal_coefficient", 0.1, 10.0)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("rehearsal_coefficient", self.rehearsal_coefficient)?;
        check::batch_size("batch_size", self.batch_size)?;
        self.generator.validate().map_err(|error| error.at("generator"))
    }

    fn needs(&self) -> Needs {
        Needs { classes: self.generator.needs_classes(), ..Needs::looking_back() }
    }

    fn check(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        self.generator.check_setting(setting).map_err(|error| error.at("generator"))
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for GenerativeReplayConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(GenerativeReplay::new(self.clone())?))
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
        Ok(Self { generator: Generator::new(config.generator.clone()), config })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for GenerativeReplay<B, D> {
    fn added(&mut self, step: &Step<'_, B, D>) -> Result<Option<AddedLoss<B>>, StrategyError> {
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let drawn = self.generator.noisy_batch(step, n).map_err(|error| error.at("generator"))?;
        let Some(batch) = drawn else { return Ok(None) };
        let replayed = step.loss_on(&batch);
        let GenerativeReplayConfig { mixing, rehearsal_coefficient, .. } = self.config;
        let counts = (step.batch.len(), n);
        Ok(Some(mixing.added(replayed, rehearsal_coefficient, step.experience, counts)))
    }

    fn remove_classes(&mut self, classes: &[usize]) -> Result<(), StrategyError> {
        self.generator.forget(classes);
        Ok(())
    }

    fn before_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.generator.prepare(boundary).map_err(|error| error.at("generator"))
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.generator.learn(boundary).map_err(|error| error.at("generator"))
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
