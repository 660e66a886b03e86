//! Training objectives of a denoiser: the simple loss of Ho et al. 2020 (equation 14), its weightings, the variational bound,
//! and the hybrid of both for a learned variance.

mod noisy_batch;
mod timesteps;
mod variational;

use burn::tensor::{Int, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    noisy_batch::{NoisyBatch, noise_ahead},
    timesteps::{TimestepSampler, TimestepSampling},
    variational::variational_terms,
};
use crate::{
    CoreError, Denoiser, GaussianDiffusion, Kernels,
    diffusion::{LogVariance, Prediction, per_sample},
};

/// How timesteps are weighted against each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Weighting {
    /// Every timestep's mean squared error of the prediction alike (Ho et al. 2020, equation 14).
    #[default]
    Simple,
    /// The weight of an error of x_0 is min(snr, gamma) (Hang et al. 2023, arXiv 2303.09556): the errors of low noise do
    /// not drown the others. At a timestep without signal (zero terminal SNR), where that is 0 and the network would never
    /// be trained at the timestep from which samples start, the error of the prediction has the weight 1, as in
    /// common training scripts for diffusers.
    MinSnr {
        /// The paper's value is 5; above 0.
        #[serde(default = "default_gamma")]
        gamma: f64,
    },
    /// The variational bound itself: T times a timestep's term is an unbiased estimate of the bits per dimension, but
    /// for the prior (Nichol & Dhariwal 2021, L_vlb).
    Vlb,
}

fn default_gamma() -> f64 {
    5.0
}

/// The loss of a training step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Objective {
    /// How timesteps are weighted.
    pub weighting: Weighting,
    /// With a learned variance: the weight of the variational bound beside the loss of the mean, which the bound leaves
    /// alone (Nichol & Dhariwal 2021, L_hybrid).
    pub vlb_weight: f64,
}

impl Default for Objective {
    fn default() -> Self {
        Self { weighting: Weighting::Simple, vlb_weight: 0.001 }
    }
}

impl Objective {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`CoreError::Config`] for the first option out of range.
    pub fn validate(&self) -> Result<(), CoreError> {
        if let Weighting::MinSnr { gamma } = self.weighting
            && !(gamma > 0.0 && gamma.is_finite())
        {
            return Err(CoreError::config("weighting.min_snr.gamma", gamma, "expected a number above 0"));
        }
        if !(self.vlb_weight >= 0.0 && self.vlb_weight.is_finite()) {
            return Err(CoreError::config("vlb_weight", self.vlb_weight, "expected a number of 0 or more"));
        }
        Ok(())
    }

    /// The mean of the losses of a batch, each with its importance weight.
    ///
    /// # Shapes
    /// - output: `[1]`
    pub fn loss<B: Kernels>(
        &self,
        denoiser: &(impl Denoiser<B> + ?Sized),
        batch: &NoisyBatch<B>,
        process: &GaussianDiffusion,
    ) -> Tensor<B, 1> {
        batch.weighted_mean(self.losses(denoiser, batch, process))
    }

    /// The loss of each image, without importance weights.
    ///
    /// # Shapes
    /// - output: `[n]`
    pub fn losses<B: Kernels>(
        &self,
        denoiser: &(impl Denoiser<B> + ?Sized),
        batch: &NoisyBatch<B>,
        process: &GaussianDiffusion,
    ) -> Tensor<B, 1> {
        let output = process.evaluate(denoiser, batch.x_t.clone(), &batch.t, batch.y.clone());
        self.losses_of(output, batch, process)
    }

    /// The losses of a denoiser's output that is already there.
    ///
    /// # Shapes
    /// - `output`: that of [`GaussianDiffusion::evaluate`]; result: `[n]`
    pub fn losses_of<B: Kernels>(
        &self,
        output: Tensor<B, 4>,
        batch: &NoisyBatch<B>,
        process: &GaussianDiffusion,
    ) -> Tensor<B, 1> {
        let (prediction, log_variance) = process.split(batch.x_0.dims()[1], &batch.t, output);
        let bound = |prediction: Tensor<B, 4>, log_variance: &LogVariance<B>| {
            let x_0 = process.predict_x_0(batch.x_t.clone(), &batch.t, prediction);
            let steps = process.timesteps() as f64;
            variational_terms(process, batch, x_0, log_variance).mul_scalar(steps)
        };
        if self.weighting == Weighting::Vlb {
            return bound(prediction, &log_variance);
        }
        let target = process.target(batch.x_0.clone(), &batch.t, batch.eps.clone());
        let losses = self.weigh(squared_error(prediction.clone(), target), &batch.t, process);
        match log_variance {
            LogVariance::Fixed(_) => losses,
            learned @ LogVariance::Learned(_) => {
                losses + bound(prediction.detach(), &learned).mul_scalar(self.vlb_weight)
            }
        }
    }

    /// The squared errors of predictions, each with the weight of its timestep. [`Weighting::Vlb`] weighs no such error, and
    /// leaves them as they are.
    ///
    /// # Shapes
    /// - `errors`: `[n]`, `t`: n timesteps; output: `[n]`
    pub fn weigh<B: Kernels>(
        &self,
        errors: Tensor<B, 1>,
        t: &[usize],
        process: &GaussianDiffusion,
    ) -> Tensor<B, 1> {
        let Weighting::MinSnr { gamma } = self.weighting else { return errors };
        let device = errors.device();
        let weights = per_sample::<B>(t, &device, |t| min_snr_weight(process, t, gamma));
        errors * weights.reshape([t.len()])
    }
}

