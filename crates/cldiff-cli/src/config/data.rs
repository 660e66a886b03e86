//! The choice of data set and stream.

use std::path::{Path, PathBuf};

use data_streams::{
    ClassIncremental, DataError, DatasetPair, Stream, StreamBuilder,
    dataset::{
        cifar::{Cifar, load_cifar_pair},
        digits::load_digits_pair,
        glyphs::GlyphsConfig,
        idx::{FASHION_MNIST_CLASSES, MNIST_CLASSES, load_idx_pair},
    },
};
use directories::ProjectDirs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The choice of a data set, with its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataConfig {
    /// Drawn by the program itself.
    Glyphs(GlyphsConfig),
    /// MNIST, from its published files.
    Mnist(IdxConfig),
    /// Fashion-MNIST, from its published files.
    FashionMnist(IdxConfig),
    /// CIFAR-10, from its published binary files.
    Cifar10(FilesConfig),
    /// CIFAR-100, from its published binary files.
    Cifar100(FilesConfig),
    /// The UCI digits, from their published text files.
    Digits(FilesConfig),
}

/// Where files are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FilesConfig {
    /// The directory of the files; `--data-dir` goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
}

/// Where idx files are and what is done to their images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IdxConfig {
    /// The directory of the files; `--data-dir` goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Zeros are added around the images up to this size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_to: Option<usize>,
}

impl DataConfig {
    /// Loads or draws the images.
    ///
    /// # Errors
    /// [`DataError`] for files that are missing or damaged, and for options out of range.
    pub fn build(&self, data_dir: Option<&Path>) -> Result<DatasetPair, DataError> {
        match self {
            Self::Glyphs(config) => config.build(),
            Self::Mnist(config) => config.load("mnist", &MNIST_CLASSES, data_dir),
            Self::FashionMnist(config) => config.load("fashion-mnist", &FASHION_MNIST_CLASSES, data_dir),
            Self::Cifar10(config) => {
                load_cifar_pair(&directory(config.dir.as_deref(), "cifar10", data_dir), Cifar::Ten)
            }
            Self::Cifar100(config) => {
                load_cifar_pair(&directory(config.dir.as_deref(), "cifar100", data_dir), Cifar::Hundred)
            }
            Self::Digits(config) => load_digits_pair(&directory(config.dir.as_deref(), "digits", data_dir)),
        }
    }

    /// The key under which the options of this data set stand.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Glyphs(_) => "data.glyphs",
            Self::Mnist(_) => "data.mnist",
            Self::FashionMnist(_) => "data.fashion_mnist",
            Self::Cifar10(_) => "data.cifar10",
            Self::Cifar100(_) => "data.cifar100",
            Self::Digits(_) => "data.digits",
        }
    }
}

impl IdxConfig {
    fn load(&self, name: &str, classes: &[&str], data_dir: Option<&Path>) -> Result<DatasetPair, DataError> {
        load_idx_pair(&directory(self.dir.as_deref(), name, data_dir), name, classes, self.pad_to)
    }
}

/// Where a data set's files are looked for: `--data-dir`, the configuration's `dir`, the cache.
fn directory(dir: Option<&Path>, name: &str, data_dir: Option<&Path>) -> PathBuf {
    let cached = || ProjectDirs::from("", "", "cldiff").map(|dirs| dirs.cache_dir().join("data").join(name));
    data_dir.or(dir).map(Path::to_owned).or_else(cached).unwrap_or_else(|| PathBuf::from(name))
}

/// The choice of a stream, with its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamConfig {
    /// A share of the classes in each experience.
    ClassIncremental(ClassIncremental),
    /// One experience of everything.
    Joint {},
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self::ClassIncremental(ClassIncremental::default())
    }
}

impl StreamConfig {
    /// Makes the stream.
    ///
    /// # Errors
    /// [`DataError`] for options that do not fit the data.
    pub fn build(&self, data: DatasetPair) -> Result<Stream, DataError> {
        match self {
            Self::ClassIncremental(stream) => stream.build(data),
            Self::Joint {} => data_streams::Joint.build(data),
        }
    }
}
