//! Degenerate equalities: a strategy whose effect is switched off trains exactly as finetuning does, step for step.

use std::ops::ControlFlow;

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cl_strategies::{
    Compose, Finetune, Joint, OptimizerConfig, Replay, ReplayConfig, Strategy, Trainer, TrainerConfig,
    buffer::{BufferConfig, Size},
};
use data_streams::{ClassIncremental, Stream, StreamBuilder, dataset::glyphs::GlyphsConfig};
use ddpm_core::{
    GaussianDiffusion, UNet2D, UNet2DConfig,
    noise::{Key, Purpose},
    parameters::named_parameters,
    schedule::BetaSchedule,
};

type B = Autodiff<Flex>;
type Model = UNet2D<B>;

fn stream(experiences: usize) -> Stream {
    let data = GlyphsConfig { size: 8, train_per_class: 12, eval_per_class: 2, ..GlyphsConfig::default() };
    ClassIncremental { experiences, ..ClassIncremental::default() }.build(data.build().unwrap()).unwrap()
}

/// Losses of all steps, and the parameters at the end.
fn train(strategy: &mut dyn Strategy<B, Model>, stream: &Stream) -> (Vec<f64>, Vec<f32>) {
    let config = UNet2DConfig { num_class_embeds: Some(10), ..UNet2DConfig::small(8, 1, &[4, 8]) };
    let model = config.init::<B>(Key::new(1, Purpose::named("model")), &Default::default()).unwrap();
    let process = GaussianDiffusion::new(&BetaSchedule::linear(), 100).unwrap();
    let options = TrainerConfig {
        steps_per_experience: 4,
        batch_size: 6,
        log_every: 1,
        optimizer: OptimizerConfig { learning_rate: 1e-3, ..OptimizerConfig::default() },
        ..TrainerConfig::default()
    };
    let mut trainer = Trainer::new(model, process, options, 1, Default::default()).unwrap();
    let mut losses = Vec::new();
    for k in 0..stream.len() {
        trainer
            .train_experience(strategy, stream, k, &mut |report| {
                losses.extend(report.loss);
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    let parameters = named_parameters(trainer.model());
    (losses, parameters.values().flat_map(|data| data.to_vec::<f32>().unwrap()).collect())
}

fn replay(rehearsal_coefficient: f64) -> Replay {
    let buffer = BufferConfig::ClassBalanced(Size::per_class(3));
    Replay::new(ReplayConfig { rehearsal_coefficient, buffer, ..ReplayConfig::default() }).unwrap()
}

#[test]
fn replay_with_coefficient_0_is_finetuning() {
    let stream = stream(5);
    let finetuned = train(&mut Finetune, &stream);
    assert_eq!(finetuned.0.len(), 20);
    assert_eq!(train(&mut replay(0.0), &stream), finetuned);
    assert_ne!(train(&mut replay(1.0), &stream), finetuned);
}

#[test]
fn replay_with_an_empty_buffer_is_finetuning() {
    // Nothing is stored before the first experience ends.
    let stream = stream(1);
    assert_eq!(train(&mut replay(1.0), &stream), train(&mut Finetune, &stream));
}

#[test]
fn joint_over_one_experience_is_finetuning() {
    let stream = stream(1);
    assert_eq!(train(&mut Joint, &stream), train(&mut Finetune, &stream));
}

#[test]
fn a_composition_of_nothing_is_finetuning_and_of_one_term_is_the_term() {
    let stream = stream(2);
    let composed = |terms: Vec<Box<dyn Strategy<B, Model>>>| train(&mut Compose::new(terms), &stream);
    assert_eq!(composed(Vec::new()), train(&mut Finetune, &stream));
    assert_eq!(composed(vec![Box::new(replay(0.5))]), train(&mut replay(0.5), &stream));
}

#[test]
fn the_buffer_holds_its_share_of_every_class_seen() {
    use cl_strategies::buffer::{Balanced, Buffer};
    let stream = stream(5);
    let mut buffer = Balanced::at_random(Size::per_class(3));
    let key = Key::new(0, Purpose::named("test"));
    for experience in stream.experiences().iter().take(3) {
        buffer.absorb(&experience.train, key).unwrap();
    }
    assert_eq!(buffer.contents().unwrap().counts_per_class(), [3, 3, 3, 3, 3, 3, 0, 0, 0, 0]);
    assert_eq!(buffer.bytes(), 18 * 64);
    let message = Balanced::at_random(Size::per_class(13))
        .absorb(&stream.experiences()[0].train, key)
        .unwrap_err()
        .to_string();
    assert!(message.contains("ring") && message.contains("12 training images"), "{message}");
}

#[test]
fn an_interrupt_stops_and_a_diverging_run_says_so() {
    use cl_strategies::StrategyError;
    let stream = stream(2);
    let config = UNet2DConfig { num_class_embeds: Some(10), ..UNet2DConfig::small(8, 1, &[4, 8]) };
    let trainer = |learning_rate: f64| {
        let model = config.init::<B>(Key::new(1, Purpose::named("model")), &Default::default()).unwrap();
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 100).unwrap();
        let optimizer = OptimizerConfig { learning_rate, clip_grad_norm: None, ..OptimizerConfig::default() };
        let options = TrainerConfig {
            steps_per_experience: 50,
            batch_size: 4,
            log_every: 1,
            optimizer,
            ..TrainerConfig::default()
        };
        Trainer::new(model, process, options, 1, Default::default()).unwrap()
    };
    let stopped = trainer(1e-3).train_experience(&mut Finetune, &stream, 0, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(StrategyError::Interrupted)));
    let diverged =
        trainer(1e30).train_experience(&mut Finetune, &stream, 0, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(diverged, Err(StrategyError::Diverged { experience: 0, .. })), "{diverged:?}");
}
