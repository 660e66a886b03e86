//! The public data sets that are read from their published files.

use std::path::{Path, PathBuf};

use super::{
    DatasetPair, ImageDataset, Split,
    cifar::{Cifar, cifar_files, load_cifar_split},
    digits::{digits_file, load_digits_split},
    emnist::EmnistSplit,
    idx::{FASHION_MNIST_CLASSES, IdxSource, KMNIST_CLASSES, MNIST_CLASSES},
};
use crate::DataError;

/// A public data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Digits by hand (LeCun et al. 1998).
    Mnist,
    /// Clothes (Xiao et al. 2017, arXiv 1708.07747).
    FashionMnist,
    /// Cursive hiragana (Clanuwat et al. 2018, arXiv 1812.01718).
    Kmnist,
    /// Letters and digits by hand (Cohen et al. 2017, arXiv 1702.05373).
    Emnist(EmnistSplit),
    /// Photographs in 10 classes (Krizhevsky 2009).
    Cifar10,
    /// Photographs in 100 classes (Krizhevsky 2009).
    Cifar100,
    /// 8 x 8 digits (Alpaydin & Kaynak 1998).
    Digits,
}

/// The form of the published files.
enum Form {
    Idx(IdxSource),
    Cifar(Cifar),
    Digits,
}

impl Published {
    /// All of them; EMNIST in the division that is its default.
    pub const ALL: [Self; 7] = [
        Self::Mnist,
        Self::FashionMnist,
        Self::Kmnist,
        Self::Emnist(EmnistSplit::Balanced),
        Self::Cifar10,
        Self::Cifar100,
        Self::Digits,
    ];

    /// As its directory is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Kmnist => "kmnist",
            Self::Emnist(_) => "emnist",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Digits => "digits",
        }
    }

    /// The data set of a name: `fashion-mnist` or `fashion_mnist`; `emnist-letters` is a division of EMNIST.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.replace('_', "-");
        if let Some(split) = name.strip_prefix("emnist-") {
            return EmnistSplit::ALL.into_iter().find(|s| s.name() == split).map(Self::Emnist);
        }
        Self::ALL.into_iter().find(|published| published.name() == name)
    }

    fn form(self) -> Form {
        match self {
            Self::Mnist => Form::Idx(IdxSource::like_mnist("mnist", &MNIST_CLASSES)),
            Self::FashionMnist => Form::Idx(IdxSource::like_mnist("fashion-mnist", &FASHION_MNIST_CLASSES)),
            Self::Kmnist => Form::Idx(IdxSource::like_mnist("kmnist", &KMNIST_CLASSES)),
            Self::Emnist(split) => Form::Idx(split.source()),
            Self::Cifar10 => Form::Cifar(Cifar::Ten),
            Self::Cifar100 => Form::Cifar(Cifar::Hundred),
            Self::Digits => Form::Digits,
        }
    }

    /// The files of a split, as they lie in `dir`.
    ///
    /// # Errors
    /// [`DataError::Missing`] for a file that is not there.
    pub fn files(self, dir: &Path, split: Split) -> Result<Vec<PathBuf>, DataError> {
        match self.form() {
            Form::Idx(source) => Ok(source.files(dir, split)?.into()),
            Form::Cifar(cifar) => cifar_files(dir, cifar, split),
            Form::Digits => Ok(vec![digits_file(dir, split)?]),
        }
    }

    /// Reads one split, and no file of the other. `pad_to` adds zeros around the images of idx files.
    ///
    /// # Errors
    /// [`DataError`] for files that are missing or damaged.
    pub fn load_split(
        self,
        dir: &Path,
        split: Split,
        pad_to: Option<usize>,
    ) -> Result<ImageDataset, DataError> {
        match self.form() {
            Form::Idx(source) => source.load(dir, split, pad_to),
            Form::Cifar(cifar) => load_cifar_split(dir, cifar, split),
            Form::Digits => load_digits_split(dir, split),
        }
    }

    /// Reads both splits.
    ///
    /// # Errors
    /// As [`Published::load_split`].
    pub fn load(self, dir: &Path, pad_to: Option<usize>) -> Result<DatasetPair, DataError> {
        DatasetPair::new(
            self.load_split(dir, Split::Train, pad_to)?,
            self.load_split(dir, Split::Eval, pad_to)?,
        )
    }
}
