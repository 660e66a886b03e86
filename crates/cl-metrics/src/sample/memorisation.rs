//! Buffer memorisation: the share of samples that are copies of an image that a strategy stored. A replay buffer that the
//! model has learned by heart shows here and in nothing else: its copies are good samples to every other metric.
//!
//! The relative distance of a sample is its distance to the nearest stored image over the mean distance of that image to
//! its 50 nearest held-out images, which no strategy ever saw: an image in a crowd has near neighbours without having
//! been copied. A sample is a copy where that is below a threshold that at most 1 % of held-out images are expected to
//! be below ([`Copies`]), so that a model that copies nothing has 0.01 or less on average, whatever N is. A held-out image
//! does not count among the neighbours that its own distance is compared with. After Carlini et al. 2023 (arXiv
//! 2301.13188, section 5.1), whose neighbours are those of the sample in the training set.
//!
//! In pixels: a copy that is shifted or recoloured is not found. Blurred images that were never stored are no copies,
//! noise is none either, and the share ranks nothing; both sets have to be of the same kinds of images, which
//! [`comparable`] selects.

use std::{collections::BTreeSet, ops::Range};

use cldiff_choices::Describe;
use data_streams::ImageDataset;

use super::{
    Comparison, Estimate, Metric, Need, Sets, Takes, Values,
    copies::{Copies, NEIGHBOURS, nearest, relative},
    neighbours::check_widths,
};
use crate::{MetricError, features::FeatureMatrix, summary::Direction};

/// Memorisation of a strategy's stored images as a metric of samples, in their pixels.
#[derive(Debug, Clone, Copy)]
pub struct Memorisation;

impl Describe for Memorisation {
    const NAME: &'static str = "memorisation";
    const SUMMARY: &'static str = "Share of samples that are copies of the strategy's stored images: nearer to one, relative \
        to its neighbours, than 99 % of held-out images are; null without a buffer";
    const CITATION: &'static str = "after Carlini et al. 2023, arXiv 2301.13188";
}

impl Metric for Memorisation {
    fn direction(&self) -> Option<Direction> {
        // Noise copies nothing, and is no better for it.
        None
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Pixels, Need::StoredImages]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let ((_, generated), stored) = (sets.pixels()?, sets.stored()?);
        let found = memorisation(stored.pixels, generated, stored.held_out)?;
        Ok(vec![(Self::NAME, Estimate::with(found.share, found.standard_error))])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: Memorisation::NAME,
    aliases: &["memorization"],
    summary: "Share of samples (B) that are copies of stored images (A), against held-out images; of images in their pixels",
    takes: Takes::PairAndHeldOut,
    parameters: &[],
    compare: |sets, _| {
        let (stored, generated) = sets.features()?;
        let found = memorisation(stored, generated, sets.held_out()?.features()?)?;
        let error = found.standard_error.map(|error| ("memorisation_standard_error", error));
        let values = [
            (Memorisation::NAME, found.share),
            ("memorisation_threshold", found.threshold),
            ("memorisation_distance", found.median),
        ];
        Ok(values.into_iter().chain(error).collect())
    },
};

/// Compares `generated` with `stored` images, `held_out` being real images that were never trained on.
///
/// # Errors
/// [`MetricError::Width`]; [`MetricError::TooFew`] without stored images or samples, or below 99 held-out images;
/// [`MetricError::Numerics`] where 1 % or more of the held-out images are themselves stored.
pub fn memorisation(
    stored: &FeatureMatrix,
    generated: &FeatureMatrix,
    held_out: &FeatureMatrix,
) -> Result<Copies, MetricError> {
    check_widths(stored, generated)?;
    check_widths(stored, held_out)?;
    if stored.rows() == 0 || held_out.rows() < 2 {
        return Err(MetricError::TooFew { metric: Memorisation::NAME, needed: 1, found: 0 });
    }
    let neighbourhoods = Neighbourhoods::new(stored, held_out);
    let distances = |images: &FeatureMatrix, of: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        let nearest = nearest(images, stored, 1).into_iter().map(|nearest| nearest[0]).enumerate();
        nearest.map(|(i, (distance, j))| relative(distance, of(i, j))).collect()
    };
    let samples = distances(generated, &|_, j| neighbourhoods.mean(j));
    let fresh = distances(held_out, &|i, j| neighbourhoods.mean_without(j, i));
    Copies::of(Memorisation::NAME, samples, fresh)
}

/// The nearest held-out images of each stored one, one more than are taken the mean of.
struct Neighbourhoods {
    nearest: Vec<Vec<(f64, usize)>>,
    k: usize,
}

impl Neighbourhoods {
    /// Of at least one held-out image besides another.
    fn new(stored: &FeatureMatrix, held_out: &FeatureMatrix) -> Self {
        let k = NEIGHBOURS.min(held_out.rows() - 1);
        Self { nearest: nearest(stored, held_out, k + 1), k }
    }

