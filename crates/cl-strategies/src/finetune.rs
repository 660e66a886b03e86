//! Finetuning: train on each experience as it comes, and do nothing against forgetting. The lower bound.

use ddpm_core::{TrainBackend, TrainableDenoiser};

use crate::Strategy;

/// No hook at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Finetune;

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Finetune {
    fn needs_boundaries(&self) -> bool {
        false
    }
}
