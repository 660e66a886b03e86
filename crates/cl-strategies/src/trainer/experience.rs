//! An experience as it is trained on: its images as they arrive, and how many steps that makes.

use burn::tensor::{Tensor, TensorData};
use data_streams::{
    Arrival, ArrivalOrder, Batch, EpochOrder, ImageDataset, ImageShape, Loader, Order, PixelFormat, Pixels,
    Stream,
};
use ddpm_core::TrainBackend;

use super::TrainerConfig;
use crate::LabelDropout;

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

/// # Shapes
/// - output: `[n, c, h, w]`
pub(super) fn images_of<B: TrainBackend>(batch: &Batch, device: &B::Device) -> Tensor<B, 4> {
    let ImageShape { channels, height, width } = batch.shape;
    let dims = [batch.positions.len(), channels, height, width];
    match &batch.pixels {
        Pixels::F32(values) => Tensor::from_data(TensorData::new(values.clone(), dims), device),
        Pixels::U8(values) => {
            Tensor::from_data(TensorData::new(values.clone(), dims).convert::<f32>(), device) / 127.5 - 1.0
        }
    }
}
