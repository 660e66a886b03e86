//! The offline default: the penultimate layer of a small classifier, trained on all classes of the stream.
//!
//! Inception features need a file that cannot be shipped; these need none. They see what the classes of the stream
//! differ in, and little else: numbers compare within one data set and one classifier, which is why they are named by
//! the hash of its weights.
//!
//! The classifier is also the judge of the samples' classes, so that it has to be right: at least 99 % on MNIST, 91 % on
//! Fashion-MNIST and 97 % on the UCI digits with the shipped configurations. Two convolutions of stride 2 with all places
//! of the last map kept (LeCun et al. 1998's form) reach that in a fraction of the time of a network that averages over
//! places: 4 passes over 60,000 images.

mod cache;
mod train_and_test;
mod training;

use std::fmt;

use burn::{
    module::Module,
    tensor::{Tensor, TensorData, activation::softmax, backend::Backend, module::avg_pool2d},
};
use data_streams::{ImageDataset, ImageShape};
use ddpm_core::{
    Kernels,
    nn::{Activation, Conv2d, GroupNorm, Initializer, Linear},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{cache::ClassifierCache, train_and_test::train_and_test};

use super::{Described, FeatureExtractor, FeatureMatrix};
use crate::MetricError;

/// Images described at a time.
const BATCH: usize = 256;
const NORM_GROUPS: usize = 4;
/// Rows and columns of the last map at most; a larger one is averaged in blocks, so that large images do not make the
/// layer of features large.
const MOST_PLACES: usize = 8;
/// A larger shift is a mistake.
const MOST_SHIFT: usize = 64;

/// The options of the classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Channels after each convolution, of which each halves the image.
    pub channels: Vec<usize>,
    /// Width of the penultimate layer.
    pub features: usize,
    /// Passes over the training images.
    pub epochs: usize,
    /// Least number of training steps, however few the images are.
    pub min_steps: usize,
    /// Images in a step.
    pub batch_size: usize,
    /// Maximum number of training images, drawn with the classes in their proportions.
    pub max_train_images: usize,
    /// Pixels that a training image is moved by, at most, to every side. It is never mirrored: a mirrored digit or
    /// letter is another one.
    pub max_shift: usize,
    /// AdamW's learning rate at its highest, after a tenth of the steps.
    pub learning_rate: f64,
    /// The seed of its parameters and of the order of its data.
    pub seed: u64,
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        Self {
            channels: vec![32, 64],
            features: 64,
            epochs: 4,
            min_steps: 400,
            batch_size: 64,
            max_train_images: 60_000,
            max_shift: 1,
            learning_rate: 3e-3,
            seed: 0,
        }
    }
}

impl ClassifierConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`MetricError::Config`] that names the first key out of range.
    pub fn validate(&self) -> Result<(), MetricError> {
        if self.channels.is_empty() || self.channels.iter().any(|&c| c == 0 || c % NORM_GROUPS != 0) {
            let expected = format!("expected one or more multiples of {NORM_GROUPS}");
            return Err(MetricError::config("channels", &self.channels, expected));
        }
        let counts = [
            ("features", self.features),
            ("epochs", self.epochs),
            ("min_steps", self.min_steps),
            ("batch_size", self.batch_size),
            ("max_train_images", self.max_train_images),
        ];
        if let Some((name, value)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return Err(MetricError::config(name, value, "expected at least 1"));
        }
        if self.max_shift > MOST_SHIFT {
            let expected = format!("expected at most {MOST_SHIFT}");
            return Err(MetricError::config("max_shift", self.max_shift, expected));
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return Err(MetricError::config(
                "learning_rate",
                self.learning_rate,
                "expected a number above 0",
            ));
        }
        Ok(())
    }
}

/// Convolutions of stride 2, a layer of features over all places, a layer of classes.
#[derive(Module, Debug)]
pub struct Classifier<B: Backend> {
    convs: Vec<Conv2d<B>>,
    norms: Vec<GroupNorm<B>>,
    features: Linear<B>,
    classes: Linear<B>,
}

