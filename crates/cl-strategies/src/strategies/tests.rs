mod worked;

use std::fmt::Debug;

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cldiff_choices::Describe;
use data_streams::{
    ClassIncremental, DatasetPair, Drift, Online, Stream, StreamBuilder, dataset::glyphs::GlyphsConfig,
};
use ddpm_core::{ProcessConfig, UNet2D};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::*;
use crate::{
    ConditionOn, Strategy, StrategyError, TrainerConfig,
    buffer::{BufferConfig, ClassBalanced, Herding, Reservoir},
};

type B = Autodiff<Flex>;
type Model = UNet2D<B>;

/// The traits that the engine asks of every entry.
trait Listed:
    Describe
    + Default
    + Clone
    + Debug
    + PartialEq
    + Serialize
    + DeserializeOwned
    + JsonSchema
    + StrategyOptions
    + BuildStrategy<B, Model>
{
}

impl<T> Listed for T where
    T: Describe
        + Default
        + Clone
        + Debug
        + PartialEq
        + Serialize
        + DeserializeOwned
        + JsonSchema
        + StrategyOptions
        + BuildStrategy<B, Model>
{
}

/// The name of an entry, its needs, and the strategy that its defaults make.
fn built<T: Listed>() -> (&'static str, Needs, Box<dyn Strategy<B, Model>>) {
    let options = T::default();
    options.validate().unwrap();
    assert!(!T::SUMMARY.is_empty() && !T::SUMMARY.ends_with('.'), "{}", T::NAME);
    let text = serde_json::to_string(&options).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), options, "{}", T::NAME);
    assert_eq!(serde_json::from_str::<T>("{}").unwrap(), options, "{}", T::NAME);
    assert!(serde_json::from_str::<T>(r#"{"no such option":1}"#).is_err(), "{}", T::NAME);
    (T::NAME, options.needs(), options.build().unwrap())
}

macro_rules! all {
    ({} $($Config:ty),*) => { vec![$(built::<$Config>()),*] };
}

fn all() -> Vec<(&'static str, Needs, Box<dyn Strategy<B, Model>>)> {
    crate::built_in_strategies!(all! {})
}

/// Each option that a search may change is one of the defaults, which are in its range, and both ends of the range work.
fn tunables<T: Listed>() -> (&'static str, Vec<&'static str>) {
    let options = T::default();
    let keys = tunables_of(&options);
    if options.family().stands_alone() {
        assert!(keys.is_empty(), "{}: a bound or a baseline has nothing to be tuned", T::NAME);
    }
    (T::NAME, keys)
}

fn tunables_of<T: Listed>(options: &T) -> Vec<&'static str> {
    let json = serde_json::to_value(options).unwrap();
    let check = |tunable: &Tunable| {
        let (name, key) = (T::NAME, tunable.key);
        let place = format!("/{}", key.replace('.', "/"));
        let value = json.pointer(&place).unwrap_or_else(|| panic!("{name} has no option {key}"));
        assert!(tunable.contains(value), "{name}.{tunable}, and {value} by default");
        if let Values::Numbers { low, scale: Scale::Log, .. } = tunable.values {
            assert!(low > 0.0, "{name}.{tunable}");
        }
        for share in [0.0, 0.5, 1.0] {
            let mut changed = json.clone();
            *changed.pointer_mut(&place).unwrap() = tunable.at(share);
            let changed: T = serde_json::from_value(changed).unwrap_or_else(|e| panic!("{name}.{key}: {e}"));
            changed.validate().unwrap_or_else(|error| panic!("{name}.{tunable}: {error}"));
        }
        assert_ne!(tunable.at(0.0), tunable.at(1.0), "{name}.{tunable}");
        key
    };
    options.tunables().iter().map(check).collect()
}

macro_rules! all_tunables {
    ({} $($Config:ty),*) => { vec![$(tunables::<$Config>()),*] };
}

