//! The start of adapters across those of the past (Staniszewski et al. 2024, arXiv 2410.04891; code:
//! luk-st/continual-lora): each column of a new `down` is a unit vector orthogonal to that column of the past `down`.
//!
//! The code takes the last right singular vector of the column as a row. LAPACK finds it as the last row of the Householder
//! reflection that maps the row to its first axis, and so does this file; a column of zeros has the last axis.

/// The columns of a matrix `[rank, columns]` in row order, each in the place of one that is orthogonal to it.
pub(super) fn orthogonal_columns(past: &[f32], rank: usize) -> Vec<f32> {
    let columns = past.len() / rank;
    let mut found = vec![0.0; past.len()];
    for column in 0..columns {
        let at = |row: usize| row * columns + column;
        let past: Vec<f64> = (0..rank).map(|row| f64::from(past[at(row)])).collect();
        for (row, value) in orthogonal(&past).into_iter().enumerate() {
            found[at(row)] = value as f32;
        }
    }
    found
}

/// A unit vector orthogonal to one of at least two numbers.
fn orthogonal(v: &[f64]) -> Vec<f64> {
    let last = v.len() - 1;
    let mut found = vec![0.0; v.len()];
    found[last] = 1.0;
    if v[1..].iter().all(|value| *value == 0.0) {
        return found;
    }
    let norm = v.iter().map(|value| value * value).sum::<f64>().sqrt();
    let along = -v[0].signum() * norm;
    let factor = (along - v[0]) / along;
    let of_reflection = |i: usize| if i == 0 { 1.0 } else { v[i] / (v[0] - along) };
    for (i, value) in found.iter_mut().enumerate() {
        *value -= factor * of_reflection(last) * of_reflection(i);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `torch.linalg.svd` gives them; each is orthogonal to its row, of norm 1, and can be checked by hand.
    #[test]
    fn the_last_singular_vector_of_a_row() {
        let fifth = 5.0_f64.sqrt();
        for (row, expected) in [
            (vec![1.0, 2.0], vec![-2.0 / fifth, 1.0 / fifth]),
            (vec![3.0, 4.0, 0.0], vec![0.0, 0.0, 1.0]),
            (vec![1.0, -2.0, 2.0], vec![-2.0 / 3.0, 1.0 / 3.0, 2.0 / 3.0]),
            (vec![-1.0, 2.0, -2.0, 4.0], vec![12.0 / 15.0, -4.0 / 15.0, 4.0 / 15.0, 7.0 / 15.0]),
            (vec![0.0, 0.0, 2.0], vec![-1.0, 0.0, 0.0]),
            (vec![2.0, 0.0, 0.0], vec![0.0, 0.0, 1.0]),
            (vec![0.0, 0.0], vec![0.0, 1.0]),
        ] {
            for (found, expected) in orthogonal(&row).into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "{found} instead of {expected} for {row:?}");
            }
        }
    }

    /// The columns (3, 4, 0) and (1, -2, 2), and not the rows.
    #[test]
    fn each_column_has_its_own() {
        let found = orthogonal_columns(&[3.0, 1.0, 4.0, -2.0, 0.0, 2.0], 3);
        for (found, expected) in found.into_iter().zip([0.0, -2.0 / 3.0, 0.0, 1.0 / 3.0, 1.0, 2.0 / 3.0]) {
            assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        }
    }
}
