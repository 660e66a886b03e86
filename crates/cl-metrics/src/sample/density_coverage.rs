//! Density and coverage (Naeem et al. 2020, arXiv 2002.09797, equations 4 and 5): in how many balls around real images a
//! sample lies, and the share of real images with a sample in their ball. Unlike precision and recall they take balls
//! around real images only, so that one stray sample does not cover half the space.
//!
//! For samples of the real images' own distribution density is 1 on average, whatever the numbers are. Coverage is not:
//! with M real images and N samples it is 1 - product over i = 1..k of (M - i) / (M + N - i) on average (lemma 2), 0.45 for
//! N = 128 and M = 1000, 0.97 for equal numbers. [`CoverageNormalised`] is coverage over that: near 1 for a perfect model at
//! any numbers, above it by chance. `coverage` itself stays that of the literature and of prdc.
//!
//! Standard errors are over draws of the samples, the real images being given: density is a mean over samples; that of
//! coverage is the jackknife's that leaves out one sample after the other, where a real image that only one sample covers
//! is lost (up to a third too large where the model is perfect).

use cldiff_choices::Describe;

use super::{
    Comparison, Estimate, Metric, Need, Parameter, Sets, Takes, Values,
    groups::standard_error_of_mean,
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

/// Coverage over that of a perfect model at the same numbers of images.
#[derive(Debug, Clone, Copy)]
pub struct CoverageNormalised;

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

impl Describe for CoverageNormalised {
    const NAME: &'static str = "coverage_normalised";
    const SUMMARY: &'static str =
        "Coverage over the expected coverage of a perfect model at the same numbers of images";
    const CITATION: &'static str = "after Naeem et al. 2020, arXiv 2002.09797, lemma 2";
}

impl Metric for Density {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::HigherIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Features]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let (real, generated) = sets.features();
        let found = estimates(real, generated, NEIGHBOURS)?;
        Ok(vec![
            (Density::NAME, found.density),
            (Coverage::NAME, found.coverage),
            (CoverageNormalised::NAME, found.normalised()),
        ])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

impl Metric for Coverage {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::HigherIsBetter)
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

impl Metric for CoverageNormalised {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::HigherIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        Density.needs()
    }

    fn is_default(&self) -> bool {
        false
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
        let found = estimates(a, b, given.count(&K))?;
        let errors = [
            ("density_standard_error", found.density.standard_error),
            ("coverage_standard_error", found.coverage.standard_error),
            ("coverage_normalised_standard_error", found.normalised().standard_error),
        ];
        let values = [
            (Density::NAME, found.density.value),
            (Coverage::NAME, found.coverage.value),
            ("coverage_expected", found.expected_coverage),
            (CoverageNormalised::NAME, found.normalised().value),
        ];
        let errors = errors.into_iter().filter_map(|(name, error)| Some((name, error?)));
        Ok(values.into_iter().chain(errors).collect())
    },
};

const K: Parameter = Parameter {
    name: "k",
    placeholder: "K",
    meaning: "The nearest neighbour that a ball reaches to",
    default: Some(NEIGHBOURS as u64),
};

/// Both numbers with their standard errors, and the coverage that a perfect model has on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DensityCoverageEstimates {
    /// Balls that a sample lies in, over k.
    pub density: Estimate,
    /// The share of real images with a sample in their ball.
    pub coverage: Estimate,
    /// [`expected_coverage`] at these numbers of images.
    pub expected_coverage: f64,
}

impl DensityCoverageEstimates {
    /// Coverage over that of a perfect model.
    pub fn normalised(&self) -> Estimate {
        let Estimate { value, standard_error } = self.coverage;
        let error = standard_error.map(|error| error / self.expected_coverage);
        Estimate::with(value / self.expected_coverage, error)
    }
}

/// The mean coverage of `samples` samples of the distribution that `real` real images are of, with balls that reach to
/// the `k`-th neighbour (Naeem et al. 2020, lemma 2): a real image is not covered where its k nearest images of both sets
/// are all real.
pub fn expected_coverage(real: usize, samples: usize, k: usize) -> f64 {
    let all_real =
        (1..=k).map(|i| real.saturating_sub(i) as f64 / (real + samples).saturating_sub(i).max(1) as f64);
    1.0 - all_real.product::<f64>()
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
    let found = estimates(real, generated, k)?;
    Ok(DensityCoverage { density: found.density.value, coverage: found.coverage.value })
}

