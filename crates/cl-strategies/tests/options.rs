//! Options out of range, sizes of buffers, and how a training stops.

mod common;

use std::ops::ControlFlow;

use burn_flex::Flex;
use cl_strategies::{
    Adapters, DerPlusPlusConfig, Emphasis, EwcConfig, Finetune, GdumbConfig, GemConfig,
    GenerativeDistillationConfig, L2Config, LoraConfig, OnlineEwcConfig, OptimizerConfig, PacknetConfig,
    RwalkConfig, SelectiveAmnesiaConfig, SiConfig, Start, StrategyOptions, TimestepReplayConfig, Trained,
    TrainerConfig,
    buffer::{BufferConfig, ClassBalanced, Herding, Size},
};
use common::{stream, trainer};
use ddpm_core::noise::{Key, Purpose};

#[test]
fn options_out_of_range_are_named() {
    let of = |result: Result<(), cl_strategies::StrategyError>| result.unwrap_err().to_string();
    let both = Size { per_class: Some(1), total: Some(1) };
    for (message, key) in [
        (of(L2Config { lambda: -1.0 }.validate()), "lambda"),
        (of(EwcConfig { samples: 0, ..Default::default() }.validate()), "samples"),
        (of(OnlineEwcConfig { decay: 1.5, ..Default::default() }.validate()), "decay"),
        (of(SiConfig { xi: 0.0, ..Default::default() }.validate()), "xi"),
        (of(EwcConfig { batch_size: Some(0), ..Default::default() }.validate()), "batch_size"),
        (of(RwalkConfig { update_every: 0, ..Default::default() }.validate()), "update_every"),
        (
            of(GenerativeDistillationConfig { partial_steps: 0, ..Default::default() }.validate()),
            "partial_steps",
        ),
        (of(SelectiveAmnesiaConfig { lambda: -1.0, ..Default::default() }.validate()), "lambda"),
        (of(SelectiveAmnesiaConfig { gamma: f64::NAN, ..Default::default() }.validate()), "gamma"),
        (of(SelectiveAmnesiaConfig { samples: 0, ..Default::default() }.validate()), "samples"),
        (
            of(SelectiveAmnesiaConfig { timesteps_per_sample: Some(0), ..Default::default() }.validate()),
            "timesteps_per_sample",
        ),
        (
            of(SelectiveAmnesiaConfig { timesteps_at_once: 0, ..Default::default() }.validate()),
            "timesteps_at_once",
        ),
        (of(GemConfig { margin: f64::NAN, ..Default::default() }.validate()), "margin"),
        (of(DerPlusPlusConfig { beta: -0.1, ..Default::default() }.validate()), "beta"),
        (
            of(GdumbConfig { buffer: BufferConfig::of(ClassBalanced(both)) }.validate()),
            "buffer.class_balanced",
        ),
        (
            of(TimestepReplayConfig { emphasis: Emphasis::Power { exponent: -1.0 }, ..Default::default() }
                .validate()),
            "emphasis.power.exponent",
        ),
        (of(LoraConfig { alpha: 0.0, ..Default::default() }.validate()), "alpha"),
        (of(LoraConfig { overlap_penalty: -1.0, ..Default::default() }.validate()), "overlap_penalty"),
        (
            of(LoraConfig { overlap_penalty: 1.0, adapters: Adapters::Continued, ..Default::default() }
                .validate()),
            "overlap_penalty",
        ),
        (of(LoraConfig { start: Start::Orthogonal, rank: 1, ..Default::default() }.validate()), "start"),
        (
            of(LoraConfig { start: Start::Orthogonal, adapters: Adapters::Continued, ..Default::default() }
                .validate()),
            "start",
        ),
        (
            of(LoraConfig { adapters: Adapters::Largest, train: Trained::Everything, ..Default::default() }
                .validate()),
            "train",
        ),
        (
            of(LoraConfig { attention: false, convolution: false, ..Default::default() }.validate()),
            "convolution",
        ),
        (of(PacknetConfig { prune_share: 1.5, ..Default::default() }.validate()), "prune_share"),
        (of(PacknetConfig { retrain_share: 1.0, ..Default::default() }.validate()), "retrain_share"),
    ] {
        assert!(message.starts_with(&format!("`{key}` is ")), "{message}");
    }
}

