//! Density and coverage (Naeem et al. 2020, arXiv 2002.09797, equations 4 and 5): in how many balls around real images a
//! sample lies, and the share of real images with a sample in their ball. Unlike precision and recall they take balls
//! around real images only, so that one stray sample does not cover half the space.

use cldiff_choices::Describe;

use super::{
    Comparison, Metric, Need, Parameter, Sets, Takes, Values,
    comparison::Numbers,
    neighbours::{check_widths, squared_radii},
    pairs::fold_squared_distances,
};
use crate::{MetricError, features::FeatureMatrix, summary::Direction};

const NAME: &str = "density-coverage";
const CITATION: &str = "Naeem et al. 2020, arXiv 2002.09797";

/// The neighbours that the paper takes.
pub const NEIGHBOURS: usize = 5;

/// Density as a metric of samples.
#[derive(Debug, Clone, Copy)]
pub struct Density;

/// Coverage as a metric of samples, which is found together with density.
#[derive(Debug, Clone, Copy)]
pub struct Coverage;

impl Describe for Density {
    const NAME: &'static str = "density";
    const SUMMARY: &'static str = "How densely samples lie among the 5 nearest neighbours of real images";
    const CITATION: &'static str = CITATION;
}

impl Describe for Coverage {
    const NAME: &'static str = "coverage";
    const SUMMARY: &'static str = "Real images with a sample among their 5 nearest neighbours";
    const CITATION: &'static str = CITATION;
}

impl Metric for Density {
    fn direction(&self) -> Direction {
        Direction::HigherIsBetter
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Features]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let (real, generated) = sets.features();
        Ok(both(real, generated, NEIGHBOURS)?.into_iter().map(|(name, value)| (name, value.into())).collect())
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

impl Metric for Coverage {
    fn direction(&self) -> Direction {
        Direction::HigherIsBetter
    }

    fn needs(&self) -> &'static [Need] {
        Density.needs()
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        Density.measure(sets)
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Density.comparison()
    }
}

static COMPARISON: Comparison = Comparison {
    name: "density_coverage",
    aliases: &[],
    summary: "Density and coverage: A real, B generated",
    takes: Takes::Pair,
    parameters: &[K],
    compare: |sets, given| {
        let (a, b) = sets.features()?;
        both(a, b, given.count(&K))
    },
};

const K: Parameter = Parameter {
    name: "k",
    placeholder: "K",
    meaning: "The nearest neighbour that a ball reaches to",
    default: Some(NEIGHBOURS as u64),
};

fn both(real: &FeatureMatrix, generated: &FeatureMatrix, k: usize) -> Result<Numbers, MetricError> {
    let found = density_coverage(real, generated, k)?;
    Ok(vec![(Density::NAME, found.density), (Coverage::NAME, found.coverage)])
}

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
