//! Distillation along the teacher's own sampling (KamilDeja/analysing_ddgm, `calculate_loss_previous_task`).
//!
//! The teacher, the model at the end of the last experience, samples each image from pure noise down to a timestep of its
//! own; there the two models' next steps are compared:
//! L + lambda T mean KL(p_teacher(x_{t-1} | x_t) || p(x_{t-1} | x_t)), each Gaussian with its own model's mean and
//! log-variance and no x_0 clipped, the mean over dimensions, in bits, times the T timesteps of the chain. No image is sampled
//! to its end; a step takes up to T passes of the teacher, T/2 an image on average.
//!
//! `variance_channels = false` leaves a learned variance out: both steps have the teacher's. The divergence is the bound's own
//! weighting of timesteps, so that there is no other.
//!
//! Deviations: timesteps are drawn over the whole chain, where the code raises those below 5/8 of it to that
//! ([`least_timestep_share`](PartialSamplingDistillationConfig::least_timestep_share) of 0.625); the models are compared at
//! x_t, where the code hands them x_{t-1} as x_t; there are as many samples as current images, where the code has
//! as many for each past task; importance weights of timesteps count, where the code leaves them out; labels are dropped as
//! often as in training, the same for both models, after sampling with them.

use burn::tensor::{Int, Tensor};
use cldiff_choices::Describe;
use ddpm_core::{
    CoreError, GaussianDiffusion, TrainBackend, TrainableDenoiser,
    diffusion::Threshold,
    noise::{Key, NormalNoise, Purpose, indices},
    sampler::{Ancestral, KeyedNoise},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, Family, Needs, Setting, StrategyOptions, Tunable,
    shared::{
        distilled::with_variance_of_first,
        generator::{Generator, GeneratorConfig},
        mixing::Mixing,
        posterior::divergence,
        teacher::{Teacher, TeacherWeights, weighted_mean},
    },
};
use crate::{AddedLoss, Boundary, HeldMemory, Pass, Restore, State, Step, Strategy, StrategyError, check};

const START: Purpose = Purpose::named("start of a partial sampling");
const TARGETS: Purpose = Purpose::named("ends of a partial sampling");

/// The options of the distillation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PartialSamplingDistillationConfig {
    /// lambda: the weight of the divergence.
    pub distillation_coefficient: f64,
    /// Samples in each step; as many as the current batch has if absent.
    pub batch_size: Option<usize>,
    /// Steps of the chain that is sampled and compared; all timesteps if absent. A chain of fewer is respaced, teaches its
    /// own timesteps alone and most of all the cleanest, and is there to save time.
    pub steps: Option<usize>,
    /// The share of the chain, 0 to 1, below which a drawn timestep is raised to it: 0 compares at every timestep; the
    /// reference's 0.625 spares the teacher the other 5/8 of the chain, and compares at its first timestep mostly.
    pub least_timestep_share: f64,
    /// How the two losses become one.
    pub mixing: Mixing,
    /// The weights of the teacher.
    pub teacher: TeacherWeights,
    /// Whether a learned variance is distilled, as in the reference; if not, the teacher's stands for both.
    pub variance_channels: bool,
}

impl Default for PartialSamplingDistillationConfig {
    fn default() -> Self {
        Self {
            distillation_coefficient: 1.0,
            batch_size: None,
            steps: None,
            least_timestep_share: 0.0,
            mixing: Mixing::TwoMeans,
            teacher: TeacherWeights::Raw,
            variance_channels: true,
        }
    }
}

impl Describe for PartialSamplingDistillationConfig {
    const NAME: &'static str = "partial_sampling_distillation";
    const SUMMARY: &'static str =
        "Distillation of the last model's sampling steps, at points of its own trajectories";
    const CITATION: &'static str = "KamilDeja/analysing_ddgm";
}

impl StrategyOptions for PartialSamplingDistillationConfig {
    fn family(&self) -> Family {
        Family::Generative
    }

