//! The training loop: one experience after another, with AdamW, gradient clipping and a moving average.

mod config;
mod experience;

use std::{
    cell::{Cell, RefCell},
    ops::ControlFlow,
};

use burn::{
    optim::GradientsParams,
    tensor::{Int, Tensor},
};
use data_streams::{Experience, ImageDataset, Stream};
use ddpm_core::{
    AdamW, AdamWMoments, Ema, GaussianDiffusion, NoisyBatch, TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
    objective::TimestepSampler,
    parameters::{ParameterVector, gradients_from, take_gradients},
};
use serde::{Deserialize, Serialize};

pub use self::config::{OnDivergence, OptimizerConfig, TrainerConfig};
use self::experience::{Prepared, Run, prepared, step_key};
use crate::{Boundary, LabelDropout, Restore, State, Step, Strategy, StrategyError};

const BEFORE: Purpose = Purpose::named("before an experience");
const WITHIN: Purpose = Purpose::named("within an experience");
const OBSERVED: Purpose = Purpose::named("images that arrived");
const AFTER: Purpose = Purpose::named("after an experience");

/// What the observer of a training is told after each step.
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
    /// Those that were left out, in all and since the last that was not.
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
        Ok(Self { model: Some(model), ema, optimizer, config, process, timesteps, position, seed, device })
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

    /// Trains on experience `k` of a stream, or goes on with it after [`restore`](Self::restore); `observe` is called
    /// after each step and may stop the training.
    ///
    /// # Errors
    /// [`StrategyError::Diverged`] for a loss that is not finite, [`StrategyError::Interrupted`] if the observer
    /// breaks, [`StrategyError::Config`] from the strategy or for one that needs boundaries where the stream tells none,
    /// [`StrategyError::Data`] if images cannot be loaded.
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
        if !told && strategy.needs_boundaries() {
            let expected = "expected one that tells where experiences end: this strategy needs to know";
            return Err(StrategyError::config("stream", stream.name(), expected));
        }
        if begun == 0 && (told || k == 0) {
            self.begin(strategy, experience, k)?;
        }
        let run = Run { stream, k, seed: self.seed, config: &self.config };
        let (data, steps) = (strategy.training_data(stream, k), run.steps());
        let loader = run.loader(data);
        let (arrived, config) = (loader.data.clone(), self.config);
        let dropout = run.label_dropout();
        let batches = prepared(loader, self.seed, k, begun..steps)?;
        for (step, made) in (begun..steps).zip(batches) {
            let replacement = strategy.replace(&self.boundary(k, experience, WITHIN), step);
            replacement.into_iter().for_each(|model| self.go_on_from(model));
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
            if !stream.tells_boundaries() {
                strategy.observe(&arrived.select(&positions), key.within(OBSERVED))?;
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
        if stream.tells_boundaries() {
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
        if let Some(model) = strategy.start_from(&boundary) {
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

    /// All that going on takes: model, moving average, optimiser, position, and the strategy's state.
    pub fn save(&self, strategy: &dyn Strategy<B, D>) -> State {
        let (mut state, mut of_strategy) = (State::default(), State::default());
        state.put("position", self.position);
        state.put_module("model", self.model());
        state.put_vector("average", Some(self.ema.parameters()));
        state.put("average_updates", self.ema.updates());
        let moments = self.optimizer.moments(&self.model().valid());
        state.put_vector("moment_1", Some(&moments.first));
        state.put_vector("moment_2", Some(&moments.second));
        state.put("optimizer_steps", moments.steps);
        state.put("timesteps", &self.timesteps);
        strategy.save(&mut of_strategy);
        state.put_scope("strategy", of_strategy);
        state
    }

    /// Goes on from a saved state: the next steps are those that the saved training would have taken. Trainer and
    /// strategy must have been made from the same options and seed; `data` are images of the stream.
    ///
    /// # Errors
    /// [`StrategyError::State`] for a state of another training; the trainer is of no use then.
    pub fn restore(
        &mut self,
        strategy: &mut dyn Strategy<B, D>,
        mut state: State,
        data: &ImageDataset,
    ) -> Result<(), StrategyError> {
        let missing = |name: &str| StrategyError::state(name, "it is missing");
        let model = self.model.take().ok_or_else(|| missing("model"))?;
        let model = state.take_module("model", model)?.ok_or_else(|| missing("model"))?;
        let like = ParameterVector::of(&model.valid());
        let average = state.take_vector("average", &like)?.ok_or_else(|| missing("average"))?;
        self.ema = Ema::restored(self.config.ema, average, state.take("average_updates")?);
        let first = state.take_vector("moment_1", &like)?.ok_or_else(|| missing("moment_1"))?;
        let second = state.take_vector("moment_2", &like)?.ok_or_else(|| missing("moment_2"))?;
        self.optimizer.restore(AdamWMoments { first, second, steps: state.take("optimizer_steps")? });
        self.timesteps = state.take("timesteps")?;
        self.position = state.take("position")?;
        let mut of_strategy = state.take_scope("strategy");
        let context = Restore { model: &model, training: &self.config, data, device: &self.device };
        strategy.restore(&mut of_strategy, &context)?;
        of_strategy.finish()?;
        self.model = Some(model);
        state.finish()
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
            key: Key::new(self.seed, purpose).experience(k),
            device: &self.device,
        }
    }

    /// One optimiser step on images, their conditions and their noise; the images that took part, and the loss, if this is a step at
    /// which it is read.
    fn step(
        &mut self,
        strategy: &mut dyn Strategy<B, D>,
        (x_0, y, eps): (Tensor<B, 4>, Option<Tensor<B, 1, Int>>, Tensor<B, 4>),
        label_dropout: LabelDropout,
        position: Position,
        steps: usize,
    ) -> Result<(u64, Option<f64>), StrategyError> {
        let Position { experience, steps: step, taken, .. } = position;
        let key = step_key(self.seed, experience, step);
        let batch = NoisyBatch::with_noise(&self.process, &self.timesteps, x_0, y, eps, key);
        let view = Step {
            model: self.model(),
            batch: &batch,
            process: &self.process,
            objective: &self.config.objective,
            timesteps: &self.timesteps,
            condition_on: self.config.condition_on,
            label_dropout,
            augmentation: self.config.augmentation,
            experience,
            step,
            key,
            device: &self.device,
            images: Cell::new(0),
            losses: RefCell::default(),
        };
        let loss = strategy.loss(&view, view.loss_on(&batch));
        let read = self.read_loss(&loss, position, step + 1 == steps)?;
        let grads = GradientsParams::from_grads(loss.backward(), view.model);
        // A strategy never sees gradients that are not finite: running means would keep them.
        let (mut grads, mut finite) = self.checked(&view, &loss, grads);
        if finite {
            (grads, finite) = self.checked(&view, &loss, strategy.gradients(&view, grads));
        }
        let Step { images, losses, .. } = view;
        let (skipped, in_a_row) = self.position.skipped;
        if !finite {
            self.position.skipped = (skipped + 1, in_a_row + 1);
            return self.position.check_skipped(loss_number(&loss)).map(|()| (images.get(), None));
        }
        self.position.skipped = (skipped, 0);
        let rate = self.learning_rate(taken);
        let max_norm = self.config.optimizer.clip_grad_norm;
        let model = self.model.take().expect("the model is there between steps");
        let model = if strategy.takes_steps() {
            let model = strategy.take_step(model, grads, rate, max_norm);
            self.ema.update(&model);
            model
        } else {
            self.optimizer.step::<B, D>(model, grads, rate, max_norm, &mut self.ema)
        };
        strategy.after_step(self.model.insert(model));
        for (t, losses) in losses.into_inner() {
            let losses: Vec<f64> = losses.into_data().convert::<f64>().iter::<f64>().collect();
            self.timesteps.record(&t, &losses);
        }
        Ok((images.get(), read))
    }

    /// Whether loss and gradients are finite, where steps with others are left out.
    fn checked(
        &self,
        step: &Step<'_, B, D>,
        loss: &Tensor<B, 1>,
        mut grads: GradientsParams,
    ) -> (GradientsParams, bool) {
        if self.config.on_divergence == OnDivergence::Stop {
            return (grads, true);
        }
        let vector = take_gradients::<B, D>(step.model, &mut grads);
        let squares = vector.dot(&vector).into_data().convert::<f32>();
        let finite = squares.iter::<f32>().all(f32::is_finite) && loss_number(loss).is_finite();
        (gradients_from::<B, D>(step.model, vector), finite)
    }

    /// Reads the loss every `log_every` steps only, and in the last: a read waits for the device.
    fn read_loss(
        &self,
        loss: &Tensor<B, 1>,
        position: Position,
        last: bool,
    ) -> Result<Option<f64>, StrategyError> {
        let Position { experience, steps: step, .. } = position;
        if !(step + 1).is_multiple_of(self.config.log_every) && !last {
            return Ok(None);
        }
        match (loss_number(loss), self.config.on_divergence) {
            (loss, _) if loss.is_finite() => Ok(Some(loss)),
            (_, OnDivergence::Skip) => Ok(None),
            (loss, OnDivergence::Stop) => Err(StrategyError::Diverged { experience, step, loss }),
        }
    }

    /// The learning rate after so many steps.
    fn learning_rate(&self, taken: usize) -> f64 {
        let o = &self.config.optimizer;
        o.learning_rate * ((taken + 1) as f64 / o.warmup_steps.max(1) as f64).min(1.0)
    }
}

/// Steps in a row that may be left out.
const MOST_SKIPPED: usize = 100;

impl Position {
    fn check_skipped(self, loss: f64) -> Result<(), StrategyError> {
        if self.skipped.1 < MOST_SKIPPED {
            return Ok(());
        }
        Err(StrategyError::Diverged { experience: self.experience, step: self.steps, loss })
    }
}

fn loss_number<B: TrainBackend>(loss: &Tensor<B, 1>) -> f64 {
    f64::from(loss.clone().into_data().convert::<f32>().as_slice::<f32>().map_or(f32::NAN, |l| l[0]))
}
