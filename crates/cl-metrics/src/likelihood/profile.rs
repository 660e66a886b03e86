//! The denoising loss and the variational bound of one model on one set of images, along the timesteps.

use burn::tensor::{Int, Tensor};
use ddpm_core::{
    Denoiser, GaussianDiffusion, Kernels, NoisyBatch,
    diffusion::Threshold,
    likelihood::{prior_terms, timestep_terms},
    noise::Key,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TimestepGrid;

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

/// What a model does along the timesteps, averaged over images.
#[derive(Debug, Clone, PartialEq)]
pub struct TimestepProfile {
    /// Mean squared error of the noise in each bin, averaged over its timesteps.
    pub denoising_loss: Vec<f64>,
    /// What each bin contributes to the bits per dimension: the sum of its timesteps' terms.
    pub vlb: Vec<f64>,
    /// The prior term, in bits per dimension.
    pub prior: f64,
    /// Mean squared error of the noise over all timesteps: the loss that the model was trained on.
    pub mean_denoising_loss: f64,
}

impl TimestepProfile {
    /// Bits per dimension: the prior term and every timestep's.
    pub fn bits_per_dimension(&self) -> f64 {
        self.prior + self.vlb.iter().sum::<f64>()
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
    let (mut loss, mut vlb) = (vec![0.0; grid.bins()], vec![0.0; grid.bins()]);
    for point in grid.points() {
        let eps = key.step(point.t).normal(0, x_0.dims(), &device);
        let batch = NoisyBatch::at(process, x_0.clone(), y.clone(), vec![point.t; n], eps);
        let terms = timestep_terms(denoiser, process, &batch, threshold);
        loss[point.bin] += point.weight as f64 * mean(&terms.eps_mse);
        vlb[point.bin] += point.weight as f64 * mean(&terms.vlb);
    }
    let mean_denoising_loss = loss.iter().sum::<f64>() / grid.timesteps() as f64;
    for (sum, edge) in loss.iter_mut().zip(grid.edges().windows(2)) {
        *sum /= (edge[1] - edge[0]) as f64;
    }
    TimestepProfile {
        denoising_loss: loss,
        vlb,
        prior: mean(&prior_terms(process, x_0)),
        mean_denoising_loss,
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
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
        for (bin, found) in profile.denoising_loss.iter().enumerate() {
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
        assert!((profile.vlb[9] / expected - 1.0).abs() < 1e-3, "{} and {expected}", profile.vlb[9]);
    }
}
