//! The choice of a data set, with its options.

mod directory;
mod several;
mod stream;

use std::path::{Path, PathBuf};

use data_streams::{
    DataError, DatasetPair, ImageDataset, Published, Split,
    dataset::{
        emnist::EmnistSplit, glyphs::GlyphsConfig, image_folder::ImageFolderConfig, tensors::TensorsConfig,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use directory::{fetched, located};
pub use several::SeveralConfig;
pub use stream::StreamConfig;

/// The choice of a data set, with its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataConfig {
    /// Ten symbols, drawn by the program itself.
    Glyphs(GlyphsConfig),
    /// MNIST, from its published files (LeCun et al. 1998).
    Mnist(IdxConfig),
    /// Fashion-MNIST, from its published files (Xiao et al. 2017, arXiv 1708.07747).
    FashionMnist(IdxConfig),
    /// KMNIST, ten hiragana, from its published files (Clanuwat et al. 2018, arXiv 1812.01718).
    Kmnist(IdxConfig),
    /// EMNIST, letters and digits, from its published files (Cohen et al. 2017, arXiv 1702.05373).
    Emnist(EmnistConfig),
    /// CIFAR-10, from its published binary files (Krizhevsky 2009).
    Cifar10(FilesConfig),
    /// CIFAR-100, from its published binary files (Krizhevsky 2009).
    Cifar100(FilesConfig),
    /// The UCI digits, from their published text files (Alpaydin & Kaynak 1998).
    Digits(FilesConfig),
    /// A directory of pictures, one directory a class.
    ImageFolder(ImageFolderConfig),
    /// Arrays `images` and `labels` of a safetensors file or a NumPy .npz.
    Tensors(TensorsConfig),
    /// Several data sets as one, whose classes stay distinct.
    Several(SeveralConfig),
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

/// Which division of EMNIST, where its files are and what is done to its images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmnistConfig {
    /// The directory of the files; `--data-dir` goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Which of the six published divisions.
    pub split: EmnistSplit,
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
            Self::ImageFolder(config) => config.load(&self.folder(config, data_dir)?),
            Self::Tensors(config) => config.load(data_dir),
            Self::Several(config) => config.build(data_dir),
            _ => DatasetPair::new(
                self.build_split(data_dir, Split::Train)?,
                self.build_split(data_dir, Split::Eval)?,
            ),
        }
    }

    /// Loads or draws one split, and reads no file of the other.
    ///
    /// # Errors
    /// As [`DataConfig::build`].
    pub fn build_split(&self, data_dir: Option<&Path>, split: Split) -> Result<ImageDataset, DataError> {
        let published = |published: Published, dir: &Option<PathBuf>, pad_to: Option<usize>| {
            published.load_split(&located(published, dir.as_deref(), data_dir), split, pad_to)
        };
        match self {
            Self::Glyphs(config) => {
                let pair = config.build()?;
                Ok(if split == Split::Train { pair.train } else { pair.eval })
            }
            Self::Mnist(config) => published(Published::Mnist, &config.dir, config.pad_to),
            Self::FashionMnist(config) => published(Published::FashionMnist, &config.dir, config.pad_to),
            Self::Kmnist(config) => published(Published::Kmnist, &config.dir, config.pad_to),
            Self::Emnist(config) => published(Published::Emnist(config.split), &config.dir, config.pad_to),
            Self::Cifar10(config) => published(Published::Cifar10, &config.dir, None),
            Self::Cifar100(config) => published(Published::Cifar100, &config.dir, None),
            Self::Digits(config) => published(Published::Digits, &config.dir, None),
            Self::ImageFolder(config) => config.load_split(&self.folder(config, data_dir)?, split),
            Self::Tensors(config) => config.load_split(data_dir, split),
            Self::Several(config) => config.build_split(data_dir, split),
        }
    }

    fn folder(&self, config: &ImageFolderConfig, data_dir: Option<&Path>) -> Result<PathBuf, DataError> {
        let dir = data_dir.or(config.dir.as_deref()).map(Path::to_owned);
        dir.ok_or_else(|| DataError::Config {
            key: format!("{}.dir", self.key()),
            value: "not set".into(),
            expected: "expected a directory of pictures, here or with --data-dir".into(),
        })
    }

    /// The directory that the configuration itself names.
    fn own_dir(&self) -> Option<&Path> {
        match self {
            Self::Glyphs(_) | Self::Tensors(_) | Self::Several(_) => None,
            Self::Mnist(config) | Self::FashionMnist(config) | Self::Kmnist(config) => config.dir.as_deref(),
            Self::Emnist(config) => config.dir.as_deref(),
            Self::Cifar10(config) | Self::Cifar100(config) | Self::Digits(config) => config.dir.as_deref(),
            Self::ImageFolder(config) => config.dir.as_deref(),
        }
    }

    /// The data set that a name on the command line means, with its default options.
    pub fn named(name: &str) -> Option<Self> {
        if name == "glyphs" {
            return Some(Self::Glyphs(GlyphsConfig::default()));
        }
        Some(match Published::named(name)? {
            Published::Mnist => Self::Mnist(IdxConfig::default()),
            Published::FashionMnist => Self::FashionMnist(IdxConfig::default()),
            Published::Kmnist => Self::Kmnist(IdxConfig::default()),
            Published::Emnist(split) => Self::Emnist(EmnistConfig { split, ..EmnistConfig::default() }),
            Published::Cifar10 => Self::Cifar10(FilesConfig::default()),
            Published::Cifar100 => Self::Cifar100(FilesConfig::default()),
            Published::Digits => Self::Digits(FilesConfig::default()),
        })
    }

    /// A data set and one of its splits: `NAME` (the test images), `NAME:test` or `NAME:train`. None for an unknown name, a
    /// message for an unknown split.
    pub fn named_split(argument: &str) -> Option<Result<(Self, Split), String>> {
        let (name, split) = argument.split_once(':').unwrap_or((argument, "test"));
        let config = Self::named(name)?;
        Some(match split {
            "train" => Ok((config, Split::Train)),
            "test" | "eval" => Ok((config, Split::Eval)),
            other => Err(format!("`{other}` is no split, expected train or test")),
        })
    }

    /// The key under which the options of this data set stand.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Glyphs(_) => "data.glyphs",
            Self::Mnist(_) => "data.mnist",
            Self::FashionMnist(_) => "data.fashion_mnist",
            Self::Kmnist(_) => "data.kmnist",
            Self::Emnist(_) => "data.emnist",
            Self::Cifar10(_) => "data.cifar10",
            Self::Cifar100(_) => "data.cifar100",
            Self::Digits(_) => "data.digits",
            Self::ImageFolder(_) => "data.image_folder",
            Self::Tensors(_) => "data.tensors",
            Self::Several(_) => "data.several",
        }
    }
}
