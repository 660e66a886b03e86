//! MNIST (LeCun et al. 1998): digits by hand, from the four idx files of its publishers.
//!
//! The hashes were computed from the published files, but for that of the training images, which is the value that several
//! independent public projects state alike.
//!
//! ```toml
//! [data.mnist]
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

/// The classes of MNIST.
pub const MNIST_CLASSES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

const MIRRORS: [&str; 3] = [
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    "http://yann.lecun.com/exdb/mnist",
];

const FILES: FourFiles = [
    (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
];

/// The options of the data set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MnistConfig {
    /// The directory of the files; a data directory that is given for the run goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Zeros are added around the images up to this size: one number for a square, or `[height, width]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_to: Option<ImageSize>,
}

impl Describe for MnistConfig {
    const NAME: &'static str = "mnist";
    const SUMMARY: &'static str = "MNIST, from its published files";
    const CITATION: &'static str = "LeCun et al. 1998";
}

fn source() -> IdxSource {
    IdxSource::like_mnist("mnist", &MNIST_CLASSES)
}

impl PublishedSet for MnistConfig {
    fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    fn contents(&self) -> &'static str {
        "Digits by hand, 28x28 grey, 10 classes, 60000 + 10000"
    }

    fn published_images(&self) -> Option<[usize; 2]> {
        Some([60_000, 10_000])
    }

    fn licence(&self) -> &'static str {
        "CC BY-SA 3.0"
    }

    fn remote_files(&self) -> Vec<RemoteFile> {
        four_files(&MIRRORS, FILES)
    }

    fn subdirectories(&self) -> &'static [&'static str] {
        &["raw", "MNIST/raw"]
    }

    fn files(&self, dir: &Path, split: Split) -> Result<Vec<PathBuf>, DataError> {
        Ok(source().files(dir, split)?.into())
    }

    fn load_split(&self, dir: &Path, split: Split) -> Result<ImageDataset, DataError> {
        source().load(dir, split, self.pad_to)
    }
}
