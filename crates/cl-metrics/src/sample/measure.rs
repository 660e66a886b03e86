//! Several metrics at once.

use std::collections::BTreeMap;

use super::{Estimate, ImageSet, Outcome, SampleMetric, Sets, Stored, Unmeasured};
use crate::MetricError;

/// Measures generated images against real ones, and against those that a strategy stored, as [`measure_sets`] does.
///
/// # Errors
/// The errors of [`measure_sets`].
pub fn measure(
    wanted: &[SampleMetric],
    real: &ImageSet<'_>,
    generated: &ImageSet<'_>,
    stored: Option<Stored<'_>>,
) -> Result<BTreeMap<SampleMetric, Outcome>, MetricError> {
    measure_sets(wanted, &Sets { real, generated, stored, training: None })
}

/// Measures generated images against all that is known. Every wanted metric has an outcome: its value, or the reason why
/// it has none: too few images, an input that is not known, a number that is not finite.
///
/// # Errors
/// [`MetricError::Width`] for features that do not compare; [`MetricError::NotKnown`] for a metric that asks for
/// something that its needs do not name.
pub fn measure_sets(
    wanted: &[SampleMetric],
    sets: &Sets<'_>,
) -> Result<BTreeMap<SampleMetric, Outcome>, MetricError> {
    let mut found = BTreeMap::new();
    for metric in wanted {
        // A metric that another one has found on its way is not measured again.
        if matches!(found.get(metric), Some(Ok(_))) {
            continue;
        }
        if let Some(need) = metric.needs().iter().find(|need| !sets.knows(**need)) {
            found.insert(*metric, Err(Unmeasured(format!("{} needs {need}", metric.name()))));
            continue;
        }
        match metric.measure(sets) {
            Ok(values) => values.into_iter().for_each(|(name, value)| note(&mut found, wanted, name, value)),
            Err(error @ (MetricError::TooFew { .. } | MetricError::Numerics { .. })) => {
                found.insert(*metric, Err(Unmeasured(error.to_string())));
            }
            Err(other) => return Err(other),
        }
        let nothing = || Err(Unmeasured(format!("{} gave no value", metric.name())));
        found.entry(*metric).or_insert_with(nothing);
    }
    Ok(found)
}

/// Notes a value of a metric, if it is wanted and has none yet.
fn note(found: &mut BTreeMap<SampleMetric, Outcome>, wanted: &[SampleMetric], name: &str, value: Estimate) {
    let Some(metric) = wanted.iter().find(|metric| metric.name() == name) else { return };
    if !matches!(found.get(metric), Some(Ok(_))) {
        let finite = value.value.is_finite();
        let outcome = if finite { Ok(value) } else { Err(Unmeasured(format!("{name} is not finite"))) };
        found.insert(*metric, outcome);
    }
}

#[cfg(test)]
mod tests;
