//! The training loop: one experience after another, with AdamW, gradient clipping and a moving average.

use std::{
    cell::{Cell, RefCell},
    ops::ControlFlow,
};

use burn::{
    optim::GradientsParams,
    tensor::{Tensor, TensorData},
};
use data_streams::{
    Arrival, ArrivalOrder, Augmentation, Batch, EpochOrder, Experience, ImageDataset, ImageShape, Loader,
    Order, PixelFormat, Pixels, Prefetcher, Stream,
};
use ddpm_core::{
    AdamW, AdamWConfig, AdamWMoments, Ema, GaussianDiffusion, NoisyBatch, Objective, TrainBackend,
    TrainableDenoiser,
    ema::EmaConfig,
    noise::{Key, Purpose},
    objective::{TimestepSampler, TimestepSampling},
    parameters::{ParameterVector, gradients_from, take_gradients},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Boundary, ConditionOn, LabelDropout, Restore, State, Step, Strategy, StrategyError};

const STEP: Purpose = Purpose::named("training step");
const BEFORE: Purpose = Purpose::named("before an experience");
const WITHIN: Purpose = Purpose::named("within an experience");
const OBSERVED: Purpose = Purpose::named("images that arrived");
const AFTER: Purpose = Purpose::named("after an experience");

/// Batches that are made ahead of the training.
const PREFETCHED: usize = 4;

/// AdamW (Loshchilov & Hutter 2019) and what is done to the gradients before it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// The learning rate, once warm.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises linearly, at the start of the stream only.
    pub warmup_steps: usize,
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Joint norm above which gradients are scaled down; absent: never.
    pub clip_grad_norm: Option<f64>,
    /// Whether the moments start anew with each experience.
    pub reset_each_experience: bool,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            learning_rate: 2e-4,
            warmup_steps: 0,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip_grad_norm: Some(1.0),
            reset_each_experience: false,
        }
    }
}

/// What becomes of a step whose loss or gradients are not finite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDivergence {
    /// The training ends with an error, as soon as a loss that is [read](TrainerConfig::log_every) shows it.
    #[default]
    Stop,
    /// The step is left out and counted; a hundred in a row end the training. Loss and gradients of every step are read.
    Skip,
}

/// How long and on what a model trains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainerConfig {
    /// Optimiser steps in each experience.
    pub steps_per_experience: usize,
    /// Images of the current data in each step.
    pub batch_size: usize,
    /// The loss is read, checked and reported every so many steps.
    pub log_every: usize,
    /// What becomes of a step whose loss or gradients are not finite.
    pub on_divergence: OnDivergence,
    /// What the model is conditioned on.
    pub condition_on: ConditionOn,
    /// The share of the labels that are replaced by a class for "no label", so that the model can be guided.
    pub label_dropout: f64,
    /// The loss.
    pub objective: Objective,
    /// At which timesteps a batch is trained.
    pub timestep_sampling: TimestepSampling,
    /// What is done to images before each step.
    #[serde(skip_serializing_if = "Augmentation::is_none")]
    pub augmentation: Augmentation,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// The moving average, which is the model that is evaluated.
    pub ema: EmaConfig,
}

impl Default for TrainerConfig {
    fn default() -> Self {
        Self {
            steps_per_experience: 2000,
            batch_size: 64,
            log_every: 20,
            on_divergence: OnDivergence::Stop,
            condition_on: ConditionOn::Class,
            label_dropout: 0.0,
            objective: Objective::default(),
            timestep_sampling: TimestepSampling::default(),
            augmentation: Augmentation::default(),
            optimizer: OptimizerConfig::default(),
            ema: EmaConfig::default(),
        }
    }
}

impl OptimizerConfig {
    /// The constants of AdamW.
    pub fn adamw(&self) -> AdamWConfig {
        let Self { beta_1, beta_2, epsilon, weight_decay, .. } = *self;
        AdamWConfig { beta_1, beta_2, epsilon, weight_decay }
    }
}

