//! Schedules, samplers, likelihood and EMA against NumPy in f64 and diffusers.

mod common;

use std::fs;

use burn::tensor::Tensor;
use burn_flex::Flex;
use common::{Analytic, Fixture, distance, floats, path};
use ddpm_core::{
    GaussianDiffusion, NoisyBatch,
    diffusion::{Threshold, Variance},
    ema::EmaConfig,
    likelihood::{prior_terms, timestep_terms},
    sampler::{Ancestral, Ddim, NoiseSource},
    schedule::{BetaSchedule, ScaledLinear, Sigmoid, Spacing},
};
use serde_json::Value;

const VARIANCES: [(&str, Variance, Threshold); 4] = [
    ("fixed_small_free", Variance::FixedSmall, Threshold::None),
    ("fixed_small_clip", Variance::FixedSmall, Threshold::Clip),
    ("fixed_large_free", Variance::FixedLarge, Threshold::None),
    ("fixed_large_clip", Variance::FixedLarge, Threshold::Clip),
];

fn cases(name: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(&fs::read_to_string(path(name)).unwrap()).unwrap();
    file["cases"].as_array().unwrap().clone()
}

#[test]
fn coefficients_agree_with_numpy() {
    for case in cases("process.json") {
        let schedule = match case["schedule"].as_str().unwrap() {
            "linear" => BetaSchedule::linear(),
            "scaled_linear" => BetaSchedule::of(ScaledLinear { beta_start: 8.5e-4, beta_end: 0.012 }),
            "squaredcos_cap_v2" => BetaSchedule::cosine(),
            "sigmoid" => BetaSchedule::of(Sigmoid { beta_start: 1e-4, beta_end: 0.02 }),
            other => panic!("{other}"),
        };
        let process =
            GaussianDiffusion::new(&schedule, case["timesteps"].as_u64().unwrap() as usize).unwrap();
        let coefficients: [(&str, &dyn Fn(usize) -> f64); 6] = [
            ("beta", &|t| process.beta(t)),
            ("alpha_cumprod", &|t| process.alpha_cumprod(t)),
            ("posterior_variance", &|t| process.posterior_variance(t)),
            ("posterior_log_variance_clipped", &|t| process.posterior_log_variance_clipped(t)),
            ("posterior_mean_of_x_0", &|t| process.posterior_mean_coefs(t).0),
            ("posterior_mean_of_x_t", &|t| process.posterior_mean_coefs(t).1),
        ];
        for (name, ours) in coefficients {
            for (t, expected) in case["at"].as_array().unwrap().iter().zip(case[name].as_array().unwrap()) {
                let (t, expected) = (t.as_u64().unwrap() as usize, expected.as_f64().unwrap());
                let difference = (ours(t) - expected).abs();
                assert!(
                    difference <= 1e-12 * expected.abs().max(1.0),
                    "{schedule:?} {name}[{t}]: {difference}"
                );
            }
        }
    }
}

/// The noise of the sampler fixture, of which every fiftieth timestep is kept.
struct Kept(Tensor<Flex, 5>);

impl NoiseSource<Flex> for Kept {
    fn noise(&self, t: usize, shape: [usize; 4], _device: &burn_flex::FlexDevice) -> Tensor<Flex, 4> {
        assert_eq!(t % 50, 0);
        self.0.clone().narrow(0, t / 50, 1).reshape(shape)
    }
}

