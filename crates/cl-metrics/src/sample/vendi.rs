//! Vendi score (Friedman & Dieng 2023, arXiv 2210.02410, definition 3.1): the number of different images that a set is
//! worth, the exponential of the entropy of the eigenvalues of K / N. K has the cosines of features, so that the score
//! is from 1 (all alike) to N or the number of features.
//!
//! K / N and the mean of f f^T over the features f of unit length have the same eigenvalues: of the two matrices the smaller
//! is decomposed. No real image is needed; noise is more diverse than data, so that the score describes and the floor,
//! the score of real images, says what it should be. Grows with N. The standard error is the infinitesimal jackknife's,
//! exact to first order: the influence of a sample is minus f^T ln(rho) f for rho the mean of f f^T, times the score.

use cldiff_choices::Describe;
use faer::{Accum, Mat, MatRef, Par, linalg::matmul::matmul};

use super::{Comparison, Estimate, Metric, Need, Sets, Takes, Values, groups::standard_error_of_mean};
use crate::{MetricError, features::FeatureMatrix, linalg, summary::Direction};

/// Vendi score as a metric of samples.
#[derive(Debug, Clone, Copy)]
pub struct Vendi;

impl Describe for Vendi {
    const NAME: &'static str = "vendi";
    const SUMMARY: &'static str = "Vendi score: the number of different images, by the cosines of features, that the \
        samples are worth";
    const CITATION: &'static str = "Friedman & Dieng 2023, arXiv 2210.02410";
}

impl Metric for Vendi {
    fn direction(&self) -> Option<Direction> {
        None
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Features]
    }

    fn is_default(&self) -> bool {
        false
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        Ok(vec![(Self::NAME, vendi_score(sets.generated.features)?)])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: Vendi::NAME,
    aliases: &[],
    summary: "Vendi score of features: the number of different images that a set is worth",
    takes: Takes::One,
    parameters: &[],
    compare: |sets, _| {
        let found = vendi_score(sets.b.features()?)?;
        let error = found.standard_error.map(|error| ("vendi_standard_error", error));
        Ok([(Vendi::NAME, found.value)].into_iter().chain(error).collect())
    },
};

/// The score with its standard error. A row without length stays without, as in the authors' code.
///
/// # Errors
/// [`MetricError::TooFew`] without rows; [`MetricError::Numerics`] if the eigenvalues are not found.
pub fn vendi_score(features: &FeatureMatrix) -> Result<Estimate, MetricError> {
    let (n, d) = (features.rows(), features.width());
    if n == 0 {
        return Err(MetricError::TooFew { metric: Vendi::NAME, needed: 1, found: 0 });
    }
    let unit = unit_rows(features);
    let unit = MatRef::from_row_major_slice(&unit, n, d);
    let (entropy, logarithms) = if d <= n { of_features(unit) } else { of_images(unit) }
        .map_err(|problem| MetricError::Numerics { metric: Vendi::NAME, problem })?;
    let score = entropy.exp();
    Ok(Estimate::with(score, standard_error_of_mean(&logarithms).map(|error| error * score)))
}

fn unit_rows(features: &FeatureMatrix) -> Vec<f64> {
    let unit = |i: usize| {
        let norm = features.row(i).iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let norm = if norm > 0.0 { norm } else { 1.0 };
        features.row(i).iter().map(move |&x| f64::from(x) / norm)
    };
    (0..features.rows()).flat_map(unit).collect()
}

/// The entropy and f^T ln(rho) f of each row, by the eigenvectors of rho.
fn of_features(unit: MatRef<'_, f64>) -> Result<(f64, Vec<f64>), String> {
    let (n, d) = (unit.nrows(), unit.ncols());
    let mut rho = Mat::zeros(d, d);
    linalg::add_outer_products(&mut rho, unit);
    let (values, vectors) = eigen_of(&rho, n)?;
    let mut along = Mat::<f64>::zeros(n, d);
    matmul(&mut along, Accum::Replace, unit, &vectors, 1.0, Par::rayon(0));
    let positive = || (0..d).filter(|&k| values[k] > 0.0);
    let logarithm = |i: usize| positive().map(|k| values[k].ln() * along[(i, k)].powi(2)).sum();
    Ok((entropy(&values), (0..n).map(logarithm).collect()))
}

