//! Distillation with the objective's weights of timesteps, and with the channels of a learned variance, sample by sample.
//!
//! Two models `w x_t` and `w' x_t` of the noise predict images that are b/a (w' - w) x_t apart, with a^2 = alphas_cumprod and
//! b^2 = 1 - a^2; the means of their next steps are c_0 times that apart. Their channels of the variance are `w_1 x_t`.

use std::f64::consts::LN_2;

use burn::{optim::GradientsParams, tensor::Tensor};
use ddpm_core::{
    GaussianDiffusion, NoisyBatch, Objective, ProcessConfig,
    diffusion::Variance,
    noise::Purpose,
    objective::Weighting,
    sampler::{Ddim, SamplerConfig},
};

use super::{assert_all_near, assert_near, floats};
use crate::{
    DarkNoise, Der, DerConfig, DerPlusPlusConfig, DistillationWeighting, GenerativeDistillation,
    GenerativeDistillationConfig, GeneratorConfig, Inputs, Lwf, LwfConfig, Mixing, Restore, Setting, State,
    Strategy, StrategyOptions, TrainerConfig, buffer,
    test_support::{B, Fixture, Line, line, numbers, with_variance},
};

const STORED: Purpose = Purpose::named("what dark experience replay stores");
const FRESH: Purpose = Purpose::named("fresh noise of dark experience replay");
/// Above the signal-to-noise ratio of the last of eight timesteps, below that of the others.
const GAMMA: f64 = 14.0;
const STORED_IMAGES: usize = 6;
const BATCH: usize = 5;

type Boxed = Box<dyn Strategy<B, Line<B>>>;

/// A noisy image of one pixel.
#[derive(Clone, Copy)]
struct Noisy {
    x: f64,
    t: usize,
    weight: f64,
}

fn noisy(batch: &NoisyBatch<B>) -> Vec<Noisy> {
    let weights = batch.weights.clone().unwrap_or_else(|| vec![1.0; batch.len()]);
    let x = floats(batch.x_t.to_data());
    (0..batch.len()).map(|i| Noisy { x: x[i], t: batch.t[i], weight: weights[i] }).collect()
}

fn mean(images: &[Noisy], of: impl Fn(Noisy) -> f64) -> f64 {
    images.iter().map(|image| image.weight * of(*image)).sum::<f64>() / images.len() as f64
}

/// Timesteps drawn uniformly, and by importance.
fn fixtures(weighting: Weighting, variance: Variance) -> [Fixture; 2] {
    let both = [Fixture::new().of_timesteps(8), Fixture::new().drawn_by(8, |t| 1.0 + 3.0 * t as f64)];
    both.map(|mut fixture| {
        fixture.objective = Objective { weighting, vlb_weight: 0.3 };
        fixture.process.variance = variance;
        fixture
    })
}

/// The term that a strategy adds to the loss of a step, and its gradients.
fn added(strategy: &mut dyn Strategy<B, Line<B>>, fixture: &Fixture, model: &Line<B>) -> (f64, Vec<f64>) {
    let batch = fixture.batch(model);
    let none = Tensor::<B, 1>::from_floats([0.0], &Default::default());
    let loss = strategy.loss(&fixture.step(model, &batch), none).unwrap();
    let value = floats(loss.clone().into_data())[0];
    (value, numbers(model, GradientsParams::from_grads(loss.backward(), model)))
}

/// The weight of an error of the noise, such that an error of the image has min(snr, gamma).
fn min_snr(process: &GaussianDiffusion, t: usize) -> f64 {
    process.snr(t).min(GAMMA) / process.snr(t)
}

/// The share of the image's error in the difference of the means, of x_t (w - w').
fn of_mean(process: &GaussianDiffusion, t: usize) -> f64 {
    let abar = process.alpha_cumprod(t);
    process.posterior_mean_coefs(t).0 * ((1.0 - abar) / abar).sqrt()
}

/// The divergence in bits of two steps with these log-variances, whose means are so far apart.
fn bits(apart: f64, [of_teacher, of_model]: [f64; 2]) -> f64 {
    let ratio = of_teacher - of_model;
    0.5 * (apart.powi(2) * (-of_model).exp() + ratio.exp() - ratio - 1.0) / LN_2
}

