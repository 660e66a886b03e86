//! The stream of one experience: everything at once, as in ordinary training.

use super::{Experience, Stream, StreamBuilder};
use crate::{DataError, DatasetPair};

/// All data in one experience.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Joint;

impl StreamBuilder for Joint {
    fn build(&self, data: DatasetPair) -> Result<Stream, DataError> {
        let everything = Experience {
            name: "all classes".into(),
            classes: (0..data.train.class_names().len()).collect(),
            train: data.train.clone(),
            eval: data.eval.clone(),
        };
        Stream::new(format!("{}, joint", data.train.name()), data, vec![everything])
    }
}
