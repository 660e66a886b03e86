//! CIFAR-100 (Krizhevsky 2009): photographs in a hundred classes; `train.bin` and `test.bin`, or else the pickled
//! `train` and `test`, gzipped or not.
//!
//! The hash is a value that several independent public projects state alike.
//!
//! ```toml
//! [data.cifar100]
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

/// The hundred fine classes of CIFAR-100, in the order of their labels.
#[rustfmt::skip]
pub const CIFAR100_CLASSES: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed",
    "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle",
    "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud",
    "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl",
    "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower",
    "leopard", "lion", "lizard", "lobster", "man", "maple_tree",
    "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
    "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit",
    "raccoon", "ray", "road", "rocket", "rose", "sea",
    "seal", "shark", "shrew", "skunk", "skyscraper", "snail",
    "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper",
    "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
];

/// The form of its files.
pub const CIFAR100: Cifar = Cifar {
    name: "cifar100",
    label_bytes: 2,
    labels: "fine_labels",
    archive: "cifar-100-python.tar",
    classes: &CIFAR100_CLASSES,
    examples: ["train.bin", "test.bin"],
};

/// The options of the data set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cifar100Config {
    /// The directory of the files; a data directory that is given for the run goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
}

impl Describe for Cifar100Config {
    const NAME: &'static str = "cifar100";
    const SUMMARY: &'static str = "CIFAR-100, from its published files";
    const CITATION: &'static str = "Krizhevsky 2009";
}

impl PublishedSet for Cifar100Config {
    fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    fn contents(&self) -> &'static str {
        "Photographs, 32x32 colour, 100 classes, 50000 + 10000"
    }

    fn published_images(&self) -> Option<[usize; 2]> {
        Some([50_000, 10_000])
    }

    fn licence(&self) -> &'static str {
        "none stated (the authors ask to be cited)"
    }

    fn remote_files(&self) -> Vec<RemoteFile> {
        let members = vec!["train.bin".into(), "test.bin".into()];
        vec![archive(
            "cifar-100-binary.tar.gz",
            168_513_733,
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            members,
        )]
    }

    fn subdirectories(&self) -> &'static [&'static str] {
        &["cifar-100-binary", "cifar-100-python"]
    }

    fn home(&self, dir: &Path, split: Split) -> PathBuf {
        home(dir, self.subdirectories(), CIFAR100, split)
    }

    fn files(&self, dir: &Path, split: Split) -> Result<Vec<PathBuf>, DataError> {
        cifar_files(dir, CIFAR100, split)
    }

    fn load_split(&self, dir: &Path, split: Split) -> Result<ImageDataset, DataError> {
        load_cifar_split(dir, CIFAR100, split)
    }
}