/// Between the posterior's and beta's, by the channel from -1 to 1.
fn log_variance(process: &GaussianDiffusion, t: usize, channel: f64) -> f64 {
    let (low, high) = (process.posterior_log_variance_clipped(t), process.beta(t).ln());
    low + f64::midpoint(channel, 1.0) * (high - low)
}

/// All strategies that compare predictions, each with the noisy images that it asks at.
fn strategies(weighting: DistillationWeighting, variance_channels: bool) -> Vec<(&'static str, Boxed)> {
    let lwf = LwfConfig { weighting, variance_channels, ..Default::default() };
    // The process has fewer timesteps than the steps of the default sampler, which draws nothing here.
    let sampler = SamplerConfig::of(Ddim { steps: 1, ..Ddim::default() });
    let distillation = GenerativeDistillationConfig {
        inputs: Inputs::Lwf,
        mixing: Mixing::TwoMeans,
        generator: GeneratorConfig { sampler, ..GeneratorConfig::default() },
        weighting,
        variance_channels,
        ..Default::default()
    };
    let der = DerConfig {
        batch_size: Some(BATCH),
        per_experience: STORED_IMAGES,
        weighting,
        variance_channels,
        ..Default::default()
    };
    let plus_plus = DerPlusPlusConfig {
        alpha: 1.0,
        beta: 0.0,
        batch_size: Some(BATCH),
        per_experience: STORED_IMAGES,
        noise: DarkNoise::Fresh,
        teacher: Default::default(),
        weighting,
        variance_channels,
    };
    vec![
        ("lwf", Box::new(Lwf::<B, Line<B>>::new(lwf).unwrap())),
        (
            "generative_distillation",
            Box::new(GenerativeDistillation::<B, Line<B>>::new(distillation).unwrap()),
        ),
        ("der", Box::new(Der::<B>::new(der).unwrap())),
        ("der_plus_plus", Box::new(Der::<B>::plus_plus(plus_plus).unwrap())),
    ]
}

/// The noisy images of a step at which a strategy compares.
fn images(name: &str, fixture: &Fixture) -> Vec<Noisy> {
    let model = line(0.0);
    let (boundary, batch) = (fixture.boundary(&model), fixture.batch(&model));
    let step = fixture.step(&model, &batch);
    match name {
        "der" => {
            let stored =
                noisy(&boundary.noisy(&boundary.draw(STORED_IMAGES, STORED), boundary.key.within(STORED)));
            let key = step.key.within(STORED);
            buffer::draw(STORED_IMAGES, BATCH, key).iter().map(|i| stored[*i]).collect()
        }
        "der_plus_plus" => {
            let positions: Vec<usize> = (0..BATCH).collect();
            noisy(&step.noisy(&fixture.experience.train, &positions, FRESH))
        }
        _ => noisy(&batch),
    }
}

/// Each image's squared difference has the weight of its timestep in the objective: 1, or gamma / snr where that is above
/// gamma. Without the option every weight is 1, whatever the objective.
#[test]
fn timesteps_weigh_as_in_the_objective() {
    let (w, then) = (0.2_f32, -0.7_f32);
    let apart = f64::from(w - then);
    let min_snr_weighting = Weighting::MinSnr { gamma: GAMMA };
    for (option, objective) in [
        (DistillationWeighting::Objective, min_snr_weighting),
        (DistillationWeighting::Objective, Weighting::Simple),
        (DistillationWeighting::None, min_snr_weighting),
        (DistillationWeighting::None, Weighting::Vlb),
    ] {
        let weighs = (option, objective) == (DistillationWeighting::Objective, min_snr_weighting);
        for fixture in fixtures(objective, Variance::FixedSmall) {
            let weight = |t| if weighs { min_snr(&fixture.process, t) } else { 1.0 };
            for (name, mut strategy) in strategies(option, false) {
                strategy.after_experience(&fixture.boundary(&line(then))).unwrap();
                let (found, gradient) = added(&mut *strategy, &fixture, &line(w));
                let images = images(name, &fixture);
                let squares = mean(&images, |i| weight(i.t) * i.x.powi(2));
                let what = format!("{name}, {option:?}, {objective:?}");
                assert_near(found, squares * apart.powi(2), &what);
                assert_all_near(&gradient, &[2.0 * squares * apart], &what);
            }
        }
    }
    // The two sides of gamma occur.
    let process = Fixture::new().of_timesteps(8).process;
    assert!(min_snr(&process, 7) == 1.0 && min_snr(&process, 6) < 1.0 && min_snr(&process, 0) < 0.01);
}

