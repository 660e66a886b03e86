//! Two denoisers as one, each for its own range of timesteps, as the experts of eDiff-I (Balaji et al. 2022, arXiv
//! 2211.01324) divide a trajectory between them.
//!
//! With the same network at two moments of its training, it shows which part of a trajectory needs which of them.

use burn::tensor::{Bool, Int, Tensor};

use crate::{Denoiser, Kernels};

/// A denoiser that is one network at the timesteps from a threshold on, where there is more noise, and another below it.
///
/// A threshold of 0 is the first network alone, one of T (or more) the second alone, exactly.
#[derive(Debug)]
pub struct TimestepSwitch<'a, B: Kernels, D: ?Sized = dyn Denoiser<B> + 'a> {
    noisy: &'a D,
    clear: &'a D,
    threshold: usize,
    backend: std::marker::PhantomData<fn() -> B>,
}

impl<'a, B: Kernels, D: Denoiser<B> + ?Sized> TimestepSwitch<'a, B, D> {
    /// `noisy` for t >= `threshold`, `clear` for t < `threshold`.
    pub fn new(noisy: &'a D, clear: &'a D, threshold: usize) -> Self {
        Self { noisy, clear, threshold, backend: std::marker::PhantomData }
    }
}

impl<B: Kernels, D: Denoiser<B> + ?Sized> Denoiser<B> for TimestepSwitch<'_, B, D> {
    fn denoise(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 4> {
        let above = |t: i64| t >= self.threshold as i64;
        let on_host: Vec<bool> = t.to_data().convert::<i64>().iter::<i64>().map(above).collect();
        if on_host.iter().all(|&above| above) {
            return self.noisy.denoise(x_t, t, y);
        }
        if !on_host.contains(&true) {
            return self.clear.denoise(x_t, t, y);
        }
        let noisy = self.noisy.denoise(x_t.clone(), t.clone(), y.clone());
        let clear = self.clear.denoise(x_t, t.clone(), y);
        let [n, ..] = noisy.dims();
        let mask: Tensor<B, 4, Bool> = t.greater_equal_elem(self.threshold as i64).reshape([n, 1, 1, 1]);
        clear.clone().mask_where(mask.expand(clear.dims()), noisy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Conditioning, GaussianDiffusion, UNet2D, UNet2DConfig,
        noise::{Key, NormalNoise, Purpose, indices},
        sampler::{self, Ancestral, Ddim, SampleRequest, Sampler},
        schedule::BetaSchedule,
    };

    type B = burn_flex::Flex;

    fn unet(seed: u64) -> UNet2D<B> {
        let key = Key::new(seed, Purpose::named("switch"));
        UNet2DConfig::small(8, 1, &[8, 16]).init(key, &Default::default()).unwrap()
    }

    fn samples(sampler: &dyn Sampler<B>, denoiser: &dyn Denoiser<B>) -> Vec<f32> {
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 40).unwrap();
        let key = Key::new(9, Purpose::named("samples"));
        let request =
            SampleRequest { count: 3, batch: 2, shape: [1, 8, 8], conditioning: Conditioning::None, key };
        let x_0 = sampler::draw(sampler, denoiser, &process, &request, &Default::default(), &mut |_| {});
        x_0.unwrap().into_data().to_vec().unwrap()
    }

    #[test]
    fn at_the_ends_it_is_one_of_the_two_and_between_them_neither() {
        let (old, new) = (unet(0), unet(1));
        let (old, new): (&dyn Denoiser<B>, &dyn Denoiser<B>) = (&old, &new);
        let ddim = Ddim { steps: 8, ..Ddim::default() };
        let ancestral = Ancestral::default();
        for sampler in [&ddim as &dyn Sampler<B>, &ancestral] {
            let (by_old, by_new) = (samples(sampler, old), samples(sampler, new));
            let switched = |threshold| samples(sampler, &TimestepSwitch::new(old, new, threshold));
            assert_eq!(switched(0), by_old);
            assert_eq!(switched(40), by_new);
            let between = switched(20);
            assert_ne!(between, by_old);
            assert_ne!(between, by_new);
        }
    }

    #[test]
    fn a_batch_with_timesteps_on_both_sides_is_taken_apart() {
        let (old, new) = (unet(0), unet(1));
        let device = Default::default();
        let x = Key::new(3, Purpose::named("x")).normal::<B>(0, [3, 1, 8, 8], &device);
        let t = || indices::<B>(&[5, 20, 30], &device);
        let mixed = TimestepSwitch::new(&old, &new, 20).denoise(x.clone(), t(), None);
        let (by_old, by_new) = (old.denoise(x.clone(), t(), None), new.denoise(x, t(), None));
        let expected = Tensor::cat(vec![by_new.narrow(0, 0, 1), by_old.narrow(0, 1, 2)], 0);
        assert_eq!(mixed.into_data(), expected.into_data());
    }
}
