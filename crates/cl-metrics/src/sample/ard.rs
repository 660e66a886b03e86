//! Absolute ratio distance of class frequencies: by how much the samples' share of a class misses the data's, as a
//! fraction of it, on average over the data's classes. 0: as in the data; 1: all classes lost, or half of two classes
//! lost to the other half.
//!
//! The name goes with the KLD of class frequencies in work on generative replay; no public definition was found, so that
//! the formula, (1 / C) sum_c |q_c / p_c - 1|, is this project's reading of the name.

use super::frequencies::{frequencies, refuse_nothing};
use crate::MetricError;

/// The distance of the classes seen in samples from those of real images; classes that the data lack do not count.
///
/// # Errors
/// [`MetricError::TooFew`] without images or samples.
///
/// # Panics
/// If a class is not below `classes`.
pub fn ard(real: &[usize], seen: &[usize], classes: usize) -> Result<f64, MetricError> {
    refuse_nothing("ard", real, seen)?;
    let (p, q) = (frequencies(real, classes, 0.0), frequencies(seen, classes, 0.0));
    let distances: Vec<f64> =
        p.iter().zip(&q).filter(|(p, _)| **p > 0.0).map(|(p, q)| (q / p - 1.0).abs()).collect();
    Ok(distances.iter().sum::<f64>() / distances.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_worked_cases() {
        let of = |seen: &[usize]| ard(&[0, 0, 1, 1], seen, 3).unwrap();
        assert_eq!(of(&[0, 1]), 0.0);
        // Shares 3/4 and 1/4 in place of halves: off by half of it each.
        assert_eq!(of(&[0, 0, 0, 1]), 0.5);
        // One class lost (1) and the other doubled (1).
        assert_eq!(of(&[0, 0]), 1.0);
        // Only a class that the data lack.
        assert_eq!(of(&[2, 2]), 1.0);
        assert!(ard(&[0], &[], 1).is_err());
    }
}
