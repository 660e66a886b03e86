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

/// The condition of a model.
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
    /// The number of "no condition": one after the last condition.
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

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use ddpm_core::noise::Purpose;

    use super::*;

    const KEY: Key = Key::new(2, Purpose::named("test of batches"));

    /// Sixty images of two pixels, 10 and 200, of three classes in turn and of task 1.
    fn data() -> ImageDataset {
        let shape = ImageShape { channels: 1, height: 1, width: 2 };
        let names = (0..3).map(|class| class.to_string()).collect();
        let labels = (0..60).map(|i| i % 3).collect();
        ImageDataset::new("pairs", shape, names, [10, 200].repeat(60), labels).unwrap().with_task(1)
    }

    fn pairs(images: Tensor<Flex, 4>) -> Vec<[u8; 2]> {
        let values: Vec<f32> = images.into_data().iter::<f32>().collect();
        values.chunks(2).map(|pair| [0, 1].map(|i| ((pair[i] + 1.0) * 127.5).round() as u8)).collect()
    }

    #[test]
    fn pixels_of_8_bits_become_numbers_from_minus_1_to_1() {
        let shape = ImageShape { channels: 1, height: 1, width: 3 };
        let data = ImageDataset::new("x", shape, vec!["a".into()], vec![0, 51, 255], vec![0]).unwrap();
        let found: Vec<f32> =
            images::<Flex>(&data, &[0, 0], &Default::default()).into_data().iter::<f32>().collect();
        assert_eq!(found, [-1.0, -0.6, 1.0, -1.0, -0.6, 1.0]);
    }

    /// Each image has a fate of its own, which the key decides.
    #[test]
    fn every_image_is_flipped_on_its_own() {
        let flip = Augmentation { horizontal_flip: true, padding_crop: 0 };
        let positions: Vec<usize> = (0..60).collect();
        let with = |augmentation, key| {
            pairs(augmented_images::<Flex>(&data(), &positions, augmentation, key, &Default::default()))
        };
        let flipped = with(flip, KEY);
        let turned = flipped.iter().filter(|pair| **pair == [200, 10]).count();
        // Half of sixty; five standard deviations are 19.
        assert!(turned.abs_diff(30) < 20, "{turned}");
        assert!(flipped.iter().all(|pair| *pair == [200, 10] || *pair == [10, 200]));
        assert_eq!(flipped, with(flip, KEY));
        assert_ne!(flipped, with(flip, KEY.step(1)));
        assert_eq!(with(Augmentation::default(), KEY), [[10, 200]; 60]);
    }

    #[test]
    fn conditions_are_classes_or_tasks_in_the_order_of_the_images() {
        let (data, positions) = (data(), [5, 0, 4]);
        let of = |condition_on: ConditionOn| {
            let found = condition_on.conditions::<Flex>(&data, &positions, &Default::default());
            found.map(|y| y.into_data().iter::<i64>().collect::<Vec<_>>())
        };
        assert_eq!(of(ConditionOn::Class), Some(vec![2, 0, 1]));
        assert_eq!((of(ConditionOn::Task), of(ConditionOn::None)), (Some(vec![1; 3]), None));
        let cardinalities =
            [ConditionOn::None, ConditionOn::Class, ConditionOn::Task].map(|c| c.cardinality(7, 2));
        assert_eq!(cardinalities, [None, Some(7), Some(2)]);
    }
}
