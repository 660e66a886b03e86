//! Fréchet distance of features (Heusel et al. 2017, equation 6), in f64.
//!
//! |mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^{1/2}). With S_i = F_i F_i^T the trace of the root is the sum of the
//! singular values of F_1^T F_2: no complex numbers, nothing to add to the diagonal of a covariance without full rank,
//! and small directions are not lost in the rounding of large ones, as they are among the eigenvalues of S_1 S_2.
//! Biased upwards for few samples (see [`floor`](super::floor) and [`fid_infinity`](super::fid_infinity)).
//! [`fid_error`](super::fid_error) has the standard error.

use cldiff_choices::Describe;
use faer::MatRef;

use super::{
    Comparison, Metric, Need, SampleMetric, Sets, Takes, Values,
    fid_error::{frechet_estimate, standard_error},
    moments::{Gaussian, Moments},
};
use crate::{MetricError, features::FeatureMatrix, linalg, summary::Direction};

/// FID as a metric of samples.
#[derive(Debug, Clone, Copy)]
pub struct Fid;

impl SampleMetric {
    /// The Fréchet distance, which hybrid sampling is measured by.
    pub const FID: Self = Self::of(&Fid);
}

impl Describe for Fid {
    const NAME: &'static str = "fid";
    const SUMMARY: &'static str = "Fréchet distance of features of samples and held-out images";
    const CITATION: &'static str = "Heusel et al. 2017, arXiv 1706.08500";
}

impl Metric for Fid {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::LowerIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Features]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let real = sets.real_gaussian()?;
        Ok(vec![(Self::NAME, frechet_estimate(&real, sets.generated.features)?)])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: Fid::NAME,
    aliases: &[],
    summary: "Fréchet distance of features, with its standard error over draws of B",
    takes: Takes::Pair,
    parameters: &[],
    compare: |sets, _| {
        let (a, b) = (sets.a.gaussian()?, sets.b.gaussian()?);
        let mut found = vec![(Fid::NAME, frechet_distance(&a, &b)?)];
        // Saved statistics have lost the samples that an error is of.
        if let Ok(samples) = sets.b.features() {
            found.push(("fid_standard_error", standard_error(&a, &b, samples)?));
        }
        Ok(found)
    },
};

/// The Fréchet distance of two Gaussians.
///
/// # Errors
/// [`MetricError::Width`] for different widths, [`MetricError::Numerics`] if a decomposition does not converge.
pub fn frechet_distance(a: &Gaussian, b: &Gaussian) -> Result<f64, MetricError> {
    if a.width() != b.width() {
        return Err(MetricError::Width { a: a.width(), b: b.width() });
    }
    let failed = |problem| MetricError::Numerics { metric: "fid", problem };
    let trace_of_root =
        linalg::nuclear_norm_of_product(a.factor().map_err(failed)?, b.factor().map_err(failed)?)
            .map_err(failed)?;
    let trace = |m: MatRef<'_, f64>| (0..m.nrows()).map(|i| m[(i, i)]).sum::<f64>();
    let means: f64 = a.mean().iter().zip(b.mean()).map(|(x, y)| (x - y).powi(2)).sum();
    // Rounding may leave equal Gaussians below zero, which a squared distance is not.
    Ok((means + (trace(a.covariance()) + trace(b.covariance()) - 2.0 * trace_of_root)).max(0.0))
}

/// [`frechet_distance`] of two matrices of features.
///
/// # Errors
/// As `frechet_distance`, and [`MetricError::TooFew`] below two rows.
pub fn frechet_distance_of(a: &FeatureMatrix, b: &FeatureMatrix) -> Result<f64, MetricError> {
    if a.width() != b.width() {
        return Err(MetricError::Width { a: a.width(), b: b.width() });
    }
    frechet_distance(&Moments::of(a).gaussian()?, &Moments::of(b).gaussian()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows as random;

    #[test]
    fn identical_sets_are_at_no_distance_even_without_full_rank() {
        for (rows, width) in [(10, 24), (200, 24), (40, 300)] {
            let a = random(rows, width, 1.0, 0.0, 1);
            assert!(frechet_distance_of(&a, &a).unwrap() < 1e-9);
        }
    }

    #[test]
    fn gaussians_of_known_distance() {
        // Commuting covariances: the sum over dimensions of (m_1 - m_2)^2 + (s_1 - s_2)^2.
        let diagonal = |values: [f64; 3]| -> Vec<f64> {
            (0..9).map(|i| if i % 4 == 0 { values[i / 4].powi(2) } else { 0.0 }).collect()
        };
        let gaussian = |mean: [f64; 3], deviations| {
            Gaussian::from_statistics(None, mean.to_vec(), &diagonal(deviations)).unwrap()
        };
        let (a, b) = (gaussian([0.0, 1.0, 2.0], [1.0, 0.0, 3.0]), gaussian([2.0, 1.0, 1.0], [4.0, 2.0, 0.5]));
        let expected = 4.0 + 0.0 + 1.0 + 9.0 + 4.0 + 6.25;
        assert!((frechet_distance(&a, &b).unwrap() - expected).abs() < 1e-12);
        // Covariances that do not commute: tr (S_1 S_2)^{1/2} of 2 x 2 matrices is sqrt(tr(S_1 S_2) + 2 sqrt(det)).
        let two = |covariance: [f64; 4]| Gaussian::from_statistics(None, vec![0.0; 2], &covariance).unwrap();
        let (a, b) = (two([2.0, 1.0, 1.0, 3.0]), two([1.0, -0.5, -0.5, 2.0]));
        let root = ((2.0 - 1.0 + 6.0_f64) + 2.0 * (5.0_f64 * 1.75).sqrt()).sqrt();
        assert!((frechet_distance(&a, &b).unwrap() - (8.0 - 2.0 * root)).abs() < 1e-12);
    }

    #[test]
    fn noise_raises_it_and_order_does_not_matter() {
        let a = random(400, 8, 1.0, 0.0, 1);
        let shuffled = a.select(&(0..400).rev().collect::<Vec<_>>());
        let distance = |x: &FeatureMatrix| frechet_distance_of(&a, x).unwrap();
        assert!(distance(&shuffled) < 1e-9);
        let mut last = distance(&random(400, 8, 1.0, 0.0, 2));
        for scale in [0.5, 1.0, 2.0] {
            let noise = random(400, 8, scale, 0.0, 3);
            let noisy: Vec<f32> =
                (0..400).flat_map(|i| a.row(i).iter().zip(noise.row(i)).map(|(x, z)| x + z)).collect();
            let now = distance(&FeatureMatrix::new(8, noisy).unwrap());
            assert!(now > last, "{scale}: {now} and {last}");
            last = now;
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let (a, b) = (random(5, 3, 1.0, 0.0, 1), random(5, 4, 1.0, 0.0, 1));
        assert!(matches!(frechet_distance_of(&a, &b), Err(MetricError::Width { a: 3, b: 4 })));
        let one = a.select(&[0]);
        assert!(matches!(frechet_distance_of(&a, &one), Err(MetricError::TooFew { found: 1, .. })));
        assert!(matches!(
            FeatureMatrix::new(2, vec![0.0, f32::NAN]),
            Err(MetricError::NotFinite { column: 1, .. })
        ));
    }
}