#[test]
fn a_buffer_with_a_size_in_all_shares_it_among_the_classes_seen() {
    let stream = stream(5);
    for buffer in [BufferConfig::of(ClassBalanced::total(12)), BufferConfig::of(Herding::total(12))] {
        let mut buffer = buffer.build();
        let key = Key::new(0, Purpose::named("test"));
        let mut counts = Vec::new();
        for experience in stream.experiences().iter().take(3) {
            buffer.absorb(&experience.train, key).unwrap();
            counts.push(buffer.contents().unwrap().counts_per_class());
        }
        assert_eq!(counts[0], [6, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(counts[1], [3, 3, 3, 3, 0, 0, 0, 0, 0, 0]);
        assert_eq!(counts[2], [2, 2, 2, 2, 2, 2, 0, 0, 0, 0]);
    }
}

#[test]
fn the_buffer_holds_its_share_of_every_class_seen() {
    let stream = stream(5);
    let mut buffer = BufferConfig::of(ClassBalanced::per_class(3)).build();
    let key = Key::new(0, Purpose::named("test"));
    for experience in stream.experiences().iter().take(3) {
        buffer.absorb(&experience.train, key).unwrap();
    }
    assert_eq!(buffer.contents().unwrap().counts_per_class(), [3, 3, 3, 3, 3, 3, 0, 0, 0, 0]);
    assert_eq!(buffer.bytes(), 18 * 64);
    // Twelve images of a class are all there are.
    let mut buffer = BufferConfig::of(ClassBalanced::per_class(13)).build();
    buffer.absorb(&stream.experiences()[0].train, key).unwrap();
    assert_eq!(buffer.contents().unwrap().counts_per_class()[..3], [12, 12, 0]);
}

#[test]
fn steps_that_are_not_finite_are_left_out_until_there_are_too_many() {
    use cl_strategies::{OnDivergence, StrategyError};
    let stream = stream(2);
    let optimizer =
        OptimizerConfig { learning_rate: 1e30, clip_grad_norm: None, ..OptimizerConfig::default() };
    let train = |steps_per_experience: usize| {
        let options = TrainerConfig {
            steps_per_experience,
            batch_size: 4,
            on_divergence: OnDivergence::Skip,
            optimizer,
            ..TrainerConfig::default()
        };
        let mut skipped = 0;
        let outcome = trainer::<Flex>(options).train_experience(&mut Finetune, &stream, 0, &mut |report| {
            skipped = report.skipped;
            ControlFlow::Continue(())
        });
        (outcome, skipped)
    };
    let (outcome, skipped) = train(30);
    assert!(outcome.is_ok() && (20..30).contains(&skipped), "{skipped}");
    let (outcome, _) = train(200);
    assert!(matches!(outcome, Err(StrategyError::Diverged { .. })), "{outcome:?}");
}

#[test]
fn an_interrupt_stops_and_a_diverging_run_says_so() {
    use cl_strategies::StrategyError;
    let stream = stream(2);
    let trainer = |learning_rate: f64| {
        let optimizer = OptimizerConfig { learning_rate, clip_grad_norm: None, ..OptimizerConfig::default() };
        let options = TrainerConfig {
            steps_per_experience: 50,
            batch_size: 4,
            log_every: 1,
            optimizer,
            ..TrainerConfig::default()
        };
        trainer::<Flex>(options)
    };
    let stopped = trainer(1e-3).train_experience(&mut Finetune, &stream, 0, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(StrategyError::Interrupted)));
    let diverged =
        trainer(1e30).train_experience(&mut Finetune, &stream, 0, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(diverged, Err(StrategyError::Diverged { experience: 0, .. })), "{diverged:?}");
}
