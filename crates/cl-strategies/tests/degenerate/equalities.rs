// Included for each backend: `Inner` is one.

use std::ops::ControlFlow;

use burn_autodiff::Autodiff;
use cl_strategies::{
    AGem, AGemConfig, ClassifierGuidanceConfig, Compose, Cumulative, Der, DerConfig, DerPlusPlusConfig, Emphasis, Ensemble, Ewc, EwcConfig,
    Finetune, Gdumb, GdumbConfig, Gem, GemConfig, GenerativeDistillation, GenerativeDistillationConfig,
    GenerativeReplay, GenerativeReplayConfig, GeneratorConfig, Inputs, Joint, L2, L2Config, Lora, LoraConfig, Lwf,
    LwfConfig, Mas, MasConfig, Mixing, OnlineEwcConfig, Packnet, PacknetConfig, PartialSamplingDistillation,
    PartialSamplingDistillationConfig, Replay, ReplayConfig, Rwalk, RwalkConfig,
    SelectiveAmnesia, SelectiveAmnesiaConfig, Si, SiConfig, Source,
    Strategy, TimestepReplay, TimestepReplayConfig, Towards, Trained, TrainerConfig,
    buffer::{BufferConfig, ClassBalanced, Herding, Ring},
};
use data_streams::Stream;
use ddpm_core::{UNet2D, ema::EmaConfig, parameters::named_parameters};

use super::common::{options, stream, trainer};

type B = Autodiff<Inner>;
type Model = UNet2D<B>;

/// Losses of all steps, and the parameters at the end.
fn train(strategy: &mut dyn Strategy<B, Model>, stream: &Stream) -> (Vec<f64>, Vec<f32>) {
    train_with(options(), strategy, stream)
}

