//! `cldiff metric`: any metric of samples between two sets, for use alone and from any language.

pub mod args;
mod directory;
mod features;
mod files;
mod npz;
pub(crate) mod set;
mod stats;

use cl_metrics::{
    MetricError,
    features::FeatureMatrix,
    sample::{
        ard::ard, density_coverage::density_coverage, fid::frechet_distance, fid_infinity::fid_infinity,
        inception_score::inception_score, kid, kld::kld, memorisation::memorisation,
        precision_recall::precision_recall, sliced_wasserstein::sliced_wasserstein,
    },
};
use serde_json::{Map, Value, json};

use self::{
    args::{FeaturesArg, MetricCommand, Options, Pair},
    set::{Content, Set},
};
use crate::failure::Failure;

/// Images in a subset of KID, where there are so many.
const SUBSET_SIZE: usize = 1000;

/// Names and values of what was found.
type Found = Vec<(&'static str, f64)>;

/// Measures and prints.
///
/// # Errors
/// [`Failure::Mistake`] for sets that cannot be read or do not compare.
pub fn metric(command: &MetricCommand) -> Result<(), Failure> {
    match command {
        MetricCommand::Fid { pair } => with_gaussians(pair),
        MetricCommand::FidInfinity { pair, points, seed } => with_sets(pair, None, |a, b| {
            let found = fid_infinity(&a.gaussian()?, b.matrix()?, *points, *seed);
            Ok(vec![("fid_infinity", found.map_err(told)?)])
        }),
        MetricCommand::Kid { pair, subsets, subset_size, seed } => with_matrices(pair, None, |a, b| {
            let size = subset_size.unwrap_or_else(|| SUBSET_SIZE.min(a.rows()).min(b.rows()));
            let found = match subsets {
                0 => kid::kid_of_all(a, b)?,
                _ => kid::kid_of_subsets(a, b, *subsets, size, *seed)?,
            };
            Ok(vec![("kid", found.kid), ("kid_std", found.deviation)])
        }),
        MetricCommand::PrecisionRecall { pair, k } => with_matrices(pair, None, |a, b| {
            let found = precision_recall(a, b, *k)?;
            Ok(vec![("precision", found.precision), ("recall", found.recall)])
        }),
        MetricCommand::DensityCoverage { pair, k } => with_matrices(pair, None, |a, b| {
            let found = density_coverage(a, b, *k)?;
            Ok(vec![("density", found.density), ("coverage", found.coverage)])
        }),
        MetricCommand::InceptionScore { a, b, options, splits, seed } => {
            score(a, b.as_deref(), options, *splits, *seed)
        }
        MetricCommand::Swd { pair, projections, seed } => {
            with_matrices(pair, Some(FeaturesArg::Pixels), |a, b| {
                Ok(vec![("swd", sliced_wasserstein(a, b, *projections, *seed)?)])
            })
        }
        MetricCommand::Kld { pair } => with_classes(pair, "kld", kld),
        MetricCommand::Ard { pair } => with_classes(pair, "ard", ard),
        MetricCommand::Memorisation { pair, held_out } => copies(pair, held_out),
        MetricCommand::Stats { a, options, out } => stats::save(a, options, out),
    }
}

fn told(error: MetricError) -> Failure {
    Failure::mistake(error)
}

/// Reads both sets, finds their features, measures, prints.
fn with_sets(
    pair: &Pair,
    usual: Option<FeaturesArg>,
    measure: impl FnOnce(&Set, &Set) -> Result<Found, Failure>,
) -> Result<(), Failure> {
    let data_dir = pair.options.data_dir.as_deref();
    let (mut a, mut b) = (Set::read(&pair.a, data_dir)?, Set::read(&pair.b, data_dir)?);
    let features = features::extract(&mut [&mut a, &mut b], &pair.options, usual)?;
    let found = measure(&a, &b)?;
    tell(&found, &[("n_a", a.count()), ("n_b", b.count())], &features, pair.options.json)
}

fn with_matrices(
    pair: &Pair,
    usual: Option<FeaturesArg>,
    measure: impl FnOnce(&FeatureMatrix, &FeatureMatrix) -> Result<Found, MetricError>,
) -> Result<(), Failure> {
    with_sets(pair, usual, |a, b| measure(a.matrix()?, b.matrix()?).map_err(told))
}

fn with_gaussians(pair: &Pair) -> Result<(), Failure> {
    with_sets(pair, None, |a, b| {
        let (a, b) = (a.gaussian()?, b.gaussian()?);
        Ok(vec![("fid", frechet_distance(&a, &b).map_err(told)?)])
    })
}

/// The classes of A are its labels where it has some, those of B what a classifier sees in it.
fn with_classes(
    pair: &Pair,
    name: &'static str,
    distance: fn(&[usize], &[usize], usize) -> Result<f64, MetricError>,
) -> Result<(), Failure> {
    with_sets(pair, None, |a, b| {
        // Inception's classes are not those of any labels.
        let seen_only = pair.options.weights.is_some();
        let real = match &a.labels {
            Some(labels) if !seen_only => labels.clone(),
            _ => a.probabilities(false)?.argmax(),
        };
        let seen = match (&b.content, &b.labels) {
            (Content::Features { probabilities: None, .. }, Some(labels)) => labels.clone(),
            _ => b.probabilities(false)?.argmax(),
        };
        let classes = real.iter().chain(&seen).max().map_or(0, |largest| largest + 1);
        Ok(vec![(name, distance(&real, &seen, classes).map_err(told)?)])
    })
}

fn score(a: &str, b: Option<&str>, options: &Options, splits: usize, seed: u64) -> Result<(), Failure> {
    let data_dir = options.data_dir.as_deref();
    let first = Set::read(a, data_dir)?;
    let mut counts = vec![("n_a", first.count())];
    let mut scored = match b {
        None => first,
        Some(b) => Set::read(b, data_dir)?,
    };
    counts.push(("n_b", b.and_then(|_| scored.count())));
    let features = features::extract(&mut [&mut scored], options, None)?;
    let found = inception_score(&scored.probabilities(true)?, splits, seed).map_err(told)?;
    let found = [("inception_score", found.score), ("inception_score_std", found.deviation)];
    tell(&found, &counts, &features, options.json)
}

fn copies(pair: &Pair, held_out: &str) -> Result<(), Failure> {
    let data_dir = pair.options.data_dir.as_deref();
    let (mut a, mut b) = (Set::read(&pair.a, data_dir)?, Set::read(&pair.b, data_dir)?);
    let mut c = Set::read(held_out, data_dir)?;
    let usual = Some(FeaturesArg::Pixels);
    let features = features::extract(&mut [&mut a, &mut b, &mut c], &pair.options, usual)?;
    let found = memorisation(a.matrix()?, b.matrix()?, c.matrix()?).map_err(told)?;
    let counts = [("n_a", a.count()), ("n_b", b.count()), ("n_held_out", c.count())];
    tell(
        &[("memorisation", found.ratio), ("memorised_share", found.share)],
        &counts,
        &features,
        pair.options.json,
    )
}

/// Prints what was found, of how many images and in which features. JSON has no NaN, and neither has the text.
fn tell(
    found: &[(&str, f64)],
    counts: &[(&str, Option<usize>)],
    features: &str,
    as_json: bool,
) -> Result<(), Failure> {
    if let Some((name, value)) = found.iter().find(|(_, value)| !value.is_finite()) {
        return Err(Failure::mistake(format!(
            "{name} is {value}: the features are too large to be compared"
        )));
    }
    if as_json {
        let mut object: Map<String, Value> =
            found.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        object.extend(counts.iter().map(|(name, count)| ((*name).to_owned(), json!(count))));
        object.insert("features".into(), json!(features));
        println!("{}", Value::Object(object));
        return Ok(());
    }
    for (name, value) in found {
        println!("{name:<20} {value:.6}");
    }
    for (name, count) in counts {
        println!("{name:<20} {}", count.map_or("unknown".to_owned(), |count| count.to_string()));
    }
    println!("{:<20} {features}", "features");
    Ok(())
}
