//! A metric of samples: how it describes itself, and how it is measured.

use std::fmt;

use cldiff_choices::Describe;

use super::{Comparison, Estimate, Sets};
use crate::{MetricError, summary::Direction};

/// Names and values of what was measured, with standard errors where they are known: `vec![(Self::NAME, value.into())]`.
pub type Values = Vec<(&'static str, Estimate)>;

/// The description of a metric, without its type. Implemented for every type that is [`Describe`].
pub trait Described {
    /// The name in configurations and results.
    fn name(&self) -> &'static str;

    /// One sentence without a full stop.
    fn summary(&self) -> &'static str;

    /// The source: authors, year, arXiv number. Empty where no one has to be named.
    fn citation(&self) -> &'static str;
}

impl<T: Describe> Described for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn summary(&self) -> &'static str {
        T::SUMMARY
    }

    fn citation(&self) -> &'static str {
        T::CITATION
    }
}

/// A number that says how good samples are. The [crate's](crate) documentation defines one.
pub trait Metric: Described + Sync {
    /// The direction that is better; none for a metric that describes samples and does not rank them: it has no marks,
    /// no forgetting and no transfer.
    fn direction(&self) -> Option<Direction>;

    /// The knowledge that a measurement needs. A metric is left out where one of its needs is not known.
    fn needs(&self) -> &'static [Need];

    /// The name of the features that the definition is bound to; none where any features will do.
    fn bound_to(&self) -> Option<&'static str> {
        None
    }

    /// Whether a benchmark measures it unless told otherwise: the metrics that cost little and speak of forgetting.
    fn is_default(&self) -> bool {
        true
    }

    /// The metric, and others that are found on the way to it.
    ///
    /// # Errors
    /// [`MetricError::TooFew`] and [`MetricError::Numerics`] are the reason why the metric has no value; others end the
    /// measurement.
    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError>;

    /// How the metric is computed from sets of images alone; none where it takes more than that.
    fn comparison(&self) -> Option<&'static Comparison> {
        None
    }
}

/// Something that a metric needs to know. In the order of what it takes to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Features of the real images and the samples.
    Features,
    /// The probability that the judge, the classifier of the stream's classes, gives each class, for the samples.
    ClassProbabilities,
    /// The probability that the network of the features gives each of its own classes, for the samples.
    OwnProbabilities,
    /// Pixels of the real images and the samples.
    Pixels,
    /// The classes of the real images, as labelled or as a classifier sees them.
    RealClasses,
    /// The classes that the samples were asked for.
    RequestedClasses,
    /// The images that a strategy stored, and what they are compared with.
    StoredImages,
    /// Images that the model was trained on, and what they are compared with.
    TrainingImages,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Features => "features",
            Self::ClassProbabilities => "class probabilities of the samples",
            Self::OwnProbabilities => "class probabilities of the samples by the network of the features",
            Self::Pixels => "pixels",
            Self::RealClasses => "classes of the real images",
            Self::RequestedClasses => "requested classes",
            Self::StoredImages => "stored images",
            Self::TrainingImages => "training images",
        })
    }
}
