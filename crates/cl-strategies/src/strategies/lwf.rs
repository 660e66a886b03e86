//! Learning without forgetting (Li & Hoiem 2016, arXiv 1606.09282), for a denoiser: knowledge distillation from the
//! model at the end of the last experience, on the current noisy images. L + lambda |eps(x_t) - eps_teacher(x_t)|^2.
//!
//! `teacher = "average"` takes the moving average for the teacher, in place of the model as trained; `weighting` and
//! `variance_channels` say what it is asked for.

use cldiff_choices::Describe;
use ddpm_core::{TrainBackend, TrainableDenoiser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, Family, Needs, Setting, StrategyOptions, Tunable,
    shared::{
        distilled::{Distillation, DistillationWeighting},
        teacher::{Teacher, TeacherWeights},
    },
};
use crate::{AddedLoss, Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError, check};

/// The options of learning without forgetting.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LwfConfig {
    /// The weight of the distillation.
    pub lambda: f64,
    /// The weights of the teacher.
    pub teacher: TeacherWeights,
    /// Whether timesteps are weighted in the distillation as the training's objective weighs them.
    pub weighting: DistillationWeighting,
    /// Whether the channels of a learned variance are distilled.
    pub variance_channels: bool,
}

impl Default for LwfConfig {
    fn default() -> Self {
        let (teacher, weighting) = (TeacherWeights::Raw, DistillationWeighting::None);
        Self { lambda: 1.0, teacher, weighting, variance_channels: false }
    }
}

impl LwfConfig {
    fn distillation(self) -> Distillation {
        Distillation { weighting: self.weighting, variance_channels: self.variance_channels }
    }
}

impl Describe for LwfConfig {
    const NAME: &'static str = "lwf";
    const SUMMARY: &'static str = "Distillation of the last model's predictions at current noisy images";
    const CITATION: &'static str = "Li & Hoiem 2016, arXiv 1606.09282";
}

impl StrategyOptions for LwfConfig {
    fn family(&self) -> Family {
        Family::Generative
    }

    fn tunables(&self) -> &'static [Tunable] {
        // Masip et al. try 0.1 to 1.75 on current noisy images (their launch scripts). Of 0.1 to 10 the least was the best here
        // (evidence/effects-grid).
        const { &[Tunable::log("lambda", 0.003, 3.0)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("lambda", self.lambda)
    }

    fn needs(&self) -> Needs {
        Needs::looking_back()
    }

    fn check(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        self.distillation().check_setting(setting)
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for LwfConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Lwf::new(*self)?))
    }
}

/// Learning without forgetting.
#[derive(Debug)]
pub struct Lwf<B: TrainBackend, D: TrainableDenoiser<B>> {
    config: LwfConfig,
    teacher: Option<Teacher<B, D>>,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Lwf<B, D> {
    /// Without a teacher, before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: LwfConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { config, teacher: None })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Lwf<B, D> {
    fn added(&mut self, step: &Step<'_, B, D>) -> Result<Option<AddedLoss<B>>, StrategyError> {
        let Some(teacher) = &self.teacher else { return Ok(None) };
        let distilled = teacher.distillation_loss(step, step.batch, self.config.distillation());
        Ok(Some(AddedLoss::beside(distilled.mul_scalar(self.config.lambda))))
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.teacher = Some(Teacher::of(boundary, self.config.teacher));
        Ok(())
    }

    fn memory(&self) -> HeldMemory {
        HeldMemory { buffer_bytes: 0, extra_parameters: self.teacher.as_ref().map_or(0, Teacher::len) }
    }

    fn save(&self, state: &mut State) {
        Teacher::save(self.teacher.as_ref(), state);
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.teacher = Teacher::restore(state, context)?;
        Ok(())
    }
}
