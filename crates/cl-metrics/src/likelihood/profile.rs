//! The denoising loss and the variational bound of one model on one set of images, along the timesteps: bits per
//! dimension = prior term + discretised term at t = 0 + a divergence for every other timestep.

use burn::tensor::{Int, Tensor};
use ddpm_core::{
    Denoiser, GaussianDiffusion, Kernels, NoisyBatch,
    diffusion::Threshold,
    likelihood::{TimestepTerms, prior_terms, timestep_terms},
    noise::{Key, NormalNoise, Purpose},
};
use serde::{Deserialize, Serialize};

use super::{
    BinnedLosses, Stratum, TimestepGrid,
    losses::{mean, standard_error},
    numbers,
};

const TIMESTEP: Purpose = Purpose::named("profile timestep");
const NOISE: Purpose = Purpose::named("profile noise");

/// Where and how a profile is measured.
#[derive(Debug, Clone, Copy)]
pub struct ProfileRequest<'a> {
    /// The bins and their strata.
    pub grid: &'a TimestepGrid,
    /// Draws of timestep and noise for each image and stratum.
    pub draws: usize,
    /// Whether the predicted x_0 is clipped to [-1, 1] in the bound.
    pub clip: bool,
    /// The key of timesteps and noise: an image's depend on it, on the stratum, on the draw and on the image's number alone.
    pub key: Key,
}

/// The losses of a model along the timesteps, on each image of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimestepProfile {
    /// Mean squared error of the noise.
    pub eps: BinnedLosses,
    /// Terms of the variational bound, in bits per dimension.
    pub vlb: BinnedLosses,
    /// The prior term of each image, in bits per dimension.
    #[serde(with = "numbers::list")]
    pub prior: Vec<f64>,
    /// The discretised likelihood at t = 0 of each image, in bits per dimension: part of the first bin.
    #[serde(with = "numbers::list")]
    pub discretized: Vec<f64>,
    edges: Vec<usize>,
}

impl TimestepProfile {
    /// Bits per dimension, averaged over images: the prior term and every timestep's.
    pub fn bits_per_dimension(&self) -> f64 {
        mean(&self.bits())
    }

    /// The standard error of [`bits_per_dimension`](Self::bits_per_dimension) over images; none for one image.
    pub fn bits_standard_error(&self) -> Option<f64> {
        standard_error(&self.bits())
    }

    /// Bits per dimension of each image.
    pub fn bits(&self) -> Vec<f64> {
        self.prior.iter().zip(self.vlb.totals()).map(|(prior, vlb)| prior + vlb).collect()
    }

    /// Mean squared error of the noise over all timesteps: the loss that the model was trained on.
    pub fn mean_denoising_loss(&self) -> f64 {
        mean(&self.eps.totals()) / self.edges[self.edges.len() - 1] as f64
    }

    /// Mean squared error of the noise in each bin, averaged over its timesteps.
    pub fn denoising_loss(&self) -> Vec<f64> {
        self.eps.means().iter().zip(self.widths()).map(|(sum, width)| sum / width).collect()
    }

    /// The standard errors of [`denoising_loss`](Self::denoising_loss) over images.
    pub fn denoising_standard_errors(&self) -> Vec<Option<f64>> {
        self.eps.standard_errors().iter().zip(self.widths()).map(|(e, width)| e.map(|e| e / width)).collect()
    }

    /// The prior term, in bits per dimension, averaged over images.
    pub fn prior_term(&self) -> f64 {
        mean(&self.prior)
    }

    /// The discretised term at t = 0, in bits per dimension, averaged over images.
    pub fn discretized_term(&self) -> f64 {
        mean(&self.discretized)
    }

    /// The number of timesteps in each bin.
    pub(super) fn widths(&self) -> impl Iterator<Item = f64> {
        self.edges.windows(2).map(|edge| (edge[1] - edge[0]) as f64)
    }
}

/// Evaluates a model on the strata of a grid: in each, every image at a timestep of its own, drawn uniformly, which stands
/// for the stratum. Every sum over timesteps is estimated without bias, and the standard errors over images include
/// what the draws of timestep and noise add. With the same key two models are compared at identical timesteps, images and
/// noise.
///
/// # Shapes
/// - `x_0`: `[n, c, h, w]` in [-1, 1], from 8 bits, `y`: `[n]`
pub fn timestep_profile<B: Kernels>(
    denoiser: &dyn Denoiser<B>,
    process: &GaussianDiffusion,
    x_0: Tensor<B, 4>,
    y: Option<Tensor<B, 1, Int>>,
    request: &ProfileRequest<'_>,
) -> TimestepProfile {
    let (n, device, grid) = (x_0.dims()[0], x_0.device(), request.grid);
    let threshold = if request.clip { Threshold::Clip } else { Threshold::None };
    let zeros = || BinnedLosses::zeros(grid.bins(), n);
    let mut profile = TimestepProfile {
        eps: zeros(),
        vlb: zeros(),
        prior: prior_terms(process, x_0.clone()),
        discretized: vec![0.0; n],
        edges: grid.edges().to_vec(),
    };
    for &stratum in grid.strata() {
        for draw in 0..request.draws {
            let key = request.key.step(stratum.from);
            let t = stratum.draw(n, key.within(TIMESTEP.numbered(draw)));
            let noise = key.within(NOISE.numbered(draw)).normal(0, x_0.dims(), &device);
            let batch = NoisyBatch::at(process, x_0.clone(), y.clone(), t, noise);
            let terms = timestep_terms(denoiser, process, &batch, threshold);
            let clear: Vec<bool> = batch.t.iter().map(|&t| process.snr(t) >= 1.0).collect();
            profile.add(stratum, request.draws, &clear, &terms);
        }
    }
    profile
}

