//! Learning rates, clipping, average, labels, order of the data, budgets and batches of a step, by value.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use burn::optim::GradientsParams;
use burn_flex::Flex;
use data_streams::{
    Augmentation, ClassIncremental, DatasetPair, EpochOrder, ImageDataset, ImageShape, Online, StreamBuilder,
    StreamConfig,
};
use ddpm_core::{
    Denoiser,
    ema::EmaConfig,
    noise::indices,
    parameters::{ParameterVector, take_gradients},
    schedule::BetaSchedule,
};

use super::*;
use crate::{
    Budget, ConditionOn, Ewc, EwcConfig, Finetune, Replay, ReplayConfig, Schedule, Span, Step,
    buffer::{BufferConfig, Ring},
    test_support::{B, Line, line},
};

/// Twelve images of one pixel of each of four classes; image i has the value 5 i.
fn data() -> DatasetPair {
    let shape = ImageShape { channels: 1, height: 1, width: 1 };
    let names = (0..4).map(|class| class.to_string()).collect();
    let labels = (0..48).map(|i| i / 12).collect();
    let pixels = (0..48).map(|i| 5 * i).collect();
    let images = ImageDataset::new("pixels", shape, names, pixels, labels).unwrap();
    DatasetPair { train: images.clone(), eval: images }
}

/// Two experiences of 24 images.
fn stream() -> Stream {
    ClassIncremental { experiences: 2, ..ClassIncremental::default() }.build(data()).unwrap()
}

fn online() -> Stream {
    let stream = StreamConfig::of(ClassIncremental { experiences: 2, ..ClassIncremental::default() });
    Online { stream, ..Online::default() }.build(data()).unwrap()
}

/// Four steps of six images.
fn options() -> TrainerConfig {
    TrainerConfig { steps_per_experience: 4, batch_size: 6, log_every: 1, ..TrainerConfig::default() }
}

fn trainer(options: TrainerConfig, seed: u64) -> Trainer<B, Line<B>> {
    let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
    Trainer::new(line(0.3), process, options, seed, Default::default()).unwrap()
}

/// The values of a step that a strategy sees.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    experience: usize,
    steps: usize,
    images: u64,
    passes: u64,
    learning_rate: f64,
    parameter: f32,
    average: f32,
}

fn run(options: TrainerConfig, strategy: &mut dyn Strategy<B, Line<B>>, stream: &Stream) -> Vec<Seen> {
    let (mut trainer, mut seen) = (trainer(options, 1), Vec::new());
    for k in 0..stream.len() {
        let mut observe = |report: StepReport<'_>| {
            let state = (report.state)();
            let number = |name: &str| state.tensors[name].iter::<f32>().next().unwrap();
            seen.push(Seen {
                experience: k,
                steps: report.steps,
                images: report.images,
                passes: report.passes.total(),
                learning_rate: report.learning_rate,
                parameter: number("model.w"),
                average: number("average"),
            });
            ControlFlow::Continue(())
        };
        trainer.train_experience(strategy, stream, k, &mut observe).unwrap();
    }
    seen
}

fn rates(options: TrainerConfig) -> Vec<f64> {
    run(options, &mut Finetune, &stream()).iter().map(|seen| seen.learning_rate).collect()
}

fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    }
}

#[test]
fn the_learning_rate_of_every_step_is_known() {
    let with = |warmup_steps, schedule, schedule_over| {
        let mut options = options();
        let optimizer = &mut options.optimizer;
        (optimizer.learning_rate, optimizer.warmup_steps) = (0.6, warmup_steps);
        (optimizer.schedule, optimizer.schedule_over) = (schedule, schedule_over);
        rates(options)
    };
    let whole = [0.6; 8];
    assert_close(&with(0, Schedule::Constant, Span::Stream), &whole);
    assert_close(&with(1, Schedule::Constant, Span::Stream), &whole);
    // The first step already learns.
    let rising = [0.2, 0.4, 0.6, 0.6];
    assert_close(&with(3, Schedule::Constant, Span::Stream), &[rising, [0.6; 4]].concat());
    assert_close(&with(3, Schedule::Constant, Span::Experience), &[rising, rising].concat());
    let down: Vec<f64> = (0..8).map(|i| 0.6 * (1.0 - f64::from(i) / 8.0)).collect();
    assert_close(&with(0, Schedule::Linear, Span::Stream), &down);
    // Two steps of warm-up, then the line from the third of four steps on.
    let each = [0.3, 0.6, 0.6, 0.3];
    assert_close(&with(2, Schedule::Linear, Span::Experience), &[each, each].concat());
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let cosine = [1.0, 0.5 + half / 2.0, 0.5, 0.5 - half / 2.0].map(|part| 0.6 * part);
    assert_close(&with(0, Schedule::Cosine, Span::Experience), &[cosine, cosine].concat());
}

