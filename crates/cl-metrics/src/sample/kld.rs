//! Whether samples have the classes that the data have: the Kullback-Leibler divergence of class frequencies, as in
//! the literature on generative replay (Thanh-Tung & Tran 2020; Masip et al., arXiv 2311.14028).

use cldiff_choices::Describe;

use super::{
    Comparison, Metric, Need, Sets, Takes, Values,
    frequencies::{classes, frequencies, refuse_nothing},
};
use crate::{MetricError, summary::Direction};

/// Added to the number of samples of each class.
const SMOOTHING: f64 = 0.5;

/// KLD of class frequencies as a metric of samples.
#[derive(Debug, Clone, Copy)]
pub struct Kld;

impl Describe for Kld {
    const NAME: &'static str = "kld";
    const SUMMARY: &'static str = "Divergence of class frequencies, by the classifier's choice on samples";
    const CITATION: &'static str = "Masip et al. 2023, arXiv 2311.14028";
}

impl Metric for Kld {
    fn direction(&self) -> Direction {
        Direction::LowerIsBetter
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::RealClasses, Need::ClassProbabilities]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let probabilities = sets.class_probabilities()?;
        let seen = probabilities.argmax();
        Ok(vec![(Self::NAME, kld(&sets.real_classes()?, &seen, probabilities.width())?.into())])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: Kld::NAME,
    aliases: &[],
    summary: "Kullback-Leibler divergence of class frequencies: A real, B generated",
    takes: Takes::Pair,
    parameters: &[],
    compare: |sets, _| {
        let (real, seen) = (sets.a.classes()?, sets.b.classes_seen()?);
        Ok(vec![(Kld::NAME, kld(&real, &seen, classes(&real, &seen))?)])
    },
};

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
    refuse_nothing(Kld::NAME, real, seen)?;
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
