//! The samples of one moment, as readings want them.

use data_streams::ImageDataset;

use crate::{measure::Described, reference::Known};

/// Samples after an experience. They go as soon as the readings are made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drawn {
    /// As they were drawn, a set for each task seen: set j comes from the same noise after every experience.
    pub(crate) images: Vec<ImageDataset>,
    /// The class or task of each, as far as it is known.
    pub(crate) known: Vec<Known>,
}

impl Drawn {
    /// From the samples of an evaluation, as they were drawn.
    pub(crate) fn of(drawn: &[Described]) -> Self {
        Self {
            images: drawn.iter().map(|samples| samples.images.clone()).collect(),
            known: drawn.iter().map(|samples| samples.known.clone()).collect(),
        }
    }
}
