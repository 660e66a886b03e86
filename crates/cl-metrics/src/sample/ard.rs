//! Absolute ratio distance of class frequencies: by how much the samples' share of a class misses the data's, as a
//! fraction of it, on average over the data's classes. 0: as in the data; 1: all classes lost, or half of two classes
//! lost to the other half.
//!
//! The name goes with the KLD of class frequencies in work on generative replay; no public definition was found, so that
//! the formula, (1 / C) sum_c |q_c / p_c - 1|, is this project's reading of the name.

use cldiff_choices::Describe;

use super::{
    Comparison, Metric, Need, Sets, Takes, Values,
    frequencies::{classes, frequencies, refuse_nothing},
};
use crate::{MetricError, summary::Direction};

/// ARD of class frequencies as a metric of samples.
#[derive(Debug, Clone, Copy)]
pub struct Ard;

impl Describe for Ard {
    const NAME: &'static str = "ard";
    const SUMMARY: &'static str =
        "Absolute ratio distance of class frequencies: mean of |q/p - 1|; no published definition was found";
}

impl Metric for Ard {
    fn direction(&self) -> Direction {
        Direction::LowerIsBetter
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::RealClasses, Need::ClassProbabilities]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let probabilities = sets.class_probabilities()?;
        let seen = probabilities.argmax();
        Ok(vec![(Self::NAME, ard(&sets.real_classes()?, &seen, probabilities.width())?.into())])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: Ard::NAME,
    aliases: &[],
    summary: "Absolute ratio distance of class frequencies: A real, B generated",
    takes: Takes::Pair,
    parameters: &[],
    compare: |sets, _| {
        let (real, seen) = (sets.a.classes()?, sets.b.classes_seen()?);
        Ok(vec![(Ard::NAME, ard(&real, &seen, classes(&real, &seen))?)])
    },
};

/// The distance of the classes seen in samples from those of real images; classes that the data lack do not count.
///
/// # Errors
/// [`MetricError::TooFew`] without images or samples.
///
/// # Panics
/// If a class is not below `classes`.
pub fn ard(real: &[usize], seen: &[usize], classes: usize) -> Result<f64, MetricError> {
    refuse_nothing(Ard::NAME, real, seen)?;
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
