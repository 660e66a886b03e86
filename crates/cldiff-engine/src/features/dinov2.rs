//! DINOv2, ViT-S/14.

use std::path::PathBuf;

use cl_metrics::{
    MetricError,
    features::{
        FeatureExtractor,
        dinov2::{Dinov2Features, check_weights},
    },
};
use cldiff_choices::Describe;
use ddpm_core::Kernels;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildExtractor, ExtractorContext, FeaturesOptions};
use crate::EngineError;

/// DINOv2's ViT-S/14 with the weights of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dinov2Options {
    /// The weights: a safetensors file, which `cldiff weights convert` makes; absent: the one that it made last
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
}

impl Describe for Dinov2Options {
    const NAME: &'static str = "dinov2";
    const SUMMARY: &'static str =
        "DINOv2's ViT-S/14, whose distances agree with people's judgement; no class probabilities";
    const CITATION: &'static str = "Oquab et al. 2023, arXiv 2304.07193; Stein et al. 2023, arXiv 2306.04675";
}

impl FeaturesOptions for Dinov2Options {
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
}

const WEIGHTS: &str = "weights";

/// The program fills in the default; a caller of the engine has to name a file.
fn no_weights() -> MetricError {
    let expected = "expected the weights of DINOv2's ViT-S/14, a safetensors file".into();
    MetricError::Config { key: WEIGHTS.into(), value: "absent".into(), expected }
}

impl<B: Kernels> BuildExtractor<B> for Dinov2Options {
    fn build(
        &self,
        _context: &ExtractorContext<'_>,
        device: &B::Device,
    ) -> Result<Box<dyn FeatureExtractor>, EngineError> {
        let weights = self.weights.as_deref().ok_or_else(no_weights)?;
        Ok(Box::new(Dinov2Features::<B>::load(weights, device)?))
    }
}
