//! An `.npz` as a set: statistics as pytorch-fid writes them (`mu` and `sigma`, which do not say of how many images),
//! images as guided-diffusion writes samples (`arr_0`) and others do (`images`, `x`), or features.

use std::path::Path;

use cl_metrics::{features::FeatureMatrix, sample::moments::Gaussian};
use data_streams::{
    arrays::{self, Array, IMAGES, Npz, Number},
    listed,
};

use super::{
    files::{channels_first, image_set},
    set::{Content, Set},
};
use crate::failure::Failure;

/// The largest array of statistics or features that is read: a covariance of 8192 features in f64.
const MOST_BYTES: usize = 8192 * 8192 * 8;
/// More bytes of images than this are refused.
const MOST_PIXELS: usize = 1 << 33;
/// Bytes of labels.
const MOST_LABELS: usize = 1 << 28;

/// Reads a set; what it is depends on the arrays that are there.
pub(super) fn read(path: &Path) -> Result<Set, Failure> {
    let refuse = |problem: String| Failure::mistake(format!("{}: {problem}", path.display()));
    let mut archive = Npz::open(path).map_err(Failure::mistake)?;
    let there = archive.names();
    let has = |name: &str| there.iter().any(|there| there == name);
    let (content, labels) = if has("mu") || has("sigma") {
        (Content::Statistics(statistics(&mut archive).map_err(refuse)?), None)
    } else if let Some(name) = IMAGES.into_iter().find(|name| has(name)) {
        let images = archive.array(name, MOST_PIXELS).map_err(refuse)?;
        let labels = ["labels", "arr_1", "y"].into_iter().find(|name| has(name));
        let labels = labels.map(|name| classes(&mut archive, name)).transpose().map_err(refuse)?;
        let dimensions = images.dimensions.clone();
        let pixels = arrays::pixels(images, None).map_err(|problem| refuse(bytes_only(problem, name)))?;
        let told = |problem| refuse(format!("`{name}` {problem}"));
        let (shape, pixels) = channels_first(&dimensions, &pixels).map_err(told)?;
        if let Some(labels) = labels.as_ref().filter(|labels| labels.len() != dimensions[0]) {
            return Err(refuse(format!("{} labels for {} images", labels.len(), dimensions[0])));
        }
        let images = image_set(path, shape, pixels, labels.as_deref())?;
        (Content::Images { images, data: None }, labels)
    } else if has("features") {
        let features = features(&mut archive).map_err(refuse)?;
        (Content::Features { features, probabilities: None, extracted: false }, None)
    } else {
        let mut names: Vec<&str> = there.iter().map(String::as_str).collect();
        names.sort_unstable();
        return Err(refuse(format!(
            "there are no arrays `mu` and `sigma`, `images` (or {}) or `features`; there is {}",
            IMAGES[1..].join(", "),
            listed(names)
        )));
    };
    let shape = match &content {
        Content::Images { images, .. } => Some(images.shape()),
        _ => None,
    };
    Ok(Set { name: path.display().to_string(), content, labels, features: None, shape })
}

/// A configuration can say what floats mean, a command cannot.
fn bytes_only(problem: String, name: &str) -> String {
    match problem.split_once(": set `values`") {
        Some((kind, _)) => {
            format!("{kind}: expected integers, 0 to 255; save np.uint8 of `{name}` in that range")
        }
        None => problem,
    }
}

fn statistics(archive: &mut Npz) -> Result<Gaussian, String> {
    let (mu, sigma) = (archive.array("mu", MOST_BYTES)?, archive.symmetric("sigma", MOST_BYTES)?);
    let (mean, covariance) = (floats(&mu)?, floats(&sigma)?);
    if sigma.dimensions != [mean.len(); 2] {
        return Err(format!(
            "`mu` has {} numbers and `sigma` is {:?}, expected d and d x d",
            mean.len(),
            sigma.dimensions
        ));
    }
    Gaussian::from_statistics(None, mean, &covariance).map_err(|error| error.to_string())
}

fn features(archive: &mut Npz) -> Result<FeatureMatrix, String> {
    let array = archive.array("features", MOST_BYTES)?;
    match *array.dimensions {
        [_, width] if width > 0 => {
            let values = floats(&array)?.into_iter().map(|value| value as f32).collect();
            FeatureMatrix::new(width, values).map_err(|error| format!("`features`: {error}"))
        }
        ref other => Err(format!("`features` is {other:?}, expected N x d with d above 0")),
    }
}

/// Half precision has three digits, of which a distance leaves none.
fn floats(array: &Array) -> Result<Vec<f64>, String> {
    match array.number {
        Number::F32 | Number::F64 => Ok(array.values().collect()),
        number => Err(format!("`{}` is {}: expected float32 or float64", array.name, number.name())),
    }
}

fn classes(archive: &mut Npz, name: &str) -> Result<Vec<usize>, String> {
    let labels = arrays::labels(&archive.array(name, MOST_LABELS)?)?.values;
    let class = |(i, label): (usize, &i128)| {
        usize::try_from(*label).map_err(|_| format!("label {label} of image {i}: expected 0 or more"))
    };
    labels.iter().enumerate().map(class).collect()
}