/// Along the share of the budget, where steps are not known before they are made.
#[test]
fn the_learning_rate_follows_a_budget_of_passes() {
    let with = |schedule_over| {
        let mut options = options();
        options.budget = Some(Budget::Passes(24));
        (options.optimizer.schedule, options.optimizer.schedule_over) = (Schedule::Linear, schedule_over);
        options.optimizer.learning_rate = 1.0;
        rates(options)
    };
    let down = |parts: i32| (0..parts).map(|i| 1.0 - f64::from(i) / f64::from(parts)).collect::<Vec<_>>();
    assert_close(&with(Span::Experience), &[down(4), down(4)].concat());
    assert_close(&with(Span::Stream), &down(8));
}

/// Adam's first step is as long as the learning rate, whatever the gradient.
#[test]
fn the_optimiser_takes_the_learning_rate_of_the_step() {
    let mut options = options();
    (options.optimizer.learning_rate, options.optimizer.warmup_steps) = (0.1, 4);
    let first = &run(options, &mut Finetune, &stream())[0];
    assert!(((first.parameter - 0.3).abs() - 0.025).abs() < 1e-6, "{}", first.parameter);
}

/// AdamW in f64 along the gradients of the steps, with moments that start anew in the second experience and with moments that
/// go on.
#[test]
fn the_moments_of_the_optimiser_start_anew_with_each_experience_or_not() {
    let mut ends = Vec::new();
    for reset_each_experience in [true, false] {
        let mut options = options();
        options.optimizer = crate::OptimizerConfig {
            learning_rate: 0.1,
            beta_1: 0.8,
            beta_2: 0.9,
            clip_grad_norm: None,
            reset_each_experience,
            ..options.optimizer
        };
        let mut recorder = Recorder { mean: true, ..Recorder::default() };
        let seen = run(options, &mut recorder, &stream());
        let (mut w, mut first, mut second, mut steps) = (0.3_f64, 0.0, 0.0, 0);
        let mut apart = 0.0_f64;
        for (i, (seen, g)) in seen.iter().zip(&recorder.gradients).enumerate() {
            if i == 4 && reset_each_experience {
                (first, second, steps) = (0.0, 0.0, 0);
            }
            steps += 1;
            (first, second) = (0.8 * first + 0.2 * g, 0.9 * second + 0.1 * g * g);
            let (m, v) = (first / (1.0 - 0.8_f64.powi(steps)), second / (1.0 - 0.9_f64.powi(steps)));
            w -= 0.1 * m / (v.sqrt() + 1e-8);
            assert!((f64::from(seen.parameter) - w).abs() < 1e-4, "{i}: {} for {w}", seen.parameter);
            apart = apart.max((m / v.sqrt() - g.signum()).abs());
        }
        // The moments tell: a step is not always as long as the rate.
        assert!(apart > 1e-3, "{apart}");
        ends.push(w);
    }
    assert!((ends[0] - ends[1]).abs() > 1e-2, "{ends:?}");
}

/// The gradients that a step is made with, as the strategy saw them.
#[derive(Debug, Default)]
struct Recorder {
    gradients: Vec<f64>,
    pixels: Rc<RefCell<Vec<Vec<usize>>>>,
    conditions: Vec<Vec<i64>>,
    /// The loss is w times the mean pixel in the place of the model's, if so.
    mean: bool,
}

impl Strategy<B, Line<B>> for Recorder {
    fn loss(&mut self, step: &Step<'_, B, Line<B>>, loss: BTensor) -> Result<BTensor, StrategyError> {
        let values = step.batch.x_0.clone().into_data();
        let pixel = |value: f32| ((value + 1.0) * 127.5).round() as usize / 5;
        self.pixels.borrow_mut().push(values.iter::<f32>().map(pixel).collect());
        let y = step.batch.y.clone().map(|y| y.into_data().iter::<i64>().collect());
        self.conditions.extend(y);
        if !self.mean {
            return Ok(loss);
        }
        let x = step.batch.x_0.clone();
        let t = indices::<B>(&vec![0; x.dims()[0]], step.device);
        Ok(step.model.denoise(x, t, None).mean())
    }

