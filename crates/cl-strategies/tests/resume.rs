//! A training that goes on from its saved state takes the steps that it would have taken, with every strategy.

mod common;

use std::ops::ControlFlow;

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cl_strategies::{
    AGem, AGemConfig, Adapters, Checkpoints, ClassifierGuidanceConfig, Compose, DarkNoise, Der,
    DerPlusPlusConfig, Emphasis, Ensemble, Ewc, EwcConfig, Finetune, Fisher, Gdumb, GdumbConfig, Gem,
    GemConfig, GenerativeDistillation, GenerativeDistillationConfig, GenerativeReplay,
    GenerativeReplayConfig, GeneratorConfig, Inputs, L2, L2Config, Lora, LoraConfig, Lwf, LwfConfig, Mas,
    MasConfig, OnlineEwcConfig, Packnet, PacknetConfig, PartialSamplingDistillation, Replay, ReplayConfig,
    Rwalk, RwalkConfig, SelectiveAmnesia, SelectiveAmnesiaConfig, Si, SiConfig, Source, Start, State,
    Strategy, StrategyError, TeacherWeights, TimestepReplay, TimestepReplayConfig, Towards,
    buffer::{BufferConfig, ClassBalanced, Herding, Reservoir, Ring},
};
use common::{options, stream, trainer};
use ddpm_core::{UNet2D, objective::TimestepSampling, parameters::named_parameters};

type B = Autodiff<Flex>;
type Model = UNet2D<B>;
type Boxed = Box<dyn Strategy<B, Model>>;

/// Through files.
fn written_and_read(state: &State) -> State {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(dir.path().to_owned(), 1);
    checkpoints.save(state).unwrap();
    checkpoints.newest().0.unwrap()
}

