//! From images in host memory to tensors in [-1, 1] and their conditions.

use burn::tensor::{Int, Tensor, TensorData};
use data_streams::{Augmentation, AugmentationKey, ImageDataset, ImageShape};
use ddpm_core::{
    Kernels,
    guidance::drop_labels,
    noise::{self, Key},
};
use rand::RngCore;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const AUGMENTATION: noise::Purpose = noise::Purpose::named("augmentation");

/// What a model is conditioned on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionOn {
    /// Nothing: p(x).
    None,
    /// The class: p(x | y).
    #[default]
    Class,
    /// The experience that an image came with: p(x | k).
    Task,
}

/// The replacement of conditions in training, for classifier-free guidance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelDropout {
    /// The share that is replaced.
    pub probability: f64,
    /// What stands for "no condition": the number after the last condition.
    pub null: usize,
}

impl LabelDropout {
    /// Replaces some of the conditions; the i-th one's fate is the i-th draw of `key`.
    pub fn apply(self, conditions: &mut [usize], key: Key) {
        drop_labels(conditions, self.null, self.probability, key);
    }
}

impl ConditionOn {
    /// How many conditions the model has to tell apart.
    pub fn cardinality(self, classes: usize, tasks: usize) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Class => Some(classes),
            Self::Task => Some(tasks),
        }
    }

    /// The condition of an image of some class and task.
    pub fn of(self, class: usize, task: usize) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Class => Some(class),
            Self::Task => Some(task),
        }
    }

    /// The conditions of some images.
    ///
    /// # Shapes
    /// - output: `[indices.len()]`
    pub fn conditions<B: Kernels>(
        self,
        data: &ImageDataset,
        indices: &[usize],
        device: &B::Device,
    ) -> Option<Tensor<B, 1, Int>> {
        let conditions = self.listed(data, indices)?;
        Some(noise::indices(&conditions, device))
    }

    /// The same in training, where each is replaced with a probability.
    ///
    /// # Shapes
    /// - output: `[indices.len()]`
    pub fn conditions_with_dropout<B: Kernels>(
        self,
        data: &ImageDataset,
        indices: &[usize],
        dropout: LabelDropout,
        key: Key,
        device: &B::Device,
    ) -> Option<Tensor<B, 1, Int>> {
        let mut conditions = self.listed(data, indices)?;
        dropout.apply(&mut conditions, key);
        Some(noise::indices(&conditions, device))
    }

    /// The conditions of some images, as numbers.
    pub(crate) fn listed(self, data: &ImageDataset, indices: &[usize]) -> Option<Vec<usize>> {
        indices.iter().map(|&i| self.of(data.label(i), data.task(i))).collect()
    }
}

/// Some images of a data set, from 8 bits to [-1, 1].
///
/// # Shapes
/// - output: `[indices.len(), c, h, w]`
pub fn images<B: Kernels>(data: &ImageDataset, indices: &[usize], device: &B::Device) -> Tensor<B, 4> {
    let pixels = indices.iter().flat_map(|&i| data.pixels_of(i));
    from_pixels(pixels.copied(), indices.len(), data.shape(), device)
}

/// The same as a training sees them.
///
/// # Shapes
/// - output: `[indices.len(), c, h, w]`
pub(crate) fn augmented_images<B: Kernels>(
    data: &ImageDataset,
    indices: &[usize],
    augmentation: Augmentation,
    key: Key,
    device: &B::Device,
) -> Tensor<B, 4> {
    if augmentation.is_none() {
        return images(data, indices, device);
    }
    let (shape, seed) = (data.shape(), key.within(AUGMENTATION).rng(0).next_u64());
    let mut pixels = Vec::with_capacity(indices.len() * shape.len());
    for (sample, &i) in indices.iter().enumerate() {
        pixels.extend_from_slice(data.pixels_of(i));
        let key = AugmentationKey { seed, experience: 0, step: 0, sample: sample as u64 };
        augmentation.apply(&mut pixels[sample * shape.len()..], shape, key);
    }
    from_pixels(pixels.into_iter(), indices.len(), shape, device)
}

fn from_pixels<B: Kernels>(
    pixels: impl Iterator<Item = u8>,
    n: usize,
    shape: ImageShape,
    device: &B::Device,
) -> Tensor<B, 4> {
    let values: Vec<f32> = pixels.map(|pixel| f32::from(pixel) / 127.5 - 1.0).collect();
    let data = TensorData::new(values, [n, shape.channels, shape.height, shape.width]);
    Tensor::from_data(data, ddpm_kernels::floats_on::<B>(device))
}
