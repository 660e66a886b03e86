//! Streams beyond class-incremental ones: without boundaries, in other domains, told the task; and augmentation.

mod common;

use std::ops::ControlFlow;

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cl_strategies::{
    AddedLoss, Boundary, BuildStrategy, Compose, ConditionOn, Cumulative, Ensemble, Ewc, EwcConfig, Finetune,
    GenerativeReplay, Joint, Replay, ReplayConfig, SelectiveAmnesia, SelectiveAmnesiaConfig, Step, Strategy,
    StrategyError, Trainer, TrainerConfig,
    buffer::{BufferConfig, ClassBalanced, Reservoir, Ring},
};
use common::{options, trainer};
use data_streams::{
    Augmentation, ClassIncremental, DatasetPair, Domain, DomainIncremental, Drift, ImageDataset, Online,
    Stream, StreamBuilder, StreamConfig, Unlearning, dataset::glyphs::GlyphsConfig,
};
use ddpm_core::{UNet2D, parameters::named_parameters};

type B = Autodiff<Flex>;
type Model = UNet2D<B>;

fn data() -> DatasetPair {
    let data =
        GlyphsConfig { size: 8.into(), train_per_class: 13, eval_per_class: 2, ..GlyphsConfig::default() };
    data.build().unwrap()
}

fn online() -> Stream {
    let stream = StreamConfig::of(ClassIncremental::default());
    Online { stream, drift: Drift::Linear { width: 0.5 }, seed: 1 }.build(data()).unwrap()
}

fn domains() -> Stream {
    let domains = vec![Domain::Identity, Domain::Inversion];
    DomainIncremental { domains, ..DomainIncremental::default() }.build(data()).unwrap()
}

/// The parameters after a stream, and the images that went through the model.
fn train(options: TrainerConfig, strategy: &mut dyn Strategy<B, Model>, stream: &Stream) -> (Vec<f32>, u64) {
    let mut trainer: Trainer<B, Model> = trainer::<Flex>(options);
    let mut images = 0;
    for k in 0..stream.len() {
        let mut observe = |report: cl_strategies::StepReport<'_>| {
            images += report.images;
            ControlFlow::Continue(())
        };
        trainer.train_experience(strategy, stream, k, &mut observe).unwrap();
    }
    let parameters = named_parameters(trainer.model());
    (parameters.values().flat_map(|data| data.to_vec::<f32>().unwrap()).collect(), images)
}

fn replay(buffer: BufferConfig) -> Replay {
    Replay::new(ReplayConfig { buffer, batch_size: Some(3), ..ReplayConfig::default() }).unwrap()
}

#[test]
fn a_single_pass_sees_every_image_once() {
    let stream = online();
    let (_, images) = train(options(), &mut Finetune, &stream);
    assert_eq!(images, 130);
}

#[test]
fn a_reservoir_fills_itself_where_no_boundary_is_told() {
    let stream = online();
    let mut replay = replay(BufferConfig::of(Reservoir { total: 20 }));
    let (_, images) = train(options(), &mut replay, &stream);
    // Every step but the first looks at three stored images as well.
    let steps: u64 = (0..stream.len()).map(|k| options().steps_in(&stream, k) as u64).sum();
    assert_eq!(images, 130 + 3 * (steps - 1));
    let bytes = Strategy::<B, Model>::memory(&replay).buffer_bytes;
    assert_eq!(bytes, 20 * 64);
}

#[test]
fn what_needs_boundaries_is_refused_where_none_are_told() {
    let stream = online();
    let refused: Vec<Box<dyn Strategy<B, Model>>> = vec![
        Box::new(Ewc::<Flex>::new(EwcConfig::default()).unwrap()),
        Box::new(replay(BufferConfig::of(ClassBalanced::per_class(2)))),
    ];
    for mut strategy in refused {
        let mut continued = |_: cl_strategies::StepReport<'_>| ControlFlow::Continue(());
        let outcome = trainer::<Flex>(options()).train_experience(&mut *strategy, &stream, 0, &mut continued);
        let message = outcome.unwrap_err().to_string();
        assert!(message.contains("tells where experiences end"), "{message}");
    }
    train(options(), &mut Joint, &stream);
}

