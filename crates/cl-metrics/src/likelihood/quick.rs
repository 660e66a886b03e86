//! The losses of one model on one set of images, cheaply: for curves along a training, of which many points are measured.
//!
//! The timesteps are cut into strata that double in width, {0}, {1}, {2, 3}, {4 .. 7} and so on: some ten for a thousand.
//! In each, every image is looked at once, at a timestep drawn from the stratum, which stands for all of it: the sums over
//! timesteps are estimated without bias. Draws and noise depend on the key and the image's number alone, so that two moments
//! are compared on identical images, timesteps and noise.

use std::ops::Range;

use burn::tensor::{Int, Tensor};
use ddpm_core::{
    Denoiser, GaussianDiffusion, Kernels, NoisyBatch,
    diffusion::Threshold,
    likelihood::{prior_terms, timestep_terms},
    noise::{Key, NormalNoise, Purpose},
};

use super::losses::mean;

const TIMESTEP: Purpose = Purpose::named("quick losses: timestep");
const NOISE: Purpose = Purpose::named("quick losses: noise");

/// Means over images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuickLosses {
    /// Mean squared error of the noise over all timesteps.
    pub denoising_loss: f64,
    /// Bits per dimension.
    pub bits_per_dimension: f64,
}

/// Estimates both losses.
///
/// # Shapes
/// - `x_0`: `[n, c, h, w]` in [-1, 1], from 8 bits, `y`: `[n]`
pub fn quick_losses<B: Kernels>(
    denoiser: &dyn Denoiser<B>,
    process: &GaussianDiffusion,
    (x_0, y): (Tensor<B, 4>, Option<Tensor<B, 1, Int>>),
    clip: bool,
    key: Key,
) -> QuickLosses {
    let (n, device, timesteps) = (x_0.dims()[0], x_0.device(), process.timesteps());
    let threshold = if clip { Threshold::Clip } else { Threshold::None };
    let (mut eps, mut bits) = (0.0, mean(&prior_terms(process, x_0.clone())));
    for stratum in quick_strata(timesteps) {
        let (key, width) = (key.step(stratum.start), stratum.len());
        let drawn = key.within(TIMESTEP).timesteps(n, width);
        let ts: Vec<usize> = drawn.into_iter().map(|offset| stratum.start + offset).collect();
        let noise = key.within(NOISE).normal(0, x_0.dims(), &device);
        let batch = NoisyBatch::at(process, x_0.clone(), y.clone(), ts, noise);
        let terms = timestep_terms(denoiser, process, &batch, threshold);
        eps += width as f64 * mean(&terms.eps_mse);
        bits += width as f64 * mean(&terms.vlb);
    }
    QuickLosses { denoising_loss: eps / timesteps as f64, bits_per_dimension: bits }
}

/// The strata of a process: each image takes one pass through the network in each.
pub fn quick_strata(timesteps: usize) -> Vec<Range<usize>> {
    let (mut strata, mut from) = (Vec::new(), 0);
    while from < timesteps {
        let to = (2 * from).max(1).min(timesteps);
        strata.push(from..to);
        from = to;
    }
    strata
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use ddpm_core::schedule::BetaSchedule;

    use super::*;

    /// Knows x_0, all zeros, but errs by a constant: the noise it implies is off by a known amount at every timestep.
    #[derive(Debug)]
    struct OffBy(f64);

    impl Denoiser<Flex> for OffBy {
        fn denoise(
            &self,
            x_t: Tensor<Flex, 4>,
            t: Tensor<Flex, 1, Int>,
            _: Option<Tensor<Flex, 1, Int>>,
        ) -> Tensor<Flex, 4> {
            let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
            let ts: Vec<usize> = t.into_data().convert::<i64>().iter::<i64>().map(|t| t as usize).collect();
            let x_0 = x_t.zeros_like() + self.0;
            process.eps_between(x_t, &ts, x_0)
        }
    }

    #[test]
    fn strata_double_and_cover_every_timestep_once() {
        assert_eq!(quick_strata(10), [0..1, 1..2, 2..4, 4..8, 8..10]);
        assert_eq!((quick_strata(1).len(), quick_strata(2)), (1, vec![0..1, 1..2]));
        assert_eq!(quick_strata(1000).len(), 11);
        assert_eq!(quick_strata(1000).iter().map(Range::len).sum::<usize>(), 1000);
    }

    /// With an error of e in x_0 the squared error of the noise is e^2 snr(t): its mean over timesteps is known, and so
    /// is the sum of the divergences, e^2 (snr(0) - snr(T - 1)) / 2 to first order.
    #[test]
    fn a_known_error_gives_the_known_losses() {
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
        let error = 0.01;
        // The timesteps of many images average out.
        let x_0 = Tensor::<Flex, 4>::zeros([4000, 1, 1, 2], &Default::default());
        let key = Key::new(0, Purpose::named("test"));
        let found = quick_losses(&OffBy(error), &process, (x_0.clone(), None), false, key);
        let expected = error * error * (0..1000).map(|t| process.snr(t)).sum::<f64>() / 1000.0;
        assert!((found.denoising_loss / expected - 1.0).abs() < 0.02, "{} {expected}", found.denoising_loss);
        // The terms depend on no noise: their sum over every timestep, of one image.
        let one = Tensor::<Flex, 4>::zeros([1, 1, 1, 2], &Default::default());
        let term = |t: usize| {
            let noise = one.zeros_like() + 0.5;
            let batch = NoisyBatch::at(&process, one.clone(), None, vec![t], noise);
            timestep_terms(&OffBy(error), &process, &batch, Threshold::None).vlb[0]
        };
        let expected = prior_terms(&process, one.clone())[0] + (0..1000).map(term).sum::<f64>();
        assert!((found.bits_per_dimension / expected - 1.0).abs() < 0.02, "{found:?} and {expected}");
        let none = quick_losses(&OffBy(0.0), &process, (x_0.clone(), None), false, key);
        assert!(none.denoising_loss < 1e-6 && none.bits_per_dimension < found.bits_per_dimension);
        // The same key: the same numbers.
        assert_eq!(quick_losses(&OffBy(error), &process, (x_0, None), false, key), found);
    }
}
