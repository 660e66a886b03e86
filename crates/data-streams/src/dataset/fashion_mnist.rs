//! Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747): clothes, from the four idx files of its publishers.
//!
//! The hashes were computed from the published files.
//!
//! ```toml
//! [data.fashion_mnist]
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

/// The classes of Fashion-MNIST, in the words of its authors.
pub const FASHION_MNIST_CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

const MIRRORS: [&str; 3] = [
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
];

const FILES: FourFiles = [
    (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
];

/// The options of the data set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FashionMnistConfig {
    /// The directory of the files; a data directory that is given for the run goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Zeros are added around the images up to this size: one number for a square, or `[height, width]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_to: Option<ImageSize>,
}

impl Describe for FashionMnistConfig {
    const NAME: &'static str = "fashion_mnist";
    const SUMMARY: &'static str = "Fashion-MNIST, from its published files";
    const CITATION: &'static str = "Xiao et al. 2017, arXiv 1708.07747";
}

fn source() -> IdxSource {
    IdxSource::like_mnist("fashion-mnist", &FASHION_MNIST_CLASSES)
}

impl PublishedSet for FashionMnistConfig {
    fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    fn contents(&self) -> &'static str {
        "Clothes, 28x28 grey, 10 classes, 60000 + 10000"
    }

    fn published_images(&self) -> Option<[usize; 2]> {
        Some([60_000, 10_000])
    }

    fn licence(&self) -> &'static str {
        "MIT"
    }

    fn remote_files(&self) -> Vec<RemoteFile> {
        four_files(&MIRRORS, FILES)
    }

    fn subdirectories(&self) -> &'static [&'static str] {
        &["raw", "FashionMNIST/raw"]
    }

    fn files(&self, dir: &Path, split: Split) -> Result<Vec<PathBuf>, DataError> {
        Ok(source().files(dir, split)?.into())
    }

    fn load_split(&self, dir: &Path, split: Split) -> Result<ImageDataset, DataError> {
        source().load(dir, split, self.pad_to)
    }
}
