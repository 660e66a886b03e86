//! An experience as it is trained on: its images as they arrive, how many steps that makes, and their learning rates.

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

use super::super::{
    budget::Budget,
    schedule::{Place, Span},
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
    /// The experience's images as they arrive, or those that a strategy chooses; shuffled epochs of these, or, where every
    /// image comes once, one pass in their order.
    pub fn loader(&self, chosen: Option<ImageDataset>) -> Loader {
        let (seed, k) = (self.seed, self.k as u64);
        let data = chosen.unwrap_or_else(|| self.stream.experiences()[self.k].train.clone());
        Loader {
            order: match self.stream.arrival() {
                Arrival::Once => Order::Arrival(ArrivalOrder::new(data.len())),
                Arrival::Epochs => Order::Epochs(EpochOrder::new(seed, k, data.len())),
            },
            data,
            batch_size: self.config.batch_size,
            augmentation: self.config.augmentation,
            seed,
            experience: k,
            format: PixelFormat::F32,
        }
    }

    /// The batches of its steps on so many images, made `accumulated_batches` a step; of the last step there may be fewer.
    pub fn batches(&self, images: usize, steps: usize) -> usize {
        let batches = steps.saturating_mul(self.config.accumulated_batches);
        match self.stream.arrival() {
            Arrival::Once => batches.min(images.div_ceil(self.config.batch_size)),
            Arrival::Epochs => batches,
        }
    }

    /// The share of the experience that is over before a step, given the passes that its budget has paid for; none where
    /// nothing is left. The first step is always made.
    pub fn used(&self, (step, steps): (usize, usize), passes: u64) -> Option<f64> {
        let used = if self.once() {
            step as f64 / steps as f64
        } else {
            self.config.budget().used((step, steps), passes)
        };
        (step == 0 || used < 1.0).then_some(used)
    }

    /// How many steps it will be, after `done` of at most `steps`.
    pub fn expected_steps(&self, (done, steps): (usize, usize), passes: u64) -> usize {
        let left = self.used((done, steps), passes);
        left.map_or(done, |used| ((done as f64 / used).round() as usize).clamp((done + 1).min(steps), steps))
    }

    /// The learning rate of a step; as [`place`](Self::place).
    pub fn learning_rate(&self, step: (usize, usize), taken: usize, used: f64) -> f64 {
        let o = &self.config.optimizer;
        o.learning_rate * o.schedule.factor(o.warmup_steps, self.place(step, taken, used))
    }

    /// The place of a step in the stretch of the learning rate's schedule; `taken` steps of the stream were made before, and
    /// `used` is the share of this experience that is over.
    fn place(&self, (step, steps): (usize, usize), taken: usize, used: f64) -> Place {
        let counted = !matches!(self.config.budget(), Budget::Passes(_)) || self.once();
        match self.config.optimizer.schedule_over {
            Span::Experience => Place { step, steps: counted.then_some(steps), share: used },
            Span::Stream => {
                let (tasks, share) = (self.stream.len(), (self.k as f64 + used) / self.stream.len() as f64);
                // A strategy may choose more images for the epochs of later experiences than these have themselves.
                let counted = matches!(self.config.budget(), Budget::Steps(_)) || self.once();
                let all = || (0..tasks).map(|k| self.config.steps_in(self.stream, k)).sum();
                Place { step: taken, steps: counted.then(all), share }
            }
        }
    }

    fn once(&self) -> bool {
        self.stream.arrival() == Arrival::Once
    }

    /// How labels are replaced while the experience trains on images that a strategy chose, or on its own. No label of noise
    /// in the place of a class is: the branch without labels would learn the noise (selective amnesia's code, arXiv
    /// 2305.10120, drops none either).
    pub fn dropout_on(&self, chosen: Option<&ImageDataset>) -> LabelDropout {
        let dropout = self.label_dropout();
        let is_noise = chosen.is_none() && self.stream.experiences()[self.k].is_removal();
        if is_noise { LabelDropout { probability: 0.0, ..dropout } } else { dropout }
    }

    pub fn label_dropout(&self) -> LabelDropout {
        let (classes, tasks) = (self.stream.class_names().len(), self.stream.len());
        let null = self.config.condition_on.cardinality(classes, tasks).unwrap_or(0);
        LabelDropout { probability: self.config.label_dropout, null }
    }
}

/// The parts of a step's batch that depend on no model.
pub(super) struct Prepared {
    /// Where its images are in the data set.
    pub positions: Vec<usize>,
    /// `[n, c, h, w]`
    pub images: TensorData,
    /// `[n, c, h, w]`
    pub noise: TensorData,
}

/// The key of what is drawn for a batch of experience `k`; with one batch a step it is the step's.
pub(super) fn step_key(seed: u64, k: usize, batch: usize) -> Key {
    Key::new(seed, STEP).experience(k).step(batch)
}

/// The batches that experience `k` trains on, made ahead of their steps by a thread.
pub(super) fn prepared(
    mut loader: Loader,
    seed: u64,
    k: usize,
    batches: Range<usize>,
) -> Result<Prefetcher<Prepared>, DataError> {
    let make = move |step: u64| {
        let Batch { positions, pixels, shape, .. } = loader.batch(step)?;
        let dims = [positions.len(), shape.channels, shape.height, shape.width];
        let images = TensorData::new(pixels.into_floats(), dims);
        let noise = noise_ahead(dims, step_key(seed, k, step as usize));
        Ok(Prepared { positions, images, noise })
    };
    Prefetcher::of(make, batches.start as u64..batches.end as u64, PREFETCHED)
}
