//! Cumulative training: each experience trains on its own data and on those of all before it, as from a buffer without
//! bounds.
//!
//! On a stream whose images come once, the images of a step are drawn from all that have arrived: that in the place of the
//! i-th image of the stream is one of the first i, each as likely. There are as many steps as elsewhere, and no image is
//! seen before it arrives. The draws are a property of the stream, the same for every seed of the training.

use cldiff_choices::Describe;
use data_streams::{Arrival, ImageDataset, Stream};
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildStrategy, Needs, StrategyOptions};
use crate::{Observer, Strategy, StrategyError};

const DRAWN: Purpose = Purpose::named("draws of cumulative training");

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

    fn needs(&self) -> Needs {
        Needs::default()
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
        let all = ImageDataset::concat(&seen)?;
        if stream.arrival() == Arrival::Epochs {
            return Ok(Some(all));
        }
        let first = all.len() - stream.experiences()[k].train.len();
        let key = Key::new(0, DRAWN);
        let draw = |place: usize| key.rng(place as u64).random_range(0..=place);
        Ok(Some(all.select(&(first..all.len()).map(draw).collect::<Vec<_>>())))
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
