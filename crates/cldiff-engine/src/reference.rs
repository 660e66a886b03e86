//! The reference that every cell is measured against, made once a run: the feature extractors, real images with all that metrics want
//! to know of them, and the floor of each metric.

mod kept;

use std::sync::{Mutex, PoisonError};

use cl_metrics::{
    MetricError,
    features::{Described, FeatureExtractor, FeatureMatrix, Judge, pixels},
    sample::{
        ImageSet, Need,
        moments::{Gaussian, Moments},
    },
};
use data_streams::{DatasetPair, ImageDataset, Stream};
use ddpm_kernels::Precision;

use crate::{
    EngineError, EvaluationConfig, ExtractorContext, FeaturesConfig, Floors, Shared, everywhere::Home,
    training_images::TrainingImages,
};

/// The features of the eval split of each task, and what extracts more of them.
#[derive(Debug)]
pub struct Reference {
    /// Names its weights.
    classifier_name: String,
    classifier: Extractor,
    /// In place of the classifier's.
    features: Option<Extractor>,
    pub(crate) tasks: Vec<RealTask>,
    /// None where no metric looks for copies of them.
    pub(crate) training: Option<TrainingImages>,
    /// Whether a class has other images in each of several tasks.
    pub(crate) classes_in_domains: bool,
    summary: ReferenceSummary,
}

/// An extractor that several cells use, one after the other.
#[derive(Debug)]
struct Extractor(Mutex<Box<dyn FeatureExtractor>>);

impl Extractor {
    fn new(extractor: Box<dyn FeatureExtractor>) -> Self {
        Self(Mutex::new(extractor))
    }

    fn describe(&self, images: &ImageDataset) -> Result<Described, MetricError> {
        // Extractors have no state that a panic could leave half changed.
        let extractor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // An extractor computes in f32, whatever the precision of the model is.
        Precision::F32.within(|| extractor.describe(images))
    }
}

/// One task's real images.
#[derive(Debug)]
pub(crate) struct RealTask {
    pub(crate) eval: ImageDataset,
    pub(crate) known: Known,
    /// None with fewer than two images.
    pub(crate) gaussian: Option<Gaussian>,
}

impl RealTask {
    fn new(eval: &ImageDataset, known: Known) -> Self {
        let gaussian = Moments::of(&known.described.features).gaussian().ok();
        Self { eval: eval.clone(), known, gaussian }
    }
}

/// Images with all that is known of them.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// The output of the extractor: its features, and the probabilities of its own classes.
    pub(crate) described: Described,
    /// The probabilities of the stream's classes, by the judge: the classifier, whatever the features are.
    pub(crate) judged: FeatureMatrix,
    pub(crate) pixels: FeatureMatrix,
    pub(crate) labels: Vec<usize>,
}

/// The reference in a report.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceSummary {
    /// The name of the features.
    pub features: String,
    /// The metrics of training images in place of samples.
    pub floors: Floors,
    /// The classifier on the held-out images of all tasks: `[class][class seen]`, a number of images.
    pub judge_confusion: Vec<Vec<usize>>,
    /// How far the classifier, which tells the samples' classes, can be trusted.
    pub judge: Judge,
}

/// Every reference has a classifier, and every classifier sees classes: an extractor of another program may not.
const NO_CLASSES: MetricError = MetricError::NotKnown { need: Need::ClassProbabilities };

/// Prepares the reference that the cells of a run are measured against. The weights of the features are looked at before
/// the classifier is trained: a mistake costs no time.
pub(crate) fn prepare<B: Home>(
    stream: &Stream,
    evaluation: &EvaluationConfig,
    shared: Shared<'_>,
    device: &B::Device,
) -> Result<Reference, EngineError> {
    let data = DatasetPair { train: stream.all_train(), eval: stream.all_eval() };
    let Shared { cache, own, state } = shared;
    let context = ExtractorContext { classifier: &evaluation.classifier, data: Some(&data), cache, own };
    let build = |features: &FeaturesConfig| B::features(&**features).build(&context, device);
    let others = Some(&evaluation.features).filter(|features| !features.is_classifier());
    let features = others.map(build).transpose()?;
    let classifier = build(&FeaturesConfig::default())?;
    match state {
        Some(state) => Reference::taken_up(classifier, features, stream, evaluation, state),
        None => Reference::new(classifier, features, stream, evaluation),
    }
}

