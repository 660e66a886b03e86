//! Selective amnesia (Heng & Soh 2023, arXiv 2305.10120, equation 8; code: clear-nus/selective-amnesia,
//! `ddpm/runners/diffusion.py`, `train_forget` and `save_fim`): a class is unlearned as an experience whose images are noise
//! with its label, which EWC and generative replay keep from taking the other classes along.
//!
//! L(current) + gamma L(generated) + lambda sum_i F_i (theta_i - theta*_i)^2, without a half. The images are of the classes
//! that are kept, drawn from the model at the end of the last experience; F is [that of whole
//! images](super::shared::trajectory_fisher), of images that the model drew of every class that it knew then. On an experience
//! that removes nothing it is the same loss, EWC beside generative replay. The steps of a removal drop no label, as the code's
//! (`cond_drop_prob = 0`).
//!
//! The code sums a loss over the D numbers of an image and squares gradients of such sums; losses here are means, so that the
//! penalty has the factor D: lambda stands in the same proportion to the losses as there. Deviations: images are drawn anew
//! in every step, where the code has 500 of each class in files; they are not guided; current and generated images have
//! timesteps of their own, drawn as the training's are; F is of images in [-1, 1], where the code forgets to scale them. F
//! is of 64 images by default, where the code has 5000, at all timesteps as there.

use burn::{optim::GradientsParams, tensor::backend::Backend};
use cldiff_choices::Describe;
use ddpm_core::{TrainBackend, TrainableDenoiser, noise::Purpose, parameters::ParameterVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, Family, Needs, Setting, StrategyOptions, Tunable,
    shared::{
        generator::{Generator, GeneratorConfig},
        penalty::{self, Quadratic},
        teacher::TeacherWeights,
        trajectory_fisher::{self, Sum},
    },
};
use crate::{AddedLoss, Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError, check};

const FISHER: Purpose = Purpose::named("fisher information of whole images");

/// The options of selective amnesia.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SelectiveAmnesiaConfig {
    /// The weight of the penalty.
    pub lambda: f64,
    /// The weight of the loss on generated images.
    pub gamma: f64,
    /// Generated images in each step; as many as the current batch has if absent.
    pub batch_size: Option<usize>,
    /// How images are drawn.
    pub generator: GeneratorConfig,
    /// Generated images that the Fisher information is estimated from, at the end of each experience.
    pub samples: usize,
    /// Timesteps, each with a noise, of each of these images; all if absent.
    pub timesteps_per_sample: Option<usize>,
    /// Timesteps that go through the network at once: of no effect on the value.
    pub timesteps_at_once: usize,
}

impl Default for SelectiveAmnesiaConfig {
    fn default() -> Self {
        Self {
            lambda: 10.0,
            gamma: 1.0,
            batch_size: None,
            generator: GeneratorConfig {
                teacher: TeacherWeights::Average,
                quantise: true,
                ..GeneratorConfig::default()
            },
            samples: 64,
            timesteps_per_sample: None,
            timesteps_at_once: 50,
        }
    }
}

impl Describe for SelectiveAmnesiaConfig {
    const NAME: &'static str = "selective_amnesia";
    const SUMMARY: &'static str = "EWC and generative replay of kept classes, to unlearn others";
    const CITATION: &'static str = "Heng & Soh 2023, arXiv 2305.10120";
}

impl StrategyOptions for SelectiveAmnesiaConfig {
    fn family(&self) -> Family {
        Family::Generative
    }

