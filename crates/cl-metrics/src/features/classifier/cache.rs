//! Trained classifiers are kept in files named by the hash of all that they depend on.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use burn::module::AutodiffModule;
use data_streams::ImageDataset;
use ddpm_core::{
    Kernels, TrainBackend,
    diffusers::load_tensors,
    nn::Initializer,
    noise::{Key, Purpose},
    parameters::{named_parameters, with_named_parameters},
};
use safetensors::{Dtype, tensor::TensorView};
use sha2::{Digest, Sha256};

use super::{Classifier, ClassifierConfig, ClassifierFeatures, training::train};
use crate::{MetricError, features::FeatureExtractor};

/// Changes whenever the architecture or the training does, so that no older file is taken for a newer one.
const VERSION: &str = "classifier 1";

/// Where trained classifiers are kept; nowhere without a directory.
#[derive(Debug, Clone, Default)]
pub struct ClassifierCache {
    /// The directory.
    pub dir: Option<PathBuf>,
}

impl ClassifierCache {
    /// The classifier of these options and data, from its file if there is one, else trained now.
    ///
    /// # Errors
    /// [`MetricError::Config`] for options out of range. A file that cannot be read or written is only warned
    /// about: the classifier can always be trained.
    pub fn extractor<B: TrainBackend>(
        &self,
        config: &ClassifierConfig,
        train_data: &ImageDataset,
        eval_data: &ImageDataset,
        device: &B::Device,
    ) -> Result<Box<dyn FeatureExtractor>, MetricError> {
        config.validate()?;
        let hash = hash(config, train_data);
        let path = self.dir.as_ref().map(|dir| dir.join(format!("classifier-{hash}.safetensors")));
        let cached = path.as_ref().filter(|path| path.exists()).and_then(|path| {
            let blank = blank::<B::InnerBackend>(config, train_data, device);
            load(path, blank).inspect_err(|e| tracing::warn!("the cached classifier is not used: {e}")).ok()
        });
        let classifier = match cached {
            Some(classifier) => classifier,
            None => {
                let classifier = train::<B>(config, train_data, device).valid();
                if let Some(Err(e)) = path.map(|path| save(&path, &classifier)) {
                    tracing::warn!("the classifier is not cached: {e}");
                }
                classifier
            }
        };
        let mut extractor = ClassifierFeatures { classifier, name: String::new(), device: device.clone() };
        let accuracy = accuracy(&extractor, eval_data)?;
        extractor.name = format!(
            "{}-d classifier {} ({:.1}% right on the eval split)",
            config.features,
            &hash[..8],
            100.0 * accuracy
        );
        Ok(Box::new(extractor))
    }
}

fn blank<B: Kernels>(config: &ClassifierConfig, data: &ImageDataset, device: &B::Device) -> Classifier<B> {
    let key = Key::new(0, Purpose::named("replaced by the file"));
    Classifier::new(config, data.shape(), data.class_names().len(), &mut Initializer::new(key, device))
}

fn hash(config: &ClassifierConfig, data: &ImageDataset) -> String {
    let text = format!("{VERSION}\n{config:?}\n{}", data.content_hash());
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn accuracy(extractor: &dyn FeatureExtractor, eval: &ImageDataset) -> Result<f64, MetricError> {
    let predicted = extractor.describe(eval)?.class_probabilities.map_or_else(Vec::new, |p| p.argmax());
    let right = predicted.iter().zip(eval.labels()).filter(|(p, label)| *p == label).count();
    Ok(right as f64 / eval.len().max(1) as f64)
}

fn load<B: Kernels>(path: &Path, blank: Classifier<B>) -> Result<Classifier<B>, MetricError> {
    Ok(with_named_parameters(blank, load_tensors(path)?)?)
}

fn save<B: Kernels>(path: &Path, classifier: &Classifier<B>) -> std::io::Result<()> {
    let parameters = named_parameters(classifier);
    let views = parameters.iter().map(|(name, data)| {
        let view = TensorView::new(Dtype::F32, data.shape.to_vec(), data.as_bytes());
        (name, view.expect("f32 data has four bytes an element"))
    });
    let bytes =
        safetensors::serialize(views, None::<HashMap<String, String>>).map_err(std::io::Error::other)?;
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    // A reader never sees half a file.
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;
    use data_streams::dataset::glyphs::GlyphsConfig;

    use super::*;

    #[test]
    fn a_cached_classifier_gives_the_same_features_and_a_damaged_file_is_replaced() {
        let data =
            GlyphsConfig { size: 8, train_per_class: 20, eval_per_class: 5, ..GlyphsConfig::default() };
        let data = data.build().unwrap();
        let config =
            ClassifierConfig { channels: vec![8, 16], features: 12, epochs: 2, ..Default::default() };
        let dir = tempfile::tempdir().unwrap();
        let cache = ClassifierCache { dir: Some(dir.path().to_owned()) };
        let device = Default::default();
        let describe = || {
            let extractor =
                cache.extractor::<Autodiff<Flex>>(&config, &data.train, &data.eval, &device).unwrap();
            (extractor.name(), extractor.describe(&data.eval).unwrap())
        };
        let trained = describe();
        assert_eq!(trained.1.features.width(), 12);
        let file = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        assert_eq!(describe(), trained);
        fs::write(&file, b"damaged").unwrap();
        assert_eq!(describe(), trained);
        assert!(fs::metadata(&file).unwrap().len() > 100);
    }
}
