//! Cumulative training: each experience trains on its own data and on those of all before it. What a buffer without
//! bounds would give.

use data_streams::{ImageDataset, Stream};
use ddpm_core::{TrainBackend, TrainableDenoiser};

use crate::Strategy;

/// All data so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cumulative;

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Cumulative {
    fn needs_boundaries(&self) -> bool {
        false
    }

    fn training_data(&self, stream: &Stream, k: usize) -> Option<ImageDataset> {
        let seen: Vec<&ImageDataset> = stream.experiences()[..=k].iter().map(|e| &e.train).collect();
        ImageDataset::concat(&seen).ok()
    }
}
