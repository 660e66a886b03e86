//! Classifier guidance (Dhariwal & Nichol 2021, arXiv 2105.05233, algorithm 2): the gradient of a classifier of noisy
//! images bends the predicted noise towards a class,
//! `eps <- eps - scale sqrt(1 - abar_t) grad_{x_t} log p(y | x_t)`.
//!
//! The paper's models predict eps; a prediction of x_0 or of v is bent by as much as means the same change of eps. At a
//! timestep without signal (zero terminal SNR) no x_0 means a change of eps. There x_t says nothing of the class either,
//! log p(y | x_t) is log p(y), and its gradient is 0 whatever a trained classifier gives: the prediction is left as it is.

use burn::tensor::{Int, Tensor, activation::log_softmax};

use crate::{
    Denoiser, GaussianDiffusion, TrainBackend,
    diffusion::{Prediction, per_sample},
};

/// A classifier that knows how noisy its images are.
pub trait NoisyClassifier<B: TrainBackend> {
    /// # Shapes
    /// - `x_t`: `[n, c, h, w]`, `t`: `[n]` (0-based timesteps); output: `[n, classes]`, logits
    fn logits(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>) -> Tensor<B, 2>;
}

/// A denoiser that a classifier guides towards the class `y` that it is asked for.
pub struct ClassifierGuided<'a, B: TrainBackend> {
    /// The denoiser that is guided.
    pub denoiser: &'a dyn Denoiser<B::InnerBackend>,
    /// Whether the denoiser itself is told the class.
    pub conditional: bool,
    /// The classifier that guides; it is differentiated with respect to the images.
    pub classifier: &'a dyn NoisyClassifier<B>,
    /// The process with all timesteps.
    pub process: &'a GaussianDiffusion,
    /// 0 is no guidance.
    pub scale: f64,
}

impl<B: TrainBackend> std::fmt::Debug for ClassifierGuided<'_, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClassifierGuided").field("scale", &self.scale).finish_non_exhaustive()
    }
}

impl<B: TrainBackend> ClassifierGuided<'_, B> {
    /// The gradient of log p(y | x_t) with respect to x_t.
    fn gradient(
        &self,
        x_t: Tensor<B::InnerBackend, 4>,
        t: Tensor<B::InnerBackend, 1, Int>,
        y: Tensor<B::InnerBackend, 1, Int>,
    ) -> Tensor<B::InnerBackend, 4> {
        let [n] = y.dims();
        let x = Tensor::<B, 4>::from_inner(x_t).require_grad();
        let logits = self.classifier.logits(x.clone(), Tensor::from_inner(t));
        let of_class = log_softmax(logits, 1).gather(1, Tensor::from_inner(y).reshape([n, 1]));
        let grads = of_class.sum().backward();
        x.grad(&grads).unwrap_or_else(|| x.inner().zeros_like())
    }

    /// The change of the output when the noise that it means changes by 1, at a timestep with signal.
    fn output_per_eps(&self, t: usize) -> f64 {
        let abar = self.process.alpha_cumprod(t);
        match self.process.prediction {
            Prediction::Epsilon => 1.0,
            Prediction::Sample => -((1.0 - abar) / abar).sqrt(),
            Prediction::VPrediction => 1.0 / abar.sqrt(),
        }
    }
}

impl<B: TrainBackend> Denoiser<B::InnerBackend> for ClassifierGuided<'_, B> {
    fn denoise(
        &self,
        x_t: Tensor<B::InnerBackend, 4>,
        t: Tensor<B::InnerBackend, 1, Int>,
        y: Option<Tensor<B::InnerBackend, 1, Int>>,
    ) -> Tensor<B::InnerBackend, 4> {
        let told = if self.conditional { y.clone() } else { None };
        let output = self.denoiser.denoise(x_t.clone(), t.clone(), told);
        let Some(y) = y else { return output };
        let (device, [_, c, ..]) = (x_t.device(), x_t.dims());
        let timesteps: Vec<usize> = t.to_data().iter::<i64>().map(|t| t as usize).collect();
        let factor = per_sample(&timesteps, &device, |t| {
            if !self.process.has_signal(t) {
                return 0.0;
            }
            -self.scale * (1.0 - self.process.alpha_cumprod(t)).sqrt() * self.output_per_eps(t)
        });
        let shift = self.gradient(x_t, t, y) * factor;
        let channels = output.dims()[1];
        if channels == c {
            return output + shift;
        }
        // The further channels of a learned variance stay as they are.
        let mean = output.clone().narrow(1, 0, c) + shift;
        Tensor::cat(vec![mean, output.narrow(1, c, channels - c)], 1)
    }
}

#[cfg(test)]
mod tests {
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;

    use super::*;
    use crate::{noise::indices, schedule::BetaSchedule};

    type B = Autodiff<Flex>;

    /// Logits 0 and the sum of the pixels: log p(1 | x) has the gradient 1 - p(1 | x) in every pixel.
    struct Sum;

    impl NoisyClassifier<B> for Sum {
        fn logits(&self, x_t: Tensor<B, 4>, _t: Tensor<B, 1, Int>) -> Tensor<B, 2> {
            let [n, c, h, w] = x_t.dims();
            let sum = x_t.reshape([n, c * h * w]).sum_dim(1);
            Tensor::cat(vec![sum.zeros_like(), sum], 1)
        }
    }

    /// Predicts zeros.
    struct Nothing;

    impl Denoiser<Flex> for Nothing {
        fn denoise(
            &self,
            x_t: Tensor<Flex, 4>,
            _t: Tensor<Flex, 1, Int>,
            y: Option<Tensor<Flex, 1, Int>>,
        ) -> Tensor<Flex, 4> {
            assert!(y.is_none(), "it is not conditional");
            x_t.zeros_like()
        }
    }

    #[test]
    fn the_noise_is_bent_by_the_gradient_whatever_is_predicted() {
        let device = Default::default();
        let mut process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
        let x_t = Tensor::<Flex, 4>::full([2, 1, 2, 2], 0.3, &device);
        let t = [100, 700];
        for prediction in [Prediction::Epsilon, Prediction::Sample, Prediction::VPrediction] {
            process.prediction = prediction;
            let eps = |scale: f64| {
                let guided = ClassifierGuided {
                    denoiser: &Nothing,
                    conditional: false,
                    classifier: &Sum,
                    process: &process,
                    scale,
                };
                let y = Some(indices(&[1, 1], &device));
                let output = guided.denoise(x_t.clone(), indices(&t, &device), y);
                process.predict_eps(x_t.clone(), &t, output)
            };
            let bent: Vec<f32> = (eps(2.0) - eps(0.0)).into_data().to_vec().unwrap();
            for (sample, &t) in t.iter().enumerate() {
                let p = 1.0 / (1.0 + (-1.2_f64).exp());
                let expected = -2.0 * (1.0 - process.alpha_cumprod(t)).sqrt() * (1.0 - p);
                for value in &bent[4 * sample..4 * sample + 4] {
                    assert!(
                        (f64::from(*value) - expected).abs() < 1e-4,
                        "{prediction:?}: {value} for {expected}"
                    );
                }
            }
        }
    }
}
