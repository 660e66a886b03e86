//! KMNIST (Clanuwat et al. 2018, arXiv 1812.01718): cursive hiragana, from the four idx files of its publishers.
//!
//! The hashes are values that several independent public projects state alike.
//!
//! ```toml
//! [data.kmnist]
//! dir = "DIRECTORY"
//! pad_to = 32
//! ```

use std::path::{Path, PathBuf};

use cldiff_choices::{Describe, ImageSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ImageDataset, PublishedSet, Split,
    idx::{FourFiles, IdxSource, four_files},
};
use crate::{DataError, RemoteFile};

/// The hiragana of KMNIST, one of each of ten rows.
pub const KMNIST_CLASSES: [&str; 10] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"];

/// One host, by either protocol: nobody else is known to offer the same files.
const MIRRORS: [&str; 2] =
    ["https://codh.rois.ac.jp/kmnist/dataset/kmnist", "http://codh.rois.ac.jp/kmnist/dataset/kmnist"];

const FILES: FourFiles = [
    (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
    (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
    (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
    (5120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
];

/// The options of the data set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KmnistConfig {
    /// The directory of the files; a data directory that is given for the run goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Zeros are added around the images up to this size: one number for a square, or `[height, width]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_to: Option<ImageSize>,
}

impl Describe for KmnistConfig {
    const NAME: &'static str = "kmnist";
    const SUMMARY: &'static str = "KMNIST, ten hiragana, from its published files";
    const CITATION: &'static str = "Clanuwat et al. 2018, arXiv 1812.01718";
}

fn source() -> IdxSource {
    IdxSource::like_mnist("kmnist", &KMNIST_CLASSES)
}

impl PublishedSet for KmnistConfig {
    fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    fn contents(&self) -> &'static str {
        "Cursive hiragana, 28x28 grey, 10 classes, 60000 + 10000"
    }

    fn published_images(&self) -> Option<[usize; 2]> {
        Some([60_000, 10_000])
    }

    fn licence(&self) -> &'static str {
        "CC BY-SA 4.0"
    }

    fn remote_files(&self) -> Vec<RemoteFile> {
        four_files(&MIRRORS, FILES)
    }

    fn subdirectories(&self) -> &'static [&'static str] {
        &["raw", "KMNIST/raw"]
    }

    fn files(&self, dir: &Path, split: Split) -> Result<Vec<PathBuf>, DataError> {
        Ok(source().files(dir, split)?.into())
    }

    fn load_split(&self, dir: &Path, split: Split) -> Result<ImageDataset, DataError> {
        source().load(dir, split, self.pad_to)
    }
}
