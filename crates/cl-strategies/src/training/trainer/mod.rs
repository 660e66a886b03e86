//! The training loop: one experience after another, with AdamW, gradient clipping and a moving average.

mod experience;
mod saved;
mod step;

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use data_streams::{Experience, Stream};
use ddpm_core::{
    AdamW, Ema, GaussianDiffusion, TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
    objective::TimestepSampler,
};
use serde::{Deserialize, Serialize};

use self::experience::{Prepared, Run, prepared, step_key};
use super::{boundary::Boundary, config::TrainerConfig, strategy::Strategy};
use crate::{LabelDropout, State, StrategyError};

const BEFORE: Purpose = Purpose::named("before an experience");
const WITHIN: Purpose = Purpose::named("within an experience");
const OBSERVED: Purpose = Purpose::named("images that arrived");
const AFTER: Purpose = Purpose::named("after an experience");

/// The report to the observer of a training after each step.
#[derive(Clone, Copy)]
pub struct StepReport<'a> {
    /// The experience, from 0.
    pub experience: usize,
    /// Steps of this experience that are done.
    pub done: usize,
    /// Steps of this experience in all.
    pub steps: usize,
    /// Images that went through the model in this step, those of buffers included.
    pub images: u64,
    /// The loss of the step, where it was read.
    pub loss: Option<f64>,
    /// Steps of the whole training that were left out.
    pub skipped: usize,
    /// The state of the training, which [`Trainer::restore`] goes on from.
    pub state: &'a dyn Fn() -> State,
}

/// How far a training has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The experience that comes next, or that is going on.
    pub experience: usize,
    /// Its steps that are done.
    pub steps: usize,
    /// Steps of all experiences that are done, those left out included.
    pub taken: usize,
    /// Steps that were left out: in all, and since the last step that was not left out.
    #[serde(default)]
    pub skipped: (usize, usize),
}

/// A model in training.
pub struct Trainer<B: TrainBackend, D: TrainableDenoiser<B>> {
    /// Absent only while the optimiser has it: a parameter that nobody else holds is changed in place.
    model: Option<D>,
    ema: Ema<B::InnerBackend>,
    optimizer: AdamW<B::InnerBackend>,
    config: TrainerConfig,
    process: GaussianDiffusion,
    timesteps: TimestepSampler,
    /// How labels are replaced in the stream at hand.
    label_dropout: LabelDropout,
    position: Position,
    seed: u64,
    device: B::Device,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Trainer<B, D> {
    /// A trainer at the start of a stream.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(
        model: D,
        process: GaussianDiffusion,
        config: TrainerConfig,
        seed: u64,
        device: B::Device,
    ) -> Result<Self, StrategyError> {
        config.validate()?;
        let ema = Ema::new(config.ema, &model);
        let optimizer = AdamW::new(config.optimizer.adamw());
        let timesteps = TimestepSampler::new(config.timestep_sampling, process.timesteps());
        let position = Position::default();
        let label_dropout = LabelDropout { probability: 0.0, null: 0 };
        let model = Some(model);
        Ok(Self { model, ema, optimizer, config, process, timesteps, label_dropout, position, seed, device })
    }

    /// The model as trained.
    ///
    /// # Panics
    /// After a panic in the middle of a step, which has lost it.
    pub fn model(&self) -> &D {
        self.model.as_ref().expect("the model is there between steps")
    }

    /// The moving average: the model to evaluate.
    pub fn average(&self) -> D::InnerModule {
        self.ema.averaged(self.model())
    }

    /// The diffusion process.
    pub fn process(&self) -> &GaussianDiffusion {
        &self.process
    }

