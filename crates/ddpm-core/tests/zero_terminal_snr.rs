//! Processes that end without signal (Lin et al. 2024), where abar_T = 0 and nothing may be divided by it: agreement with
//! diffusers where it has a word on it, and finite numbers from every part elsewhere.

mod common;

use std::cell::Cell;

use burn::tensor::{Int, Tensor, TensorData};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use common::{Analytic, distance, floats, path};
use ddpm_core::{
    Denoiser, NoisyBatch, Objective, ProcessConfig,
    classifier_guidance::{ClassifierGuided, NoisyClassifier},
    diffusion::{Prediction, Threshold, Variance},
    likelihood::{LikelihoodRequest, bits_per_dimension, timestep_terms},
    noise::{Key, NormalNoise, Purpose, indices},
    objective::Weighting,
    sampler::{Ancestral, Ddim, DpmSolver, Heun, KeyedNoise, NoiseSource, Sampler},
    schedule::{BetaSchedule, Given, Spacing},
};
use serde_json::Value;

const PREDICTIONS: [(&str, Prediction); 2] =
    [("v_prediction", Prediction::VPrediction), ("sample", Prediction::Sample)];
const VARIANCES: [Variance; 3] = [Variance::FixedSmall, Variance::FixedLarge, Variance::LearnedRange];
const KEY: Key = Key::new(0, Purpose::named("zero terminal SNR"));

fn config(prediction: Prediction, variance: Variance) -> ProcessConfig {
    ProcessConfig { zero_terminal_snr: true, prediction, variance, ..ProcessConfig::default() }
}

/// The analytic denoiser, with a share of the learned variance where there is one.
struct Model(Analytic);

impl Model {
    fn of(prediction: Prediction, variance: Variance) -> Self {
        Self(Analytic(config(prediction, variance).build().unwrap()))
    }
}