    fn tunables(&self) -> &'static [Tunable] {
        // Of 0.01 to 1 the largest was the best here (evidence/effects-grid).
        const { &[Tunable::log("distillation_coefficient", 0.01, 100.0)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("distillation_coefficient", self.distillation_coefficient)?;
        check::batch_size("batch_size", self.batch_size)?;
        check::batch_size("steps", self.steps)?;
        check::share("least_timestep_share", self.least_timestep_share)
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
        Ancestral { steps: self.steps, threshold: Threshold::None, ..Ancestral::default() }
    }

    /// The process that is sampled: all of it, or so many steps.
    ///
    /// # Errors
    /// [`StrategyError::Config`] if it has not so many.
    fn sampled(&self, process: &GaussianDiffusion) -> Result<GaussianDiffusion, StrategyError> {
        let misfit = |error: CoreError| {
            let problem = match error {
                CoreError::Config { expected, .. } => expected,
                other => other.to_string(),
            };
            StrategyError::config("steps", self.steps.unwrap_or(process.timesteps()), problem)
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
        let generator = GeneratorConfig { teacher: config.teacher, ..GeneratorConfig::default() };
        Ok(Self { config, generator: Generator::new(generator) })
    }

    /// The timesteps at which the models are compared, in ascending order, with their importance weights.
    fn targets(
        &self,
        step: &Step<'_, B, D>,
        process: &GaussianDiffusion,
        n: usize,
        key: Key,
    ) -> Vec<(usize, Option<f64>)> {
        let key = key.within(TARGETS);
        let (t, weights) = match self.config.steps {
            None => step.timesteps.draw(n, key),
            Some(_) => (key.timesteps(n, process.timesteps()), None),
        };
        let total = process.timesteps();
        let least = ((total as f64 * self.config.least_timestep_share) as usize).min(total - 1);
        let weight = |i: usize| weights.as_ref().map(|weights| weights[i]);
        let mut targets: Vec<_> = t.iter().enumerate().map(|(i, t)| ((*t).max(least), weight(i))).collect();
        targets.sort_by_key(|(t, _)| *t);
        targets
    }

    /// Samples from pure noise, each down to its target.
    ///
    /// # Shapes
    /// - `x`: `[n, c, h, w]`, pure noise, `targets`: n ascending timesteps, `y`: n conditions; output: `[n, c, h, w]`
    fn partial_samples(
        &self,
        teacher: &Teacher<B, D>,
        process: &GaussianDiffusion,
        mut x: Tensor<B::InnerBackend, 4>,
        targets: &[usize],
        y: Option<Tensor<B::InnerBackend, 1, Int>>,
        key: Key,
    ) -> Tensor<B::InnerBackend, 4> {
        let (ancestral, noise) = (self.config.ancestral(), KeyedNoise { key, first: 0 });
        let (mut ended, mut going) = (Vec::new(), targets.len());
        for t in (0..process.timesteps()).rev() {
            let left = targets.partition_point(|target| *target < t);
            if left < going {
                ended.push(x.clone().narrow(0, left, going - left));
                if left == 0 {
                    break;
                }
                x = x.narrow(0, 0, left);
                going = left;
            }
            let y = y.clone().map(|y| y.narrow(0, 0, going));
            x = ancestral.step(&teacher.model, process, x, t, y, &noise);
        }
        ended.reverse();
        Tensor::cat(ended, 0)
    }

    /// T times the mean divergence of the model's next step from the teacher's, in bits, `[1]`.
    fn divergence(&self, step: &Step<'_, B, D>, n: usize) -> Result<Option<Tensor<B, 1>>, StrategyError> {
        let Some((teacher, shape)) = self.generator.teacher().zip(self.generator.shape()) else {
            return Ok(None);
        };
        let (key, process) = (step.key.within(START), self.config.sampled(step.process)?);
        let (t, weights): (Vec<_>, Vec<_>) = self.targets(step, &process, n, key).into_iter().unzip();
        let weights: Option<Vec<f64>> = weights.into_iter().collect();
        let classes = self.generator.classes(step.condition_on, n, key);
        let asked = classes.as_ref().map(|classes| indices::<B::InnerBackend>(classes, step.device));
        let noise =
            key.normal::<B::InnerBackend>(0, [n, shape.channels, shape.height, shape.width], step.device);
        let x_t = self.partial_samples(teacher, &process, noise, &t, asked, key);
        let last = process.timesteps() - 1;
        step.passes.add(Pass::Generator, t.iter().map(|t| last - t).sum());
        let y = classes.map(|mut classes| {
            step.label_dropout.apply(&mut classes, key);
            indices::<B::InnerBackend>(&classes, step.device)
        });
        step.passes.add(Pass::Teacher, n);
        let of_teacher = process.evaluate(&teacher.model, x_t.clone(), &t, y.clone());
        step.count_images(n);
        let (x_t, y) = (Tensor::from_inner(x_t), y.map(Tensor::from_inner));
        let of_model = process.evaluate(step.model, x_t.clone(), &t, y);
        let both = [Tensor::from_inner(of_teacher), of_model]
            .map(|output| process.interpret(x_t.clone(), &t, output));
        let both = if self.config.variance_channels { both } else { with_variance_of_first(both) };
        let bits = divergence(&process, &x_t, &t, both);
        let mean = weighted_mean(bits, weights.as_deref());
        Ok(Some(mean.mul_scalar(process.timesteps() as f64)))
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for PartialSamplingDistillation<B, D> {
    fn added(&mut self, step: &Step<'_, B, D>) -> Result<Option<AddedLoss<B>>, StrategyError> {
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let Some(divergence) = self.divergence(step, n)? else { return Ok(None) };
        let PartialSamplingDistillationConfig { mixing, distillation_coefficient, .. } = self.config;
        let counts = (step.batch.len(), n);
        Ok(Some(mixing.added(divergence, distillation_coefficient, step.experience, counts)))
    }

    fn remove_classes(&mut self, classes: &[usize]) -> Result<(), StrategyError> {
        self.generator.forget(classes);
        Ok(())
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