/// As [`density_coverage`], with standard errors.
///
/// # Errors
/// The errors of [`density_coverage`].
pub fn estimates(
    real: &FeatureMatrix,
    generated: &FeatureMatrix,
    k: usize,
) -> Result<DensityCoverageEstimates, MetricError> {
    check_widths(real, generated)?;
    let radii = squared_radii(NAME, real, k)?;
    if generated.rows() == 0 {
        return Err(MetricError::TooFew { metric: NAME, needed: 1, found: 0 });
    }
    let balls =
        fold_squared_distances(real, generated, Vec::new, |inside: &mut Vec<usize>, i, j, squared| {
            if squared <= radii[i] {
                inside.push(j);
            }
        });
    let covered = balls.iter().filter(|inside| !inside.is_empty()).count();
    // Of each sample: the balls that it lies in, and those that it alone lies in.
    let n = generated.rows();
    let (mut in_balls, mut alone) = (vec![0.0; n], vec![0.0; n]);
    for inside in &balls {
        inside.iter().for_each(|&j| in_balls[j] += 1.0 / k as f64);
        if let [only] = inside[..] {
            alone[only] += 1.0 / real.rows() as f64;
        }
    }
    let pairs: usize = balls.iter().map(Vec::len).sum();
    let density = pairs as f64 / (k * n) as f64;
    // Without a sample coverage falls by what that one covers alone.
    let of_coverage = standard_error_of_mean(&alone).map(|error| error * (n - 1) as f64);
    Ok(DensityCoverageEstimates {
        density: Estimate::with(density, standard_error_of_mean(&in_balls)),
        coverage: Estimate::with(covered as f64 / real.rows() as f64, of_coverage),
        expected_coverage: expected_coverage(real.rows(), n, k),
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
    fn the_errors_are_the_spread_over_draws_of_the_samples() {
        let real = gaussian_rows(300, 6, 1.0, 0.0, 1);
        let draws: Vec<DensityCoverageEstimates> = (0..150)
            .map(|seed| estimates(&real, &gaussian_rows(100, 6, 1.0, 0.7, 10 + seed), 5).unwrap())
            .collect();
        let of: [fn(&DensityCoverageEstimates) -> Estimate; 2] =
            [|found| found.density, |found| found.coverage];
        for (of, high) in of.into_iter().zip([1.25, 1.4]) {
            let mean = draws.iter().map(|draw| of(draw).value).sum::<f64>() / 150.0;
            let squares = draws.iter().map(|draw| (of(draw).value - mean).powi(2)).sum::<f64>();
            let told = draws.iter().map(|draw| of(draw).standard_error.unwrap()).sum::<f64>() / 150.0;
            let ratio = told / (squares / 149.0).sqrt();
            assert!((0.8..high).contains(&ratio), "mean {mean}, told {told}, ratio {ratio}");
        }
    }

    /// Coverage of the same distribution is 0.45 with few samples and 0.97 with as many as there are real images: what it
    /// says about a model depends on both numbers, until it is divided by what a perfect model has.
    #[test]
    fn a_perfect_model_has_the_expected_coverage_at_any_numbers() {
        for (real, samples) in [(400, 50), (200, 200), (60, 120)] {
            let expected = expected_coverage(real, samples, 5);
            let draws: Vec<f64> = (0..40)
                .map(|seed| {
                    let (a, b) = (2 * seed, 2 * seed + 1);
                    let (a, b) =
                        (gaussian_rows(real, 4, 1.0, 0.0, a), gaussian_rows(samples, 4, 1.0, 0.0, b));
                    estimates(&a, &b, 5).unwrap().normalised().value
                })
                .collect();
            let mean = draws.iter().sum::<f64>() / 40.0;
            let spread = (draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / 39.0).sqrt();
            assert!(
                (mean - 1.0).abs() < 4.0 * spread / 40_f64.sqrt(),
                "{real} {samples}: {mean}, {expected}"
            );
        }
        assert!((expected_coverage(400, 50, 5) - 0.447).abs() < 0.01);
        assert!((expected_coverage(200, 200, 5) - 0.969).abs() < 0.01);
        // By hand: of 3 real images and 2 samples with k = 2, (2 / 4) (1 / 3) are not covered.
        assert!((expected_coverage(3, 2, 2) - 5.0 / 6.0).abs() < 1e-12);
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
