//! Distillation along the teacher's own sampling (after KamilDeja/analysing_ddgm, whose continual training samples
//! partway).
//!
//! The teacher, the model at the end of the last experience, samples from pure noise down to a timestep that is drawn
//! for the batch; there the two models' next steps are compared: L / k + (1 - 1/k) lambda KL(p_teacher(x_{t-1} | x_t) ||
//! p(x_{t-1} | x_t)), the mean over dimensions, in nats. With a fixed variance that is the squared difference of the
//! means over twice the variance. No image is sampled to its end.

use burn::tensor::Tensor;
use cldiff_choices::Describe;
use ddpm_core::{
    CoreError, GaussianDiffusion, TrainBackend, TrainableDenoiser,
    diffusion::Threshold,
    noise::{NormalNoise, Purpose, indices},
    sampler::{Ancestral, KeyedNoise},
};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, Needs, Setting, StrategyOptions,
    shared::{
        generator::{Generator, GeneratorConfig},
        mixing::Mixing,
    },
};
use crate::{Boundary, HeldMemory, Pass, Restore, State, Step, Strategy, StrategyError, check};

const START: Purpose = Purpose::named("start of a partial sampling");

/// The options of the distillation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PartialSamplingDistillationConfig {
    /// lambda: the weight of the divergence.
    pub distillation_coefficient: f64,
    /// Samples in each step; as many as the current batch has if absent.
    pub batch_size: Option<usize>,
    /// Ancestral steps of a whole sampling, of which half are taken on average.
    pub steps: usize,
    /// How the two losses become one.
    pub mixing: Mixing,
}

impl Default for PartialSamplingDistillationConfig {
    fn default() -> Self {
        Self { distillation_coefficient: 1.0, batch_size: None, steps: 20, mixing: Mixing::TaskShares }
    }
}

impl Describe for PartialSamplingDistillationConfig {
    const NAME: &'static str = "partial_sampling_distillation";
    const SUMMARY: &'static str = "The last model's next step, somewhere along its own sampling";
    const CITATION: &'static str = "KamilDeja/analysing_ddgm";
}

impl StrategyOptions for PartialSamplingDistillationConfig {
    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("distillation_coefficient", self.distillation_coefficient)?;
        check::batch_size("batch_size", self.batch_size)?;
        check::at_least_1("steps", self.steps)
    }

    fn needs(&self) -> Needs {
        Needs::looking_back()
    }

    fn check(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        // A process that cannot be built is told by its owner.
        setting.process.build().map_or(Ok(()), |process| self.sampled(&process).map(|_| ()))
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D>
    for PartialSamplingDistillationConfig
{
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(PartialSamplingDistillation::new(*self)?))
    }
}

impl PartialSamplingDistillationConfig {
    fn ancestral(&self) -> Ancestral {
        Ancestral { steps: Some(self.steps), ..Ancestral::default() }
    }

    /// The process in so many steps.
    ///
    /// # Errors
    /// [`StrategyError::Config`] if it has not so many.
    fn sampled(&self, process: &GaussianDiffusion) -> Result<GaussianDiffusion, StrategyError> {
        let misfit = |error: CoreError| {
            let problem = match error {
                CoreError::Config { expected, .. } => expected,
                other => other.to_string(),
            };
            StrategyError::config("steps", self.steps, problem)
        };
        self.ancestral().process(process).map_err(misfit)
    }
}

/// Distillation along the teacher's sampling.
#[derive(Debug)]
pub struct PartialSamplingDistillation<B: TrainBackend, D: TrainableDenoiser<B>> {
    config: PartialSamplingDistillationConfig,
    generator: Generator<B, D>,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> PartialSamplingDistillation<B, D> {
    /// Before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: PartialSamplingDistillationConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { config, generator: Generator::new(GeneratorConfig::default()) })
    }

    /// KL between the teacher's next step and the model's, `[1]`.
    fn divergence(&self, step: &Step<'_, B, D>, n: usize) -> Result<Option<Tensor<B, 1>>, StrategyError> {
        let Some((teacher, shape)) = self.generator.teacher().zip(self.generator.shape()) else {
            return Ok(None);
        };
        let key = step.key.within(START);
        let (ancestral, process) = (self.config.ancestral(), self.config.sampled(step.process)?);
        let target = key.rng(0).random_range(0..process.timesteps());
        let classes = self.generator.classes(step.condition_on, n, key);
        let y = classes.map(|classes| indices::<B::InnerBackend>(&classes, step.device));
        let mut x =
            key.normal::<B::InnerBackend>(0, [n, shape.channels, shape.height, shape.width], step.device);
        let noise = KeyedNoise { key, first: 0 };
        for t in (target + 1..process.timesteps()).rev() {
            x = ancestral.step(&teacher.model, &process, x, t, y.clone(), &noise);
        }
        step.passes.add(Pass::Generator, n * (process.timesteps() - 1 - target));
        step.passes.add(Pass::Teacher, n);
        let threshold = Threshold::default();
        let of_teacher =
            process.p_mean_variance(&teacher.model, x.clone(), target, y.clone(), threshold).mean;
        step.count_images(n);
        let (x, y) = (Tensor::from_inner(x), y.map(Tensor::from_inner));
        let of_model = process.p_mean_variance(step.model, x, target, y, threshold).mean;
        let variance = process.posterior_log_variance_clipped(target).exp();
        let difference = of_model - Tensor::from_inner(of_teacher);
        Ok(Some(difference.powi_scalar(2).mean().div_scalar(2.0 * variance)))
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for PartialSamplingDistillation<B, D> {
    fn loss(&mut self, step: &Step<'_, B, D>, loss: Tensor<B, 1>) -> Result<Tensor<B, 1>, StrategyError> {
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let Some(divergence) = self.divergence(step, n)? else { return Ok(loss) };
        let PartialSamplingDistillationConfig { mixing, distillation_coefficient, .. } = self.config;
        Ok(mixing.mix(loss, divergence, distillation_coefficient, step.experience, (step.batch.len(), n)))
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.config.sampled(boundary.process)?;
        self.generator.remember(boundary);
        Ok(())
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
