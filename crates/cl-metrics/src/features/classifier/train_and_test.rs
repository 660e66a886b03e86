//! A classifier trained on some images and tested on others: the classification accuracy score is that of samples, beside
//! real images.

use data_streams::ImageDataset;
use ddpm_core::TrainBackend;

use super::{ClassifierConfig, ClassifierFeatures, training::train};
use crate::{MetricError, features::FeatureExtractor};

/// Trains a classifier on all images of `train_data`, with their labels, and gives the classes that it sees in `test_data`.
/// Nothing is cached. `max_train_images` caps the training as it does in any other use.
///
/// # Errors
/// [`MetricError::Config`] for options out of range, [`MetricError::TooFew`] without training images.
pub fn train_and_test<B: TrainBackend>(
    config: &ClassifierConfig,
    train_data: &ImageDataset,
    test_data: &ImageDataset,
    device: &B::Device,
) -> Result<Vec<usize>, MetricError> {
    config.validate()?;
    if train_data.is_empty() {
        return Err(MetricError::TooFew { metric: "a classifier's training", needed: 1, found: 0 });
    }
    let classifier = train::<B>(config, train_data, device);
    let extractor = ClassifierFeatures { classifier, digits: String::new(), device: device.clone() };
    Ok(extractor.describe(test_data)?.class_probabilities.map_or_else(Vec::new, |p| p.argmax()))
}

#[cfg(test)]
mod tests {
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;
    use data_streams::{ImageShape, dataset::glyphs::GlyphsConfig};

    use super::*;

    #[test]
    fn labels_of_the_training_are_what_it_sees() {
        let data = GlyphsConfig {
            size: 8.into(),
            train_per_class: 30,
            eval_per_class: 10,
            ..GlyphsConfig::default()
        };
        let data = data.build().unwrap();
        let config =
            ClassifierConfig { channels: vec![8, 16], features: 12, epochs: 8, ..Default::default() };
        let seen = |train: &ImageDataset| {
            train_and_test::<Autodiff<Flex>>(&config, train, &data.eval, &Default::default()).unwrap()
        };
        let right = |seen: &[usize]| {
            let labels = data.eval.labels();
            seen.iter().zip(&labels).filter(|(a, b)| a == b).count() as f64 / labels.len() as f64
        };
        let of_all = seen(&data.train);
        assert!(right(&of_all) > 0.7, "{}", right(&of_all));
        assert_eq!(seen(&data.train), of_all);
        // Without images of the last classes it is never right on them.
        let classes = data.train.class_names().len();
        let half: Vec<usize> = (0..classes / 2).collect();
        let of_half = seen(&data.train.of_classes(&half));
        let lost =
            data.eval.labels().iter().zip(&of_half).filter(|(l, s)| **l >= classes / 2 && l == s).count();
        assert!(lost <= data.eval.len() / 50, "{lost}");
        let shape = ImageShape { channels: 1, height: 8, width: 8 };
        let none = ImageDataset::new("none", shape, vec!["a".into()], Vec::new(), Vec::new()).unwrap();
        assert!(train_and_test::<Autodiff<Flex>>(&config, &none, &data.eval, &Default::default()).is_err());
    }
}
