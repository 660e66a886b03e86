//! The note that stands beside every number that comes from the classifier, where the classifier is wrong too often.

use cl_metrics::{
    features::Judge,
    sample::{Need, SampleMetric},
};

use super::columns::Column;
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

/// The heading of a column; a dagger marks one of a quality that comes from a classifier with a note.
pub fn heading(column: &Column, results: &Results) -> String {
    let metric = column.key.split('.').next().unwrap_or_default();
    let noted = column.quality && judge_note(results).is_some() && is_judged(metric, results);
    format!("{}{}", column.title, if noted { "†" } else { "" })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::results::JudgeResult;

    #[test]
    fn the_note_stands_beside_what_the_classifier_decides() {
        let text = include_str!("../../../fuzz-targets/examples/results.json");
        let mut results = Results::parse(text, Path::new("results.json")).unwrap();
        // A file of an earlier version does not know.
        assert_eq!((results.judge, judge_note(&results)), (None, None));
        results.judge = Some(JudgeResult { accuracy: 0.99, n: 10_000 });
        assert_eq!(judge_note(&results), None);
        results.judge = Some(JudgeResult { accuracy: 0.81, n: 10_000 });
        assert!(judge_note(&results).unwrap().contains("right on 81.0 % of 10000 held-out images"));
        results.features = "64-d classifier (weights sha256 0123456789ab)".into();
        assert!(["accuracy", "kld", "ard", "fid", "kid"].iter().all(|metric| is_judged(metric, &results)));
        assert!(["swd", "bpd", "memorisation"].iter().all(|metric| !is_judged(metric, &results)));
        results.features = "2048-d Inception-v3 pool (weights sha256 0123)".into();
        assert!(is_judged("accuracy", &results) && !is_judged("fid", &results));
    }

    #[test]
    fn columns_that_the_classifier_decides_have_a_dagger() {
        let text = include_str!("../../../fuzz-targets/examples/results.json");
        let mut results = Results::parse(text, Path::new("results.json")).unwrap();
        results.features = "64-d classifier (weights sha256 0123456789ab)".into();
        let headings = |results: &Results| -> Vec<String> {
            crate::quantities::columns::columns(results).iter().map(|c| heading(c, results)).collect()
        };
        results.judge = Some(JudgeResult { accuracy: 0.99, n: 100 });
        assert!(headings(&results).iter().all(|heading| !heading.contains('†')));
        results.judge = Some(JudgeResult { accuracy: 0.81, n: 100 });
        let noted = headings(&results);
        assert!(noted.contains(&"FID†".to_owned()) && noted.contains(&"bpd".to_owned()), "{noted:?}");
    }
}
