//! `cldiff metric stats`: mean and covariance of a set, so that a data set is described once.

use std::{collections::HashMap, fs};

use anyhow::Context;
use cl_metrics::sample::moments::Gaussian;
use data_streams::ImageShape;
use safetensors::{Dtype, tensor::TensorView};

use super::{
    UNNAMED,
    args::StatsArgs,
    features,
    files::{FEATURES_NOTE, SHAPE_NOTE},
    set::Set,
};
use crate::{failure::Failure, files::output::check_file, ui::width::say};

/// Writes `mu` (d), `sigma` (d x d), both f64, and `n` (1, i64); the name of the features and the shape
/// of the images stand in the file's header.
pub(super) fn save(asked: &StatsArgs) -> Result<(), Failure> {
    let StatsArgs { a, features, options, out } = asked;
    let data_dir = options.data_dir.as_deref();
    if out.extension().is_none_or(|extension| extension != "safetensors") {
        return Err(Failure::mistake(format!("--out {}: give FILE.safetensors", out.display())));
    }
    check_file(out)?;
    let mut set = Set::read(a, data_dir, options.skip_broken)?;
    let features = features::extract(&mut [&mut set], features, data_dir, None)?.name;
    let gaussian = set.gaussian().map_err(Failure::mistake)?;
    let bytes = encoded(&gaussian, features.as_deref(), set.shape)?;
    fs::write(out, bytes).with_context(|| format!("cannot write {}", out.display()))?;
    let (count, d) = (gaussian.count(), gaussian.width());
    let features = features.as_deref().unwrap_or(UNNAMED);
    if options.json {
        println!("{}", serde_json::json!({"out": out, "n": count, "d": d, "features": features}));
    } else {
        let count = count.map_or("an unknown number of".to_owned(), |n| n.to_string());
        say(&format!("statistics of {count} images, {d} features ({features}): {}", out.display()));
    }
    Ok(())
}

/// The file of some statistics, in the form of [`files`](super::files).
fn encoded(
    gaussian: &Gaussian,
    features: Option<&str>,
    shape: Option<ImageShape>,
) -> Result<Vec<u8>, anyhow::Error> {
    let (d, covariance) = (gaussian.width(), gaussian.covariance());
    let mu: Vec<u8> = gaussian.mean().iter().flat_map(|x| x.to_le_bytes()).collect();
    let sigma: Vec<u8> =
        (0..d).flat_map(|i| (0..d).flat_map(move |j| covariance[(i, j)].to_le_bytes())).collect();
    let n = gaussian.count().map(|n| (n as i64).to_le_bytes());
    let mut tensors = vec![
        ("mu", TensorView::new(Dtype::F64, vec![d], &mu)?),
        ("sigma", TensorView::new(Dtype::F64, vec![d, d], &sigma)?),
    ];
    if let Some(n) = &n {
        tensors.push(("n", TensorView::new(Dtype::I64, vec![1], n)?));
    }
    let noted =
        [(FEATURES_NOTE, features.map(str::to_owned)), (SHAPE_NOTE, shape.map(|shape| shape.to_string()))];
    let notes: HashMap<String, String> =
        noted.into_iter().filter_map(|(key, note)| Some((key.to_owned(), note?))).collect();
    Ok(safetensors::serialize(tensors, Some(notes))?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Any finite moments, of any number of images, in features of any name: `cldiff metric` reads what is written.
        #[test]
        fn statistics_are_read_back(
            mean in prop::collection::vec(any::<f64>(), 1..4),
            numbers in prop::collection::vec(any::<f64>(), 9),
            count in prop::option::of(2_usize..=i64::MAX as usize),
            name in prop::option::of("\\PC{1,20}"),
            shape in prop::option::of((1_usize..4, 1_usize..2000, 1_usize..2000)),
        ) {
            let d = mean.len();
            let at = |i: usize, j: usize| if i == j { numbers[4 * i].abs() } else { numbers[i + j] };
            let covariance: Vec<f64> = (0..d * d).map(|k| at(k / d, k % d)).collect();
            let gaussian = Gaussian::from_statistics(count, mean, &covariance).unwrap();
            let shape = shape.map(|(channels, height, width)| ImageShape { channels, height, width });
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("statistics.safetensors");
            fs::write(&path, encoded(&gaussian, name.as_deref(), shape).unwrap()).unwrap();
            let set = Set::read(&path.to_string_lossy(), None, 0).unwrap();
            prop_assert_eq!((&set.features, set.shape), (&name, shape));
            let read = set.gaussian().unwrap();
            prop_assert_eq!((read.count(), read.mean()), (count, gaussian.mean()));
            prop_assert_eq!(read.covariance(), gaussian.covariance());
        }
    }
}
