//! Several metrics at once.

use std::collections::BTreeMap;

use super::{ImageSet, SampleMetric, Sets, Stored};
use crate::MetricError;

/// Measures generated images against real ones, and against those that a strategy stored. Metrics for
/// which there are too few images, or which need what is not known, are left out.
///
/// # Errors
/// [`MetricError::Width`] for features that do not compare; [`MetricError::NotKnown`] for a metric that asks for
/// something that its needs do not name.
pub fn measure(
    wanted: &[SampleMetric],
    real: &ImageSet<'_>,
    generated: &ImageSet<'_>,
    stored: Option<Stored<'_>>,
) -> Result<BTreeMap<SampleMetric, f64>, MetricError> {
    let mut found = BTreeMap::new();
    let sets = Sets { real, generated, stored };
    for metric in wanted {
        // A metric that another one has found on its way is not measured again.
        if found.contains_key(metric) || !metric.needs().iter().all(|need| sets.knows(*need)) {
            continue;
        }
        match metric.measure(&sets) {
            Ok(values) => {
                for (name, value) in values.into_iter().filter(|(_, value)| value.is_finite()) {
                    if let Some(metric) = wanted.iter().find(|metric| metric.name() == name) {
                        found.entry(*metric).or_insert(value);
                    }
                }
            }
            Err(MetricError::TooFew { .. }) => {}
            Err(error @ MetricError::Numerics { .. }) => tracing::warn!("not measured: {error}"),
            Err(other) => return Err(other),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
