//! The likelihood quantities: losses with an evaluation matrix, and losses along the timesteps.

use cl_metrics::likelihood::{Change, TimestepForgetting, TimestepProfile};

/// A loss with an evaluation matrix. It is measured on every task, seen or not, and of the untrained model too. Smaller
/// is better.
#[derive(Debug, Clone, Copy)]
pub struct MatrixLoss {
    /// The key in `matrices`.
    pub name: &'static str,
    /// The unit.
    pub unit: &'static str,
    /// One sentence without a full stop.
    pub meaning: &'static str,
    /// The loss on a task.
    pub of: fn(&TimestepProfile) -> f64,
    /// Its standard error over images; none where it is not estimated.
    pub error: Option<fn(&TimestepProfile) -> Option<f64>>,
}

/// Every loss with an evaluation matrix.
pub const MATRIX_LOSSES: [MatrixLoss; 2] = [
    MatrixLoss {
        name: "bpd",
        unit: "bits/dim",
        meaning: "bits per dimension: the prior term and the sum of the bound's terms over the timesteps",
        of: TimestepProfile::bits_per_dimension,
        error: Some(TimestepProfile::bits_standard_error),
    },
    MatrixLoss {
        name: "denoising_loss",
        unit: "squared error",
        meaning: "mean squared error of the noise over all timesteps",
        of: TimestepProfile::mean_denoising_loss,
        error: None,
    },
];

/// A loss along the timesteps, bin by bin: a field of [`TimestepResult`](crate::results::TimestepResult). Smaller is
/// better.
#[derive(Debug, Clone, Copy)]
pub struct TimestepLoss {
    /// The key in `timestep`.
    pub name: &'static str,
    /// The unit.
    pub unit: &'static str,
    /// One sentence without a full stop.
    pub meaning: &'static str,
    /// Its standard errors over images, in each bin.
    pub errors: fn(&TimestepProfile) -> Vec<Option<f64>>,
    /// How it changed since the task was learned.
    pub change: fn(&TimestepForgetting) -> &Change,
}

/// Every loss along the timesteps.
pub const TIMESTEP_LOSSES: [TimestepLoss; 2] = [
    TimestepLoss {
        name: "denoising_loss",
        unit: "squared error",
        meaning: "mean squared error of the noise, averaged over the bin's timesteps",
        errors: TimestepProfile::denoising_standard_errors,
        change: |forgetting| &forgetting.eps,
    },
    TimestepLoss {
        name: "vlb",
        unit: "bits/dim",
        meaning: "contribution of the bin to the bits per dimension, summed over its timesteps",
        errors: |profile| profile.vlb.standard_errors(),
        change: |forgetting| &forgetting.vlb,
    },
];
