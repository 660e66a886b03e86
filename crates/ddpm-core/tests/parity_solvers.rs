//! Samplers of second order, respacing, learned variances and thresholding against diffusers: not only what comes out,
//! but every input that the denoiser is asked with.

mod common;

use std::cell::RefCell;

use burn::tensor::{Int, Tensor};
use burn_flex::Flex;
use common::{Analytic, Fixture, distance, floats, path};
use ddpm_core::{
    Denoiser, GaussianDiffusion, NoisyBatch, ProcessConfig,
    diffusion::{Prediction, Threshold, Variance},
    likelihood::timestep_terms,
    sampler::{Ancestral, Ddim, DpmSolver, Heun, NoiseSource, Sampler},
    schedule::{ScaledLinear, Schedule, Spacing, rescale_zero_terminal_snr},
};
use serde_json::Value;

/// Remembers what it is asked.
struct Spy<'a> {
    model: &'a dyn Denoiser<Flex>,
    inputs: RefCell<Vec<Vec<f64>>>,
}

impl Denoiser<Flex> for Spy<'_> {
    fn denoise(
        &self,
        x_t: Tensor<Flex, 4>,
        t: Tensor<Flex, 1, Int>,
        y: Option<Tensor<Flex, 1, Int>>,
    ) -> Tensor<Flex, 4> {
        self.inputs.borrow_mut().push(floats(x_t.clone()));
        self.model.denoise(x_t, t, y)
    }
}

/// The same noise at every step.
struct Same(Tensor<Flex, 4>);

impl NoiseSource<Flex> for Same {
    fn noise(&self, _t: usize, _shape: [usize; 4], _device: &burn_flex::FlexDevice) -> Tensor<Flex, 4> {
        self.0.clone()
    }
}

#[test]
fn trajectories_agree_with_diffusers() {
    let fixture = Fixture::read("solvers.safetensors");
    let linear = Analytic::new(1000);
    let zero_snr = Analytic(
        ProcessConfig {
            zero_terminal_snr: true,
            prediction: Prediction::VPrediction,
            ..ProcessConfig::default()
        }
        .build()
        .unwrap(),
    );
    let (dpm, heun) = (DpmSolver::default(), Heun::default());
    let dynamic = Threshold::Dynamic { ratio: 0.8, max: Some(2.0) };
    let cases: [(&str, &Analytic, &dyn Sampler<Flex>); 7] = [
        ("dpm_linspace", &linear, &dpm),
        ("dpm_leading", &linear, &DpmSolver { spacing: Spacing::Leading, ..dpm }),
        ("dpm_trailing", &linear, &DpmSolver { spacing: Spacing::Trailing, ..dpm }),
        ("dpm_dynamic", &linear, &DpmSolver { threshold: dynamic, ..dpm }),
        ("heun_leading", &linear, &Heun { spacing: Spacing::Leading, ..heun }),
        ("heun_trailing", &linear, &Heun { spacing: Spacing::Trailing, threshold: Threshold::Clip, ..heun }),
        ("ddim_zero_snr_v", &zero_snr, &Ddim { steps: 20, spacing: Spacing::Trailing, ..Ddim::default() }),
    ];
    for (name, model, sampler) in cases {
        let spy = Spy { model, inputs: RefCell::default() };
        let x_t = fixture.tensor::<Flex, 4>("x_t");
        let noise = Same(x_t.clone());
        let mut ticks = 0;
        let x_0 = sampler.sample(&spy, &model.0, x_t, None, &noise, &mut |_| ticks += 1).unwrap();
        let inputs = spy.inputs.into_inner();
        let expected = fixture.values(&format!("{name}.inputs"));
        assert_eq!(inputs.len() * 32, expected.len(), "{name}");
        assert_eq!(inputs.len(), sampler.evaluations(model.0.timesteps()), "{name}");
        assert_eq!(inputs.len(), ticks, "{name}");
        for (i, (ours, theirs)) in inputs.iter().zip(expected.chunks_exact(32)).enumerate() {
            let difference = distance(ours, theirs);
            assert!(difference < 1e-4, "{name}, evaluation {i}: {difference}");
        }
        let difference = distance(&floats(x_0), fixture.values(&format!("{name}.x_0")));
        assert!(difference < 1e-4, "{name}: {difference}");
    }
}

