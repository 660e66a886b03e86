//! Sliced Wasserstein distance (Rabin et al. 2011; Bonneel et al. 2015): the 2-Wasserstein distance of two sets along
//! random directions, `sqrt(mean over directions of W_2^2)`. On pixels it needs no network: a check on what the features
//! of one cannot see.
//!
//! Along a direction W_2 is the L2 distance of the quantile functions, exact for sets of different size.
//!
//! Biased upwards for few samples, as the distance of two finite sets of one distribution is not 0. The standard error is
//! the delete-group jackknife's over the samples, along the same directions.

use cldiff_choices::Describe;
use keyed_random::{Key, Purpose};
use rand::Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;

use super::{
    Comparison, Estimate, Metric, Need, Parameter, SEED, Sets, Takes, Values, comparison::check_count,
    groups::Groups, neighbours::check_widths,
};
use crate::{MetricError, features::FeatureMatrix, summary::Direction};

const DIRECTIONS: Purpose = Purpose::named("sliced Wasserstein distance");

/// Directions, when nothing says how many.
pub const PROJECTIONS: usize = 256;

/// Sliced Wasserstein distance as a metric of samples, in their pixels.
#[derive(Debug, Clone, Copy)]
pub struct Swd;

impl Describe for Swd {
    const NAME: &'static str = "swd";
    const SUMMARY: &'static str = "Sliced Wasserstein distance of pixels, in no network's features";
    const CITATION: &'static str = "Bonneel et al. 2015";
}

impl Metric for Swd {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::LowerIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Pixels]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let (real, generated) = sets.pixels()?;
        Ok(vec![(Self::NAME, sliced_wasserstein_estimate(real, generated, PROJECTIONS, SEED)?)])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: Swd::NAME,
    aliases: &[],
    summary: "Sliced Wasserstein distance, of images in their pixels",
    takes: Takes::Pair,
    parameters: &[PROJECTIONS_GIVEN, SEED_GIVEN],
    compare: |sets, given| {
        let (a, b) = sets.features()?;
        let (projections, seed) = (given.count(&PROJECTIONS_GIVEN), given.number(&SEED_GIVEN));
        let found = sliced_wasserstein_estimate(a, b, projections, seed)?;
        let error = found.standard_error.map(|error| ("swd_standard_error", error));
        Ok([(Swd::NAME, found.value)].into_iter().chain(error).collect())
    },
};

const PROJECTIONS_GIVEN: Parameter = Parameter {
    name: "projections",
    placeholder: "N",
    meaning: "Random directions",
    default: Some(PROJECTIONS as u64),
};

const SEED_GIVEN: Parameter = Parameter::seed("The seed of the directions");

/// The distance along `projections` directions drawn from `seed`.
///
/// # Errors
/// [`MetricError::Width`]; [`MetricError::TooFew`] without rows; [`MetricError::Config`] for no projections, and for more than
/// a million.
pub fn sliced_wasserstein(
    a: &FeatureMatrix,
    b: &FeatureMatrix,
    projections: usize,
    seed: u64,
) -> Result<f64, MetricError> {
    Ok(squared_distances(a, b, projections, seed, None)?[0].sqrt())
}

/// As [`sliced_wasserstein`], with the standard error over draws of `b`.
///
/// # Errors
/// The errors of [`sliced_wasserstein`].
pub fn sliced_wasserstein_estimate(
    a: &FeatureMatrix,
    b: &FeatureMatrix,
    projections: usize,
    seed: u64,
) -> Result<Estimate, MetricError> {
    let groups = Groups::new(b.rows());
    let found =
        squared_distances(a, b, projections, seed, Some(&groups).filter(|groups| groups.count() > 1))?;
    let distances: Vec<f64> = found.into_iter().map(f64::sqrt).collect();
    let error = if distances.len() > 1 { groups.standard_error(&distances[1..]) } else { None };
    Ok(Estimate::with(distances[0], error))
}

/// Mean squared distances over the directions: of the sets, then of the sets without each group of `b`.
fn squared_distances(
    a: &FeatureMatrix,
    b: &FeatureMatrix,
    projections: usize,
    seed: u64,
    groups: Option<&Groups>,
) -> Result<Vec<f64>, MetricError> {
    check_widths(a, b)?;
    check_count("projections", projections, 1)?;
    let fewest = a.rows().min(b.rows());
    if fewest == 0 {
        return Err(MetricError::TooFew { metric: Swd::NAME, needed: 1, found: 0 });
    }
    let key = Key::new(seed, DIRECTIONS);
    let squared: Vec<Vec<f64>> = (0..projections as u64)
        .into_par_iter()
        .map(|p| {
            let direction = direction(key, p, a.width());
            let values = |rows| projected(rows, &direction).into_iter().map(|(_, value)| value).collect();
            let (a, b): (Vec<f64>, _) = (values(a), projected(b, &direction));
            let without = |group: Option<usize>| {
                let left =
                    b.iter().filter(|(i, _)| groups.map(|groups| groups.of(*i)) != group || group.is_none());
                squared_distance_of_sorted(&a, &left.map(|(_, value)| *value).collect::<Vec<_>>())
            };
            let count = groups.map_or(0, Groups::count);
            [None].into_iter().chain((0..count).map(Some)).map(without).collect()
        })
        .collect();
    let mean = |of: usize| squared.iter().map(|squared| squared[of]).sum::<f64>() / projections as f64;
    Ok((0..squared[0].len()).map(mean).collect())
}