#[test]
fn what_a_search_may_change_is_there_and_works_at_the_ends_of_its_range() {
    let all = crate::built_in_strategies!(all_tunables! {});
    let without: Vec<&str> = all.iter().filter(|(_, keys)| keys.is_empty()).map(|(name, _)| *name).collect();
    assert_eq!(without, ["joint", "cumulative", "ensemble", "finetune", "gdumb", "a_gem"]);
    let of = |name| all.iter().find(|(known, _)| *known == name).map(|(_, keys)| keys.join(" ")).unwrap();
    assert_eq!(of("lora"), "alpha");
    assert_eq!(of("selective_amnesia"), "lambda");
    assert_eq!(of("timestep_replay"), "rehearsal_coefficient emphasis.forgetting.floor");
    // Other options are in question where others are chosen.
    let emphasis = Emphasis::Power { exponent: 0.0 };
    let keys = tunables_of(&TimestepReplayConfig { emphasis, ..Default::default() });
    assert_eq!(keys, ["rehearsal_coefficient", "emphasis.power.exponent"]);
    let penalised = LoraConfig { overlap_penalty: 1e6, ..LoraConfig::default() };
    assert_eq!(tunables_of(&penalised), ["alpha", "overlap_penalty"]);
    assert!(LoraConfig { rank: 0, ..LoraConfig::default() }.tunables().is_empty());
}

/// A rank is in question where it decides nothing of what is stored: adapters are merged, and none starts from past ones.
#[test]
fn the_rank_of_adapters_is_tuned_where_none_is_stored() {
    let merged = LoraConfig { adapters: Adapters::Merged, ..LoraConfig::default() };
    assert_eq!(tunables_of(&merged), ["rank", "alpha"]);
    let penalised = LoraConfig { overlap_penalty: 1e6, ..merged };
    assert_eq!(tunables_of(&penalised), ["rank", "alpha", "overlap_penalty"]);
    assert_eq!(tunables_of(&LoraConfig { start: Start::Orthogonal, ..merged }), ["alpha"]);
    for adapters in [Adapters::Selected, Adapters::Largest, Adapters::Continued] {
        assert_eq!(tunables_of(&LoraConfig { adapters, ..merged }), ["alpha"]);
    }
}

/// The range of a weight is that of its scale: Fisher information of each kind, and images of each kind.
#[test]
fn the_range_of_a_weight_depends_on_the_options_beside_it() {
    let shown = |options: &dyn StrategyOptions| options.tunables()[0].to_string();
    for (fisher, range) in [
        (Fisher::PerSample, "lambda: 100 to 10000000 (log)"),
        (Fisher::BatchMean, "lambda: 100 to 100000000 (log)"),
        (Fisher::RankOne, "lambda: 10 to 100000 (log)"),
    ] {
        let options = EwcConfig { fisher, ..EwcConfig::default() };
        assert_eq!((tunables_of(&options), shown(&options)), (vec!["lambda"], range.to_owned()));
    }
    assert_eq!(shown(&OnlineEwcConfig::default()), "lambda: 100 to 10000000 (log)");
    for (inputs, range) in [
        (Inputs::Generated, "0.1 to 10"),
        (Inputs::PartialGeneration, "0.1 to 10"),
        (Inputs::Gaussian, "0.3 to 30"),
        (Inputs::SymmetricGaussian, "0.3 to 30"),
        (Inputs::Lwf, "0.03 to 3"),
    ] {
        let options = GenerativeDistillationConfig { inputs, ..Default::default() };
        assert_eq!(tunables_of(&options), ["distillation_coefficient"]);
        assert_eq!(shown(&options), format!("distillation_coefficient: {range} (log)"));
    }
}

#[test]
fn every_strategy_is_built_from_its_defaults() {
    let names: Vec<&str> = all().iter().map(|(name, ..)| *name).collect();
    assert_eq!(
        names.join(" "),
        "joint cumulative ensemble finetune gdumb replay timestep_replay generative_replay \
         generative_distillation partial_sampling_distillation selective_amnesia lwf der der_plus_plus l2 ewc online_ewc si mas rwalk \
         a_gem gem lora packnet"
    );
}