#[test]
fn a_balanced_buffer_keeps_every_domain() {
    let stream = domains();
    let mut replay = replay(BufferConfig::of(ClassBalanced::per_class(2)));
    train(options(), &mut replay, &stream);
    assert_eq!(Strategy::<B, Model>::memory(&replay).buffer_bytes, 2 * 10 * 2 * 64);
}

#[test]
fn a_model_is_told_the_task() {
    let stream = domains();
    let by = |condition_on, label_dropout| {
        train(TrainerConfig { condition_on, label_dropout, ..options() }, &mut Finetune, &stream).0
    };
    assert_ne!(by(ConditionOn::Task, 0.0), by(ConditionOn::Class, 0.0));
    // The null condition comes after the tasks.
    assert_ne!(by(ConditionOn::Task, 0.5), by(ConditionOn::Task, 0.0));
    let options = TrainerConfig { condition_on: ConditionOn::Task, ..options() };
    let mut generative = GenerativeReplay::<B, Model>::new(Default::default()).unwrap();
    train(options, &mut generative, &stream);
}

/// Keeps what it is told of label dropout before and after each experience, and in each step.
#[derive(Debug, Default)]
struct Sees {
    dropout: Vec<(f64, usize)>,
    /// Classes that it is told to remove, and how often it was told of label dropout by then.
    removed: Vec<(usize, Vec<usize>)>,
    /// Whether it chooses the images to train on.
    chooses: bool,
}

impl Strategy<B, Model> for Sees {
    fn training_data(&self, stream: &Stream, k: usize) -> Result<Option<ImageDataset>, StrategyError> {
        Ok(self.chooses.then(|| stream.kept_train(k)))
    }

    fn remove_classes(&mut self, classes: &[usize]) -> Result<(), StrategyError> {
        self.removed.push((self.dropout.len(), classes.to_vec()));
        Ok(())
    }

    fn before_experience(&mut self, boundary: &Boundary<'_, B, Model>) -> Result<(), StrategyError> {
        self.dropout.push((boundary.label_dropout.probability, boundary.label_dropout.null));
        Ok(())
    }

    fn added(&mut self, step: &Step<'_, B, Model>) -> Result<Option<AddedLoss<B>>, StrategyError> {
        self.dropout.push((step.label_dropout.probability, step.label_dropout.null));
        Ok(None)
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, Model>) -> Result<(), StrategyError> {
        self.before_experience(boundary)
    }
}

/// "No label" is the number after the last condition: 10 classes, or 2 tasks.
#[test]
fn a_strategy_is_told_how_labels_are_dropped() {
    for (condition_on, label_dropout, null) in [(ConditionOn::Class, 0.0, 10), (ConditionOn::Task, 0.25, 2)] {
        let mut sees = Sees::default();
        train(TrainerConfig { condition_on, label_dropout, ..options() }, &mut sees, &domains());
        // Two experiences of four steps, their beginnings and their ends.
        assert_eq!(sees.dropout, vec![(label_dropout, null); 12]);
        assert!(sees.removed.is_empty());
    }
}

#[test]
fn augmentation_changes_a_training_and_repeats() {
    let stream = domains();
    let with = |horizontal_flip, padding_crop| {
        let augmentation = Augmentation { horizontal_flip, padding_crop };
        let mut replay = replay(BufferConfig::of(Ring { per_experience: 5 }));
        train(TrainerConfig { augmentation, ..options() }, &mut replay, &stream).0
    };
    let plain = with(false, 0);
    assert_ne!(with(true, 0), plain);
    assert_eq!(with(true, 2), with(true, 2));
}

/// Five classes, five more, and then the removal of one of each.
fn unlearning() -> Stream {
    let stream = StreamConfig::of(ClassIncremental { experiences: 2, ..ClassIncremental::default() });
    let unlearning = Unlearning { stream, remove: vec![1, 7], images_per_class: 9, ..Default::default() };
    unlearning.build(data()).unwrap()
}

macro_rules! all {
    ({} $($Config:ty),*) => {
        vec![$((
            <$Config as cldiff_choices::Describe>::NAME,
            BuildStrategy::<B, Model>::build(&<$Config>::default()).unwrap(),
        )),*]
    };
}

