//! How the losses on current and on rehearsed images become one.

use burn::tensor::Tensor;
use ddpm_core::TrainBackend;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AddedLoss;

/// How the losses on current and on rehearsed images become one. In a composition the loss on the current batch alone is
/// shared or concatenated with; other terms keep their weights.
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
    /// Gives the addition of a loss on rehearsed images, and the share that it leaves to the loss on the current ones.
    ///
    /// # Shapes
    /// - `replayed`: `[1]`, the mean of `counts.1` images beside `counts.0` current ones
    pub(crate) fn added<B: TrainBackend>(
        self,
        replayed: Tensor<B, 1>,
        coefficient: f64,
        experience: usize,
        counts: (usize, usize),
    ) -> AddedLoss<B> {
        let (share, weight) = match self {
            Self::TwoMeans => (1.0, coefficient),
            Self::Concatenated => {
                let (n, m) = (counts.0 as f64, counts.1 as f64 * coefficient);
                (n / (n + m), m / (n + m))
            }
            Self::TaskShares => {
                let share = 1.0 / (experience as f64 + 1.0);
                (share, (1.0 - share) * coefficient)
            }
        };
        AddedLoss { loss: replayed.mul_scalar(weight), share }
    }
}

#[cfg(test)]
mod tests {
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;

    use super::*;

    /// A current loss of 10 on 6 images, one of 100 on 2 rehearsed ones that count half, in the third experience.
    #[test]
    fn losses_are_mixed_as_they_are_described() {
        let loss = |value: f32| Tensor::<Autodiff<Flex>, 1>::from_floats([value], &Default::default());
        for (mixing, expected) in [
            (Mixing::TwoMeans, 10.0 + 0.5 * 100.0),
            (Mixing::Concatenated, (6.0 * 10.0 + 0.5 * 2.0 * 100.0) / (6.0 + 0.5 * 2.0)),
            (Mixing::TaskShares, 10.0 / 3.0 + 2.0 / 3.0 * 0.5 * 100.0),
        ] {
            let found = mixing.added(loss(100.0), 0.5, 2, (6, 2)).to(loss(10.0)).into_scalar();
            assert!((f64::from(found) - expected).abs() < 1e-4, "{mixing:?}: {found} instead of {expected}");
        }
    }
}
