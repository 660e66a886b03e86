//! Streams: sequences of experiences, each with training data that are there for its duration only.
//!
//! [`StreamConfig`] is the choice of one, with its options; its [list](StreamConfig::list) is open. A stream of one's own
//! is a type with options that implements [`Describe`](cldiff_choices::Describe) and [`StreamBuilder`].

mod blurry;
mod class_incremental;
mod data_set_sequence;
mod domain_incremental;
mod joint;
mod online;
mod sampling;
mod sequence;
mod subset;
#[cfg(test)]
mod tests;
mod unlearning;

use cldiff_choices::{Options, choice};

pub use blurry::Blurry;
pub use class_incremental::{ClassIncremental, ClassOrder};
pub use data_set_sequence::DataSetSequence;
pub use domain_incremental::{Domain, DomainIncremental, DomainLabels};
pub use joint::Joint;
pub use online::{Drift, Online};
pub use sequence::{Arrival, Experience, Stream};
pub use subset::Subset;
pub use unlearning::Unlearning;

use crate::{DataError, DatasetPair};

choice! {
    /// The choice of a stream, with its options.
    pub struct StreamConfig(dyn StreamBuilder), kind "stream";
    ClassIncremental,
    DataSetSequence,
    DomainIncremental,
    Blurry,
    Online,
    Subset,
    Joint,
    Unlearning,
}

/// Refuses a stream that removes classes as the one that another stream is made of.
fn must_only_learn(key: &str, config: &StreamConfig, stream: &Stream) -> Result<(), DataError> {
    if stream.removed().is_empty() {
        return Ok(());
    }
    let expected =
        "expected a stream that removes no classes; `unlearning` takes the others, and none of them takes it";
    Err(DataError::config(key, config.name(), expected))
}

/// The options of a stream: a way to turn a data set into one.
pub trait StreamBuilder: Options {
    /// Makes the stream.
    ///
    /// # Errors
    /// [`DataError::Config`] for options that do not fit the data; its key is relative to these options.
    fn build(&self, data: DatasetPair) -> Result<Stream, DataError>;
}

impl StreamConfig {
    /// Makes the stream.
    ///
    /// # Errors
    /// As [`StreamBuilder::build`], with the stream's name before the key.
    pub fn build(&self, data: DatasetPair) -> Result<Stream, DataError> {
        let stream: &dyn StreamBuilder = &**self;
        stream.build(data).map_err(|error| error.at(self.name()))
    }
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self::of(ClassIncremental::default())
    }
}
