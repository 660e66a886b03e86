//! From images in host memory to tensors in [-1, 1] and their conditions.

use burn::tensor::{Int, Tensor, TensorData};
use data_streams::ImageDataset;
use ddpm_core::{
    Kernels,
    guidance::drop_labels,
    noise::{self, Key},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const NO_DROPOUT: noise::Purpose = noise::Purpose::named("no dropout");

/// What a model is conditioned on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionOn {
    /// Nothing: p(x).
    None,
    /// The class: p(x | y).
    #[default]
    Class,
}

impl ConditionOn {
    /// How many conditions the model has to tell apart.
    pub fn cardinality(self, classes: usize) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Class => Some(classes),
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
        self.conditions_with_dropout(data, indices, 0.0, Key::new(0, NO_DROPOUT), device)
    }

    /// The same in training, where each is replaced by the null class (the one after the data's last) with a
    /// probability, for classifier-free guidance.
    ///
    /// # Shapes
    /// - output: `[indices.len()]`
    pub fn conditions_with_dropout<B: Kernels>(
        self,
        data: &ImageDataset,
        indices: &[usize],
        probability: f64,
        key: Key,
        device: &B::Device,
    ) -> Option<Tensor<B, 1, Int>> {
        match self {
            Self::None => None,
            Self::Class => {
                let mut labels: Vec<usize> = indices.iter().map(|&i| data.label(i)).collect();
                drop_labels(&mut labels, data.class_names().len(), probability, key);
                Some(noise::indices(&labels, device))
            }
        }
    }
}

/// Some images of a data set, from 8 bits to [-1, 1].
///
/// # Shapes
/// - output: `[indices.len(), c, h, w]`
pub fn images<B: Kernels>(data: &ImageDataset, indices: &[usize], device: &B::Device) -> Tensor<B, 4> {
    let shape = data.shape();
    let values: Vec<f32> = indices
        .iter()
        .flat_map(|&i| data.pixels_of(i).iter().map(|&pixel| f32::from(pixel) / 127.5 - 1.0))
        .collect();
    let dims = [indices.len(), shape.channels, shape.height, shape.width];
    Tensor::from_data(TensorData::new(values, dims), device)
}
