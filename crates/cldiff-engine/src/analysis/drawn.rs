//! The samples of one moment, as readings want them.

use data_streams::ImageDataset;

use crate::reference::Known;

/// Samples after an experience. They go as soon as the readings are made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drawn {
    /// As they were drawn, a set for each task seen: set j comes from the same noise after every experience.
    pub(crate) images: Vec<ImageDataset>,
    /// Of each task seen; an unconditional model's samples are sorted by the class that is seen in them.
    pub(crate) known: Vec<Known>,
}