/// A point of the unit sphere.
fn direction(key: Key, projection: u64, width: usize) -> Vec<f64> {
    let normal: Vec<f64> = key.rng(projection).sample_iter(StandardNormal).take(width).collect();
    let norm = normal.iter().map(|z| z * z).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    normal.into_iter().map(|z| z / norm).collect()
}

/// The rows along a direction, by rising value, with their positions.
fn projected(rows: &FeatureMatrix, direction: &[f64]) -> Vec<(usize, f64)> {
    let along = |i: usize| (i, rows.row(i).iter().zip(direction).map(|(&x, u)| f64::from(x) * u).sum());
    let mut values: Vec<(usize, f64)> = (0..rows.rows()).map(along).collect();
    values.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    values
}

/// The squared L2 distance of two quantile functions, which step at multiples of 1/n and of 1/m.
fn squared_distance_of_sorted(a: &[f64], b: &[f64]) -> f64 {
    let (n, m) = (a.len(), b.len());
    let (mut i, mut j, mut from, mut sum) = (0, 0, 0, 0.0);
    while i < n && j < m {
        // In units of 1 / (n m), so that steps that coincide are seen to.
        let (end_a, end_b) = ((i + 1) * m, (j + 1) * n);
        let to = end_a.min(end_b);
        sum += (to - from) as f64 * (a[i] - b[j]).powi(2);
        i += usize::from(end_a == to);
        j += usize::from(end_b == to);
        from = to;
    }
    sum / (n as f64 * m as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn sets_of_different_size_are_those_repeated_to_one_size() {
        let (a, b) = ([0.0, 1.0, 4.0], [0.5, 3.0]);
        let repeated = [[0.0_f64, 0.0, 1.0, 1.0, 4.0, 4.0], [0.5, 0.5, 0.5, 3.0, 3.0, 3.0]];
        let expected: f64 = repeated[0].iter().zip(repeated[1]).map(|(x, y)| (x - y).powi(2) / 6.0).sum();
        assert!((squared_distance_of_sorted(&a, &b) - expected).abs() < 1e-15);
    }

    #[test]
    fn a_shift_is_seen_along_every_direction() {
        // Of a shift v a direction u sees (u . v)^2, which is |v|^2 / d on average.
        let a = gaussian_rows(50, 4, 1.0, 0.0, 1);
        let shifted: Vec<f32> = (0..50).flat_map(|i| a.row(i).iter().map(|x| x + 3.0)).collect();
        let shifted = FeatureMatrix::new(4, shifted).unwrap();
        let found = sliced_wasserstein(&a, &shifted, 4000, 0).unwrap();
        assert!((found - 3.0).abs() < 0.1, "{found}");
        assert_eq!(sliced_wasserstein(&a, &a, 10, 0).unwrap(), 0.0);
        for (projections, told) in [(0, "at least 1"), (usize::MAX, "at most 1000000")] {
            let message = sliced_wasserstein(&a, &a, projections, 0).unwrap_err().to_string();
            assert!(message.starts_with("`projections` is ") && message.ends_with(told), "{message}");
        }
    }

    #[test]
    fn the_error_is_the_spread_over_draws_of_the_samples() {
        let real = gaussian_rows(200, 5, 1.0, 0.0, 1);
        let draws: Vec<Estimate> = (0..150)
            .map(|seed| {
                sliced_wasserstein_estimate(&real, &gaussian_rows(80, 5, 1.0, 0.7, 10 + seed), 32, 0).unwrap()
            })
            .collect();
        let mean = draws.iter().map(|draw| draw.value).sum::<f64>() / 150.0;
        let squares = draws.iter().map(|draw| (draw.value - mean).powi(2)).sum::<f64>();
        let told = draws.iter().map(|draw| draw.standard_error.unwrap()).sum::<f64>() / 150.0;
        let ratio = told / (squares / 149.0).sqrt();
        assert!((0.8..1.25).contains(&ratio), "told {told}, ratio {ratio}");
        // The value is the same with and without an error; one sample has none.
        let (few, one) = (gaussian_rows(9, 5, 1.0, 0.7, 3), gaussian_rows(1, 5, 1.0, 0.7, 3));
        let estimate = |b| sliced_wasserstein_estimate(&real, b, 32, 0).unwrap();
        assert_eq!(estimate(&few).value, sliced_wasserstein(&real, &few, 32, 0).unwrap());
        assert_eq!(estimate(&one).standard_error, None);
    }

    #[test]
    fn order_does_not_matter_and_noise_raises_it() {
        let a = gaussian_rows(200, 4, 1.0, 0.0, 1);
        let swd = |b: &FeatureMatrix| sliced_wasserstein(&a, b, 64, 0).unwrap();
        let b = gaussian_rows(100, 4, 1.0, 0.0, 2);
        assert_eq!(swd(&b), swd(&b.select(&(0..100).rev().collect::<Vec<_>>())));
        assert!(swd(&gaussian_rows(100, 4, 1.6, 0.0, 2)) > swd(&b) + 0.2);
    }
}
