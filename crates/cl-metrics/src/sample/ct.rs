//! C_T, the test of data copying (Meehan et al. 2020, arXiv 2004.05675): whether samples are nearer to training images than
//! held-out images are. A Mann-Whitney statistic of the distances to the nearest training image, as a standard score, in
//! each cell of a partition of the images, and its mean over cells weighted by their held-out images (equation 3).
//!
//! Far below 0: copied; about 0: as held-out images; far above 0: further away than real images, which is underfitting and
//! no virtue. The score grows with the root of the numbers: sets of different N are not compared. For a model that
//! is as the held-out images are, its standard deviation is the root of the sum of the squared weights, at most 1.
//!
//! Deviations: the cells are not those of k-means but of the class of the nearest training image; as in the authors' code
//! a cell needs more than 20 samples, and the score has the correction for continuity. Distances are of pixels.

use cldiff_choices::Describe;

use super::{
    Comparison, Metric, Need, Sets, Takes, Values, copies::nearest, frequencies::classes,
    neighbours::check_widths,
};
use crate::{MetricError, features::FeatureMatrix, summary::Direction};

/// Samples that a cell has to exceed (the authors' tau is 20 over the number of samples).
const MORE_THAN: usize = 20;

/// C_T as a metric of samples, in their pixels.
#[derive(Debug, Clone, Copy)]
pub struct Ct;

impl Describe for Ct {
    const NAME: &'static str = "ct";
    const SUMMARY: &'static str = "Standard score of the samples' distances to training images against held-out images': \
        below -3 copied, above 3 underfitted";
    const CITATION: &'static str = "Meehan et al. 2020, arXiv 2004.05675";
}

impl Metric for Ct {
    fn direction(&self) -> Option<Direction> {
        // Best at 0.
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
        let found = ct(training.pixels, training.labels, generated, training.held_out)?;
        Ok(vec![(Self::NAME, found.score.into())])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        Some(&COMPARISON)
    }
}

static COMPARISON: Comparison = Comparison {
    name: Ct::NAME,
    aliases: &[],
    summary: "Test of data copying C_T: A training images, with one cell for each class, B generated; of images in pixels",
    takes: Takes::PairAndHeldOut,
    parameters: &[],
    compare: |sets, _| {
        let (training, generated) = sets.features()?;
        // Images without classes are one cell.
        let labels = sets.a.classes().unwrap_or_else(|_| vec![0; training.rows()]);
        let found = ct(training, &labels, generated, sets.held_out()?.features()?)?;
        Ok(vec![(Ct::NAME, found.score), ("ct_deviation", found.deviation), ("ct_cells", found.cells as f64)])
    },
};

/// The statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CopyTest {
    /// C_T.
    pub score: f64,
    /// Its standard deviation for samples of the held-out images' distribution.
    pub deviation: f64,
    /// The cells with enough samples.
    pub cells: usize,
}

/// Distances to the nearest training image in one cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CellDistances {
    /// Of samples.
    pub samples: Vec<f64>,
    /// Of held-out images.
    pub held_out: Vec<f64>,
}

/// C_T with one cell for each class of `training` images.
///
/// # Errors
/// [`MetricError::Width`]; [`MetricError::TooFew`] without training images, and where no cell has more than 20 samples
/// and a held-out image.
///
/// # Panics
/// If there are not as many labels as training images.
pub fn ct(
    training: &FeatureMatrix,
    labels: &[usize],
    generated: &FeatureMatrix,
    held_out: &FeatureMatrix,
) -> Result<CopyTest, MetricError> {
    check_widths(training, generated)?;
    check_widths(training, held_out)?;
    assert_eq!(training.rows(), labels.len(), "one label for each training image");
    if training.rows() == 0 {
        return Err(MetricError::TooFew { metric: Ct::NAME, needed: 1, found: 0 });
    }
    let mut cells = vec![CellDistances::default(); classes(labels, &[])];
    for nearest in nearest(generated, training, 1) {
        cells[labels[nearest[0].1]].samples.push(nearest[0].0);
    }
    for nearest in nearest(held_out, training, 1) {
        cells[labels[nearest[0].1]].held_out.push(nearest[0].0);
    }
    ct_of_cells(&cells)
}

