//! Losses of single images along the timesteps, from which means, standard errors and paired differences follow.

use serde::{Deserialize, Serialize};

use super::numbers;

/// A loss in bins of timesteps, for each image of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BinnedLosses {
    /// `[bin][image]`: the sum over the bin's timesteps.
    #[serde(with = "numbers::lists")]
    sums: Vec<Vec<f64>>,
    /// `[image]`: the sum over the timesteps whose signal-to-noise ratio is at least 1.
    #[serde(with = "numbers::list")]
    clear: Vec<f64>,
}

impl BinnedLosses {
    /// Nothing yet, for a number of bins and of images.
    pub(super) fn zeros(bins: usize, images: usize) -> Self {
        Self { sums: vec![vec![0.0; images]; bins], clear: vec![0.0; images] }
    }

    /// Adds the images' losses, each at a timestep of its own that stands for `weight` timesteps; `clear` are the images
    /// whose timestep has a signal-to-noise ratio of at least 1.
    pub(super) fn add(&mut self, bin: usize, weight: f64, clear: &[bool], losses: &[f64]) {
        let images = self.sums[bin].iter_mut().zip(&mut self.clear);
        for (((sum, clear_sum), loss), clear) in images.zip(losses).zip(clear) {
            *sum += weight * loss;
            if *clear {
                *clear_sum += weight * loss;
            }
        }
    }

    /// The number of bins.
    pub fn bins(&self) -> usize {
        self.sums.len()
    }

    /// The sums over a bin's timesteps, of each image.
    pub fn bin(&self, bin: usize) -> &[f64] {
        &self.sums[bin]
    }

    /// The sums over the timesteps with a signal-to-noise ratio of at least 1, of each image.
    pub fn clear(&self) -> &[f64] {
        &self.clear
    }

    /// The sums over all timesteps, of each image.
    pub fn totals(&self) -> Vec<f64> {
        (0..self.clear.len()).map(|i| self.sums.iter().map(|bin| bin[i]).sum()).collect()
    }

    /// The mean over images of each bin's sum.
    pub fn means(&self) -> Vec<f64> {
        self.sums.iter().map(|bin| mean(bin)).collect()
    }

    /// The standard error of each of the [`means`](Self::means) over images; none for one image.
    pub fn standard_errors(&self) -> Vec<Option<f64>> {
        self.sums.iter().map(|bin| standard_error(bin)).collect()
    }
}

/// The mean of some numbers; NaN of none.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard error of their mean; none for fewer than two.
pub(super) fn standard_error(values: &[f64]) -> Option<f64> {
    let (n, centre) = (values.len() as f64, mean(values));
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_means_and_errors_of_a_hand_worked_case() {
        let mut losses = BinnedLosses::zeros(2, 2);
        losses.add(0, 1.0, &[true, true], &[1.0, 3.0]);
        losses.add(0, 2.0, &[true, false], &[1.0, 2.0]);
        losses.add(1, 3.0, &[false, false], &[2.0, 2.0]);
        assert_eq!(losses.bin(0), [3.0, 7.0]);
        assert_eq!(losses.means(), [5.0, 6.0]);
        assert_eq!((losses.clear(), losses.totals()), (&[3.0, 3.0][..], vec![9.0, 13.0]));
        // Deviations of 2 on each side: sqrt(8 / 1 / 2).
        assert_eq!(losses.standard_errors(), [Some(2.0), Some(0.0)]);
        assert_eq!(standard_error(&[1.0]), None);
    }
}
