//! The note that stands beside every number that comes from the classifier, where the classifier is wrong too often.

use cl_metrics::{
    features::Judge,
    sample::{Need, SampleMetric},
};

use crate::results::Results;

/// The note on the classifier of some results; none where it is right often enough, or where its accuracy is not known.
pub fn judge_note(results: &Results) -> Option<String> {
    let judge = results.judge?;
    Judge { accuracy: judge.accuracy, n: judge.n }.warning()
}

/// Whether a metric comes from the classifier: from the classes that it sees, or from features that are its own.
pub fn is_judged(metric: &str, results: &Results) -> bool {
    let needs = SampleMetric::named(metric).map(|metric| metric.needs()).unwrap_or_default();
    needs.contains(&Need::ClassProbabilities)
        || (needs.contains(&Need::Features) && results.features.contains("classifier"))
}
