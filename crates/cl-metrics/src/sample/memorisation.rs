//! Buffer memorisation: how near samples come to the images that a strategy stored, relative to how near fresh real
//! images come to them. A replay buffer that the model has learned by heart shows here and in nothing else: its copies
//! are good samples to every other metric.
//!
//! The ratio of the mean distances to the nearest stored image: 1 where samples are as far from the buffer as held-out
//! images are, towards 0 where they are copies; above 1 samples are further away than real images, which is no virtue.
//! Nearest-neighbour ratios of this kind: Meehan et al. 2020, arXiv 2004.05675 (who test ranks in place of means).

use super::{neighbours::check_widths, pairs::fold_squared_distances};
use crate::{MetricError, features::FeatureMatrix};

const NAME: &str = "memorisation";

/// How much of a buffer the samples repeat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memorisation {
    /// Mean distance of samples to their nearest stored image over that of held-out images.
    pub ratio: f64,
    /// The share of samples nearer to a stored image than all but 1% of held-out images are.
    pub share: f64,
}

/// Compares `generated` with `stored` images, `held_out` being real images that were never trained on.
///
/// # Errors
/// [`MetricError::Width`]; [`MetricError::TooFew`] for an empty set; [`MetricError::Numerics`] where every held-out image
/// is itself stored.
pub fn memorisation(
    stored: &FeatureMatrix,
    generated: &FeatureMatrix,
    held_out: &FeatureMatrix,
) -> Result<Memorisation, MetricError> {
    check_widths(stored, generated)?;
    check_widths(stored, held_out)?;
    if [stored, generated, held_out].iter().any(|set| set.rows() == 0) {
        return Err(MetricError::TooFew { metric: NAME, needed: 1, found: 0 });
    }
    let (samples, mut fresh) = (nearest(generated, stored), nearest(held_out, stored));
    let mean = |distances: &[f64]| distances.iter().sum::<f64>() / distances.len() as f64;
    if mean(&fresh) == 0.0 {
        let problem = "every held-out image is among the stored ones".to_owned();
        return Err(MetricError::Numerics { metric: NAME, problem });
    }
    let ratio = mean(&samples) / mean(&fresh);
    fresh.sort_unstable_by(f64::total_cmp);
    let threshold = fresh[fresh.len() / 100];
    let nearer = samples.iter().filter(|distance| **distance < threshold).count();
    Ok(Memorisation { ratio, share: nearer as f64 / samples.len() as f64 })
}

fn nearest(points: &FeatureMatrix, stored: &FeatureMatrix) -> Vec<f64> {
    let squared = fold_squared_distances(
        points,
        stored,
        || f64::INFINITY,
        |nearest, _, _, d| *nearest = nearest.min(d),
    );
    squared.into_iter().map(f64::sqrt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn copies_are_found_and_fresh_images_are_not() {
        let (stored, held_out) = (gaussian_rows(50, 6, 1.0, 0.0, 1), gaussian_rows(300, 6, 1.0, 0.0, 2));
        let copies = memorisation(&stored, &stored, &held_out).unwrap();
        assert_eq!(copies, Memorisation { ratio: 0.0, share: 1.0 });
        let fresh = memorisation(&stored, &gaussian_rows(300, 6, 1.0, 0.0, 3), &held_out).unwrap();
        assert!((fresh.ratio - 1.0).abs() < 0.1 && fresh.share < 0.05, "{fresh:?}");
        let half = FeatureMatrix::concat(&[&stored, &gaussian_rows(50, 6, 1.0, 0.0, 3)]).unwrap();
        let half = memorisation(&stored, &half, &held_out).unwrap();
        assert!((half.ratio - 0.5).abs() < 0.1 && (half.share - 0.5).abs() < 0.05, "{half:?}");
    }

    #[test]
    fn without_anything_to_compare_with_it_is_refused() {
        let a = gaussian_rows(5, 2, 1.0, 0.0, 1);
        assert!(matches!(memorisation(&a, &a.select(&[]), &a), Err(MetricError::TooFew { .. })));
        assert!(matches!(memorisation(&a, &a, &a), Err(MetricError::Numerics { .. })));
    }
}
