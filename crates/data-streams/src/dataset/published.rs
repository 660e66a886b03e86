//! The public data sets that are read from their published files.

use std::path::{Path, PathBuf};

use cldiff_choices::Options;

use super::{DataConfig, DatasetOptions, DatasetPair, ImageDataset, Places, Split};
use crate::{DataError, RemoteFile};

/// The options of a data set that is read from files that its authors publish. They are [`DatasetOptions`] too.
pub trait PublishedSet: Options {
    /// The directory of the files that the options name.
    fn dir(&self) -> Option<&Path>;

    /// As [`DatasetOptions::contents`].
    fn contents(&self) -> &'static str;

    /// As [`DatasetOptions::licence`].
    fn licence(&self) -> &'static str;

    /// The files that its publishers offer.
    fn remote_files(&self) -> Vec<RemoteFile>;

    /// The files of a split, as they lie in `dir`.
    ///
    /// # Errors
    /// [`DataError::Missing`] for a file that is not there.
    fn files(&self, dir: &Path, split: Split) -> Result<Vec<PathBuf>, DataError>;

    /// Reads one split, and no file of the other.
    ///
    /// # Errors
    /// [`DataError`] for files that are missing or damaged.
    fn load_split(&self, dir: &Path, split: Split) -> Result<ImageDataset, DataError>;

    /// As [`DatasetOptions::divisions`].
    fn divisions(&self) -> Vec<(&'static str, DataConfig)> {
        Vec::new()
    }
}

/// The name, with hyphens, of the data set `name`: of its directory, and of the data set where the program names it.
pub(super) fn public_name(name: &str) -> String {
    name.replace('_', "-")
}

impl<T: PublishedSet> DatasetOptions for T {
    fn build(&self, places: &Places) -> Result<DatasetPair, DataError> {
        DatasetPair::new(self.build_split(places, Split::Train)?, self.build_split(places, Split::Eval)?)
    }

    fn build_split(&self, places: &Places, split: Split) -> Result<ImageDataset, DataError> {
        self.load_split(&places.located(&public_name(self.name()), self.dir()), split)
    }

    fn own_dir(&self) -> Option<&Path> {
        self.dir()
    }

    fn contents(&self) -> &'static str {
        PublishedSet::contents(self)
    }

    fn licence(&self) -> &'static str {
        PublishedSet::licence(self)
    }

    fn published(&self) -> Option<&dyn PublishedSet> {
        Some(self)
    }

    fn divisions(&self) -> Vec<(&'static str, DataConfig)> {
        PublishedSet::divisions(self)
    }
}
