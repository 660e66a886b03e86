//! Generative distillation (Masip et al. 2023, arXiv 2311.14028, equation 4).
//!
//! As generative replay, but the target at a noisy generated image is what the teacher predicts there, not the noise
//! that was added: the whole reverse process is handed on, not its samples alone. Variants of the paper's comparison
//! distil at other noisy images. Teacher and student are asked with the same label, which is dropped as often as in training,
//! so that the branch without labels is distilled too; where timesteps are not drawn uniformly, their importance weights count.
//! `weighting` gives each timestep the weight of the training's objective, `variance_channels` distils a learned variance; the
//! reference code (Atenrev/diffusion_continual_learning) compares predictions alone, unweighted, and has fixed variances.
//! Guided by a classifier towards the current classes it is GUIDE's rehearsal with the teacher's predictions.

use burn::tensor::Tensor;
use cldiff_choices::Describe;
use ddpm_core::{
    NoisyBatch, TrainBackend, TrainableDenoiser,
    noise::{Purpose, indices},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, Family, Needs, Setting, StrategyOptions, Tunable,
    shared::{
        distilled::{Distillation, DistillationWeighting},
        generator::{Generator, GeneratorConfig},
        mixing::Mixing,
        noisy_inputs::{gaussian, partial_generation, symmetric_gaussian},
    },
};
use crate::{AddedLoss, Boundary, HeldMemory, Pass, Restore, State, Step, Strategy, StrategyError, check};

const GAUSSIAN: Purpose = Purpose::named("gaussian inputs of a distillation");
const TIMESTEPS: Purpose = Purpose::named("timesteps of a distillation");

/// At which noisy images the teacher is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Inputs {
    /// Images that the teacher drew, with noise.
    #[default]
    Generated,
    /// Pure noise at every timestep: no image is drawn.
    Gaussian,
    /// Pure noise, mirrored both ways at the clean third of the timesteps, one way at the middle third.
    SymmetricGaussian,
    /// Samples that the teacher leaves off at the timestep, after [`partial_steps`](GenerativeDistillationConfig::partial_steps).
    PartialGeneration,
    /// The current experience's noisy images, as learning without forgetting does.
    Lwf,
}

/// The options of generative distillation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GenerativeDistillationConfig {
    /// The noisy images at which the teacher is asked.
    pub inputs: Inputs,
    /// Steps of a partial generation, of DDIM without noise.
    pub partial_steps: usize,
    /// lambda: the weight of the distillation.
    pub distillation_coefficient: f64,
    /// Whether timesteps are weighted in the distillation as the training's objective weighs them.
    pub weighting: DistillationWeighting,
    /// Whether the channels of a learned variance are distilled.
    pub variance_channels: bool,
    /// Images in each step; as many as the current batch has if absent.
    pub batch_size: Option<usize>,
    /// How the two losses become one.
    pub mixing: Mixing,
    /// How images are drawn.
    pub generator: GeneratorConfig,
}

impl Default for GenerativeDistillationConfig {
    fn default() -> Self {
        Self {
            inputs: Inputs::Generated,
            partial_steps: 2,
            distillation_coefficient: 1.0,
            weighting: DistillationWeighting::None,
            variance_channels: false,
            batch_size: None,
            mixing: Mixing::TaskShares,
            generator: GeneratorConfig::default(),
        }
    }
}

impl GenerativeDistillationConfig {
    fn distillation(&self) -> Distillation {
        Distillation { weighting: self.weighting, variance_channels: self.variance_channels }
    }
}

impl Describe for GenerativeDistillationConfig {
    const NAME: &'static str = "generative_distillation";
    const SUMMARY: &'static str = "Distillation of the last model's predictions at noisy images that it drew";
    const CITATION: &'static str = "Masip et al. 2023, arXiv 2311.14028";
}

impl StrategyOptions for GenerativeDistillationConfig {
    fn family(&self) -> Family {
        Family::Generative
    }

