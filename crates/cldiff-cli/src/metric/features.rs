//! Which features the sets are compared in.

use cl_metrics::features::{FeatureExtractor, Pixels, classifier::ClassifierConfig};
use cldiff_engine::{EngineError, ExtractorChoice};
use directories::ProjectDirs;

use super::{
    args::{FeaturesArg, Options},
    set::{Content, Set},
};
use crate::{
    config::{advised, places},
    failure::Failure,
    files::weights::default_weights,
};

/// Extracts the features of all sets of images and says what they are called; `usual` where nothing is asked for.
pub(super) fn extract(
    sets: &mut [&mut Set],
    options: &Options,
    usual: Option<FeaturesArg>,
) -> Result<String, Failure> {
    let choice = check(sets, options, usual)?;
    if sets.iter().any(|set| set.is_images()) {
        let extractor = extractor(sets, options, choice)?;
        for set in sets.iter_mut() {
            set.extract(&*extractor)?;
        }
    }
    let mut names = sets.iter().filter_map(|set| set.features.as_ref().map(|name| (&set.name, name)));
    let Some((first_set, first)) = names.next() else { return Ok("those of the files".into()) };
    match names.find(|(_, name)| *name != first) {
        Some((set, name)) => {
            Err(Failure::mistake(format!("{first_set} and {set} have different features: {first}; {name}")))
        }
        None => Ok(first.clone()),
    }
}

/// The choice, and whether the options go with it.
fn check(sets: &[&mut Set], options: &Options, usual: Option<FeaturesArg>) -> Result<FeaturesArg, Failure> {
    let of_data = |set: &&mut Set| matches!(set.content, Content::Images { data: Some(_), .. });
    let usual = || match usual {
        Some(usual) => usual,
        None if options.weights.is_some() => FeaturesArg::Inception,
        None if sets.iter().any(of_data) => FeaturesArg::Classifier,
        None => FeaturesArg::Pixels,
    };
    let choice = options.features.unwrap_or_else(usual);
    match (choice, &options.weights) {
        (FeaturesArg::Classifier | FeaturesArg::Pixels, Some(weights)) => Err(Failure::mistake(format!(
            "--weights {}: they go with --features inception only",
            weights.display()
        ))),
        _ => Ok(choice),
    }
}

fn extractor(
    sets: &[&mut Set],
    options: &Options,
    choice: FeaturesArg,
) -> Result<Box<dyn FeatureExtractor>, Failure> {
    let choice = match choice {
        FeaturesArg::Pixels => return Ok(Box::new(Pixels)),
        FeaturesArg::Inception => {
            let weights = options.weights.clone().map_or_else(default_weights, Ok);
            ExtractorChoice::Inception(weights.map_err(|problem| {
                Failure::mistake(format!("--features inception: {problem} by --weights FILE.safetensors"))
            })?)
        }
        FeaturesArg::Classifier => {
            let config = sets.iter().find_map(|set| match &set.content {
                Content::Images { data: Some(config), .. } => Some(config),
                _ => None,
            });
            let Some(config) = config else {
                return Err(Failure::mistake(
                    "--features classifier: it is trained on a data set, so that A or B has to be one; \
                     or give --features pixels or inception",
                ));
            };
            let places = places(options.data_dir.as_deref());
            let data = config.build(&places).map_err(|error| Failure::mistake(advised(&error)))?;
            one_shape(sets, &data.train)?;
            ExtractorChoice::Classifier(ClassifierConfig::default(), Box::new(data))
        }
    };
    let engine = cldiff_engine::open(options.backend.into(), options.device).map_err(Failure::mistake)?;
    let cache = ProjectDirs::from("", "", "cldiff").map(|dirs| dirs.cache_dir().to_owned());
    engine.extractor(&choice, cache.as_deref()).map_err(|error| match error {
        EngineError::Metric(error) => Failure::mistake(error),
        other => Failure::Other(other.into()),
    })
}

/// A classifier takes images of one shape.
fn one_shape(sets: &[&mut Set], data: &data_streams::ImageDataset) -> Result<(), Failure> {
    for set in sets {
        if let Content::Images { images, .. } = &set.content
            && images.shape() != data.shape()
        {
            return Err(Failure::mistake(format!(
                "{}: its images are {}, the classifier's are {}",
                set.name,
                images.shape(),
                data.shape()
            )));
        }
    }
    Ok(())
}