    /// The mean distance of a stored image to its nearest held-out images.
    fn mean(&self, stored: usize) -> f64 {
        self.mean_of(self.nearest[stored].iter())
    }

    /// As if a held-out image were not there.
    fn mean_without(&self, stored: usize, held_out: usize) -> f64 {
        self.mean_of(self.nearest[stored].iter().filter(|(_, j)| *j != held_out))
    }

    fn mean_of<'n>(&self, nearest: impl Iterator<Item = &'n (f64, usize)>) -> f64 {
        nearest.take(self.k).map(|(distance, _)| distance).sum::<f64>() / self.k as f64
    }
}

/// The request to a model, which tells the kinds of images that it may answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedFor {
    /// Images of some classes, of whichever tasks these occur in.
    Classes,
    /// Images of some tasks.
    Tasks,
}

/// The stored images that samples of the tasks `tasks` may repeat, and the held-out images that they are compared with;
/// none where nothing of the kind is stored. `held_out` has those of every task seen so far.
///
/// A class may occur in several tasks, and look otherwise in each (where domains change). A model that is asked for a
/// class answers with images of it from any task: so are the stored and the held-out images then. With the held-out images
/// of one task alone, samples of a task whose images are nearer to each other would look like copies.
pub fn comparable(
    stored: &ImageDataset,
    held_out: &[&ImageDataset],
    tasks: Range<usize>,
    asked_for: AskedFor,
) -> Option<(ImageDataset, ImageDataset)> {
    let own = held_out.get(tasks.clone())?;
    let (stored, held_out) = match asked_for {
        AskedFor::Tasks => {
            let positions: Vec<usize> =
                (0..stored.len()).filter(|&i| tasks.contains(&stored.task(i))).collect();
            (stored.select(&positions), own.iter().map(|&images| images.clone()).collect::<Vec<_>>())
        }
        AskedFor::Classes => {
            let classes: BTreeSet<usize> = own.iter().flat_map(|images| images.labels()).collect();
            let classes = Vec::from_iter(classes);
            (stored.of_classes(&classes), held_out.iter().map(|images| images.of_classes(&classes)).collect())
        }
    };
    let held_out = ImageDataset::concat(&held_out.iter().collect::<Vec<_>>()).ok()?;
    (!stored.is_empty()).then_some((stored, held_out))
}

#[cfg(test)]
mod tests {
    use data_streams::ImageShape;

    use super::*;
    use crate::{
        features::pixels,
        sample::test_data::{gaussian_rows, strokes},
    };

    /// Images of two classes in turn, whose pixels spread by `contrast` around grey.
    fn domain(contrast: f32, n: usize, task: usize, seed: u64) -> ImageDataset {
        let rows = gaussian_rows(n, 16, contrast, 128.0, seed);
        let pixels =
            (0..n).flat_map(|i| rows.row(i).iter().map(|x| x.round() as u8).collect::<Vec<_>>()).collect();
        let shape = ImageShape { channels: 1, height: 4, width: 4 };
        let names = vec!["a".into(), "b".into()];
        let labels = (0..n).map(|i| i % 2).collect();
        ImageDataset::new("domain", shape, names, pixels, labels).unwrap().with_task(task)
    }

    fn concat(parts: &[&ImageDataset]) -> ImageDataset {
        ImageDataset::concat(parts).unwrap()
    }

    fn share(stored: &ImageDataset, samples: &ImageDataset, held_out: &ImageDataset) -> f64 {
        let of = |images: &ImageDataset| pixels(images).unwrap();
        memorisation(&of(stored), &of(samples), &of(held_out)).unwrap().share
    }

    /// A stream of two domains: the same classes, at full and at a quarter of the contrast.
    #[test]
    fn where_domains_change_fresh_samples_are_no_copies_and_copies_are_found() {
        let stored = concat(&[&domain(32.0, 40, 0, 1), &domain(8.0, 40, 1, 2)]);
        let held_out = [domain(32.0, 300, 0, 3), domain(8.0, 300, 1, 4)];
        let held_out: Vec<&ImageDataset> = held_out.iter().collect();
        // Asked for a class, a model draws from both domains, whichever task is measured.
        let fresh = concat(&[&domain(32.0, 200, 0, 5), &domain(8.0, 200, 0, 6)]);
        for task in 0..2 {
            let (of_classes, real) =
                comparable(&stored, &held_out, task..task + 1, AskedFor::Classes).unwrap();
            assert_eq!((of_classes.len(), real.len()), (80, 600));
            assert!(share(&of_classes, &fresh, &real) <= 0.05);
            assert_eq!(share(&of_classes, &stored, &real), 1.0);
        }
        // Against the held-out images of task 0 alone they look half copied.
        assert!(share(&stored, &fresh, held_out[0]) > 0.3);

        // Asked for a task, it draws from that task's domain.
        for (task, contrast) in [(0, 32.0), (1, 8.0)] {
            let (of_task, real) = comparable(&stored, &held_out, task..task + 1, AskedFor::Tasks).unwrap();
            assert_eq!((of_task.len(), real.len()), (40, 300));
            assert!(share(&of_task, &domain(contrast, 200, 0, 7), &real) <= 0.06);
            assert_eq!(share(&of_task, &of_task, &real), 1.0);
        }
        let (all, real) = comparable(&stored, &held_out, 0..2, AskedFor::Tasks).unwrap();
        assert_eq!((all.len(), real.len()), (80, 600));
    }

