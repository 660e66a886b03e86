//! What is done to a predicted x_0 before a sampler goes on from it.

use burn::tensor::{Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Kernels;

/// How a predicted x_0 is kept in the range of images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Threshold {
    /// Not at all.
    None,
    /// Clipped to [-1, 1] (diffusers' `clip_sample`).
    #[default]
    Clip,
    /// Dynamic thresholding (Saharia et al. 2022, Imagen, section 2.3): clipped to a quantile of each image's absolute
    /// values, where that is above 1, and divided by it.
    Dynamic {
        /// The quantile.
        #[serde(default = "default_ratio")]
        ratio: f64,
        /// The largest quantile that is divided by (diffusers' `sample_max_value`).
        #[serde(default = "default_max")]
        max: f64,
    },
}

fn default_ratio() -> f64 {
    0.995
}

fn default_max() -> f64 {
    1.0
}

impl Threshold {
    /// Applies it.
    ///
    /// # Shapes
    /// - `x_0` and output: `[n, c, h, w]`
    pub fn apply<B: Kernels>(self, x_0: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::None => x_0,
            Self::Clip => x_0.clamp(-1.0, 1.0),
            Self::Dynamic { ratio, max } => dynamic(x_0, ratio, max),
        }
    }
}

/// The quantiles are found on the host: backends differ in how, and whether, they sort.
fn dynamic<B: Kernels>(x_0: Tensor<B, 4>, ratio: f64, max: f64) -> Tensor<B, 4> {
    let ([n, ..], device) = (x_0.dims(), x_0.device());
    let mut values: Vec<f32> = x_0.clone().abs().into_data().convert::<f32>().iter::<f32>().collect();
    let dimensions = values.len() / n.max(1);
    let limits: Vec<f32> = values
        .chunks_exact_mut(dimensions.max(1))
        .map(|image| quantile(image, ratio).max(1.0).min(max.max(1.0)) as f32)
        .collect();
    let limits = TensorData::new(limits, [n, 1, 1, 1]);
    let limits = Tensor::<B, 4>::from_data(limits, ddpm_kernels::floats_on::<B>(&device));
    let limits = limits.expand(x_0.dims());
    x_0.min_pair(limits.clone()).max_pair(limits.clone().neg()) / limits
}

/// The quantile with linear interpolation, as `torch.quantile` and NumPy compute it.
fn quantile(values: &mut [f32], ratio: f64) -> f64 {
    values.sort_by(f32::total_cmp);
    let position = ratio.clamp(0.0, 1.0) * (values.len() - 1) as f64;
    let (below, share) = (position.floor() as usize, position.fract());
    let above = (below + 1).min(values.len() - 1);
    f64::from(values[below]) * (1.0 - share) + f64::from(values[above]) * share
}