    fn gradients(
        &mut self,
        step: &Step<'_, B, Line<B>>,
        mut grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        let vector: ParameterVector<Flex> = take_gradients::<B, _>(step.model, &mut grads);
        self.gradients.push(f64::from(vector.to_floats()[0]));
        Ok(ddpm_core::parameters::gradients_from::<B, _>(step.model, vector))
    }

    fn observer(&mut self) -> Option<&mut dyn crate::Observer> {
        Some(self)
    }
}

type BTensor = burn::tensor::Tensor<B, 1>;

impl crate::Observer for Recorder {
    fn observe(&mut self, _: &ImageDataset, _: Key) -> Result<(), StrategyError> {
        Ok(())
    }
}

/// With an epsilon far above the gradients and no memory a step is rate / epsilon times the gradient, here as long as the gradient.
#[test]
fn a_gradient_above_the_norm_is_clipped_to_it() {
    let step = |clip_grad_norm| {
        let mut options = options();
        options.optimizer = crate::OptimizerConfig {
            learning_rate: 1e4,
            beta_1: 0.0,
            beta_2: 0.0,
            epsilon: 1e4,
            clip_grad_norm,
            ..options.optimizer
        };
        let mut recorder = Recorder::default();
        let first = run(options, &mut recorder, &stream())[0].parameter - 0.3;
        (f64::from(first), recorder.gradients[0])
    };
    let (free, gradient) = step(None);
    assert!(gradient.abs() > 0.05 && (free + gradient).abs() < 1e-3 * gradient.abs(), "{free}, {gradient}");
    let (clipped, _) = step(Some(0.01));
    assert!((clipped + 0.01 * gradient.signum()).abs() < 1e-5, "{clipped}, {gradient}");
    assert_eq!(step(Some(1e3)).0, free);
}

/// The decays of the updates 1, 2, ... are 0, 2/11, 3/12, 4/13, ... up to the given one.
#[test]
fn the_average_is_that_of_its_decays_anew_with_each_experience_or_not() {
    for (at_experience, anew) in [(AtExperience::Restart, true), (AtExperience::Continue, false)] {
        let mut options = options();
        options.optimizer.learning_rate = 0.1;
        options.ema = EmaConfig { decay: 0.3, at_experience, ..EmaConfig::default() };
        let (mut average, mut update, mut carried) = (0.3_f64, 0, 1.0);
        for (i, seen) in run(options, &mut Finetune, &stream()).iter().enumerate() {
            if i == 4 {
                carried = 1.0;
                if anew {
                    update = 0;
                }
            }
            update += 1;
            let rising = f64::from(update) / f64::from(update + 9);
            let decay = if update == 1 { 0.0 } else { rising.min(0.3) };
            carried *= decay;
            average = decay * average + (1.0 - decay) * f64::from(seen.parameter);
            assert!((f64::from(seen.average) - average).abs() < 1e-6, "{i}: {} for {average}", seen.average);
        }
        let mut trainer = trainer(options, 1);
        for k in 0..2 {
            trainer
                .train_experience(&mut Finetune, &stream(), k, &mut |_| ControlFlow::Continue(()))
                .unwrap();
        }
        assert!((trainer.weight_of_past() - carried).abs() < 1e-12, "{carried}");
        // Of the updates 5 to 8 the decays are 0.3.
        let expected = if anew { 0.0 } else { 0.3_f64.powi(4) };
        assert!((trainer.weight_of_past() - expected).abs() < 1e-12, "{at_experience:?}");
    }
}

