//! The classifier is right often enough to be a judge, on real images with the shipped configurations. Skipped, and said
//! so, where the images are not beside the checkout.

use std::{path::Path, time::Instant};

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cl_metrics::features::{
    Judge,
    classifier::{ClassifierCache, ClassifierConfig},
};
use data_streams::{DataConfig, DatasetPair, Places};
use serde::de::DeserializeOwned;

/// The images of a shipped configuration and the options of its classifier; none without the files.
fn shipped(name: &str) -> Option<(DatasetPair, ClassifierConfig)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = root.join("../shared/datasets").join(name);
    if !files.is_dir() {
        eprintln!("skipped: no {name} beside the checkout");
        return None;
    }
    let text = std::fs::read_to_string(root.join(format!("configs/{name}/replay.toml"))).unwrap();
    let config: toml::Table = text.parse().unwrap();
    let places = Places { data_dir: Some(files.clone()), cache: files };
    let data = parsed::<DataConfig>(&config["data"]).build(&places).unwrap();
    let classifier = config["evaluation"].get("classifier").map_or_else(ClassifierConfig::default, parsed);
    Some((data, classifier))
}

fn parsed<T: DeserializeOwned>(value: &toml::Value) -> T {
    value.clone().try_into().unwrap()
}

fn judge(data: &DatasetPair, config: &ClassifierConfig) -> (Judge, String) {
    let cache = ClassifierCache::default();
    let extractor = cache.extractor::<Autodiff<Flex>>(config, &data.train, &Default::default()).unwrap();
    let described = extractor.describe(&data.eval).unwrap();
    (Judge::of([(&described.class_probabilities.unwrap(), &data.eval.labels()[..])]), extractor.name())
}

fn is_right(name: &str, least: f64) {
    let Some((data, config)) = shipped(name) else { return };
    let start = Instant::now();
    let (judge, features) = judge(&data, &config);
    eprintln!("{name}: {features}: {judge}, {:.1} s", start.elapsed().as_secs_f64());
    assert_eq!(judge.n, data.eval.len());
    assert!(judge.accuracy >= least, "{name}: {judge}, expected at least {least}");
}

#[test]
fn digits_are_told_apart() {
    is_right("digits", 0.97);
}

#[test]
fn mnist_is_told_apart() {
    is_right("mnist", 0.99);
}

#[test]
fn fashion_mnist_is_told_apart() {
    is_right("fashion-mnist", 0.91);
}