/// T times the divergence of the next steps in bits: T (c_0 b/a (w - w') x_t)^2 / (2 sigma_t^2 ln 2).
#[test]
fn the_weights_of_the_bound_are_those_of_the_divergence() {
    let (w, then) = (0.2_f32, -0.7_f32);
    for variance in [Variance::FixedSmall, Variance::FixedLarge] {
        for fixture in fixtures(Weighting::Vlb, variance) {
            let process = &fixture.process;
            let of = |i: Noisy| {
                let log_variance = process.model_log_variance(i.t);
                bits(of_mean(process, i.t) * f64::from(w - then) * i.x, [log_variance; 2])
            };
            for (name, mut strategy) in strategies(DistillationWeighting::Objective, false) {
                strategy.after_experience(&fixture.boundary(&line(then))).unwrap();
                let found = added(&mut *strategy, &fixture, &line(w)).0;
                let what = format!("{name}, {variance:?}");
                assert_near(found, 8.0 * mean(&images(name, &fixture), of), &what);
            }
        }
    }
}

/// The network answers with the channels `w_0 x_t` and `w_1 x_t`.
#[test]
fn channels_of_the_variance_are_distilled_where_that_is_asked_for() {
    let (w, then) = ([0.2_f32, -0.4], [-0.7_f32, 0.5]);
    let [apart, channels_apart] = [0, 1].map(|i| f64::from(w[i] - then[i]));
    for fixture in fixtures(Weighting::MinSnr { gamma: GAMMA }, Variance::LearnedRange) {
        let process = &fixture.process;
        let divergence = |i: Noisy| {
            let log_variances = [then, w].map(|of| log_variance(process, i.t, f64::from(of[1]) * i.x));
            bits(of_mean(process, i.t) * apart * i.x, log_variances)
        };
        for (option, channels) in [
            (DistillationWeighting::None, false),
            (DistillationWeighting::None, true),
            (DistillationWeighting::Objective, false),
            (DistillationWeighting::Objective, true),
        ] {
            let weighs = option == DistillationWeighting::Objective;
            let weight = |t| if weighs { min_snr(process, t) } else { 1.0 };
            for (name, mut strategy) in strategies(option, channels) {
                strategy.after_experience(&fixture.boundary(&with_variance(then))).unwrap();
                let (found, gradient) = added(&mut *strategy, &fixture, &with_variance(w));
                let images = images(name, &fixture);
                let squares = mean(&images, |i| weight(i.t) * i.x.powi(2));
                let plain = mean(&images, |i| i.x.powi(2));
                let of_variance = match (channels, weighs) {
                    (false, _) => 0.0,
                    (true, false) => plain * channels_apart.powi(2),
                    (true, true) => 0.3 * 8.0 * mean(&images, divergence),
                };
                let what = format!("{name}, {option:?}, channels {channels}");
                assert_near(found, squares * apart.powi(2) + of_variance, &what);
                // The term of the variance leaves the mean alone.
                assert_near(gradient[0], 2.0 * squares * apart, &what);
                match (channels, weighs) {
                    (false, _) => assert_eq!(gradient[1], 0.0, "{what}"),
                    (true, false) => assert_near(gradient[1], 2.0 * plain * channels_apart, &what),
                    (true, true) => assert!(gradient[1] != 0.0, "{what}"),
                }
            }
        }
    }
}

