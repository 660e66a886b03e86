//! The training loop: one experience after another, with AdamW, gradient clipping and a moving average.

mod experience;
mod saved;
mod step;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use data_streams::{Experience, Stream};
use ddpm_core::{
    AdamW, Ema, GaussianDiffusion, TrainBackend, TrainableDenoiser,
    ema::AtExperience,
    noise::{Key, Purpose},
    objective::TimestepSampler,
};
use serde::{Deserialize, Serialize};

use self::{
    experience::{Prepared, Run, prepared},
    step::At,
};
use super::{
    boundary::Boundary,
    config::TrainerConfig,
    passes::{PassCounter, Passes},
    strategy::Strategy,
};
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
    /// Steps of this experience in all; under a budget of passes an estimate by the steps so far, which is more than are
    /// done until all are.
    pub steps: usize,
    /// Images that went through the model in training in this step, those of buffers included.
    pub images: u64,
    /// All passes of the training so far.
    pub passes: Passes,
    /// The loss of the step, where it was read.
    pub loss: Option<f64>,
    /// The learning rate of the step.
    pub learning_rate: f64,
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
    /// Whether these are all of its steps, so that its end comes next.
    #[serde(default)]
    pub over: bool,
    /// Steps of all experiences that are done, those left out included.
    pub taken: usize,
    /// Steps that were left out: in all, and since the last step that was not left out.
    #[serde(default)]
    pub skipped: (usize, usize),
    /// Updates of the moving average before this experience.
    #[serde(default)]
    pub average_from: u64,
    /// Passes that the budget of this experience does not pay for: all until the last step of the one before.
    #[serde(default)]
    pub passes_from: u64,
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
    passes: PassCounter,
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
        let (position, passes) = (Position::default(), PassCounter::default());
        let label_dropout = LabelDropout { probability: 0.0, null: 0 };
        let model = Some(model);
        Ok(Self {
            model,
            ema,
            optimizer,
            config,
            process,
            timesteps,
            label_dropout,
            position,
            passes,
            seed,
            device,
        })
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

    /// The weight that the average before the experience has in the average now, of that going on or the last one: 0 where it
    /// was started anew.
    pub fn weight_of_past(&self) -> f64 {
        self.config.ema.carried(self.position.average_from, self.ema.updates())
    }

    /// All passes of the training so far.
    pub fn passes(&self) -> Passes {
        self.passes.passes()
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
    /// breaks, [`StrategyError::Config`] for a strategy that needs boundaries where the stream tells none and for an
    /// augmentation that could miss the stream's images, [`StrategyError::Data`] if images cannot be loaded; every error of the strategy.
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
        self.config.check_images(stream.shape())?;
        self.label_dropout = Run { stream, k, seed: self.seed, config: &self.config }.label_dropout();
        if begun == 0 {
            if told || k == 0 {
                self.begin(strategy, experience, k)?;
            }
            self.position.average_from = self.ema.updates();
        }
        self.take_steps(strategy, stream, k, begun, observe)?;
        let passes_from = self.passes().total();
        if told {
            strategy.after_experience(&self.boundary(k, experience, AFTER, 1.0))?;
        }
        self.position = Position { experience: k + 1, steps: 0, over: false, passes_from, ..self.position };
        Ok(())
    }

    /// The steps of an experience from the one after `begun` on.
    fn take_steps(
        &mut self,
        strategy: &mut dyn Strategy<B, D>,
        stream: &Stream,
        k: usize,
        begun: usize,
        observe: &mut dyn FnMut(StepReport<'_>) -> ControlFlow<()>,
    ) -> Result<(), StrategyError> {
        let config = self.config;
        let run = Run { stream, k, seed: self.seed, config: &config };
        let chosen = strategy.training_data(stream, k)?;
        let dropout = run.dropout_on(chosen.as_ref());
        let loader = run.loader(chosen);
        let data = loader.data.clone();
        let (steps, each) = (config.steps_on(stream, data.len()), config.accumulated_batches);
        let ends = run.batches(data.len(), steps);
        let mut batches = prepared(loader, self.seed, k, begun * each..ends)?;
        for step in begun..steps {
            let Some(used) = run.used((step, steps), self.passes_here()) else { break };
            let boundary = self.boundary(k, &stream.experiences()[k], WITHIN, used);
            if let Some(model) = strategy.replace(&boundary, step)? {
                self.go_on_from(model);
            }
            let made = batches.by_ref().take(each).collect::<Result<Vec<Prepared>, _>>()?;
            let positions: Vec<usize> = made.iter().flat_map(|batch| batch.positions.clone()).collect();
            let position = Position { experience: k, steps: step, ..self.position };
            let learning_rate = run.learning_rate((step, steps), position.taken, used);
            let at = At { position, steps, learning_rate, dropout, data: &data, run: &run };
            let before = self.passes().training;
            let loss = self.step(strategy, made, &at)?;
            if let (false, Some(observer)) = (stream.tells_boundaries(), strategy.observer()) {
                observer.observe(&data.select(&positions), at.key(0).within(OBSERVED))?;
            }
            let taken = self.position.taken + 1;
            let over = run.used((step + 1, steps), self.passes_here()).is_none();
            self.position = Position { experience: k, steps: step + 1, over, taken, ..self.position };
            let images = self.passes().training - before;
            if self.tell(strategy, &at, (images, loss), observe).is_break() {
                return Err(StrategyError::Interrupted);
            }
        }
        Ok(())
    }

    /// Reports a step that was made.
    fn tell(
        &self,
        strategy: &dyn Strategy<B, D>,
        at: &At<'_>,
        (images, loss): (u64, Option<f64>),
        observe: &mut dyn FnMut(StepReport<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Position { experience, steps: done, skipped, .. } = self.position;
        observe(StepReport {
            experience,
            done,
            steps: at.run.expected_steps((done, at.steps), self.passes_here()),
            images,
            passes: self.passes(),
            loss,
            learning_rate: at.learning_rate,
            skipped: skipped.0,
            state: &|| self.save(strategy),
        })
    }

    /// Passes that the budget of this experience has paid for.
    fn passes_here(&self) -> u64 {
        self.passes().total() - self.position.passes_from
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
        if experience.is_removal() {
            strategy.remove_classes(&experience.removes)?;
        }
        let boundary = self.boundary(k, experience, BEFORE, 0.0);
        strategy.before_experience(&boundary)?;
        if let Some(model) = strategy.start_from(&boundary)? {
            self.go_on_from(model);
        } else if self.config.ema.at_experience == AtExperience::Restart {
            self.ema = Ema::new(self.config.ema, self.model());
        }
        Ok(())
    }

    /// Another model in the place of the one in training.
    fn go_on_from(&mut self, model: D) {
        self.ema = Ema::new(self.config.ema, &model);
        self.optimizer.reset();
        self.model = Some(model);
        self.position.average_from = 0;
    }

    fn boundary<'a>(
        &'a self,
        k: usize,
        experience: &'a Experience,
        purpose: Purpose,
        progress: f64,
    ) -> Boundary<'a, B, D> {
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
            progress,
            passes: &self.passes,
            key: Key::new(self.seed, purpose).experience(k),
            device: &self.device,
        }
    }
}