/// C_T of cells whose distances are known.
///
/// # Errors
/// [`MetricError::TooFew`] where no cell has more than 20 samples and a held-out image.
pub fn ct_of_cells(cells: &[CellDistances]) -> Result<CopyTest, MetricError> {
    let is_used = |cell: &&CellDistances| cell.samples.len() > MORE_THAN && !cell.held_out.is_empty();
    let used: Vec<&CellDistances> = cells.iter().filter(is_used).collect();
    if used.is_empty() {
        let found = cells.iter().map(|cell| cell.samples.len()).max().unwrap_or(0);
        return Err(MetricError::TooFew { metric: "a cell of ct", needed: MORE_THAN + 1, found });
    }
    let all: usize = used.iter().map(|cell| cell.held_out.len()).sum();
    let weights: Vec<f64> = used.iter().map(|cell| cell.held_out.len() as f64 / all as f64).collect();
    let score = used.iter().zip(&weights).map(|(cell, weight)| weight * standard_score(cell)).sum();
    let deviation = weights.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
    Ok(CopyTest { score, deviation, cells: used.len() })
}

/// The Mann-Whitney statistic, the pairs in which the sample is further away, as a standard score.
fn standard_score(cell: &CellDistances) -> f64 {
    let (m, n) = (cell.samples.len() as f64, cell.held_out.len() as f64);
    let mut held_out = cell.held_out.clone();
    held_out.sort_unstable_by(f64::total_cmp);
    let below = |sample: &f64| {
        let less = held_out.partition_point(|distance| distance < sample);
        let equal = held_out.partition_point(|distance| distance <= sample) - less;
        less as f64 + 0.5 * equal as f64
    };
    let u: f64 = cell.samples.iter().map(below).sum();
    (u - (n * m / 2.0 - 0.5)) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn by_hand() {
        // Of 22 x 2 pairs the sample is further away in 21 + 0, and equal in 1: u = 21.5.
        let samples = [vec![1.0; 21], vec![0.5]].concat();
        let cell = CellDistances { samples, held_out: vec![0.5, 2.0] };
        let expected = (21.5 - 21.5) / (44.0_f64 * 25.0 / 12.0).sqrt();
        assert_eq!(
            ct_of_cells(std::slice::from_ref(&cell)).unwrap(),
            CopyTest { score: expected, deviation: 1.0, cells: 1 }
        );
        // A cell with too few samples counts for nothing, one with twice the held-out images twice.
        let few = CellDistances { samples: vec![9.0; 20], held_out: vec![1.0; 50] };
        let far = CellDistances { samples: vec![9.0; 21], held_out: vec![1.0; 4] };
        let found = ct_of_cells(&[cell, few.clone(), far]).unwrap();
        let of_far = (84.0 - 41.5) / (84.0_f64 * 26.0 / 12.0).sqrt();
        assert!((found.score - of_far * 4.0 / 6.0).abs() < 1e-12 && found.cells == 2);
        assert!((found.deviation - 20_f64.sqrt() / 6.0).abs() < 1e-12);
        assert!(matches!(ct_of_cells(&[few]), Err(MetricError::TooFew { needed: 21, found: 20, .. })));
    }

    #[test]
    fn copies_are_far_below_0_noise_far_above_and_fresh_images_near_it() {
        let of = |seed| gaussian_rows(200, 6, 1.0, 0.0, seed);
        let (training, held_out) = (of(1), of(2));
        let labels: Vec<usize> = (0..200).map(|i| usize::from(training.row(i)[0] > 0.0)).collect();
        let score = |generated: &FeatureMatrix| ct(&training, &labels, generated, &held_out).unwrap().score;
        assert!(score(&training) < -8.0);
        assert!(score(&of(3)).abs() < 3.0);
        assert!(score(&gaussian_rows(200, 6, 3.0, 0.0, 4)) > 5.0);
    }
}
