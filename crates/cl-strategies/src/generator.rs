//! Images that a teacher draws instead of stored ones: fresh for every step, or from a pool drawn once an experience.

use std::collections::BTreeSet;

use burn::tensor::Tensor;
use data_streams::ImageShape;
use ddpm_core::{
    Conditioning, CoreError, GaussianDiffusion, NoisyBatch, TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose, indices},
    sampler::{self, SampleRequest, SamplerConfig},
};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Boundary, ConditionOn, Restore, State, Step, StrategyError, buffer, check, teacher::Teacher};

const LABELS: Purpose = Purpose::named("labels of generated images");
const GENERATED: Purpose = Purpose::named("generated images");
const NOISY: Purpose = Purpose::named("noise on generated images");

/// When images are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// New ones in every step.
    #[default]
    Fresh,
    /// From so many, drawn once before each experience: a tenth of the cost, but a limited choice.
    Pool {
        /// How many.
        images: usize,
    },
}

/// How images are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GeneratorConfig {
    /// When.
    pub source: Source,
    /// How.
    pub sampler: SamplerConfig,
    /// At most so many at a time.
    pub sample_batch: usize,
}

impl Default for GeneratorConfig {
    fn default() -> Self {
        let ddim = sampler::Ddim { steps: 10, ..sampler::Ddim::default() };
        Self { source: Source::Fresh, sampler: SamplerConfig::Ddim(ddim), sample_batch: 256 }
    }
}

impl GeneratorConfig {
    pub(crate) fn check(&self, strategy: &str) -> Result<(), StrategyError> {
        let key = |name: &str| format!("{strategy}.generator.{name}");
        if let Source::Pool { images } = self.source {
            check::at_least_1(&key("source.pool.images"), images)?;
        }
        check::at_least_1(&key("sample_batch"), self.sample_batch)
    }

    /// Whether the sampler fits the process; `strategy` is whose option it is. One that does not would draw nothing, and
    /// the strategy would be finetuning without a word.
    ///
    /// # Errors
    /// [`StrategyError::Config`] if it does not.
    pub fn check_process(&self, strategy: &str, process: &GaussianDiffusion) -> Result<(), StrategyError> {
        let key = format!("{strategy}.generator.sampler.{}", self.sampler.name());
        let misfit = |error: CoreError| match error {
            CoreError::Config { key: option, value, expected } => {
                let option = option.strip_prefix("sampler.").unwrap_or(&option).to_owned();
                StrategyError::Config { key: format!("{key}.{option}"), value, expected }
            }
            other => StrategyError::config(&key, self.sampler, other.to_string()),
        };
        self.sampler.check(process).map_err(misfit)
    }
}

/// A teacher with what it takes to draw from it.
#[derive(Debug)]
pub(crate) struct Generator<B: TrainBackend, D: TrainableDenoiser<B>> {
    config: GeneratorConfig,
    teacher: Option<Teacher<B, D>>,
    seen: BTreeSet<usize>,
    shape: Option<ImageShape>,
    pool: Option<Images<B>>,
}

