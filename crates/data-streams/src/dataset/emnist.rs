//! EMNIST (Cohen et al. 2017, arXiv 1702.05373): letters and digits by hand, in the idx files of its `gzip.zip`.
//!
//! The published images are transposed, and the labels of `letters` begin at 1; both are undone here. The hash is a value
//! that several independent public projects state alike.
//!
//! ```toml
//! [data.emnist]
//! split = "letters"
//! pad_to = 32
//! ```

use std::path::{Path, PathBuf};

use cldiff_choices::{Describe, ImageSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataConfig, ImageDataset, PublishedSet, Split, idx::IdxSource, mnist::MNIST_CLASSES};
use crate::{Archive, DataError, RemoteFile, Unpack};

/// One of the six published divisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmnistSplit {
    /// 47 classes with as many images each.
    #[default]
    Balanced,
    /// 62 classes: digits, capital and small letters.
    Byclass,
    /// 47 classes: small letters that look like their capitals are one class with them.
    Bymerge,
    /// 26 classes, capital and small letters as one.
    Letters,
    /// The ten digits, as many images each.
    Digits,
    /// The ten digits in the numbers of MNIST.
    Mnist,
}

const BYCLASS: [&str; 62] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K",
    "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b", "c", "d", "e", "f",
    "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z",
];

/// Digits, capitals, and the small letters that are written otherwise than theirs.
const MERGED: [&str; 47] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K",
    "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b", "d", "e", "f", "g",
    "h", "n", "q", "r", "t",
];

const LETTERS: [&str; 26] = [
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U",
    "V", "W", "X", "Y", "Z",
];

impl EmnistSplit {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Balanced, Self::Byclass, Self::Bymerge, Self::Letters, Self::Digits, Self::Mnist];

    /// As it is spelt in file names and configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Byclass => "byclass",
            Self::Bymerge => "bymerge",
            Self::Letters => "letters",
            Self::Digits => "digits",
            Self::Mnist => "mnist",
        }
    }

    pub(super) fn source(self) -> IdxSource {
        let classes: &'static [&'static str] = match self {
            Self::Byclass => &BYCLASS,
            Self::Balanced | Self::Bymerge => &MERGED,
            Self::Letters => &LETTERS,
            Self::Digits | Self::Mnist => &MNIST_CLASSES,
        };
        IdxSource {
            name: "emnist",
            stems: [format!("emnist-{}-train", self.name()), format!("emnist-{}-test", self.name())],
            classes,
            first_label: usize::from(self == Self::Letters),
            transposed: true,
        }
    }
}

/// The options of the data set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmnistConfig {
    /// The directory of the files; a data directory that is given for the run goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// The division, one of the six that are published.
    pub split: EmnistSplit,
    /// Zeros are added around the images up to this size: one number for a square, or `[height, width]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_to: Option<ImageSize>,
}

impl Describe for EmnistConfig {
    const NAME: &'static str = "emnist";
    const SUMMARY: &'static str = "EMNIST, letters and digits, from its published files";
    const CITATION: &'static str = "Cohen et al. 2017, arXiv 1702.05373";
}

impl PublishedSet for EmnistConfig {
    fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    fn contents(&self) -> &'static str {
        "Letters and digits by hand, 28x28 grey, 10 to 62 classes, up to 697932 + 116323"
    }

    fn licence(&self) -> &'static str {
        "none stated (work of the US government, NIST)"
    }

    fn remote_files(&self) -> Vec<RemoteFile> {
        let members = |split: EmnistSplit| {
            ["train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1"]
                .map(|kind| format!("emnist-{}-{kind}-ubyte.gz", split.name()))
        };
        vec![RemoteFile {
            name: "gzip.zip".into(),
            bytes: Some(561_753_746),
            sha256: "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e".into(),
            urls: vec![
                "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip".into(),
                "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip".into(),
            ],
            unpack: Some(Unpack {
                archive: Archive::Zip,
                members: EmnistSplit::ALL.into_iter().flat_map(members).collect(),
            }),
        }]
    }

    fn subdirectories(&self) -> &'static [&'static str] {
        &["raw", "EMNIST/raw", "gzip"]
    }

    fn files(&self, dir: &Path, split: Split) -> Result<Vec<PathBuf>, DataError> {
        Ok(self.split.source().files(dir, split)?.into())
    }

    fn load_split(&self, dir: &Path, split: Split) -> Result<ImageDataset, DataError> {
        self.split.source().load(dir, split, self.pad_to)
    }

    fn divisions(&self) -> Vec<(&'static str, DataConfig)> {
        let division = |split: EmnistSplit| (split.name(), DataConfig::of(Self { split, ..self.clone() }));
        EmnistSplit::ALL.into_iter().map(division).collect()
    }
}