    #[test]
    fn classes_that_nothing_is_stored_of_cannot_be_measured() {
        let both = domain(8.0, 10, 0, 1);
        let (a, b) = (both.of_classes(&[0]), both.of_classes(&[1]));
        assert!(comparable(&a, &[&a, &b], 1..2, AskedFor::Classes).is_none());
        assert!(comparable(&a, &[&a, &b], 1..2, AskedFor::Tasks).is_none());
        let (stored, held_out) = comparable(&a, &[&a, &b], 0..1, AskedFor::Classes).unwrap();
        assert_eq!((stored.len(), held_out.len()), (5, 5));
    }

    /// Halfway blurred images that were never stored were at 0.81 of the distance of held-out images, as if they were
    /// copies of a kind, and noise was at 1.24, as if it were better than real images.
    #[test]
    fn copies_are_found_and_fresh_blurred_and_noisy_images_are_none() {
        for n in [40, 100] {
            let (stored, held_out, fresh) = (strokes(n, 1), strokes(300, 2), strokes(200, 3));
            let of =
                |generated: &FeatureMatrix| memorisation(&stored.rows, generated, &held_out.rows).unwrap();
            assert!(of(&fresh.rows).share <= 0.04, "{n}: {:?}", of(&fresh.rows));
            assert!(of(&fresh.half_blurred()).share <= 0.04, "{n}: {:?}", of(&fresh.half_blurred()));
            assert_eq!(of(&fresh.noise(4)).share, 0.0);
            assert_eq!(of(&stored.rows).share, 1.0);
            assert_eq!(of(&stored.rows).median, 0.0);
            assert!(of(&stored.noisy(0.1, 5)).share > 0.95, "{n}: {:?}", of(&stored.noisy(0.1, 5)));
            assert!(of(&stored.half_blurred()).share > 0.9, "{n}: {:?}", of(&stored.half_blurred()));
            // The mean distance alone says that blurred images are nearer.
            let mean = |images: &FeatureMatrix| {
                let nearest = nearest(images, &stored.rows, 1);
                nearest.iter().map(|nearest| nearest[0].0).sum::<f64>() / nearest.len() as f64
            };
            assert!(mean(&fresh.half_blurred()) < 0.97 * mean(&held_out.rows));
        }
    }

    #[test]
    fn half_copies_are_half() {
        let (stored, held_out) = (gaussian_rows(50, 6, 1.0, 0.0, 1), gaussian_rows(300, 6, 1.0, 0.0, 2));
        let half = FeatureMatrix::concat(&[&stored, &gaussian_rows(50, 6, 1.0, 0.0, 3)]).unwrap();
        let half = memorisation(&stored, &half, &held_out).unwrap();
        assert!((half.share - 0.5).abs() < 0.05, "{half:?}");
        let expected = (half.share * (1.0 - half.share) / 99.0).sqrt();
        assert!((half.standard_error.unwrap() - expected).abs() < 1e-12);
    }

    /// Over many calibrations a fresh image is a copy in 1 % of cases or fewer.
    #[test]
    fn a_model_that_copies_nothing_has_one_percent_at_most() {
        let shares: Vec<f64> = (0..60_u64)
            .map(|seed| {
                let of = |rows, i| gaussian_rows(rows, 5, 1.0, 0.0, 3 * seed + i);
                memorisation(&of(30, 0), &of(200, 1), &of(120, 2)).unwrap().share
            })
            .collect();
        let mean = shares.iter().sum::<f64>() / 60.0;
        assert!((0.003..0.016).contains(&mean), "{mean}");
    }

    #[test]
    fn without_anything_to_compare_with_it_is_refused() {
        let a = gaussian_rows(120, 2, 1.0, 0.0, 1);
        assert!(matches!(memorisation(&a, &a.select(&[]), &a), Err(MetricError::TooFew { .. })));
        assert!(matches!(memorisation(&a.select(&[]), &a, &a), Err(MetricError::TooFew { .. })));
        let few = memorisation(&a, &a, &a.select(&(0..98).collect::<Vec<_>>()));
        assert!(matches!(few, Err(MetricError::TooFew { needed: 99, found: 98, .. })));
        assert!(matches!(memorisation(&a, &a, &a), Err(MetricError::Numerics { .. })));
    }
}
