//! Parts that several strategies share.

pub(super) mod dark;
pub(super) mod distilled;
pub(super) mod fisher;
pub(super) mod generator;
pub(super) mod mixing;
pub(super) mod noisy_classifier;
pub(super) mod noisy_inputs;
pub(super) mod parts;
pub(super) mod penalty;
pub(super) mod posterior;
pub(super) mod teacher;
pub(super) mod trajectory_fisher;
