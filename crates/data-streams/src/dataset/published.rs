//! The public data sets that are read from their published files.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use cldiff_choices::Options;

use super::{DataConfig, DatasetOptions, DatasetPair, ImageDataset, Places, Split};
use crate::{DataError, RemoteFile};

/// The options of a data set that is read from files that its authors publish. They are [`DatasetOptions`] too.
pub trait PublishedSet: Options {
    /// The directory of the files that the options name.
    fn dir(&self) -> Option<&Path>;

    /// As [`DatasetOptions::contents`].
    fn contents(&self) -> &'static str;

    /// The numbers of training and of test images in the published files; none where they differ from division to division.
    fn published_images(&self) -> Option<[usize; 2]> {
        None
    }

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

/// Reads a split from where its files are.
fn located(set: &impl PublishedSet, places: &Places, split: Split) -> Result<ImageDataset, DataError> {
    let dir = places.located(&public_name(set.name()), set.dir());
    set.load_split(&set.home(&dir, split), split)
}

/// Warns of splits with fewer images than were published. A process that reads them again is not warned again.
fn warn_of_fewer(set: &impl PublishedSet, there: &[(Split, usize)]) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let Some(warning) = set.published_images().and_then(|published| fewer(published, there)) else { return };
    let warning = format!("{}: {warning}", public_name(set.name()));
    if TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(warning.clone()) {
        tracing::warn!("{warning}");
    }
}

/// The splits that have fewer images than were published, if there are some.
fn fewer([train, eval]: [usize; 2], there: &[(Split, usize)]) -> Option<String> {
    let of = |split: Split| if split == Split::Train { (train, "training") } else { (eval, "test") };
    let part = |&(split, images): &(Split, usize)| {
        let (published, word) = of(split);
        (images < published).then(|| format!("{images} of the {published} published {word} images"))
    };
    let parts: Vec<String> = there.iter().filter_map(part).collect();
    (!parts.is_empty()).then(|| format!("{} are there", parts.join(" and ")))
}

impl<T: PublishedSet> DatasetOptions for T {
    fn build(&self, places: &Places) -> Result<DatasetPair, DataError> {
        let pair =
            DatasetPair::new(located(self, places, Split::Train)?, located(self, places, Split::Eval)?)?;
        warn_of_fewer(self, &[(Split::Train, pair.train.len()), (Split::Eval, pair.eval.len())]);
        Ok(pair)
    }

    fn build_split(&self, places: &Places, split: Split) -> Result<ImageDataset, DataError> {
        let images = located(self, places, split)?;
        warn_of_fewer(self, &[(split, images.len())]);
        Ok(images)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_published_images_is_told_and_all_of_them_are_not() {
        let told = |train, eval| fewer([50_000, 10_000], &[(Split::Train, train), (Split::Eval, eval)]);
        assert_eq!(told(50_000, 10_000), None);
        assert_eq!(
            told(10_000, 5_000).unwrap(),
            "10000 of the 50000 published training images and 5000 of the 10000 published test images are there"
        );
        assert_eq!(told(50_000, 5_000).unwrap(), "5000 of the 10000 published test images are there");
        assert_eq!(fewer([50_000, 10_000], &[(Split::Eval, 10_000)]), None);
    }
}
