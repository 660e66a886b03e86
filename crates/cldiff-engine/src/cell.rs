//! One cell: a model goes through the stream with a strategy, and is evaluated after every experience.
//!
//! The state of a cell can be saved at any moment. A cell that continues from it computes the same, to the bit on a
//! CPU, as an uninterrupted one.

use std::time::Instant;

use burn::module::AutodiffModule;
use cl_metrics::readings::next_look;
use cl_strategies::{Compose, Position, State, StepReport, Strategy, StrategyError, Trainer};
use data_streams::Stream;
use ddpm_core::{
    AnyNetwork, Denoiser, TrainBackend,
    diffusers::{self, SchedulerConfig},
};

use crate::{
    CellObserver, CellOutcome, CellSpec, Cost, EngineError, Evaluation, Moment, Phase, Reference, Tick,
    analysis::Analyst,
    evaluate::{Evaluator, TaskModels},
    memory,
    sampling::Sampling,
};

/// The network, the strategy and the device of a cell, made on its backend.
pub(crate) struct Parts<'a, B: TrainBackend> {
    pub network: AnyNetwork<B>,
    pub strategy: Compose<B, AnyNetwork<B>>,
    pub device: &'a B::Device,
}

/// How far a stretch of training went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stretch {
    /// To a pause.
    Part,
    /// To the end of the experience, after so many steps of it.
    Whole(usize),
}

/// A cell that is going on.
pub(crate) struct Cell<'a, B: TrainBackend> {
    spec: &'a CellSpec,
    stream: &'a Stream,
    device: &'a B::Device,
    trainer: Trainer<B, AnyNetwork<B>>,
    strategy: Compose<B, AnyNetwork<B>>,
    evaluator: Evaluator<'a, B::InnerBackend>,
    analyst: Analyst<'a, B>,
    /// The finished evaluations, of the experiences 0, 1 and so on.
    evaluations: Vec<Evaluation>,
    cost: Cost,
}

impl<'a, B: TrainBackend> Cell<'a, B> {
    /// A cell before its first experience.
    ///
    /// # Errors
    /// For options out of range.
    pub(crate) fn new(
        spec: &'a CellSpec,
        stream: &'a Stream,
        reference: &'a Reference,
        parts: Parts<'a, B>,
    ) -> Result<Self, EngineError> {
        let Parts { network, strategy, device } = parts;
        let process = spec.process.build()?;
        let trainer = Trainer::new(network, process, spec.training, spec.seed, device.clone())?;
        let evaluator = Evaluator::<B::InnerBackend>::new(spec, reference, device)?;
        let analyst = Analyst::<B>::new(spec, stream, reference, evaluator.edges(), device);
        let (evaluations, cost) = (Vec::new(), Cost::default());
        Ok(Self { spec, stream, device, trainer, strategy, evaluator, analyst, evaluations, cost })
    }

    /// Takes up a state that an observer of the same cell was given.
    ///
    /// # Errors
    /// [`StrategyError::State`] for a state of another cell.
    pub(crate) fn restore(
        &mut self,
        mut state: State,
        observer: &mut dyn CellObserver,
    ) -> Result<(), EngineError> {
        let data = &self.stream.experiences()[0].train;
        self.evaluations = state.take("evaluations")?;
        self.cost = state.take("cost")?;
        self.trainer.restore(&mut self.strategy, state.take_scope("trainer"), data)?;
        let (analyst, like) = (state.take_scope("analyst"), self.trainer.model().valid());
        self.analyst.restore(analyst, &mut self.evaluations, &like)?;
        state.finish()?;
        let Position { experience, steps, .. } = self.trainer.position();
        observer.resumed(experience, steps)
    }

