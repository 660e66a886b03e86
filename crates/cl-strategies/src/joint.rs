//! Joint training: every step draws from the data of the whole stream. The upper bound.
//!
//! It takes as many steps as the others, evaluated after each K-th of them, so that its curves share their axis.

use data_streams::{ImageDataset, Stream};
use ddpm_core::{TrainBackend, TrainableDenoiser};

use crate::Strategy;

/// All data from the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Joint;

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Joint {
    fn needs_boundaries(&self) -> bool {
        false
    }

    fn training_data(&self, stream: &Stream, _k: usize) -> Option<ImageDataset> {
        Some(stream.all_train())
    }
}
