//! Generative distillation (Masip et al. 2023, arXiv 2311.14028, equation 4).
//!
//! As generative replay, but the target at a noisy generated image is what the teacher predicts there, not the noise
//! that was added: the whole reverse process is handed on, not its samples alone. Variants of the paper's comparison
//! distil at other noisy images.

use burn::tensor::Tensor;
use cldiff_choices::Describe;
use ddpm_core::{
    NoisyBatch, TrainBackend, TrainableDenoiser,
    noise::{NormalNoise, Purpose, indices},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, Needs, Setting, StrategyOptions,
    shared::{
        generator::{Generator, GeneratorConfig},
        mixing::Mixing,
    },
};
use crate::{Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError, check};

const GAUSSIAN: Purpose = Purpose::named("gaussian inputs of a distillation");

/// At which noisy images the teacher is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Inputs {
    /// Images that the teacher drew, with noise.
    #[default]
    Generated,
    /// Pure noise at every timestep: no image is drawn.
    Gaussian,
    /// The current experience's noisy images, as learning without forgetting does.
    Lwf,
}

/// The options of generative distillation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GenerativeDistillationConfig {
    /// At which noisy images.
    pub inputs: Inputs,
    /// lambda: the weight of the distillation.
    pub distillation_coefficient: f64,
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
            distillation_coefficient: 1.0,
            batch_size: None,
            mixing: Mixing::TaskShares,
            generator: GeneratorConfig::default(),
        }
    }
}

impl Describe for GenerativeDistillationConfig {
    const NAME: &'static str = "generative_distillation";
    const SUMMARY: &'static str = "The last model's predictions at noisy images that it drew";
    const CITATION: &'static str = "Masip et al. 2023, arXiv 2311.14028";
}

impl StrategyOptions for GenerativeDistillationConfig {
    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("distillation_coefficient", self.distillation_coefficient)?;
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

    /// Pure noise in the place of noisy images.
    fn gaussian(&self, step: &Step<'_, B, D>, n: usize) -> Option<NoisyBatch<B>> {
        let shape = self.generator.shape()?;
        let key = step.key.within(GAUSSIAN);
        let x_t = key.normal(0, [n, shape.channels, shape.height, shape.width], step.device);
        let (t, _) = step.timesteps.draw(n, key);
        let y = self.generator.classes(step.condition_on, n, key);
        let y = y.map(|classes| indices(&classes, step.device));
        // The image behind it is not used.
        Some(NoisyBatch { x_0: x_t.clone(), eps: x_t.clone(), x_t, t, y, weights: None })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for GenerativeDistillation<B, D> {
    fn loss(&mut self, step: &Step<'_, B, D>, loss: Tensor<B, 1>) -> Result<Tensor<B, 1>, StrategyError> {
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let batch = match self.config.inputs {
            Inputs::Generated => {
                self.generator.noisy_batch(step, n).map_err(|error| error.at("generator"))?
            }
            Inputs::Gaussian => self.gaussian(step, n),
            Inputs::Lwf => Some(step.batch.clone()),
        };
        let (Some(teacher), Some(batch)) = (self.generator.teacher(), batch) else {
            return Ok(loss);
        };
        let distilled = teacher.distillation_loss(step, &batch);
        let GenerativeDistillationConfig { mixing, distillation_coefficient, .. } = self.config;
        let counts = (step.batch.len(), batch.len());
        Ok(mixing.mix(loss, distilled, distillation_coefficient, step.experience, counts))
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
