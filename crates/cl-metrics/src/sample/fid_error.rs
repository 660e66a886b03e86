//! The standard error of the Fréchet distance over draws of the samples, the real images being given: the infinitesimal
//! jackknife (Jaeckel 1972; Efron 1982, chapter 6).
//!
//! With x a sample, c = x - m its deviation from the samples' mean m, S their covariance and m_r, S_r the moments of the
//! real images, the influence of x on the distance is its derivative along dm = c and dS = c c^T - S:
//! 2 (m - m_r) . c + |c|^2 - c^T G c, and a constant. G = S_r^{1/2} (S_r^{1/2} S S_r^{1/2})^{-1/2} S_r^{1/2} is the linear
//! map of the optimal transport. With S_r = F F^T, S = E E^T and F^T E = U diag(s) V^T it is F U diag(1/s) U^T F^T; by
//! the singular values that are not 0 this holds along every deviation of a sample, whatever the ranks are. The error is
//! the standard deviation of the influences over the root of N.
//!
//! Exact to first order in 1 / sqrt(N). The mean stated error over the spread of the distance over draws is 0.92 to 1.27
//! where the model is off. Near the floor, where the distance is bias and nothing else, it is 1.15 to 1.37 with at least 64
//! samples and 8 or more features, and 1.53 with fewer samples than features (N = 40, d = 64).
//!
//! It costs one more singular value decomposition of a d x d matrix, with the vectors of one side, and the product of
//! N x d with d x d: nothing beside sampling at d = 64; at d = 2048 by the counts of operations two to three times the
//! distance itself.

use faer::{Accum, Mat, MatRef, Par, linalg::matmul::matmul};

use super::{
    Estimate,
    fid::frechet_distance,
    groups::standard_error_of_mean,
    moments::{Gaussian, Moments},
};
use crate::{MetricError, features::FeatureMatrix, linalg};

/// Rows that are looked at together.
const BLOCK: usize = 512;

/// The Fréchet distance of samples from real images, with its standard error.
///
/// # Errors
/// The errors of [`frechet_distance`]; [`MetricError::TooFew`] below two samples.
pub fn frechet_estimate(real: &Gaussian, generated: &FeatureMatrix) -> Result<Estimate, MetricError> {
    let samples = Moments::of(generated).gaussian()?;
    let value = frechet_distance(real, &samples)?;
    Ok(Estimate::new(value, standard_error(real, &samples, generated)?))
}

/// The standard error of the distance of samples whose moments are `samples`.
///
/// # Errors
/// [`MetricError::Width`] for different widths, [`MetricError::TooFew`] below two samples, [`MetricError::Numerics`] if
/// a decomposition does not converge.
pub fn standard_error(
    real: &Gaussian,
    samples: &Gaussian,
    generated: &FeatureMatrix,
) -> Result<f64, MetricError> {
    let found = generated.rows();
    standard_error_of_mean(&influences(real, samples, generated)?).ok_or(MetricError::TooFew {
        metric: "the standard error of fid",
        needed: 2,
        found,
    })
}

/// The influence of each sample, up to a constant.
fn influences(
    real: &Gaussian,
    samples: &Gaussian,
    generated: &FeatureMatrix,
) -> Result<Vec<f64>, MetricError> {
    let d = generated.width();
    for other in [real.width(), samples.width()] {
        if other != d {
            return Err(MetricError::Width { a: other, b: d });
        }
    }
    let root = root_of_map(real, samples)?;
    let shift: Vec<f64> = samples.mean().iter().zip(real.mean()).map(|(m, r)| 2.0 * (m - r)).collect();
    let mut influences = Vec::with_capacity(generated.rows());
    for first in (0..generated.rows()).step_by(BLOCK) {
        let rows = BLOCK.min(generated.rows() - first);
        let mut deviations = Vec::with_capacity(rows * d);
        for i in first..first + rows {
            deviations.extend(generated.row(i).iter().zip(samples.mean()).map(|(&x, m)| f64::from(x) - m));
        }
        let mut mapped = Mat::<f64>::zeros(rows, root.ncols());
        let block = MatRef::from_row_major_slice(&deviations, rows, d);
        if root.ncols() > 0 {
            matmul(&mut mapped, Accum::Replace, block, &root, 1.0, Par::rayon(0));
        }
        for (i, c) in deviations.chunks(d).enumerate() {
            let along: f64 = c.iter().zip(&shift).map(|(c, s)| c * (s + c)).sum();
            let squares: f64 = (0..root.ncols()).map(|k| mapped[(i, k)].powi(2)).sum();
            influences.push(along - squares);
        }
    }
    Ok(influences)
}

