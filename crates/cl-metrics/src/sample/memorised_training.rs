//! Memorised training images: the share of samples that stand out as copies of an image that the model was trained on.
//! For every strategy, with or without a buffer.
//!
//! The relative distance of a sample is its distance to the nearest training image over the mean distance to its 50
//! nearest (Carlini et al. 2023, arXiv 2301.13188, section 5.1; the authors' alpha is a factor of the threshold). A
//! sample is a copy where that is below a threshold that at most 1 % of held-out images are expected to be below
//! ([`Copies`]): 0.01 or less for a model that copies nothing, whatever N is.
//!
//! In pixels, so that a copy that is shifted or recoloured is not found; blurred copies are found while they are nearer to
//! their image than to its neighbours. A benchmark compares with a part of the training images: a copy of
//! another one is not found, and the share is too small by that part.

use cldiff_choices::Describe;

use super::{
    Comparison, Estimate, Metric, Need, Sets, Takes, Values,
    copies::{Copies, NEIGHBOURS, nearest, relative},
    neighbours::check_widths,
};
use crate::{MetricError, features::FeatureMatrix, summary::Direction};

/// Memorisation of training images as a metric of samples, in their pixels.
#[derive(Debug, Clone, Copy)]
pub struct MemorisedTraining;

impl Describe for MemorisedTraining {
    const NAME: &'static str = "memorised_training";
    const SUMMARY: &'static str = "Share of samples that are copies of training images: nearer to one, relative to the 50 \
        nearest, than 99 % of held-out images are";
    const CITATION: &'static str = "Carlini et al. 2023, arXiv 2301.13188";
}

impl Metric for MemorisedTraining {
    fn direction(&self) -> Option<Direction> {
        // Noise copies nothing, and is no better for it.
        None
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Pixels, Need::TrainingImages]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let ((_, generated), training) = (sets.pixels()?, sets.training()?);
        let found = memorised_training(training.pixels, generated, training.held_out)?;
        Ok(vec![(Self::NAME, Estimate::with(found.share, found.standard_error))])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: MemorisedTraining::NAME,
    aliases: &["memorized_training"],
    summary: "Share of samples (B) that are copies of training images (A); of images in their pixels",
    takes: Takes::PairAndHeldOut,
    parameters: &[],
    compare: |sets, _| {
        let (training, generated) = sets.features()?;
        let found = memorised_training(training, generated, sets.held_out()?.features()?)?;
        let error = found.standard_error.map(|error| ("memorised_training_standard_error", error));
        let values = [
            (MemorisedTraining::NAME, found.share),
            ("memorised_training_threshold", found.threshold),
            ("memorised_training_distance", found.median),
        ];
        Ok(values.into_iter().chain(error).collect())
    },
};

/// Compares `generated` with `training` images, `held_out` being real images that were never trained on.
///
/// # Errors
/// [`MetricError::Width`]; [`MetricError::TooFew`] below two training images, one sample or 99 held-out images;
/// [`MetricError::Numerics`] where 1 % or more of the held-out images are training images.
pub fn memorised_training(
    training: &FeatureMatrix,
    generated: &FeatureMatrix,
    held_out: &FeatureMatrix,
) -> Result<Copies, MetricError> {
    check_widths(training, generated)?;
    check_widths(training, held_out)?;
    if training.rows() < 2 {
        let (metric, found) = (MemorisedTraining::NAME, training.rows());
        return Err(MetricError::TooFew { metric, needed: 2, found });
    }
    let distances = |images| relative_distances(images, training);
    Copies::of(MemorisedTraining::NAME, distances(generated), distances(held_out))
}

/// The distance of each image to the nearest training image over the mean distance to its nearest ones.
pub fn relative_distances(images: &FeatureMatrix, training: &FeatureMatrix) -> Vec<f64> {
    let of = |nearest: Vec<(f64, usize)>| {
        let mean = nearest.iter().map(|(distance, _)| distance).sum::<f64>() / nearest.len() as f64;
        relative(nearest[0].0, mean)
    };
    nearest(images, training, NEIGHBOURS.min(training.rows())).into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::strokes;

    #[test]
    fn copies_are_found_and_fresh_blurred_and_noisy_images_are_none() {
        let (training, held_out, fresh) = (strokes(400, 1), strokes(300, 2), strokes(200, 3));
        let of = |generated: &FeatureMatrix| {
            memorised_training(&training.rows, generated, &held_out.rows).unwrap()
        };
        assert!(of(&fresh.rows).share <= 0.04, "{:?}", of(&fresh.rows));
        assert!(of(&fresh.half_blurred()).share <= 0.03, "{:?}", of(&fresh.half_blurred()));
        assert_eq!(of(&fresh.noise(4)).share, 0.0);
        assert_eq!(of(&training.rows).share, 1.0);
        assert!(of(&training.noisy(0.1, 5)).share > 0.9, "{:?}", of(&training.noisy(0.1, 5)));
        // Half of the samples are copies.
        let half =
            FeatureMatrix::concat(&[&training.rows.select(&(0..200).collect::<Vec<_>>()), &fresh.rows])
                .unwrap();
        assert!((of(&half).share - 0.5).abs() < 0.03);
    }

    #[test]
    fn without_enough_images_it_is_refused() {
        let (training, held_out) = (strokes(40, 1).rows, strokes(120, 2).rows);
        let one = training.select(&[0]);
        assert!(matches!(memorised_training(&one, &held_out, &held_out), Err(MetricError::TooFew { .. })));
        assert!(matches!(memorised_training(&training, &one, &training), Err(MetricError::TooFew { .. })));
        let same = memorised_training(&held_out, &one, &held_out);
        assert!(matches!(same, Err(MetricError::Numerics { .. })));
        let other = FeatureMatrix::new(2, vec![0.0; 8]).unwrap();
        assert!(matches!(memorised_training(&training, &other, &held_out), Err(MetricError::Width { .. })));
    }
}
