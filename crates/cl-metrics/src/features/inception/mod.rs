//! Inception-v3 in the form that the FID literature uses, from a weights file that the user names.
//!
//! The network is pytorch-fid's port of TensorFlow's; its published weights (`pt_inception-2015-12-05-6726825d.pth`)
//! become the file that is read here by [`convert_weights`] (`cldiff weights`). Images are taken as pytorch-fid takes them: 8-bit
//! values over 255, bilinear to 299 x 299 without smoothing, then [-1, 1]; grey images are shown in all three channels.
//! Features are the 2048 of the last pool; class probabilities are the softmax of the logits without their bias, as in
//! the original Inception score, torch-fidelity and torchmetrics.

mod architecture;
mod network;
mod resize;
#[cfg(test)]
mod tests;
mod weights;

use std::{fmt, path::Path};

use burn::tensor::{Tensor, TensorData, activation::softmax};
use data_streams::ImageDataset;
use ddpm_core::Kernels;
use rayon::prelude::*;

pub use self::architecture::parameters;
use self::{
    architecture::{CLASSES, FEATURES},
    network::Inception,
    resize::resize,
};
use super::{
    Converted, Described, FeatureExtractor, FeatureMatrix, WeightsInfo, convert::convert,
    weights::WeightsFile,
};
use crate::MetricError;

/// Images described at a time.
const BATCH: usize = 32;
/// Rows and columns that the network takes.
const SIZE: usize = 299;
/// Digits of the weights' hash in the name of the features.
const DIGITS: usize = 16;
/// The network in messages.
const NETWORK: &str = "FID's Inception-v3";

/// Inception-v3 as a feature extractor.
pub struct InceptionFeatures<B: Kernels> {
    network: Inception<B>,
    sha256: String,
    device: B::Device,
}

/// Whether a file has the weights of this network, without making it.
///
/// # Errors
/// [`MetricError::Weights`], as [`InceptionFeatures::load`].
pub fn check_weights(weights: &Path) -> Result<(), MetricError> {
    WeightsFile::read(weights, NETWORK)?.check(&parameters())
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

/// Checks a weights file as [`check_weights`] does, and says what it is.
///
/// # Errors
/// [`MetricError::Weights`], as [`InceptionFeatures::load`].
pub fn weights_info(weights: &Path) -> Result<WeightsInfo, MetricError> {
    WeightsFile::read(weights, NETWORK)?.info(&parameters())
}

impl<B: Kernels> InceptionFeatures<B> {
    /// The network with the weights of a safetensors file, which has the names of pytorch-fid's state dict.
    ///
    /// # Errors
    /// [`MetricError::Weights`] for a file that is missing, is not safetensors, or has the weights of another network: the
    /// first name or shape that does not fit.
    pub fn load(weights: &Path, device: &B::Device) -> Result<Self, MetricError> {
        let file = WeightsFile::read(weights, NETWORK)?;
        let network = weights::network(&file, device)?;
        Ok(Self { network, sha256: file.sha256(), device: device.clone() })
    }

    /// The SHA-256 of the weights file, in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl<B: Kernels> fmt::Debug for InceptionFeatures<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InceptionFeatures").field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

impl<B: Kernels> FeatureExtractor for InceptionFeatures<B> {
    fn name(&self) -> String {
        format!("2048-d Inception-v3 pool (weights sha256 {})", &self.sha256[..DIGITS])
    }

    fn describe(&self, images: &ImageDataset) -> Result<Described, MetricError> {
        let (mut features, mut probabilities) = (Vec::new(), Vec::new());
        for first in (0..images.len()).step_by(BATCH) {
            let positions: Vec<usize> = (first..images.len().min(first + BATCH)).collect();
            let values: Vec<f32> = positions.par_iter().flat_map_iter(|&i| prepared(images, i)).collect();
            let data = TensorData::new(values, [positions.len(), 3, SIZE, SIZE]);
            let data = Tensor::from_data(data, ddpm_kernels::floats_on::<B>(&self.device));
            let (f, logits) = self.network.forward(data);
            features.extend(f.into_data().convert::<f32>().iter::<f32>());
            probabilities.extend(softmax(logits, 1).into_data().convert::<f32>().iter::<f32>());
        }
        Ok(Described {
            features: FeatureMatrix::new(FEATURES, features)?,
            class_probabilities: Some(FeatureMatrix::new(CLASSES, probabilities)?),
        })
    }
}

/// An image as the network takes it: three channels, 299 x 299, in [-1, 1].
fn prepared(images: &ImageDataset, i: usize) -> Vec<f32> {
    let shape = images.shape();
    let plane = shape.height * shape.width;
    let channel = |c: usize| -> Vec<f32> {
        let pixels = &images.pixels_of(i)[c.min(shape.channels - 1) * plane..][..plane];
        let values: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
        resize(&values, [shape.height, shape.width], [SIZE; 2])
    };
    (0..3).flat_map(channel).map(|value| 2.0 * value - 1.0).collect()
}