#[test]
fn the_null_label_comes_after_the_last_condition() {
    for (condition_on, null, real) in [(ConditionOn::Class, 4, 0..4), (ConditionOn::Task, 2, 0..2)] {
        let with = |label_dropout| {
            let mut recorder = Recorder::default();
            run(TrainerConfig { condition_on, label_dropout, ..options() }, &mut recorder, &stream());
            recorder.conditions.concat().into_iter().collect::<BTreeSet<i64>>()
        };
        assert_eq!(with(1.0), BTreeSet::from([null]), "{condition_on:?}");
        assert_eq!(with(0.0), real.clone().collect(), "{condition_on:?}");
        assert_eq!(with(0.5), real.chain([null]).collect(), "{condition_on:?}");
    }
    let mut recorder = Recorder::default();
    run(TrainerConfig { condition_on: ConditionOn::None, ..options() }, &mut recorder, &stream());
    assert!(recorder.conditions.is_empty());
}

fn pixels(options: TrainerConfig, seed: u64, stream: &Stream) -> Vec<Vec<usize>> {
    let mut recorder = Recorder::default();
    let mut trainer = trainer(options, seed);
    for k in 0..stream.len() {
        trainer.train_experience(&mut recorder, stream, k, &mut |_| ControlFlow::Continue(())).unwrap();
    }
    recorder.pixels.take()
}

#[test]
fn images_come_in_the_order_of_shuffled_epochs() {
    let found = pixels(options(), 1, &stream());
    let expected: Vec<Vec<usize>> = (0..2)
        .flat_map(|k| {
            let mut order = EpochOrder::new(1, k, 24);
            (0..4).map(move |step| order.batch(step, 6).into_iter().map(|i| 24 * k as usize + i).collect())
        })
        .collect();
    assert_eq!(found, expected);
    // Four batches of six are one epoch of each experience.
    let mut first = found[..4].concat();
    assert_ne!(first, (0..24).collect::<Vec<_>>());
    first.sort_unstable();
    assert_eq!(first, (0..24).collect::<Vec<_>>());
    assert_eq!(found, pixels(options(), 1, &stream()));
    assert_ne!(found, pixels(options(), 2, &stream()));
}

#[test]
fn an_online_stream_is_seen_as_it_arrives_whatever_the_seed() {
    let stream = online();
    let arrival: Vec<usize> = stream
        .experiences()
        .iter()
        .flat_map(|e| (0..e.train.len()).map(|i| e.train.source_index(i)))
        .collect();
    for (accumulated_batches, seed) in [(1, 1), (1, 2), (3, 1)] {
        let options = TrainerConfig { batch_size: 5, accumulated_batches, ..options() };
        assert_eq!(pixels(options, seed, &stream).concat(), arrival);
    }
}

/// Noise and timesteps of a step.
#[test]
fn what_is_drawn_in_a_step_depends_on_the_seed() {
    let gradients = |seed| {
        let mut recorder = Recorder::default();
        let mut trainer = trainer(options(), seed);
        trainer.train_experience(&mut recorder, &online(), 0, &mut |_| ControlFlow::Continue(())).unwrap();
        recorder.gradients
    };
    assert_eq!(gradients(1), gradients(1));
    // The images are the same: those that arrive.
    assert_ne!(gradients(1), gradients(2));
}

/// The gradient of w mean(x_0) is the mean of all images of the step, each as much as every other.
#[test]
fn the_gradients_of_a_steps_batches_are_averaged_over_its_images() {
    for (stream, accumulated_batches, steps) in [(stream(), 3, 8), (online(), 4, 4)] {
        let options = TrainerConfig { batch_size: 5, accumulated_batches, ..options() };
        let mut recorder = Recorder { mean: true, ..Recorder::default() };
        let seen = run(options, &mut recorder, &stream);
        assert_eq!(seen.len(), steps);
        let batches = recorder.pixels.take();
        let mut batches = batches.iter();
        for (seen, gradient) in seen.iter().zip(&recorder.gradients) {
            let mut images: Vec<usize> = Vec::new();
            while images.len() < seen.images as usize {
                images.extend(batches.next().unwrap());
            }
            assert_eq!(images.len() as u64, seen.images);
            let value = |pixel: &usize| (5 * pixel) as f64 / 127.5 - 1.0;
            let mean = images.iter().map(value).sum::<f64>() / images.len() as f64;
            assert!((gradient - mean).abs() < 1e-5, "{gradient} instead of {mean}");
        }
        assert!(batches.next().is_none());
    }
}

