//! Image data sets and streams of experiences for continual learning, in host memory.
//!
//! An [`ImageDataset`] is a view of 8-bit images that are stored once: selecting, splitting and pooling copies
//! indices, never pixels. A [`StreamBuilder`] turns a data set into a [`Stream`] of [`Experience`]s. There are no
//! tensors here; data sets implement burn-dataset's `Dataset`.
//!
//! ```
//! use data_streams::{ClassIncremental, StreamBuilder, dataset::glyphs::GlyphsConfig};
//!
//! let data = GlyphsConfig { train_per_class: 20, eval_per_class: 5, ..GlyphsConfig::default() }.build()?;
//! let stream = ClassIncremental { experiences: 5, ..ClassIncremental::default() }.build(data)?;
//! assert_eq!(stream.experiences()[0].classes, [0, 1]);
//! # Ok::<(), data_streams::DataError>(())
//! ```

mod augmentation;
mod batches;
mod catalogue;
pub mod dataset;
mod error;
#[cfg(feature = "fetch")]
pub mod fetch;
mod key;
mod npy;
mod prefetch;
mod stream;

pub use augmentation::{Augmentation, AugmentationKey};
pub use batches::{ArrivalOrder, EpochOrder};
pub use catalogue::{Archive, RemoteFile, Unpack};
pub use dataset::{DatasetPair, ImageDataset, ImageItem, ImageShape, Part, Published, Split};
pub use error::{DataError, listed};
pub use npy::npy_header;
pub use prefetch::{Batch, Loader, Order, PixelFormat, Pixels, Prefetcher};
pub use stream::{
    Arrival, Blurry, ClassIncremental, ClassOrder, DataSetSequence, Domain, DomainIncremental, DomainLabels,
    Drift, Experience, Joint, Online, Stream, StreamBuilder, Subset,
};
