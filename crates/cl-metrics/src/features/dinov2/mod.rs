//! DINOv2 (Oquab et al. 2023, arXiv 2304.07193), ViT-S/14: features of a vision transformer that was trained without
//! labels, from a weights file that the user names.
//!
//! Stein et al. 2023 (arXiv 2306.04675) compare features with the judgement of people and recommend DINOv2's for the
//! Fréchet distance and for the distance of kernels; they use ViT-L/14, of which this is the small sibling. The published
//! weights (`dinov2_vits14_pretrain.pth`) become the file that is read here by [`convert_weights`]. Images are taken as in
//! their `dgm-eval`: bicubic to 224 x 224, normalised as for ImageNet; grey images are shown in all three channels.
//! Features are the class token after the last norm. Embeddings of positions are interpolated as in the published code.

mod architecture;
mod image;
mod network;
mod positions;
#[cfg(test)]
mod tests;

use std::{fmt, path::Path};

use burn::tensor::{Tensor, TensorData};
use data_streams::ImageDataset;
use ddpm_core::Kernels;
use rayon::prelude::*;

use self::{
    architecture::{CHANNELS, SMALL, Sizes},
    image::prepared,
    network::Network,
};
use super::{
    Converted, Described, FeatureExtractor, FeatureMatrix, WeightsInfo, convert::convert,
    weights::WeightsFile,
};
use crate::MetricError;

/// Images described at a time.
const BATCH: usize = 16;
/// Digits of the weights' hash in the name of the features.
const DIGITS: usize = 16;
/// The network in messages.
const NETWORK: &str = "DINOv2's ViT-S/14";

/// The name of a parameter by which a PyTorch file of this network is told from others.
pub const FIRST_PARAMETER: &str = "cls_token";

/// DINOv2 as a feature extractor.
pub struct Dinov2Features<B: Kernels> {
    network: Network<B>,
    sizes: Sizes,
    sha256: String,
    device: B::Device,
}

/// Every parameter that is read of a checkpoint, with its shape (PyTorch's layout).
pub fn parameters() -> Vec<(String, Vec<usize>)> {
    SMALL.parameters()
}

/// Whether a file has the weights of this network, without making it.
///
/// # Errors
/// [`MetricError::Weights`], as [`Dinov2Features::load`].
pub fn check_weights(weights: &Path) -> Result<(), MetricError> {
    WeightsFile::read(weights, NETWORK)?.check(&parameters())
}

/// Checks a weights file as [`check_weights`] does, and says what it is.
///
/// # Errors
/// [`MetricError::Weights`], as [`Dinov2Features::load`].
pub fn weights_info(weights: &Path) -> Result<WeightsInfo, MetricError> {
    WeightsFile::read(weights, NETWORK)?.info(&parameters())
}

/// Writes the tensors that the network reads, as they are, to `out`: at once or not at all. The same tensors of the same
/// file give the same bytes. Nothing in the PyTorch file is run.
///
/// # Errors
/// [`MetricError::Weights`] for a file that is no state dict, or of another network, and for an `out` that cannot be
/// written.
pub fn convert_weights(pytorch: &Path, out: &Path) -> Result<Converted, MetricError> {
    convert(pytorch, out, NETWORK, &parameters())
}

impl<B: Kernels> Dinov2Features<B> {
    /// The network with the weights of a safetensors file, which has the names of the published state dict.
    ///
    /// # Errors
    /// [`MetricError::Weights`] for a file that is missing, is not safetensors, or has the weights of another network: the
    /// first name or shape that does not fit.
    pub fn load(weights: &Path, device: &B::Device) -> Result<Self, MetricError> {
        Self::of_sizes(weights, SMALL, device)
    }

    fn of_sizes(weights: &Path, sizes: Sizes, device: &B::Device) -> Result<Self, MetricError> {
        let file = WeightsFile::read(weights, NETWORK)?;
        file.check(&sizes.parameters())?;
        let network = Network::read(&file, sizes, device)?;
        Ok(Self { network, sizes, sha256: file.sha256(), device: device.clone() })
    }

    /// The SHA-256 of the weights file, in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl<B: Kernels> fmt::Debug for Dinov2Features<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dinov2Features").field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

impl<B: Kernels> FeatureExtractor for Dinov2Features<B> {
    fn name(&self) -> String {
        format!(
            "{}-d DINOv2 ViT-S/14 class token (weights sha256 {})",
            self.sizes.width,
            &self.sha256[..DIGITS]
        )
    }

    fn describe(&self, images: &ImageDataset) -> Result<Described, MetricError> {
        let side = self.sizes.side;
        let mut features = Vec::with_capacity(images.len() * self.sizes.width);
        for first in (0..images.len()).step_by(BATCH) {
            let positions: Vec<usize> = (first..images.len().min(first + BATCH)).collect();
            let values: Vec<f32> =
                positions.par_iter().flat_map_iter(|&i| prepared(images, i, side)).collect();
            let data = TensorData::new(values, [positions.len(), CHANNELS, side, side]);
            let data = Tensor::from_data(data, ddpm_kernels::floats_on::<B>(&self.device));
            features.extend(self.network.forward(data).into_data().convert::<f32>().iter::<f32>());
        }
        Ok(Described { features: FeatureMatrix::new(self.sizes.width, features)?, class_probabilities: None })
    }
}