impl Denoiser<Flex> for Model {
    fn denoise(
        &self,
        x_t: Tensor<Flex, 4>,
        t: Tensor<Flex, 1, Int>,
        y: Option<Tensor<Flex, 1, Int>>,
    ) -> Tensor<Flex, 4> {
        let output = self.0.denoise(x_t.clone(), t, y);
        if self.0.0.variance != Variance::LearnedRange {
            return output;
        }
        Tensor::cat(vec![output, x_t.sin()], 1)
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn tensor(values: &[f64], shape: [usize; 4]) -> Tensor<Flex, 4> {
    let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

fn fixture() -> Value {
    serde_json::from_str(&std::fs::read_to_string(path("zero_terminal_snr.json")).unwrap()).unwrap()
}

/// The same noise at every step.
struct Same(Tensor<Flex, 4>);

impl NoiseSource<Flex> for Same {
    fn noise(&self, _t: usize, _shape: [usize; 4], _device: &burn_flex::FlexDevice) -> Tensor<Flex, 4> {
        self.0.clone()
    }
}

#[test]
fn samplers_agree_with_diffusers() {
    let file = fixture();
    let noise = Same(tensor(&numbers(&file["noise"]), [1, 1, 2, 2]));
    let x_t = tensor(&numbers(&file["x_t"]), [1, 1, 2, 2]);
    let ddim = Ddim { steps: 20, spacing: Spacing::Trailing, threshold: Threshold::None, ..Ddim::default() };
    let dpm = DpmSolver { spacing: Spacing::Trailing, ..DpmSolver::default() };
    for (name, prediction) in PREDICTIONS {
        let model = Model::of(prediction, Variance::FixedSmall);
        for (kind, sampler) in [("ddim", &ddim as &dyn Sampler<Flex>), ("dpm", &dpm)] {
            let x_0 = sampler.sample(&model, &model.0.0, x_t.clone(), None, &noise, &mut |_| ()).unwrap();
            let expected = numbers(&file["x_0"][format!("{kind}.{name}")]);
            let difference = distance(&floats(x_0), &expected);
            assert!(difference < 1e-4, "{kind}, {name}: {difference}");
        }
        for (kind, variance) in [("fixed_small", Variance::FixedSmall), ("fixed_large", Variance::FixedLarge)]
        {
            let model = Model::of(prediction, variance);
            for step in file["ancestral"][format!("{kind}.{name}")].as_array().unwrap() {
                let t = step["t"].as_u64().unwrap() as usize;
                let x = Ancestral::default().step(&model, &model.0.0, x_t.clone(), t, None, &noise);
                let difference = distance(&floats(x), &numbers(&step["x"]));
                assert!(difference < 1e-4, "{kind}, {name}, t = {t}: {difference}");
            }
        }
    }
}

#[test]
fn dynamic_thresholds_agree_with_diffusers() {
    let file = fixture();
    let cases = file["thresholds"].as_array().unwrap();
    let x_0 = tensor(&numbers(&cases[0]["x_0"]), [2, 1, 2, 2]);
    let apply = |ratio, max| floats(Threshold::Dynamic { ratio, max }.apply(x_0.clone()));
    for case in &cases[1..] {
        let (ratio, max) = (case["ratio"].as_f64().unwrap(), case["max"].as_f64().unwrap());
        let difference = distance(&apply(ratio, Some(max)), &numbers(&case["x_0"]));
        assert!(difference < 1e-6, "ratio {ratio}, max {max}: {difference}");
        // Without a limit, as with one that is never reached.
        if max > 100.0 {
            assert_eq!(apply(ratio, None), apply(ratio, Some(max)));
        }
    }
    // diffusers' default is clipping.
    assert_eq!(numbers(&cases[1]["x_0"])[..4], [0.2, -0.9, 1.0, -1.0]);
}

/// Fails at the first input of the denoiser that is not finite.
struct Watched<'a> {
    model: &'a dyn Denoiser<Flex>,
    asked: Cell<usize>,
}

impl Denoiser<Flex> for Watched<'_> {
    fn denoise(
        &self,
        x_t: Tensor<Flex, 4>,
        t: Tensor<Flex, 1, Int>,
        y: Option<Tensor<Flex, 1, Int>>,
    ) -> Tensor<Flex, 4> {
        self.asked.set(self.asked.get() + 1);
        let evaluation = self.asked.get();
        assert!(floats(x_t.clone()).iter().all(|v| v.is_finite()), "evaluation {evaluation}");
        let output = self.model.denoise(x_t, t, y);
        assert!(floats(output.clone()).iter().all(|v| v.is_finite()), "output {evaluation}");
        output
    }
}

/// Every kind of sampler, with few steps and with so many that it visits all timesteps near the last.
fn samplers() -> Vec<Box<dyn Sampler<Flex>>> {
    let mut samplers: Vec<Box<dyn Sampler<Flex>>> = vec![
        Box::new(Ancestral { threshold: Threshold::None, ..Ancestral::default() }),
        Box::new(Ancestral { steps: Some(20), spacing: Spacing::Trailing, ..Ancestral::default() }),
    ];
    for spacing in [Spacing::Trailing, Spacing::Linspace] {
        for steps in [2, 20, 999] {
            let threshold = Threshold::None;
            samplers.push(Box::new(Ddim { steps, spacing, threshold, eta: 1.0, ..Ddim::default() }));
            samplers.push(Box::new(Ddim { steps, spacing, to_x_0: false, ..Ddim::default() }));
            samplers.push(Box::new(DpmSolver { steps, spacing, ..DpmSolver::default() }));
            samplers.push(Box::new(Heun { steps, spacing, ..Heun::default() }));
        }
    }
    samplers
}

fn sampled(sampler: &dyn Sampler<Flex>, denoiser: &dyn Denoiser<Flex>, model: &Model) -> Vec<f64> {
    let x_t = KEY.normal(0, [2, 1, 2, 2], &Default::default());
    let y = Some(indices(&[1, 0], &Default::default()));
    let noise = KeyedNoise { key: KEY, first: 0 };
    let watched = Watched { model: denoiser, asked: Cell::new(0) };
    floats(sampler.sample(&watched, &model.0.0, x_t, y, &noise, &mut |_| ()).unwrap())
}

#[test]
fn every_sampler_stays_finite_with_every_prediction_and_variance() {
    for (_, prediction) in PREDICTIONS {
        for variance in VARIANCES {
            let model = Model::of(prediction, variance);
            for sampler in samplers() {
                let x_0 = sampled(&*sampler, &model, &model);
                assert!(x_0.iter().all(|v| v.is_finite()), "{sampler:?}: {x_0:?}");
            }
        }
    }
}

#[test]
fn every_step_of_dpm_solver_ends_where_half_of_them_end() {
    // Near the last timestep all lambdas are one: steps between them once divided 0 by 0.
    let model = Model::of(Prediction::VPrediction, Variance::FixedSmall);
    let [few, all] =
        [300, 999].map(|steps| sampled(&DpmSolver { steps, ..DpmSolver::default() }, &model, &model));
    assert!(distance(&few, &all) < 2e-3, "{few:?} and {all:?}");
}

/// Logits 0 and ten times the sum of the pixels, at every timestep: a gradient that does not vanish where it should.
struct Loud;

impl NoisyClassifier<Autodiff<Flex>> for Loud {
    fn logits(
        &self,
        x_t: Tensor<Autodiff<Flex>, 4>,
        _t: Tensor<Autodiff<Flex>, 1, Int>,
    ) -> Tensor<Autodiff<Flex>, 2> {
        let [n, c, h, w] = x_t.dims();
        let sum = x_t.reshape([n, c * h * w]).sum_dim(1).mul_scalar(10.0);
        Tensor::cat(vec![sum.zeros_like(), sum], 1)
    }
}

#[test]
fn a_classifier_guides_where_there_is_signal_and_says_nothing_where_there_is_none() {
    for (_, prediction) in PREDICTIONS {
        let model = Model::of(prediction, Variance::FixedSmall);
        let guided = ClassifierGuided::<Autodiff<Flex>> {
            denoiser: &model,
            conditional: false,
            classifier: &Loud,
            process: &model.0.0,
            scale: 5.0,
        };
        let x_t = tensor(&[0.1, -0.1, 0.05, -0.02], [1, 1, 2, 2]);
        let output = |guided: &dyn Denoiser<Flex>, t: usize| {
            let device = Default::default();
            floats(guided.denoise(x_t.clone(), indices(&[t], &device), Some(indices(&[1], &device))))
        };
        assert_eq!(output(&guided, 999), output(&model, 999));
        for t in [998, 500, 0] {
            let (bent, plain) = (output(&guided, t), output(&model, t));
            assert!(bent.iter().all(|v| v.is_finite()) && distance(&bent, &plain) > 1e-3, "t = {t}");
        }
        for sampler in samplers() {
            let x_0 = sampled(&*sampler, &guided, &model);
            assert!(x_0.iter().all(|v| v.is_finite()), "{sampler:?}: {x_0:?}");
        }
    }
}

#[test]
fn every_objective_is_finite_and_trains_the_last_timestep() {
    let weightings = [Weighting::Simple, Weighting::MinSnr { gamma: 5.0 }, Weighting::Vlb];
    for (_, prediction) in PREDICTIONS {
        for variance in VARIANCES {
            let model = Model::of(prediction, variance);
            let x_0 = KEY.normal::<Flex>(9, [4, 1, 2, 2], &Default::default()).clamp(-1.0, 1.0);
            let eps = KEY.normal(50, [4, 1, 2, 2], &Default::default());
            let batch = NoisyBatch::at(&model.0.0, x_0, None, vec![0, 1, 998, 999], eps);
            for weighting in weightings {
                let objective = Objective { weighting, ..Objective::default() };
                let losses = floats(objective.losses(&model, &batch, &model.0.0));
                assert!(losses.iter().all(|v| v.is_finite()), "{weighting:?}: {losses:?}");
            }
        }
    }
}

#[test]
fn min_snr_has_the_weight_1_without_signal_and_min_snr_gamma_elsewhere() {
    for (_, prediction) in PREDICTIONS {
        let model = Model::of(prediction, Variance::FixedSmall);
        let process = &model.0.0;
        let t = vec![0, 500, 998, 999];
        let x_0 = KEY.normal::<Flex>(9, [4, 1, 2, 2], &Default::default()).clamp(-1.0, 1.0);
        let batch =
            NoisyBatch::at(process, x_0, None, t.clone(), KEY.normal(50, [4, 1, 2, 2], &Default::default()));
        let losses = |weighting| {
            floats(Objective { weighting, ..Objective::default() }.losses(&model, &batch, process))
        };
        let (simple, weighted) = (losses(Weighting::Simple), losses(Weighting::MinSnr { gamma: 5.0 }));
        for (i, &t) in t.iter().enumerate() {
            let snr = process.snr(t);
            let of_x_0 = if prediction == Prediction::Sample { 1.0 } else { snr + 1.0 };
            let expected = if t == 999 { 1.0 } else { snr.min(5.0) / of_x_0 };
            let found = weighted[i] / simple[i];
            assert!((found / expected - 1.0).abs() < 1e-5, "{prediction:?}, t = {t}: {found} for {expected}");
        }
    }
}

#[test]
fn the_bound_is_finite_at_every_timestep() {
    for (_, prediction) in PREDICTIONS {
        for variance in VARIANCES {
            let model = Model::of(prediction, variance);
            let x_0 = KEY.normal::<Flex>(9, [5, 1, 2, 2], &Default::default()).clamp(-1.0, 1.0);
            let eps = KEY.normal(50, [5, 1, 2, 2], &Default::default());
            let batch = NoisyBatch::at(&model.0.0, x_0.clone(), None, vec![0, 1, 500, 998, 999], eps);
            for threshold in [Threshold::None, Threshold::Clip, Threshold::Dynamic { ratio: 0.9, max: None }]
            {
                let terms = timestep_terms(&model, &model.0.0, &batch, threshold);
                let all = [terms.vlb, terms.eps_mse, terms.x_0_mse].concat();
                assert!(all.iter().all(|v| v.is_finite()), "{prediction:?}, {variance:?}: {all:?}");
            }
            let request = LikelihoodRequest { stride: 64, draws: 2, threshold: Threshold::Clip, key: KEY };
            let bits = bits_per_dimension(&model, &model.0.0, x_0, None, &request, 0, &mut || ());
            assert!(bits.total.is_finite() && bits.total > 0.0 && bits.prior == 0.0, "{bits:?}");
        }
    }
}

#[test]
fn an_epsilon_that_says_nothing_of_x_0_is_refused_by_its_key() {
    let refused = config(Prediction::Epsilon, Variance::FixedSmall).build().unwrap_err().to_string();
    assert!(refused.contains("`prediction` is epsilon") && refused.contains("v_prediction"), "{refused}");
    // As little signal as to overflow f32 is as good as none.
    let schedule = BetaSchedule::of(Given(vec![0.9, 1.0 - 1e-30, 1.0 - 1e-16]));
    let little = ProcessConfig { timesteps: 3, schedule, ..ProcessConfig::default() };
    assert!(little.build().unwrap_err().to_string().contains("schedule"), "1 - 1e-30 is 1");
    let schedule = BetaSchedule::of(Given(vec![1.0 - 1e-15; 3]));
    let little = ProcessConfig { timesteps: 3, schedule, ..ProcessConfig::default() };
    assert!(little.build().unwrap_err().to_string().contains("`prediction`"));
    let sample = ProcessConfig { prediction: Prediction::Sample, ..little };
    assert!(!sample.build().unwrap().has_signal(2));
}

#[test]
fn betas_that_add_nothing_or_leave_nothing_before_the_last_timestep_are_refused() {
    let told = |betas: Vec<f64>| {
        let schedule = BetaSchedule::of(Given(betas.clone()));
        let config = ProcessConfig {
            timesteps: betas.len(),
            schedule,
            prediction: Prediction::Sample,
            ..ProcessConfig::default()
        };
        config.build().unwrap_err().to_string()
    };
    assert!(told(vec![1e-17, 0.1]).contains("adds no noise"));
    assert!(told(vec![1.0 - 1e-12; 100]).contains("leave no signal"));
}
