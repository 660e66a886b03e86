//! The two halves of a data set.

use super::ImageDataset;
use crate::DataError;

/// The two halves of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The images that models train on.
    Train,
    /// The images that models are measured against; the published sets call them "test".
    Eval,
}

/// The training images and the images held out for evaluation.
#[derive(Debug, Clone)]
pub struct DatasetPair {
    /// The images that models train on.
    pub train: ImageDataset,
    /// The images that models are measured against.
    pub eval: ImageDataset,
}

impl DatasetPair {
    /// Both halves of a data set.
    ///
    /// # Errors
    /// [`DataError::Inconsistent`] if their images differ in shape, or their classes.
    pub fn new(train: ImageDataset, eval: ImageDataset) -> Result<Self, DataError> {
        let refuse = |problem: String| Err(DataError::Inconsistent { name: train.name().into(), problem });
        if train.shape() != eval.shape() {
            return refuse(format!(
                "training images are {}, evaluation images {}: give both one size",
                train.shape(),
                eval.shape()
            ));
        }
        if train.class_names() != eval.class_names() {
            return refuse(format!(
                "training images have {} classes, evaluation images {}, or their names differ",
                train.class_names().len(),
                eval.class_names().len()
            ));
        }
        Ok(Self { train, eval })
    }

    /// One half.
    #[must_use]
    pub fn into_split(self, split: Split) -> ImageDataset {
        match split {
            Split::Train => self.train,
            Split::Eval => self.eval,
        }
    }
}