    fn tunables(&self) -> &'static [Tunable] {
        // Masip et al.'s launch scripts: 1 to 28 at pure noise, 0.1 to 1.75 at current images, 0.1 to 8 at generated images, 1 to
        // 8 at partial generations.
        match self.inputs {
            Inputs::Gaussian | Inputs::SymmetricGaussian => {
                const { &[Tunable::log("distillation_coefficient", 0.3, 30.0)] }
            }
            Inputs::Lwf => const { &[Tunable::log("distillation_coefficient", 0.03, 3.0)] },
            Inputs::Generated | Inputs::PartialGeneration => {
                const { &[Tunable::log("distillation_coefficient", 0.1, 10.0)] }
            }
        }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("distillation_coefficient", self.distillation_coefficient)?;
        check::batch_size("batch_size", self.batch_size)?;
        check::at_least_1("partial_steps", self.partial_steps)?;
        self.generator.validate().map_err(|error| error.at("generator"))
    }

    fn needs(&self) -> Needs {
        Needs { classes: self.generator.needs_classes(), ..Needs::looking_back() }
    }

    fn check(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        self.distillation().check_setting(setting)?;
        self.generator.check_setting(setting).map_err(|error| error.at("generator"))
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D>
    for GenerativeDistillationConfig
{
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(GenerativeDistillation::new(self.clone())?))
    }
}

/// Generative distillation.
#[derive(Debug)]
pub struct GenerativeDistillation<B: TrainBackend, D: TrainableDenoiser<B>> {
    config: GenerativeDistillationConfig,
    generator: Generator<B, D>,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> GenerativeDistillation<B, D> {
    /// Generative distillation before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: GenerativeDistillationConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { generator: Generator::new(config.generator.clone()), config })
    }

    /// Noisy images that no image lies behind.
    fn without_image(&self, step: &Step<'_, B, D>, n: usize) -> Option<NoisyBatch<B>> {
        let (teacher, shape) = self.generator.teacher().zip(self.generator.shape())?;
        let (key, device) = (step.key.within(GAUSSIAN), step.device);
        let (t, weights) = step.timesteps.draw(n, key.within(TIMESTEPS));
        let mut classes = self.generator.classes(step.condition_on, n, key);
        let x_t = match self.config.inputs {
            Inputs::SymmetricGaussian => {
                symmetric_gaussian::<B::InnerBackend>(&t, step.process.timesteps(), shape, key, device)
            }
            Inputs::PartialGeneration => {
                let noise = gaussian::<B::InnerBackend>(n, shape, key, device);
                let y = classes.as_ref().map(|classes| indices(classes, device));
                let steps = self.config.partial_steps;
                step.passes.add(Pass::Generator, n * steps);
                partial_generation(&teacher.model, step.process, noise, &t, y.as_ref(), steps)
            }
            Inputs::Gaussian | Inputs::Generated | Inputs::Lwf => gaussian(n, shape, key, device),
        };
        if let Some(classes) = &mut classes {
            step.label_dropout.apply(classes, key);
        }
        let (x_t, y) = (Tensor::from_inner(x_t), classes.map(|classes| indices(&classes, device)));
        // The image behind it is not used.
        Some(NoisyBatch { x_0: x_t.clone(), eps: x_t.clone(), x_t, t, y, weights })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for GenerativeDistillation<B, D> {
    fn added(&mut self, step: &Step<'_, B, D>) -> Result<Option<AddedLoss<B>>, StrategyError> {
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let batch = match self.config.inputs {
            Inputs::Generated => {
                self.generator.noisy_batch(step, n).map_err(|error| error.at("generator"))?
            }
            Inputs::Gaussian | Inputs::SymmetricGaussian | Inputs::PartialGeneration => {
                self.without_image(step, n)
            }
            Inputs::Lwf => Some(step.batch.clone()),
        };
        let (Some(teacher), Some(batch)) = (self.generator.teacher(), batch) else { return Ok(None) };
        let distilled = teacher.distillation_loss(step, &batch, self.config.distillation());
        let GenerativeDistillationConfig { mixing, distillation_coefficient, .. } = self.config;
        let counts = (step.batch.len(), batch.len());
        Ok(Some(mixing.added(distilled, distillation_coefficient, step.experience, counts)))
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