    /// Goes on to the last experience.
    ///
    /// # Errors
    /// As [`crate::Engine::run_cell`].
    pub(crate) fn run(mut self, observer: &mut dyn CellObserver) -> Result<CellOutcome, EngineError> {
        for k in self.evaluations.len()..self.stream.len() {
            let position = self.trainer.position();
            if position.experience == k {
                if position.steps == 0 {
                    let Self { trainer, evaluator, analyst, cost, .. } = &mut self;
                    analyst.before(trainer, evaluator, k, observer, cost)?;
                }
                self.train(k, observer)?;
                self.tell_state(Moment::Trained, observer)?;
                self.give_memory_back();
            }
            self.evaluate(k, observer)?;
            self.give_memory_back();
            self.tell_state(Moment::Evaluated, observer)?;
        }
        self.note_memory();
        Ok(CellOutcome { evaluations: self.evaluations, cost: self.cost })
    }

    /// Trains on experience `k`, with looks at the tasks seen in between where these are asked for.
    fn train(&mut self, k: usize, observer: &mut dyn CellObserver) -> Result<(), EngineError> {
        loop {
            let Position { steps: done, over, .. } = self.trainer.position();
            if !over {
                self.look((k, done, false), observer)?;
            }
            let pause = next_look(self.spec.evaluation.every_steps, done);
            if let Stretch::Whole(steps) = self.train_until(k, pause, observer)? {
                return self.look((k, steps, true), observer);
            }
        }
    }

    /// Looks at the tasks seen after so many steps of experience `k`, if that is due.
    fn look(
        &mut self,
        (k, step, is_end): (usize, usize, bool),
        observer: &mut dyn CellObserver,
    ) -> Result<(), EngineError> {
        let Self { trainer, strategy, evaluator, analyst, cost, .. } = self;
        if !analyst.look_is_due(step, is_end) {
            return Ok(());
        }
        let average = trainer.average();
        let own = |j| Strategy::<B, AnyNetwork<B>>::model_for(strategy, j, &average);
        let model = |j| Ok(own(j)?.unwrap_or_else(|| average.clone()));
        analyst.look((k, step), &model, trainer.process(), evaluator, observer, cost)
    }