/// The weight of the squared error of what the process predicts, such that the error of x_0 has min(snr, gamma); 1 without
/// signal.
fn min_snr_weight(process: &GaussianDiffusion, t: usize, gamma: f64) -> f64 {
    if !process.has_signal(t) {
        return 1.0;
    }
    let snr = process.snr(t);
    match process.prediction {
        Prediction::Epsilon => snr.min(gamma) / snr,
        Prediction::Sample => snr.min(gamma),
        Prediction::VPrediction => snr.min(gamma) / (snr + 1.0),
    }
}

/// The mean squared difference of each image.
///
/// # Shapes
/// - `a`, `b`: `[n, c, h, w]`; output: `[n]`
pub fn squared_error<B: Kernels>(a: Tensor<B, 4>, b: Tensor<B, 4>) -> Tensor<B, 1> {
    let difference = a - b;
    image_mean(difference.clone() * difference)
}

/// The mean over each image.
///
/// # Shapes
/// - `values`: `[n, c, h, w]`; output: `[n]`
fn image_mean<B: Kernels>(values: Tensor<B, 4>) -> Tensor<B, 1> {
    values.flatten::<2>(1, 3).mean_dim(1).squeeze_dim(1)
}

/// The conditions of a batch, `[n]`; none for an unconditional model.
pub type Conditions<B> = Option<Tensor<B, 1, Int>>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diffusion::{ProcessConfig, Variance},
        noise::{Key, NormalNoise, Purpose},
    };

    type B = burn_flex::Flex;

    /// Knows x_0 but for a constant, whatever it is asked to predict.
    #[derive(Debug)]
    struct OffBy(GaussianDiffusion, Tensor<B, 4>, f64);

    impl Denoiser<B> for OffBy {
        fn denoise(
            &self,
            x_t: Tensor<B, 4>,
            t: Tensor<B, 1, Int>,
            _: Option<Tensor<B, 1, Int>>,
        ) -> Tensor<B, 4> {
            let t: Vec<usize> = t.into_data().iter::<i64>().map(|t| t as usize).collect();
            let x_0 = self.1.clone() + self.2;
            let eps = self.0.eps_between(x_t, &t, x_0.clone());
            self.0.target(x_0, &t, eps)
        }
    }

    fn batch(process: &GaussianDiffusion, t: &[usize]) -> NoisyBatch<B> {
        let key = Key::new(0, Purpose::named("objective"));
        let shape = [t.len(), 1, 4, 4];
        let x_0 = (key.normal::<B>(0, shape, &Default::default()) * 40.0 + 127.0).round().clamp(0, 255);
        let eps = key.normal(50, shape, &Default::default());
        NoisyBatch::at(process, x_0 / 127.5 - 1.0, None, t.to_vec(), eps)
    }

    #[test]
    fn min_snr_weighs_the_error_of_x_0() {
        for prediction in [Prediction::Epsilon, Prediction::Sample, Prediction::VPrediction] {
            let process = ProcessConfig { prediction, ..ProcessConfig::default() }.build().unwrap();
            let batch = batch(&process, &[0, 30, 400, 900]);
            let model = OffBy(process.clone(), batch.x_0.clone(), 0.1);
            let objective = Objective { weighting: Weighting::MinSnr { gamma: 5.0 }, ..Objective::default() };
            let losses: Vec<f32> = objective.losses(&model, &batch, &process).into_data().to_vec().unwrap();
            for (&t, loss) in batch.t.iter().zip(losses) {
                let expected = process.snr(t).min(5.0) * 0.01;
                assert!((f64::from(loss) / expected - 1.0).abs() < 0.05, "{prediction:?}, t = {t}: {loss}");
            }
        }
    }

    #[test]
    fn options_out_of_range_are_refused_by_name() {
        assert!(Objective::default().validate().is_ok());
        for gamma in [0.0, -5.0, f64::NAN, f64::INFINITY] {
            let objective = Objective { weighting: Weighting::MinSnr { gamma }, ..Objective::default() };
            let told = objective.validate().unwrap_err().to_string();
            assert!(told.contains("`weighting.min_snr.gamma`"), "{told}");
        }
        let told = Objective { vlb_weight: -0.1, ..Objective::default() }.validate().unwrap_err().to_string();
        assert!(told.contains("`vlb_weight` is -0.1"), "{told}");
    }

    #[test]
    fn the_bound_as_a_loss_is_the_bound_as_a_metric() {
        let process = ProcessConfig::default().build().unwrap();
        let batch = batch(&process, &[0, 1, 10, 300]);
        let model = OffBy(process.clone(), batch.x_0.clone(), 0.005);
        let objective = Objective { weighting: Weighting::Vlb, ..Objective::default() };
        let losses: Vec<f32> = objective.losses(&model, &batch, &process).into_data().to_vec().unwrap();
        let terms =
            crate::likelihood::timestep_terms(&model, &process, &batch, crate::diffusion::Threshold::None);
        for (loss, term) in losses.into_iter().zip(terms.vlb) {
            assert!(
                (f64::from(loss) / 1000.0 - term).abs() < 1e-3 * term.abs().max(1e-3),
                "{loss} and {term}"
            );
        }
    }

    #[test]
    fn the_hybrid_loss_trains_the_variance_and_leaves_the_mean_to_the_simple_loss() {
        use burn_autodiff::Autodiff;
        type A = Autodiff<B>;
        let config = ProcessConfig { variance: Variance::LearnedRange, ..ProcessConfig::default() };
        let process = config.build().unwrap();
        let key = Key::new(3, Purpose::named("hybrid"));
        let device = Default::default();
        let x_0 = key.normal::<A>(0, [2, 1, 2, 2], &device).clamp(-1.0, 1.0);
        let batch = NoisyBatch::at(&process, x_0, None, vec![20, 700], key.normal(9, [2, 1, 2, 2], &device));
        let output = key.normal::<A>(99, [2, 2, 2, 2], &device).require_grad();
        let gradient = |objective: Objective| {
            let loss = objective.losses_of(output.clone(), &batch, &process).mean();
            output.grad(&loss.backward()).unwrap()
        };
        let hybrid = gradient(Objective::default());
        let simple = gradient(Objective { vlb_weight: 0.0, ..Objective::default() });
        let mean = |g: &Tensor<B, 4>| g.clone().narrow(1, 0, 1);
        let variance = |g: &Tensor<B, 4>| g.clone().narrow(1, 1, 1);
        assert_eq!(mean(&hybrid).into_data(), mean(&simple).into_data());
        assert!(variance(&hybrid).abs().min().into_scalar() > 0.0);
        assert_eq!(variance(&simple).abs().max().into_scalar(), 0.0);
    }
}
