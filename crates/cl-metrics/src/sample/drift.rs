//! Drift of samples from the same noise between two models: how far each picture moved, not whether the pictures as a set
//! are still good. With the noise, the class and the sampler fixed, all that changes is the model. A deterministic sampler
//! needs its first noise alone to be the same; an ancestral one that of every step.
//!
//! The relative drift compares the change with that between samples from different noise, a before and b after:
//!
//! relative = mean_i |a_i - b_i|^2 / mean_{i != j} |a_i - b_j|^2
//!
//! 0: the same pictures; 1: the noise says no more of the picture than other noise does, though the distribution may be the
//! same. It depends on N by its error alone.

use serde::{Deserialize, Serialize};

use crate::{MetricError, features::FeatureMatrix};

/// How far samples moved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SampleDrift {
    /// N: pairs of samples.
    pub samples: usize,
    /// The mean over pairs of the root mean squared change of a pixel, as a part of the range: 0 the same, 1 black became
    /// white.
    pub distance: f64,
    /// Its standard error over pairs; none for one pair.
    pub distance_error: Option<f64>,
    /// The relative drift; none for one pair, or samples that are all the same.
    pub relative: Option<f64>,
    /// Its standard error, by the jackknife over pairs; none below three pairs.
    pub relative_error: Option<f64>,
}

/// The drift from `before` to `after`, both `[n, pixels]`: the rows i of both come from the same noise (and class). `range`
/// is the width of the data range: 2 for images in [-1, 1].
///
/// # Errors
/// [`MetricError::TooFew`] without samples or with other numbers of them, [`MetricError::Width`] for images of different
/// sizes.
pub fn sample_drift(
    before: &FeatureMatrix,
    after: &FeatureMatrix,
    range: f64,
) -> Result<SampleDrift, MetricError> {
    let (n, width) = (before.rows(), before.width());
    if n == 0 || after.rows() != n {
        return Err(MetricError::TooFew { metric: "drift", needed: n.max(1), found: after.rows() });
    }
    if width != after.width() {
        return Err(MetricError::Width { a: width, b: after.width() });
    }
    let moved: Vec<f64> = (0..n).map(|i| squared_distance(before.row(i), after.row(i))).collect();
    let distances: Vec<f64> = moved.iter().map(|sum| (sum / width as f64).sqrt() / range).collect();
    let (distance, distance_error) = mean_and_error(&distances);
    let unpaired = Unpaired::of(before, after, &moved);
    Ok(SampleDrift {
        samples: n,
        distance,
        distance_error,
        relative: unpaired.relative(),
        relative_error: unpaired.relative_error(),
    })
}

/// The squared distances between samples of different noise, by their sums.
struct Unpaired {
    /// |a_i - b_i|^2
    moved: Vec<f64>,
    /// The sum over j != i of |a_i - b_j|^2 + |a_j - b_i|^2: the pairs that go when sample i is left out.
    with: Vec<f64>,
    /// The sum over all i != j of |a_i - b_j|^2.
    all: f64,
}

impl Unpaired {
    /// In time and memory linear in N: the sum over j of |a_i - b_j|^2 follows from the sums of b_j and |b_j|^2.
    fn of(before: &FeatureMatrix, after: &FeatureMatrix, moved: &[f64]) -> Self {
        let n = before.rows();
        let (sum_a, sum_b) = (column_sums(before), column_sums(after));
        let norms = |m: &FeatureMatrix| -> Vec<f64> { (0..n).map(|i| dot(m.row(i), m.row(i))).collect() };
        let (norms_a, norms_b) = (norms(before), norms(after));
        let (all_a, all_b): (f64, f64) = (norms_a.iter().sum(), norms_b.iter().sum());
        let product = |row: &[f32], sums: &[f64]| -> f64 {
            row.iter().zip(sums).map(|(value, sum)| f64::from(*value) * sum).sum()
        };
        let to_all = |norm: f64, others: f64, row: &[f32], sums: &[f64]| {
            n as f64 * norm + others - 2.0 * product(row, sums)
        };
        let from_a = |i: usize| to_all(norms_a[i], all_b, before.row(i), &sum_b) - moved[i];
        let from_b = |i: usize| to_all(norms_b[i], all_a, after.row(i), &sum_a) - moved[i];
        let with = (0..n).map(|i| from_a(i) + from_b(i)).collect();
        Self { moved: moved.to_vec(), with, all: (0..n).map(from_a).sum() }
    }

