//! `cldiff metric stats`: mean and covariance of a set, so that a data set is described once.

use std::{collections::HashMap, fs, path::Path};

use anyhow::Context;
use safetensors::{Dtype, tensor::TensorView};

use super::{
    UNNAMED,
    args::Options,
    features,
    files::{FEATURES_NOTE, SHAPE_NOTE},
    set::Set,
};
use crate::{failure::Failure, files::output::check_file, ui::width::say};

/// Writes `mu` (d), `sigma` (d x d), both f64, and `n` (1, i64); the name of the features and the shape
/// of the images stand in the file's header.
pub(super) fn save(a: &str, options: &Options, out: &Path) -> Result<(), Failure> {
    if out.extension().is_none_or(|extension| extension != "safetensors") {
        return Err(Failure::mistake(format!("--out {}: give FILE.safetensors", out.display())));
    }
    check_file(out)?;
    let mut set = Set::read(a, options.data_dir.as_deref(), options.skip_broken)?;
    let features = features::extract(&mut [&mut set], options, None)?.name;
    let gaussian = set.gaussian().map_err(Failure::mistake)?;
    let d = gaussian.width();
    let covariance = gaussian.covariance();
    let mu: Vec<u8> = gaussian.mean().iter().flat_map(|x| x.to_le_bytes()).collect();
    let sigma: Vec<u8> =
        (0..d).flat_map(|i| (0..d).flat_map(move |j| covariance[(i, j)].to_le_bytes())).collect();
    let n = gaussian.count().map(|n| (n as i64).to_le_bytes());
    let view = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).map_err(anyhow::Error::from);
    let mut tensors =
        vec![("mu", view(Dtype::F64, vec![d], &mu)?), ("sigma", view(Dtype::F64, vec![d, d], &sigma)?)];
    if let Some(n) = &n {
        tensors.push(("n", view(Dtype::I64, vec![1], n)?));
    }
    let noted = [(FEATURES_NOTE, features.clone()), (SHAPE_NOTE, set.shape.map(|shape| shape.to_string()))];
    let notes: HashMap<String, String> =
        noted.into_iter().filter_map(|(key, note)| Some((key.to_owned(), note?))).collect();
    let bytes = safetensors::serialize(tensors, Some(notes)).map_err(anyhow::Error::from)?;
    fs::write(out, bytes).with_context(|| format!("cannot write {}", out.display()))?;
    let count = gaussian.count();
    let features = features.as_deref().unwrap_or(UNNAMED);
    if options.json {
        println!("{}", serde_json::json!({"out": out, "n": count, "d": d, "features": features}));
    } else {
        let count = count.map_or("an unknown number of".to_owned(), |n| n.to_string());
        say(&format!("statistics of {count} images, {d} features ({features}): {}", out.display()));
    }
    Ok(())
}
