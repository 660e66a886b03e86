//! Every pair of rows of two sets of features, by blocks: products and squared distances in f64 without a matrix of all
//! of them. A thread holds two blocks of rows and their products, whatever the number of rows.

use faer::{Accum, Mat, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

use crate::features::FeatureMatrix;

/// Rows of a block.
const BLOCK: usize = 256;
/// Below this share of the rows' squared norms a squared distance is computed from the differences: the difference of
/// large products has lost its digits, and equal rows would not be at distance 0.
const NEAR: f64 = 1e-6;

/// Some rows in f64 with their squared norms.
struct Block {
    first: usize,
    rows: usize,
    width: usize,
    values: Vec<f64>,
    norms: Vec<f64>,
}

impl Block {
    fn of(features: &FeatureMatrix, first: usize) -> Self {
        let (rows, width) = (BLOCK.min(features.rows() - first), features.width());
        let values: Vec<f64> =
            (first..first + rows).flat_map(|i| features.row(i).iter().map(|&x| f64::from(x))).collect();
        let norms = values.chunks(width).map(|row| row.iter().map(|x| x * x).sum()).collect();
        Self { first, rows, width, values, norms }
    }

    fn matrix(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.values, self.rows, self.width)
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.width..(i + 1) * self.width]
    }

    fn squared_distance(&self, i: usize, other: &Self, j: usize, product: f64) -> f64 {
        let norms = self.norms[i] + other.norms[j];
        let squared = norms - 2.0 * product;
        if squared > NEAR * norms {
            return squared;
        }
        self.row(i).iter().zip(other.row(j)).map(|(x, y)| (x - y).powi(2)).sum()
    }
}

/// For each row i of `a`, starts from `init()` and takes in the product of that row with every row j of `b`, in order.
pub(crate) fn fold_products<R: Send>(
    a: &FeatureMatrix,
    b: &FeatureMatrix,
    init: impl Fn() -> R + Sync,
    take: impl Fn(&mut R, usize, usize, f64) + Sync,
) -> Vec<R> {
    fold(a, b, init, |result, i, j, (left, right), product| {
        take(result, left.first + i, right.first + j, product);
    })
}

/// As [`fold_products`], with the squared Euclidean distance of the rows.
pub(crate) fn fold_squared_distances<R: Send>(
    a: &FeatureMatrix,
    b: &FeatureMatrix,
    init: impl Fn() -> R + Sync,
    take: impl Fn(&mut R, usize, usize, f64) + Sync,
) -> Vec<R> {
    fold(a, b, init, |result, i, j, (left, right), product| {
        let squared = left.squared_distance(i, right, j, product);
        take(result, left.first + i, right.first + j, squared);
    })
}

fn fold<R: Send>(
    a: &FeatureMatrix,
    b: &FeatureMatrix,
    init: impl Fn() -> R + Sync,
    take: impl Fn(&mut R, usize, usize, (&Block, &Block), f64) + Sync,
) -> Vec<R> {
    assert_eq!(a.width(), b.width(), "features of different width");
    let firsts: Vec<usize> = (0..a.rows()).step_by(BLOCK).collect();
    let of_block = |&first: &usize| {
        let left = Block::of(a, first);
        let mut results: Vec<R> = (0..left.rows).map(|_| init()).collect();
        for second in (0..b.rows()).step_by(BLOCK) {
            let right = Block::of(b, second);
            // Column i: row i of the left block with all rows of the right one.
            let mut products = Mat::<f64>::zeros(right.rows, left.rows);
            matmul(&mut products, Accum::Replace, right.matrix(), left.matrix().transpose(), 1.0, Par::Seq);
            for (i, result) in results.iter_mut().enumerate() {
                for (j, &product) in products.col(i).iter().enumerate() {
                    take(result, i, j, (&left, &right), product);
                }
            }
        }
        results
    };
    let blocks: Vec<Vec<R>> = firsts.par_iter().map(of_block).collect();
    blocks.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn pairs_across_blocks_have_their_distances_and_equal_rows_none() {
        let a = gaussian_rows(300, 3, 1.0, 1e3, 1);
        let b = a.select(&(0..280).rev().collect::<Vec<_>>());
        let found = fold_squared_distances(&a, &b, Vec::new, |row: &mut Vec<f64>, _, j, d| {
            assert_eq!(row.len(), j);
            row.push(d);
        });
        for (i, row) in found.iter().enumerate() {
            for (j, &distance) in row.iter().enumerate() {
                let exact: f64 =
                    a.row(i).iter().zip(b.row(j)).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum();
                assert!((distance - exact).abs() <= 1e-9 * exact, "{i} {j}: {distance} and {exact}");
            }
            if i < 280 {
                assert_eq!(row[279 - i], 0.0);
            }
        }
    }
}
