//! Drift: how far a model's samples have moved from those that an earlier model drew from the same noise.
//!
//! The distance of two images is their root mean squared difference over pixels and channels, in units of the data range (0
//! for equal images, 1 for black and white). The drift is its mean over samples. Relative to it stands the mean
//! distance of two *unrelated* samples of the earlier model, over all pairs: a relative drift of 0 is no change, one of 1
//! says that a sample has no more to do with its predecessor than with any other. The relative drift can exceed 1, where
//! samples also leave the range that the earlier ones spanned.
//!
//! Drift is no forgetting: a model that draws as good images of the same class from the same noise drifts too. It needs
//! a deterministic sampler, or one whose noise is the same too, and samples asked for by the same conditions.
//! The mean distance is unbiased for any number of samples; the ratio of two means has a bias of order 1/N, well below
//! its standard error. There is no reference implementation.

use serde::{Deserialize, Serialize};

use super::{neighbours::check_widths, pairs::fold_squared_distances};
use crate::{MetricError, features::FeatureMatrix};

/// How far samples have moved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SampleDrift {
    /// N, the pairs of samples.
    pub samples: usize,
    /// The mean root mean squared difference of a sample from its predecessor, in units of the data range.
    pub distance: f64,
    /// Its standard error over samples; none for one sample.
    pub distance_error: Option<f64>,
    /// The mean distance divided by that of two unrelated samples of the earlier model; none for fewer than two samples,
    /// and where all earlier samples are equal.
    pub relative: Option<f64>,
    /// Its standard error over samples, by the jackknife; none for fewer than three samples.
    pub relative_error: Option<f64>,
}

/// The drift from the samples `before` to the samples `after`, whose rows i were drawn from the same noise under the same
/// condition; `range` is the width of the data range, 2 for pixels in [-1, 1].
///
/// # Errors
/// [`MetricError::TooFew`] for no samples, [`MetricError::Width`] for images of different sizes, [`MetricError::Set`] for
/// different numbers of samples, [`MetricError::Config`] for a range that is none.
pub fn sample_drift(
    before: &FeatureMatrix,
    after: &FeatureMatrix,
    range: f64,
) -> Result<SampleDrift, MetricError> {
    check(before, after, range)?;
    let (n, scale) = (before.rows(), range * (before.width() as f64).sqrt());
    let moved: Vec<f64> = (0..n).map(|i| distance(before.row(i), after.row(i)) / scale).collect();
    // For each sample, the sum of its distances to all.
    let apart =
        fold_squared_distances(before, before, || 0.0, |sum: &mut f64, _, _, squared| *sum += squared.sqrt());
    let apart: Vec<f64> = apart.into_iter().map(|sum| sum / scale).collect();
    let unrelated = apart.iter().sum::<f64>() / (n * n.saturating_sub(1)) as f64;
    let mean = moved.iter().sum::<f64>() / n as f64;
    let relative = (n > 1 && unrelated > 0.0).then(|| mean / unrelated);
    Ok(SampleDrift {
        samples: n,
        distance: mean,
        distance_error: standard_error(&moved),
        relative,
        relative_error: relative.and_then(|_| jackknife(&moved, &apart)),
    })
}

fn check(before: &FeatureMatrix, after: &FeatureMatrix, range: f64) -> Result<(), MetricError> {
    check_widths(before, after)?;
    if before.rows() != after.rows() {
        let problem = format!("{} samples cannot be paired with {}", before.rows(), after.rows());
        return Err(MetricError::Set { name: "samples".into(), problem });
    }
    if before.rows() == 0 {
        return Err(MetricError::TooFew { metric: "drift", needed: 1, found: 0 });
    }
    if range > 0.0 && range.is_finite() {
        return Ok(());
    }
    Err(MetricError::config("range", range, "expected a number above 0"))
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum::<f64>().sqrt()
}

fn standard_error(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt())
}