impl TrainerConfig {
    /// Optimiser steps in experience `k` of a stream: `steps_per_experience`, or, where every image comes once, its
    /// batches.
    pub fn steps_in(&self, stream: &Stream, k: usize) -> usize {
        match stream.arrival() {
            Arrival::Epochs => self.steps_per_experience,
            Arrival::Once => stream.experiences()[k].train.len().div_ceil(self.batch_size.max(1)),
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`StrategyError::Config`] that names the first key out of range.
    pub fn validate(&self) -> Result<(), StrategyError> {
        let counts = [
            ("training.steps_per_experience", self.steps_per_experience),
            ("training.batch_size", self.batch_size),
            ("training.log_every", self.log_every),
        ];
        if let Some((key, value)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return Err(StrategyError::config(key, value, "expected at least 1"));
        }
        let o = &self.optimizer;
        let in_range = [
            (
                "learning_rate",
                o.learning_rate,
                o.learning_rate.is_finite() && o.learning_rate > 0.0,
                "above 0",
            ),
            ("beta_1", f64::from(o.beta_1), (0.0..1.0).contains(&o.beta_1), "0 or more and below 1"),
            ("beta_2", f64::from(o.beta_2), (0.0..1.0).contains(&o.beta_2), "0 or more and below 1"),
            ("epsilon", f64::from(o.epsilon), o.epsilon.is_finite() && o.epsilon > 0.0, "above 0"),
            ("weight_decay", f64::from(o.weight_decay), o.weight_decay >= 0.0, "0 or more"),
            (
                "clip_grad_norm",
                o.clip_grad_norm.unwrap_or(1.0),
                o.clip_grad_norm.is_none_or(|n| n > 0.0),
                "above 0",
            ),
        ];
        for (key, value, fine, expected) in in_range {
            if !fine {
                let key = format!("training.optimizer.{key}");
                return Err(StrategyError::config(&key, value, format!("expected a number {expected}")));
            }
        }
        if !(0.0..=1.0).contains(&self.label_dropout) {
            let expected = "expected a probability, 0 to 1";
            return Err(StrategyError::config("training.label_dropout", self.label_dropout, expected));
        }
        if !(0.0..1.0).contains(&self.ema.decay) {
            return Err(StrategyError::config(
                "training.ema.decay",
                self.ema.decay,
                "expected 0 or more and below 1",
            ));
        }
        Ok(())
    }
}

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
        let batches = Prefetcher::new(loader, begun as u64..steps as u64, PREFETCHED)?;
        for (step, batch) in (begun..steps).zip(batches) {
            let replacement = strategy.replace(&self.boundary(k, experience, WITHIN), step);
            replacement.into_iter().for_each(|model| self.go_on_from(model));
            let batch = batch?;
            let key = Key::new(self.seed, STEP).experience(k).step(step);
            let x_0 = images_of::<B>(&batch, &self.device);
            let y = config.condition_on.conditions_with_dropout(
                &arrived,
                &batch.positions,
                dropout,
                key,
                &self.device,
            );
            let (images, loss) = self.step(
                strategy,
                (x_0, y),
                dropout,
                Position { experience: k, steps: step, ..self.position },
                steps,
            )?;
            if !stream.tells_boundaries() {
                strategy.observe(&arrived.select(&batch.positions), key.within(OBSERVED))?;
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

    /// One optimiser step on images and their conditions; the images that took part, and the loss, if this is a step at
    /// which it is read.
    fn step(
        &mut self,
        strategy: &mut dyn Strategy<B, D>,
        (x_0, y): (Tensor<B, 4>, Option<Tensor<B, 1, burn::tensor::Int>>),
        label_dropout: LabelDropout,
        position: Position,
        steps: usize,
    ) -> Result<(u64, Option<f64>), StrategyError> {
        let Position { experience, steps: step, taken, .. } = position;
        let key = Key::new(self.seed, STEP).experience(experience).step(step);
        let batch = NoisyBatch::sampled(&self.process, &self.timesteps, x_0, y, key);
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
        let grads = strategy.gradients(&view, grads);
        let (grads, finite) = self.checked(&view, &loss, grads);
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

/// An experience as it is trained on.
struct Run<'a> {
    stream: &'a Stream,
    k: usize,
    seed: u64,
    config: &'a TrainerConfig,
}

impl Run<'_> {
    /// Optimiser steps: those of the configuration, or the batches that arrive.
    fn steps(&self) -> usize {
        self.config.steps_in(self.stream, self.k)
    }

    /// The experience's images as they arrive, or, where a strategy chooses the data, shuffled epochs of these.
    fn loader(&self, chosen: Option<ImageDataset>) -> Loader {
        let (seed, k) = (self.seed, self.k as u64);
        let once = chosen.is_none() && self.stream.arrival() == Arrival::Once;
        let data = chosen.unwrap_or_else(|| self.stream.experiences()[self.k].train.clone());
        Loader {
            order: if once {
                Order::Arrival(ArrivalOrder::new(data.len()))
            } else {
                Order::Epochs(EpochOrder::new(seed, k, data.len()))
            },
            data,
            batch_size: self.config.batch_size,
            augmentation: self.config.augmentation,
            seed,
            experience: k,
            format: PixelFormat::F32,
        }
    }

    fn label_dropout(&self) -> LabelDropout {
        let (classes, tasks) = (self.stream.class_names().len(), self.stream.len());
        let null = self.config.condition_on.cardinality(classes, tasks).unwrap_or(0);
        LabelDropout { probability: self.config.label_dropout, null }
    }
}

/// # Shapes
/// - output: `[n, c, h, w]`
fn images_of<B: TrainBackend>(batch: &Batch, device: &B::Device) -> Tensor<B, 4> {
    let ImageShape { channels, height, width } = batch.shape;
    let dims = [batch.positions.len(), channels, height, width];
    match &batch.pixels {
        Pixels::F32(values) => Tensor::from_data(TensorData::new(values.clone(), dims), device),
        Pixels::U8(values) => {
            Tensor::from_data(TensorData::new(values.clone(), dims).convert::<f32>(), device) / 127.5 - 1.0
        }
    }
}