/// The parameters of the model and of its average after two experiences, interrupted after some steps of one or not.
fn train(make: &dyn Fn() -> Boxed, interrupt: Option<(usize, usize)>) -> [Vec<f32>; 2] {
    let stream = stream(5);
    let mut options = options();
    // Remembers losses, so that there is such a state as well.
    options.timestep_sampling = TimestepSampling::LossSecondMoment { uniform_share: 0.01 };
    let (mut strategy, mut trainer) = (make(), trainer::<Flex>(options));
    let mut k = 0;
    while k < 3 {
        let mut saved = None;
        let outcome = trainer.train_experience(&mut *strategy, &stream, k, &mut |report| {
            if Some((k, report.done)) == interrupt {
                saved = Some((report.state)());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        if let Some(state) = saved {
            assert!(matches!(outcome, Err(StrategyError::Interrupted)));
            (strategy, trainer) = (make(), common::trainer::<Flex>(options));
            trainer.restore(&mut *strategy, written_and_read(&state), &stream.all_train()).unwrap();
            return finish(strategy, trainer, &stream, k);
        }
        outcome.unwrap();
        if Some((k, 0)) == interrupt {
            let state = trainer.save(&*strategy);
            (strategy, trainer) = (make(), common::trainer::<Flex>(options));
            trainer.restore(&mut *strategy, written_and_read(&state), &stream.all_train()).unwrap();
        }
        k += 1;
    }
    finish(strategy, trainer, &stream, k)
}

fn finish(
    mut strategy: Boxed,
    mut trainer: cl_strategies::Trainer<B, Model>,
    stream: &data_streams::Stream,
    from: usize,
) -> [Vec<f32>; 2] {
    for k in from..3 {
        trainer.train_experience(&mut *strategy, stream, k, &mut |_| ControlFlow::Continue(())).unwrap();
    }
    let average = trainer.average();
    let of_first_task = strategy.model_for(0, &average).unwrap().unwrap_or(average);
    let floats = |data: burn::tensor::TensorData| data.to_vec::<f32>().unwrap();
    [
        named_parameters(trainer.model()).into_values().flat_map(floats).collect(),
        named_parameters(&of_first_task).into_values().flat_map(floats).collect(),
    ]
}

/// As [`train`], stopped after every second step, and gone on with by the same objects.
fn paused(make: &dyn Fn() -> Boxed) -> [Vec<f32>; 2] {
    let stream = stream(5);
    let mut options = options();
    options.timestep_sampling = TimestepSampling::LossSecondMoment { uniform_share: 0.01 };
    let (mut strategy, mut trainer) = (make(), trainer::<Flex>(options));
    let mut pauses = 0;
    for k in 0..3 {
        while let Err(error) = trainer.train_experience(&mut *strategy, &stream, k, &mut |report| {
            let pause = report.done % 2 == 0;
            if pause { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }) {
            assert!(matches!(error, StrategyError::Interrupted), "{error}");
            pauses += 1;
        }
    }
    assert!(pauses > 3, "{pauses}");
    finish(strategy, trainer, &stream, 3)
}

fn check(name: &str, make: impl Fn() -> Boxed) {
    let whole = train(&make, None);
    assert!(paused(&make) == whole, "{name}, paused");
    // After a task, in the middle of one, and after its last step.
    for interrupt in [(0, 0), (1, 1), (1, 4), (2, 3)] {
        assert!(train(&make, Some(interrupt)) == whole, "{name}, interrupted at {interrupt:?}");
    }
}

#[test]
fn rehearsal() {
    let buffer = BufferConfig::of(Reservoir { total: 7 });
    check("replay", move || {
        Box::new(Replay::new(ReplayConfig { buffer: buffer.clone(), ..Default::default() }).unwrap())
    });
    let buffer = BufferConfig::of(Herding::total(8));
    let emphasis = Emphasis::Forgetting { bins: 4, floor: 0.1 };
    let timesteps = TimestepReplayConfig { buffer, emphasis, ..Default::default() };
    check("timestep_replay", move || Box::new(TimestepReplay::new(timesteps.clone()).unwrap()));
    let buffer = BufferConfig::of(ClassBalanced::per_class(2));
    check("gdumb", move || Box::new(Gdumb::new(GdumbConfig { buffer: buffer.clone() }).unwrap()));
    let der = DerPlusPlusConfig { per_experience: 5, ..Default::default() };
    check("der_plus_plus", move || Box::new(Der::<B>::plus_plus(der).unwrap()));
    let fresh = DerPlusPlusConfig { noise: DarkNoise::Fresh, teacher: TeacherWeights::Average, ..der };
    check("der_plus_plus, fresh noise", move || Box::new(Der::<B>::plus_plus(fresh).unwrap()));
}

#[test]
fn generated_images_and_teachers() {
    for source in [Source::Fresh, Source::Pool { images: 6 }] {
        let teacher = TeacherWeights::Average;
        let generator = GeneratorConfig { source, teacher, quantise: true, ..Default::default() };
        let config = GenerativeReplayConfig { generator, ..Default::default() };
        check("generative_replay", move || {
            Box::new(GenerativeReplay::<B, Model>::new(config.clone()).unwrap())
        });
    }
    let guidance = ClassifierGuidanceConfig { steps: 2, batch_size: 4, generated: 4, ..Default::default() };
    let generator = GeneratorConfig { guidance: Some(guidance), ..Default::default() };
    let config = GenerativeReplayConfig { generator, ..Default::default() };
    check("ddgr", move || Box::new(GenerativeReplay::<B, Model>::new(config.clone()).unwrap()));
    let guide = ClassifierGuidanceConfig { towards: Towards::Current, ..guidance };
    let generator =
        GeneratorConfig { source: Source::Pool { images: 6 }, guidance: Some(guide), ..Default::default() };
    let config = GenerativeReplayConfig { generator, ..Default::default() };
    check("guide", move || Box::new(GenerativeReplay::<B, Model>::new(config.clone()).unwrap()));
    check("partial generation", || {
        let inputs = Inputs::PartialGeneration;
        let config = GenerativeDistillationConfig { inputs, ..Default::default() };
        Box::new(GenerativeDistillation::<B, Model>::new(config).unwrap())
    });
    check("generative_distillation", || {
        Box::new(GenerativeDistillation::<B, Model>::new(Default::default()).unwrap())
    });
    check("partial_sampling_distillation", || {
        Box::new(PartialSamplingDistillation::<B, Model>::new(Default::default()).unwrap())
    });
    check("lwf", || Box::new(Lwf::<B, Model>::new(LwfConfig::default()).unwrap()));
    check("selective_amnesia", || {
        let config =
            SelectiveAmnesiaConfig { samples: 2, timesteps_per_sample: Some(3), ..Default::default() };
        Box::new(SelectiveAmnesia::<B, Model>::new(config).unwrap())
    });
}

#[test]
fn penalties() {
    check("l2", || Box::new(L2::<Flex>::new(L2Config { lambda: 1.0 }).unwrap()));
    for fisher in [Fisher::PerSample, Fisher::BatchMean, Fisher::RankOne] {
        let config = EwcConfig { samples: 2, fisher, ..Default::default() };
        check("ewc", move || Box::new(Ewc::<Flex>::new(config).unwrap()));
    }
    check("online_ewc", || {
        Box::new(Ewc::<Flex>::online(OnlineEwcConfig { samples: 2, ..Default::default() }).unwrap())
    });
    check("si", || Box::new(Si::<Flex>::new(SiConfig::default()).unwrap()));
    check("mas", || Box::new(Mas::<Flex>::new(MasConfig { samples: 2, ..Default::default() }).unwrap()));
    // Updates within an experience, and steps left over at its end.
    let rwalk = RwalkConfig { update_every: 3, ..RwalkConfig::default() };
    check("rwalk", move || Box::new(Rwalk::<Flex>::new(rwalk).unwrap()));
}

#[test]
fn gradients_and_isolation() {
    let buffer = BufferConfig::of(Ring { per_experience: 4 });
    check("a_gem", move || {
        Box::new(AGem::new(AGemConfig { buffer: buffer.clone(), ..Default::default() }).unwrap())
    });
    check("gem", || Box::new(Gem::new(GemConfig { per_experience: 4, ..Default::default() }).unwrap()));
    check("ensemble", || Box::new(Ensemble::<B, Model>::default()));
    check("lora", || Box::new(Lora::<B>::new(LoraConfig { rank: 2, ..Default::default() }).unwrap()));
    check("c-lora", || {
        let adapters = Adapters::Merged;
        let config = LoraConfig { rank: 2, adapters, overlap_penalty: 1e9, ..Default::default() };
        Box::new(Lora::<B>::new(config).unwrap())
    });
    check("largest", || {
        let (adapters, start) = (Adapters::Largest, Start::Orthogonal);
        let config = LoraConfig { rank: 2, adapters, start, ..Default::default() };
        Box::new(Lora::<B>::new(config).unwrap())
    });
    check("continued", || {
        let config = LoraConfig { rank: 2, adapters: Adapters::Continued, ..Default::default() };
        Box::new(Lora::<B>::new(config).unwrap())
    });
    check("packnet", || Box::new(Packnet::<Flex>::new(PacknetConfig::default()).unwrap()));
}

#[test]
fn a_composition() {
    check("l2+replay", || {
        let l2 = L2::<Flex>::new(L2Config { lambda: 1.0 }).unwrap();
        let buffer = BufferConfig::of(ClassBalanced::per_class(2));
        let replay = Replay::new(ReplayConfig { buffer, ..Default::default() }).unwrap();
        Box::new(Compose::new(vec![Box::new(l2) as Boxed, Box::new(replay)]))
    });
    check("replay+si+rwalk", || {
        let buffer = BufferConfig::of(ClassBalanced::per_class(2));
        let replay = Replay::new(ReplayConfig { buffer, ..Default::default() }).unwrap();
        let si = Si::<Flex>::new(SiConfig::default()).unwrap();
        let rwalk = RwalkConfig { update_every: 3, ..RwalkConfig::default() };
        let rwalk = Rwalk::<Flex>::new(rwalk).unwrap();
        Box::new(Compose::new(vec![Box::new(replay) as Boxed, Box::new(si), Box::new(rwalk)]))
    });
}

#[test]
fn a_state_of_something_else_is_refused() {
    let stream = stream(5);
    let mut first = trainer::<Flex>(options());
    let mut l2 = L2::<Flex>::new(L2Config { lambda: 1.0 }).unwrap();
    first.train_experience(&mut l2, &stream, 0, &mut |_| ControlFlow::Continue(())).unwrap();
    let state = first.save(&l2);
    let restore = |state: State, strategy: &mut dyn Strategy<B, Model>| {
        trainer::<Flex>(options()).restore(strategy, state, &stream.all_train()).unwrap_err().to_string()
    };
    let message = restore(state.clone(), &mut Finetune);
    assert!(message.contains("anchor"), "{message}");
    let message = restore(state.clone(), &mut Replay::new(ReplayConfig::default()).unwrap());
    assert!(message.contains("`buffer.groups`, but it is missing"), "{message}");
    let mut short = state.clone();
    short.tensors.remove("model.conv_in.bias");
    assert!(restore(short, &mut l2).contains("conv_in.bias"));
    let mut other = state.clone();
    other.values.insert("position".into(), serde_json::json!("here"));
    assert!(restore(other, &mut l2).contains("position"));
    let mut wrong = state;
    wrong.tensors.insert("average".into(), burn::tensor::TensorData::new(vec![0.0_f32; 3], [3]));
    assert!(restore(wrong, &mut l2).contains("3 numbers"));
}
