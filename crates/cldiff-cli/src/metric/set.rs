//! One of the sets that a metric compares: where it comes from, and its features.

use std::{borrow::Cow, fmt::Display, path::Path};

use cl_metrics::{
    MetricError,
    features::{FeatureExtractor, FeatureMatrix},
    sample::{
        ComparedSet,
        moments::{Gaussian, Moments},
    },
};
use cldiff_engine::FeaturesConfig;
use data_streams::{DataConfig, ImageDataset, ImageShape};

use super::{directory, features::alternatives, files, npz};
use crate::{
    config::{advised, named_split, places},
    failure::Failure,
};

/// A set of images, or what is left of one.
pub(crate) struct Set {
    /// As the user named it.
    pub name: String,
    pub content: Content,
    /// The classes of the images.
    pub labels: Option<Vec<usize>>,
    /// The name of the features, where it is known.
    pub features: Option<String>,
    /// The shape of the images, where that is known.
    pub shape: Option<ImageShape>,
}

/// The content of a set.
pub(crate) enum Content {
    /// The images, and the data set that they are of.
    Images { images: ImageDataset, data: Option<DataConfig> },
    /// Features and class probabilities, from a file or `extracted` from images.
    Features { features: FeatureMatrix, probabilities: Option<FeatureMatrix>, extracted: bool },
    /// Mean and covariance.
    Statistics(Gaussian),
}

impl Set {
    /// Reads a set; of a directory of images, so many broken ones may be left out.
    pub(crate) fn read(argument: &str, data_dir: Option<&Path>, skip_broken: usize) -> Result<Self, Failure> {
        let path = Path::new(argument);
        if path.is_dir() {
            let images = directory::read(path, skip_broken)?;
            let shape = Some(images.shape());
            let content = Content::Images { images, data: None };
            return Ok(Self { name: argument.into(), content, labels: None, features: None, shape });
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => files::read(path),
            Some("npz") => npz::read(path),
            _ => Self::of_data_set(argument, data_dir),
        }
    }

    fn of_data_set(argument: &str, data_dir: Option<&Path>) -> Result<Self, Failure> {
        let Some(named) = named_split(argument) else {
            return Err(Failure::mistake(format!(
                "{argument}: no such directory, no .safetensors or .npz file, and no data set; `cldiff list data-sets` names those"
            )));
        };
        let (config, split) = named.map_err(|problem| Failure::mistake(format!("{argument}: {problem}")))?;
        let images = config
            .build_split(&places(data_dir), split)
            .map_err(|error| Failure::mistake(format!("{argument}: {}", advised(&error))))?;
        let (labels, shape) = (Some(images.labels()), Some(images.shape()));
        let content = Content::Images { images, data: Some(config) };
        Ok(Self { name: argument.into(), content, labels, features: None, shape })
    }

    /// The number of images, where that is known.
    pub(super) fn count(&self) -> Option<usize> {
        match &self.content {
            Content::Images { images, .. } => Some(images.len()),
            Content::Features { features, .. } => Some(features.rows()),
            Content::Statistics(gaussian) => gaussian.count(),
        }
    }

    /// Whether features have to be extracted.
    pub(super) fn is_images(&self) -> bool {
        matches!(self.content, Content::Images { .. })
    }

    /// Extracts the features, if the set is of images.
    pub(super) fn extract(&mut self, extractor: &dyn FeatureExtractor) -> Result<(), Failure> {
        if let Content::Images { images, .. } = &self.content {
            let described = extractor.describe(images).map_err(|e| Failure::mistake(self.refuse(e)))?;
            self.content = Content::Features {
                features: described.features,
                probabilities: described.class_probabilities,
                extracted: true,
            };
            self.features = Some(extractor.name());
        }
        Ok(())
    }

    /// The features, which saved statistics no longer have.
    fn matrix(&self) -> Result<&FeatureMatrix, MetricError> {
        match &self.content {
            Content::Features { features, .. } => Ok(features),
            Content::Images { .. } => unreachable!("features of images are extracted first"),
            Content::Statistics(_) => {
                Err(self.refuse("saved statistics have no features of single images; only fid takes them"))
            }
        }
    }

    /// Mean and covariance.
    pub(crate) fn gaussian(&self) -> Result<Cow<'_, Gaussian>, MetricError> {
        match &self.content {
            Content::Statistics(gaussian) => Ok(Cow::Borrowed(gaussian)),
            _ => Moments::of(self.matrix()?).gaussian().map(Cow::Owned).map_err(|e| self.refuse(e)),
        }
    }

    /// Class probabilities; the features of a file that has none besides are taken for logits where `or_logits`.
    fn probabilities(&self, or_logits: bool) -> Result<Cow<'_, FeatureMatrix>, MetricError> {
        match &self.content {
            Content::Features { probabilities: Some(probabilities), .. } => Ok(Cow::Borrowed(probabilities)),
            Content::Features { features, extracted: false, .. } if or_logits => {
                Ok(Cow::Owned(files::softmax(features)))
            }
            _ => {
                let with_classes: Vec<_> =
                    FeaturesConfig::all().into_iter().filter(|features| features.sees_classes()).collect();
                Err(self.refuse(format_args!(
                    "no class probabilities: give images with --features {}, or a file with `probabilities` or `logits`",
                    alternatives(&with_classes)
                )))
            }
        }
    }

    fn refuse(&self, problem: impl Display) -> MetricError {
        MetricError::Set { name: self.name.clone(), problem: problem.to_string() }
    }
}

/// A set as a comparison asks for it, after its features were extracted.
pub(super) struct Described<'a> {
    pub set: &'a Set,
    /// Whether the features' classes are their network's own, which are not those of any labels.
    pub has_own_classes: bool,
}

impl ComparedSet for Described<'_> {
    fn features(&self) -> Result<&FeatureMatrix, MetricError> {
        self.set.matrix()
    }

    fn gaussian(&self) -> Result<Cow<'_, Gaussian>, MetricError> {
        self.set.gaussian()
    }

    fn class_probabilities(&self) -> Result<Cow<'_, FeatureMatrix>, MetricError> {
        self.set.probabilities(true)
    }

    fn classes(&self) -> Result<Vec<usize>, MetricError> {
        match &self.set.labels {
            Some(labels) if !self.has_own_classes => Ok(labels.clone()),
            _ => Ok(self.set.probabilities(false)?.argmax()),
        }
    }

    fn classes_seen(&self) -> Result<Vec<usize>, MetricError> {
        match (&self.set.content, &self.set.labels) {
            (Content::Features { probabilities: None, .. }, Some(labels)) => Ok(labels.clone()),
            _ => Ok(self.set.probabilities(false)?.argmax()),
        }
    }
}
