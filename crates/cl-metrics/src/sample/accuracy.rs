//! Accuracy of a classifier on conditional samples: how often it sees the class that was asked for. A model that has
//! forgotten a class draws something else under its label.
//!
//! Unbiased for any N, but for the classifier's own mistakes. The standard error is that of independent samples; samples
//! asked for in fixed numbers of each class vary less, so that it is too large rather than too small.

use cldiff_choices::Describe;

use super::{
    Estimate, Metric, Need, Sets, Values, frequencies::refuse_nothing, groups::standard_error_of_share,
};
use crate::{MetricError, summary::Direction};

/// Accuracy as a metric of samples of a conditional model.
#[derive(Debug, Clone, Copy)]
pub struct Accuracy;

impl Describe for Accuracy {
    const NAME: &'static str = "accuracy";
    const SUMMARY: &'static str =
        "How often the classifier sees the class that was asked for; null for unconditional models";
}

impl Metric for Accuracy {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::HigherIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::RequestedClasses, Need::ClassProbabilities]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let seen = sets.class_probabilities()?.argmax();
        let accuracy = conditional_accuracy(sets.requested_classes()?, &seen)?;
        let error = standard_error_of_share(accuracy, seen.len());
        Ok(vec![(Self::NAME, Estimate::with(accuracy, error))])
    }
}

/// The share of samples in which the class that was asked for is seen.
///
/// # Errors
/// [`MetricError::TooFew`] without samples.
///
/// # Panics
/// If there are not as many requests as samples.
pub fn conditional_accuracy(requested: &[usize], seen: &[usize]) -> Result<f64, MetricError> {
    refuse_nothing(Accuracy::NAME, requested, seen)?;
    assert_eq!(requested.len(), seen.len(), "one request for each sample");
    let right = requested.iter().zip(seen).filter(|(r, s)| r == s).count();
    Ok(right as f64 / seen.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_what_was_asked_for() {
        assert_eq!(conditional_accuracy(&[0, 1, 2, 2], &[0, 1, 2, 0]).unwrap(), 0.75);
        assert!(conditional_accuracy(&[], &[]).is_err());
    }
}
