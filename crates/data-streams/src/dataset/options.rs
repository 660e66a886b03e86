//! Operations on the options of a data set.

use std::path::Path;

use cldiff_choices::{ImageSize, Options};

use super::{DataConfig, DatasetPair, ImageDataset, Places, PublishedSet, Split};
use crate::DataError;

/// The options of a data set: a way to load or draw its images.
pub trait DatasetOptions: Options {
    /// Checks what can be told without files: options that are needed, and ranges.
    ///
    /// # Errors
    /// [`DataError::Config`], whose key is relative to these options.
    fn check(&self) -> Result<(), DataError> {
        Ok(())
    }

    /// Loads or draws the images.
    ///
    /// # Errors
    /// [`DataError`] for files that are missing or damaged, and for options out of range.
    fn build(&self, places: &Places) -> Result<DatasetPair, DataError>;

    /// Loads or draws one split, and reads no file of the other where they have files of their own.
    ///
    /// # Errors
    /// As [`DatasetOptions::build`].
    fn build_split(&self, places: &Places, split: Split) -> Result<ImageDataset, DataError> {
        Ok(self.build(places)?.into_split(split))
    }

    /// The directory that the options name.
    fn own_dir(&self) -> Option<&Path> {
        None
    }

    /// Changes the options so that images have these channels and, where it is given, this size, if the data set can be of
    /// any shape.
    fn adapt(&mut self, _channels: usize, _size: Option<ImageSize>) {}

    /// Contents in a few words: "Clothes, 28x28 grey, 10 classes, 60000 + 10000". The summary says as much, if empty.
    fn contents(&self) -> &'static str {
        ""
    }

    /// The terms under which it is published, as far as its authors say.
    fn licence(&self) -> &'static str {
        ""
    }

    /// Its files, if its authors publish some.
    fn published(&self) -> Option<&dyn PublishedSet> {
        None
    }

    /// Divisions of it that have a name of their own: `emnist-letters` is `letters` of `emnist`.
    fn divisions(&self) -> Vec<(&'static str, DataConfig)> {
        Vec::new()
    }
}
