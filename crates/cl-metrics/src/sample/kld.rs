//! Whether samples have the classes that the data have: the Kullback-Leibler divergence of class frequencies, as in
//! the literature on generative replay (Thanh-Tung & Tran 2020; Masip et al., arXiv 2311.14028).
//!
//! KL(p || q) in nats, p the shares of the real images and q_c = (n_c + 1/2) / (N + C/2) those of the classes that the
//! classifier sees in N samples, so that a class without samples does not make it infinite. Of a perfect model that is
//! above 0 with few samples: 0.23 nats with 100 even classes and N = 128. The metric is the divergence less the mean of a
//! perfect model with the same N (`balance`), 0 for a perfect model on average; the literature's value is
//! [`kld`], `kld_plug_in` in a comparison.

use cldiff_choices::Describe;

use super::{
    Comparison, Metric, Need, Sets, Takes, Values,
    balance::Balance,
    frequencies::{classes, refuse_nothing},
};
use crate::{MetricError, summary::Direction};

/// Added to the number of samples of each class.
const SMOOTHING: f64 = 0.5;

/// KLD of class frequencies as a metric of samples.
#[derive(Debug, Clone, Copy)]
pub struct Kld;

impl Describe for Kld {
    const NAME: &'static str = "kld";
    const SUMMARY: &'static str = "Divergence of class frequencies, by the classifier's choice on samples, less the mean \
        of a perfect model with as many samples";
    const CITATION: &'static str = "Masip et al. 2023, arXiv 2311.14028";
}

impl Metric for Kld {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::LowerIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::RealClasses, Need::ClassProbabilities]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let probabilities = sets.class_probabilities()?;
        let (real, seen, classes) = (sets.real_classes()?, probabilities.argmax(), probabilities.width());
        refuse_nothing(Self::NAME, &real, &seen)?;
        let balance = Balance::new(&real, &seen, sets.requested_classes().ok(), classes);
        Ok(vec![(Self::NAME, balance.corrected(&|p, count, n| term(p, count, n, classes)))])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: Kld::NAME,
    aliases: &[],
    summary: "Kullback-Leibler divergence of class frequencies, less that of a perfect model: A real, B generated",
    takes: Takes::Pair,
    parameters: &[],
    compare: |sets, _| {
        let (real, seen) = (sets.a.classes()?, sets.b.classes_seen()?);
        refuse_nothing(Kld::NAME, &real, &seen)?;
        let classes = classes(&real, &seen);
        let balance = Balance::new(&real, &seen, None, classes);
        let term = |p, count, n| term(p, count, n, classes);
        let found = balance.corrected(&term);
        let error = found.standard_error.map(|error| ("kld_standard_error", error));
        let values = [(Kld::NAME, found.value), ("kld_plug_in", balance.plug_in(&term))];
        Ok(values.into_iter().chain(error).collect())
    },
};

/// The part of a class with the real share `p` and `count` of `n` samples.
fn term(p: f64, count: f64, n: f64, classes: usize) -> f64 {
    p * (p * (n + SMOOTHING * classes as f64) / (count + SMOOTHING)).ln()
}

/// KL(real frequencies || frequencies of the classes seen in the samples), in nats and uncorrected.
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
    Ok(Balance::new(real, seen, None, classes).plug_in(&|p, count, n| term(p, count, n, classes)))
}

#[cfg(test)]
mod tests {
    use keyed_random::{Key, Purpose};
    use rand::Rng;

    use super::*;
    use crate::sample::Estimate;

    #[test]
    fn a_hand_worked_case() {
        // Real: 1/2, 1/2, 0. Samples 3, 0, 0 and half a sample each: 3.5/4.5, 0.5/4.5, 0.5/4.5.
        let expected = 0.5 * (0.5_f64 / (3.5 / 4.5)).ln() + 0.5 * (0.5_f64 / (0.5 / 4.5)).ln();
        assert!((kld(&[0, 1], &[0, 0, 0], 3).unwrap() - expected).abs() < 1e-12);
    }

    /// Classes drawn by their shares, as an unconditional model does that has learned everything.
    fn drawn(n: usize, classes: usize, seed: u64) -> Vec<usize> {
        let mut rng = Key::new(seed, Purpose::named("test classes")).rng(0);
        (0..n).map(|_| rng.random_range(0..classes)).collect()
    }

    fn corrected(real: &[usize], seen: &[usize], requested: Option<&[usize]>, classes: usize) -> Estimate {
        Balance::new(real, seen, requested, classes).corrected(&|p, count, n| term(p, count, n, classes))
    }

    /// Uncorrected, a perfect model is at 0.23 nats with 100 even classes and 128 samples (0.29 with uneven ones).
    #[test]
    fn a_perfect_model_has_0_on_average() {
        for (classes, n) in [(100, 128), (10, 40), (3, 500)] {
            let real: Vec<usize> = (0..classes * 10).map(|i| i % classes).collect();
            let draws: Vec<[f64; 3]> = (0..400)
                .map(|seed| {
                    let seen = drawn(n, classes, seed);
                    let found = corrected(&real, &seen, None, classes);
                    [found.value, kld(&real, &seen, classes).unwrap(), found.standard_error.unwrap()]
                })
                .collect();
            let mean = |of: usize| draws.iter().map(|draw| draw[of]).sum::<f64>() / 400.0;
            let spread = (draws.iter().map(|draw| (draw[0] - mean(0)).powi(2)).sum::<f64>() / 399.0).sqrt();
            assert!(mean(0).abs() < 4.0 * spread / 20.0, "{classes}: {} of spread {spread}", mean(0));
            if classes == 100 {
                assert!((0.2..0.26).contains(&mean(1)), "{}", mean(1));
            }
            assert!((0.8..1.6).contains(&(mean(2) / spread)), "told {}, found {spread}", mean(2));
        }
    }

    /// Asked for classes, a perfect model shows them: nothing is left to chance, and nothing is subtracted for it.
    #[test]
    fn of_requested_classes_a_perfect_model_has_0_and_no_error() {
        let real: Vec<usize> = (0..100).map(|i| i % 5).collect();
        let asked: Vec<usize> = (0..40).map(|i| i % 5).collect();
        assert_eq!(corrected(&real, &asked, Some(&asked), 5), Estimate::new(0.0, 0.0));
        // Even where the classes were not asked for in the real proportions.
        let uneven: Vec<usize> = (0..40).map(|i| i % 4).collect();
        assert_eq!(corrected(&real, &uneven, Some(&uneven), 5), Estimate::new(0.0, 0.0));
        // A lost class costs what it did: its samples show another one.
        let lost: Vec<usize> = asked.iter().map(|&class| if class == 4 { 0 } else { class }).collect();
        let found = corrected(&real, &lost, Some(&asked), 5);
        assert!((found.value - kld(&real, &lost, 5).unwrap()).abs() < 1e-12 && found.value > 0.4);
    }

    #[test]
    fn equal_frequencies_cost_almost_nothing_and_a_lost_class_much() {
        let even: Vec<usize> = (0..300).map(|i| i % 3).collect();
        assert!(kld(&even, &even, 3).unwrap() < 1e-4);
        assert!(kld(&even, &[0; 300], 3).unwrap() > 2.0);
        assert!(matches!(kld(&even, &[], 3), Err(MetricError::TooFew { found: 0, .. })));
    }
}