#[test]
fn ddim_trajectories_agree_with_diffusers() {
    let fixture = Fixture::read("samplers.safetensors");
    let model = Analytic::new(1000);
    let noise = Kept(fixture.tensor("noise"));
    let base = Ddim { steps: 20, threshold: Threshold::None, ..Ddim::default() };
    for (name, ddim) in [
        ("ddim", base),
        ("ddim_clip", Ddim { threshold: Threshold::Clip, ..base }),
        ("ddim_to_abar_0", Ddim { to_x_0: false, ..base }),
        ("ddim_trailing", Ddim { spacing: Spacing::Trailing, ..base }),
        ("ddim_linspace", Ddim { spacing: Spacing::Linspace, ..base }),
        ("ddim_eta", Ddim { eta: 0.5, ..base }),
    ] {
        let expected = fixture.values(name);
        let mut x = fixture.tensor::<Flex, 4>("x_t");
        let timesteps = ddim.timesteps(&model.0).unwrap();
        for (i, &t) in timesteps.iter().enumerate() {
            // diffusers aims at t - T / steps, which is not the next timestep visited under linspace.
            let prev = t.checked_sub(50);
            if ddim.spacing != Spacing::Linspace {
                assert_eq!(prev, timesteps.get(i + 1).copied(), "{name}");
            }
            x = ddim.step(&model, &model.0, x, (t, prev), None, &noise);
            let difference = distance(&floats(x.clone()), &expected[i * 32..(i + 1) * 32]);
            assert!(difference < 1e-4, "{name}, step {i}: {difference}");
        }
    }
}

#[test]
fn ancestral_steps_agree_with_diffusers() {
    let fixture = Fixture::read("samplers.safetensors");
    let noise = Kept(fixture.tensor("noise"));
    for (name, variance, threshold) in VARIANCES {
        let mut model = Analytic::new(1000);
        model.0.variance = variance;
        for (i, t) in [950, 500, 50, 0].into_iter().enumerate() {
            let x = Ancestral { threshold, ..Ancestral::default() }.step(
                &model,
                &model.0,
                fixture.tensor("x_t"),
                t,
                None,
                &noise,
            );
            let difference = distance(&floats(x), &fixture.values(name)[i * 32..(i + 1) * 32]);
            assert!(difference < 1e-4, "{name} at t = {t}: {difference}");
        }
    }
}

#[test]
fn the_bound_agrees_with_its_formulas_in_f64() {
    let fixture = Fixture::read("likelihood.safetensors");
    let x_0 = fixture.tensor::<Flex, 4>("images") / 127.5 - 1.0;
    let noise = fixture.tensor::<Flex, 5>("noise");
    for (name, variance, threshold) in VARIANCES {
        let mut model = Analytic::new(50);
        model.0.variance = variance;
        let prior = prior_terms(&model.0, x_0.clone());
        assert!(distance(&prior, fixture.values("prior")) < 1e-6);
        let mut bpd = prior;
        for t in 0..50 {
            let eps = noise.clone().narrow(0, t, 1).reshape([3, 1, 4, 4]);
            let batch = NoisyBatch::at(&model.0, x_0.clone(), None, vec![t; 3], eps);
            let terms = timestep_terms(&model, &model.0, &batch, threshold);
            for (key, ours) in [("vlb", &terms.vlb), ("eps_mse", &terms.eps_mse), ("x_0_mse", &terms.x_0_mse)]
            {
                let all = fixture.values(&format!("{name}.{key}"));
                for (image, value) in ours.iter().enumerate() {
                    let expected = all[image * 50 + t];
                    let difference = (value - expected).abs() / expected.abs().max(1.0);
                    assert!(
                        difference < 1e-4,
                        "{name}.{key}, image {image}, t = {t}: {value} and {expected}"
                    );
                }
            }
            bpd.iter_mut().zip(&terms.vlb).for_each(|(sum, term)| *sum += term);
        }
        for (image, total) in bpd.iter().enumerate() {
            let terms: f64 =
                fixture.values(&format!("{name}.vlb"))[image * 50..(image + 1) * 50].iter().sum();
            assert!(
                (total - terms - fixture.values("prior")[image]).abs() < 1e-4 * total.abs().max(1.0),
                "{name}"
            );
        }
    }
}

#[test]
fn the_decay_of_the_average_agrees_with_diffusers() {
    for case in cases("ema.json") {
        let config: EmaConfig = serde_json::from_value(case["options"].clone()).unwrap();
        for (step, decay) in case["at"].as_array().unwrap().iter().zip(case["decay"].as_array().unwrap()) {
            let (step, expected) = (step.as_u64().unwrap(), decay.as_f64().unwrap());
            assert!((config.decay_at(step) - expected).abs() < 1e-9, "{config:?} at {step}");
        }
    }
}
