//! The benchmark's bits per dimension and those of [`ddpm_core::likelihood::bits_per_dimension`] (`cldiff bpd`) are two
//! estimates of one sum: both agree with it, and with each other, within the errors that they state.

use burn::tensor::{Int, Tensor};
use burn_flex::Flex;
use ddpm_core::{
    Denoiser, GaussianDiffusion, ProcessConfig,
    diffusion::{Prediction, Threshold},
    likelihood::{BitsPerDimension, LikelihoodRequest, bits_per_dimension},
    noise::{Key, NormalNoise, Purpose},
    schedule::BetaSchedule,
};

use super::{
    LikelihoodConfig, ProfileRequest, TimestepProfile,
    losses::{mean, standard_error},
    timestep_profile,
};

/// Knows nine tenths of x_0: images differ in how much of the bound that costs.
#[derive(Debug)]
struct NineTenths(Tensor<Flex, 4>);

impl Denoiser<Flex> for NineTenths {
    fn denoise(
        &self,
        _: Tensor<Flex, 4>,
        _: Tensor<Flex, 1, Int>,
        _: Option<Tensor<Flex, 1, Int>>,
    ) -> Tensor<Flex, 4> {
        self.0.clone() * 0.9
    }
}

const KEY: Key = Key::new(1, Purpose::named("agreement"));

/// 128 grey images of two pixels, from 8 bits.
fn images() -> Tensor<Flex, 4> {
    let grey = KEY.normal::<Flex>(0, [128, 1, 1, 2], &Default::default()).mul_scalar(0.4).clamp(-1.0, 1.0);
    ((grey + 1.0) * 127.5).round() / 127.5 - 1.0
}

fn benchmark(process: &GaussianDiffusion, points_per_bin: usize, draws: usize) -> TimestepProfile {
    let x_0 = images();
    let config = LikelihoodConfig { points_per_bin, draws, ..LikelihoodConfig::default() };
    let grid = config.grid(process.timesteps()).unwrap();
    let request = ProfileRequest { grid: &grid, draws, clip: true, key: KEY };
    timestep_profile(&NineTenths(x_0.clone()), process, x_0, None, &request)
}

fn tool(process: &GaussianDiffusion, stride: usize, draws: usize) -> BitsPerDimension {
    let x_0 = images();
    let request = LikelihoodRequest { stride, draws, threshold: Threshold::Clip, key: KEY };
    bits_per_dimension(&NineTenths(x_0.clone()), process, x_0, None, &request, 0, &mut || ())
}

/// Each image's bits but for the term at t = 0.
fn divergences_of(profile: &TimestepProfile) -> Vec<f64> {
    profile.bits().iter().zip(&profile.discretized).map(|(all, first)| all - first).collect()
}

#[test]
fn benchmark_and_tool_agree_with_the_sum_over_all_timesteps_within_their_errors() {
    let plain = ProcessConfig { prediction: Prediction::Sample, ..ProcessConfig::default() };
    let processes = [
        plain.clone(),
        ProcessConfig { zero_terminal_snr: true, ..plain.clone() },
        ProcessConfig { schedule: BetaSchedule::cosine(), timesteps: 300, ..plain },
    ];
    for config in processes {
        let process = config.build().unwrap();
        let (exact, whole) = (benchmark(&process, usize::MAX, 1), tool(&process, 1, 1));
        // x_0 alone decides this model's divergences: over all timesteps the two sums are one.
        let divergences = mean(&divergences_of(&exact));
        let expected = whole.total - whole.vlb[0];
        assert!((divergences / expected - 1.0).abs() < 1e-6, "{config:?}: {divergences} and {expected}");
        for draws in [1, 3] {
            let (some, strided) = (benchmark(&process, 2, draws), tool(&process, 32, draws));
            for (found, error) in [
                (some.bits_per_dimension(), some.bits_standard_error().unwrap()),
                (strided.total, strided.standard_error.unwrap()),
            ] {
                let from_exact = (found - whole.total).abs();
                assert!(from_exact < 4.0 * error.hypot(whole.standard_error.unwrap()), "{config:?}: {found}");
            }
            // Image by image, nothing differs but the timesteps drawn.
            let drawn: Vec<f64> = divergences_of(&some)
                .iter()
                .zip(divergences_of(&exact))
                .map(|(some, all)| some - all)
                .collect();
            let (found, error) = (mean(&drawn), standard_error(&drawn).unwrap());
            assert!(found.abs() < 4.0 * error, "{config:?}, {draws} draws: {found}, {error}");
            let error = some.bits_standard_error().unwrap().hypot(strided.standard_error.unwrap());
            let difference = (some.bits_per_dimension() - strided.total).abs();
            assert!(difference < 4.0 * error, "{config:?}, {draws} draws: {difference}, {error}");
        }
    }
}
