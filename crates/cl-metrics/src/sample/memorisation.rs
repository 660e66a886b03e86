//! Buffer memorisation: how near samples come to the images that a strategy stored, relative to how near fresh real
//! images come to them. A replay buffer that the model has learned by heart shows here and in nothing else: its copies
//! are good samples to every other metric.
//!
//! The ratio of the mean distances to the nearest stored image: 1 where samples are as far from the buffer as held-out
//! images are, towards 0 where they are copies; above 1 samples are further away than real images, which is no virtue.
//! Both distances have to be of the same kinds of images: [`comparable`] selects them.
//! Nearest-neighbour ratios of this kind: Meehan et al. 2020, arXiv 2004.05675 (who test ranks in place of means).

use std::{collections::BTreeSet, ops::Range};

use cldiff_choices::Describe;
use data_streams::ImageDataset;

use super::{
    Comparison, Metric, Need, Sets, Takes, Values, neighbours::check_widths, pairs::fold_squared_distances,
};
use crate::{MetricError, features::FeatureMatrix, summary::Direction};

/// Memorisation of a strategy's stored images as a metric of samples, in their pixels.
#[derive(Debug, Clone, Copy)]
pub struct Memorisation;

impl Describe for Memorisation {
    const NAME: &'static str = "memorisation";
    const SUMMARY: &'static str = "Distance of samples to the strategy's stored images, relative to that of held-out \
        images: copies are near 0; null without a buffer";
    const CITATION: &'static str = "after Meehan et al. 2020, arXiv 2004.05675";
}

impl Metric for Memorisation {
    fn direction(&self) -> Direction {
        Direction::HigherIsBetter
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Pixels, Need::StoredImages]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        let ((_, generated), stored) = (sets.pixels()?, sets.stored()?);
        Ok(vec![(Self::NAME, memorisation(stored.pixels, generated, stored.held_out)?.ratio.into())])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: Memorisation::NAME,
    aliases: &["memorization"],
    summary: "How near samples (B) come to stored images (A), relative to held-out images; of images in their pixels",
    takes: Takes::PairAndHeldOut,
    parameters: &[],
    compare: |sets, _| {
        let (stored, generated) = sets.features()?;
        let found = memorisation(stored, generated, sets.held_out()?.features()?)?;
        Ok(vec![(Memorisation::NAME, found.ratio), ("memorised_share", found.share)])
    },
};

/// How much of a buffer the samples repeat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearestRatio {
    /// Mean distance of samples to their nearest stored image over that of held-out images.
    pub ratio: f64,
    /// The share of samples nearer to a stored image than all but 1% of held-out images are.
    pub share: f64,
}

/// Compares `generated` with `stored` images, `held_out` being real images that were never trained on.
///
/// # Errors
/// [`MetricError::Width`]; [`MetricError::TooFew`] for an empty set; [`MetricError::Numerics`] where every held-out image
/// is itself stored.
pub fn memorisation(
    stored: &FeatureMatrix,
    generated: &FeatureMatrix,
    held_out: &FeatureMatrix,
) -> Result<NearestRatio, MetricError> {
    check_widths(stored, generated)?;
    check_widths(stored, held_out)?;
    if [stored, generated, held_out].iter().any(|set| set.rows() == 0) {
        return Err(MetricError::TooFew { metric: Memorisation::NAME, needed: 1, found: 0 });
    }
    let (samples, mut fresh) = (nearest(generated, stored), nearest(held_out, stored));
    let mean = |distances: &[f64]| distances.iter().sum::<f64>() / distances.len() as f64;
    if mean(&fresh) == 0.0 {
        let problem = "every held-out image is among the stored ones".to_owned();
        return Err(MetricError::Numerics { metric: Memorisation::NAME, problem });
    }
    let ratio = mean(&samples) / mean(&fresh);
    fresh.sort_unstable_by(f64::total_cmp);
    let threshold = fresh[fresh.len() / 100];
    let nearer = samples.iter().filter(|distance| **distance < threshold).count();
    Ok(NearestRatio { ratio, share: nearer as f64 / samples.len() as f64 })
}

/// What a model was asked for, so that what it may answer with is known.
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

fn nearest(points: &FeatureMatrix, stored: &FeatureMatrix) -> Vec<f64> {
    let squared = fold_squared_distances(
        points,
        stored,
        || f64::INFINITY,
        |nearest, _, _, d| *nearest = nearest.min(d),
    );
    squared.into_iter().map(f64::sqrt).collect()
}

#[cfg(test)]
mod tests {
    use data_streams::ImageShape;

    use super::*;
    use crate::{features::pixels, sample::test_data::gaussian_rows};

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

    fn ratio(stored: &ImageDataset, samples: &ImageDataset, held_out: &ImageDataset) -> f64 {
        let of = |images: &ImageDataset| pixels(images).unwrap();
        memorisation(&of(stored), &of(samples), &of(held_out)).unwrap().ratio
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
            assert!((ratio(&of_classes, &fresh, &real) - 1.0).abs() < 0.1);
            assert_eq!(ratio(&of_classes, &stored, &real), 0.0);
        }
        // Against the held-out images of task 0 alone they looked half copied.
        assert!(ratio(&stored, &fresh, held_out[0]) < 0.75);

        // Asked for a task, it draws from that task's domain.
        for (task, contrast) in [(0, 32.0), (1, 8.0)] {
            let (of_task, real) = comparable(&stored, &held_out, task..task + 1, AskedFor::Tasks).unwrap();
            assert_eq!((of_task.len(), real.len()), (40, 300));
            assert!((ratio(&of_task, &domain(contrast, 200, 0, 7), &real) - 1.0).abs() < 0.1);
            assert_eq!(ratio(&of_task, &of_task, &real), 0.0);
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

    #[test]
    fn copies_are_found_and_fresh_images_are_not() {
        let (stored, held_out) = (gaussian_rows(50, 6, 1.0, 0.0, 1), gaussian_rows(300, 6, 1.0, 0.0, 2));
        let copies = memorisation(&stored, &stored, &held_out).unwrap();
        assert_eq!(copies, NearestRatio { ratio: 0.0, share: 1.0 });
        let fresh = memorisation(&stored, &gaussian_rows(300, 6, 1.0, 0.0, 3), &held_out).unwrap();
        assert!((fresh.ratio - 1.0).abs() < 0.1 && fresh.share < 0.05, "{fresh:?}");
        let half = FeatureMatrix::concat(&[&stored, &gaussian_rows(50, 6, 1.0, 0.0, 3)]).unwrap();
        let half = memorisation(&stored, &half, &held_out).unwrap();
        assert!((half.ratio - 0.5).abs() < 0.1 && (half.share - 0.5).abs() < 0.05, "{half:?}");
    }

    #[test]
    fn without_anything_to_compare_with_it_is_refused() {
        let a = gaussian_rows(5, 2, 1.0, 0.0, 1);
        assert!(matches!(memorisation(&a, &a.select(&[]), &a), Err(MetricError::TooFew { .. })));
        assert!(matches!(memorisation(&a, &a, &a), Err(MetricError::Numerics { .. })));
    }
}