/// The options' answer, which is asked before there is a model, is that of the strategy.
#[test]
fn a_strategy_observes_where_its_options_need_no_boundaries() {
    for (name, needs, mut strategy) in all() {
        assert_eq!(strategy.observer().is_none(), needs.boundaries, "{name}");
    }
    let buffer = BufferConfig::of(Reservoir { total: 5 });
    let replay = ReplayConfig { buffer: buffer.clone(), ..ReplayConfig::default() };
    let shares = ReplayConfig { mixing: Mixing::TaskShares, ..replay.clone() };
    for (options, boundaries) in [(replay, false), (shares, true)] {
        assert_eq!(options.needs().boundaries, boundaries);
        let mut strategy = BuildStrategy::<B, Model>::build(&options).unwrap();
        assert_eq!(strategy.observer().is_none(), boundaries);
    }
    let a_gem = AGemConfig { buffer: buffer.clone(), ..AGemConfig::default() };
    assert!(!a_gem.needs().boundaries);
    let emphasis = Emphasis::Power { exponent: 1.0 };
    let by_power = TimestepReplayConfig { emphasis, buffer, ..TimestepReplayConfig::default() };
    assert!(!by_power.needs().boundaries);
}

fn data() -> DatasetPair {
    let glyphs =
        GlyphsConfig { size: 8.into(), train_per_class: 6, eval_per_class: 2, ..GlyphsConfig::default() };
    glyphs.build().unwrap()
}

fn message(
    options: &dyn StrategyOptions,
    training: &TrainerConfig,
    timesteps: usize,
    stream: Option<&Stream>,
) -> String {
    let process = ProcessConfig { timesteps, ..ProcessConfig::default() };
    let checked = options.check_all(&Setting { training, process: &process, stream });
    checked.map_err(|error| error.training_at("training").to_string()).err().unwrap_or_default()
}

#[test]
fn options_that_do_not_fit_the_training_are_named() {
    let training = TrainerConfig::default();
    let replay = GenerativeReplayConfig::default();
    assert_eq!(message(&replay, &training, 1000, None), "");
    let short = message(&replay, &training, 5, None);
    assert!(short.starts_with("`generative_replay.generator.sampler.ddim.steps` is 10"), "{short}");
    let short = message(
        &PartialSamplingDistillationConfig { steps: Some(20), ..Default::default() },
        &training,
        5,
        None,
    );
    assert!(short.starts_with("`partial_sampling_distillation.steps` is 20"), "{short}");

    let by_task = TrainerConfig { condition_on: ConditionOn::Task, ..training };
    assert_eq!(message(&replay, &by_task, 1000, None), "");
    let generator = GeneratorConfig { guidance: Some(Default::default()), ..GeneratorConfig::default() };
    let guided = GenerativeDistillationConfig { generator, ..Default::default() };
    let told = message(&guided, &by_task, 1000, None);
    let expected = "expected `class` or `none`: a classifier guides towards classes";
    assert_eq!(told, format!("`training.condition_on` is task: {expected}"));

    let untold = TrainerConfig { condition_on: ConditionOn::None, ..training };
    let towards = |towards| {
        let guidance = Some(ClassifierGuidanceConfig { towards, ..Default::default() });
        let generator = GeneratorConfig { guidance, ..GeneratorConfig::default() };
        GenerativeReplayConfig { generator, ..Default::default() }
    };
    assert_eq!(message(&towards(Towards::Own), &untold, 1000, None), "");
    assert_eq!(message(&towards(Towards::Current), &training, 1000, None), "");
    let told = message(&towards(Towards::Current), &untold, 1000, None);
    assert!(told.starts_with("`training.condition_on` is none: expected `class`"), "{told}");

    let by_label = |training: &TrainerConfig| {
        let generator = GeneratorConfig { classifier_free_guidance: Some(2.0), ..GeneratorConfig::default() };
        message(&GenerativeReplayConfig { generator, ..Default::default() }, training, 1000, None)
    };
    let told = by_label(&training);
    assert!(told.starts_with("`training.label_dropout` is 0.0: expected above 0"), "{told}");
    assert_eq!(by_label(&TrainerConfig { label_dropout: 0.1, ..training }), "");
    let told = by_label(&TrainerConfig { label_dropout: 0.1, ..untold });
    assert!(told.starts_with("`training.condition_on` is none: expected `class` or `task`"), "{told}");

    let token = LoraConfig { rank: 0, ..Default::default() };
    assert_eq!(message(&token, &training, 1000, None), "");
    assert_eq!(message(&LoraConfig { train: Trained::Everything, ..token }, &untold, 1000, None), "");
    let told = message(&token, &untold, 1000, None);
    assert!(told.starts_with("`training.condition_on` is none: expected `class` or `task`"), "{told}");

    let mut decaying = training;
    decaying.optimizer.weight_decay = 0.5;
    let decay = message(&PacknetConfig::default(), &decaying, 1000, None);
    assert!(decay.starts_with("`training.optimizer.weight_decay` is 0.5: expected 0"), "{decay}");
}

