//! The images as they are.

use cl_metrics::features::{FeatureExtractor, Pixels};
use cldiff_choices::Describe;
use ddpm_core::Kernels;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildExtractor, ExtractorContext, FeaturesOptions};
use crate::EngineError;

/// Pixels as features.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PixelsOptions {}

impl Describe for PixelsOptions {
    const NAME: &'static str = "pixels";
    const SUMMARY: &'static str = "The images as they are";
    const BARE: bool = true;
}

impl FeaturesOptions for PixelsOptions {
    fn without_backend(&self) -> Option<Box<dyn FeatureExtractor>> {
        Some(Box::new(Pixels))
    }
}

impl<B: Kernels> BuildExtractor<B> for PixelsOptions {
    fn build(
        &self,
        _context: &ExtractorContext<'_>,
        _device: &B::Device,
    ) -> Result<Box<dyn FeatureExtractor>, EngineError> {
        Ok(Box::new(Pixels))
    }
}
