//! Degenerate equalities: a strategy whose effect is switched off trains exactly as finetuning does, step for step.

use std::ops::ControlFlow;

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cl_strategies::{
    AGem, AGemConfig, Compose, Cumulative, Der, DerConfig, DerPlusPlusConfig, Emphasis, Ewc, EwcConfig,
    Finetune, Gdumb, GdumbConfig, Gem, GemConfig, GenerativeDistillation, GenerativeDistillationConfig,
    GenerativeReplay, GenerativeReplayConfig, GeneratorConfig, Inputs, Joint, L2, L2Config, Lwf, LwfConfig,
    Mas, MasConfig, Mixing, OnlineEwcConfig, OptimizerConfig, PartialSamplingDistillation,
    PartialSamplingDistillationConfig, Replay, ReplayConfig, Rwalk, RwalkConfig, Si, SiConfig, Source,
    Strategy, TimestepReplay, TimestepReplayConfig, Trainer, TrainerConfig,
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
fn cumulative_over_one_experience_is_joint() {
    let stream = stream(1);
    assert_eq!(train(&mut Cumulative, &stream), train(&mut Joint, &stream));
}

type Inner = Flex;

/// Penalties and distillation with their weight at zero.
#[test]
fn what_is_switched_off_is_finetuning() {
    let stream = stream(2);
    let finetuned = train(&mut Finetune, &stream);
    let off: Vec<(&str, Box<dyn Strategy<B, Model>>)> = vec![
        ("l2", Box::new(L2::<Inner>::new(L2Config { lambda: 0.0 }).unwrap())),
        (
            "ewc",
            Box::new(
                Ewc::<Inner>::new(EwcConfig { lambda: 0.0, samples: 2, ..EwcConfig::default() }).unwrap(),
            ),
        ),
        (
            "online_ewc",
            Box::new(
                Ewc::<Inner>::online(OnlineEwcConfig {
                    lambda: 0.0,
                    samples: 2,
                    ..OnlineEwcConfig::default()
                })
                .unwrap(),
            ),
        ),
        ("si", Box::new(Si::<Inner>::new(SiConfig { c: 0.0, ..SiConfig::default() }).unwrap())),
        ("mas", Box::new(Mas::<Inner>::new(MasConfig { lambda: 0.0, samples: 2 }).unwrap())),
        (
            "rwalk",
            Box::new(Rwalk::<Inner>::new(RwalkConfig { lambda: 0.0, ..RwalkConfig::default() }).unwrap()),
        ),
        ("lwf", Box::new(Lwf::<B, Model>::new(LwfConfig { lambda: 0.0 }).unwrap())),
    ];
    for (name, mut strategy) in off {
        assert_eq!(train(&mut *strategy, &stream), finetuned, "{name}");
    }
}

/// As above, for those that rehearse.
#[test]
fn rehearsal_that_is_switched_off_is_finetuning() {
    let stream = stream(2);
    let finetuned = train(&mut Finetune, &stream);
    let generator = GeneratorConfig { source: Source::Pool { images: 4 }, ..GeneratorConfig::default() };
    let off: Vec<(&str, Box<dyn Strategy<B, Model>>)> = vec![
        (
            "der",
            Box::new(
                Der::<B>::new(DerConfig { alpha: 0.0, per_experience: 4, ..DerConfig::default() }).unwrap(),
            ),
        ),
        (
            "timestep_replay",
            Box::new(
                TimestepReplay::new(TimestepReplayConfig {
                    rehearsal_coefficient: 0.0,
                    buffer: BufferConfig::Ring { per_experience: 3 },
                    ..TimestepReplayConfig::default()
                })
                .unwrap(),
            ),
        ),
        (
            "generative_replay",
            Box::new(
                GenerativeReplay::<B, Model>::new(GenerativeReplayConfig {
                    rehearsal_coefficient: 0.0,
                    mixing: Mixing::Concatenated,
                    generator,
                    ..GenerativeReplayConfig::default()
                })
                .unwrap(),
            ),
        ),
        (
            "generative_distillation",
            Box::new(
                GenerativeDistillation::<B, Model>::new(GenerativeDistillationConfig {
                    distillation_coefficient: 0.0,
                    mixing: Mixing::TwoMeans,
                    inputs: Inputs::Gaussian,
                    ..GenerativeDistillationConfig::default()
                })
                .unwrap(),
            ),
        ),
        (
            "partial_sampling_distillation",
            Box::new(
                PartialSamplingDistillation::<B, Model>::new(PartialSamplingDistillationConfig {
                    distillation_coefficient: 0.0,
                    mixing: Mixing::TwoMeans,
                    steps: 3,
                    ..PartialSamplingDistillationConfig::default()
                })
                .unwrap(),
            ),
        ),
    ];
    for (name, mut strategy) in off {
        assert_eq!(train(&mut *strategy, &stream), finetuned, "{name}");
    }
}

#[test]
fn what_has_nothing_to_look_back_at_is_finetuning() {
    let stream = stream(1);
    let finetuned = train(&mut Finetune, &stream);
    let buffer = BufferConfig::ClassBalanced(Size::total(6));
    let first: Vec<(&str, Box<dyn Strategy<B, Model>>)> = vec![
        ("a_gem", Box::new(AGem::new(AGemConfig { buffer, ..AGemConfig::default() }).unwrap())),
        ("gem", Box::new(Gem::new(GemConfig::default()).unwrap())),
        ("lwf", Box::new(Lwf::<B, Model>::new(LwfConfig::default()).unwrap())),
        ("ewc", Box::new(Ewc::<Inner>::new(EwcConfig { samples: 2, ..EwcConfig::default() }).unwrap())),
        ("si", Box::new(Si::<Inner>::new(SiConfig::default()).unwrap())),
        ("der_plus_plus", Box::new(Der::<B>::plus_plus(DerPlusPlusConfig::default()).unwrap())),
    ];
    for (name, mut strategy) in first {
        assert_eq!(train(&mut *strategy, &stream), finetuned, "{name}");
    }
}

/// And every one of them does something in a second experience.
#[test]
fn what_is_switched_on_is_not_finetuning() {
    let stream = stream(2);
    let finetuned = train(&mut Finetune, &stream).1;
    let buffer = BufferConfig::Herding(Size::per_class(2));
    let on: Vec<(&str, Box<dyn Strategy<B, Model>>)> = vec![
        ("gdumb", Box::new(Gdumb::new(GdumbConfig { buffer }).unwrap())),
        ("l2", Box::new(L2::<Inner>::new(L2Config { lambda: 1.0 }).unwrap())),
        ("ewc", Box::new(Ewc::<Inner>::new(EwcConfig { samples: 2, ..EwcConfig::default() }).unwrap())),
        ("si", Box::new(Si::<Inner>::new(SiConfig::default()).unwrap())),
        ("mas", Box::new(Mas::<Inner>::new(MasConfig { samples: 2, ..MasConfig::default() }).unwrap())),
        ("rwalk", Box::new(Rwalk::<Inner>::new(RwalkConfig::default()).unwrap())),
        ("lwf", Box::new(Lwf::<B, Model>::new(LwfConfig::default()).unwrap())),
        ("der", Box::new(Der::<B>::new(DerConfig::default()).unwrap())),
        ("generative_replay", Box::new(GenerativeReplay::<B, Model>::new(Default::default()).unwrap())),
        (
            "generative_distillation",
            Box::new(GenerativeDistillation::<B, Model>::new(Default::default()).unwrap()),
        ),
        (
            "partial_sampling_distillation",
            Box::new(PartialSamplingDistillation::<B, Model>::new(Default::default()).unwrap()),
        ),
    ];
    for (name, mut strategy) in on {
        let trained = train(&mut *strategy, &stream);
        assert!(trained.0.iter().all(|loss| loss.is_finite()), "{name}");
        assert_ne!(trained.1, finetuned, "{name}");
    }
}

/// In the first steps of a training everything pulls the same way: no gradient points against another.
#[test]
fn a_projection_that_is_never_active_is_finetuning() {
    let stream = stream(2);
    let finetuned = train(&mut Finetune, &stream);
    let buffer = BufferConfig::Ring { per_experience: 6 };
    assert_eq!(
        train(&mut AGem::new(AGemConfig { buffer, ..AGemConfig::default() }).unwrap(), &stream),
        finetuned
    );
    assert_eq!(train(&mut Gem::new(GemConfig::default()).unwrap(), &stream), finetuned);
}

#[test]
fn online_ewc_without_decay_is_ewc_while_there_is_one_past_experience() {
    let stream = stream(2);
    let (lambda, samples, timesteps_per_sample) = (50.0, 3, 2);
    let config = EwcConfig { lambda, samples, timesteps_per_sample, ..EwcConfig::default() };
    let online = OnlineEwcConfig { lambda, samples, timesteps_per_sample, decay: 1.0 };
    let plain = train(&mut Ewc::<Inner>::new(config).unwrap(), &stream);
    assert_eq!(train(&mut Ewc::<Inner>::online(online).unwrap(), &stream), plain);
}

#[test]
fn rehearsal_alike_at_all_timesteps_is_replay() {
    let stream = stream(2);
    let config = TimestepReplayConfig {
        rehearsal_coefficient: 0.5,
        emphasis: Emphasis::Power { exponent: 0.0 },
        buffer: BufferConfig::ClassBalanced(Size::per_class(3)),
        batch_size: None,
    };
    assert_eq!(train(&mut TimestepReplay::new(config).unwrap(), &stream), train(&mut replay(0.5), &stream));
}

#[test]
fn options_out_of_range_are_named() {
    let of = |result: Result<(), cl_strategies::StrategyError>| result.unwrap_err().to_string();
    let both = Size { per_class: Some(1), total: Some(1) };
    for (message, key) in [
        (of(L2Config { lambda: -1.0 }.validate()), "l2.lambda"),
        (of(EwcConfig { samples: 0, ..Default::default() }.validate()), "ewc.samples"),
        (of(OnlineEwcConfig { decay: 1.5, ..Default::default() }.validate()), "online_ewc.decay"),
        (of(SiConfig { xi: 0.0, ..Default::default() }.validate()), "si.xi"),
        (of(GemConfig { margin: f64::NAN, ..Default::default() }.validate()), "gem.margin"),
        (of(DerPlusPlusConfig { beta: -0.1, ..Default::default() }.validate()), "der_plus_plus.beta"),
        (
            of(GdumbConfig { buffer: BufferConfig::ClassBalanced(both) }.validate()),
            "gdumb.buffer.class_balanced",
        ),
        (
            of(TimestepReplayConfig { emphasis: Emphasis::Power { exponent: -1.0 }, ..Default::default() }
                .validate()),
            "timestep_replay.emphasis.power.exponent",
        ),
    ] {
        assert!(message.contains(key), "{message}");
    }
}

#[test]
fn a_buffer_with_a_size_in_all_shares_it_among_the_classes_seen() {
    use cl_strategies::buffer::{Balanced, Buffer};
    let stream = stream(5);
    for mut buffer in [Balanced::at_random(Size::total(12)), Balanced::by_herding(Size::total(12))] {
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
