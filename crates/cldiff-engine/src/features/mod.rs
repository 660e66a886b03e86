//! The features in which images are compared: one file each, and their list.

mod classifier;
mod dinov2;
mod inception;
mod pixels;

use std::path::{Path, PathBuf};

use cl_metrics::{
    MetricError,
    features::{FeatureExtractor, classifier::ClassifierConfig},
};
use cldiff_choices::{Options, choice};
use data_streams::DatasetPair;
use ddpm_core::Kernels;

use crate::{EngineError, EveryFeatures};

/// All that extractors are made from beside their own options.
#[derive(Debug, Clone, Copy)]
pub struct ExtractorContext<'a> {
    /// The options of the classifier.
    pub classifier: &'a ClassifierConfig,
    /// The images that the classifier is trained on and judged by; none where there are no labelled images.
    pub data: Option<&'a DatasetPair>,
    /// The directory of trained classifiers; none: they are trained anew.
    pub cache: Option<&'a Path>,
    /// A directory of trained classifiers that goes before it: that of a run.
    pub own: Option<&'a Path>,
}

/// The options of a feature extractor.
pub trait FeaturesOptions: Options {
    /// Checks what can be told before anything is computed, files included.
    ///
    /// # Errors
    /// [`MetricError::Config`] for the first option that cannot work.
    fn check(&self) -> Result<(), MetricError> {
        Ok(())
    }

    /// The file of weights that a user may name, for an extractor that needs one.
    fn weights(&mut self) -> Option<&mut Option<PathBuf>> {
        None
    }

    /// The extractor, if it needs no backend.
    fn without_backend(&self) -> Option<Box<dyn FeatureExtractor>> {
        None
    }

    /// Whether it gives the probabilities of classes beside the features.
    fn sees_classes(&self) -> bool {
        false
    }

    /// Whether it is the classifier that every run has.
    fn is_classifier(&self) -> bool {
        false
    }
}

/// Makes a feature extractor on a backend.
pub trait BuildExtractor<B: Kernels>: FeaturesOptions {
    /// The extractor.
    ///
    /// # Errors
    /// [`EngineError::Metric`] for weights that cannot be read, options out of range, or images that are missing.
    fn build(
        &self,
        context: &ExtractorContext<'_>,
        device: &B::Device,
    ) -> Result<Box<dyn FeatureExtractor>, EngineError>;
}

choice! {
    /// The choice of features.
    pub struct FeaturesConfig(dyn EveryFeatures), kind "feature extractor";
    classifier::ClassifierOptions,
    pixels::PixelsOptions,
    inception::InceptionOptions,
    dinov2::Dinov2Options,
}

impl FeaturesConfig {
    /// The images as they are.
    pub fn pixels() -> Self {
        Self::of(pixels::PixelsOptions {})
    }

    /// The default options of every extractor.
    pub fn all() -> Vec<Self> {
        Self::list().names().into_iter().filter_map(Self::named).collect()
    }
}

impl Default for FeaturesConfig {
    fn default() -> Self {
        Self::of(classifier::ClassifierOptions {})
    }
}
