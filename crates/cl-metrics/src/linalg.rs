//! The linear algebra behind the metrics, in f64: sums of outer products, factors and singular values.
//!
//! Products run on all threads, whose number does not change what they give. faer's decompositions on several threads
//! sum in another order than on one, so that they run on one: the same bytes whatever the machine has.

use faer::{
    Accum, Mat, MatRef, Par, Side,
    diag::Diag,
    dyn_stack::{MemBuffer, MemStack},
    linalg::{
        evd::{self, ComputeEigenvectors},
        matmul::{
            matmul,
            triangular::{self, BlockStructure},
        },
        svd::{self, ComputeSvdVectors},
    },
};

/// Why faer finds no decomposition: it has one reason.
const NO_END: &str = "the iteration did not converge";

/// Adds `x^T x` to the lower triangle of `to`.
///
/// # Shapes
/// - `to`: `[d, d]`, `x`: `[n, d]`
pub(crate) fn add_outer_products(to: &mut Mat<f64>, x: MatRef<'_, f64>) {
    triangular::matmul(
        to,
        BlockStructure::TriangularLower,
        Accum::Add,
        x.transpose(),
        BlockStructure::Rectangular,
        x,
        BlockStructure::Rectangular,
        1.0,
        Par::rayon(0),
    );
}

/// A factor F with `F F^T` = the positive semi-definite matrix: Cholesky's where the matrix has full rank, else its
/// eigenvectors, scaled, without those that only rounding made.
///
/// # Shapes
/// - `matrix`: `[d, d]`; output: `[d, rank]`
pub(crate) fn factor(matrix: MatRef<'_, f64>) -> Result<Mat<f64>, String> {
    let d = matrix.nrows();
    let largest = (0..d).map(|i| matrix[(i, i)]).fold(0.0, f64::max);
    let noise = largest * d as f64 * f64::EPSILON;
    if let Ok(cholesky) = matrix.llt(Side::Lower) {
        let lower = cholesky.L();
        if (0..d).all(|i| lower[(i, i)].powi(2) > noise) {
            return Ok(lower.to_owned());
        }
    }
    let (values, vectors) = eigen(matrix)?;
    let largest = values.iter().copied().fold(0.0, f64::max);
    let kept: Vec<usize> = (0..d).filter(|&j| values[j] > largest * d as f64 * f64::EPSILON).collect();
    Ok(Mat::from_fn(d, kept.len(), |i, j| vectors[(i, kept[j])] * values[kept[j]].sqrt()))
}

