//! The choice of a stream, with its options.

use data_streams::{
    Blurry, ClassIncremental, DataError, DataSetSequence, DatasetPair, DomainIncremental, Online, Stream,
    StreamBuilder, Subset,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The choice of a stream, with its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamConfig {
    /// A share of the classes in each experience (van de Ven & Tolias 2019, arXiv 1904.07734).
    ClassIncremental(ClassIncremental),
    /// One data set after another: the parts of a `several` data set.
    DataSetSequence(DataSetSequence),
    /// All classes in each experience, seen otherwise (van de Ven & Tolias 2019, arXiv 1904.07734).
    DomainIncremental(DomainIncremental),
    /// i-Blurry: some classes in one experience only, the others a little in all (Koh et al. 2022, arXiv 2110.10031).
    Blurry(Blurry),
    /// Another stream seen once, in order of arrival, with no boundaries told and gradual drift if asked for
    /// (Shanahan et al. 2021, arXiv 2105.13327).
    Online(Online<StreamConfig>),
    /// A part of another stream: experiences, classes, images of a class.
    Subset(Subset<StreamConfig>),
    /// One experience of everything.
    Joint {},
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self::ClassIncremental(ClassIncremental::default())
    }
}

impl StreamBuilder for StreamConfig {
    fn build(&self, data: DatasetPair) -> Result<Stream, DataError> {
        match self {
            Self::ClassIncremental(stream) => stream.build(data),
            Self::DataSetSequence(stream) => stream.build(data),
            Self::DomainIncremental(stream) => stream.build(data),
            Self::Blurry(stream) => stream.build(data),
            Self::Online(stream) => stream.build(data),
            Self::Subset(stream) => stream.build(data),
            Self::Joint {} => data_streams::Joint.build(data),
        }
    }
}
