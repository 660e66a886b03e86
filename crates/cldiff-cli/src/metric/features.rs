//! Which features the sets are compared in.

use cl_metrics::features::{FeatureExtractor, classifier::ClassifierConfig};
use cldiff_engine::{EngineError, ExtractorContext, FeaturesConfig};
use data_streams::DatasetPair;
use directories::ProjectDirs;

use super::{
    args::Options,
    set::{Content, Set},
};
use crate::{
    args::FeaturesArg,
    config::{advised, places},
    failure::Failure,
    files::weights::default_weights,
};

/// Extracts the features of all sets of images and says what they are called; `usual` where nothing is asked for.
pub(super) fn extract(
    sets: &mut [&mut Set],
    options: &Options,
    usual: Option<FeaturesConfig>,
) -> Result<String, Failure> {
    let choice = check(sets, options, usual)?;
    if sets.iter().any(|set| set.is_images()) {
        let extractor = extractor(sets, options, &choice)?;
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
fn check(
    sets: &[&mut Set],
    options: &Options,
    usual: Option<FeaturesConfig>,
) -> Result<FeaturesConfig, Failure> {
    let of_data = |set: &&mut Set| matches!(set.content, Content::Images { data: Some(_), .. });
    let with_weights = || {
        FeaturesConfig::all()
            .into_iter()
            .find_map(|mut features| features.edit().weights().is_some().then_some(features))
    };
    let usual = || match usual {
        Some(usual) => usual,
        None if options.weights.is_some() => with_weights().unwrap_or_default(),
        None if sets.iter().any(of_data) => FeaturesConfig::default(),
        None => FeaturesConfig::pixels(),
    };
    let mut choice = options.features.and_then(FeaturesArg::features).unwrap_or_else(usual);
    let name = choice.name();
    match (choice.edit().weights(), &options.weights) {
        (None, Some(weights)) => {
            let others = with_weights().map_or("another", |features| features.name());
            let problem = format!("they go with --features {others} only");
            Err(Failure::mistake(format!("--weights {}: {problem}", weights.display())))
        }
        (Some(chosen), given) => {
            let weights = given.clone().map_or_else(default_weights, Ok);
            *chosen = Some(weights.map_err(|problem| {
                Failure::mistake(format!("--features {name}: {problem} by --weights FILE.safetensors"))
            })?);
            Ok(choice)
        }
        (None, None) => Ok(choice),
    }
}

fn extractor(
    sets: &[&mut Set],
    options: &Options,
    features: &FeaturesConfig,
) -> Result<Box<dyn FeatureExtractor>, Failure> {
    if let Some(extractor) = features.without_backend() {
        return Ok(extractor);
    }
    let data = if features.is_classifier() { Some(training_data(sets, options)?) } else { None };
    let engine = cldiff_engine::open(options.backend.name(), options.device)
        .map_err(|error| Failure::of_backend(&error))?;
    let cache = ProjectDirs::from("", "", "cldiff").map(|dirs| dirs.cache_dir().to_owned());
    let classifier = &ClassifierConfig::default();
    let context = ExtractorContext { classifier, data: data.as_ref(), cache: cache.as_deref() };
    engine.extractor(features, &context).map_err(|error| match error {
        EngineError::Metric(error) => Failure::mistake(error),
        other => Failure::Other(other.into()),
    })
}

/// The data set among the sets, on which a classifier is trained.
fn training_data(sets: &[&mut Set], options: &Options) -> Result<DatasetPair, Failure> {
    let config = sets.iter().find_map(|set| match &set.content {
        Content::Images { data: Some(config), .. } => Some(config),
        _ => None,
    });
    let Some(config) = config else {
        let (classifier, others): (Vec<_>, Vec<_>) =
            FeaturesConfig::all().into_iter().partition(|features| features.is_classifier());
        let [classifier, others] = [classifier, others].map(|features| alternatives(&features));
        return Err(Failure::mistake(format!(
            "--features {classifier}: it is trained on a data set, so that A or B has to be one; \
             or give --features {others}"
        )));
    };
    let places = places(options.data_dir.as_deref());
    let data = config.build(&places).map_err(|error| Failure::mistake(advised(&error)))?;
    one_shape(sets, &data.train)?;
    Ok(data)
}

/// Names as a sentence has them: `a, b or c`.
pub(super) fn alternatives(features: &[FeaturesConfig]) -> String {
    let names: Vec<&str> = features.iter().map(|features| features.name()).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
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
