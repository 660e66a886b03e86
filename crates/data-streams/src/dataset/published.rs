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

    /// Directories below its own where other programs and the archives of its publishers put the files: `MNIST/raw`.
    fn subdirectories(&self) -> &'static [&'static str] {
        &[]
    }

    /// The directory of the files of a split: `dir`, or else the first of its subdirectories that has them; `dir` where
    /// none has.
    fn home(&self, dir: &Path, split: Split) -> PathBuf {
        let below = self.subdirectories().iter().map(|below| dir.join(below));
        let mut homes = std::iter::once(dir.to_owned()).chain(below);
        homes.find(|home| self.files(home, split).is_ok()).unwrap_or_else(|| dir.to_owned())
    }

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
        let dir = places.located(&public_name(self.name()), self.dir());
        self.load_split(&self.home(&dir, split), split)
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
