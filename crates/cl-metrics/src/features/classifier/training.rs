//! Training of the feature classifier: cross-entropy, AdamW, a cosine learning rate, draws from keys.

use burn::{
    nn::loss::CrossEntropyLossConfig,
    optim::{AdamWConfig, GradientsParams, Optimizer},
};
use data_streams::{EpochOrder, ImageDataset};
use ddpm_core::{
    TrainBackend,
    nn::Initializer,
    noise::{self, Key, Purpose},
};

use super::{Classifier, ClassifierConfig, tensor};

const INIT: Purpose = Purpose::named("feature classifier");

/// Trains a classifier on all classes of `data`.
pub(super) fn train<B: TrainBackend>(
    config: &ClassifierConfig,
    data: &ImageDataset,
    device: &B::Device,
) -> Classifier<B> {
    let data = capped(data, config.max_train_images);
    let classes = data.class_names().len();
    let init = &mut Initializer::new(Key::new(config.seed, INIT), device);
    let mut classifier = Classifier::<B>::new(config, data.shape(), classes, init);
    let mut optimizer = AdamWConfig::new().with_weight_decay(1e-4).init();
    let loss_function = CrossEntropyLossConfig::new().init(device);
    let mut order = EpochOrder::new(config.seed, 0, data.len());
    let steps = (data.len() * config.epochs).div_ceil(config.batch_size);
    for step in 0..steps {
        let batch = order.batch(step as u64, config.batch_size);
        let labels: Vec<usize> = batch.iter().map(|&i| data.label(i)).collect();
        let (_, logits) = classifier.forward(tensor(&data, &batch, device));
        let loss = loss_function.forward(logits, noise::indices(&labels, device));
        let grads = GradientsParams::from_grads(loss.backward(), &classifier);
        let progress = step as f64 / steps as f64;
        let rate = config.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        classifier = optimizer.step(rate.max(1e-8), classifier, grads);
    }
    classifier
}

/// At most `most` images, spread over the set.
fn capped(data: &ImageDataset, most: usize) -> ImageDataset {
    let n = data.len().min(most);
    data.select(&(0..n).map(|i| i * data.len() / n).collect::<Vec<_>>())
}
