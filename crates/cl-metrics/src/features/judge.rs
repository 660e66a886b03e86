//! How far a classifier can be trusted that tells the classes of samples.
//!
//! A classifier that is wrong on a share e of real images moves the accuracy of a perfect model down to 1 - e, and class
//! frequencies towards those of its confusions, so that e bounds the differences that the numbers can show.

use std::fmt;

use super::FeatureMatrix;

/// The accuracy below which a warning stands beside the numbers of a classifier: its errors are then a few percent of
/// the samples, as much as the effects that are looked for.
pub const TRUSTED: f64 = 0.97;

/// The accuracy of a classifier on images that it was not trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judge {
    /// The share of the images whose class it sees.
    pub accuracy: f64,
    /// The number of these images.
    pub n: usize,
}

impl Judge {
    /// The accuracy over several sets of held-out images: the probabilities that the classifier gives, and the labels.
    pub fn of<'a>(sets: impl IntoIterator<Item = (&'a FeatureMatrix, &'a [usize])>) -> Self {
        let (mut right, mut n) = (0, 0);
        for (probabilities, labels) in sets {
            right += probabilities.argmax().iter().zip(labels).filter(|(seen, label)| seen == label).count();
            n += labels.len();
        }
        Self { accuracy: right as f64 / n.max(1) as f64, n }
    }

    /// The standard error of the accuracy: binomial.
    pub fn standard_error(&self) -> f64 {
        (self.accuracy * (1.0 - self.accuracy) / self.n.max(1) as f64).sqrt()
    }

    /// The warning that stands beside the numbers of the classifier; none for one that is right often enough.
    pub fn warning(&self) -> Option<String> {
        (self.accuracy < TRUSTED).then(|| {
            format!(
                "the classifier is {self}: accuracy, class frequencies and features that come from it are no more exact \
                 than that"
            )
        })
    }
}

impl fmt::Display for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "right on {:.1} % of {} held-out images", 100.0 * self.accuracy, self.n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_over_all_sets_and_warns_below_the_limit() {
        let seen = |classes: &[usize]| {
            let rows = classes.iter().flat_map(|&c| (0..3).map(move |i| f32::from(u8::from(i == c))));
            FeatureMatrix::new(3, rows.collect()).unwrap()
        };
        let (a, b) = (seen(&[0, 1, 2]), seen(&[1]));
        let judge = Judge::of([(&a, &[0, 1, 1][..]), (&b, &[1])]);
        assert_eq!(judge, Judge { accuracy: 0.75, n: 4 });
        // sqrt(3/16 / 4)
        assert!((judge.standard_error() - 0.216_506_35).abs() < 1e-8);
        assert!(judge.warning().unwrap().contains("right on 75.0 % of 4 held-out images"));
        assert_eq!(Judge { accuracy: 0.97, n: 100 }.warning(), None);
        assert!(Judge { accuracy: 0.928, n: 10_000 }.warning().unwrap().contains("92.8 %"));
    }
}
