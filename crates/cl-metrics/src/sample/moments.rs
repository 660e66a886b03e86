//! Mean and covariance of features, accumulated in blocks of rows: O(width^2) memory for any number of rows.
//!
//! A block is centred at its own mean and merged as Chan, Golub & LeVeque (1983) merge partial moments; a block's sum
//! of outer products is one matrix product. The covariance has the n - 1 of `numpy.cov`.

use std::sync::OnceLock;

use faer::{Mat, MatRef};

use crate::{MetricError, features::FeatureMatrix, linalg};

/// Rows that are taken in at a time.
const BLOCK: usize = 512;

/// Moments of the rows taken in so far.
#[derive(Debug, Clone)]
pub struct Moments {
    count: usize,
    mean: Vec<f64>,
    /// Sum of the outer products of deviations from the mean; the lower triangle is filled.
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
        moments.extend(features);
        moments
    }

    /// How many rows were taken in.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes in more rows.
    ///
    /// # Panics
    /// If they have another width.
    pub fn extend(&mut self, features: &FeatureMatrix) {
        assert_eq!(features.width(), self.mean.len(), "rows of another width");
        for first in (0..features.rows()).step_by(BLOCK) {
            let rows = BLOCK.min(features.rows() - first);
            self.push_block(features, first, rows);
        }
    }

    fn push_block(&mut self, features: &FeatureMatrix, first: usize, rows: usize) {
        let width = features.width();
        let mut mean = vec![0.0; width];
        for i in first..first + rows {
            for (sum, &x) in mean.iter_mut().zip(features.row(i)) {
                *sum += f64::from(x);
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= rows as f64);
        let mut centred = Vec::with_capacity(rows * width);
        for i in first..first + rows {
            centred.extend(features.row(i).iter().zip(&mean).map(|(&x, m)| f64::from(x) - m));
        }
        self.shift_to(rows, &mean);
        linalg::add_outer_products(&mut self.scatter, MatRef::from_row_major_slice(&centred, rows, width));
    }

    /// Takes in the moments of other rows.
    ///
    /// # Panics
    /// If they have another width.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(other.mean.len(), self.mean.len(), "moments of another width");
        self.shift_to(other.count, &other.mean);
        self.scatter += &other.scatter;
    }

    /// Moves the mean towards that of `rows` more rows, and notes the distance of the two in the scatter.
    fn shift_to(&mut self, rows: usize, mean: &[f64]) {
        if rows == 0 {
            return;
        }
        let (n, more) = (self.count as f64, rows as f64);
        let total = n + more;
        if self.count > 0 {
            let weight = (n * more / total).sqrt();
            let delta: Vec<f64> = mean.iter().zip(&self.mean).map(|(b, a)| weight * (b - a)).collect();
            let row = MatRef::from_row_major_slice(&delta, 1, delta.len());
            linalg::add_outer_products(&mut self.scatter, row);
        }
        for (a, b) in self.mean.iter_mut().zip(mean) {
            *a += (b - *a) * (more / total);
        }
        self.count += rows;
    }

    /// The Gaussian with these moments.
    ///
    /// # Errors
    /// [`MetricError::TooFew`] below two rows.
    pub fn gaussian(&self) -> Result<Gaussian, MetricError> {
        if self.count < 2 {
            return Err(MetricError::TooFew { metric: "a covariance", needed: 2, found: self.count });
        }
        let (d, denominator) = (self.mean.len(), (self.count - 1) as f64);
        let covariance = Mat::from_fn(d, d, |i, j| self.scatter[(i.max(j), i.min(j))] / denominator);
        Ok(Gaussian { count: Some(self.count), mean: self.mean.clone(), covariance, factor: OnceLock::new() })
    }
}

/// Mean and covariance, of rows or from a file.
#[derive(Debug, Clone)]
pub struct Gaussian {
    count: Option<usize>,
    mean: Vec<f64>,
    covariance: Mat<f64>,
    /// Computed when it is first needed: a reference is compared with many sets of samples.
    factor: OnceLock<Mat<f64>>,
}

