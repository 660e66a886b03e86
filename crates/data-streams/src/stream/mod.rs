//! Streams: sequences of experiences, each with training data that are there for its duration only.

mod class_incremental;
mod joint;

pub use class_incremental::{ClassIncremental, ClassOrder};
pub use joint::Joint;

use crate::{DataError, DatasetPair, ImageDataset, ImageShape};

/// One stretch of a stream; a task, where boundaries are known.
#[derive(Debug, Clone)]
pub struct Experience {
    /// What it is called.
    pub name: String,
    /// Its classes, as numbered by the source.
    pub classes: Vec<usize>,
    /// What can be trained on.
    pub train: ImageDataset,
    /// What is measured against.
    pub eval: ImageDataset,
}

/// A sequence of experiences over one data set.
#[derive(Debug, Clone)]
pub struct Stream {
    name: String,
    source: DatasetPair,
    experiences: Vec<Experience>,
}

/// A way to turn a data set into a stream.
pub trait StreamBuilder {
    /// Makes the stream.
    ///
    /// # Errors
    /// [`DataError::Config`] for options that do not fit the data.
    fn build(&self, data: DatasetPair) -> Result<Stream, DataError>;
}

impl Stream {
    /// A stream of given experiences over `source`.
    ///
    /// # Errors
    /// [`DataError::Inconsistent`] if there are none, or one has no images.
    pub fn new(name: String, source: DatasetPair, experiences: Vec<Experience>) -> Result<Self, DataError> {
        if experiences.is_empty() {
            return Err(DataError::Inconsistent { name, problem: "the stream has no experiences".into() });
        }
        if let Some(e) = experiences.iter().find(|e| e.train.is_empty() || e.eval.is_empty()) {
            let problem = format!(
                "experience \"{}\" has {} training and {} evaluation images",
                e.name,
                e.train.len(),
                e.eval.len()
            );
            return Err(DataError::Inconsistent { name, problem });
        }
        Ok(Self { name, source, experiences })
    }

    /// What the stream is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.source.train.shape()
    }

    /// The names of all classes of the source.
    pub fn class_names(&self) -> &[String] {
        self.source.train.class_names()
    }

    /// The experiences in their order.
    pub fn experiences(&self) -> &[Experience] {
        &self.experiences
    }

    /// The number of experiences.
    pub fn len(&self) -> usize {
        self.experiences.len()
    }

    /// Whether there are no experiences, which [`Stream::new`] does not allow.
    pub fn is_empty(&self) -> bool {
        self.experiences.is_empty()
    }

    /// The training images of all experiences.
    pub fn all_train(&self) -> ImageDataset {
        self.pool(|e| &e.train)
    }

    /// The evaluation images of all experiences.
    pub fn all_eval(&self) -> ImageDataset {
        self.pool(|e| &e.eval)
    }

    fn pool(&self, split: impl Fn(&Experience) -> &ImageDataset) -> ImageDataset {
        let parts: Vec<&ImageDataset> = self.experiences.iter().map(split).collect();
        ImageDataset::concat(&parts).expect("the experiences of a stream are views of one source")
    }
}
