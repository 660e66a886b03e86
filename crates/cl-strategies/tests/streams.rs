//! Streams beyond class-incremental ones: without boundaries, in other domains, told the task; and augmentation.

mod common;

use std::ops::ControlFlow;

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cl_strategies::{
    AddedLoss, Boundary, ConditionOn, Ewc, EwcConfig, Finetune, GenerativeReplay, Joint, Replay,
    ReplayConfig, Step, Strategy, StrategyError, Trainer, TrainerConfig,
    buffer::{BufferConfig, ClassBalanced, Reservoir, Ring},
};
use common::{options, trainer};
use data_streams::{
    Augmentation, ClassIncremental, DatasetPair, Domain, DomainIncremental, Drift, Online, Stream,
    StreamBuilder, dataset::glyphs::GlyphsConfig,
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
    let stream = data_streams::StreamConfig::of(ClassIncremental::default());
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
struct Sees(Vec<(f64, usize)>);

impl Strategy<B, Model> for Sees {
    fn before_experience(&mut self, boundary: &Boundary<'_, B, Model>) -> Result<(), StrategyError> {
        self.0.push((boundary.label_dropout.probability, boundary.label_dropout.null));
        Ok(())
    }

    fn added(&mut self, step: &Step<'_, B, Model>) -> Result<Option<AddedLoss<B>>, StrategyError> {
        self.0.push((step.label_dropout.probability, step.label_dropout.null));
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
        assert_eq!(sees.0, vec![(label_dropout, null); 12]);
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
