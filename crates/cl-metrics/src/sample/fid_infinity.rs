//! FID without the bias of a finite number of samples (Chong & Forsyth 2020, arXiv 1911.07023, section 4): FID over
//! several numbers of samples, extrapolated along a line in 1/N to N = infinity.
//!
//! As in the paper's code the numbers are evenly spaced, and each set is drawn afresh from the samples that there are
//! (the paper's Sobol noise is a matter of sampling). The bias is linear in 1/N only once there are more samples than
//! features: the smallest set has a tenth of the samples, or one more than there are features if that is more, but at
//! most half. The bias from the finite number of *real* images remains.

use cldiff_choices::Describe;
use keyed_random::{Key, Purpose};

use super::{
    Comparison, Metric, Need, Parameter, SEED, Sets, Takes, Values,
    comparison::check_count,
    fid::frechet_distance,
    moments::{Gaussian, Moments},
};
use crate::{MetricError, features::FeatureMatrix, summary::Direction};

const SUBSETS: Purpose = Purpose::named("FID at infinity");

/// Numbers of samples, when nothing says how many.
pub const POINTS: usize = 15;
/// Below this a line through so many points says nothing.
const FEWEST: usize = 16;

/// FID at infinity as a metric of samples. It takes several FIDs, and is not among the defaults.
#[derive(Debug, Clone, Copy)]
pub struct FidInfinity;

impl Describe for FidInfinity {
    const NAME: &'static str = "fid_infinity";
    const SUMMARY: &'static str = "FID extrapolated to infinitely many samples; not among the defaults";
    const CITATION: &'static str = "Chong & Forsyth 2020, arXiv 1911.07023";
}

impl Metric for FidInfinity {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::LowerIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Features]
    }

    fn is_default(&self) -> bool {
        false
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let real = sets.real_gaussian()?;
        Ok(vec![(Self::NAME, fid_infinity(&real, sets.generated.features, POINTS, SEED)?.into())])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: FidInfinity::NAME,
    aliases: &[],
    summary: "FID of B extrapolated to infinitely many samples",
    takes: Takes::Pair,
    parameters: &[POINTS_GIVEN, SEED_GIVEN],
    compare: |sets, given| {
        let (points, seed) = (given.count(&POINTS_GIVEN), given.number(&SEED_GIVEN));
        let (a, b) = (sets.a.gaussian()?, sets.b.features()?);
        Ok(vec![(FidInfinity::NAME, fid_infinity(&a, b, points, seed)?)])
    },
};

const POINTS_GIVEN: Parameter = Parameter {
    name: "points",
    placeholder: "N",
    meaning: "Numbers of samples on the line",
    default: Some(POINTS as u64),
};

const SEED_GIVEN: Parameter = Parameter::seed("The seed of the subsets");

/// The extrapolated value, at `points` numbers of samples in sets drawn from `seed`. It may fall below zero.
///
/// # Errors
/// The errors of [`frechet_distance`]; [`MetricError::TooFew`] below 16 samples; [`MetricError::Config`] for fewer than 2
/// points, and for more than a million.
pub fn fid_infinity(
    real: &Gaussian,
    generated: &FeatureMatrix,
    points: usize,
    seed: u64,
) -> Result<f64, MetricError> {
    let (n, d) = (generated.rows(), generated.width());
    check_count("points", points, 2)?;
    if n < FEWEST {
        return Err(MetricError::TooFew { metric: "fid-infinity", needed: FEWEST, found: n });
    }
    let smallest = (n / 10).max(d + 1).min(n / 2).max(2);
    let key = Key::new(seed, SUBSETS);
    let measured = (0..points).map(|i| {
        let size = smallest + (n - smallest) * i / (points - 1);
        let chosen = rand::seq::index::sample(&mut key.rng(i as u64), n, size).into_vec();
        let samples = Moments::of(&generated.select(&chosen)).gaussian()?;
        Ok((1.0 / size as f64, frechet_distance(real, &samples)?))
    });
    Ok(intercept(&measured.collect::<Result<Vec<_>, MetricError>>()?))
}

/// Where the line of least squares through the points meets x = 0.
fn intercept(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (xy, xx) = points
        .iter()
        .fold((0.0, 0.0), |(xy, xx), p| (xy + (p.0 - x) * (p.1 - y), xx + (p.0 - x) * (p.0 - x)));
    y - x * xy / xx
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn a_line_is_followed_to_its_end() {
        let points: Vec<(f64, f64)> = (1..6).map(|i| (f64::from(i), 3.0 + 2.0 * f64::from(i))).collect();
        assert!((intercept(&points) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn most_of_the_bias_goes() {
        // Samples of the real distribution itself, whose moments are known: FID at N = infinity is 0.
        let (d, n) = (16, 600);
        let identity: Vec<f64> = (0..d * d).map(|i| f64::from(u8::from(i % (d + 1) == 0))).collect();
        let real = Gaussian::from_statistics(None, vec![0.0; d], &identity).unwrap();
        let generated = gaussian_rows(n, d, 1.0, 0.0, 1);
        let biased = frechet_distance(&real, &Moments::of(&generated).gaussian().unwrap()).unwrap();
        let found = fid_infinity(&real, &generated, POINTS, 0).unwrap();
        assert!(found.abs() < 0.3 * biased, "{found} and {biased}");
        // A shift stays: its square, here 16 times 1/4.
        let shifted = fid_infinity(&real, &gaussian_rows(n, d, 1.0, 0.5, 2), POINTS, 0).unwrap();
        assert!((shifted - 4.0).abs() < 0.5, "{shifted}");
    }

    #[test]
    fn too_few_samples_are_refused() {
        let rows = gaussian_rows(15, 2, 1.0, 0.0, 1);
        let real = Moments::of(&rows).gaussian().unwrap();
        assert!(matches!(fid_infinity(&real, &rows, 5, 0), Err(MetricError::TooFew { found: 15, .. })));
        let enough = gaussian_rows(16, 2, 1.0, 0.0, 1);
        for (points, told) in [(1, "at least 2"), (usize::MAX, "at most 1000000")] {
            let message = fid_infinity(&real, &enough, points, 0).unwrap_err().to_string();
            assert!(message.starts_with("`points` is ") && message.ends_with(told), "{message}");
        }
    }
}
