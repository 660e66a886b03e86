//! The penultimate layer of a small classifier, trained on the stream's own classes.

use burn_autodiff::Autodiff;
use cl_metrics::{
    MetricError,
    features::{FeatureExtractor, classifier::ClassifierCache},
};
use cldiff_choices::Describe;
use ddpm_core::Kernels;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildExtractor, ExtractorContext, FeaturesOptions};
use crate::EngineError;

/// The classifier's features; its own options stand elsewhere, since every run has one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassifierOptions {}

impl Describe for ClassifierOptions {
    const NAME: &'static str = "classifier";
    const SUMMARY: &'static str = "The penultimate layer of the classifier";
    const BARE: bool = true;
}

impl FeaturesOptions for ClassifierOptions {
    fn sees_classes(&self) -> bool {
        true
    }

    fn is_classifier(&self) -> bool {
        true
    }
}

impl<B: Kernels> BuildExtractor<B> for ClassifierOptions {
    fn build(
        &self,
        context: &ExtractorContext<'_>,
        device: &B::Device,
    ) -> Result<Box<dyn FeatureExtractor>, EngineError> {
        let missing = MetricError::TooFew { metric: "a classifier's training", needed: 1, found: 0 };
        let data = context.data.ok_or(missing)?;
        let [dir, own] = [context.cache, context.own].map(|dir| dir.map(ToOwned::to_owned));
        let cache = ClassifierCache { dir, own };
        let extractor = cache.extractor::<Autodiff<B>>(context.classifier, &data.train, device)?;
        Ok(extractor)
    }
}