/// The analytic denoiser with sin(2 x) as the share of the learned variance.
struct Learned(Analytic);

impl Denoiser<Flex> for Learned {
    fn denoise(
        &self,
        x_t: Tensor<Flex, 4>,
        t: Tensor<Flex, 1, Int>,
        y: Option<Tensor<Flex, 1, Int>>,
    ) -> Tensor<Flex, 4> {
        let share = (x_t.clone() * 2.0).sin();
        Tensor::cat(vec![self.0.denoise(x_t, t, y), share], 1)
    }
}

fn linear(variance: Variance, timesteps: usize) -> GaussianDiffusion {
    ProcessConfig { variance, timesteps, ..ProcessConfig::default() }.build().unwrap()
}

#[test]
fn ancestral_steps_with_other_variances_agree_with_diffusers() {
    let fixture = Fixture::read("solvers.safetensors");
    let (fixed, learned) = (Analytic::new(1000), Learned(Analytic::new(1000)));
    let noise = Same(fixture.tensor("noise"));
    let (none, clip) = (Threshold::None, Threshold::Clip);
    let dynamic = Threshold::Dynamic { ratio: 0.8, max: Some(1.5) };
    let cases: [(&str, &dyn Denoiser<Flex>, Variance, Option<usize>, Threshold); 4] = [
        ("respaced", &fixed, Variance::FixedSmall, Some(50), none),
        ("learned", &learned, Variance::LearnedRange, None, none),
        ("learned_respaced", &learned, Variance::LearnedRange, Some(50), clip),
        ("dynamic", &fixed, Variance::FixedSmall, None, dynamic),
    ];
    for (name, model, variance, steps, threshold) in cases {
        let ancestral = Ancestral { steps, threshold, ..Ancestral::default() };
        let process = ancestral.process(&linear(variance, 1000)).unwrap();
        for (i, t) in [980, 500, 20, 0].into_iter().enumerate() {
            let place = (0..process.timesteps()).find(|&i| process.model_timestep(i) == t).unwrap();
            let x = ancestral.step(model, &process, fixture.tensor("x_t"), place, None, &noise);
            let expected = &fixture.values(&format!("ancestral_{name}"))[i * 32..(i + 1) * 32];
            let difference = distance(&floats(x), expected);
            assert!(difference < 1e-4, "{name} at t = {t}: {difference}");
        }
    }
}

#[test]
fn the_bound_with_a_learned_variance_agrees_with_its_formulas_in_f64() {
    let fixture = Fixture::read("learned_bound.safetensors");
    let process = linear(Variance::LearnedRange, 50);
    let model = Learned(Analytic::new(50));
    let x_0 = fixture.tensor::<Flex, 4>("images") / 127.5 - 1.0;
    let t = fixture.values("t").iter().map(|&t| t as usize).collect();
    let batch = NoisyBatch::at(&process, x_0, None, t, fixture.tensor("eps"));
    let terms = timestep_terms(&model, &process, &batch, Threshold::None);
    for (ours, expected) in terms.vlb.iter().zip(fixture.values("vlb")) {
        assert!((ours - expected).abs() < 1e-4 * expected.abs().max(1.0), "{ours} and {expected}");
    }
}

#[test]
fn betas_without_terminal_signal_agree_with_diffusers() {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path("process.json")).unwrap()).unwrap();
    let plain = ScaledLinear { beta_start: 8.5e-4, beta_end: 0.012 }.betas(1000).unwrap();
    let ours = rescale_zero_terminal_snr(&plain);
    let case = &file["zero_terminal_snr"];
    for (t, beta) in case["at"].as_array().unwrap().iter().zip(case["beta"].as_array().unwrap()) {
        let (t, expected) = (t.as_u64().unwrap() as usize, beta.as_f64().unwrap());
        assert!((ours[t] - expected).abs() < 1e-12, "beta_{t} is {} and not {expected}", ours[t]);
    }
}