/// The same by the eigenvectors v of K / N: the rows lie along an eigenvector of rho by the root of N lambda times v.
fn of_images(unit: MatRef<'_, f64>) -> Result<(f64, Vec<f64>), String> {
    let n = unit.nrows();
    let mut kernel = Mat::zeros(n, n);
    linalg::add_outer_products(&mut kernel, unit.transpose());
    let (values, vectors) = eigen_of(&kernel, n)?;
    let positive = || (0..n).filter(|&k| values[k] > 0.0);
    let logarithm =
        |i: usize| positive().map(|k| n as f64 * values[k] * values[k].ln() * vectors[(i, k)].powi(2)).sum();
    Ok((entropy(&values), (0..n).map(logarithm).collect()))
}

/// Eigenvalues over `n`, and eigenvectors.
fn eigen_of(matrix: &Mat<f64>, n: usize) -> Result<(Vec<f64>, Mat<f64>), String> {
    let (values, vectors) = linalg::eigen(matrix.as_ref())?;
    Ok((values.into_iter().map(|value| value / n as f64).collect(), vectors))
}

fn entropy(values: &[f64]) -> f64 {
    -values.iter().filter(|value| **value > 0.0).map(|value| value * value.ln()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn equal_images_are_worth_one_and_orthogonal_ones_their_number() {
        let score = |rows: &FeatureMatrix| vendi_score(rows).unwrap().value;
        // The length of a row does not matter.
        let equal = FeatureMatrix::new(2, vec![1.0, 2.0, 2.0, 4.0, 0.5, 1.0]).unwrap();
        assert!((score(&equal) - 1.0).abs() < 1e-12);
        let three = FeatureMatrix::new(3, vec![1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 3.0]).unwrap();
        assert!((score(&three) - 3.0).abs() < 1e-12);
        // Eigenvalues 3/4 and 1/4.
        let uneven = FeatureMatrix::new(2, vec![1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0]).unwrap();
        let entropy = 0.75 * (4.0_f64 / 3.0).ln() + 0.25 * 4.0_f64.ln();
        assert!((score(&uneven) - entropy.exp()).abs() < 1e-12);
        assert!(matches!(vendi_score(&equal.select(&[])), Err(MetricError::TooFew { .. })));
        assert_eq!(vendi_score(&equal.select(&[0])).unwrap().standard_error, None);
    }

    #[test]
    fn both_matrices_give_the_same() {
        for (n, d) in [(12, 5), (5, 12)] {
            let unit = unit_rows(&gaussian_rows(n, d, 1.0, 0.3, 1));
            let unit = MatRef::from_row_major_slice(&unit, n, d);
            let (one, other) = (of_features(unit).unwrap(), of_images(unit).unwrap());
            assert!((one.0 - other.0).abs() < 1e-12);
            for (a, b) in one.1.iter().zip(&other.1) {
                assert!((a - b).abs() < 1e-9, "{a} and {b}");
            }
        }
    }

    #[test]
    fn the_error_is_the_spread_over_draws() {
        let draws: Vec<Estimate> =
            (0..200).map(|seed| vendi_score(&gaussian_rows(100, 4, 1.0, 0.8, seed)).unwrap()).collect();
        let mean = draws.iter().map(|draw| draw.value).sum::<f64>() / 200.0;
        let squares = draws.iter().map(|draw| (draw.value - mean).powi(2)).sum::<f64>();
        let told = draws.iter().map(|draw| draw.standard_error.unwrap()).sum::<f64>() / 200.0;
        let ratio = told / (squares / 199.0).sqrt();
        assert!((0.8..1.25).contains(&ratio), "told {told}, ratio {ratio}");
    }
}