fn train_with(
    options: TrainerConfig,
    strategy: &mut dyn Strategy<B, Model>,
    stream: &Stream,
) -> (Vec<f64>, Vec<f32>) {
    let mut trainer = trainer::<Inner>(options);
    let mut losses = Vec::new();
    for k in 0..stream.len() {
        trainer
            .train_experience(strategy, stream, k, &mut |report| {
                losses.extend(report.loss);
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    (losses, numbers(trainer.model()))
}

fn numbers<I: ddpm_core::Kernels>(model: &UNet2D<I>) -> Vec<f32> {
    named_parameters(model).values().flat_map(|data| data.to_vec::<f32>().unwrap()).collect()
}

fn replay(rehearsal_coefficient: f64) -> Replay {
    let buffer = BufferConfig::of(ClassBalanced::per_class(3));
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
        ("lwf", Box::new(Lwf::<B, Model>::new(LwfConfig { lambda: 0.0, ..Default::default() }).unwrap())),
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
                    buffer: BufferConfig::of(Ring { per_experience: 3 }),
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
                    steps: Some(3),
                    ..PartialSamplingDistillationConfig::default()
                })
                .unwrap(),
            ),
        ),
        (
            "selective_amnesia",
            Box::new(
                SelectiveAmnesia::<B, Model>::new(SelectiveAmnesiaConfig {
                    lambda: 0.0,
                    gamma: 0.0,
                    samples: 2,
                    timesteps_per_sample: Some(2),
                    ..SelectiveAmnesiaConfig::default()
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
    let buffer = BufferConfig::of(ClassBalanced::total(6));
    let first: Vec<(&str, Box<dyn Strategy<B, Model>>)> = vec![
        ("a_gem", Box::new(AGem::new(AGemConfig { buffer, ..AGemConfig::default() }).unwrap())),
        ("gem", Box::new(Gem::new(GemConfig::default()).unwrap())),
        ("lwf", Box::new(Lwf::<B, Model>::new(LwfConfig::default()).unwrap())),
        ("ewc", Box::new(Ewc::<Inner>::new(EwcConfig { samples: 2, ..EwcConfig::default() }).unwrap())),
        ("si", Box::new(Si::<Inner>::new(SiConfig::default()).unwrap())),
        ("der_plus_plus", Box::new(Der::<B>::plus_plus(DerPlusPlusConfig::default()).unwrap())),
        ("ensemble", Box::new(Ensemble::<B, Model>::default())),
        ("lora", Box::new(Lora::<B>::new(LoraConfig::default()).unwrap())),
        (
            "packnet",
            Box::new(Packnet::<Inner>::new(PacknetConfig { prune_share: 0.0, retrain_share: 0.0 }).unwrap()),
        ),
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
    let buffer = BufferConfig::of(Herding::per_class(2));
    let on: Vec<(&str, Box<dyn Strategy<B, Model>>)> = vec![
        ("gdumb", Box::new(Gdumb::new(GdumbConfig { buffer }).unwrap())),
        ("l2", Box::new(L2::<Inner>::new(L2Config { lambda: 1.0 }).unwrap())),
        ("ewc", Box::new(Ewc::<Inner>::new(EwcConfig { samples: 2, ..EwcConfig::default() }).unwrap())),
        ("si", Box::new(Si::<Inner>::new(SiConfig::default()).unwrap())),
        ("mas", Box::new(Mas::<Inner>::new(MasConfig { samples: 2, ..MasConfig::default() }).unwrap())),
        ("rwalk", Box::new(Rwalk::<Inner>::new(RwalkConfig::default()).unwrap())),
        ("lwf", Box::new(Lwf::<B, Model>::new(LwfConfig::default()).unwrap())),
        ("der", Box::new(Der::<B>::new(DerConfig::default()).unwrap())),
        ("ensemble", Box::new(Ensemble::<B, Model>::default())),
        ("lora", Box::new(Lora::<B>::new(LoraConfig::default()).unwrap())),
        ("packnet", Box::new(Packnet::<Inner>::new(PacknetConfig::default()).unwrap())),
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
    let buffer = BufferConfig::of(Ring { per_experience: 6 });
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
        buffer: BufferConfig::of(ClassBalanced::per_class(3)),
        batch_size: None,
    };
    assert_eq!(train(&mut TimestepReplay::new(config).unwrap(), &stream), train(&mut replay(0.5), &stream));
}


#[test]
fn guidance_of_scale_0_generates_the_same_images() {
    let stream = stream(2);
    let generated = |guidance| {
        let generator = GeneratorConfig { guidance, ..GeneratorConfig::default() };
        let config = GenerativeReplayConfig { generator, ..GenerativeReplayConfig::default() };
        train(&mut GenerativeReplay::<B, Model>::new(config).unwrap(), &stream)
    };
    let guided = |scale| {
        let small = ClassifierGuidanceConfig { steps: 2, batch_size: 4, generated: 4, ..Default::default() };
        generated(Some(ClassifierGuidanceConfig { scale, ..small }))
    };
    let plain = generated(None);
    assert_eq!(guided(0.0), plain);
    assert_ne!(guided(3.0), plain);
    let guide = |scale| {
        let small = ClassifierGuidanceConfig { steps: 2, batch_size: 4, generated: 4, ..Default::default() };
        generated(Some(ClassifierGuidanceConfig { scale, towards: Towards::Current, ..small }))
    };
    assert_eq!(guide(0.0), plain);
    assert_ne!(guide(3.0), plain);
    assert_ne!(guide(3.0), guided(3.0));
}

/// The optimiser starts anew with each experience, as that of adapters does, and the average is the model itself.
#[test]
fn adapters_of_rank_0_beside_trained_weights_are_finetuning() {
    let stream = stream(2);
    let mut options = options();
    options.optimizer.reset_each_experience = true;
    options.ema = EmaConfig { decay: 0.0, ..EmaConfig::default() };
    let lora = |rank, train| {
        let config = LoraConfig { rank, train, ..LoraConfig::default() };
        train_with(options, &mut Lora::<B>::new(config).unwrap(), &stream)
    };
    let finetuned = train_with(options, &mut Finetune, &stream);
    assert_eq!(lora(0, Trained::Everything), finetuned);
    assert_ne!(lora(2, Trained::Everything), finetuned);
    assert_ne!(lora(0, Trained::Adapters), finetuned);
}

/// These strategies keep the same of a task, whatever is learned later.
#[test]
fn isolated_parameters_forget_nothing() {
    let stream = stream(5);
    let isolated: Vec<(&str, Box<dyn Strategy<B, Model>>)> = vec![
        ("ensemble", Box::new(Ensemble::<B, Model>::default())),
        ("lora", Box::new(Lora::<B>::new(LoraConfig { rank: 2, ..LoraConfig::default() }).unwrap())),
        ("packnet", Box::new(Packnet::<Inner>::new(PacknetConfig::default()).unwrap())),
    ];
    for (name, mut strategy) in isolated {
        let mut trainer = trainer::<Inner>(options());
        let mut learned = Vec::new();
        for k in 0..3 {
            trainer.train_experience(&mut *strategy, &stream, k, &mut |_| ControlFlow::Continue(())).unwrap();
            let average = trainer.average();
            let of_task = |j| numbers(&strategy.model_for(j, &average).unwrap().unwrap());
            learned.push(of_task(k));
            for (j, model) in learned.iter().enumerate() {
                assert_eq!(&of_task(j), model, "{name}: task {j} after experience {k}");
            }
            assert!(strategy.model_for(k + 1, &average).unwrap().is_none(), "{name}");
        }
        assert!(learned[0] != learned[1] && learned[1] != learned[2], "{name}");
    }
}

/// Merged adapters make one model for all tasks.
#[test]
fn merged_adapters_answer_for_every_task_alike() {
    let stream = stream(2);
    let config = LoraConfig { adapters: cl_strategies::Adapters::Merged, ..LoraConfig::default() };
    let mut lora = Lora::<B>::new(config).unwrap();
    let mut trainer = trainer::<Inner>(options());
    for k in 0..2 {
        trainer.train_experience(&mut lora, &stream, k, &mut |_| ControlFlow::Continue(())).unwrap();
    }
    let average = trainer.average();
    let of_task = |j| numbers(&Strategy::<B, Model>::model_for(&lora, j, &average).unwrap().unwrap());
    assert_eq!(of_task(0), of_task(1));
    assert_eq!(Strategy::<B, Model>::memory(&lora).extra_parameters, 0);
}

/// After each experience half of the free weights of a layer are its own.
#[test]
fn packed_tasks_leave_zeros_for_those_to_come() {
    let stream = stream(5);
    let mut packnet = Packnet::<Inner>::new(PacknetConfig::default()).unwrap();
    let mut trainer = trainer::<Inner>(options());
    let mut zeros = Vec::new();
    for k in 0..2 {
        trainer.train_experience(&mut packnet, &stream, k, &mut |_| ControlFlow::Continue(())).unwrap();
        let average = trainer.average();
        let model = Strategy::<B, Model>::model_for(&packnet, k, &average).unwrap().unwrap();
        let weights = &named_parameters(&model)["mid_block.resnets.0.conv1.weight"];
        zeros.push(weights.iter::<f32>().filter(|weight| *weight == 0.0).count());
    }
    // 8 x 8 x 3 x 3 weights.
    assert_eq!(zeros, [288, 144]);
}
