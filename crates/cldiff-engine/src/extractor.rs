//! Which features images are compared in: every choice becomes an extractor here.

use std::path::{Path, PathBuf};

use burn_autodiff::Autodiff;
use cl_metrics::features::{
    FeatureExtractor, Pixels,
    classifier::{ClassifierCache, ClassifierConfig},
    inception::InceptionFeatures,
};
use data_streams::{DatasetPair, Stream};
use ddpm_core::Kernels;

use crate::{EngineError, EvaluationConfig, FeaturesConfig, Reference};

/// What gives images features.
#[derive(Debug, Clone)]
pub enum ExtractorChoice {
    /// A classifier, trained on the first and judged on the second of two sets of images, or one from the cache.
    Classifier(ClassifierConfig, Box<DatasetPair>),
    /// The images as they are.
    Pixels,
    /// Inception-v3 with the weights of a file.
    Inception(PathBuf),
}

/// Makes an extractor.
pub(crate) fn build<B: Kernels>(
    choice: &ExtractorChoice,
    cache: Option<&Path>,
    device: &B::Device,
) -> Result<Box<dyn FeatureExtractor>, EngineError> {
    Ok(match choice {
        ExtractorChoice::Classifier(config, data) => {
            let cache = ClassifierCache { dir: cache.map(Path::to_owned) };
            cache.extractor::<Autodiff<B>>(config, &data.train, &data.eval, device)?
        }
        ExtractorChoice::Pixels => Box::new(Pixels),
        ExtractorChoice::Inception(weights) => Box::new(InceptionFeatures::<B>::load(weights, device)?),
    })
}

/// What the cells of a run are measured against. The weights of the features are looked at before the classifier is
/// trained: a mistake costs no time.
pub(crate) fn reference<B: Kernels>(
    stream: &Stream,
    evaluation: &EvaluationConfig,
    cache: Option<&Path>,
    device: &B::Device,
) -> Result<Reference, EngineError> {
    let features = match &evaluation.features {
        FeaturesConfig::Classifier => None,
        FeaturesConfig::Pixels => Some(ExtractorChoice::Pixels),
        // That they are named was checked before the run.
        FeaturesConfig::Inception { weights } => {
            Some(ExtractorChoice::Inception(weights.clone().unwrap_or_default()))
        }
    };
    let features = features.map(|choice| build::<B>(&choice, cache, device)).transpose()?;
    let data = DatasetPair { train: stream.all_train(), eval: stream.all_eval() };
    let classifier = ExtractorChoice::Classifier(evaluation.classifier.clone(), Box::new(data));
    Reference::new(build::<B>(&classifier, cache, device)?, features, stream, evaluation)
}
