//! Whether samples have the classes that the data have: the Kullback-Leibler divergence of class frequencies, as in
//! the literature on generative replay (Thanh-Tung & Tran 2020; Masip et al., arXiv 2311.14028).

use super::frequencies::{frequencies, refuse_nothing};
use crate::MetricError;

/// Added to the number of samples of each class.
const SMOOTHING: f64 = 0.5;

/// KL(real frequencies || frequencies of the classes seen in the samples), in nats.
///
/// Classes that no sample has would make it infinite, so that each class gets half a sample for nothing.
///
/// # Errors
/// [`MetricError::TooFew`] without images or samples.
///
/// # Panics
/// If a class is not below `classes`.
pub fn kld(real: &[usize], seen: &[usize], classes: usize) -> Result<f64, MetricError> {
    refuse_nothing("kld", real, seen)?;
    let (p, q) = (frequencies(real, classes, 0.0), frequencies(seen, classes, SMOOTHING));
    Ok(p.iter().zip(&q).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q).ln()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_worked_case() {
        // Real: 1/2, 1/2, 0. Samples 3, 0, 0 and half a sample each: 3.5/4.5, 0.5/4.5, 0.5/4.5.
        let expected = 0.5 * (0.5_f64 / (3.5 / 4.5)).ln() + 0.5 * (0.5_f64 / (0.5 / 4.5)).ln();
        assert!((kld(&[0, 1], &[0, 0, 0], 3).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn equal_frequencies_cost_almost_nothing_and_a_lost_class_much() {
        let even: Vec<usize> = (0..300).map(|i| i % 3).collect();
        assert!(kld(&even, &even, 3).unwrap() < 1e-4);
        assert!(kld(&even, &[0; 300], 3).unwrap() > 2.0);
        assert!(matches!(kld(&even, &[], 3), Err(MetricError::TooFew { found: 0, .. })));
    }
}
