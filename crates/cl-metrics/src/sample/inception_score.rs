//! Inception score (Salimans et al. 2016, arXiv 1606.03498, section 4): exp of the mean divergence of a sample's class
//! probabilities from those of all samples. It knows nothing of the real images.
//!
//! The class probabilities are those of Inception-v3, by the definition: the number of another classifier, as of the judge
//! that tells the stream's classes apart, is on another scale (at most the number of its classes) and is not called by
//! this name. A benchmark therefore refuses the metric with other features.

use cldiff_choices::Describe;
use keyed_random::{Key, Purpose};
use rand::seq::SliceRandom;

use super::{Comparison, Metric, Need, Parameter, SEED, Sets, Takes, Values};
use crate::{MetricError, features::FeatureMatrix, summary::Direction};

/// The features whose network gives the probabilities.
const FEATURES: &str = "inception";
const SPLITS: Purpose = Purpose::named("inception score");

/// Inception score as a metric of samples, in one split. It says little about forgetting, and is not among the defaults.
#[derive(Debug, Clone, Copy)]
pub struct InceptionScore;

impl Describe for InceptionScore {
    const NAME: &'static str = "inception_score";
    const SUMMARY: &'static str =
        "Inception score, in one split; with Inception's features only; not among the defaults";
    const CITATION: &'static str = "Salimans et al. 2016, arXiv 1606.03498";
}

impl Metric for InceptionScore {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::HigherIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::OwnProbabilities]
    }

    fn bound_to(&self) -> Option<&'static str> {
        Some(FEATURES)
    }

    fn is_default(&self) -> bool {
        false
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        Ok(vec![(Self::NAME, inception_score(sets.own_probabilities()?, 1, SEED)?.score.into())])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: InceptionScore::NAME,
    aliases: &[],
    summary: "Inception score of A alone, or of B where both are given",
    takes: Takes::One,
    parameters: &[SPLITS_GIVEN, SEED_GIVEN],
    compare: |sets, given| {
        let (splits, seed) = (given.count(&SPLITS_GIVEN), given.number(&SEED_GIVEN));
        let probabilities = sets.b.class_probabilities()?;
        let found = inception_score(&probabilities, splits, seed)?;
        Ok(vec![(InceptionScore::NAME, found.score), ("inception_score_std", found.deviation)])
    },
};

const SPLITS_GIVEN: Parameter = Parameter {
    name: "splits",
    placeholder: "N",
    meaning: "Parts of the samples, whose mean and standard deviation are given",
    default: Some(10),
};

const SEED_GIVEN: Parameter =
    Parameter::seed("The seed of the order in which samples are dealt to the parts");

/// The score's mean and (population) standard deviation over splits of the samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreOfSplits {
    /// The mean over splits.
    pub score: f64,
    /// The standard deviation over splits.
    pub deviation: f64,
}

/// The score over `splits` parts of the samples in an order drawn from `seed`: directories and data sets are often
/// sorted by class, which parts in the given order would show.
///
/// # Errors
/// As [`inception_score_in_order`].
pub fn inception_score(
    probabilities: &FeatureMatrix,
    splits: usize,
    seed: u64,
) -> Result<ScoreOfSplits, MetricError> {
    let mut order: Vec<usize> = (0..probabilities.rows()).collect();
    order.shuffle(&mut Key::new(seed, SPLITS).rng(0));
    score_of(probabilities, &order, splits)
}

/// The score over `splits` consecutive parts of the samples.
///
/// # Errors
/// [`MetricError::Config`] for no splits, [`MetricError::TooFew`] with fewer samples than splits.
pub fn inception_score_in_order(
    probabilities: &FeatureMatrix,
    splits: usize,
) -> Result<ScoreOfSplits, MetricError> {
    score_of(probabilities, &(0..probabilities.rows()).collect::<Vec<_>>(), splits)
}

fn score_of(p: &FeatureMatrix, order: &[usize], splits: usize) -> Result<ScoreOfSplits, MetricError> {
    if splits == 0 {
        return Err(MetricError::config("splits", 0, "expected at least 1"));
    }
    if order.len() < splits {
        return Err(MetricError::TooFew { metric: "inception-score", needed: splits, found: order.len() });
    }
    let n = order.len();
    let scores: Vec<f64> =
        (0..splits).map(|i| score_of_part(p, &order[i * n / splits..(i + 1) * n / splits])).collect();
    let mean = scores.iter().sum::<f64>() / splits as f64;
    let variance = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / splits as f64;
    Ok(ScoreOfSplits { score: mean, deviation: variance.sqrt() })
}

fn score_of_part(p: &FeatureMatrix, rows: &[usize]) -> f64 {
    let mut marginal = vec![0.0; p.width()];
    for &i in rows {
        for (sum, &p) in marginal.iter_mut().zip(p.row(i)) {
            *sum += f64::from(p) / rows.len() as f64;
        }
    }
    let divergence = |i: usize| -> f64 {
        let terms = p.row(i).iter().zip(&marginal).map(|(&p, q)| (f64::from(p), q));
        terms.filter(|(p, _)| *p > 0.0).map(|(p, q)| p * (p / q).ln()).sum()
    };
    (rows.iter().map(|&i| divergence(i)).sum::<f64>() / rows.len() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_hot(classes: &[usize], width: usize) -> FeatureMatrix {
        let rows = classes.iter().flat_map(|&c| (0..width).map(move |i| f32::from(u8::from(i == c))));
        FeatureMatrix::new(width, rows.collect()).unwrap()
    }

    #[test]
    fn it_counts_classes_that_are_seen_surely_and_evenly() {
        let even = one_hot(&(0..40).map(|i| i % 4).collect::<Vec<_>>(), 10);
        let found = inception_score_in_order(&even, 2).unwrap();
        assert!((found.score - 4.0).abs() < 1e-6 && found.deviation < 1e-6);
        let flat = FeatureMatrix::new(5, vec![0.2; 50]).unwrap();
        assert!((inception_score(&flat, 1, 0).unwrap().score - 1.0).abs() < 1e-6);
    }

    #[test]
    fn an_order_by_class_does_not_lower_it() {
        let sorted = one_hot(&(0..400).map(|i| i / 100).collect::<Vec<_>>(), 4);
        assert!((inception_score_in_order(&sorted, 4).unwrap().score - 1.0).abs() < 1e-6);
        assert!(inception_score(&sorted, 4, 0).unwrap().score > 3.9);
    }

    #[test]
    fn more_splits_than_samples_are_refused() {
        let two = one_hot(&[0, 1], 2);
        assert!(matches!(inception_score(&two, 3, 0), Err(MetricError::TooFew { needed: 3, found: 2, .. })));
        assert!(inception_score(&two, 0, 0).is_err());
    }
}
