//! Trained classifiers are kept in files named by the hash of all that they are asked to be: the version of the training,
//! the options, the images. The device is not among it: a directory that is copied from another machine gives the classifier
//! of that machine, and with it features that compare. The weights themselves name the features.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

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
const VERSION: &str = "classifier 2";
/// Digits of the weights' hash in the name of the features.
const DIGITS: usize = 12;

/// Where trained classifiers are kept; nowhere without a directory.
#[derive(Debug, Clone, Default)]
pub struct ClassifierCache {
    /// The directory.
    pub dir: Option<PathBuf>,
    /// A directory that goes before it: of a run, whose cells share one classifier on whatever machines they are made.
    pub own: Option<PathBuf>,
}

impl ClassifierCache {
    /// The classifier of these options and data, from its file if there is one, else trained now. The file is in every
    /// directory afterwards.
    ///
    /// # Errors
    /// [`MetricError::Config`] for options out of range. A file that cannot be read or written is only warned
    /// about: the classifier can always be trained.
    pub fn extractor<B: TrainBackend>(
        &self,
        config: &ClassifierConfig,
        train_data: &ImageDataset,
        device: &B::Device,
    ) -> Result<Box<dyn FeatureExtractor>, MetricError> {
        config.validate()?;
        let hash = hash(config, train_data);
        let dirs = self.own.iter().chain(&self.dir);
        let paths: Vec<PathBuf> =
            dirs.map(|dir| dir.join(format!("classifier-{hash}.safetensors"))).collect();
        let read = |path: &PathBuf| {
            let blank = blank::<B::InnerBackend>(config, train_data, device);
            load(path, blank).inspect_err(|e| tracing::warn!("the cached classifier is not used: {e}")).ok()
        };
        let mut there: Vec<bool> = paths.iter().map(|path| path.exists()).collect();
        let found = (0..paths.len()).filter(|&i| there[i]).find_map(|i| Some((i, read(&paths[i])?)));
        let classifier = match found {
            Some((at, classifier)) => {
                // A file that cannot be read is written anew.
                there[..at].fill(false);
                classifier
            }
            None => {
                there.fill(false);
                train::<B>(config, train_data, device)
            }
        };
        for (path, _) in paths.iter().zip(there).filter(|(_, there)| !there) {
            if let Err(e) = save(path, &classifier) {
                tracing::warn!("the classifier is not cached: {e}");
            }
        }
        let mut digits = weights_sha256(&classifier);
        digits.truncate(DIGITS);
        Ok(Box::new(ClassifierFeatures { classifier, digits, device: device.clone() }))
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

/// The SHA-256 of the weights, in hexadecimal digits: of the parameters in the order of their names, as f32 in
/// little-endian bytes. The same options and images give other weights on another device.
fn weights_sha256<B: Kernels>(classifier: &Classifier<B>) -> String {
    let mut hasher = Sha256::new();
    for (name, data) in named_parameters(classifier) {
        hasher.update(name);
        data.iter::<f32>().for_each(|weight| hasher.update(weight.to_le_bytes()));
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
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
    cldiff_durable::write(&temporary, &bytes)?;
    cldiff_durable::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;
    use data_streams::dataset::glyphs::GlyphsConfig;

    use super::*;

    #[test]
    fn a_cached_classifier_gives_the_same_features_and_a_damaged_file_is_replaced() {
        let data = GlyphsConfig {
            size: 8.into(),
            train_per_class: 20,
            eval_per_class: 5,
            ..GlyphsConfig::default()
        };
        let data = data.build().unwrap();
        let config = ClassifierConfig {
            channels: vec![8, 16],
            features: 12,
            epochs: 2,
            min_steps: 20,
            ..Default::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let cache = ClassifierCache { dir: Some(dir.path().to_owned()), own: None };
        let device = Default::default();
        let describe = || {
            let extractor = cache.extractor::<Autodiff<Flex>>(&config, &data.train, &device).unwrap();
            (extractor.name(), extractor.describe(&data.eval).unwrap())
        };
        let trained = describe();
        assert_eq!(trained.1.features.width(), 12);
        let file = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        assert_eq!(describe(), trained);
        fs::write(&file, b"damaged").unwrap();
        assert_eq!(describe(), trained);
        assert!(fs::metadata(&file).unwrap().len() > 100);

        // The classifier of a run goes before that of the cache, and is in both afterwards.
        let (run, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let name = file.file_name().unwrap();
        fs::copy(&file, run.path().join(name)).unwrap();
        let both =
            ClassifierCache { dir: Some(elsewhere.path().to_owned()), own: Some(run.path().to_owned()) };
        let other = ClassifierConfig { min_steps: 30, ..config.clone() };
        let other = cache.extractor::<Autodiff<Flex>>(&other, &data.train, &device).unwrap();
        assert_ne!(other.name(), trained.0);
        // Of other weights under the same name: it is not looked at.
        let others = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let others = others.filter(|path| path.file_name() != Some(name)).collect::<Vec<_>>();
        fs::copy(&others[0], elsewhere.path().join(name)).unwrap();
        let extractor = both.extractor::<Autodiff<Flex>>(&config, &data.train, &device).unwrap();
        assert_eq!((extractor.name(), extractor.describe(&data.eval).unwrap()), trained);
        fs::remove_file(elsewhere.path().join(name)).unwrap();
        both.extractor::<Autodiff<Flex>>(&config, &data.train, &device).unwrap();
        assert_eq!(fs::read(elsewhere.path().join(name)).unwrap(), fs::read(&file).unwrap());
    }
}
