//! Copies among samples: relative distances to the nearest image of a set, and the share of samples below a threshold that
//! held-out images set.
//!
//! A distance to the nearest stored or trained image says nothing by itself: blurred images are nearer to all images than
//! sharp ones, noise is further from all, and a plain image is near to many others. Relative to a neighbourhood it says
//! whether one image stands out (Carlini et al. 2023, arXiv 2301.13188, section 5.1). The authors set the threshold by
//! eye (0.5 of the mean distance to 50 neighbours); here it is set by images that cannot be copies.

use super::{groups::standard_error_of_share, pairs::fold_squared_distances};
use crate::{MetricError, features::FeatureMatrix};

/// Neighbours of an image, where there are so many (Carlini et al. 2023).
pub(super) const NEIGHBOURS: usize = 50;

/// The share of held-out images that may look like copies.
const FALSE_COPIES: f64 = 0.01;

/// Relative distances of samples, and how many of them are copies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Copies {
    /// The share of samples whose relative distance is below the threshold.
    pub share: f64,
    /// The standard error of the share, the threshold being given; none below two samples.
    pub standard_error: Option<f64>,
    /// The relative distance that at most 1 % of held-out images are expected to be below.
    pub threshold: f64,
    /// The median relative distance of the samples.
    pub median: f64,
}

impl Copies {
    /// By the relative distances of samples and of held-out images.
    ///
    /// The threshold is the q-th smallest distance of n held-out images, q = floor((n + 1) / 100): another held-out image is
    /// below it with probability q / (n + 1), at most 1 % (split conformal prediction, Vovk et al. 2005).
    ///
    /// # Errors
    /// [`MetricError::TooFew`] below one sample or 99 held-out images; [`MetricError::Numerics`] where so many held-out
    /// images are at distance 0 that nothing is nearer.
    pub(super) fn of(
        metric: &'static str,
        mut samples: Vec<f64>,
        mut held_out: Vec<f64>,
    ) -> Result<Self, MetricError> {
        if samples.is_empty() {
            return Err(MetricError::TooFew { metric, needed: 1, found: 0 });
        }
        let place = ((held_out.len() + 1) as f64 * FALSE_COPIES).floor() as usize;
        if place == 0 {
            let metric = "the threshold for copies, which held-out images set,";
            return Err(MetricError::TooFew { metric, needed: 99, found: held_out.len() });
        }
        held_out.sort_unstable_by(f64::total_cmp);
        let threshold = held_out[place - 1];
        if threshold == 0.0 {
            let problem = "1 % or more of the held-out images are copies themselves".to_owned();
            return Err(MetricError::Numerics { metric, problem });
        }
        samples.sort_unstable_by(f64::total_cmp);
        let n = samples.len();
        let share = samples.partition_point(|distance| *distance < threshold) as f64 / n as f64;
        let standard_error = standard_error_of_share(share, n);
        Ok(Self { share, standard_error, threshold, median: samples[n / 2] })
    }
}

/// A distance over that of a neighbourhood: 0 for a copy, also of an image whose neighbours are copies of it too.
pub(super) fn relative(distance: f64, neighbourhood: f64) -> f64 {
    if distance == 0.0 { 0.0 } else { distance / neighbourhood }
}

/// The `k` nearest rows of `others` to each row of `points`: their distances in rising order, with their positions.
pub(super) fn nearest(points: &FeatureMatrix, others: &FeatureMatrix, k: usize) -> Vec<Vec<(f64, usize)>> {
    let squared = fold_squared_distances(
        points,
        others,
        || Vec::with_capacity(k + 1),
        |nearest: &mut Vec<(f64, usize)>, _, j, squared| {
            if nearest.len() < k || nearest.last().is_some_and(|(known, _)| squared < *known) {
                let at = nearest.partition_point(|(known, _)| *known <= squared);
                nearest.insert(at, (squared, j));
                nearest.truncate(k);
            }
        },
    );
    let root = |(squared, j): (f64, usize)| (squared.sqrt(), j);
    squared.into_iter().map(|nearest| nearest.into_iter().map(root).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn at_most_one_percent_of_held_out_images_are_expected_below_the_threshold() {
        let held_out: Vec<f64> = (1..=199).map(f64::from).collect();
        // floor(200 / 100) = 2: the second smallest, which 1 of 199 is below; another one is with probability 2 / 200.
        let found = Copies::of("test", vec![0.5, 1.5, 2.0, 7.0], held_out.clone()).unwrap();
        assert_eq!((found.threshold, found.share, found.median), (2.0, 0.5, 2.0));
        let few = Copies::of("test", vec![0.5], held_out[..98].to_vec());
        assert!(matches!(few, Err(MetricError::TooFew { needed: 99, found: 98, .. })));
        assert_eq!(Copies::of("test", vec![0.5], held_out[..99].to_vec()).unwrap().threshold, 1.0);
        assert!(matches!(Copies::of("test", vec![], held_out), Err(MetricError::TooFew { found: 0, .. })));
        assert!(matches!(Copies::of("test", vec![1.0], vec![0.0; 99]), Err(MetricError::Numerics { .. })));
    }

    #[test]
    fn the_nearest_rows_are_those_of_a_sort() {
        let (points, others) = (gaussian_rows(20, 4, 1.0, 0.0, 1), gaussian_rows(300, 4, 1.0, 0.0, 2));
        for (i, found) in nearest(&points, &others, 6).into_iter().enumerate() {
            let mut all: Vec<(f64, usize)> = (0..300)
                .map(|j| {
                    let pairs = points.row(i).iter().zip(others.row(j));
                    let squared: f64 = pairs.map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum();
                    (squared.sqrt(), j)
                })
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (found, expected) in found.iter().zip(&all[..6]) {
                assert!(found.1 == expected.1 && (found.0 - expected.0).abs() < 1e-9);
            }
        }
        assert_eq!(nearest(&points, &others.select(&[3, 4]), 6)[0].len(), 2);
    }
}