/// The standard error of mean(moved) / mean distance of pairs, from the ratios without one sample each; none for fewer
/// than three samples, and where without one sample all others are equal.
fn jackknife(moved: &[f64], apart: &[f64]) -> Option<f64> {
    let n = moved.len() as f64;
    let (all_moved, all_apart) = (moved.iter().sum::<f64>(), apart.iter().sum::<f64>());
    // The sums over ordered pairs without sample i lack its row and its column.
    let without = |(moved, apart): (&f64, &f64)| {
        (all_moved - moved) / (n - 1.0) / ((all_apart - 2.0 * apart) / ((n - 1.0) * (n - 2.0)))
    };
    let ratios: Vec<f64> = moved.iter().zip(apart).map(without).collect();
    let mean = ratios.iter().sum::<f64>() / n;
    let squares: f64 = ratios.iter().map(|r| (r - mean).powi(2)).sum();
    (moved.len() > 2 && squares.is_finite()).then(|| ((n - 1.0) / n * squares).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn the_drift_of_a_hand_worked_case() {
        let before = FeatureMatrix::new(2, vec![0.0, 0.0, 2.0, 2.0, 0.0, 2.0]).unwrap();
        let after = FeatureMatrix::new(2, vec![0.0, 0.0, 2.0, 0.0, 2.0, 2.0]).unwrap();
        let drift = sample_drift(&before, &after, 2.0).unwrap();
        // Distances 0, r and r with r = sqrt(1 / 2); unrelated pairs are at 1, r and r.
        let r = 0.5_f64.sqrt();
        let near = |found: Option<f64>, expected: f64| (found.unwrap() - expected).abs() < 1e-12;
        assert_eq!(drift.samples, 3);
        assert!(near(Some(drift.distance), 2.0 * r / 3.0));
        assert!(near(drift.distance_error, (1.0_f64 / 18.0).sqrt()));
        assert!(near(drift.relative, 2.0 - 2.0_f64.sqrt()));
        // Without one sample each, the ratio is 1, 1 / 2 and r / 2.
        let ratios = [1.0, 0.5, r / 2.0];
        let mean = ratios.iter().sum::<f64>() / 3.0;
        let squares: f64 = ratios.iter().map(|v| (v - mean).powi(2)).sum();
        assert!(near(drift.relative_error, (squares * 2.0 / 3.0).sqrt()));
        assert!((drift.relative_error.unwrap() - 0.391_4).abs() < 1e-4);
    }

    #[test]
    fn equal_samples_have_not_moved_and_unrelated_ones_have_moved_by_1() {
        let (before, other) = (gaussian_rows(150, 40, 0.5, 0.1, 1), gaussian_rows(150, 40, 0.5, 0.1, 2));
        let still = sample_drift(&before, &before, 2.0).unwrap();
        assert_eq!((still.distance, still.relative, still.relative_error), (0.0, Some(0.0), Some(0.0)));
        let moved = sample_drift(&before, &other, 2.0).unwrap();
        let (relative, error) = (moved.relative.unwrap(), moved.relative_error.unwrap());
        assert!((relative - 1.0).abs() < 4.0 * error && error < 0.02, "{relative} +- {error}");
        // Two Gaussians with a standard deviation of 0.5 differ by sqrt(0.5) in the root mean square, of a range of 2.
        assert!((moved.distance - 0.5_f64.sqrt() / 2.0).abs() < 0.01, "{}", moved.distance);
    }

    #[test]
    fn the_jackknife_tells_how_far_the_ratio_varies_from_set_to_set() {
        let sets: Vec<SampleDrift> = (0..60)
            .map(|seed| {
                let (before, after) =
                    (gaussian_rows(30, 6, 1.0, 0.0, seed), gaussian_rows(30, 6, 1.0, 0.0, 100 + seed));
                sample_drift(&before, &after, 2.0).unwrap()
            })
            .collect();
        let relative: Vec<f64> = sets.iter().map(|drift| drift.relative.unwrap()).collect();
        let spread = standard_error(&relative).unwrap() * 60.0_f64.sqrt();
        let told = sets.iter().map(|drift| drift.relative_error.unwrap()).sum::<f64>() / 60.0;
        // The spread of 60 values is itself known to 9 %.
        assert!((0.65..1.5).contains(&(told / spread)), "{told} and {spread}");
    }

    #[test]
    fn sets_that_do_not_pair_are_refused_and_single_samples_have_no_errors() {
        let (two, three) = (gaussian_rows(2, 4, 1.0, 0.0, 1), gaussian_rows(3, 4, 1.0, 0.0, 1));
        assert!(matches!(sample_drift(&two, &three, 2.0), Err(MetricError::Set { .. })));
        assert!(matches!(
            sample_drift(&two, &gaussian_rows(2, 5, 1.0, 0.0, 1), 2.0),
            Err(MetricError::Width { .. })
        ));
        assert!(sample_drift(&two, &two, 0.0).is_err() && sample_drift(&two, &two, f64::NAN).is_err());
        let none = two.select(&[]);
        assert!(matches!(sample_drift(&none, &none, 2.0), Err(MetricError::TooFew { .. })));
        let one = two.select(&[0]);
        let drift = sample_drift(&one, &one, 2.0).unwrap();
        assert_eq!((drift.distance_error, drift.relative, drift.relative_error), (None, None, None));
        let drift = sample_drift(&two, &two, 2.0).unwrap();
        assert_eq!((drift.relative, drift.relative_error), (Some(0.0), None));
        // A collapsed model's samples are all one: nothing is unrelated.
        let collapsed = two.select(&[0, 0, 0]);
        assert_eq!(sample_drift(&collapsed, &three, 2.0).unwrap().relative, None);
    }
}