impl<B: Backend> Classifier<B> {
    /// A classifier of `classes` classes of images of a shape.
    pub fn new(
        config: &ClassifierConfig,
        shape: ImageShape,
        classes: usize,
        init: &mut Initializer<B>,
    ) -> Self {
        let inputs = std::iter::once(shape.channels).chain(config.channels.iter().copied());
        let convs = inputs
            .zip(&config.channels)
            .map(|(c_in, &c_out)| Conv2d::new((c_in, c_out), 3, init).with_stride(2, 1))
            .collect();
        let norms = config.channels.iter().map(|&c| GroupNorm::new(NORM_GROUPS, c, 1e-5, init)).collect();
        let deepest = config.channels[config.channels.len() - 1];
        let halved = |side: usize| config.channels.iter().fold(side, |side, _| side.div_ceil(2));
        let places = [shape.height, shape.width].map(|side| halved(side) / block(halved(side)));
        Self {
            convs,
            norms,
            features: Linear::new(deepest * places[0] * places[1], config.features, init),
            classes: Linear::new(config.features, classes, init),
        }
    }
}

impl<B: Kernels> Classifier<B> {
    /// The features and the classes' logits.
    ///
    /// # Shapes
    /// - `x`: `[n, c, h, w]` in [-1, 1]; outputs: `[n, features]`, `[n, classes]`
    pub fn forward(&self, x: Tensor<B, 4>) -> (Tensor<B, 2>, Tensor<B, 2>) {
        // Black is 0, as the padding around the images is.
        let x = self.convs.iter().zip(&self.norms).fold(x.add_scalar(1.0), |x, (conv, norm)| {
            norm.forward_activated(conv.forward(x), Activation::Silu)
        });
        let [_, _, h, w] = x.dims();
        let blocks = [h, w].map(block);
        let x = if blocks == [1; 2] { x } else { avg_pool2d(x, blocks, blocks, [0; 2], true, false) };
        let features = B::silu(self.features.forward(x.flatten::<2>(1, 3)));
        (features.clone(), self.classes.forward(features))
    }
}

/// The rows or columns of a map that are averaged.
fn block(side: usize) -> usize {
    side.div_ceil(MOST_PLACES)
}

/// A trained classifier as a feature extractor.
struct ClassifierFeatures<B: Kernels> {
    classifier: Classifier<B>,
    /// The first digits of the hash of its weights.
    digits: String,
    device: B::Device,
}

impl<B: Kernels> fmt::Debug for ClassifierFeatures<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassifierFeatures").field("sha256", &self.digits).finish_non_exhaustive()
    }
}

impl<B: Kernels> FeatureExtractor for ClassifierFeatures<B> {
    fn name(&self) -> String {
        let [width, _] = self.classifier.features.weight.dims();
        format!("{width}-d classifier (weights sha256 {})", self.digits)
    }

    fn describe(&self, images: &ImageDataset) -> Result<Described, MetricError> {
        let (mut features, mut probabilities) = (Vec::new(), Vec::new());
        // Known beforehand, so that no images have features of the right width too.
        let [width, _] = self.classifier.features.weight.dims();
        let [classes, _] = self.classifier.classes.weight.dims();
        for first in (0..images.len()).step_by(BATCH) {
            let batch: Vec<usize> = (first..images.len().min(first + BATCH)).collect();
            let (f, logits) = self.classifier.forward(tensor(images, &batch, &self.device));
            features.extend(f.into_data().convert::<f32>().iter::<f32>());
            probabilities.extend(softmax(logits, 1).into_data().convert::<f32>().iter::<f32>());
        }
        Ok(Described {
            features: FeatureMatrix::new(width, features)?,
            class_probabilities: Some(FeatureMatrix::new(classes, probabilities)?),
        })
    }
}

/// Some images in [-1, 1].
fn tensor<B: Kernels>(data: &ImageDataset, positions: &[usize], device: &B::Device) -> Tensor<B, 4> {
    let values = positions.iter().flat_map(|&i| data.pixels_of(i).iter().map(|&pixel| scaled(pixel)));
    batch(data.shape(), values.collect(), device)
}

/// An 8-bit value in [-1, 1].
fn scaled(pixel: u8) -> f32 {
    f32::from(pixel) / 127.5 - 1.0
}

/// Images of a shape, one after another.
fn batch<B: Kernels>(shape: ImageShape, values: Vec<f32>, device: &B::Device) -> Tensor<B, 4> {
    let dims = [values.len() / shape.len(), shape.channels, shape.height, shape.width];
    Tensor::from_data(TensorData::new(values, dims), ddpm_kernels::floats_on::<B>(device))
}
