//! Noisy images that no image lies behind, at which a teacher is asked (Masip et al. 2023, arXiv 2311.14028; code:
//! Atenrev/diffusion_continual_learning): pure noise, noise with the symmetries of coarse images, and samples that the
//! teacher leaves off.

use burn::tensor::{Int, Tensor, TensorData};
use data_streams::ImageShape;
use ddpm_core::{
    Denoiser, GaussianDiffusion, Kernels,
    diffusion::{Denoised, Threshold},
    noise::Key,
};

/// Standard normal images.
///
/// # Shapes
/// - output: `[n, c, h, w]`
pub(crate) fn gaussian<B: Kernels>(
    n: usize,
    shape: ImageShape,
    key: Key,
    device: &B::Device,
) -> Tensor<B, 4> {
    of_values(key.normal_values(0, n, shape.len()), n, shape, device)
}

/// Standard normal images that are mirrored the more, the cleaner their timestep t (`GaussianSymmetryDistillation`): both
/// ways up to T/3; above, up to 2 T/3, the first half of these images upside down, the others left to right; not at all
/// above. The half that is kept is the lower, or the right one; the middle line of an odd number is kept as well.
///
/// # Shapes
/// - output: `[t.len(), c, h, w]`
pub(crate) fn symmetric_gaussian<B: Kernels>(
    t: &[usize],
    total: usize,
    shape: ImageShape,
    key: Key,
    device: &B::Device,
) -> Tensor<B, 4> {
    let mut values = key.normal_values(0, t.len(), shape.len());
    let (both, one) = (total / 3, 2 * total / 3);
    let halfway: Vec<usize> = (0..t.len()).filter(|i| t[*i] > both && t[*i] <= one).collect();
    let (rows, columns) = halfway.split_at(halfway.len() / 2);
    for (i, image) in values.chunks_mut(shape.len()).enumerate() {
        if t[i] <= both || rows.contains(&i) {
            mirror_rows(image, shape);
        }
        if t[i] <= both || columns.contains(&i) {
            mirror_columns(image, shape);
        }
    }
    of_values(values, t.len(), shape, device)
}

/// Makes the upper half the mirror image of the lower one.
fn mirror_rows(image: &mut [f32], ImageShape { height, width, .. }: ImageShape) {
    for channel in image.chunks_mut(height * width) {
        for row in 0..height / 2 {
            let from = (height - 1 - row) * width;
            channel.copy_within(from..from + width, row * width);
        }
    }
}

/// Makes the left half the mirror image of the right one.
fn mirror_columns(image: &mut [f32], ImageShape { width, .. }: ImageShape) {
    for row in image.chunks_mut(width) {
        for column in 0..width / 2 {
            row[column] = row[width - 1 - column];
        }
    }
}

fn of_values<B: Kernels>(values: Vec<f32>, n: usize, shape: ImageShape, device: &B::Device) -> Tensor<B, 4> {
    let data = TensorData::new(values, [n, shape.channels, shape.height, shape.width]);
    Tensor::from_data(data, ddpm_kernels::floats_on::<B>(device))
}

/// DDIM without noise from pure noise at T - 1 to a timestep of each image's own, in `steps` steps of even length
/// (`PartialGenerationDistillation`). Deviations: it ends at the level of noise of t, where the code ends at that of t - 1;
/// the noise is that of the clipped x_0.
///
/// # Shapes
/// - `x`: `[n, c, h, w]`, pure noise, `t`: n timesteps, `y`: n conditions; output: `[n, c, h, w]`
pub(crate) fn partial_generation<B: Kernels>(
    teacher: &dyn Denoiser<B>,
    process: &GaussianDiffusion,
    mut x: Tensor<B, 4>,
    t: &[usize],
    y: Option<&Tensor<B, 1, Int>>,
    steps: usize,
) -> Tensor<B, 4> {
    for step in 0..steps {
        let [from, to] = [step, step + 1].map(|done| levels(t, process.timesteps(), done, steps));
        let output = process.evaluate(teacher, x.clone(), &from, y.cloned());
        let Denoised { x_0, .. } = process.interpret(x.clone(), &from, output);
        let x_0 = Threshold::default().apply(x_0);
        let eps = process.eps_between(x, &from, x_0.clone());
        x = process.q_sample(x_0, &to, eps);
    }
    x
}