    /// Trains to the end of experience `k`, or to the step of a pause before its last.
    fn train_until(
        &mut self,
        k: usize,
        pause: Option<usize>,
        observer: &mut dyn CellObserver,
    ) -> Result<Stretch, EngineError> {
        let Self { trainer, strategy, analyst, evaluations, cost, stream, .. } = self;
        let (start, before) = (Instant::now(), cost.train_seconds);
        let (mut failed, mut paused, mut done) = (None, false, trainer.position().steps);
        let mut observe = |report: StepReport<'_>| {
            done = report.done;
            cost.train_seconds = before + start.elapsed().as_secs_f64();
            cost.images_trained += report.images;
            cost.passes = report.passes;
            cost.skipped_steps = report.skipped as u64;
            let tick = observer.tick(Tick {
                phase: Phase::Train,
                experience: k,
                work: 3 * report.images,
                images: report.images,
                step: report.done,
                loss: report.loss,
            });
            let moment = if tick.is_break() { Moment::Stopping } else { Moment::Step };
            let state = || state_of((report.state)(), analyst, evaluations, cost);
            match observer.state(moment, &state) {
                Ok(()) if tick.is_continue() && pause == Some(done) && done < report.steps => {
                    paused = true;
                    std::ops::ControlFlow::Break(())
                }
                Ok(()) => tick,
                Err(error) => {
                    failed = Some(error);
                    std::ops::ControlFlow::Break(())
                }
            }
        };
        let outcome = trainer.train_experience(strategy, stream, k, &mut observe);
        cost.train_seconds = before + start.elapsed().as_secs_f64();
        cost.passes = trainer.passes();
        match (outcome, failed) {
            (Err(StrategyError::Interrupted), Some(error)) => Err(error),
            (Err(StrategyError::Interrupted), None) if paused => Ok(Stretch::Part),
            (Err(StrategyError::Interrupted), None) => Err(EngineError::Interrupted),
            (other, _) => Ok(other.map(|()| Stretch::Whole(done))?),
        }
    }

    fn evaluate(&mut self, k: usize, observer: &mut dyn CellObserver) -> Result<(), EngineError> {
        let Self { spec, stream, trainer, strategy, evaluator, analyst, evaluations, cost, .. } = self;
        // Burn initialises parameters lazily and a clone initialises anew; these are all initialised by now.
        let average = trainer.average();
        let of_task = |j| Strategy::<B, AnyNetwork<B>>::model_for(strategy, j, &average);
        let boxed = |j| {
            let own = of_task(j)?;
            Ok(own.map(|model| Box::new(model) as Box<dyn Denoiser<B::InnerBackend>>))
        };
        let own = (0..stream.len()).map(boxed).collect::<Result<_, StrategyError>>()?;
        let models = TaskModels::new(&average, own);
        let stored = Strategy::<B, AnyNetwork<B>>::stored_images(strategy)?;
        let process = trainer.process();
        let mut evaluation = evaluator.evaluate(&models, process, k, stored.as_ref(), observer, cost)?;
        let asked = |j| Ok(of_task(j)?.unwrap_or_else(|| average.clone()));
        evaluation.weight_of_past = trainer.weight_of_past();
        evaluation.analyses =
            analyst.after(&asked, process, evaluator, (evaluations, &evaluation), observer, cost)?;
        let held = Strategy::<B, AnyNetwork<B>>::memory(strategy);
        (cost.buffer_bytes, cost.extra_parameters) = (held.buffer_bytes, held.extra_parameters);
        let model = &asked(k)?;
        observer.evaluated(&evaluation, &|dir| {
            diffusers::save_network(model, dir)?;
            let scheduler = SchedulerConfig::of(&spec.process).sampled_by(&spec.evaluation.sampler);
            diffusers::save_scheduler(&scheduler, dir)?;
            Ok(Sampling::of(spec).save(dir)?)
        })?;
        evaluations.push(evaluation);
        Ok(())
    }

    fn tell_state(&mut self, moment: Moment, observer: &mut dyn CellObserver) -> Result<(), EngineError> {
        self.note_memory();
        let Self { trainer, strategy, analyst, evaluations, cost, .. } = &*self;
        observer.state(moment, &|| state_of(trainer.save(strategy), analyst, evaluations, cost))
    }

    /// A GPU's memory is kept by sizes, of which training has others than evaluation.
    fn give_memory_back(&self) {
        B::memory_cleanup(self.device);
    }

    fn note_memory(&mut self) {
        self.cost.peak_memory_bytes = self.cost.peak_memory_bytes.max(memory::peak_bytes());
    }
}

/// All that going on with a cell takes.
///
/// # Errors
/// [`StrategyError::Diverged`] for a model with numbers that are not finite: nobody could go on from it.
fn state_of<B: TrainBackend>(
    trainer: State,
    analyst: &Analyst<'_, B>,
    evaluations: &[Evaluation],
    cost: &Cost,
) -> Result<State, EngineError> {
    check_finite(&trainer)?;
    let mut state = State::default();
    state.put_scope("trainer", trainer);
    state.put_scope("analyst", analyst.save());
    state.put("evaluations", evaluations);
    state.put("cost", cost);
    Ok(state)
}

fn check_finite(trainer: &State) -> Result<(), EngineError> {
    let models = trainer.tensors.iter().filter(|(name, _)| name.starts_with("model."));
    let finite = |data: &burn::tensor::TensorData| data.iter::<f32>().all(f32::is_finite);
    if models.into_iter().all(|(_, data)| finite(data)) {
        return Ok(());
    }
    let position: Position = trainer.clone().take("position")?;
    let (experience, step) = (position.experience, position.steps);
    Err(StrategyError::Diverged { experience, step, loss: f64::NAN }.into())
}