/// Every strategy trains through a removal and stores no image of a removed class, nor noise in its place.
#[test]
fn no_strategy_keeps_images_of_a_removed_class() {
    let (stream, mut stores) = (unlearning(), 0);
    for (name, mut strategy) in cl_strategies::built_in_strategies!(all! {}) {
        if name == "selective_amnesia" {
            let few =
                SelectiveAmnesiaConfig { samples: 2, timesteps_per_sample: Some(4), ..Default::default() };
            strategy = Box::new(SelectiveAmnesia::<B, Model>::new(few).unwrap());
        }
        // As a term, so that the composition hands everything on.
        let mut strategy = Compose::new(vec![strategy]);
        let (parameters, _) = train(options(), &mut strategy, &stream);
        assert!(parameters.iter().all(|p| p.is_finite()), "{name}");
        let Some(stored) = Strategy::<B, Model>::stored_images(&strategy).unwrap() else { continue };
        stores += 1;
        let labels = stored.labels();
        assert!(labels.iter().all(|label| ![1, 7].contains(label)), "{name}: {labels:?}");
        assert!(stored.tasks().iter().all(|task| *task < 2), "{name}");
        assert!([0, 2, 5, 9].iter().all(|class| labels.contains(class)), "{name}: {labels:?}");
    }
    assert_eq!(stores, 7, "gdumb, replay, timestep_replay, der, der_plus_plus, a_gem, gem");
}

/// The bounds train on what is to be known; joint never sees what will be removed.
#[test]
fn bounds_train_on_the_kept_classes() {
    let stream = unlearning();
    let chosen = |strategy: &dyn Strategy<B, Model>, k: usize| {
        strategy.training_data(&stream, k).unwrap().map(|data| data.counts_per_class())
    };
    let kept = [13, 0, 13, 13, 13, 13, 13, 0, 13, 13];
    for k in 0..3 {
        assert_eq!(chosen(&Joint, k), Some(kept.to_vec()));
    }
    assert_eq!(chosen(&Cumulative, 0), Some(vec![13, 13, 13, 13, 13, 0, 0, 0, 0, 0]));
    assert_eq!(chosen(&Cumulative, 1), Some(vec![13; 10]));
    assert_eq!(chosen(&Cumulative, 2), Some(kept.to_vec()));
    let ensemble = Ensemble::<B, Model>::default();
    assert_eq!((chosen(&ensemble, 1), chosen(&ensemble, 2)), (None, Some(kept.to_vec())));
    // The noise itself, for all others.
    assert_eq!(chosen(&Finetune, 2), None);
    let noise = stream.experiences()[2].train.counts_per_class();
    assert_eq!(noise, [0, 9, 0, 0, 0, 0, 0, 9, 0, 0]);
}

/// While noise is learned no label is dropped; where a strategy chose other images, as many as ever are.
#[test]
fn no_label_of_noise_is_dropped() {
    let options = TrainerConfig { label_dropout: 0.25, ..options() };
    for chooses in [false, true] {
        let mut sees = Sees { chooses, ..Sees::default() };
        train(options, &mut sees, &unlearning());
        let mut expected = vec![(0.25, 10); 18];
        if !chooses {
            expected[13..17].fill((0.0, 10));
        }
        assert_eq!(sees.dropout, expected, "{chooses}");
        // After two experiences of six looks each, before that of the third.
        assert_eq!(sees.removed, [(12, vec![1, 7])]);
    }
}

/// A model that is told no classes cannot lose one.
#[test]
fn a_removal_needs_a_model_that_is_told_classes() {
    use cl_strategies::{FinetuneConfig, Setting, StrategyOptions};
    let (stream, process) = (unlearning(), ddpm_core::ProcessConfig::default());
    for (condition_on, value) in
        [(ConditionOn::Class, None), (ConditionOn::Task, Some("task")), (ConditionOn::None, Some("none"))]
    {
        let training = TrainerConfig { condition_on, ..options() };
        let setting = Setting { training: &training, process: &process, stream: Some(&stream) };
        let told = FinetuneConfig {}.check_all(&setting).err().map(|error| error.to_string());
        assert_eq!(told.is_some(), value.is_some(), "{told:?}");
        if let (Some(told), Some(value)) = (told, value) {
            assert!(
                told.contains("condition_on") && told.contains(value) && told.contains("`class`"),
                "{told}"
            );
        }
    }
}