/// The timesteps of images that are to end at `t`, after `done` of `steps` steps.
fn levels(t: &[usize], total: usize, done: usize, steps: usize) -> Vec<usize> {
    let level = |t: &usize| {
        let way = (total - 1 - t) as f64 * (steps - done) as f64 / steps as f64;
        t + way.round() as usize
    };
    t.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use ddpm_core::{noise::Purpose, schedule::BetaSchedule};

    use super::*;

    const KEY: Key = Key::new(4, Purpose::named("noisy inputs"));

    #[test]
    fn halves_are_mirrored() {
        let shape = ImageShape { channels: 2, height: 3, width: 4 };
        let image: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let mut rows = image.clone();
        mirror_rows(&mut rows, shape);
        let expected =
            [8, 9, 10, 11, 4, 5, 6, 7, 8, 9, 10, 11, 20, 21, 22, 23, 16, 17, 18, 19, 20, 21, 22, 23];
        assert_eq!(rows, expected.map(|i| i as f32));
        let mut columns = image;
        mirror_columns(&mut columns, shape);
        let expected =
            [3, 2, 2, 3, 7, 6, 6, 7, 11, 10, 10, 11, 15, 14, 14, 15, 19, 18, 18, 19, 23, 22, 22, 23];
        assert_eq!(columns, expected.map(|i| i as f32));
    }

    /// Of 1000 timesteps: up to 333 both ways; up to 666 one image upside down, two left to right; the others as drawn.
    #[test]
    fn clean_timesteps_see_more_symmetry() {
        let shape = ImageShape { channels: 1, height: 4, width: 4 };
        let t = [0, 333, 334, 500, 666, 667, 999];
        let device = Default::default();
        let found =
            symmetric_gaussian::<Flex>(&t, 1000, shape, KEY, &device).into_data().to_vec::<f32>().unwrap();
        let plain = gaussian::<Flex>(t.len(), shape, KEY, &device).into_data().to_vec::<f32>().unwrap();
        let mut symmetries = Vec::new();
        for image in found.chunks(16) {
            let same =
                |of: &dyn Fn(usize, usize) -> usize| (0..16).all(|i| image[i] == image[of(i / 4, i % 4)]);
            symmetries.push((same(&|r, c| (3 - r) * 4 + c), same(&|r, c| r * 4 + 3 - c)));
        }
        let (both, rows, columns, none) = ((true, true), (true, false), (false, true), (false, false));
        assert_eq!(symmetries, [both, both, rows, columns, columns, none, none]);
        assert_eq!(found[80..], plain[80..]);
        assert_eq!(found[10..12], plain[10..12], "the lower right is as drawn");
    }

    /// Answers with the noise of images that are 0.5 everywhere.
    struct Grey(GaussianDiffusion);

    impl Denoiser<Flex> for Grey {
        fn denoise(
            &self,
            x_t: Tensor<Flex, 4>,
            t: Tensor<Flex, 1, Int>,
            _y: Option<Tensor<Flex, 1, Int>>,
        ) -> Tensor<Flex, 4> {
            let t: Vec<usize> = t.into_data().iter::<i64>().map(|t| t as usize).collect();
            let x_0 = x_t.zeros_like() + 0.5;
            self.0.eps_between(x_t, &t, x_0)
        }
    }

    /// With a teacher that knows x_0, eps is the same along the way: (x_T - a_T x_0) / b_T.
    #[test]
    fn a_partial_generation_ends_at_each_images_own_level_of_noise() {
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let t = [0, 200, 998, 999];
        let start = gaussian::<Flex>(4, shape, KEY, &Default::default());
        let noise = start.to_data().to_vec::<f32>().unwrap();
        let teacher = Grey(process.clone());
        for steps in [1, 2, 5] {
            let found = partial_generation(&teacher, &process, start.clone(), &t, None, steps);
            for ((found, noise), t) in found.into_data().iter::<f64>().zip(&noise).zip(t) {
                let [(a, b), (a_t, b_t)] = [999, t].map(|t| {
                    let abar = process.alpha_cumprod(t);
                    (abar.sqrt(), (1.0 - abar).sqrt())
                });
                let expected = a_t * 0.5 + b_t * (f64::from(*noise) - a * 0.5) / b;
                assert!((found - expected).abs() < 2e-4, "{steps} steps to {t}: {found} for {expected}");
            }
        }
        assert_eq!(levels(&[0, 500, 999], 1000, 1, 2), [500, 750, 999]);
    }
}
