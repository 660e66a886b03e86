//! Nearest neighbours: the radii of the balls by which precision, recall, density and coverage outline a distribution.

use super::{groups::Groups, pairs::fold_squared_distances};
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
        return Err(MetricError::TooFew { metric, needed: k.saturating_add(1), found: features.rows() });
    }
    let nearest = fold_squared_distances(
        features,
        features,
        || Vec::with_capacity(k + 1),
        |nearest: &mut Vec<f64>, i, j, distance| {
            if i != j {
                keep_smallest(nearest, k, distance);
            }
        },
    );
    Ok(nearest.into_iter().map(|nearest| nearest[k - 1]).collect())
}

/// The squared distance of each row to its `k`-th nearest other row that is not of a group, for each group: `[row][group]`.
/// Infinite where there are fewer than k.
pub(super) fn squared_radii_without(features: &FeatureMatrix, k: usize, groups: &Groups) -> Vec<Vec<f64>> {
    // The k nearest of each group on its own.
    let nearest = fold_squared_distances(
        features,
        features,
        || vec![Vec::with_capacity(k + 1); groups.count()],
        |nearest: &mut Vec<Vec<f64>>, i, j, distance| {
            if i != j {
                keep_smallest(&mut nearest[groups.of(j)], k, distance);
            }
        },
    );
    let without = |nearest: &Vec<Vec<f64>>, group: usize| {
        let others = nearest.iter().enumerate().filter(|(g, _)| *g != group);
        let mut all: Vec<f64> = others.flat_map(|(_, distances)| distances.iter().copied()).collect();
        all.sort_unstable_by(f64::total_cmp);
        all.get(k - 1).copied().unwrap_or(f64::INFINITY)
    };
    nearest.iter().map(|nearest| (0..groups.count()).map(|g| without(nearest, g)).collect()).collect()
}

/// Takes a distance in among the `k` smallest, in rising order.
pub(super) fn keep_smallest(smallest: &mut Vec<f64>, k: usize, distance: f64) {
    if smallest.len() < k || distance < smallest[k - 1] {
        let at = smallest.partition_point(|known| *known <= distance);
        smallest.insert(at, distance);
        smallest.truncate(k);
    }
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
    fn radii_without_a_group_are_those_of_the_other_rows() {
        let rows = gaussian_rows(50, 3, 1.0, 0.0, 1);
        let groups = Groups::new(50);
        let without = squared_radii_without(&rows, 3, &groups);
        for group in [0, 7, 19] {
            let left: Vec<usize> = (0..50).filter(|&i| groups.of(i) != group).collect();
            let direct = squared_radii("test", &rows.select(&left), 3).unwrap();
            for (place, &i) in left.iter().enumerate() {
                assert!((without[i][group] - direct[place]).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn too_few_rows_for_k_neighbours_are_refused() {
        let rows = gaussian_rows(3, 2, 1.0, 0.0, 1);
        assert!(matches!(squared_radii("x", &rows, 3), Err(MetricError::TooFew { needed: 4, found: 3, .. })));
        assert!(squared_radii("x", &rows, 0).is_err());
        let all = squared_radii("x", &rows, usize::MAX);
        assert!(matches!(all, Err(MetricError::TooFew { needed: usize::MAX, found: 3, .. })));
    }
}
