//! From images in host memory to tensors in [-1, 1] and their conditions.

use burn::tensor::{Int, Tensor, TensorData};
use data_streams::ImageDataset;
use ddpm_core::{Kernels, noise};
use serde::{Deserialize, Serialize};

/// What a model is conditioned on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
        match self {
            Self::None => None,
            Self::Class => {
                let labels: Vec<usize> = indices.iter().map(|&i| data.label(i)).collect();
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
