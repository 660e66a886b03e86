//! Metrics of sample quality: a set of generated images against a set of real ones, one file each.

pub mod class_histogram;
pub mod fid;
pub mod floor;

use crate::{MetricError, features::FeatureMatrix, summary::Direction};

/// What a metric may know about a set of images.
#[derive(Debug, Clone, Copy)]
pub struct ImageSet<'a> {
    /// Their features.
    pub features: &'a FeatureMatrix,
    /// The classes' probabilities, by the classifier.
    pub class_probabilities: &'a FeatureMatrix,
    /// The true classes of real images.
    pub labels: Option<&'a [usize]>,
    /// The classes that generated images were asked to have.
    pub requested: Option<&'a [usize]>,
}

/// A number that says how good samples are.
pub trait SampleMetric {
    /// The metric's name in results.
    fn name(&self) -> &'static str;

    /// Which way is better.
    fn direction(&self) -> Direction;

    /// Compares generated images with real ones.
    ///
    /// # Errors
    /// [`MetricError::TooFew`] for too few images, [`MetricError::Width`] for features that do not compare.
    fn measure(&self, real: &ImageSet<'_>, generated: &ImageSet<'_>) -> Result<f64, MetricError>;
}
