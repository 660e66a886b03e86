//! Nothing here depends on the UNet: a transformer trains on a stream, under replay, with every part of the objective.

use std::ops::ControlFlow;

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cl_strategies::{
    OptimizerConfig, Replay, ReplayConfig, Trainer, TrainerConfig,
    buffer::{BufferConfig, ClassBalanced},
};
use data_streams::{ClassIncremental, StreamBuilder, dataset::glyphs::GlyphsConfig};
use ddpm_core::{
    Conditioning, DiTConfig, Objective, ProcessConfig,
    diffusion::Variance,
    ema::EmaConfig,
    noise::{Key, Purpose},
    objective::{TimestepSampling, Weighting},
    sampler::{self, Ddim, SampleRequest},
};

type B = Autodiff<Flex>;

#[test]
fn a_transformer_trains_on_a_stream_and_is_sampled_from() {
    let device = Default::default();
    let key = Key::new(0, Purpose::named("transformer"));
    let glyphs =
        GlyphsConfig { size: 8.into(), train_per_class: 20, eval_per_class: 2, ..GlyphsConfig::default() };
    let stream = ClassIncremental { experiences: 5, ..ClassIncremental::default() };
    let stream = stream.build(glyphs.build().unwrap()).unwrap();
    let config = DiTConfig {
        input_size: 8.into(),
        hidden_size: 32,
        depth: 2,
        // Ten, and one for "no label".
        num_classes: Some(11),
        learn_sigma: true,
        ..DiTConfig::default()
    };
    let model = config.init::<B>(key, &device).unwrap();
    let process =
        ProcessConfig { variance: Variance::LearnedRange, ..ProcessConfig::default() }.build().unwrap();
    let options = TrainerConfig {
        steps_per_experience: 40,
        batch_size: 16,
        log_every: 1,
        label_dropout: 0.1,
        objective: Objective { weighting: Weighting::MinSnr { gamma: 5.0 }, ..Objective::default() },
        timestep_sampling: TimestepSampling::Stratified,
        optimizer: OptimizerConfig { learning_rate: 2e-3, ..OptimizerConfig::default() },
        ema: EmaConfig { decay: 0.9, ..EmaConfig::default() },
        ..TrainerConfig::default()
    };
    let buffer = BufferConfig::of(ClassBalanced::per_class(3));
    let mut replay =
        Replay::new(ReplayConfig { rehearsal_coefficient: 0.5, buffer, ..ReplayConfig::default() }).unwrap();
    let mut trainer = Trainer::new(model, process.clone(), options, 0, device).unwrap();
    let mut losses = Vec::new();
    for k in 0..2 {
        trainer
            .train_experience(&mut replay, &stream, k, &mut |report| {
                losses.extend(report.loss);
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..10]), mean(&losses[30..40]));
    assert!(last < 0.8 * first, "the loss fell from {first} to {last} only");

    let conditioning = Conditioning::Classes(vec![0, 1, 2]);
    let request = SampleRequest { count: 3, batch: 2, shape: [1, 8, 8], conditioning, key };
    let ddim = Ddim { steps: 5, ..Ddim::default() };
    let x_0 = sampler::draw(&ddim, &trainer.average(), &process, &request, &device, &mut |_| {}).unwrap();
    assert!(x_0.into_data().iter::<f32>().all(|v| v.is_finite() && v.abs() <= 1.0));
}
