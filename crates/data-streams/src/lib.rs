//! Image data sets and streams of experiences for continual learning, in host memory.
//!
//! An [`ImageDataset`] is a view of 8-bit images that are stored once: selecting, splitting and pooling copies
//! indices, never pixels. A [`StreamBuilder`] turns a data set into a [`Stream`] of [`Experience`]s. There are no
//! tensors here; data sets implement burn-dataset's `Dataset`.
//!
//! [`DataConfig`] and [`StreamConfig`] are the choices of a data set and of a stream, read from a configuration:
//!
//! ```
//! use data_streams::{DataConfig, Places, StreamConfig};
//!
//! #[derive(serde::Deserialize)]
//! struct Benchmark {
//!     data: DataConfig,
//!     stream: StreamConfig,
//! }
//!
//! let text = "[data.glyphs]\ntrain_per_class = 20\neval_per_class = 5\n[stream.class_incremental]\nexperiences = 5\n";
//! let benchmark: Benchmark = toml::from_str(text)?;
//! let data = benchmark.data.build(&Places::default())?;
//! let stream = benchmark.stream.build(data)?;
//! assert_eq!(stream.experiences()[0].classes, [0, 1]);
//! assert_eq!(stream.experiences()[4].train.len(), 40);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Both lists are open. A data set of one's own is a type with options; once it is added, a configuration can name it:
//!
//! ```
//! use cldiff_choices::{Describe, entry};
//! use data_streams::{
//!     DataConfig, DataError, DatasetOptions, DatasetPair, ImageDataset, ImageShape, Places,
//! };
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
//! #[serde(default, deny_unknown_fields)]
//! struct Planes {
//!     /// Images of each brightness.
//!     per_class: usize,
//! }
//!
//! impl Default for Planes {
//!     fn default() -> Self {
//!         Self { per_class: 10 }
//!     }
//! }
//!
//! impl Describe for Planes {
//!     const NAME: &'static str = "planes";
//!     const SUMMARY: &'static str = "Images of one brightness, dark or light";
//! }
//!
//! impl DatasetOptions for Planes {
//!     fn build(&self, _places: &Places) -> Result<DatasetPair, DataError> {
//!         let shape = ImageShape { channels: 1, height: 8, width: 8 };
//!         let names = vec!["dark".to_owned(), "light".to_owned()];
//!         let pixels = [vec![0; 64 * self.per_class], vec![255; 64 * self.per_class]].concat();
//!         let labels = (0..2 * self.per_class).map(|i| i / self.per_class).collect();
//!         let images = ImageDataset::new("planes", shape, names, pixels, labels)?;
//!         DatasetPair::new(images.clone(), images)
//!     }
//! }
//!
//! DataConfig::list().add(entry!(Planes as dyn DatasetOptions))?;
//! let planes: DataConfig = serde_json::from_str(r#"{ "planes": { "per_class": 3 } }"#)?;
//! assert_eq!(planes.build(&Places::default())?.train.counts_per_class(), [3, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod arrays;
mod augmentation;
mod batches;
pub mod dataset;
mod error;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod files;
mod npy;
pub mod pickle;
mod prefetch;
mod remote;
pub mod stream;
#[cfg(test)]
mod test_support;

/// The example of the README, compiled and run with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use augmentation::{Augmentation, AugmentationKey};
pub use batches::{ArrivalOrder, EpochOrder};
pub use cldiff_choices::ImageSize;
pub use dataset::{
    ClassImages, DataConfig, DatasetOptions, DatasetPair, ImageDataset, ImageItem, ImageShape, Inventory,
    Part, Places, PublishedSet, Split, apportion, proportional_sequence,
};
pub use error::{DataError, listed};
pub use npy::npy_header;
pub use prefetch::{Batch, Loader, Order, PixelFormat, Pixels, Prefetcher};
pub use remote::{Archive, RemoteFile, Unpack};
pub use stream::*;
