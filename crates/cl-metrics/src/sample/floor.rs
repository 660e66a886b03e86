//! The floor of a metric: what it is between real images and other real images.
//!
//! A finite number of samples is at some distance even from its own distribution; a model cannot be expected below.

use crate::{MetricError, features::FeatureMatrix};

/// A metric between two disjoint sets of real images, the first of `n` or, where there are not enough for both,
/// of half of them; the second is the rest.
///
/// # Errors
/// Those of the metric.
pub fn real_against_real(
    real: &FeatureMatrix,
    n: usize,
    metric: impl Fn(&FeatureMatrix, &FeatureMatrix) -> Result<f64, MetricError>,
) -> Result<f64, MetricError> {
    let total = real.rows();
    let n = n.min(total / 2);
    // Every (total / n)-th image, so that both sets have the classes in the same proportions.
    let chosen: Vec<bool> = (0..total).map(|i| n > 0 && (i * n) / total != ((i + 1) * n) / total).collect();
    let half = |side: bool| real.select(&(0..total).filter(|&i| chosen[i] == side).collect::<Vec<_>>());
    metric(&half(false), &half(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_are_disjoint_and_of_the_asked_size() {
        let rows = FeatureMatrix::new(1, (0..10_u8).map(f32::from).collect()).unwrap();
        for (n, expected) in [(3, 3), (5, 5), (100, 5)] {
            let sizes = real_against_real(&rows, n, |rest, chosen| {
                let both: std::collections::BTreeSet<_> =
                    [rest, chosen].iter().flat_map(|m| (0..m.rows()).map(|i| m.row(i)[0] as u8)).collect();
                assert_eq!(both.len(), 10);
                Ok(chosen.rows() as f64)
            });
            assert_eq!(sizes.unwrap(), f64::from(expected));
        }
    }
}
