//! Inception-v3 in the form of the FID literature.

use std::path::PathBuf;

use cl_metrics::{
    MetricError,
    features::{
        FeatureExtractor,
        inception::{InceptionFeatures, check_weights},
    },
};
use cldiff_choices::Describe;
use ddpm_core::Kernels;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildExtractor, ExtractorContext, FeaturesOptions};
use crate::EngineError;

/// Inception-v3 with the weights of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InceptionOptions {
    /// The weights: a safetensors file, which `cldiff weights` makes; absent: the one that `cldiff weights fetch` made
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
}

impl Describe for InceptionOptions {
    const NAME: &'static str = "inception";
    const SUMMARY: &'static str = "Inception-v3 in the form of the FID literature";
    const CITATION: &'static str = "Heusel et al. 2017, arXiv 1706.08500";
}

impl FeaturesOptions for InceptionOptions {
    fn check(&self) -> Result<(), MetricError> {
        let weights = self.weights.as_deref().ok_or_else(no_weights)?;
        check_weights(weights).map_err(|error| MetricError::Config {
            key: WEIGHTS.into(),
            value: format!("\"{}\"", weights.display()),
            expected: error.to_string(),
        })
    }

    fn weights(&mut self) -> Option<&mut Option<PathBuf>> {
        Some(&mut self.weights)
    }

    fn sees_classes(&self) -> bool {
        true
    }
}

const WEIGHTS: &str = "weights";

/// The program fills in the default; a caller of the engine has to name a file.
fn no_weights() -> MetricError {
    let expected = "expected the weights of Inception-v3, a safetensors file".into();
    MetricError::Config { key: WEIGHTS.into(), value: "absent".into(), expected }
}

impl<B: Kernels> BuildExtractor<B> for InceptionOptions {
    fn build(
        &self,
        _context: &ExtractorContext<'_>,
        device: &B::Device,
    ) -> Result<Box<dyn FeatureExtractor>, EngineError> {
        let weights = self.weights.as_deref().ok_or_else(no_weights)?;
        Ok(Box::new(InceptionFeatures::<B>::load(weights, device)?))
    }
}