impl Reference {
    /// Describes the eval split of every task.
    pub(crate) fn new(
        classifier: Box<dyn FeatureExtractor>,
        features: Option<Box<dyn FeatureExtractor>>,
        stream: &Stream,
        evaluation: &EvaluationConfig,
    ) -> Result<Self, EngineError> {
        let mut reference = Self::without_images(classifier, features, stream, evaluation);
        for experience in stream.experiences() {
            let known = reference.describe(&experience.eval)?;
            reference.tasks.push(RealTask::new(&experience.eval, known));
        }
        let known: Vec<&Known> = reference.tasks.iter().map(|task| &task.known).collect();
        reference.summary.judge = Judge::of(known.iter().map(|known| (&known.judged, &known.labels[..])));
        reference.summary.judge_confusion = reference.confusion(stream.class_names().len());
        reference.summary.floors = Floors::new(&reference, stream, evaluation)?;
        Ok(reference)
    }

    /// The extractors, before they have described anything.
    fn without_images(
        classifier: Box<dyn FeatureExtractor>,
        features: Option<Box<dyn FeatureExtractor>>,
        stream: &Stream,
        evaluation: &EvaluationConfig,
    ) -> Self {
        let summary = ReferenceSummary {
            features: features.as_ref().unwrap_or(&classifier).name(),
            floors: Floors::default(),
            judge_confusion: Vec::new(),
            judge: Judge { accuracy: 0.0, n: 0 },
        };
        Self {
            classifier_name: classifier.name(),
            classifier: Extractor::new(classifier),
            features: features.map(Extractor::new),
            tasks: Vec::new(),
            training: TrainingImages::of(stream, &evaluation.metrics),
            classes_in_domains: stream.shares_classes_across_domains(),
            summary,
        }
    }

    /// Gives the reference as a report shows it.
    pub fn summary(&self) -> &ReferenceSummary {
        &self.summary
    }

    /// All that metrics want to know of some images.
    pub(crate) fn describe(&self, images: &ImageDataset) -> Result<Known, EngineError> {
        let judge = self.classifier.describe(images)?;
        let judged = judge.class_probabilities.clone().ok_or(NO_CLASSES)?;
        let described = self.features.as_ref().map_or(Ok(judge), |features| features.describe(images))?;
        Ok(Known { described, judged, pixels: pixels(images)?, labels: images.labels() })
    }

    /// How often the classifier sees each class in held-out images of each class.
    fn confusion(&self, classes: usize) -> Vec<Vec<usize>> {
        let mut counts = vec![vec![0; classes]; classes];
        for Known { judged, labels, .. } in self.tasks.iter().map(|task| &task.known) {
            for (&label, seen) in labels.iter().zip(judged.argmax()) {
                counts[label][seen] += 1;
            }
        }
        counts
    }
}

impl Known {
    /// Several sets as one.
    pub(crate) fn pooled(parts: &[&Self]) -> Result<Self, MetricError> {
        let of = |field: fn(&Self) -> Option<&FeatureMatrix>| -> Result<Option<FeatureMatrix>, MetricError> {
            let matrices: Option<Vec<&FeatureMatrix>> = parts.iter().map(|part| field(part)).collect();
            matrices.map(|matrices| FeatureMatrix::concat(&matrices)).transpose()
        };
        let all = |field: fn(&Self) -> &FeatureMatrix| {
            FeatureMatrix::concat(&parts.iter().map(|part| field(part)).collect::<Vec<_>>())
        };
        Ok(Self {
            described: Described {
                features: all(|known| &known.described.features)?,
                class_probabilities: of(|known| known.described.class_probabilities.as_ref())?,
            },
            judged: all(|known| &known.judged)?,
            pixels: all(|known| &known.pixels)?,
            labels: parts.iter().flat_map(|part| part.labels.iter().copied()).collect(),
        })
    }

    /// The first `n` images.
    pub(crate) fn first(&self, n: usize) -> Self {
        self.select(&(0..n.min(self.labels.len())).collect::<Vec<_>>())
    }

    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let Described { features, class_probabilities } = &self.described;
        let class_probabilities = class_probabilities.as_ref().map(|p| p.select(rows));
        Self {
            described: Described { features: features.select(rows), class_probabilities },
            judged: self.judged.select(rows),
            pixels: self.pixels.select(rows),
            labels: rows.iter().map(|&i| self.labels[i]).collect(),
        }
    }

    /// As metrics take it; `labelled`: whether the labels are the images' classes, or what was asked for.
    pub(crate) fn set<'a>(&'a self, gaussian: Option<&'a Gaussian>, labelled: bool) -> ImageSet<'a> {
        ImageSet {
            features: &self.described.features,
            gaussian,
            class_probabilities: Some(&self.judged),
            own_probabilities: self.described.class_probabilities.as_ref(),
            labels: labelled.then_some(&self.labels),
            pixels: Some(&self.pixels),
        }
    }
}

#[cfg(test)]
mod tests;