/// A second batch in a step that had the draws of the first would leave the gradient as it is.
#[test]
fn the_batches_of_a_step_have_noise_of_their_own() {
    let with = |accumulated_batches| {
        let mut recorder = Recorder::default();
        let options = TrainerConfig { batch_size: 24, accumulated_batches, ..options() };
        run(options, &mut recorder, &stream());
        recorder.gradients
    };
    let (one, two) = (with(1), with(2));
    assert!((two[0] - one[0]).abs() > 1e-6, "{one:?}, {two:?}");
}

fn steps_of(options: TrainerConfig, strategy: &mut dyn Strategy<B, Line<B>>) -> BTreeMap<usize, usize> {
    let mut steps = BTreeMap::new();
    for seen in run(options, strategy, &stream()) {
        *steps.entry(seen.experience).or_default() += 1;
    }
    steps
}

#[test]
fn a_budget_is_as_many_steps_as_it_pays_for() {
    let with = |budget| TrainerConfig { budget: Some(budget), ..options() };
    let steps = |a, b| BTreeMap::from([(0, a), (1, b)]);
    assert_eq!(steps_of(with(Budget::Steps(3)), &mut Finetune), steps(3, 3));
    // Two epochs of 24 images in batches of 6.
    assert_eq!(steps_of(with(Budget::Epochs(2)), &mut Finetune), steps(8, 8));
    assert_eq!(steps_of(with(Budget::Passes(48)), &mut Finetune), steps(8, 8));
    // The step that the budget ends in is made.
    assert_eq!(steps_of(with(Budget::Passes(49)), &mut Finetune), steps(9, 9));
    // Replay takes twice as many images in each step, once there is something to replay.
    let config = ReplayConfig { buffer: BufferConfig::of(Ring { per_experience: 9 }), ..Default::default() };
    let mut replay = Replay::new(config).unwrap();
    let seen = run(with(Budget::Passes(48)), &mut replay, &stream());
    assert_eq!(seen.iter().filter(|seen| seen.experience == 1).count(), 4);
    assert_eq!(
        seen.iter().map(|seen| seen.images).collect::<Vec<_>>(),
        [[6; 8].as_slice(), &[12; 4]].concat()
    );
    assert_eq!(seen[7].passes, 48);
    assert_eq!(seen[11].passes, 96);
    // The estimate of the remaining steps follows their cost.
    assert_eq!((seen[0].steps, seen[8].steps, seen[11].steps), (8, 4, 4));
    // Ten images for the Fisher information at the end of an experience are paid for by the next one.
    let config = EwcConfig { samples: 10, timesteps_per_sample: 3, ..EwcConfig::default() };
    let mut ewc = Ewc::<Flex>::new(config).unwrap();
    assert_eq!(steps_of(with(Budget::Passes(48)), &mut ewc), steps(8, 3));
    // One step is always made.
    let config = EwcConfig { samples: 100, timesteps_per_sample: 1, ..EwcConfig::default() };
    assert_eq!(steps_of(with(Budget::Passes(48)), &mut Ewc::<Flex>::new(config).unwrap()), steps(8, 1));
}

#[test]
fn a_training_under_a_budget_goes_on_where_it_was() {
    let mut options = options();
    options.budget = Some(Budget::Passes(48));
    (options.optimizer.schedule, options.optimizer.schedule_over) = (Schedule::Linear, Span::Stream);
    let config = EwcConfig { samples: 10, timesteps_per_sample: 1, ..EwcConfig::default() };
    let whole = run(options, &mut Ewc::<Flex>::new(config).unwrap(), &stream());
    for (k, done) in [(0, 5), (0, 8), (1, 2)] {
        let (mut first, mut ewc) = (trainer(options, 1), Ewc::<Flex>::new(config).unwrap());
        let mut saved = None;
        for j in 0..=k {
            let mut observe = |report: StepReport<'_>| {
                if (j, report.done) == (k, done) {
                    saved = Some((report.state)());
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            let outcome = first.train_experience(&mut ewc, &stream(), j, &mut observe);
            assert_eq!(outcome.is_err(), j == k);
        }
        let (mut second, mut ewc) = (trainer(options, 1), Ewc::<Flex>::new(config).unwrap());
        second.restore(&mut ewc, saved.unwrap(), &data().train).unwrap();
        let mut rest = Vec::new();
        for j in k..2 {
            let mut observe = |report: StepReport<'_>| {
                rest.push((report.learning_rate, report.passes.total(), report.steps));
                ControlFlow::Continue(())
            };
            second.train_experience(&mut ewc, &stream(), j, &mut observe).unwrap();
        }
        let expected = whole.iter().map(|seen| (seen.learning_rate, seen.passes, seen.steps));
        let before = if k == 0 { done } else { 8 + done };
        assert_eq!(rest, expected.skip(before).collect::<Vec<_>>());
    }
}

