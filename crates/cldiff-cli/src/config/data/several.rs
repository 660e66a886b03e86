//! Several data sets as one.

use std::path::Path;

use data_streams::{
    DataError, DatasetPair, ImageDataset, Split,
    dataset::several::{Reconcile, Resizing, join, join_split},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DataConfig;

/// Data sets to join, and what shape their images get.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SeveralConfig {
    /// The data sets, in the order of their classes; the `dir` of a part goes before `--data-dir`.
    pub parts: Vec<DataConfig>,
    /// Height and width of all images, 4 to 1024; needed where the parts differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// How images get that size: "pad" (zeros around) or "resize" (bilinear).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<Resizing>,
    /// 1 (colour becomes grey by the weights of ITU-R BT.601) or 3 (grey becomes colour); needed where the parts
    /// differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
}

impl SeveralConfig {
    pub(super) fn build(&self, data_dir: Option<&Path>) -> Result<DatasetPair, DataError> {
        let pairs = self.parts(|part| part.build(outer(part, data_dir)))?;
        join(&pairs, self.reconcile())
    }

    pub(super) fn build_split(
        &self,
        data_dir: Option<&Path>,
        split: Split,
    ) -> Result<ImageDataset, DataError> {
        let sets = self.parts(|part| part.build_split(outer(part, data_dir), split))?;
        join_split(&sets.iter().collect::<Vec<_>>(), self.reconcile())
    }

    fn reconcile(&self) -> Reconcile {
        Reconcile { size: self.size, fit: self.fit, channels: self.channels }
    }

    /// All parts; a mistake in one of them has its place in the key.
    fn parts<T>(&self, build: impl Fn(&DataConfig) -> Result<T, DataError>) -> Result<Vec<T>, DataError> {
        let one = |(i, part): (usize, &DataConfig)| {
            build(part).map_err(|error| {
                let error = match &error {
                    DataError::Config { key, .. } if !key.contains('.') => {
                        error.inside("", &format!("{}.", part.key()))
                    }
                    _ => error,
                };
                error.inside("data", &format!("data.several.parts.{i}"))
            })
        };
        self.parts.iter().enumerate().map(one).collect()
    }
}

/// One directory cannot be that of several parts: their own goes first.
fn outer<'a>(part: &DataConfig, data_dir: Option<&'a Path>) -> Option<&'a Path> {
    data_dir.filter(|_| part.own_dir().is_none())
}
