//! Bits per dimension with their terms: over all timesteps, or over a stratified subset with its standard error.

use burn::tensor::{Int, Tensor};
use rand::Rng;

use super::{prior_terms, timestep_terms};
use crate::{
    Denoiser, GaussianDiffusion, Kernels, NoisyBatch,
    diffusion::Threshold,
    noise::{Key, NormalNoise, Purpose},
};

const TIMESTEP: Purpose = Purpose::named("likelihood timestep");
const NOISE: Purpose = Purpose::named("likelihood noise");

/// How a likelihood is evaluated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LikelihoodRequest {
    /// 1: all timesteps. K: one timestep of each of the [`strata`], which double in width from 1 to K.
    pub stride: usize,
    /// Draws of timestep and noise for each image and stratum, whose terms are averaged; at least 1.
    pub draws: usize,
    /// The limits of the predicted x_0.
    pub threshold: Threshold,
    /// The key of timesteps and noise: an image's depend on it and on the image's number alone.
    pub key: Key,
}

/// Bits per dimension and what they consist of, averaged over images.
#[derive(Debug, Clone, PartialEq)]
pub struct BitsPerDimension {
    /// Prior and all terms.
    pub total: f64,
    /// The standard error of the total, over images with their noise and timesteps; none for one image.
    pub standard_error: Option<f64>,
    /// The prior term.
    pub prior: f64,
    /// The strata `from .. to` of timesteps; single timesteps for a stride of 1.
    pub strata: Vec<(usize, usize)>,
    /// The mean term of the bound for a timestep of each stratum: times its width, what it contributes.
    pub vlb: Vec<f64>,
    /// The mean squared error of the noise for a timestep of each stratum.
    pub eps_mse: Vec<f64>,
    /// The mean squared error of x_0 for a timestep of each stratum.
    pub x_0_mse: Vec<f64>,
    /// The number of images.
    pub images: usize,
}

/// Consecutive ranges of `0 .. timesteps`: {0}, {1}, {2, 3}, {4 .. 7}, doubling in width up to `stride`. The terms of the
/// bound fall by orders of magnitude over the first timesteps (Nichol & Dhariwal 2021, figure 2), and those decide the
/// total.
pub fn strata(timesteps: usize, stride: usize) -> Vec<(usize, usize)> {
    let (mut from, mut strata) = (0, Vec::new());
    while from < timesteps {
        let to = (from + from.clamp(1, stride.max(1))).min(timesteps);
        strata.push((from, to));
        from = to;
    }
    strata
}

/// Evaluates images in one batch. The estimate is unbiased for any stride: an image's timestep in a stratum is drawn
/// uniformly. Its standard error over images includes what those draws and the noise add.
///
/// `first` is the number of the first image, so that a set can be evaluated in batches; each result holds the totals
/// of its images, see [`BitsPerDimension::pool`]. `progress` is called after each draw in a stratum.
///
/// # Shapes
/// - `x_0`: `[n, c, h, w]` in [-1, 1], from 8 bits, `y`: `[n]`
pub fn bits_per_dimension<B: Kernels>(
    denoiser: &dyn Denoiser<B>,
    process: &GaussianDiffusion,
    x_0: Tensor<B, 4>,
    y: Option<Tensor<B, 1, Int>>,
    request: &LikelihoodRequest,
    first: u64,
    progress: &mut dyn FnMut(),
) -> BitsPerDimension {
    let n = x_0.dims()[0];
    let strata = strata(process.timesteps(), request.stride);
    let prior = prior_terms(process, x_0.clone());
    let mut totals = prior.clone();
    let (mut vlb, mut eps_mse, mut x_0_mse) = (Vec::new(), Vec::new(), Vec::new());
    for &(from, to) in &strata {
        let mut means = [0.0; 3];
        for draw in 0..request.draws {
            let batch =
                drawn(process, &x_0, y.as_ref(), (from, to), draw_keys(request.key, from, draw), first);
            let terms = timestep_terms(denoiser, process, &batch, request.threshold);
            let weight = (to - from) as f64 / request.draws as f64;
            totals.iter_mut().zip(&terms.vlb).for_each(|(total, term)| *total += weight * term);
            let of_draw = [&terms.vlb, &terms.eps_mse, &terms.x_0_mse].map(|terms| mean(terms));
            means.iter_mut().zip(of_draw).for_each(|(sum, mean)| *sum += mean / request.draws as f64);
            progress();
        }
        vlb.push(means[0]);
        eps_mse.push(means[1]);
        x_0_mse.push(means[2]);
    }
    BitsPerDimension {
        total: mean(&totals),
        standard_error: standard_error(&totals),
        prior: mean(&prior),
        strata,
        vlb,
        eps_mse,
        x_0_mse,
        images: n,
    }
}

