//! An experience as it is trained on: its images as they arrive, and how many steps that makes.

use std::ops::Range;

use burn::tensor::TensorData;
use data_streams::{
    Arrival, ArrivalOrder, Batch, DataError, EpochOrder, ImageDataset, Loader, Order, PixelFormat,
    Prefetcher, Stream,
};
use ddpm_core::{
    noise::{Key, Purpose},
    objective::noise_ahead,
};

use crate::{LabelDropout, TrainerConfig};

const STEP: Purpose = Purpose::named("training step");

/// Steps that are prepared ahead of the training.
const PREFETCHED: usize = 4;

/// An experience as it is trained on.
pub(super) struct Run<'a> {
    pub stream: &'a Stream,
    pub k: usize,
    pub seed: u64,
    pub config: &'a TrainerConfig,
}

impl Run<'_> {
    /// Optimiser steps: those of the configuration, or the batches that arrive.
    pub fn steps(&self) -> usize {
        self.config.steps_in(self.stream, self.k)
    }

    /// The experience's images as they arrive, or, where a strategy chooses the data, shuffled epochs of these.
    pub fn loader(&self, chosen: Option<ImageDataset>) -> Loader {
        let (seed, k) = (self.seed, self.k as u64);
        let once = chosen.is_none() && self.stream.arrival() == Arrival::Once;
        let data = chosen.unwrap_or_else(|| self.stream.experiences()[self.k].train.clone());
        Loader {
            order: if once {
                Order::Arrival(ArrivalOrder::new(data.len()))
            } else {
                Order::Epochs(EpochOrder::new(seed, k, data.len()))
            },
            data,
            batch_size: self.config.batch_size,
            augmentation: self.config.augmentation,
            seed,
            experience: k,
            format: PixelFormat::F32,
        }
    }

    pub fn label_dropout(&self) -> LabelDropout {
        let (classes, tasks) = (self.stream.class_names().len(), self.stream.len());
        let null = self.config.condition_on.cardinality(classes, tasks).unwrap_or(0);
        LabelDropout { probability: self.config.label_dropout, null }
    }
}

/// What a step trains on, as far as it depends on no model.
pub(super) struct Prepared {
    /// Where its images are in the data set.
    pub positions: Vec<usize>,
    /// `[n, c, h, w]`
    pub images: TensorData,
    /// `[n, c, h, w]`
    pub noise: TensorData,
}

/// The key of what is drawn in a step of experience `k`.
pub(super) fn step_key(seed: u64, k: usize, step: usize) -> Key {
    Key::new(seed, STEP).experience(k).step(step)
}

/// What the steps of experience `k` train on, made ahead of them by a thread.
pub(super) fn prepared(
    mut loader: Loader,
    seed: u64,
    k: usize,
    steps: Range<usize>,
) -> Result<Prefetcher<Prepared>, DataError> {
    let make = move |step: u64| {
        let Batch { positions, pixels, shape, .. } = loader.batch(step)?;
        let dims = [positions.len(), shape.channels, shape.height, shape.width];
        let images = TensorData::new(pixels.into_floats(), dims);
        let noise = noise_ahead(dims, step_key(seed, k, step as usize));
        Ok(Prepared { positions, images, noise })
    };
    Prefetcher::of(make, steps.start as u64..steps.end as u64, PREFETCHED)
}
