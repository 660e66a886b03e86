//! How far a class is removed: what a classifier sees in images that a model was asked for of the class.
//!
//! The mean probability of the class and the mean entropy of all classes are the measures of selective amnesia (Heng & Soh
//! 2023, arXiv 2305.10120, section 4.1); the share is that of images in which the class is the likeliest.

use crate::features::FeatureMatrix;

/// The classifier's view of images that were asked for as one class.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SeenAs {
    /// The number of images.
    pub samples: usize,
    /// The share of the images in which the class is seen.
    pub share: f64,
    /// Its standard error, of a binomial.
    pub share_error: f64,
    /// The mean probability of the class.
    pub probability: f64,
    /// Its standard error over the images; none of fewer than two.
    pub probability_error: Option<f64>,
    /// The mean entropy of the classes' probabilities, in nats: at most the log of their number.
    pub entropy: f64,
}

/// Summarises the probabilities that a classifier gives each class, a row an image; none of no images.
pub fn seen_as(class: usize, probabilities: &FeatureMatrix) -> Option<SeenAs> {
    let samples = probabilities.rows();
    if samples == 0 || class >= probabilities.width() {
        return None;
    }
    let n = samples as f64;
    let of_class: Vec<f64> = (0..samples).map(|i| f64::from(probabilities.row(i)[class])).collect();
    let probability = of_class.iter().sum::<f64>() / n;
    let squares: f64 = of_class.iter().map(|p| (p - probability).powi(2)).sum();
    let share = probabilities.argmax().into_iter().filter(|seen| *seen == class).count() as f64 / n;
    Some(SeenAs {
        samples,
        share,
        share_error: (share * (1.0 - share) / n).sqrt(),
        probability,
        probability_error: (samples > 1).then(|| (squares / (n - 1.0) / n).sqrt()),
        entropy: (0..samples).map(|i| entropy(probabilities.row(i))).sum::<f64>() / n,
    })
}

/// - sum p ln p
fn entropy(probabilities: &[f32]) -> f64 {
    let term = |p: &f32| if *p > 0.0 { -f64::from(*p) * f64::from(*p).ln() } else { 0.0 };
    probabilities.iter().map(term).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of four images class 1 is the likeliest in one; its probabilities are 0.5, 0.25, 0 and 0.25.
    #[test]
    fn a_hand_worked_class() {
        let rows = vec![0.25, 0.5, 0.25, 0.75, 0.25, 0.0, 1.0, 0.0, 0.0, 0.25, 0.25, 0.5];
        let found = seen_as(1, &FeatureMatrix::new(3, rows).unwrap()).unwrap();
        assert_eq!((found.samples, found.share, found.probability), (4, 0.25, 0.25));
        assert!((found.share_error - (0.25_f64 * 0.75 / 4.0).sqrt()).abs() < 1e-12);
        // Deviations 0.25, 0, -0.25 and 0: the variance is 0.125 / 3.
        assert!((found.probability_error.unwrap() - (0.125_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
        // ln 2 (0.5 + 0.5 + 0.5) for a half and two quarters, twice; 0.562335 for three quarters and one; 0.
        let expected = (2.0 * 1.5 * std::f64::consts::LN_2 + 0.562_335_144_6) / 4.0;
        assert!((found.entropy - expected).abs() < 1e-9, "{}", found.entropy);
    }

    #[test]
    fn nothing_is_said_of_no_images() {
        let none = FeatureMatrix::new(3, Vec::new()).unwrap();
        assert_eq!(seen_as(0, &none), None);
        let one = FeatureMatrix::new(2, vec![0.0, 1.0]).unwrap();
        assert_eq!(seen_as(2, &one), None);
        let found = seen_as(1, &one).unwrap();
        assert_eq!(
            (found.share, found.share_error, found.probability_error, found.entropy),
            (1.0, 0.0, None, 0.0)
        );
    }
}