    fn relative(&self) -> Option<f64> {
        let n = self.moved.len() as f64;
        ratio(self.moved.iter().sum(), self.all, n)
    }

    fn relative_error(&self) -> Option<f64> {
        let n = self.moved.len();
        if n < 3 {
            return None;
        }
        let moved: f64 = self.moved.iter().sum();
        let without = |i: usize| ratio(moved - self.moved[i], self.all - self.with[i], (n - 1) as f64);
        let left: Vec<f64> = (0..n).map(without).collect::<Option<_>>()?;
        let mean = left.iter().sum::<f64>() / n as f64;
        let squares: f64 = left.iter().map(|value| (value - mean).powi(2)).sum();
        Some((squares * (n - 1) as f64 / n as f64).sqrt())
    }
}

/// The mean of n pairs over the mean of the n (n - 1) others.
fn ratio(moved: f64, others: f64, n: f64) -> Option<f64> {
    let mean = others / (n * (n - 1.0));
    // Rounding of f64 sums leaves about this much of nothing.
    (n > 1.0 && mean > 1e-9).then(|| moved / n / mean)
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

fn column_sums(matrix: &FeatureMatrix) -> Vec<f64> {
    let mut sums = vec![0.0; matrix.width()];
    for i in 0..matrix.rows() {
        sums.iter_mut().zip(matrix.row(i)).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums
}

fn mean_and_error(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    fn matrix(rows: &[[f32; 2]]) -> FeatureMatrix {
        FeatureMatrix::new(2, rows.concat()).unwrap()
    }

    #[test]
    fn a_hand_worked_case() {
        let before = matrix(&[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]);
        let after = matrix(&[[0.0, 0.0], [1.0, 1.0], [0.0, 3.0]]);
        let found = sample_drift(&before, &after, 2.0).unwrap();
        // Changes of 0, 1 and 2 in one of two pixels: 0, 1 and 2 times sqrt(1/2) / 2, with a deviation of one of that.
        let one = 0.5_f64.sqrt() / 2.0;
        assert!((found.distance - one).abs() < 1e-12);
        assert!((found.distance_error.unwrap() - one / 3.0_f64.sqrt()).abs() < 1e-12);
        // Squared distances of the six other pairs 2, 9, 1, 10, 1, 1: a mean of 4. Of the three: 5 / 3.
        assert!((found.relative.unwrap() - 5.0 / 12.0).abs() < 1e-12);
        // Left out one by one: (5 / 2) / (11 / 2), (4 / 2) / (10 / 2), (1 / 2) / (3 / 2).
        let left = [5.0 / 11.0, 2.0 / 5.0, 1.0 / 3.0];
        let mean = left.iter().sum::<f64>() / 3.0;
        let squares: f64 = left.iter().map(|value| (value - mean).powi(2)).sum();
        assert!((found.relative_error.unwrap() - (squares * 2.0 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(found.samples, 3);
    }

    #[test]
    fn the_same_pictures_have_none_and_others_all_of_it() {
        let a = gaussian_rows(400, 16, 0.5, 0.0, 1);
        let same = sample_drift(&a, &a, 2.0).unwrap();
        assert_eq!((same.distance, same.relative), (0.0, Some(0.0)));
        // Other noise, the same distribution: within five standard errors of 1, though no metric of a set sees it.
        let other = sample_drift(&a, &gaussian_rows(400, 16, 0.5, 0.0, 2), 2.0).unwrap();
        let (relative, error) = (other.relative.unwrap(), other.relative_error.unwrap());
        assert!((relative - 1.0).abs() < 5.0 * error && error < 0.05, "{relative} {error}");
    }

    #[test]
    fn one_pair_has_a_distance_alone_and_misfits_are_refused() {
        let (a, b) = (matrix(&[[0.0, 0.0]]), matrix(&[[2.0, 2.0]]));
        let found = sample_drift(&a, &b, 2.0).unwrap();
        assert_eq!((found.distance, found.distance_error, found.relative), (1.0, None, None));
        // All black before and after: nothing to compare with.
        let black = matrix(&[[-1.0, -1.0]; 4]);
        assert_eq!(sample_drift(&black, &black, 2.0).unwrap().relative, None);
        assert!(sample_drift(&black, &a, 2.0).is_err());
        assert!(sample_drift(&a, &FeatureMatrix::new(1, vec![0.0]).unwrap(), 2.0).is_err());
    }
}
