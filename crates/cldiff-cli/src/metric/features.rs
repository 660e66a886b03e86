//! Which features the sets are compared in.

use cl_metrics::{
    features::{FeatureExtractor, Judge, classifier::ClassifierConfig},
    sample::{Need, SampleMetric},
};
use cldiff_engine::{EngineError, ExtractorContext, FeaturesConfig};
use data_streams::{DatasetPair, ImageDataset};
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

/// The features in which sets are compared.
pub(super) struct Found {
    /// What they are called, if any set says so.
    pub name: Option<String>,
    /// Whether their network has classes of its own, which are not those of any labels.
    pub has_own_classes: bool,
}

/// Extracts the features of all sets of images, for a metric or for none in particular.
pub(super) fn extract(
    sets: &mut [&mut Set],
    options: &Options,
    metric: Option<SampleMetric>,
) -> Result<Found, Failure> {
    of_one_shape(sets)?;
    let choice = check(sets, options, metric)?;
    of_known_features(sets, options, choice.name())?;
    let has_own_classes = choice.sees_classes() && !choice.is_classifier();
    let name = extract_as(sets, options, &choice)?;
    Ok(Found { name, has_own_classes })
}

/// Refuses sets of images of different shapes: what is measured would be how they were resized.
fn of_one_shape(sets: &[&mut Set]) -> Result<(), Failure> {
    let mut shapes = sets.iter().filter_map(|set| Some((&set.name, set.shape?)));
    let Some((first, shape)) = shapes.next() else { return Ok(()) };
    match shapes.find(|(_, other)| *other != shape) {
        Some((set, other)) => Err(Failure::mistake(format!(
            "{first} has images of {shape} and {set} of {other} (channels x height x width): expected one shape; resize \
             or convert the images of one"
        ))),
        None => Ok(()),
    }
}

/// Refuses features of a file that do not say which they are beside images, unless the user says which these are to be
/// described in.
fn of_known_features(sets: &[&mut Set], options: &Options, choice: &str) -> Result<(), Failure> {
    let nameless = sets.iter().find(|set| !set.is_images() && set.features.is_none());
    let Some(nameless) = nameless else { return Ok(()) };
    if let Some(images) = sets.iter().find(|set| set.is_images() && options.features.is_none()) {
        return Err(Failure::mistake(format!(
            "{} does not say which features it is of, so that {} cannot be described in the same: give --features {}",
            nameless.name,
            images.name,
            alternatives(&FeaturesConfig::all())
        )));
    }
    let named =
        sets.iter().find_map(|set| Some(format!("those of {} ({})", set.name, set.features.as_ref()?)));
    let chosen = || options.features.map(|_| format!("--features {choice}"));
    if let Some(taken_for) = named.or_else(chosen) {
        tracing::warn!("{} does not say which features it is of; taken for {taken_for}", nameless.name);
    }
    Ok(())
}

/// Extracts the chosen features, and says what the features of all sets are called.
fn extract_as(
    sets: &mut [&mut Set],
    options: &Options,
    choice: &FeaturesConfig,
) -> Result<Option<String>, Failure> {
    if sets.iter().any(|set| set.is_images()) {
        let extractor = extractor(sets, options, choice)?;
        for set in sets.iter_mut() {
            set.extract(&*extractor)?;
        }
    }
    let mut names = sets.iter().filter_map(|set| set.features.as_ref().map(|name| (&set.name, name)));
    let Some((first_set, first)) = names.next() else { return Ok(None) };
    match names.find(|(_, name)| *name != first) {
        Some((set, name)) => {
            Err(Failure::mistake(format!("{first_set} and {set} have different features: {first}; {name}")))
        }
        None => Ok(Some(first.clone())),
    }
}

/// The choice, and whether the options go with it.
fn check(
    sets: &[&mut Set],
    options: &Options,
    metric: Option<SampleMetric>,
) -> Result<FeaturesConfig, Failure> {
    let bound_to = metric.and_then(|metric| metric.bound_to());
    let bound_to = bound_to.filter(|_| sets.iter().any(|set| set.is_images()));
    let in_pixels = metric.is_some_and(|metric| metric.needs().contains(&Need::Pixels));
    let of_data = |set: &&mut Set| matches!(set.content, Content::Images { data: Some(_), .. });
    let with_weights = || -> Vec<FeaturesConfig> {
        let takes = |features: &mut FeaturesConfig| features.edit().weights().is_some();
        FeaturesConfig::all().into_iter().filter_map(|mut one| takes(&mut one).then_some(one)).collect()
    };
    let usual = || match bound_to.and_then(FeaturesConfig::named) {
        Some(bound) => bound,
        None if in_pixels => FeaturesConfig::pixels(),
        None if options.weights.is_some() => with_weights().into_iter().next().unwrap_or_default(),
        None if sets.iter().any(of_data) => FeaturesConfig::default(),
        None => FeaturesConfig::pixels(),
    };
    let asked = options.features.and_then(FeaturesArg::features);
    let is_default = asked.is_none() && !in_pixels && sets.iter().any(|set| set.is_images());
    let mut choice = asked.unwrap_or_else(usual);
    let name = choice.name();
    if is_default && name == FeaturesConfig::pixels().name() {
        tracing::warn!(
            "without --features, raw pixels are compared, as in no published number; --features {} takes a network's \
             features",
            alternatives(&with_weights())
        );
    }
    if let Some((bound, metric)) = bound_to.zip(metric).filter(|(bound, _)| *bound != name) {
        let metric = metric.name();
        return Err(Failure::mistake(format!(
            "--features {name}: {metric} needs --features {bound}, or files with `probabilities` or `logits`"
        )));
    }
    match (choice.edit().weights(), &options.weights) {
        (None, Some(weights)) => {
            let problem = format!("they go with --features {} only", alternatives(&with_weights()));
            Err(Failure::mistake(format!("--weights {}: {problem}", weights.display())))
        }
        (Some(chosen), given) => {
            let weights = given.clone().map_or_else(|| default_weights(name), Ok);
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
    let context = ExtractorContext { classifier, data: data.as_ref(), cache: cache.as_deref(), own: None };
    let extractor = engine.extractor(features, &context).map_err(|error| match error {
        EngineError::Metric(error) => Failure::mistake(error),
        other => Failure::Other(other.into()),
    })?;
    if let Some(data) = &data {
        warn_of(&*extractor, &data.eval)?;
    }
    Ok(extractor)
}

/// Warns of a classifier that is wrong too often on images that it was not trained on.
fn warn_of(classifier: &dyn FeatureExtractor, held_out: &ImageDataset) -> Result<(), Failure> {
    let seen = classifier.describe(held_out).map_err(Failure::mistake)?.class_probabilities;
    let labels = held_out.labels();
    let judge = seen.map(|seen| Judge::of([(&seen, &labels[..])]));
    if let Some(warning) = judge.and_then(|judge| judge.warning()) {
        tracing::warn!("{warning}");
    }
    Ok(())
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
