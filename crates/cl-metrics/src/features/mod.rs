//! Features: what images look like to a network, in which distributions of images are compared.
//!
//! The networks themselves, the classifier and Inception-v3, need the crate's feature `features`; pixels and an
//! extractor of one's own do not.

#[cfg(feature = "features")]
pub mod classifier;
#[cfg(feature = "features")]
mod convert;
#[cfg(feature = "features")]
pub mod dinov2;
#[cfg(all(test, feature = "features"))]
mod formula;
#[cfg(feature = "features")]
pub mod inception;
mod judge;
mod pixels;
#[cfg(feature = "features")]
mod weights;

use data_streams::ImageDataset;

#[cfg(feature = "features")]
pub use convert::Converted;
pub use judge::{Judge, TRUSTED};
pub use pixels::{Pixels, pixels};
#[cfg(feature = "features")]
pub use weights::WeightsInfo;

use crate::MetricError;

/// One row of finite numbers an image.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMatrix {
    rows: usize,
    width: usize,
    data: Vec<f32>,
}

impl FeatureMatrix {
    /// A matrix of rows of `width` numbers, stored row after row.
    ///
    /// # Errors
    /// [`MetricError::NotFinite`] for a NaN or an infinity.
    ///
    /// # Panics
    /// If the data are not a whole number of rows.
    pub fn new(width: usize, data: Vec<f32>) -> Result<Self, MetricError> {
        assert!(width > 0 && data.len() % width == 0, "{} numbers are not rows of {width}", data.len());
        match data.iter().position(|value| !value.is_finite()) {
            Some(i) => Err(MetricError::NotFinite { row: i / width, column: i % width, value: data[i] }),
            None => Ok(Self { rows: data.len() / width, width, data }),
        }
    }

    /// The rows of several matrices one after another.
    ///
    /// # Errors
    /// [`MetricError::Width`] if their widths differ, [`MetricError::TooFew`] if there are no matrices.
    pub fn concat(parts: &[&Self]) -> Result<Self, MetricError> {
        let width = parts.first().map_or(0, |part| part.width);
        if width == 0 {
            return Err(MetricError::TooFew { metric: "pooling", needed: 1, found: 0 });
        }
        if let Some(other) = parts.iter().find(|part| part.width != width) {
            return Err(MetricError::Width { a: width, b: other.width });
        }
        let data: Vec<f32> = parts.iter().flat_map(|part| part.data.iter().copied()).collect();
        Ok(Self { rows: data.len() / width, width, data })
    }

    /// The number of images.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of features.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The features of the i-th image.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.width..(i + 1) * self.width]
    }

    /// Some of the rows.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let data = rows.iter().flat_map(|&i| self.row(i).iter().copied()).collect();
        Self { rows: rows.len(), width: self.width, data }
    }

    /// The position of each row's largest number.
    pub fn argmax(&self) -> Vec<usize> {
        let largest = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
        (0..self.rows).map(|i| largest(self.row(i))).collect()
    }
}

/// A network's description of a set of images.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// Its features of each image.
    pub features: FeatureMatrix,
    /// The probability that it gives each of its own classes, for each image; none from what knows no classes.
    pub class_probabilities: Option<FeatureMatrix>,
}

/// Something that gives images features.
pub trait FeatureExtractor: std::fmt::Debug + Send {
    /// The name to quote with a number that is computed from the features.
    fn name(&self) -> String;

    /// The features of a set of images.
    ///
    /// # Errors
    /// [`MetricError::NotFinite`] if the network gives something that is not a number.
    fn describe(&self, images: &ImageDataset) -> Result<Described, MetricError>;
}
