//! How far a model's answer at a noisy image is from a teacher's.
//!
//! Without a weighting it is |prediction - prediction of the teacher|^2, as in Masip et al. 2023 (arXiv 2311.14028, equation
//! 4), every timestep alike. With the objective's weighting it is the objective that the model is trained on, with the
//! teacher's answer in the place of the truth: each timestep's error has the weight that it has there (min-SNR,
//! Hang et al. 2023, arXiv 2303.09556), and of the variational bound it is T KL(p_teacher(x_{t-1} | x_t) || p(x_{t-1} | x_t)).
//! Deviation from `MinSNRLoss` of Atenrev/diffusion_continual_learning, where the mean weight of a batch multiplies its mean
//! error: each error has its own weight.
//!
//! With a learned variance the network answers with further channels. They are held to the teacher's as well if
//! `variance_channels` says so: by their squared difference or, with the objective's weighting, by its own term for the
//! variance, `vlb_weight` times that divergence, to which the mean is a constant (Nichol & Dhariwal 2021, L_hybrid).

use burn::tensor::Tensor;
use ddpm_core::{
    GaussianDiffusion, Kernels, Objective,
    diffusion::{Denoised, LogVariance, Variance},
    objective::{Weighting, squared_error},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{super::Setting, posterior::divergence};
use crate::StrategyError;

/// How timesteps are weighted against each other in a distillation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DistillationWeighting {
    /// Every timestep's squared difference of the predictions alike.
    #[default]
    None,
    /// As the training's objective weighs them.
    Objective,
}

/// The parts of a teacher's output that a model is trained to match.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Distillation {
    /// The weights of timesteps.
    pub weighting: DistillationWeighting,
    /// Whether the channels of a learned variance are distilled.
    pub variance_channels: bool,
}

impl Distillation {
    /// Checks that there are channels of the variance where they are to be distilled.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for a process of a fixed variance.
    pub fn check_setting(self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        if !self.variance_channels || setting.process.variance == Variance::LearnedRange {
            return Ok(());
        }
        let expected = "expected false, or `learned_range` as the process's `variance`: without it the network has no such \
                        channels";
        Err(StrategyError::config("variance_channels", true, expected))
    }

    /// The part of a teacher's output that has to be kept for it.
    ///
    /// # Shapes
    /// - `output`: that of [`GaussianDiffusion::evaluate`]; result: the same, or its first `channels` channels
    pub fn kept<B: Kernels>(
        self,
        objective: &Objective,
        channels: usize,
        output: Tensor<B, 4>,
    ) -> Tensor<B, 4> {
        if self.variance_channels || self.bounds(objective) { output } else { predicted(channels, output) }
    }

    /// The difference of each image, `[n]`, without importance weights.
    ///
    /// # Shapes
    /// - `x_t`: `[n, c, h, w]`, `t`: n timesteps; `target`: what is [kept](Self::kept) of the teacher's output, `output`: the
    ///   model's
    pub fn losses<B: Kernels>(
        self,
        (process, objective): (&GaussianDiffusion, &Objective),
        (x_t, t): (&Tensor<B, 4>, &[usize]),
        [target, output]: [Tensor<B, 4>; 2],
    ) -> Tensor<B, 1> {
        let channels = x_t.dims()[1];
        let steps = process.timesteps() as f64;
        if self.bounds(objective) {
            let both = [target, output].map(|output| process.interpret(x_t.clone(), t, output));
            let both = if self.variance_channels { both } else { with_variance_of_first(both) };
            return divergence(process, x_t, t, both).mul_scalar(steps);
        }
        let [of_teacher, prediction] = [&target, &output].map(|output| predicted(channels, output.clone()));
        let errors = squared_error(prediction, of_teacher);
        let weighted = self.weighting == DistillationWeighting::Objective;
        let errors = if weighted { objective.weigh(errors, t, process) } else { errors };
        if !self.variance_channels {
            return errors;
        }
        if !weighted {
            let [of_teacher, variance] = [target, output].map(|output| output.narrow(1, channels, channels));
            return errors + squared_error(variance, of_teacher);
        }
        let [first, second] = [target, output].map(|output| process.interpret(x_t.clone(), t, output));
        let second = Denoised { x_0: second.x_0.detach(), ..second };
        errors + divergence(process, x_t, t, [first, second]).mul_scalar(steps * objective.vlb_weight)
    }

    /// Whether it is the divergence of the models' next steps.
    fn bounds(self, objective: &Objective) -> bool {
        self.weighting == DistillationWeighting::Objective && objective.weighting == Weighting::Vlb
    }
}

/// The prediction in a network's output.
fn predicted<B: Kernels>(channels: usize, output: Tensor<B, 4>) -> Tensor<B, 4> {
    if output.dims()[1] == channels { output } else { output.narrow(1, 0, channels) }
}

/// The second answer with the log-variance of the first.
pub(crate) fn with_variance_of_first<B: Kernels>([first, second]: [Denoised<B>; 2]) -> [Denoised<B>; 2] {
    let log_variance: LogVariance<B> = first.log_variance.clone();
    [first, Denoised { log_variance, ..second }]
}