/// Hands on what is to be remembered of each step: timesteps, and `(w x_t - eps)^2` with w as it was before the step.
#[derive(Debug, Default)]
struct Losses(Vec<(usize, f64)>);

impl Strategy<B, Line<B>> for Losses {
    fn loss(&mut self, step: &Step<'_, B, Line<B>>, loss: BTensor) -> Result<BTensor, StrategyError> {
        let w = crate::test_support::parameter(step.model);
        let floats =
            |tensor: &burn::tensor::Tensor<B, 4>| -> Vec<f64> { tensor.to_data().iter::<f64>().collect() };
        let (x_t, eps) = (floats(&step.batch.x_t), floats(&step.batch.eps));
        let losses = x_t.iter().zip(&eps).map(|(x_t, eps)| (w * x_t - eps).powi(2));
        self.0.extend(step.batch.t.iter().copied().zip(losses));
        Ok(loss)
    }
}

/// The last ten losses of each timestep, in their order and without importance weights, those of all batches of a step.
#[test]
fn timesteps_are_drawn_by_the_losses_that_they_had() {
    for accumulated_batches in [1, 2] {
        let mut options = TrainerConfig { batch_size: 12, accumulated_batches, ..options() };
        options.optimizer.learning_rate = 0.05;
        options.timestep_sampling =
            ddpm_core::objective::TimestepSampling::LossSecondMoment { uniform_share: 0.25 };
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 4).unwrap();
        let mut trainer = Trainer::new(line(0.3), process, options, 1, Default::default()).unwrap();
        let mut seen = Losses::default();
        for k in 0..2 {
            trainer.train_experience(&mut seen, &stream(), k, &mut |_| ControlFlow::Continue(())).unwrap();
        }
        assert_eq!(seen.0.len(), 8 * 12 * accumulated_batches);
        let state = serde_json::to_value(&trainer.timesteps).unwrap();
        let history: Vec<Vec<f64>> = serde_json::from_value(state["history"].clone()).unwrap();
        assert_eq!(history.len(), 4);
        for (t, found) in history.into_iter().enumerate() {
            let of_t: Vec<f64> = seen.0.iter().filter(|(at, _)| *at == t).map(|(_, loss)| *loss).collect();
            assert!(of_t.len() >= 10, "{t}: {} losses", of_t.len());
            for (found, expected) in found.iter().zip(&of_t[of_t.len() - 10..]) {
                assert!((found - expected).abs() < 1e-4 * expected.max(1e-2), "{t}: {found} for {expected}");
            }
            assert_eq!(found.len(), 10);
        }
    }
}

/// Adam's first step after a reset is as long as the learning rate again; with moments that go on it is not.
#[test]
fn moments_start_anew_with_an_experience_if_asked_for() {
    let jump = |reset_each_experience| {
        let mut options = options();
        options.optimizer.clip_grad_norm = None;
        (options.optimizer.learning_rate, options.optimizer.reset_each_experience) =
            (0.1, reset_each_experience);
        let seen = run(options, &mut Finetune, &stream());
        f64::from((seen[4].parameter - seen[3].parameter).abs())
    };
    assert!((jump(true) - 0.1).abs() < 1e-5, "{}", jump(true));
    assert!((jump(false) - 0.1).abs() > 1e-4, "{}", jump(false));
}

/// A crop of images of one pixel could miss them: the training is refused, and nothing has been trained.
#[test]
fn an_augmentation_that_does_not_suit_the_images_is_an_error() {
    let augmentation = Augmentation { horizontal_flip: true, padding_crop: 1 };
    let mut trainer = trainer(TrainerConfig { augmentation, ..options() }, 1);
    let outcome = trainer.train_experience(&mut Finetune, &stream(), 0, &mut |_| ControlFlow::Continue(()));
    let message = outcome.unwrap_err().at("training").to_string();
    let expected = "`training.augmentation.padding_crop` is 1: expected at most 0, half of the image's side";
    assert_eq!(message, expected);
    assert_eq!(trainer.position(), Position::default());
}
