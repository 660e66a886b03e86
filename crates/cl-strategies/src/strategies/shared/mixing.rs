//! How the losses on current and on rehearsed images become one.

use burn::tensor::Tensor;
use ddpm_core::TrainBackend;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the losses on current and on stored images become one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mixing {
    /// `L + lambda L_buffer`, the mean over each batch (Chaudhry et al. 2019, arXiv 1902.10486).
    #[default]
    TwoMeans,
    /// The mean over both batches as one, an image of the buffer counting lambda times.
    Concatenated,
    /// `L / k + (1 - 1/k) lambda L_buffer` in the k-th experience, so that each has its share (Shin et al. 2017, arXiv
    /// 1705.08690, equation 3).
    TaskShares,
}

impl Mixing {
    /// The one loss.
    ///
    /// # Shapes
    /// - `current`, `replayed`: `[1]`, the mean of `counts.0` and `counts.1` images; output: `[1]`
    pub(crate) fn mix<B: TrainBackend>(
        self,
        current: Tensor<B, 1>,
        replayed: Tensor<B, 1>,
        coefficient: f64,
        experience: usize,
        counts: (usize, usize),
    ) -> Tensor<B, 1> {
        let (a, b) = match self {
            Self::TwoMeans => return current + replayed.mul_scalar(coefficient),
            Self::Concatenated => {
                let (n, m) = (counts.0 as f64, counts.1 as f64 * coefficient);
                (n / (n + m), m / (n + m))
            }
            Self::TaskShares => {
                let share = 1.0 / (experience as f64 + 1.0);
                (share, (1.0 - share) * coefficient)
            }
        };
        current.mul_scalar(a) + replayed.mul_scalar(b)
    }
}