    fn tunables(&self) -> &'static [Tunable] {
        // The authors' code has 10, to remove a class; on an ordinary stream that learns little (evidence/effects). gamma is a
        // constant there, 1.
        const { &[Tunable::log("lambda", 1e-4, 1e3)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("lambda", self.lambda)?;
        check::at_least_0("gamma", self.gamma)?;
        check::batch_size("batch_size", self.batch_size)?;
        self.generator.validate().map_err(|error| error.at("generator"))?;
        check::at_least_1("samples", self.samples)?;
        self.timesteps_per_sample.map_or(Ok(()), |n| check::at_least_1("timesteps_per_sample", n))?;
        check::at_least_1("timesteps_at_once", self.timesteps_at_once)
    }

    fn needs(&self) -> Needs {
        Needs { classes: self.generator.needs_classes(), ..Needs::looking_back() }
    }

    fn check(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        self.generator.check_setting(setting).map_err(|error| error.at("generator"))
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for SelectiveAmnesiaConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(SelectiveAmnesia::new(self.clone())?))
    }
}

/// Selective amnesia.
#[derive(Debug)]
pub struct SelectiveAmnesia<B: TrainBackend, D: TrainableDenoiser<B>> {
    config: SelectiveAmnesiaConfig,
    generator: Generator<B, D>,
    /// Of the last experience: its Fisher information is of images of all classes known then.
    past: Option<Past<B::InnerBackend>>,
}

/// F and theta*, and the number D of numbers in an image.
#[derive(Debug)]
struct Past<I: Backend> {
    quadratic: Quadratic<I>,
    numbers: usize,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> SelectiveAmnesia<B, D> {
    /// Selective amnesia before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: SelectiveAmnesiaConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { generator: Generator::new(config.generator.clone()), config, past: None })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for SelectiveAmnesia<B, D> {
    fn remove_classes(&mut self, classes: &[usize]) -> Result<(), StrategyError> {
        self.generator.forget(classes);
        Ok(())
    }

    fn before_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.generator.prepare(boundary).map_err(|error| error.at("generator"))
    }

    fn added(&mut self, step: &Step<'_, B, D>) -> Result<Option<AddedLoss<B>>, StrategyError> {
        let n = self.config.batch_size.unwrap_or(step.batch.len());
        let drawn = self.generator.noisy_batch(step, n).map_err(|error| error.at("generator"))?;
        Ok(drawn.map(|batch| AddedLoss::beside(step.loss_on(&batch).mul_scalar(self.config.gamma))))
    }

    fn gradients(
        &mut self,
        step: &Step<'_, B, D>,
        grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        let Some(Past { quadratic, numbers }) = &self.past else { return Ok(grads) };
        let factor = 2.0 * self.config.lambda * *numbers as f64;
        Ok(penalty::add(step, grads, factor, |theta| quadratic.gradient(theta)))
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.generator.learn(boundary).map_err(|error| error.at("generator"))?;
        let SelectiveAmnesiaConfig { samples, timesteps_per_sample, timesteps_at_once, .. } = self.config;
        let key = boundary.key.within(FISHER);
        let (x_0, labels) =
            self.generator.drawn(boundary, samples, key).map_err(|error| error.at("generator"))?;
        let sum = Sum { timesteps: timesteps_per_sample, at_once: timesteps_at_once };
        let fisher = trajectory_fisher::fisher(boundary, (&x_0, &labels), sum, key);
        let quadratic = Quadratic::new(fisher, ParameterVector::of(&boundary.model.valid()));
        self.past = Some(Past { quadratic, numbers: boundary.experience.train.shape().len() });
        Ok(())
    }

    fn memory(&self) -> HeldMemory {
        let quadratic = self.past.as_ref().map_or(0, |past| past.quadratic.len());
        HeldMemory { buffer_bytes: 0, extra_parameters: self.generator.len() + quadratic }
    }

    fn save(&self, state: &mut State) {
        self.generator.save(state);
        Quadratic::save(self.past.as_ref().map(|past| &past.quadratic), state);
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.generator.restore(state, context)?;
        let quadratic = Quadratic::restore(state, &context.parameters())?;
        let numbers = context.data.shape().len();
        self.past = quadratic.map(|quadratic| Past { quadratic, numbers });
        Ok(())
    }
}