impl Gaussian {
    /// From saved statistics; `covariance` is row after row, `count` may be unknown.
    ///
    /// # Errors
    /// [`MetricError::Statistics`] for sizes that do not fit, numbers that are not finite, a covariance that is not
    /// symmetric or has a negative variance.
    pub fn from_statistics(
        count: Option<usize>,
        mean: Vec<f64>,
        covariance: &[f64],
    ) -> Result<Self, MetricError> {
        let refuse = |problem: String| Err(MetricError::Statistics { problem });
        let d = mean.len();
        if d == 0 || d.checked_mul(d) != Some(covariance.len()) {
            return refuse(format!(
                "`mu` has {d} numbers and `sigma` {}, expected d and d x d",
                covariance.len()
            ));
        }
        if mean.iter().chain(covariance).any(|value| !value.is_finite()) {
            return refuse("`mu` or `sigma` has a number that is not finite".into());
        }
        let at = |i: usize, j: usize| covariance[i * d + j];
        let largest = (0..d).map(|i| at(i, i).abs()).fold(0.0, f64::max);
        let symmetric = |i: usize| (0..i).all(|j| (at(i, j) - at(j, i)).abs() <= 1e-5 * largest);
        if let Some(i) = (0..d).find(|&i| at(i, i) < 0.0 || !symmetric(i)) {
            return refuse(format!("`sigma` is no covariance: see its row {i}"));
        }
        let covariance = Mat::from_fn(d, d, |i, j| f64::midpoint(at(i, j), at(j, i)));
        Ok(Self { count, mean, covariance, factor: OnceLock::new() })
    }

    /// How many rows the moments are of, where that is known.
    pub fn count(&self) -> Option<usize> {
        self.count
    }

    /// The mean.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The covariance.
    pub fn covariance(&self) -> MatRef<'_, f64> {
        self.covariance.as_ref()
    }

    /// The number of features.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// F with F F^T = the covariance.
    pub(crate) fn factor(&self) -> Result<&Mat<f64>, String> {
        if let Some(factor) = self.factor.get() {
            return Ok(factor);
        }
        let factor = linalg::factor(self.covariance())?;
        Ok(self.factor.get_or_init(|| factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn blocks_and_merges_give_the_moments_of_all_rows() {
        // An offset far larger than the spread: sums of squares would lose all digits.
        let rows = gaussian_rows(1400, 5, 1.0, 1e4, 1);
        let whole = Moments::of(&rows).gaussian().unwrap();
        let mut merged = Moments::new(5);
        for part in [0..1, 1..600, 600..600, 600..1400] {
            merged.merge(&Moments::of(&rows.select(&part.collect::<Vec<_>>())));
        }
        let merged = merged.gaussian().unwrap();
        assert_eq!(merged.count(), Some(1400));
        for i in 0..5 {
            assert!((whole.mean()[i] - merged.mean()[i]).abs() < 1e-9);
            for j in 0..5 {
                let value = |k: usize, c: usize| f64::from(rows.row(k)[c]) - whole.mean()[c];
                let direct = (0..1400).map(|k| value(k, i) * value(k, j)).sum::<f64>() / 1399.0;
                assert!((whole.covariance()[(i, j)] - direct).abs() < 1e-9);
                assert!((merged.covariance()[(i, j)] - direct).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn saved_statistics_that_are_none_are_refused() {
        let refused = |mean: &[f64], covariance: &[f64]| {
            Gaussian::from_statistics(None, mean.to_vec(), covariance).unwrap_err().to_string()
        };
        assert!(refused(&[0.0, 0.0], &[1.0]).contains("d x d"));
        assert!(refused(&[0.0], &[f64::NAN]).contains("not finite"));
        assert!(refused(&[0.0, 0.0], &[1.0, 0.5, -0.5, 1.0]).contains("row 1"));
        assert!(refused(&[0.0], &[-1.0]).contains("row 0"));
        assert!(Gaussian::from_statistics(None, vec![0.0; 2], &[1.0, 0.5, 0.5, 1.0]).is_ok());
    }
}