#[test]
fn streams_that_do_not_fit_are_refused_before_the_training() {
    let training = TrainerConfig::default();
    let stream = ClassIncremental::default().build(data()).unwrap();
    let gdumb = GdumbConfig { buffer: BufferConfig::of(Herding::per_class(9)) };
    // Six images of a class are what a buffer for nine has of it.
    assert_eq!(message(&gdumb, &training, 1000, Some(&stream)), "");
    let replay = ReplayConfig { buffer: BufferConfig::of(ClassBalanced::per_class(2)), ..Default::default() };
    assert_eq!(message(&replay, &training, 1000, Some(&stream)), "");

    let online = Online {
        stream: data_streams::StreamConfig::of(ClassIncremental::default()),
        drift: Drift::default(),
        seed: 1,
    };
    let online = online.build(data()).unwrap();
    let untold = message(&replay, &training, 1000, Some(&online));
    assert_eq!(
        untold,
        "`replay` is part of a strategy on an online stream: expected a strategy that is not told where experiences end: \
         joint, cumulative, finetune, replay with a reservoir, timestep_replay with emphasis by power and a reservoir, \
         a_gem with a reservoir"
    );
    assert_eq!(message(&FinetuneConfig {}, &training, 1000, Some(&online)), "");
    let reservoir = ReplayConfig { buffer: BufferConfig::of(Reservoir { total: 5 }), ..Default::default() };
    assert_eq!(message(&reservoir, &training, 1000, Some(&online)), "");
}

#[test]
fn options_out_of_range_have_relative_keys() {
    let generator = GeneratorConfig { source: Source::Pool { images: 0 }, ..GeneratorConfig::default() };
    let unbounded =
        GeneratorConfig { classifier_free_guidance: Some(f64::NAN), ..GeneratorConfig::default() };
    let guidance = ClassifierGuidanceConfig { channels: 3, ..Default::default() };
    let guided = GeneratorConfig { guidance: Some(guidance), ..GeneratorConfig::default() };
    let of = |result: Result<(), StrategyError>| result.unwrap_err().to_string();
    for (found, key) in [
        (
            of(ReplayConfig { rehearsal_coefficient: -1.0, ..Default::default() }.validate()),
            "rehearsal_coefficient",
        ),
        (
            of(AGemConfig { buffer: BufferConfig::of(ClassBalanced::total(0)), batch_size: None }.validate()),
            "buffer.class_balanced.total",
        ),
        (
            of(GenerativeReplayConfig { generator, ..Default::default() }.validate()),
            "generator.source.pool.images",
        ),
        (
            of(GenerativeReplayConfig { generator: unbounded, ..Default::default() }.validate()),
            "generator.classifier_free_guidance",
        ),
        (
            of(GenerativeReplayConfig { generator: guided, ..Default::default() }.validate()),
            "generator.guidance.channels",
        ),
        (of(TrainerConfig { batch_size: 0, ..Default::default() }.validate()), "batch_size"),
    ] {
        assert!(found.starts_with(&format!("`{key}` is ")), "{found}");
    }
}

