//! The denoising loss and the variational bound of one model on one set of images, along the timesteps: bits per
//! dimension = prior term + discretised term at t = 0 + a divergence for every other timestep.

use burn::tensor::{Int, Tensor};
use ddpm_core::{
    Denoiser, GaussianDiffusion, Kernels, NoisyBatch,
    diffusion::Threshold,
    likelihood::{prior_terms, timestep_terms},
    noise::{Key, NormalNoise},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BinnedLosses, TimestepGrid,
    losses::{mean, standard_error},
    numbers,
};

/// How closely likelihood is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LikelihoodConfig {
    /// Images of each task's eval split that are evaluated.
    pub images_per_task: usize,
    /// Bins of timesteps that are reported.
    pub bins: usize,
    /// Timesteps evaluated in each bin (the first bin has more); as many as a bin is wide: all of them.
    pub points_per_bin: usize,
    /// Whether the predicted x_0 is clipped to [-1, 1] in the bound, as when sampling.
    pub clip: bool,
}

impl Default for LikelihoodConfig {
    fn default() -> Self {
        Self { images_per_task: 64, bins: 10, points_per_bin: 2, clip: true }
    }
}

/// What a model does along the timesteps, on each image of a set.
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

/// Evaluates a model at the points of a grid. The noise of an image depends on `key`, the timestep and the image's
/// number alone: two models are compared on identical images and noise.
///
/// # Shapes
/// - `x_0`: `[n, c, h, w]` in [-1, 1], from 8 bits, `y`: `[n]`
pub fn timestep_profile<B: Kernels>(
    denoiser: &dyn Denoiser<B>,
    process: &GaussianDiffusion,
    x_0: Tensor<B, 4>,
    y: Option<Tensor<B, 1, Int>>,
    grid: &TimestepGrid,
    clip: bool,
    key: Key,
) -> TimestepProfile {
    let (n, device) = (x_0.dims()[0], x_0.device());
    let threshold = if clip { Threshold::Clip } else { Threshold::None };
    let (mut eps, mut vlb) = (BinnedLosses::zeros(grid.bins(), n), BinnedLosses::zeros(grid.bins(), n));
    let mut discretized = vec![0.0; n];
    for point in grid.points() {
        let noise = key.step(point.t).normal(0, x_0.dims(), &device);
        let batch = NoisyBatch::at(process, x_0.clone(), y.clone(), vec![point.t; n], noise);
        let terms = timestep_terms(denoiser, process, &batch, threshold);
        let clear = process.snr(point.t) >= 1.0;
        eps.add(point.bin, point.weight, clear, &terms.eps_mse);
        vlb.add(point.bin, point.weight, clear, &terms.vlb);
        if point.t == 0 {
            discretized = terms.vlb;
        }
    }
    TimestepProfile { eps, vlb, prior: prior_terms(process, x_0), discretized, edges: grid.edges().to_vec() }
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use ddpm_core::{noise::Purpose, schedule::BetaSchedule};

    use super::*;

    /// Knows x_0 but errs by a constant: the noise it implies is off by a known amount at every timestep.
    #[derive(Debug)]
    struct OffBy(Tensor<Flex, 4>, f64);

    impl Denoiser<Flex> for OffBy {
        fn denoise(
            &self,
            x_t: Tensor<Flex, 4>,
            t: Tensor<Flex, 1, Int>,
            _: Option<Tensor<Flex, 1, Int>>,
        ) -> Tensor<Flex, 4> {
            let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
            let ts: Vec<usize> = t.into_data().convert::<i64>().iter::<i64>().map(|t| t as usize).collect();
            process.eps_between(x_t, &ts, self.0.clone() + self.1)
        }
    }

    #[test]
    fn a_known_error_gives_the_known_profile() {
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
        let x_0 = Tensor::<Flex, 4>::zeros([3, 1, 4, 4], &Default::default());
        let error = 0.05;
        let model = OffBy(x_0.clone(), error);
        let grid = TimestepGrid::new(1000, 10, 3).unwrap();
        let key = Key::new(0, Purpose::named("test"));
        let profile = timestep_profile(&model, &process, x_0, None, &grid, true, key);
        for (bin, found) in profile.denoising_loss().iter().enumerate() {
            let points = grid.points().iter().filter(|p| p.bin == bin);
            let expected: f64 =
                points.map(|p| p.weight as f64 * error * error * process.snr(p.t)).sum::<f64>() / 100.0;
            assert!((found / expected - 1.0).abs() < 2e-2, "bin {bin}: {found} and {expected}");
        }
        // For small steps and a fixed small variance a term is (snr(t-1) - snr(t)) / 2 times the squared error.
        let last = grid.points().iter().filter(|p| p.bin == 9);
        let expected: f64 = last
            .map(|p| {
                p.weight as f64 * 0.5 * (process.snr(p.t - 1) - process.snr(p.t)) * error * error
                    / std::f64::consts::LN_2
            })
            .sum();
        let vlb = profile.vlb.means();
        assert!((vlb[9] / expected - 1.0).abs() < 1e-3, "{} and {expected}", vlb[9]);
    }

    #[test]
    fn the_parts_add_up_and_images_alike_have_no_spread() {
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
        let x_0 = Tensor::<Flex, 4>::zeros([3, 1, 4, 4], &Default::default());
        let grid = TimestepGrid::new(1000, 10, 2).unwrap();
        let key = Key::new(0, Purpose::named("test"));
        let profile = timestep_profile(&OffBy(x_0.clone(), 0.02), &process, x_0, None, &grid, true, key);
        let sum = profile.prior_term() + profile.vlb.means().iter().sum::<f64>();
        assert!((profile.bits_per_dimension() - sum).abs() < 1e-12);
        // The discretised term is part of the first bin, and nearly all of it.
        let share = profile.discretized_term() / profile.vlb.means()[0];
        assert!(share > 0.5 && share < 1.0, "{share}");
        // An error of x_0 that is the same everywhere leaves only the rounding of f32 between images.
        assert!(profile.bits_standard_error().unwrap() < 1e-2 * profile.bits_per_dimension());
        let clear = process.snr(250) >= 1.0 && process.snr(300) < 1.0;
        assert!(clear && profile.eps.clear()[0] > 0.9 * profile.eps.totals()[0]);
    }
}
