use super::*;
use crate::{
    features::FeatureMatrix,
    sample::{Need, Training, test_data::gaussian_rows},
};

const NEEDS: [Need; 8] = [
    Need::Features,
    Need::ClassProbabilities,
    Need::OwnProbabilities,
    Need::Pixels,
    Need::RealClasses,
    Need::RequestedClasses,
    Need::StoredImages,
    Need::TrainingImages,
];

/// Real images, samples, the samples' probabilities of two classes, and labels of both.
struct Known {
    real: FeatureMatrix,
    samples: FeatureMatrix,
    probabilities: FeatureMatrix,
    labels: Vec<usize>,
}

impl Known {
    fn new() -> Self {
        Self {
            real: gaussian_rows(120, 4, 1.0, 0.0, 1),
            samples: gaussian_rows(50, 4, 1.0, 0.0, 2),
            probabilities: FeatureMatrix::new(2, [[0.9, 0.1], [0.2, 0.8]].concat().repeat(25)).unwrap(),
            labels: vec![0; 120],
        }
    }

    /// Measures the wanted metrics where no more than `known` is known.
    fn measure(&self, wanted: &[SampleMetric], known: &[Need]) -> BTreeMap<SampleMetric, Outcome> {
        let knows = |need| known.contains(&need);
        let real = ImageSet {
            labels: knows(Need::RealClasses).then_some(&self.labels),
            pixels: knows(Need::Pixels).then_some(&self.real),
            ..ImageSet::of_features(&self.real)
        };
        let samples = ImageSet {
            class_probabilities: knows(Need::ClassProbabilities).then_some(&self.probabilities),
            own_probabilities: knows(Need::OwnProbabilities).then_some(&self.probabilities),
            labels: knows(Need::RequestedClasses).then_some(&self.labels[..50]),
            pixels: knows(Need::Pixels).then_some(&self.samples),
            ..ImageSet::of_features(&self.samples)
        };
        let stored = Stored { pixels: &self.samples, held_out: &self.real };
        let training = Training { pixels: &self.samples, labels: &self.labels[..50], held_out: &self.real };
        let sets = Sets {
            real: &real,
            generated: &samples,
            stored: knows(Need::StoredImages).then_some(stored),
            training: knows(Need::TrainingImages).then_some(training),
        };
        measure_sets(wanted, &sets).unwrap()
    }
}

/// The metrics that have a value.
fn names(found: &BTreeMap<SampleMetric, Outcome>) -> Vec<&'static str> {
    found.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(metric, _)| metric.name()).collect()
}

#[test]
fn all_that_is_known_is_measured_and_nothing_else() {
    let (sets, all) = (Known::new(), SampleMetric::all());
    let plain = sets.measure(&all, &[Need::Features]);
    let of_features = ["fid", "fid_infinity", "kid", "precision", "recall", "density", "coverage"];
    assert_eq!(names(&plain), [&of_features[..], &["coverage_normalised", "vendi"]].concat());
    let found = sets.measure(&all, &NEEDS);
    assert_eq!(found.len(), all.len());
    let value = |name: &str| found[&SampleMetric::named(name).unwrap()].clone().unwrap().value;
    // The samples are the stored and the trained images themselves.
    let copied = (value("memorisation"), value("memorised_training"), value("authenticity"));
    assert_eq!((value("accuracy"), value("ard"), copied), (0.5, 0.5, (1.0, 1.0, 0.0)));
    let recall = SampleMetric::named("recall").unwrap();
    assert_eq!(names(&sets.measure(&[recall, recall], &NEEDS)), ["recall"]);
}

#[test]
fn a_metric_needs_what_it_says_and_nothing_else() {
    let sets = Known::new();
    for metric in SampleMetric::all() {
        assert_eq!(names(&sets.measure(&[metric], metric.needs())), [metric.name()]);
        for left_out in metric.needs().iter().filter(|need| **need != Need::Features) {
            let rest: Vec<Need> = metric.needs().iter().copied().filter(|need| need != left_out).collect();
            let reason = sets.measure(&[metric], &rest)[&metric].clone().unwrap_err().to_string();
            assert_eq!(reason, format!("{} needs {left_out}", metric.name()));
        }
    }
}

#[test]
fn classes_that_are_not_labelled_are_those_that_the_classifier_sees() {
    let Known { real, samples, probabilities, .. } = Known::new();
    let seen = ImageSet { class_probabilities: Some(&probabilities), ..ImageSet::of_features(&real) };
    let samples = ImageSet { class_probabilities: Some(&probabilities), ..ImageSet::of_features(&samples) };
    let ard = SampleMetric::named("ard").unwrap();
    // As many of each as in the real images: less than the 2.81 of 25 by which 50 samples miss it by chance.
    let found = measure(&[ard], &seen, &samples, None).unwrap()[&ard].clone().unwrap();
    assert!((found.value + 0.112_275).abs() < 1e-6 && found.standard_error.unwrap() < 1e-9, "{found:?}");
}

/// The metrics that depend on the samples say by how much.
#[test]
fn standard_errors_stand_beside_the_values() {
    let (sets, all) = (Known::new(), SampleMetric::all());
    let found = sets.measure(&all, &NEEDS);
    let without: Vec<&str> = found
        .iter()
        .filter(|(_, outcome)| outcome.as_ref().is_ok_and(|found| found.standard_error.is_none()))
        .map(|(metric, _)| metric.name())
        .collect();
    assert_eq!(without, ["fid_infinity", "inception_score", "ct"]);
}

#[test]
fn too_few_images_leave_a_metric_out_and_other_widths_are_an_error() {
    let (a, few) = (gaussian_rows(60, 4, 1.0, 0.0, 1), gaussian_rows(2, 4, 1.0, 0.0, 2));
    let (a, few) = (ImageSet::of_features(&a), ImageSet::of_features(&few));
    let found = measure(&SampleMetric::defaults(), &a, &few, None).unwrap();
    assert_eq!(names(&found), ["fid", "density", "coverage"]);
    // Every metric that was asked for has a value or a reason.
    assert_eq!(found.len(), SampleMetric::defaults().len());
    let precision = &found[&SampleMetric::named("precision").unwrap()];
    assert!(precision.clone().unwrap_err().to_string().contains("at least 4"), "{precision:?}");
    let wide = gaussian_rows(60, 5, 1.0, 0.0, 2);
    let wide = ImageSet::of_features(&wide);
    let kid = SampleMetric::named("kid").unwrap();
    assert!(matches!(measure(&[kid], &a, &wide, None), Err(MetricError::Width { .. })));
}
