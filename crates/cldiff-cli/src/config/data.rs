//! The choice of data set and stream.

use std::path::{Path, PathBuf};

use data_streams::{
    ClassIncremental, DataError, DatasetPair, Stream, StreamBuilder,
    dataset::{
        glyphs::GlyphsConfig,
        idx::{FASHION_MNIST_CLASSES, MNIST_CLASSES, load_idx_pair},
    },
};
use directories::ProjectDirs;
use serde::{Deserialize, Serialize};

/// The choice of a data set, with its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataConfig {
    /// Drawn by the program itself.
    Glyphs(GlyphsConfig),
    /// MNIST, from its published files.
    Mnist(IdxConfig),
    /// Fashion-MNIST, from its published files.
    FashionMnist(IdxConfig),
}

/// Where idx files are and what is done to their images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
        }
    }

    /// The key under which the options of this data set stand.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Glyphs(_) => "data.glyphs",
            Self::Mnist(_) => "data.mnist",
            Self::FashionMnist(_) => "data.fashion_mnist",
        }
    }
}

impl IdxConfig {
    fn load(&self, name: &str, classes: &[&str], data_dir: Option<&Path>) -> Result<DatasetPair, DataError> {
        let cached =
            || ProjectDirs::from("", "", "cldiff").map(|dirs| dirs.cache_dir().join("data").join(name));
        let dir = data_dir.map(Path::to_owned).or_else(|| self.dir.clone()).or_else(cached);
        load_idx_pair(&dir.unwrap_or_else(|| PathBuf::from(name)), name, classes, self.pad_to)
    }
}

/// The choice of a stream, with its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
