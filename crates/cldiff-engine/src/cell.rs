//! One cell: a model goes through the stream with a strategy, and is evaluated after every experience.

use std::time::Instant;

use cl_strategies::{StepReport, Strategy, StrategyError, Trainer};
use data_streams::Stream;
use ddpm_core::{
    Denoiser, TrainBackend, UNet2D, diffusers,
    noise::{Key, Purpose},
};

use crate::{
    CellObserver, CellSpec, Cost, EngineError, Phase, Reference, Tick,
    analysis::Analyst,
    build,
    evaluate::{Evaluator, TaskModels},
    memory,
};

const MODEL: Purpose = Purpose::named("model");

/// Runs a cell from the first experience to the last.
pub(crate) fn run<B: TrainBackend>(
    spec: &CellSpec,
    stream: &Stream,
    reference: &Reference,
    device: &B::Device,
    observer: &mut dyn CellObserver,
) -> Result<Cost, EngineError> {
    memory::reset_peak();
    let unet = spec.model.init::<B>(Key::new(spec.seed, MODEL), device)?;
    let process = spec.process.build()?;
    let mut trainer = Trainer::new(unet, process, spec.training, spec.seed, device.clone())?;
    let mut strategy = build::strategy::<B, UNet2D<B>>(&spec.strategy)?;
    let evaluator = Evaluator::<B::InnerBackend>::new(spec, reference, device)?;
    let mut analyst = Analyst::<B>::new(spec, reference, evaluator.edges(), device);
    let mut cost = Cost::default();
    for k in 0..stream.len() {
        analyst.before(&trainer, &evaluator, k, observer, &mut cost)?;
        train(&mut trainer, &mut strategy, stream, k, observer, &mut cost)?;
        // Burn initialises parameters lazily and a clone initialises anew; these are all initialised by now.
        let average = trainer.average();
        let of_task = |j| Strategy::<B, UNet2D<B>>::model_for(&strategy, j, &average);
        let boxed = |j| of_task(j).map(|model| Box::new(model) as Box<dyn Denoiser<B::InnerBackend>>);
        let models = TaskModels::new(&average, (0..stream.len()).map(boxed).collect());
        let stored = Strategy::<B, UNet2D<B>>::stored_images(&strategy);
        let mut evaluation =
            evaluator.evaluate(&models, trainer.process(), k, stored.as_ref(), observer, &mut cost)?;
        let asked = |j| of_task(j).unwrap_or_else(|| average.clone());
        evaluation.analyses =
            analyst.after(&asked, trainer.process(), &evaluator, &evaluation, observer, &mut cost)?;
        let held = Strategy::<B, UNet2D<B>>::memory(&strategy);
        (cost.buffer_bytes, cost.extra_parameters) = (held.buffer_bytes, held.extra_parameters);
        let model = &asked(k);
        observer.evaluated(evaluation, &|dir| {
            diffusers::save_unet(model, dir)?;
            Ok(diffusers::save_scheduler(&spec.process, dir)?)
        })?;
    }
    cost.peak_memory_bytes = memory::peak_bytes();
    Ok(cost)
}

fn train<B: TrainBackend>(
    trainer: &mut Trainer<B, UNet2D<B>>,
    strategy: &mut dyn Strategy<B, UNet2D<B>>,
    stream: &Stream,
    k: usize,
    observer: &mut dyn CellObserver,
    cost: &mut Cost,
) -> Result<(), EngineError> {
    let start = Instant::now();
    let mut images = 0;
    let mut observe = |report: StepReport| {
        images += report.images;
        observer.tick(Tick {
            phase: Phase::Train,
            experience: k,
            work: 3 * report.images,
            images: report.images,
            step: report.done,
            loss: report.loss,
        })
    };
    let outcome = trainer.train_experience(strategy, stream, k, &mut observe);
    cost.train_seconds += start.elapsed().as_secs_f64();
    cost.images_trained += images;
    cost.denoiser_evaluations += images;
    match outcome {
        Err(StrategyError::Interrupted) => Err(EngineError::Interrupted),
        other => Ok(other?),
    }
}
