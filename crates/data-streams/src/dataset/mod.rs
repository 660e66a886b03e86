//! Data sets: labelled 8-bit images in host memory, and the list of those that a configuration can name.
//!
//! [`DataConfig`] is the choice of one, with its options; its [list](DataConfig::list) is open. A data set of one's own is
//! a type with options that implements [`Describe`](cldiff_choices::Describe) and [`DatasetOptions`], or
//! [`PublishedSet`] where it is read from files that its authors publish.

pub mod cifar;
pub mod cifar10;
pub mod cifar100;
pub mod digits;
pub mod emnist;
pub mod fashion_mnist;
mod file;
pub mod glyphs;
pub mod idx;
mod image_dataset;
pub mod image_folder;
mod inventory;
mod keras;
pub mod kmnist;
pub mod mnist;
mod named;
mod options;
mod pair;
pub mod parquet;
mod pickled_cifar;
mod places;
mod published;
mod records;
mod resample;
pub mod several;
mod shape;
mod stratified;
pub mod tensors;
#[cfg(test)]
mod tests;
pub mod webdataset;

use cldiff_choices::choice;

pub use self::{
    image_dataset::{ImageDataset, ImageItem, Part},
    inventory::{ClassImages, Inventory},
    options::DatasetOptions,
    pair::{DatasetPair, Split},
    places::Places,
    published::PublishedSet,
    shape::ImageShape,
    stratified::{apportion, proportional_sequence},
};

choice! {
    /// The choice of a data set, with its options.
    pub struct DataConfig(dyn DatasetOptions), kind "data set";
    glyphs::GlyphsConfig,
    mnist::MnistConfig,
    fashion_mnist::FashionMnistConfig,
    kmnist::KmnistConfig,
    emnist::EmnistConfig,
    cifar10::Cifar10Config,
    cifar100::Cifar100Config,
    digits::DigitsConfig,
    image_folder::ImageFolderConfig,
    tensors::TensorsConfig,
    parquet::ParquetConfig,
    webdataset::WebDatasetConfig,
    several::SeveralConfig,
}
