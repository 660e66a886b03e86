//! CIFAR-10 (Krizhevsky 2009): photographs in ten classes; `data_batch_*.bin` and `test_batch.bin`, or any files `*train*.bin`
//! and `*test*.bin`; where there are none, the pickled `data_batch_*` and `test_batch`. Gzipped or not.
//!
//! The hash is a value that several independent public projects state alike.
//!
//! ```toml
//! [data.cifar10]
//! dir = "DIRECTORY"
//! ```

use std::path::{Path, PathBuf};

use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ImageDataset, PublishedSet, Split,
    cifar::{Cifar, archive, cifar_files, home, load_cifar_split},
};
use crate::{DataError, RemoteFile};

/// The classes of CIFAR-10.
pub const CIFAR10_CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The form of its files.
pub const CIFAR10: Cifar = Cifar {
    name: "cifar10",
    label_bytes: 1,
    labels: "labels",
    archive: "cifar-10-python.tar",
    classes: &CIFAR10_CLASSES,
    examples: ["data_batch_1.bin", "test_batch.bin"],
};

/// The options of the data set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cifar10Config {
    /// The directory of the files; a data directory that is given for the run goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
}

impl Describe for Cifar10Config {
    const NAME: &'static str = "cifar10";
    const SUMMARY: &'static str = "CIFAR-10, from its published files";
    const CITATION: &'static str = "Krizhevsky 2009";
}

impl PublishedSet for Cifar10Config {
    fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    fn contents(&self) -> &'static str {
        "Photographs, 32x32 colour, 10 classes, 50000 + 10000"
    }

    fn published_images(&self) -> Option<[usize; 2]> {
        Some([50_000, 10_000])
    }

    fn licence(&self) -> &'static str {
        "none stated (the authors ask to be cited)"
    }

    fn remote_files(&self) -> Vec<RemoteFile> {
        let members =
            (1..=5).map(|i| format!("data_batch_{i}.bin")).chain(["test_batch.bin".into()]).collect();
        vec![archive(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            members,
        )]
    }

    fn subdirectories(&self) -> &'static [&'static str] {
        &["cifar-10-batches-bin", "cifar-10-batches-py"]
    }

    fn home(&self, dir: &Path, split: Split) -> PathBuf {
        home(dir, self.subdirectories(), CIFAR10, split)
    }

    fn files(&self, dir: &Path, split: Split) -> Result<Vec<PathBuf>, DataError> {
        cifar_files(dir, CIFAR10, split)
    }

    fn load_split(&self, dir: &Path, split: Split) -> Result<ImageDataset, DataError> {
        load_cifar_split(dir, CIFAR10, split)
    }
}