/// The keys of timesteps and of noise in the stratum from `from` on; the first draw's are those of a single one.
fn draw_keys(key: Key, from: usize, draw: usize) -> [Key; 2] {
    let nth = |purpose: Purpose| if draw == 0 { purpose } else { purpose.numbered(draw) };
    [TIMESTEP, NOISE].map(|purpose| key.step(from).within(nth(purpose)))
}

/// Images with noise, each at a timestep drawn uniformly in `from .. to`.
fn drawn<B: Kernels>(
    process: &GaussianDiffusion,
    x_0: &Tensor<B, 4>,
    y: Option<&Tensor<B, 1, Int>>,
    (from, to): (usize, usize),
    [timesteps, noise]: [Key; 2],
    first: u64,
) -> NoisyBatch<B> {
    let (n, device) = (x_0.dims()[0] as u64, x_0.device());
    let t = (0..n).map(|i| timesteps.rng(first + i).random_range(from..to)).collect();
    let eps = noise.normal(first, x_0.dims(), &device);
    NoisyBatch::at(process, x_0.clone(), y.cloned(), t, eps)
}

impl BitsPerDimension {
    /// The result for the images of two results together.
    ///
    /// # Panics
    /// If the two have different strata.
    #[must_use]
    pub fn pool(&self, other: &Self) -> Self {
        assert_eq!(self.strata, other.strata, "results of different strata");
        let (n, m) = (self.images as f64, other.images as f64);
        let mix = |a: f64, b: f64| (n * a + m * b) / (n + m);
        let each = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(&a, &b)| mix(a, b)).collect();
        // Sums of squares about the pooled mean, from each part's own.
        let within =
            |r: &Self| r.standard_error.map_or(0.0, |e| e * e * r.images as f64 * (r.images as f64 - 1.0));
        let between = n * m / (n + m) * (self.total - other.total).powi(2);
        let squares = within(self) + within(other) + between;
        Self {
            total: mix(self.total, other.total),
            standard_error: Some((squares / (n + m - 1.0) / (n + m)).sqrt()),
            prior: mix(self.prior, other.prior),
            strata: self.strata.clone(),
            vlb: each(&self.vlb, &other.vlb),
            eps_mse: each(&self.eps_mse, &other.eps_mse),
            x_0_mse: each(&self.x_0_mse, &other.x_0_mse),
            images: self.images + other.images,
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn standard_error(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let centre = mean(values);
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::BetaSchedule;

    type B = burn_flex::Flex;

    /// Predicts no noise at all.
    #[derive(Debug)]
    struct Nothing;

    impl Denoiser<B> for Nothing {
        fn denoise(
            &self,
            x_t: Tensor<B, 4>,
            _: Tensor<B, 1, Int>,
            _: Option<Tensor<B, 1, Int>>,
        ) -> Tensor<B, 4> {
            x_t.zeros_like()
        }
    }

    #[test]
    fn strata_cover_every_timestep_once() {
        for (timesteps, stride) in [(1, 1), (10, 1), (1000, 7), (1000, 64), (33, 100)] {
            let strata = strata(timesteps, stride);
            assert_eq!(strata[0], (0, 1));
            assert!(strata.windows(2).all(|w| w[0].1 == w[1].0));
            assert_eq!(strata[strata.len() - 1].1, timesteps);
            assert!(strata.iter().all(|(from, to)| to - from <= stride.max(1)));
        }
    }

    #[test]
    fn a_subset_of_timesteps_estimates_the_whole_within_its_error() {
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 100).unwrap();
        let key = Key::new(1, Purpose::named("bpd"));
        let x_0 = key.normal::<B>(0, [64, 1, 4, 4], &Default::default()).clamp(-1.0, 1.0);
        let evaluate = |stride, draws| {
            let request = LikelihoodRequest { stride, draws, threshold: Threshold::Clip, key };
            bits_per_dimension(&Nothing, &process, x_0.clone(), None, &request, 0, &mut || ())
        };
        let all = evaluate(1, 1);
        for draws in [1, 4] {
            let some = evaluate(16, draws);
            let error = all.standard_error.unwrap().hypot(some.standard_error.unwrap());
            assert!((all.total - some.total).abs() < 4.0 * error, "{} {} {error}", all.total, some.total);
            let sum: f64 = some.strata.iter().zip(&some.vlb).map(|((a, b), v)| (b - a) as f64 * v).sum();
            assert!((some.prior + sum - some.total).abs() < 1e-9);
        }
    }

    #[test]
    fn the_error_of_a_subset_knows_of_the_draw_and_several_draws_narrow_it() {
        // Images that are all alike: their terms differ by the timesteps drawn alone.
        let mut process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
        process.prediction = crate::diffusion::Prediction::Sample;
        let x_0 = Tensor::<B, 4>::full([256, 1, 1, 2], 0.2, &Default::default());
        let key = Key::new(2, Purpose::named("bpd"));
        let divergences = |stride, draws| {
            let request = LikelihoodRequest { stride, draws, threshold: Threshold::None, key };
            let bits = bits_per_dimension(&Nothing, &process, x_0.clone(), None, &request, 0, &mut || ());
            (bits.total - bits.vlb[0], bits.standard_error.unwrap())
        };
        let (exact, _) = divergences(1, 1);
        let ((one, error), (four, narrower)) = (divergences(128, 1), divergences(128, 4));
        assert!(
            (one - exact).abs() < 4.0 * error && (four - exact).abs() < 4.0 * narrower,
            "{one}, {four}, {exact}"
        );
        // Of the sum, 10.8 % for an image from the strata that double: 0.67 % for 256.
        assert!((0.005..0.009).contains(&(error / exact)), "{error} of {exact}");
        assert!((0.4..0.6).contains(&(narrower / error)), "{narrower} of {error}");
    }

    /// A rectangle has C H W dimensions: the same pixels in another shape have the same terms, and black images a prior that
    /// no shape changes.
    #[test]
    fn the_bits_of_a_rectangle_are_those_of_its_pixels() {
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 20).unwrap();
        let key = Key::new(3, Purpose::named("bpd"));
        let square = key.normal::<B>(0, [5, 3, 4, 4], &Default::default()).clamp(-1.0, 1.0);
        let evaluate = |x_0: Tensor<B, 4>| {
            let request = LikelihoodRequest { stride: 4, draws: 2, threshold: Threshold::Clip, key };
            bits_per_dimension(&Nothing, &process, x_0, None, &request, 0, &mut || ())
        };
        let expected = evaluate(square.clone());
        for shape in [[5, 3, 2, 8], [5, 3, 8, 2], [5, 1, 6, 8]] {
            let found = evaluate(square.clone().reshape(shape));
            assert!(
                (found.total - expected.total).abs() < 1e-6 * expected.total,
                "{shape:?}: {}",
                found.total
            );
            assert!((found.vlb[0] - expected.vlb[0]).abs() < 1e-6 * expected.vlb[0], "{shape:?}");
        }
        let abar = process.alpha_cumprod(19);
        let prior = 0.5 * (abar - 1.0 - (1.0 - abar).ln() + (1.0 - abar)) / std::f64::consts::LN_2;
        let black = Tensor::<B, 4>::full([2, 1, 2, 8], -1.0, &Default::default());
        assert!((evaluate(black).prior - prior).abs() < 1e-6 * prior);
    }

    #[test]
    fn batches_pool_to_the_whole() {
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 20).unwrap();
        let key = Key::new(1, Purpose::named("bpd"));
        let x_0 = key.normal::<B>(0, [7, 1, 4, 4], &Default::default()).clamp(-1.0, 1.0);
        let request = LikelihoodRequest { stride: 4, draws: 1, threshold: Threshold::Clip, key };
        let evaluate = |from: usize, n: usize| {
            let part = x_0.clone().narrow(0, from, n);
            bits_per_dimension(&Nothing, &process, part, None, &request, from as u64, &mut || ())
        };
        let (whole, pooled) = (evaluate(0, 7), evaluate(0, 3).pool(&evaluate(3, 4)));
        assert!((whole.total - pooled.total).abs() < 1e-9);
        assert!((whole.standard_error.unwrap() / pooled.standard_error.unwrap() - 1.0).abs() < 1e-9);
        assert!(whole.vlb.iter().zip(&pooled.vlb).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}