impl TimestepProfile {
    /// Adds the terms of one of several draws in a stratum.
    fn add(&mut self, stratum: Stratum, draws: usize, clear: &[bool], terms: &TimestepTerms) {
        let weight = stratum.width() as f64 / draws as f64;
        self.eps.add(stratum.bin, weight, clear, &terms.eps_mse);
        self.vlb.add(stratum.bin, weight, clear, &terms.vlb);
        // t = 0 is a stratum of its own.
        if stratum.from == 0 {
            self.discretized.iter_mut().zip(&terms.vlb).for_each(|(sum, term)| *sum += weight * term);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use ddpm_core::{
        ProcessConfig,
        diffusion::{Prediction, Variance},
        schedule::BetaSchedule,
    };

    use super::*;
    use crate::likelihood::LikelihoodConfig;

    /// Says that x_0 is what it is but for a constant, and a share of a learned variance where one is asked for.
    #[derive(Debug)]
    struct OffBy {
        x_0: Tensor<Flex, 4>,
        error: f64,
        share: Option<f64>,
    }

    impl Denoiser<Flex> for OffBy {
        fn denoise(
            &self,
            _: Tensor<Flex, 4>,
            _: Tensor<Flex, 1, Int>,
            _: Option<Tensor<Flex, 1, Int>>,
        ) -> Tensor<Flex, 4> {
            let x_0 = self.x_0.clone() + self.error;
            let Some(share) = self.share else { return x_0 };
            Tensor::cat(vec![x_0.clone(), x_0.full_like(share)], 1)
        }
    }

    const ERROR: f64 = 0.05;
    const KEY: Key = Key::new(0, Purpose::named("test"));

    fn linear() -> GaussianDiffusion {
        ProcessConfig { prediction: Prediction::Sample, ..ProcessConfig::default() }.build().unwrap()
    }

    /// Of `n` grey images, with an error of x_0 that is the same at every timestep.
    fn profile(process: &GaussianDiffusion, n: usize, config: LikelihoodConfig, key: Key) -> TimestepProfile {
        let x_0 = Tensor::<Flex, 4>::zeros([n, 1, 1, 2], &Default::default());
        let learned = process.variance == Variance::LearnedRange;
        let model = OffBy { x_0: x_0.clone(), error: ERROR, share: learned.then_some(0.3) };
        let grid = config.grid(process.timesteps()).unwrap();
        let request = ProfileRequest { grid: &grid, draws: config.draws, clip: false, key };
        timestep_profile(&model, process, x_0, None, &request)
    }

    fn points(points_per_bin: usize, draws: usize) -> LikelihoodConfig {
        LikelihoodConfig { points_per_bin, draws, ..LikelihoodConfig::default() }
    }

    /// For a fixed small variance, a divergence is (snr(t-1) - snr(t)) / 2 times the squared error of x_0, in bits.
    fn divergence(process: &GaussianDiffusion, t: usize) -> f64 {
        0.5 * (process.snr(t - 1) - process.snr(t)) * ERROR * ERROR / std::f64::consts::LN_2
    }

    /// The sum over t > 0 of each image's divergences.
    fn divergences(profile: &TimestepProfile) -> Vec<f64> {
        profile.vlb.totals().iter().zip(&profile.discretized).map(|(all, first)| all - first).collect()
    }

    #[test]
    fn a_known_error_gives_the_known_profile_at_all_timesteps() {
        let process = linear();
        let profile = profile(&process, 2, points(100, 1), KEY);
        for (bin, found) in profile.denoising_loss().iter().enumerate() {
            let of_bin = 100 * bin..100 * (bin + 1);
            let expected = of_bin.clone().map(|t| ERROR * ERROR * process.snr(t)).sum::<f64>() / 100.0;
            assert!((found / expected - 1.0).abs() < 1e-3, "bin {bin}: {found} and {expected}");
            let first = if bin == 0 { profile.discretized_term() } else { 0.0 };
            let expected =
                first + of_bin.skip_while(|t| *t == 0).map(|t| divergence(&process, t)).sum::<f64>();
            let found = profile.vlb.means()[bin];
            assert!((found / expected - 1.0).abs() < 1e-3, "bin {bin}: {found} and {expected}");
        }
        let clear: f64 =
            (0..1000).map(|t| process.snr(t)).filter(|snr| *snr >= 1.0).map(|snr| ERROR * ERROR * snr).sum();
        assert!((profile.eps.clear()[1] / clear - 1.0).abs() < 1e-3);
    }

    #[test]
    fn drawn_timesteps_give_the_sum_over_all_where_the_centres_of_strata_do_not() {
        let process = linear();
        let expected: f64 = (1..1000).map(|t| divergence(&process, t)).sum();
        let errors: Vec<f64> = (0..12)
            .map(|seed| {
                let drawn = divergences(&profile(&process, 256, points(2, 1), KEY.experience(seed)));
                let (found, error) = (mean(&drawn), standard_error(&drawn).unwrap());
                // From the strata's own variances: 10.76 % of the sum for an image, and so 0.672 % for 256.
                assert!((error / expected / 0.006_72 - 1.0).abs() < 0.2, "{error} of {expected}");
                assert!((found - expected).abs() < 4.0 * error, "{found} +- {error}, {expected}");
                found / expected - 1.0
            })
            .collect();
        // Twelve times 256 images: no bias beyond four standard errors of 0.2 %.
        assert!(mean(&errors).abs() < 4.0 * 0.006_72 / 12.0_f64.sqrt(), "{errors:?}");
        // The geometric centre of the strata that double, the middle of the others: 9.66 % too much.
        let centre = |s: &Stratum| {
            let (from, last) = (s.from, s.to - 1);
            let middle = usize::midpoint(from, last);
            if s.bin == 0 { ((from * last) as f64).sqrt().round() as usize } else { middle }
        };
        let grid = points(2, 1).grid(1000).unwrap();
        let of_centre = |s: &Stratum| s.width() as f64 * divergence(&process, centre(s));
        let centres: f64 = grid.strata()[1..].iter().map(of_centre).sum();
        assert!(centres / expected - 1.0 > 10.0 * 0.006_72, "{centres} and {expected}");
    }

    #[test]
    fn several_draws_narrow_the_error_as_they_should_and_estimate_the_same() {
        let process = linear();
        let [one, four] = [1, 4].map(|draws| divergences(&profile(&process, 256, points(1, draws), KEY)));
        let (error, narrower) = (standard_error(&one).unwrap(), standard_error(&four).unwrap());
        assert!((0.4..0.6).contains(&(narrower / error)), "{narrower} of {error}");
        let expected: f64 = (1..1000).map(|t| divergence(&process, t)).sum();
        assert!((mean(&four) - expected).abs() < 4.0 * narrower, "{} +- {narrower}", mean(&four));
    }

    #[test]
    fn the_parts_add_up_and_the_discretised_term_leads_the_first_bin() {
        let process = linear();
        let profile = profile(&process, 8, points(2, 3), KEY);
        let sum = profile.prior_term() + profile.vlb.means().iter().sum::<f64>();
        assert!((profile.bits_per_dimension() - sum).abs() < 1e-9 * sum);
        // Over the images, whose bits are the prior's and the sum over the bins.
        let bits = profile.bits();
        let squares: f64 = bits.iter().map(|bits| (bits - sum).powi(2)).sum();
        let (found, expected) = (profile.bits_standard_error().unwrap(), (squares / 7.0 / 8.0).sqrt());
        assert!(expected > 0.0 && (found / expected - 1.0).abs() < 1e-9, "{found} and {expected}");
        assert!(profile.discretized_term() > 0.0 && profile.discretized_term() < profile.vlb.means()[0]);
        let clear = process.snr(250) >= 1.0 && process.snr(300) < 1.0;
        assert!(clear && profile.eps.clear()[0] > 0.9 * profile.eps.totals()[0]);
    }

    #[test]
    fn other_processes_have_finite_profiles_of_positive_bits() {
        let sample = ProcessConfig { prediction: Prediction::Sample, ..ProcessConfig::default() };
        let processes = [
            ProcessConfig { schedule: BetaSchedule::cosine(), ..sample.clone() },
            ProcessConfig { zero_terminal_snr: true, ..sample.clone() },
            ProcessConfig { zero_terminal_snr: true, variance: Variance::LearnedRange, ..sample.clone() },
            ProcessConfig { variance: Variance::FixedLarge, ..sample.clone() },
            ProcessConfig { timesteps: 12, zero_terminal_snr: true, ..sample.clone() },
            ProcessConfig { timesteps: 10, ..sample },
        ];
        for config in processes {
            let process = config.build().unwrap();
            let profile = profile(&process, 3, points(1, 1), KEY);
            let numbers = [profile.bits(), profile.eps.totals(), profile.prior.clone()].concat();
            assert!(numbers.iter().all(|v| v.is_finite()), "{config:?}: {numbers:?}");
            assert!(profile.bits().iter().all(|bits| *bits > 0.0), "{config:?}");
        }
    }
}
