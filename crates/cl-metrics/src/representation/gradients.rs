//! Whether two tasks pull the parameters the same way: the cosine of their gradients (the quantity that GEM and A-GEM
//! keep from being negative, arXiv 1706.08840, 1812.00420), here in a range of timesteps at a time.

use burn::{
    optim::GradientsParams,
    tensor::{Int, Tensor, backend::Backend},
};
use ddpm_core::{
    GaussianDiffusion, NoisyBatch, Objective, TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
    parameters::{ParameterVector, take_gradients},
};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const TIMESTEP: Purpose = Purpose::named("gradient timestep");

/// How gradients are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GradientConfig {
    /// Images of each task's eval split, each at one timestep of each bin.
    pub images: usize,
}

impl Default for GradientConfig {
    fn default() -> Self {
        Self { images: 64 }
    }
}

/// The gradient of the mean loss of images at timesteps drawn from `from .. to`. Timesteps and noise of the i-th image
/// depend on `key` and i alone.
///
/// # Shapes
/// - `x_0`: `[n, c, h, w]`, `y`: `[n]`
pub fn gradient_in<B: TrainBackend, D: TrainableDenoiser<B>>(
    model: &D,
    process: &GaussianDiffusion,
    objective: &Objective,
    x_0: Tensor<B, 4>,
    y: Option<Tensor<B, 1, Int>>,
    (from, to): (usize, usize),
    key: Key,
) -> ParameterVector<B::InnerBackend> {
    let draw = |i: u64| key.within(TIMESTEP).rng(i).random_range(from..to);
    let t: Vec<usize> = (0..x_0.dims()[0] as u64).map(draw).collect();
    let eps = NoisyBatch::noise(&x_0, key);
    let batch = NoisyBatch::at(process, x_0, y, t, eps);
    let loss = objective.loss(model, &batch, process);
    let mut grads = GradientsParams::from_grads(loss.backward(), model);
    take_gradients(model, &mut grads)
}

/// The cosine of the angle between two vectors of one module; none if one of them is 0 or not finite.
///
/// # Panics
/// If they do not belong to the same module.
pub fn cosine<B: Backend>(a: &ParameterVector<B>, b: &ParameterVector<B>) -> Option<f64> {
    let scalar = |product: Tensor<B, 1>| product.into_data().convert::<f64>().iter::<f64>().next();
    let (product, a, b) = (scalar(a.dot(b))?, scalar(a.dot(a))?, scalar(b.dot(b))?);
    let scale = a.sqrt() * b.sqrt();
    // Rounding may leave a cosine of parallel vectors a little above 1.
    (scale > 0.0).then(|| (product / scale).clamp(-1.0, 1.0)).filter(|cosine| cosine.is_finite())
}

#[cfg(test)]
mod tests {
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;
    use ddpm_core::{UNet2DConfig, schedule::BetaSchedule};

    use super::*;

    type B = Autodiff<Flex>;

    #[test]
    fn a_task_agrees_with_itself_and_images_of_opposite_sign_agree_less() {
        let device = Default::default();
        let key = Key::new(0, Purpose::named("gradients"));
        let unet = UNet2DConfig::small(8, 1, &[8, 16]).init::<B>(key, &device).unwrap();
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 100).unwrap();
        let x_0 = Tensor::<B, 4>::ones([6, 1, 8, 8], &device) * 0.8;
        let gradient = |x_0: Tensor<B, 4>, range| {
            gradient_in(&unet, &process, &Objective::default(), x_0, None, range, key.step(1))
        };
        let own = gradient(x_0.clone(), (0, 20));
        assert_eq!(own.len(), ParameterVector::of(&unet).len());
        assert!((cosine(&own, &own).unwrap() - 1.0).abs() < 1e-6);
        let opposite = own.clone().map(Tensor::neg);
        assert!((cosine(&own, &opposite).unwrap() + 1.0).abs() < 1e-6);
        let other = cosine(&own, &gradient(x_0.neg(), (0, 20))).unwrap();
        assert!(other < 0.999, "{other}");
        assert_eq!(cosine(&own, &own.zeros_like()), None);
    }
}
