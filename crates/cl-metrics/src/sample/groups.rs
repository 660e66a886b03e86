//! The delete-group jackknife (Kott 2001; Quenouille 1949): the standard error of a number from what it is without each
//! of some groups of samples.
//!
//! Groups are drawn with a key from the positions of the samples: a value does not depend on the order of the samples,
//! its standard error depends on it through the groups. Exact to first order in 1 / sqrt(N); for a number that is curved
//! in the samples it is too large rather than too small (Efron & Stein 1981).

use keyed_random::{Key, Purpose};
use rand::seq::SliceRandom;

use super::SEED;

const GROUPS: Purpose = Purpose::named("groups of the jackknife");

/// The most groups.
pub(super) const MOST: usize = 20;

/// Samples in groups of almost equal size.
#[derive(Debug)]
pub(super) struct Groups {
    of: Vec<usize>,
    count: usize,
}

impl Groups {
    /// `n` samples in [`MOST`] groups, or each in its own.
    pub(super) fn new(n: usize) -> Self {
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut Key::new(SEED, GROUPS).rng(n as u64));
        let count = n.min(MOST);
        let mut of = vec![0; n];
        order.into_iter().enumerate().for_each(|(place, i)| of[i] = place % count);
        Self { of, count }
    }

    /// The number of groups.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The group of a sample.
    pub(super) fn of(&self, sample: usize) -> usize {
        self.of[sample]
    }

    /// The samples that are left without the largest group.
    pub(super) fn fewest_left(&self) -> usize {
        self.of.len() - self.of.len().div_ceil(self.count.max(1))
    }

    /// The standard error of a number that has these values without each of the groups; none with one group.
    pub(super) fn standard_error(&self, without: &[f64]) -> Option<f64> {
        let count = self.count as f64;
        (self.count > 1).then(|| ((count - 1.0) / count * squared_deviations(without)).sqrt())
    }
}

/// The standard error of the mean of some samples' values; none below two.
pub(super) fn standard_error_of_mean(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    (values.len() > 1).then(|| (squared_deviations(values) / (n - 1.0) / n).sqrt())
}

/// The sum of squared deviations from the mean: exactly 0 for equal values, of which a mean may be rounded.
pub(super) fn squared_deviations(values: &[f64]) -> f64 {
    let Some(first) = values.first() else { return 0.0 };
    let mean = values.iter().map(|value| value - first).sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - first - mean).powi(2)).sum()
}

/// The standard error of a share of `n` independent samples, unbiased in its square; none below two.
pub(super) fn standard_error_of_share(share: f64, n: usize) -> Option<f64> {
    (n > 1).then(|| (share * (1.0 - share) / (n - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_even_and_follow_no_period_of_the_samples() {
        let groups = Groups::new(205);
        assert_eq!((groups.count(), groups.fewest_left()), (20, 194));
        let sizes = |of: &dyn Fn(usize) -> bool| {
            let mut sizes = vec![0; 20];
            (0..205).filter(|&i| of(i)).for_each(|i| sizes[groups.of(i)] += 1);
            sizes
        };
        assert!(sizes(&|_| true).iter().all(|size| *size == 10 || *size == 11));
        // Every 20th sample: one group would have them all.
        assert!(*sizes(&|i| i % 20 == 0).iter().max().unwrap() < 6);
        assert_eq!(Groups::new(7).count(), 7);
        assert_eq!(Groups::new(0).count(), 0);
    }

    /// Of a mean, with groups of one size, the jackknife is the formula of the textbook over the groups' means.
    #[test]
    fn of_a_mean_it_is_the_usual_standard_error() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let groups = Groups::new(8);
        let without: Vec<f64> = (0..8)
            .map(|g| (0..8).filter(|&i| groups.of(i) != g).map(|i| values[i]).sum::<f64>() / 7.0)
            .collect();
        let expected = standard_error_of_mean(&values).unwrap();
        assert!((groups.standard_error(&without).unwrap() - expected).abs() < 1e-12);
        assert_eq!(Groups::new(1).standard_error(&[2.0]), None);
        let halves = standard_error_of_mean(&[0.0, 0.0, 1.0, 1.0]);
        assert_eq!(standard_error_of_share(0.5, 4), halves);
        assert_eq!(standard_error_of_share(0.5, 1), None);
        assert_eq!(standard_error_of_mean(&[0.1; 7]), Some(0.0));
    }
}
