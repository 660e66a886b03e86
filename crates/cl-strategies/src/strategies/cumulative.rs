//! Cumulative training: each experience trains on its own data and on those of all before it, as from a buffer without
//! bounds.

use cldiff_choices::Describe;
use data_streams::{ImageDataset, Stream};
use ddpm_core::{TrainBackend, TrainableDenoiser, noise::Key};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildStrategy, Needs, ReferenceKind, StrategyOptions};
use crate::{Observer, Strategy, StrategyError};

/// The options of cumulative training: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CumulativeConfig {}

impl Describe for CumulativeConfig {
    const NAME: &'static str = "cumulative";
    const SUMMARY: &'static str = "All data so far, as from a buffer without bounds";
}

impl StrategyOptions for CumulativeConfig {
    fn validate(&self) -> Result<(), StrategyError> {
        Ok(())
    }

    fn reference(&self) -> Option<ReferenceKind> {
        Some(ReferenceKind::Cumulative)
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn is_bound(&self) -> bool {
        true
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for CumulativeConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Cumulative))
    }
}

/// All data so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cumulative;

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Cumulative {
    fn training_data(&self, stream: &Stream, k: usize) -> Result<Option<ImageDataset>, StrategyError> {
        let seen: Vec<&ImageDataset> = stream.experiences()[..=k].iter().map(|e| &e.train).collect();
        Ok(Some(ImageDataset::concat(&seen)?))
    }

    fn observer(&mut self) -> Option<&mut dyn Observer> {
        Some(self)
    }
}

/// The stream itself has the data.
impl Observer for Cumulative {
    fn observe(&mut self, _arrived: &ImageDataset, _key: Key) -> Result<(), StrategyError> {
        Ok(())
    }
}