/// Images in [-1, 1] and the classes that were asked for.
#[derive(Debug, Clone)]
struct Images<B: TrainBackend> {
    x_0: Tensor<B::InnerBackend, 4>,
    classes: Option<Vec<usize>>,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Generator<B, D> {
    pub fn new(config: GeneratorConfig) -> Self {
        Self { config, teacher: None, seen: BTreeSet::new(), shape: None, pool: None }
    }

    /// Makes the model at the end of an experience the teacher, and fills the pool.
    pub fn learn(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.seen.extend(&boundary.experience.classes);
        self.shape = Some(boundary.experience.train.shape());
        self.config.check_process("", boundary.process)?;
        self.teacher = Some(Teacher::of(boundary));
        if let Source::Pool { images } = self.config.source {
            let key = boundary.key.within(GENERATED);
            self.pool =
                Some(self.draw(boundary.process, boundary.condition_on, images, key, boundary.device)?);
        }
        Ok(())
    }

    /// The teacher, once there is one.
    pub fn teacher(&self) -> Option<&Teacher<B, D>> {
        self.teacher.as_ref()
    }

    /// `n` images with noise and timesteps; none before the first experience has ended.
    pub fn noisy_batch(&self, step: &Step<'_, B, D>, n: usize) -> Option<NoisyBatch<B>> {
        self.teacher.as_ref()?;
        let images = match &self.pool {
            Some(pool) => {
                let positions = buffer::draw(pool.x_0.dims()[0], n, step.key);
                Images {
                    x_0: pool.x_0.clone().select(0, indices(&positions, step.device)),
                    classes: pool.classes.as_ref().map(|all| positions.iter().map(|i| all[*i]).collect()),
                }
            }
            None => {
                let key = step.key.within(GENERATED);
                // Checked when the teacher was made: a sampler that fits the process draws.
                self.draw(step.process, step.condition_on, n, key, step.device).ok()?
            }
        };
        let y = images.classes.map(|classes| indices(&classes, step.device));
        let x_0 = Tensor::from_inner(images.x_0);
        Some(NoisyBatch::sampled(step.process, step.timesteps, x_0, y, step.key.within(NOISY)))
    }

    /// Classes to ask for: those seen, each as likely.
    pub fn classes(&self, condition_on: ConditionOn, n: usize, key: Key) -> Option<Vec<usize>> {
        let seen: Vec<usize> = self.seen.iter().copied().collect();
        let draw = |i: usize| seen[key.within(LABELS).rng(i as u64).random_range(0..seen.len())];
        match condition_on {
            ConditionOn::None => None,
            ConditionOn::Class => Some((0..n).map(draw).collect()),
        }
    }

    /// The shape of the images, once there were any.
    pub fn shape(&self) -> Option<ImageShape> {
        self.shape
    }

    fn draw(
        &self,
        process: &GaussianDiffusion,
        condition_on: ConditionOn,
        n: usize,
        key: Key,
        device: &B::Device,
    ) -> Result<Images<B>, StrategyError> {
        let (teacher, shape) = (self.teacher.as_ref(), self.shape);
        let (teacher, shape) = teacher.zip(shape).expect("a teacher draws after its experience");
        let classes = self.classes(condition_on, n, key);
        let request = SampleRequest {
            count: n,
            batch: self.config.sample_batch,
            shape: [shape.channels, shape.height, shape.width],
            conditioning: classes.clone().map_or(Conditioning::None, Conditioning::Classes),
            key,
        };
        let sampler = self.config.sampler.build::<B::InnerBackend>();
        let x_0 = sampler::draw(&*sampler, &teacher.model, process, &request, device, &mut |_| ()).map_err(
            |error| StrategyError::config("generator.sampler", self.config.sampler, error.to_string()),
        )?;
        Ok(Images { x_0: x_0.clamp(-1.0, 1.0), classes })
    }

    /// Adds teacher and pool to a checkpoint.
    pub fn save(&self, state: &mut State) {
        Teacher::save(self.teacher.as_ref(), state);
        state.put("seen", &self.seen);
        state.put("shape", self.shape);
        if let Some(pool) = &self.pool {
            state.put_tensor("pool", &pool.x_0);
            state.put("pool_classes", &pool.classes);
        }
    }

    /// Takes them out again.
    pub fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.teacher = Teacher::restore(state, context)?;
        self.seen = state.take("seen")?;
        self.shape = state.take("shape")?;
        if state.has("pool") {
            let x_0 = state.take_tensor("pool", context.device)?;
            self.pool = Some(Images { x_0, classes: state.take("pool_classes")? });
        }
        Ok(())
    }

    /// Numbers that are kept.
    pub fn len(&self) -> u64 {
        let pool = self.pool.as_ref().map_or(0, |pool| pool.x_0.shape().num_elements() as u64);
        self.teacher.as_ref().map_or(0, Teacher::len) + pool
    }
}