/// R with R R^T = G, the linear map of the optimal transport of the samples to the real images.
///
/// # Shapes
/// - output: `[d, rank]`
fn root_of_map(real: &Gaussian, samples: &Gaussian) -> Result<Mat<f64>, MetricError> {
    let failed = |problem| MetricError::Numerics { metric: "fid", problem };
    let real = real.factor().map_err(failed)?;
    let (left, values) =
        linalg::left_singular_of_product(real, samples.factor().map_err(failed)?).map_err(failed)?;
    let scaled = Mat::from_fn(left.nrows(), left.ncols(), |i, k| left[(i, k)] / values[k].sqrt());
    let mut root = Mat::zeros(real.nrows(), left.ncols());
    if left.ncols() == 0 {
        return Ok(root);
    }
    matmul(&mut root, Accum::Replace, real, &scaled, 1.0, Par::rayon(0));
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    /// The distance after a sample has got a little more weight, from moments alone.
    fn with_more_weight(real: &Gaussian, samples: &Gaussian, row: &[f32], weight: f64) -> f64 {
        let d = row.len();
        let c: Vec<f64> = row.iter().zip(samples.mean()).map(|(&x, m)| f64::from(x) - m).collect();
        let mean = samples.mean().iter().zip(&c).map(|(m, c)| m + weight * c).collect();
        let covariance: Vec<f64> = (0..d * d)
            .map(|at| {
                let (i, j) = (at / d, at % d);
                let old = samples.covariance()[(i, j)];
                old + weight * (c[i] * c[j] - old)
            })
            .collect();
        let moved = Gaussian::from_statistics(None, mean, &covariance).unwrap();
        frechet_distance(real, &moved).unwrap()
    }

    /// With more samples than features, and with fewer: the covariance of the samples has rank 4 of 6 then.
    #[test]
    fn influences_are_the_derivatives_of_the_distance() {
        for n in [40, 5] {
            let real = Moments::of(&gaussian_rows(200, 6, 1.0, 0.0, 1)).gaussian().unwrap();
            let rows = gaussian_rows(n, 6, 1.4, 0.5, 2);
            let samples = Moments::of(&rows).gaussian().unwrap();
            let found = influences(&real, &samples, &rows).unwrap();
            let weight = 1e-4;
            let moved = |i: usize, weight: f64| with_more_weight(&real, &samples, rows.row(i), weight);
            let slope = |i: usize| (moved(i, weight) - moved(i, -weight)) / (2.0 * weight);
            // Up to a constant: against the first sample's.
            for i in 1..n {
                let (told, direct) = (found[i] - found[0], slope(i) - slope(0));
                assert!((told - direct).abs() < 1e-3 * (1.0 + direct.abs()), "{n} {i}: {told} and {direct}");
            }
        }
    }

    /// Rows go through in blocks: a row's influence is that which it has by itself, in whichever block it is.
    #[test]
    fn a_row_has_the_same_influence_in_every_block() {
        let real = Moments::of(&gaussian_rows(200, 3, 1.0, 0.0, 1)).gaussian().unwrap();
        let rows = gaussian_rows(2 * BLOCK + 3, 3, 1.4, 0.5, 2);
        let samples = Moments::of(&rows).gaussian().unwrap();
        let all = influences(&real, &samples, &rows).unwrap();
        assert_eq!(all.len(), 2 * BLOCK + 3);
        for i in [0, BLOCK - 1, BLOCK, 2 * BLOCK + 2] {
            let alone = influences(&real, &samples, &rows.select(&[i])).unwrap()[0];
            assert!((all[i] - alone).abs() < 1e-12 * (1.0 + alone.abs()), "{i}: {} and {alone}", all[i]);
        }
    }

    /// Draws of a Gaussian that is not that of the real images.
    #[test]
    fn the_error_is_the_spread_over_draws() {
        for (d, n, low, high) in [(3, 200, 0.85, 1.15), (12, 60, 0.85, 1.25)] {
            let real = Moments::of(&gaussian_rows(400, d, 1.0, 0.0, 1)).gaussian().unwrap();
            let draws: Vec<Estimate> = (0..300)
                .map(|seed| frechet_estimate(&real, &gaussian_rows(n, d, 1.5, 0.5, 10 + seed)).unwrap())
                .collect();
            let mean = draws.iter().map(|draw| draw.value).sum::<f64>() / 300.0;
            let spread = (draws.iter().map(|draw| (draw.value - mean).powi(2)).sum::<f64>() / 299.0).sqrt();
            let told = draws.iter().map(|draw| draw.standard_error.unwrap()).sum::<f64>() / 300.0;
            assert!((low..high).contains(&(told / spread)), "d = {d}: told {told}, found {spread}");
        }
    }

    #[test]
    fn one_sample_and_other_widths_are_refused() {
        let real = Moments::of(&gaussian_rows(20, 3, 1.0, 0.0, 1)).gaussian().unwrap();
        let one = gaussian_rows(1, 3, 1.0, 0.0, 2);
        assert!(matches!(frechet_estimate(&real, &one), Err(MetricError::TooFew { found: 1, .. })));
        let wide = gaussian_rows(9, 4, 1.0, 0.0, 2);
        assert!(matches!(frechet_estimate(&real, &wide), Err(MetricError::Width { a: 3, b: 4 })));
        // Copies of one image have no spread, and nor have they an influence.
        let same = one.select(&[0; 8]);
        assert_eq!(frechet_estimate(&real, &same).unwrap().standard_error, Some(0.0));
    }
}
