//! Distillation along the teacher's sampling, of which the moments are known: of the linear denoiser `w' x_t` of noise the
//! chain is `x_{t-1} = A_t x_t + sigma_t z`, with A_t = c_0 (1 - b_t w') / a_t + c_1, where c_0 and c_1 are the posterior's
//! coefficients, a_t^2 is alphas_cumprod and b_t^2 = 1 - a_t^2. At x_t the means of two models are c_0 b_t / a_t (w - w') x_t
//! apart, and their variances the same.

use std::f64::consts::LN_2;

use burn::tensor::Tensor;
use ddpm_core::{GaussianDiffusion, diffusion::Variance};

use super::{end, floats, loss};
use crate::{
    Mixing, PartialSamplingDistillation, PartialSamplingDistillationConfig, Strategy, StrategyOptions,
    test_support::{B, Fixture, Line, with_variance},
};

const N: usize = 20_000;

/// T times the mean divergence in bits at timesteps raised to `least`, and its standard error with `N` samples.
fn expected(process: &GaussianDiffusion, teacher: f64, model: f64, least: usize) -> (f64, f64) {
    let total = process.timesteps();
    let (mut variance, mut of_x, mut factors) = (1.0, vec![0.0; total], vec![0.0; total]);
    for t in (0..total).rev() {
        let (abar, (c_0, c_1)) = (process.alpha_cumprod(t), process.posterior_mean_coefs(t));
        let (a, b, noise) = (abar.sqrt(), (1.0 - abar).sqrt(), process.model_log_variance(t).exp());
        of_x[t] = variance;
        factors[t] = 0.5 * (c_0 * b / a * (model - teacher)).powi(2) / noise;
        variance = (c_0 * (1.0 - b * teacher) / a + c_1).powi(2) * variance + noise;
    }
    let terms: Vec<f64> = (0..total).map(|t| t.max(least)).map(|t| factors[t] * of_x[t]).collect();
    let mean = terms.iter().sum::<f64>() / total as f64;
    // x^2 of a Gaussian: E x^4 = 3 (E x^2)^2.
    let second = terms.iter().map(|term| 3.0 * term.powi(2)).sum::<f64>() / total as f64;
    let scale = total as f64 / LN_2;
    (scale * mean, scale * ((second - mean * mean) / N as f64).sqrt())
}

/// The full chain, part of it, and a respaced one; the last teacher of two.
#[test]
fn the_divergence_along_the_chain_is_known() {
    let fixture = Fixture::new().of_timesteps(30);
    for (steps, least_timestep_share, least) in [(None, 0.0, 0), (None, 0.5, 15), (Some(10), 0.0, 0)] {
        let config = PartialSamplingDistillationConfig {
            distillation_coefficient: 0.7,
            batch_size: Some(N),
            steps,
            least_timestep_share,
            mixing: Mixing::TwoMeans,
            ..Default::default()
        };
        config.validate().unwrap();
        let mut strategy = PartialSamplingDistillation::<B, Line<B>>::new(config).unwrap();
        let process = match steps {
            None => fixture.process.clone(),
            // Of 30 timesteps every third, from 0, as the spacing of the ancestral sampler is.
            Some(_) => fixture.process.respaced(&respacing()).unwrap(),
        };
        assert_eq!(loss(&mut strategy, &fixture, &[0.1], 3.0), 3.0, "no teacher");
        for teacher in [-0.5_f32, 0.6] {
            end(&mut strategy, &fixture, &[teacher]);
            let (mean, error) = expected(&process, f64::from(teacher), 0.1, least);
            let found = (loss(&mut strategy, &fixture, &[0.1], 3.0) - 3.0) / 0.7;
            assert!((found - mean).abs() < 5.0 * error, "{steps:?}, {least}: {found} for {mean} +- {error}");
            assert!(error < 0.05 * mean, "{error} of {mean} shows nothing");
        }
    }
}

fn respacing() -> Vec<usize> {
    (0..10).map(|i| 3 * i).collect()
}