/// Eigenvalues of a symmetric matrix, and its eigenvectors as columns.
///
/// # Shapes
/// - `matrix`: `[d, d]`, of which the lower triangle is read; output: `[d]`, `[d, d]`
pub(crate) fn eigen(matrix: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>), String> {
    let d = matrix.nrows();
    let (mut values, mut vectors) = (Diag::zeros(d), Mat::zeros(d, d));
    let scratch =
        evd::self_adjoint_evd_scratch::<f64>(d, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    evd::self_adjoint_evd(
        matrix,
        values.as_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|_| format!("the eigenvalues of a {d} x {d} covariance were not found: {NO_END}"))?;
    Ok((values.column_vector().iter().copied().collect(), vectors))
}

/// Left singular vectors of `a^T b` as columns with their singular values, without those that only rounding made.
///
/// # Shapes
/// - `a`: `[d, r]`, `b`: `[d, s]`; output: `[r, rank]`, `[rank]`
pub(crate) fn left_singular_of_product(a: &Mat<f64>, b: &Mat<f64>) -> Result<(Mat<f64>, Vec<f64>), String> {
    let (r, s) = (a.ncols(), b.ncols());
    let fewer = r.min(s);
    if fewer == 0 {
        return Ok((Mat::zeros(r, 0), Vec::new()));
    }
    let mut product = Mat::zeros(r, s);
    matmul(&mut product, Accum::Replace, a.transpose(), b, 1.0, Par::rayon(0));
    let (thin, none) = (ComputeSvdVectors::Thin, ComputeSvdVectors::No);
    let scratch = svd::svd_scratch::<f64>(r, s, thin, none, Par::Seq, Default::default());
    let (mut values, mut left) = (Diag::zeros(fewer), Mat::zeros(r, fewer));
    svd::svd(
        product.as_ref(),
        values.as_mut(),
        Some(left.as_mut()),
        None,
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|_| format!("the singular vectors of a {r} x {s} matrix were not found: {NO_END}"))?;
    let values = values.column_vector();
    let largest = values.iter().copied().fold(0.0, f64::max);
    let noise = largest * r.max(s) as f64 * f64::EPSILON;
    let kept: Vec<usize> = (0..fewer).filter(|&j| values[j] > noise).collect();
    Ok((Mat::from_fn(r, kept.len(), |i, j| left[(i, kept[j])]), kept.iter().map(|&j| values[j]).collect()))
}

/// The sum of the singular values of `a^T b`.
///
/// # Shapes
/// - `a`: `[d, r]`, `b`: `[d, s]`
pub(crate) fn nuclear_norm_of_product(a: &Mat<f64>, b: &Mat<f64>) -> Result<f64, String> {
    let (r, s) = (a.ncols(), b.ncols());
    if r == 0 || s == 0 {
        return Ok(0.0);
    }
    let mut product = Mat::zeros(r, s);
    matmul(&mut product, Accum::Replace, a.transpose(), b, 1.0, Par::rayon(0));
    let none = ComputeSvdVectors::No;
    let scratch = svd::svd_scratch::<f64>(r, s, none, none, Par::Seq, Default::default());
    let mut values = Diag::zeros(r.min(s));
    svd::svd(
        product.as_ref(),
        values.as_mut(),
        None,
        None,
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|_| format!("the singular values of a {r} x {s} matrix were not found: {NO_END}"))?;
    Ok(values.column_vector().iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_of_full_or_lesser_rank_gives_the_matrix_back() {
        for rank in [1, 4, 6] {
            let x =
                Mat::from_fn(rank, 6, |i, j| ((i * 7 + j * 3) as f64).sin() + f64::from(u8::from(i == j)));
            let matrix = x.transpose() * &x;
            let f = factor(matrix.as_ref()).unwrap();
            assert_eq!(f.ncols(), rank);
            assert!((&f * f.transpose() - &matrix).norm_max() < 1e-12);
        }
    }

    #[test]
    fn eigenvectors_and_singular_vectors_give_the_matrix_back() {
        let x = Mat::from_fn(4, 6, |i, j| ((i * 7 + j * 3) as f64).sin() + f64::from(u8::from(i == j)));
        let square = &x * x.transpose();
        let (values, vectors) = eigen(square.as_ref()).unwrap();
        let scaled = Mat::from_fn(4, 4, |i, j| vectors[(i, j)] * values[j]);
        assert!((&scaled * vectors.transpose() - &square).norm_max() < 1e-12);

        // a^T b = x b with b of rank 2: two left vectors, and U U^T keeps the product.
        let b = Mat::from_fn(6, 3, |i, j| {
            ((i + 1) as f64).sqrt() * [1.0, 2.0, 0.0][j] + i as f64 * [0.0, 1.0, 3.0][j]
        });
        let (left, values) = left_singular_of_product(&x.transpose().to_owned(), &b).unwrap();
        let product = &x * &b;
        assert_eq!((left.ncols(), values.len()), (2, 2));
        assert!((&left * (left.transpose() * &product) - &product).norm_max() < 1e-10);
        let squares = values.iter().map(|v| v * v).sum::<f64>();
        assert!((squares - product.squared_norm_l2()).abs() < 1e-9 * squares);
        assert!(left_singular_of_product(&b, &Mat::zeros(6, 0)).unwrap().1.is_empty());
    }

    #[test]
    fn the_nuclear_norm_of_a_diagonal_product_is_its_trace() {
        let a = Mat::from_fn(3, 3, |i, j| if i == j { [1.0, 2.0, 3.0][i] } else { 0.0 });
        assert!((nuclear_norm_of_product(&a, &a).unwrap() - 14.0).abs() < 1e-12);
        assert_eq!(nuclear_norm_of_product(&a, &Mat::zeros(3, 0)).unwrap(), 0.0);
    }
}
