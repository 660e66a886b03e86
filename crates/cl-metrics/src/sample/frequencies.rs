//! Class frequencies, which divergences of class balance compare.

use crate::MetricError;

/// The share of each class, after `smoothing` was added to its count.
pub(super) fn frequencies(labels: &[usize], classes: usize, smoothing: f64) -> Vec<f64> {
    let mut counts = vec![smoothing; classes];
    for &label in labels {
        counts[label] += 1.0;
    }
    let total: f64 = counts.iter().sum();
    counts.into_iter().map(|count| count / total).collect()
}

/// The number of classes that occur in two sets, or lie below those that do.
pub(super) fn classes(a: &[usize], b: &[usize]) -> usize {
    a.iter().chain(b).max().map_or(0, |largest| largest + 1)
}

pub(super) fn refuse_nothing(metric: &'static str, a: &[usize], b: &[usize]) -> Result<(), MetricError> {
    if a.is_empty() || b.is_empty() {
        return Err(MetricError::TooFew { metric, needed: 1, found: 0 });
    }
    Ok(())
}
