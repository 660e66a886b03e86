//! Nearest neighbours: the radii of the balls by which precision, recall, density and coverage outline a distribution.

use super::pairs::fold_squared_distances;
use crate::{MetricError, features::FeatureMatrix};

/// The squared distance of each row to its `k`-th nearest other row.
///
/// # Errors
/// [`MetricError::TooFew`] with fewer than k + 1 rows; [`MetricError::Config`] for k = 0.
pub fn squared_radii(
    metric: &'static str,
    features: &FeatureMatrix,
    k: usize,
) -> Result<Vec<f64>, MetricError> {
    if k == 0 {
        return Err(MetricError::config("k", 0, "expected at least 1"));
    }
    if features.rows() <= k {
        return Err(MetricError::TooFew { metric, needed: k + 1, found: features.rows() });
    }
    let nearest = fold_squared_distances(
        features,
        features,
        || Vec::with_capacity(k + 1),
        |nearest: &mut Vec<f64>, i, j, distance| {
            if i != j && (nearest.len() < k || distance < nearest[k - 1]) {
                let at = nearest.partition_point(|known| *known <= distance);
                nearest.insert(at, distance);
                nearest.truncate(k);
            }
        },
    );
    Ok(nearest.into_iter().map(|nearest| nearest[k - 1]).collect())
}

/// Refuses features that do not compare.
pub(super) fn check_widths(a: &FeatureMatrix, b: &FeatureMatrix) -> Result<(), MetricError> {
    if a.width() == b.width() {
        return Ok(());
    }
    Err(MetricError::Width { a: a.width(), b: b.width() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn radii_are_those_of_a_sort() {
        let rows = gaussian_rows(300, 4, 1.0, 0.0, 1);
        let radii = squared_radii("test", &rows, 5).unwrap();
        for (i, radius) in radii.iter().enumerate() {
            let mut distances: Vec<f64> = (0..300)
                .filter(|&j| j != i)
                .map(|j| {
                    let pairs = rows.row(i).iter().zip(rows.row(j));
                    pairs.map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum()
                })
                .collect();
            distances.sort_by(f64::total_cmp);
            assert!((radius - distances[4]).abs() < 1e-9);
        }
    }

    #[test]
    fn too_few_rows_for_k_neighbours_are_refused() {
        let rows = gaussian_rows(3, 2, 1.0, 0.0, 1);
        assert!(matches!(squared_radii("x", &rows, 3), Err(MetricError::TooFew { needed: 4, found: 3, .. })));
        assert!(squared_radii("x", &rows, 0).is_err());
    }
}
