//! Fréchet distance of features (Heusel et al. 2017, equation 6), in f64.
//!
//! |mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^{1/2}). The trace of the root is the sum of the roots of the
//! eigenvalues of S_1^{1/2} S_2 S_1^{1/2}, which is symmetric and positive semi-definite: no complex numbers, and
//! covariances without full rank need no correction. Biased upwards for few samples (see [`floor`](super::floor)).

use faer::{Mat, Side};

use super::{ImageSet, SampleMetric};
use crate::{MetricError, features::FeatureMatrix, summary::Direction};

const NAME: &str = "fid";

/// Mean and scatter of features, accumulated row by row in O(width^2) memory.
#[derive(Debug, Clone)]
pub struct Moments {
    count: usize,
    mean: Vec<f64>,
    /// Sum of the outer products of deviations from the mean; the upper triangle is filled.
    scatter: Mat<f64>,
}

impl Moments {
    /// No rows yet.
    pub fn new(width: usize) -> Self {
        Self { count: 0, mean: vec![0.0; width], scatter: Mat::zeros(width, width) }
    }

    /// The moments of a matrix of features.
    pub fn of(features: &FeatureMatrix) -> Self {
        let mut moments = Self::new(features.width());
        for i in 0..features.rows() {
            moments.push(features.row(i));
        }
        moments
    }

    /// Takes in one row (Welford 1962).
    ///
    /// # Panics
    /// If the row has another width.
    pub fn push(&mut self, row: &[f32]) {
        assert_eq!(row.len(), self.mean.len(), "a row of another width");
        self.count += 1;
        let n = self.count as f64;
        let before: Vec<f64> = row.iter().zip(&self.mean).map(|(&x, m)| f64::from(x) - m).collect();
        for (m, d) in self.mean.iter_mut().zip(&before) {
            *m += d / n;
        }
        let shrink = (n - 1.0) / n;
        for j in 0..before.len() {
            let scaled = before[j] * shrink;
            let column = self.scatter.col_mut(j).try_as_col_major_mut().expect("columns are contiguous");
            for (s, d) in column.as_slice_mut()[..=j].iter_mut().zip(&before) {
                *s += d * scaled;
            }
        }
    }

    /// The covariance with the n - 1 of `numpy.cov`.
    fn covariance(&self) -> Mat<f64> {
        let denominator = (self.count - 1) as f64;
        let d = self.mean.len();
        Mat::from_fn(d, d, |i, j| self.scatter[(i.min(j), i.max(j))] / denominator)
    }
}

/// The Fréchet distance of the two Gaussians with these moments.
///
/// # Errors
/// [`MetricError::TooFew`] below two rows, [`MetricError::Width`] for different widths.
pub fn frechet_distance(a: &Moments, b: &Moments) -> Result<f64, MetricError> {
    if a.mean.len() != b.mean.len() {
        return Err(MetricError::Width { a: a.mean.len(), b: b.mean.len() });
    }
    let fewest = a.count.min(b.count);
    if fewest < 2 {
        return Err(MetricError::TooFew { metric: NAME, needed: 2, found: fewest });
    }
    let (s_a, s_b) = (a.covariance(), b.covariance());
    let root = square_root(&s_a)?;
    let product = &root * &s_b * &root;
    let eigenvalues = product.self_adjoint_eigenvalues(Side::Lower).map_err(failed)?;
    // Where the covariances lack rank, rounding leaves tiny eigenvalues, whose roots are not tiny.
    let largest = eigenvalues.iter().copied().fold(0.0, f64::max);
    let noise = largest * f64::EPSILON * eigenvalues.len() as f64;
    let trace_of_root: f64 =
        eigenvalues.iter().filter(|value| **value > noise).map(|value| value.sqrt()).sum();
    let trace = |m: &Mat<f64>| (0..m.nrows()).map(|i| m[(i, i)]).sum::<f64>();
    let means: f64 = a.mean.iter().zip(&b.mean).map(|(x, y)| (x - y).powi(2)).sum();
    Ok(means + trace(&s_a) + trace(&s_b) - 2.0 * trace_of_root)
}

/// [`frechet_distance`] of two matrices of features.
///
/// # Errors
/// As `frechet_distance`.
pub fn frechet_distance_of(a: &FeatureMatrix, b: &FeatureMatrix) -> Result<f64, MetricError> {
    frechet_distance(&Moments::of(a), &Moments::of(b))
}

/// The symmetric square root of a positive semi-definite matrix; what rounding made negative counts as zero.
fn square_root(matrix: &Mat<f64>) -> Result<Mat<f64>, MetricError> {
    let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(failed)?;
    let (u, s) = (eigen.U(), eigen.S());
    let n = matrix.nrows();
    let scaled = Mat::from_fn(n, n, |i, j| u[(i, j)] * s[j].max(0.0).sqrt());
    Ok(&scaled * u.transpose())
}

fn failed(error: impl std::fmt::Debug) -> MetricError {
    MetricError::Numerics { metric: NAME, problem: format!("the eigenvalues were not found: {error:?}") }
}

/// The metric "fid".
#[derive(Debug, Clone, Copy, Default)]
pub struct Fid;

impl SampleMetric for Fid {
    fn name(&self) -> &'static str {
        NAME
    }

    fn direction(&self) -> Direction {
        Direction::LowerIsBetter
    }

    fn measure(&self, real: &ImageSet<'_>, generated: &ImageSet<'_>) -> Result<f64, MetricError> {
        frechet_distance_of(real.features, generated.features)
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};

    use super::*;

    fn random(rows: usize, width: usize, scale: f32, shift: f32, seed: u64) -> FeatureMatrix {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let data = (0..rows * width).map(|_| shift + scale * rng.random_range(-1.0..1.0_f32)).collect();
        FeatureMatrix::new(width, data).unwrap()
    }

    #[test]
    fn identical_sets_are_at_no_distance_even_without_full_rank() {
        for rows in [10, 200] {
            let a = random(rows, 24, 1.0, 0.0, 1);
            assert!(frechet_distance_of(&a, &a).unwrap().abs() < 1e-9);
        }
    }

    #[test]
    fn in_one_dimension_it_is_the_closed_form() {
        let (a, b) = (random(500, 1, 1.0, 0.0, 1), random(300, 1, 2.5, 3.0, 2));
        let moments = |m: &FeatureMatrix| {
            let values: Vec<f64> = (0..m.rows()).map(|i| f64::from(m.row(i)[0])).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
            (mean, variance.sqrt())
        };
        let ((ma, sa), (mb, sb)) = (moments(&a), moments(&b));
        let expected = (ma - mb).powi(2) + (sa - sb).powi(2);
        assert!((frechet_distance_of(&a, &b).unwrap() / expected - 1.0).abs() < 1e-9);
    }

    #[test]
    fn noise_raises_it_and_order_does_not_matter() {
        let a = random(400, 8, 1.0, 0.0, 1);
        let shuffled = a.select(&(0..400).rev().collect::<Vec<_>>());
        let noisy = random(400, 8, 1.5, 0.2, 1);
        let distance = |x: &FeatureMatrix| frechet_distance_of(&a, x).unwrap();
        assert!(distance(&shuffled).abs() < 1e-9);
        assert!(distance(&noisy) > 0.1);
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
