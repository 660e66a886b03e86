//! Authenticity (Alaa et al. 2022, arXiv 2102.08921, section 3.3): the share of samples that are further from their nearest
//! training image than that image is from its own nearest other training image.
//!
//! Of the paper's definition, in pixels. The authors' code (`evaluating-generative-models`) takes positions among samples for
//! positions among real images, and gives another number. A perfect model is not at 1: an image of the same
//! distribution is nearer than the nearest other one in about half of cases, and `cldiff metric authenticity` prints the
//! value of held-out images beside that of the samples. Noise is at 1: the number describes, and ranks nothing. Depends on
//! the number of training images; the standard error is that of a share of independent samples.

use std::collections::BTreeMap;

use cldiff_choices::Describe;

use super::{
    Comparison, Estimate, Metric, Need, Sets, Takes, Values, copies::nearest,
    groups::standard_error_of_share, neighbours::check_widths,
};
use crate::{MetricError, features::FeatureMatrix, summary::Direction};

/// Authenticity as a metric of samples, in their pixels.
#[derive(Debug, Clone, Copy)]
pub struct Authenticity;

impl Describe for Authenticity {
    const NAME: &'static str = "authenticity";
    const SUMMARY: &'static str = "Share of samples further from the nearest training image than that one is from its \
        nearest other; about 0.5 for images that copy nothing";
    const CITATION: &'static str = "Alaa et al. 2022, arXiv 2102.08921";
}

impl Metric for Authenticity {
    fn direction(&self) -> Option<Direction> {
        None
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Pixels, Need::TrainingImages]
    }

    fn is_default(&self) -> bool {
        false
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let ((_, generated), training) = (sets.pixels()?, sets.training()?);
        let share = authenticity(training.pixels, generated)?;
        let error = standard_error_of_share(share, generated.rows());
        Ok(vec![(Self::NAME, Estimate::with(share, error))])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: Authenticity::NAME,
    aliases: &[],
    summary: "Share of samples (B) that are no copies of training images (A), and of held-out images; of images in pixels",
    takes: Takes::PairAndHeldOut,
    parameters: &[],
    compare: |sets, _| {
        let (training, generated) = sets.features()?;
        let share = authenticity(training, generated)?;
        let error = standard_error_of_share(share, generated.rows());
        let error = error.map(|error| ("authenticity_standard_error", error));
        let held_out = authenticity(training, sets.held_out()?.features()?)?;
        let values = [(Authenticity::NAME, share), ("authenticity_held_out", held_out)];
        Ok(values.into_iter().chain(error).collect())
    },
};

/// The share of `generated` images that are no copies of `training` images.
///
/// # Errors
/// [`MetricError::Width`]; [`MetricError::TooFew`] below two training images or one sample.
pub fn authenticity(training: &FeatureMatrix, generated: &FeatureMatrix) -> Result<f64, MetricError> {
    check_widths(training, generated)?;
    for (found, needed) in [(training.rows(), 2), (generated.rows(), 1)] {
        if found < needed {
            return Err(MetricError::TooFew { metric: Authenticity::NAME, needed, found });
        }
    }
    let nearest_training: Vec<(f64, usize)> =
        nearest(generated, training, 1).into_iter().map(|nearest| nearest[0]).collect();
    let spacings = spacings(training, nearest_training.iter().map(|(_, i)| *i));
    let authentic = nearest_training.iter().filter(|(distance, i)| *distance > spacings[i]).count();
    Ok(authentic as f64 / generated.rows() as f64)
}

/// The distance of some training images to their nearest other one.
fn spacings(training: &FeatureMatrix, of: impl Iterator<Item = usize>) -> BTreeMap<usize, f64> {
    let mut wanted: Vec<usize> = of.collect();
    wanted.sort_unstable();
    wanted.dedup();
    let found = nearest(&training.select(&wanted), training, 2);
    wanted
        .into_iter()
        .zip(found)
        .map(|(i, nearest)| {
            // The image itself is among its two nearest, unless two others are copies of it.
            let other = nearest.iter().find(|(_, j)| *j != i).map_or(0.0, |(distance, _)| *distance);
            (i, other)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn by_hand_in_one_dimension() {
        // Nearest others of 0, 1, 5: at 1, 1, 4. Samples: 0.5 from 0 or 1 (no), 2.5 is 1.5 from 1 (yes), 8 is 3 from 5 (no).
        let training = FeatureMatrix::new(1, vec![0.0, 1.0, 5.0]).unwrap();
        let samples = FeatureMatrix::new(1, vec![0.5, 2.5, 8.0]).unwrap();
        assert_eq!(authenticity(&training, &samples).unwrap(), 1.0 / 3.0);
        // A sample of an image that is in the training set twice is authentic unless it is a copy of it.
        let twice = FeatureMatrix::new(1, vec![0.0, 0.0, 0.0, 5.0]).unwrap();
        let samples = FeatureMatrix::new(1, vec![0.1, 0.0]).unwrap();
        assert_eq!(authenticity(&twice, &samples).unwrap(), 0.5);
    }

    #[test]
    fn copies_have_none_and_the_same_distribution_about_half() {
        let training = gaussian_rows(300, 6, 1.0, 0.0, 1);
        assert_eq!(authenticity(&training, &training).unwrap(), 0.0);
        let fresh = authenticity(&training, &gaussian_rows(300, 6, 1.0, 0.0, 2)).unwrap();
        assert!((0.35..0.75).contains(&fresh), "{fresh}");
        assert!(matches!(
            authenticity(&training.select(&[0]), &training),
            Err(MetricError::TooFew { needed: 2, .. })
        ));
    }
}
