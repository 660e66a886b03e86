//! Improved precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991, equations 1 and 2): the share of samples
//! inside the balls around real images, and of real images inside the balls around samples. A ball reaches to the k-th
//! nearest neighbour of its centre in the same set; its border belongs to it.

use cldiff_choices::Describe;

use super::{
    Comparison, Metric, Need, Parameter, Sets, Takes, Values,
    comparison::Numbers,
    neighbours::{check_widths, squared_radii},
    pairs::fold_squared_distances,
};
use crate::{MetricError, features::FeatureMatrix, summary::Direction};

const NAME: &str = "precision-recall";
const CITATION: &str = "Kynkäänniemi et al. 2019, arXiv 1904.06991";

/// The neighbours that the paper takes.
pub const NEIGHBOURS: usize = 3;

/// Precision as a metric of samples.
#[derive(Debug, Clone, Copy)]
pub struct Precision;

/// Recall as a metric of samples, which is found together with precision.
#[derive(Debug, Clone, Copy)]
pub struct Recall;

impl Describe for Precision {
    const NAME: &'static str = "precision";
    const SUMMARY: &'static str = "Samples among the 3 nearest neighbours of real images";
    const CITATION: &'static str = CITATION;
}

impl Describe for Recall {
    const NAME: &'static str = "recall";
    const SUMMARY: &'static str = "Real images among the 3 nearest neighbours of samples";
    const CITATION: &'static str = CITATION;
}

impl Metric for Precision {
    fn direction(&self) -> Direction {
        Direction::HigherIsBetter
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Features]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let (real, generated) = sets.features();
        Ok(both(real, generated, NEIGHBOURS)?.into_iter().map(|(name, value)| (name, value.into())).collect())
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

impl Metric for Recall {
    fn direction(&self) -> Direction {
        Direction::HigherIsBetter
    }

    fn needs(&self) -> &'static [Need] {
        Precision.needs()
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        Precision.measure(sets)
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Precision.comparison()
    }
}

static COMPARISON: Comparison = Comparison {
    name: "precision_recall",
    aliases: &[],
    summary: "Improved precision and recall: A real, B generated",
    takes: Takes::Pair,
    parameters: &[K],
    compare: |sets, given| {
        let (a, b) = sets.features()?;
        both(a, b, given.count(&K))
    },
};

const K: Parameter = Parameter {
    name: "k",
    placeholder: "K",
    meaning: "The nearest neighbour that a ball reaches to",
    default: Some(NEIGHBOURS as u64),
};

fn both(real: &FeatureMatrix, generated: &FeatureMatrix, k: usize) -> Result<Numbers, MetricError> {
    let found = precision_recall(real, generated, k)?;
    Ok(vec![(Precision::NAME, found.precision), (Recall::NAME, found.recall)])
}

/// Both shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrecisionRecall {
    /// Samples that look like real images.
    pub precision: f64,
    /// Real images that samples look like.
    pub recall: f64,
}

/// Precision and recall with balls that reach to the `k`-th neighbour.
///
/// # Errors
/// [`MetricError::Width`]; [`MetricError::TooFew`] with fewer than k + 1 rows; [`MetricError::Config`] for k = 0.
pub fn precision_recall(
    real: &FeatureMatrix,
    generated: &FeatureMatrix,
    k: usize,
) -> Result<PrecisionRecall, MetricError> {
    check_widths(real, generated)?;
    let radii = [squared_radii(NAME, real, k)?, squared_radii(NAME, generated, k)?];
    Ok(PrecisionRecall {
        precision: share_inside(generated, real, &radii[0]),
        recall: share_inside(real, generated, &radii[1]),
    })
}

/// The share of `points` inside at least one of the balls.
fn share_inside(points: &FeatureMatrix, centres: &FeatureMatrix, squared_radii: &[f64]) -> f64 {
    let inside =
        fold_squared_distances(points, centres, || false, |inside, _, j, d| *inside |= d <= squared_radii[j]);
    inside.iter().filter(|inside| **inside).count() as f64 / points.rows() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn identical_sets_have_all_of_both_and_disjoint_sets_nothing() {
        let a = gaussian_rows(100, 3, 1.0, 0.0, 1);
        let both = precision_recall(&a, &a, 3).unwrap();
        assert_eq!((both.precision, both.recall), (1.0, 1.0));
        let neither = precision_recall(&a, &gaussian_rows(100, 3, 1.0, 100.0, 2), 3).unwrap();
        assert_eq!((neither.precision, neither.recall), (0.0, 0.0));
    }

    #[test]
    fn a_lost_mode_costs_recall_and_stray_samples_cost_precision() {
        let (left, right) = (gaussian_rows(200, 3, 1.0, 0.0, 1), gaussian_rows(200, 3, 1.0, 50.0, 2));
        let both = FeatureMatrix::concat(&[&left, &right]).unwrap();
        let again = gaussian_rows(200, 3, 1.0, 0.0, 3);
        let lost = precision_recall(&both, &again, 3).unwrap();
        assert!(lost.precision > 0.85 && (0.4..=0.5).contains(&lost.recall), "{lost:?}");
        let stray = precision_recall(&again, &both, 3).unwrap();
        assert!(stray.recall > 0.85 && (0.4..=0.5).contains(&stray.precision), "{stray:?}");
    }

    #[test]
    fn by_hand_in_one_dimension() {
        // k = 1. Radii of the real 0, 1, 5: 1, 1, 4; of the samples 2, 2.5, 20: 0.5, 0.5, 17.5.
        let real = FeatureMatrix::new(1, vec![0.0, 1.0, 5.0]).unwrap();
        let samples = FeatureMatrix::new(1, vec![2.0, 2.5, 20.0]).unwrap();
        let found = precision_recall(&real, &samples, 1).unwrap();
        // 2 lies on the border of the ball around 1; 5 is 15 from 20.
        assert_eq!(found, PrecisionRecall { precision: 2.0 / 3.0, recall: 1.0 / 3.0 });
    }
}
