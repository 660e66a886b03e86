//! Absolute ratio distance of class frequencies: by how much the samples' share of a class misses the data's, as a
//! fraction of it, on average over the data's classes. 0: as in the data; 1: all classes lost, or half of two classes
//! lost to the other half.
//!
//! With few samples a perfect model misses the shares by chance: 0.7 on average with 100 classes and N = 128. The metric is
//! the distance less the mean of a perfect model with the same N (`balance`), 0 for a perfect model on average; the
//! formula's value is [`ard`], `ard_plug_in` in a comparison.
//!
//! The name goes with the KLD of class frequencies in work on generative replay; no public definition was found, so that
//! the formula, (1 / C) sum_c |q_c / p_c - 1|, is this project's reading of the name.

use cldiff_choices::Describe;

use super::{
    Comparison, Metric, Need, Sets, Takes, Values,
    balance::Balance,
    frequencies::{classes, refuse_nothing},
};
use crate::{MetricError, summary::Direction};

/// ARD of class frequencies as a metric of samples.
#[derive(Debug, Clone, Copy)]
pub struct Ard;

impl Describe for Ard {
    const NAME: &'static str = "ard";
    const SUMMARY: &'static str = "Absolute ratio distance of class frequencies: mean of |q/p - 1|, less that of a perfect model with as many \
        samples; no published definition was found";
}

impl Metric for Ard {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::LowerIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::RealClasses, Need::ClassProbabilities]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let probabilities = sets.class_probabilities()?;
        let (real, seen) = (sets.real_classes()?, probabilities.argmax());
        refuse_nothing(Self::NAME, &real, &seen)?;
        let balance = Balance::new(&real, &seen, sets.requested_classes().ok(), probabilities.width());
        Ok(vec![(Self::NAME, balance.corrected(&term_of(&balance)))])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: Ard::NAME,
    aliases: &[],
    summary: "Absolute ratio distance of class frequencies, less that of a perfect model: A real, B generated",
    takes: Takes::Pair,
    parameters: &[],
    compare: |sets, _| {
        let (real, seen) = (sets.a.classes()?, sets.b.classes_seen()?);
        refuse_nothing(Ard::NAME, &real, &seen)?;
        let balance = Balance::new(&real, &seen, None, classes(&real, &seen));
        let term = term_of(&balance);
        let found = balance.corrected(&term);
        let error = found.standard_error.map(|error| ("ard_standard_error", error));
        let values = [(Ard::NAME, found.value), ("ard_plug_in", balance.plug_in(&term))];
        Ok(values.into_iter().chain(error).collect())
    },
};

/// The part of a class: its distance over the number of classes.
fn term_of(balance: &Balance<'_>) -> impl Fn(f64, f64, f64) -> f64 + use<> {
    let classes = balance.real_classes() as f64;
    move |p, count, n| (count / n / p - 1.0).abs() / classes
}

/// The distance of the classes seen in samples from those of real images, uncorrected; classes that the data lack do not
/// count.
///
/// # Errors
/// [`MetricError::TooFew`] without images or samples.
///
/// # Panics
/// If a class is not below `classes`.
pub fn ard(real: &[usize], seen: &[usize], classes: usize) -> Result<f64, MetricError> {
    refuse_nothing(Ard::NAME, real, seen)?;
    let balance = Balance::new(real, seen, None, classes);
    Ok(balance.plug_in(&term_of(&balance)))
}

#[cfg(test)]
mod tests {
    use keyed_random::{Key, Purpose};
    use rand::Rng;

    use super::*;

    /// Uncorrected, a perfect model was at 0.7 with 100 classes and 128 samples.
    #[test]
    fn a_perfect_model_has_0_on_average() {
        let real: Vec<usize> = (0..1000).map(|i| i % 100).collect();
        let draws: Vec<[f64; 2]> = (0..300)
            .map(|seed| {
                let mut rng = Key::new(seed, Purpose::named("test classes")).rng(0);
                let seen: Vec<usize> = (0..128).map(|_| rng.random_range(0..100)).collect();
                let balance = Balance::new(&real, &seen, None, 100);
                [balance.corrected(&term_of(&balance)).value, ard(&real, &seen, 100).unwrap()]
            })
            .collect();
        let mean = |of: usize| draws.iter().map(|draw| draw[of]).sum::<f64>() / 300.0;
        let spread = (draws.iter().map(|draw| (draw[0] - mean(0)).powi(2)).sum::<f64>() / 299.0).sqrt();
        assert!(mean(0).abs() < 4.0 * spread / 300_f64.sqrt(), "{} of spread {spread}", mean(0));
        assert!(mean(1) > 0.6, "{}", mean(1));
        // Asked for, the classes are no matter of chance.
        let asked: Vec<usize> = (0..200).map(|i| i % 100).collect();
        let balance = Balance::new(&real, &asked, Some(&asked), 100);
        assert_eq!(balance.corrected(&term_of(&balance)).value, 0.0);
    }

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