/// T times the mean divergence in bits, and its standard error with `N` samples, where the teacher's channel of the variance is
/// 0 everywhere and the model's is `channel x_t`: of the means, with the teacher's variance for both, and of the variances. With
/// r = k x, x of the variance s^2, E (exp(r) - r - 1) / 2 is (exp(k^2 s^2 / 2) - 1) / 2.
fn learned(process: &GaussianDiffusion, (teacher, model): (f64, f64), channel: f64) -> [(f64, f64); 2] {
    let (total, mut variance) = (process.timesteps(), 1.0);
    let (mut of_means, mut of_variances) = (Vec::new(), Vec::new());
    for t in (0..total).rev() {
        let (abar, (c_0, c_1)) = (process.alpha_cumprod(t), process.posterior_mean_coefs(t));
        let (a, b) = (abar.sqrt(), (1.0 - abar).sqrt());
        let low = process.posterior_log_variance_clipped(t);
        let range = process.beta(t).ln() - low;
        let noise = (low + range / 2.0).exp();
        let mean = 0.5 * (c_0 * b / a * (model - teacher)).powi(2) / noise * variance;
        of_means.push((mean, 3.0 * mean * mean));
        let k = (channel / 2.0 * range).powi(2) * variance;
        let half = (k / 2.0).exp();
        let second = (2.0 * k).exp() + k + 1.0 - 2.0 * k * half - 2.0 * half;
        of_variances.push((0.5 * (half - 1.0), 0.25 * second));
        variance = (c_0 * (1.0 - b * teacher) / a + c_1).powi(2) * variance + noise;
    }
    [of_means, of_variances].map(|terms| {
        let mean = terms.iter().map(|term| term.0).sum::<f64>() / total as f64;
        let second = terms.iter().map(|term| term.1).sum::<f64>() / total as f64;
        let scale = total as f64 / LN_2;
        (scale * mean, scale * ((second - mean * mean) / N as f64).sqrt())
    })
}

/// As the reference has it, each step has its own model's variance; without it, both have the teacher's.
#[test]
fn a_learned_variance_is_distilled_unless_it_is_left_out() {
    let mut fixture = Fixture::new().of_timesteps(8);
    fixture.process.variance = Variance::LearnedRange;
    let added = |variance_channels, w| {
        let config = PartialSamplingDistillationConfig {
            batch_size: Some(N),
            variance_channels,
            ..Default::default()
        };
        let mut strategy = PartialSamplingDistillation::<B, Line<B>>::new(config).unwrap();
        strategy.after_experience(&fixture.boundary(&with_variance([0.6, 0.0]))).unwrap();
        let model = with_variance(w);
        let batch = fixture.batch(&model);
        let none = Tensor::<B, 1>::from_floats([0.0], &Default::default());
        floats(strategy.loss(&fixture.step(&model, &batch), none).unwrap().into_data())[0]
    };
    assert!(PartialSamplingDistillationConfig::default().variance_channels);
    let [of_means, of_variances] = learned(&fixture.process, (f64::from(0.6_f32), 0.1), 0.3);
    for (found, (mean, error)) in
        [(added(false, [0.1, 0.3]), of_means), (added(true, [0.6, 0.3]), of_variances)]
    {
        assert!((found - mean).abs() < 5.0 * error, "{found} for {mean} +- {error}");
        assert!(error < 0.05 * mean, "{error} of {mean} shows nothing");
    }
    assert_eq!(added(false, [0.6, 0.3]), 0.0);
    assert!(added(true, [0.1, 0.3]) != added(false, [0.1, 0.3]));
}

/// The loss is not that of one timestep: with the respaced chain of 20 it was 94 % of it.
#[test]
fn the_full_chain_teaches_every_timestep() {
    let process = Fixture::new().process;
    let share = |t: usize| {
        let (abar, c_0) = (process.alpha_cumprod(t), process.posterior_mean_coefs(t).0);
        c_0.powi(2) * (1.0 - abar) / abar / process.model_log_variance(t).exp()
    };
    let sum: f64 = (0..1000).map(share).sum();
    let largest = (0..1000).map(share).fold(0.0, f64::max);
    assert!(largest < 0.1 * sum, "{largest} of {sum}");
    assert_eq!(PartialSamplingDistillationConfig::default().steps, None);
}

#[test]
fn options_out_of_range_are_named() {
    let refused = |config: PartialSamplingDistillationConfig| config.validate().unwrap_err().to_string();
    let default = PartialSamplingDistillationConfig::default;
    assert!(
        refused(PartialSamplingDistillationConfig { steps: Some(0), ..default() }).starts_with("`steps`")
    );
    let share = PartialSamplingDistillationConfig { least_timestep_share: 1.5, ..default() };
    assert!(refused(share).starts_with("`least_timestep_share`"));
}