/// Pins the options of strategies that are named without any: runs depend on them.
#[test]
fn defaults_are_what_they_were() {
    fn json<T: Listed>() -> serde_json::Value {
        serde_json::to_value(T::default()).unwrap()
    }
    use serde_json::json;
    let none = serde_json::Value::Null;
    for (found, expected) in [
        (json::<L2Config>(), json!({ "lambda": 0.1 })),
        (
            json::<EwcConfig>(),
            json!({ "lambda": 100.0, "fisher": "per_sample", "samples": 64, "timesteps_per_sample": 2, "batch_size": none }),
        ),
        (
            json::<OnlineEwcConfig>(),
            json!({ "lambda": 100.0, "decay": 0.95, "samples": 64, "timesteps_per_sample": 2 }),
        ),
        (json::<SiConfig>(), json!({ "c": 0.1, "xi": 1e-3 })),
        (json::<MasConfig>(), json!({ "lambda": 0.01, "samples": 128 })),
        (json::<RwalkConfig>(), json!({ "lambda": 1.0, "alpha": 0.9, "update_every": 10, "epsilon": 1e-8 })),
        (
            json::<LwfConfig>(),
            json!({ "lambda": 1.0, "teacher": "raw", "weighting": "none", "variance_channels": false }),
        ),
        (
            json::<DerConfig>(),
            json!({
                "alpha": 1.0, "batch_size": none, "per_experience": 40, "noise": "fixed", "teacher": "raw",
                "weighting": "none", "variance_channels": false
            }),
        ),
        (
            json::<DerPlusPlusConfig>(),
            json!({
                "alpha": 0.5, "beta": 0.5, "batch_size": none, "per_experience": 40, "noise": "fixed", "teacher": "raw",
                "weighting": "none", "variance_channels": false
            }),
        ),
        (json::<GemConfig>(), json!({ "per_experience": 40, "batch_size": none, "margin": 0.5 })),
        (json::<PacknetConfig>(), json!({ "prune_share": 0.5, "retrain_share": 0.25 })),
        (
            json::<LoraConfig>(),
            json!({
                "rank": 8, "alpha": 8.0, "convolution": true, "attention": true, "adapters": "selected",
                "start": "uniform", "train": "adapters", "overlap_penalty": 0.0
            }),
        ),
        (
            json::<ReplayConfig>(),
            json!({
                "rehearsal_coefficient": 1.0, "batch_size": none, "mixing": "two_means",
                "buffer": { "class_balanced": { "per_class": 20 } }
            }),
        ),
        (
            json::<PartialSamplingDistillationConfig>(),
            json!({
                "distillation_coefficient": 1.0, "batch_size": none, "steps": none, "least_timestep_share": 0.0,
                "mixing": "two_means", "teacher": "raw", "variance_channels": true
            }),
        ),
    ] {
        assert_eq!(found, expected);
    }
    let generated = GenerativeReplayConfig::default();
    assert_eq!((generated.rehearsal_coefficient, generated.mixing), (1.0, Mixing::TaskShares));
    let GeneratorConfig { source, sample_batch, teacher, quantise, guidance, .. } = generated.generator;
    assert_eq!((source, sample_batch, teacher), (Source::Fresh, 256, TeacherWeights::Raw));
    assert!(!quantise && guidance.is_none());
    let timesteps = TimestepReplayConfig::default();
    assert_eq!(timesteps.emphasis, Emphasis::Forgetting { bins: 10, floor: 0.1 });
}
