//! Whether samples have the classes that the data have: the Kullback-Leibler divergence of class frequencies, as in
//! the literature on generative replay (Thanh-Tung & Tran 2020; Masip et al., arXiv 2311.14028).

use super::{ImageSet, SampleMetric};
use crate::{MetricError, summary::Direction};

/// KL(real frequencies || frequencies of the classes that the classifier sees in the samples), in nats.
///
/// Classes that no sample has would make it infinite, so that each class gets `smoothing` samples for nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kld {
    /// Added to the number of samples of each class.
    pub smoothing: f64,
}

impl Default for Kld {
    fn default() -> Self {
        Self { smoothing: 0.5 }
    }
}

impl SampleMetric for Kld {
    fn name(&self) -> &'static str {
        "kld"
    }

    fn direction(&self) -> Direction {
        Direction::LowerIsBetter
    }

    fn measure(&self, real: &ImageSet<'_>, generated: &ImageSet<'_>) -> Result<f64, MetricError> {
        let fewest = real.features.rows().min(generated.features.rows());
        if fewest == 0 {
            return Err(MetricError::TooFew { metric: "kld", needed: 1, found: 0 });
        }
        let classes = generated.class_probabilities.width();
        let real = match real.labels {
            Some(labels) => frequencies(labels, classes, 0.0),
            None => frequencies(&real.class_probabilities.argmax(), classes, 0.0),
        };
        let generated = frequencies(&generated.class_probabilities.argmax(), classes, self.smoothing);
        Ok(real.iter().zip(&generated).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q).ln()).sum())
    }
}

fn frequencies(labels: &[usize], classes: usize, smoothing: f64) -> Vec<f64> {
    let mut counts = vec![smoothing; classes];
    for &label in labels {
        counts[label] += 1.0;
    }
    let total: f64 = counts.iter().sum();
    counts.into_iter().map(|count| count / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FeatureMatrix;

    fn kld(real: &[usize], seen: &[usize]) -> f64 {
        let one_hot = |labels: &[usize]| {
            let data =
                labels.iter().flat_map(|&l| (0..3).map(move |c| f32::from(u8::from(c == l)))).collect();
            FeatureMatrix::new(3, data).unwrap()
        };
        let (r, s) = (one_hot(real), one_hot(seen));
        let set = |m, labels| ImageSet { features: m, class_probabilities: m, labels, requested: None };
        Kld::default().measure(&set(&r, Some(real)), &set(&s, None)).unwrap()
    }

    #[test]
    fn a_hand_worked_case() {
        // Real: 1/2, 1/2, 0. Samples 3, 0, 0 and half a sample each: 3.5/4.5, 0.5/4.5, 0.5/4.5.
        let expected = 0.5 * (0.5_f64 / (3.5 / 4.5)).ln() + 0.5 * (0.5_f64 / (0.5 / 4.5)).ln();
        assert!((kld(&[0, 1], &[0, 0, 0]) - expected).abs() < 1e-12);
    }

    #[test]
    fn equal_frequencies_cost_almost_nothing_and_a_lost_class_much() {
        let even: Vec<usize> = (0..300).map(|i| i % 3).collect();
        assert!(kld(&even, &even) < 1e-4);
        assert!(kld(&even, &[0; 300]) > 2.0);
    }
}