/// Weighted as the bound: each model's own variance, or the teacher's for both.
#[test]
fn the_bound_takes_the_variances_of_both_or_that_of_the_teacher() {
    let (w, then) = ([0.2_f32, -0.4], [-0.7_f32, 0.5]);
    for fixture in fixtures(Weighting::Vlb, Variance::LearnedRange) {
        let process = &fixture.process;
        for channels in [true, false] {
            let of = |i: Noisy| {
                let second = if channels { w } else { then };
                let log_variances =
                    [then, second].map(|of| log_variance(process, i.t, f64::from(of[1]) * i.x));
                bits(of_mean(process, i.t) * f64::from(w[0] - then[0]) * i.x, log_variances)
            };
            for (name, mut strategy) in strategies(DistillationWeighting::Objective, channels) {
                strategy.after_experience(&fixture.boundary(&with_variance(then))).unwrap();
                let (found, gradient) = added(&mut *strategy, &fixture, &with_variance(w));
                let what = format!("{name}, channels {channels}");
                assert_near(found, 8.0 * mean(&images(name, &fixture), of), &what);
                assert_eq!(gradient[1] != 0.0, channels, "{what}");
            }
        }
    }
}

/// Of an image of one pixel: its noise, its prediction, and the channel of the variance where that is distilled. A strategy
/// that was saved and restored has the same values.
#[test]
fn stored_channels_of_the_variance_are_counted_and_restored() {
    let mut fixture = Fixture::new().of_timesteps(8);
    fixture.process.variance = Variance::LearnedRange;
    let (then, now) = (with_variance([0.4, 0.1]), with_variance([-0.2, 0.3]));
    for (weighting, variance_channels, numbers) in [
        (DistillationWeighting::None, false, 2),
        (DistillationWeighting::None, true, 3),
        (DistillationWeighting::Objective, false, 2),
        (DistillationWeighting::Objective, true, 3),
    ] {
        let config =
            DerConfig { per_experience: STORED_IMAGES, weighting, variance_channels, ..Default::default() };
        let mut der = Der::<B>::new(config).unwrap();
        der.after_experience(&fixture.boundary(&then)).unwrap();
        let held = Strategy::<B, Line<B>>::memory(&der).extra_parameters;
        assert_eq!(held, numbers * STORED_IMAGES as u64);
        let (mut state, mut restored) = (State::default(), Der::<B>::new(config).unwrap());
        Strategy::<B, Line<B>>::save(&der, &mut state);
        let context = Restore {
            model: &then,
            training: &fixture.training,
            data: &fixture.experience.train,
            device: &Default::default(),
        };
        restored.restore(&mut state, &context).unwrap();
        state.finish().unwrap();
        assert_eq!(added(&mut restored, &fixture, &now), added(&mut der, &fixture, &now));
    }
}

#[test]
fn channels_of_a_variance_that_is_fixed_are_refused_by_name() {
    let told = |options: &dyn StrategyOptions, variance| {
        let process = ProcessConfig { variance, ..ProcessConfig::default() };
        let training = TrainerConfig::default();
        let checked = options.check_all(&Setting { training: &training, process: &process, stream: None });
        checked.map_err(|error| error.to_string()).err().unwrap_or_default()
    };
    let of: [(&str, Box<dyn StrategyOptions>); 4] = [
        ("lwf", Box::new(LwfConfig { variance_channels: true, ..Default::default() })),
        ("der", Box::new(DerConfig { variance_channels: true, ..Default::default() })),
        ("der_plus_plus", Box::new(DerPlusPlusConfig { variance_channels: true, ..Default::default() })),
        (
            "generative_distillation",
            Box::new(GenerativeDistillationConfig { variance_channels: true, ..Default::default() }),
        ),
    ];
    for (name, options) in of {
        assert_eq!(told(&*options, Variance::LearnedRange), "", "{name}");
        for fixed in [Variance::FixedSmall, Variance::FixedLarge] {
            let message = told(&*options, fixed);
            let start = format!("`{name}.variance_channels` is true: expected false, or `learned_range`");
            assert!(message.starts_with(&start), "{message}");
        }
    }
}
