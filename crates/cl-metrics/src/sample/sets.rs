//! The sets of images that a metric is measured on, and what is known of them.

use std::borrow::Cow;

use super::{
    Need,
    moments::{Gaussian, Moments},
};
use crate::{MetricError, features::FeatureMatrix};

/// A set of images as metrics may know it; metrics that need a missing part stay unmeasured.
#[derive(Debug, Clone, Copy)]
pub struct ImageSet<'a> {
    /// Their features.
    pub features: &'a FeatureMatrix,
    /// Mean and covariance of the features, where they are known already.
    pub gaussian: Option<&'a Gaussian>,
    /// The probabilities of the stream's classes, by the judge: the classifier that is trained on them.
    pub class_probabilities: Option<&'a FeatureMatrix>,
    /// The probabilities of its own classes, by the network that gives the features.
    pub own_probabilities: Option<&'a FeatureMatrix>,
    /// The classes of real images; of generated images those that were asked for.
    pub labels: Option<&'a [usize]>,
    /// The images themselves.
    pub pixels: Option<&'a FeatureMatrix>,
}

impl<'a> ImageSet<'a> {
    /// A set of which nothing but its features is known.
    pub fn of_features(features: &'a FeatureMatrix) -> Self {
        Self {
            features,
            gaussian: None,
            class_probabilities: None,
            own_probabilities: None,
            labels: None,
            pixels: None,
        }
    }
}

/// The images that a strategy holds, and what they are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// Their pixels.
    pub pixels: &'a FeatureMatrix,
    /// The pixels of real images of the same kinds that were never trained on.
    pub held_out: &'a FeatureMatrix,
}

/// Images that a model was trained on, and what they are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// Their pixels.
    pub pixels: &'a FeatureMatrix,
    /// Their classes.
    pub labels: &'a [usize],
    /// The pixels of real images of the same kinds that were never trained on.
    pub held_out: &'a FeatureMatrix,
}

/// Real images, generated images, those that a strategy stored and those that the model was trained on.
#[derive(Debug, Clone, Copy)]
pub struct Sets<'a> {
    /// The real images.
    pub real: &'a ImageSet<'a>,
    /// The samples.
    pub generated: &'a ImageSet<'a>,
    /// The stored images; none where nothing is stored.
    pub stored: Option<Stored<'a>>,
    /// The training images, or a part of them; none where they are not known.
    pub training: Option<Training<'a>>,
}

impl<'a> Sets<'a> {
    /// Whether something is known.
    pub fn knows(&self, need: Need) -> bool {
        let (real, generated) = (self.real, self.generated);
        match need {
            Need::Features => true,
            Need::ClassProbabilities => generated.class_probabilities.is_some(),
            Need::OwnProbabilities => generated.own_probabilities.is_some(),
            Need::Pixels => real.pixels.is_some() && generated.pixels.is_some(),
            Need::RealClasses => real.labels.is_some() || real.class_probabilities.is_some(),
            Need::RequestedClasses => generated.labels.is_some(),
            Need::StoredImages => self.stored.is_some(),
            Need::TrainingImages => self.training.is_some(),
        }
    }

    /// Features of the real images and of the samples.
    pub fn features(&self) -> (&'a FeatureMatrix, &'a FeatureMatrix) {
        (self.real.features, self.generated.features)
    }

    /// Mean and covariance of the real images' features.
    ///
    /// # Errors
    /// [`MetricError::TooFew`] below two images.
    pub fn real_gaussian(&self) -> Result<Cow<'a, Gaussian>, MetricError> {
        match self.real.gaussian {
            Some(known) => Ok(Cow::Borrowed(known)),
            None => Ok(Cow::Owned(Moments::of(self.real.features).gaussian()?)),
        }
    }

    /// The classes' probabilities for the samples.
    ///
    /// # Errors
    /// [`MetricError::NotKnown`]
    pub fn class_probabilities(&self) -> Result<&'a FeatureMatrix, MetricError> {
        self.generated.class_probabilities.ok_or(MetricError::NotKnown { need: Need::ClassProbabilities })
    }

    /// The probabilities that the network of the features gives its own classes, for the samples.
    ///
    /// # Errors
    /// [`MetricError::NotKnown`]
    pub fn own_probabilities(&self) -> Result<&'a FeatureMatrix, MetricError> {
        self.generated.own_probabilities.ok_or(MetricError::NotKnown { need: Need::OwnProbabilities })
    }

    /// Pixels of the real images and of the samples.
    ///
    /// # Errors
    /// [`MetricError::NotKnown`]
    pub fn pixels(&self) -> Result<(&'a FeatureMatrix, &'a FeatureMatrix), MetricError> {
        let both = self.real.pixels.zip(self.generated.pixels);
        both.ok_or(MetricError::NotKnown { need: Need::Pixels })
    }

    /// The classes of the real images: their labels, or else what the classifier sees in them.
    ///
    /// # Errors
    /// [`MetricError::NotKnown`]
    pub fn real_classes(&self) -> Result<Cow<'a, [usize]>, MetricError> {
        match (self.real.labels, self.real.class_probabilities) {
            (Some(labels), _) => Ok(Cow::Borrowed(labels)),
            (None, Some(probabilities)) => Ok(Cow::Owned(probabilities.argmax())),
            (None, None) => Err(MetricError::NotKnown { need: Need::RealClasses }),
        }
    }

    /// The classes that the samples were asked for.
    ///
    /// # Errors
    /// [`MetricError::NotKnown`]
    pub fn requested_classes(&self) -> Result<&'a [usize], MetricError> {
        self.generated.labels.ok_or(MetricError::NotKnown { need: Need::RequestedClasses })
    }

    /// The stored images.
    ///
    /// # Errors
    /// [`MetricError::NotKnown`]
    pub fn stored(&self) -> Result<Stored<'a>, MetricError> {
        self.stored.ok_or(MetricError::NotKnown { need: Need::StoredImages })
    }

    /// The training images.
    ///
    /// # Errors
    /// [`MetricError::NotKnown`]
    pub fn training(&self) -> Result<Training<'a>, MetricError> {
        self.training.ok_or(MetricError::NotKnown { need: Need::TrainingImages })
    }
}