    /// How far it has come.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Trains on experience `k` of a stream, or goes on with it after [`restore`](Self::restore) or after `observe` has
    /// stopped it; `observe` is called after each step and may stop the training. However often it is stopped, the
    /// training comes to the same.
    ///
    /// # Errors
    /// [`StrategyError::Diverged`] for a loss that is not finite, [`StrategyError::Interrupted`] if the observer
    /// breaks, [`StrategyError::Config`] for a strategy that needs boundaries where the stream tells none,
    /// [`StrategyError::Data`] if images cannot be loaded; every error of the strategy.
    pub fn train_experience(
        &mut self,
        strategy: &mut dyn Strategy<B, D>,
        stream: &Stream,
        k: usize,
        observe: &mut dyn FnMut(StepReport<'_>) -> ControlFlow<()>,
    ) -> Result<(), StrategyError> {
        let experience = &stream.experiences()[k];
        let begun = if self.position.experience == k { self.position.steps } else { 0 };
        let told = stream.tells_boundaries();
        if !told && strategy.observer().is_none() {
            let expected = "expected one that tells where experiences end: this strategy needs to know";
            return Err(StrategyError::config("stream", stream.name(), expected));
        }
        self.label_dropout = Run { stream, k, seed: self.seed, config: &self.config }.label_dropout();
        if begun == 0 && (told || k == 0) {
            self.begin(strategy, experience, k)?;
        }
        let run = Run { stream, k, seed: self.seed, config: &self.config };
        let (data, steps) = (strategy.training_data(stream, k)?, run.steps());
        let loader = run.loader(data);
        let (arrived, config) = (loader.data.clone(), self.config);
        let dropout = run.label_dropout();
        let batches = prepared(loader, self.seed, k, begun..steps)?;
        for (step, made) in (begun..steps).zip(batches) {
            if let Some(model) = strategy.replace(&self.boundary(k, experience, WITHIN), step)? {
                self.go_on_from(model);
            }
            let Prepared { positions, images, noise } = made?;
            let key = step_key(self.seed, k, step);
            let floats = ddpm_kernels::floats_on::<B>(&self.device);
            let [x_0, eps] = [images, noise].map(|data| Tensor::from_data(data, floats.clone()));
            let y =
                config.condition_on.conditions_with_dropout(&arrived, &positions, dropout, key, &self.device);
            let (images, loss) = self.step(
                strategy,
                (x_0, y, eps),
                dropout,
                Position { experience: k, steps: step, ..self.position },
                steps,
            )?;
            if let (false, Some(observer)) = (told, strategy.observer()) {
                observer.observe(&arrived.select(&positions), key.within(OBSERVED))?;
            }
            let taken = self.position.taken + 1;
            self.position = Position { experience: k, steps: step + 1, taken, ..self.position };
            let (this, of_strategy) = (&*self, &*strategy);
            let state = || this.save(of_strategy);
            let report = StepReport {
                experience: k,
                done: step + 1,
                steps,
                images,
                loss,
                skipped: self.position.skipped.0,
                state: &state,
            };
            if observe(report).is_break() {
                return Err(StrategyError::Interrupted);
            }
        }
        if told {
            strategy.after_experience(&self.boundary(k, experience, AFTER))?;
        }
        self.position = Position { experience: k + 1, steps: 0, ..self.position };
        Ok(())
    }

    fn begin(
        &mut self,
        strategy: &mut dyn Strategy<B, D>,
        experience: &Experience,
        k: usize,
    ) -> Result<(), StrategyError> {
        if self.config.optimizer.reset_each_experience {
            self.optimizer.reset();
        }
        let boundary = self.boundary(k, experience, BEFORE);
        strategy.before_experience(&boundary)?;
        if let Some(model) = strategy.start_from(&boundary)? {
            self.go_on_from(model);
        }
        Ok(())
    }

    /// Another model in the place of the one in training.
    fn go_on_from(&mut self, model: D) {
        self.ema = Ema::new(self.config.ema, &model);
        self.optimizer.reset();
        self.model = Some(model);
    }

    fn boundary<'a>(&'a self, k: usize, experience: &'a Experience, purpose: Purpose) -> Boundary<'a, B, D> {
        Boundary {
            k,
            experience,
            model: self.model(),
            process: &self.process,
            objective: &self.config.objective,
            timesteps: &self.timesteps,
            training: &self.config,
            average: &self.ema,
            condition_on: self.config.condition_on,
            label_dropout: self.label_dropout,
            key: Key::new(self.seed, purpose).experience(k),
            device: &self.device,
        }
    }
}
