//! Joint training: every step draws from the data of the whole stream. The upper bound.
//!
//! It takes as many steps as the others, evaluated after each K-th of them, so that its curves share their axis: after
//! task k it has had (k + 1) / K of its steps. The model at the end is the reference, not those on the way. On a stream
//! whose images come once, it sees each image of the whole stream once too: in one shuffled order, of which experience k has
//! as long a stretch as it has images. The order is a property of the stream, the same for every seed of the training. Where a
//! stream removes classes, it never sees an image of these, nor the noise in their place.

use cldiff_choices::Describe;
use data_streams::{Arrival, ImageDataset, Stream};
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildStrategy, Needs, ReferenceKind, StrategyOptions};
use crate::{Observer, Strategy, StrategyError};

const ORDER: Purpose = Purpose::named("the one order of joint training");

/// The options of joint training: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JointConfig {}

impl Describe for JointConfig {
    const NAME: &'static str = "joint";
    const SUMMARY: &'static str = "All data from the start: the upper bound";
}

impl StrategyOptions for JointConfig {
    fn validate(&self) -> Result<(), StrategyError> {
        Ok(())
    }

    fn reference(&self) -> Option<ReferenceKind> {
        Some(ReferenceKind::Joint)
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn is_bound(&self) -> bool {
        true
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for JointConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Joint))
    }
}

/// All data from the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Joint;

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Joint {
    fn training_data(&self, stream: &Stream, k: usize) -> Result<Option<ImageDataset>, StrategyError> {
        let all = stream.kept_train(stream.len());
        if stream.arrival() == Arrival::Epochs {
            return Ok(Some(all));
        }
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.shuffle(&mut Key::new(0, ORDER).rng(0));
        let lengths: Vec<usize> = stream.experiences().iter().map(|e| e.train.len()).collect();
        let first: usize = lengths[..k].iter().sum();
        Ok(Some(all.select(&order[first..first + lengths[k]])))
    }

    fn observer(&mut self) -> Option<&mut dyn Observer> {
        Some(self)
    }
}

/// It keeps nothing.
impl Observer for Joint {
    fn observe(&mut self, _arrived: &ImageDataset, _key: Key) -> Result<(), StrategyError> {
        Ok(())
    }
}
