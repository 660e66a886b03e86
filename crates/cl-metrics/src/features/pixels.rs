//! Raw pixels as features: what images are without any network.

use data_streams::ImageDataset;

use super::{Described, FeatureExtractor, FeatureMatrix};
use crate::MetricError;

/// The extractor of raw pixels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pixels;

impl FeatureExtractor for Pixels {
    fn name(&self) -> String {
        "pixels in [-1, 1]".into()
    }

    fn describe(&self, images: &ImageDataset) -> Result<Described, MetricError> {
        Ok(Described { features: pixels(images)?, class_probabilities: None })
    }
}

/// The pixels of images in [-1, 1], a row an image.
///
/// # Errors
/// Never: pixels are numbers.
pub fn pixels(images: &ImageDataset) -> Result<FeatureMatrix, MetricError> {
    let values = (0..images.len())
        .flat_map(|i| images.pixels_of(i).iter().map(|&pixel| f32::from(pixel) / 127.5 - 1.0))
        .collect();
    FeatureMatrix::new(images.shape().len(), values)
}
