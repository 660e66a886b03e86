//! Density and coverage (Naeem et al. 2020, arXiv 2002.09797, equations 4 and 5): in how many balls around real images a
//! sample lies, and the share of real images with a sample in their ball. Unlike precision and recall they take balls
//! around real images only, so that one stray sample does not cover half the space.

use super::{
    neighbours::{check_widths, squared_radii},
    pairs::fold_squared_distances,
};
use crate::{MetricError, features::FeatureMatrix};

const NAME: &str = "density-coverage";

/// The neighbours that the paper takes.
pub const NEIGHBOURS: usize = 5;

/// Both numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DensityCoverage {
    /// Balls that a sample lies in, over k: about 1 for real images, above where samples crowd.
    pub density: f64,
    /// The share of real images with a sample in their ball.
    pub coverage: f64,
}

/// Density and coverage with balls that reach to the `k`-th neighbour.
///
/// # Errors
/// [`MetricError::Width`]; [`MetricError::TooFew`] with fewer than k + 1 real images or no samples;
/// [`MetricError::Config`] for k = 0.
pub fn density_coverage(
    real: &FeatureMatrix,
    generated: &FeatureMatrix,
    k: usize,
) -> Result<DensityCoverage, MetricError> {
    check_widths(real, generated)?;
    let radii = squared_radii(NAME, real, k)?;
    if generated.rows() == 0 {
        return Err(MetricError::TooFew { metric: NAME, needed: 1, found: 0 });
    }
    let balls = fold_squared_distances(
        real,
        generated,
        || 0_u64,
        |inside, i, _, squared| {
            *inside += u64::from(squared <= radii[i]);
        },
    );
    let covered = balls.iter().filter(|inside| **inside > 0).count();
    let pairs: u64 = balls.iter().sum();
    Ok(DensityCoverage {
        density: pairs as f64 / (k * generated.rows()) as f64,
        coverage: covered as f64 / real.rows() as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn disjoint_sets_have_nothing_and_the_same_distribution_about_one() {
        let a = gaussian_rows(400, 3, 1.0, 0.0, 1);
        let none = density_coverage(&a, &gaussian_rows(100, 3, 1.0, 100.0, 2), 5).unwrap();
        assert_eq!(none, DensityCoverage { density: 0.0, coverage: 0.0 });
        let same = density_coverage(&a, &gaussian_rows(400, 3, 1.0, 0.0, 2), 5).unwrap();
        assert!((same.density - 1.0).abs() < 0.15 && same.coverage > 0.9, "{same:?}");
        assert_eq!(density_coverage(&a, &a, 5).unwrap().coverage, 1.0);
    }

    #[test]
    fn by_hand_in_one_dimension() {
        // k = 1: radii 1, 1, 4 around 0, 1, 5. The sample 1.5 lies in the balls of 1 and 5, the sample 20 in none.
        let real = FeatureMatrix::new(1, vec![0.0, 1.0, 5.0]).unwrap();
        let samples = FeatureMatrix::new(1, vec![1.5, 20.0]).unwrap();
        let found = density_coverage(&real, &samples, 1).unwrap();
        assert_eq!(found, DensityCoverage { density: 1.0, coverage: 2.0 / 3.0 });
    }

    #[test]
    fn no_samples_are_too_few() {
        let a = gaussian_rows(10, 3, 1.0, 0.0, 1);
        assert!(matches!(density_coverage(&a, &a.select(&[]), 5), Err(MetricError::TooFew { found: 0, .. })));
    }
}
