//! The branch without labels is rehearsed wherever past data are: labels are dropped there as in training, and a teacher is
//! asked with the label that the model is asked with.

use burn::{optim::GradientsParams, tensor::Tensor};

use super::end;
use crate::{
    Der, DerConfig, DerPlusPlusConfig, Emphasis, GenerativeDistillation, GenerativeDistillationConfig,
    GenerativeReplay, GenerativeReplayConfig, GeneratorConfig, Inputs, Lwf, LwfConfig,
    PartialSamplingDistillation, PartialSamplingDistillationConfig, Replay, ReplayConfig, Source, Strategy,
    TimestepReplay, TimestepReplayConfig,
    buffer::{BufferConfig, Ring},
    test_support::{B, Fixture, Line, lines, numbers},
};

type Boxed = Box<dyn Strategy<B, Line<B>>>;

const TEACHER: [f32; 2] = [0.3, 0.9];
const MODEL: [f32; 2] = [0.1, 0.2];

/// Images in each step of a rehearsal.
const N: Option<usize> = Some(40);

fn distillation(inputs: Inputs) -> Boxed {
    let config = GenerativeDistillationConfig { inputs, batch_size: N, ..Default::default() };
    Box::new(GenerativeDistillation::<B, Line<B>>::new(config).unwrap())
}

/// The strategies that hold to a teacher's predictions.
fn distilling() -> Vec<(&'static str, Boxed)> {
    let der = DerConfig { alpha: 0.7, batch_size: N, per_experience: 50, ..Default::default() };
    let partial = PartialSamplingDistillationConfig { batch_size: N, ..Default::default() };
    vec![
        ("lwf", Box::new(Lwf::<B, Line<B>>::new(LwfConfig { lambda: 0.7, ..Default::default() }).unwrap())),
        ("der", Box::new(Der::<B>::new(der).unwrap())),
        ("generated", distillation(Inputs::Generated)),
        ("gaussian", distillation(Inputs::Gaussian)),
        ("symmetric gaussian", distillation(Inputs::SymmetricGaussian)),
        ("partial generation", distillation(Inputs::PartialGeneration)),
        ("lwf inputs", distillation(Inputs::Lwf)),
        ("partial sampling", Box::new(PartialSamplingDistillation::<B, Line<B>>::new(partial).unwrap())),
    ]
}

/// The strategies that train on past images.
fn replaying() -> Vec<(&'static str, Boxed)> {
    let generative = |source| {
        let generator = GeneratorConfig { source, ..Default::default() };
        let config = GenerativeReplayConfig { generator, batch_size: N, ..Default::default() };
        Box::new(GenerativeReplay::<B, Line<B>>::new(config).unwrap())
    };
    let buffer = BufferConfig::of(Ring { per_experience: 50 });
    let replay = ReplayConfig { buffer: buffer.clone(), batch_size: N, ..Default::default() };
    let emphasis = Emphasis::Power { exponent: 0.5 };
    let timesteps = TimestepReplayConfig { buffer, emphasis, batch_size: N, ..Default::default() };
    let plus_plus =
        DerPlusPlusConfig { alpha: 0.0, beta: 0.7, batch_size: N, per_experience: 50, ..Default::default() };
    vec![
        ("fresh images", generative(Source::Fresh)),
        ("pool", generative(Source::Pool { images: 60 })),
        ("replay", Box::new(Replay::new(replay).unwrap())),
        ("timestep replay", Box::new(TimestepReplay::new(timesteps).unwrap())),
        ("der_plus_plus", Box::new(Der::<B>::plus_plus(plus_plus).unwrap())),
    ]
}

/// The loss that a strategy adds, and its gradient in the parameter of the class and in the one without label.
fn added(strategy: &mut Boxed, probability: f64) -> (f64, Vec<f64>) {
    let fixture = Fixture::labelled(&[0; 50], 1).of_timesteps(20).told(probability);
    end(&mut **strategy, &fixture, &TEACHER);
    let model = lines(&MODEL);
    let batch = fixture.batch_of(&model, &(0..40).collect::<Vec<_>>());
    let step = fixture.step(&model, &batch);
    let zero = Tensor::<B, 1>::zeros([1], &Default::default());
    let loss = strategy.loss(&step, zero).unwrap();
    let value = super::floats(loss.to_data())[0];
    (value, numbers(&model, GradientsParams::from_grads(loss.backward(), &model)))
}

#[test]
fn labels_are_dropped_in_rehearsal_as_in_training() {
    let all = || distilling().into_iter().chain(replaying());
    for (((name, mut never), (_, mut half)), (_, mut always)) in all().zip(all()).zip(all()) {
        let gradient = added(&mut never, 0.0).1;
        assert!(gradient[0] != 0.0 && gradient[1] == 0.0, "{name} without dropout: {gradient:?}");
        let gradient = added(&mut half, 0.5).1;
        // That 40 draws of 1/2 are all alike has a probability of 2^-39.
        assert!(gradient[0] != 0.0 && gradient[1] != 0.0, "{name} with dropout: {gradient:?}");
        let gradient = added(&mut always, 1.0).1;
        assert!(gradient[0] == 0.0 && gradient[1] != 0.0, "{name} without labels: {gradient:?}");
    }
}

/// Teacher and model are 0.2 apart with the label and 0.7 without: the loss grows by 3.5^2, at the same noisy images.
#[test]
fn the_teacher_is_asked_with_the_label_of_the_model() {
    for ((name, mut never), (_, mut always)) in distilling().into_iter().zip(distilling()) {
        let (with, without) = (added(&mut never, 0.0).0, added(&mut always, 1.0).0);
        assert!(with > 0.0 && (without / with - 12.25).abs() < 5e-3, "{name}: {without} and {with}");
    }
}
