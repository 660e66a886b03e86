//! The Fréchet distance of each class: samples that were asked for a class against the real images of it. A model
//! that has lost one class of ten is hardly seen in the pooled distance.
//!
//! The samples of a class are few and the bias of the distance goes with 1/N: distances of classes are compared at one N
//! only, and one N for each class stands beside its distance. Definition and standard error are those of
//! [`fid`](super::fid).

use super::{Outcome, Unmeasured, fid_error::frechet_estimate, moments::Moments};
use crate::{MetricError, features::FeatureMatrix};

/// Images of a class, real or samples, below which nothing is said: the error itself would be a guess.
pub const FEWEST: usize = 10;

/// The distance of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassDistance {
    /// The Fréchet distance with its standard error, or the reason why there is none.
    pub outcome: Outcome,
    /// The samples that were asked for the class.
    pub samples: usize,
    /// The real images of the class.
    pub real: usize,
}

/// The distance of each of `classes` classes.
///
/// # Errors
/// [`MetricError::Width`].
///
/// # Panics
/// If there are not as many classes as images.
pub fn per_class_frechet(
    real: &FeatureMatrix,
    real_classes: &[usize],
    generated: &FeatureMatrix,
    requested: &[usize],
    classes: usize,
) -> Result<Vec<ClassDistance>, MetricError> {
    let (real, generated) = (members(real, real_classes, classes), members(generated, requested, classes));
    real.iter().zip(&generated).map(|(real, generated)| of_class(real, generated)).collect()
}

/// The rows of each class.
fn members(features: &FeatureMatrix, labels: &[usize], classes: usize) -> Vec<FeatureMatrix> {
    assert_eq!(features.rows(), labels.len(), "one class for each image");
    let of = |class: usize| (0..labels.len()).filter(|&i| labels[i] == class).collect::<Vec<_>>();
    (0..classes).map(|class| features.select(&of(class))).collect()
}

fn of_class(real: &FeatureMatrix, generated: &FeatureMatrix) -> Result<ClassDistance, MetricError> {
    let few = |what: &str, found: usize| {
        let reason =
            format!("the distance of a class needs at least {FEWEST} {what} of it, and there are {found}");
        Ok(Err(Unmeasured(reason)))
    };
    let outcome = match (real.rows(), generated.rows()) {
        (found, _) if found < FEWEST => few("real images", found),
        (_, found) if found < FEWEST => few("samples", found),
        _ => match frechet_estimate(&Moments::of(real).gaussian()?, generated) {
            Ok(estimate) => Ok(Ok(estimate)),
            Err(error @ MetricError::Numerics { .. }) => Ok(Err(Unmeasured(error.to_string()))),
            Err(other) => Err(other),
        },
    }?;
    Ok(ClassDistance { outcome, samples: generated.rows(), real: real.rows() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::test_data::gaussian_rows;

    #[test]
    fn the_lost_class_is_named_and_one_with_few_samples_has_a_reason() {
        let real = FeatureMatrix::concat(&[
            &gaussian_rows(50, 3, 1.0, 0.0, 1),
            &gaussian_rows(50, 3, 1.0, 20.0, 2),
            &gaussian_rows(50, 3, 1.0, -20.0, 3),
        ]);
        let real = real.unwrap();
        let classes: Vec<usize> = (0..150).map(|i| i / 50).collect();
        // Asked for class 1 the model shows class 0.
        let samples = FeatureMatrix::concat(&[
            &gaussian_rows(40, 3, 1.0, 0.0, 4),
            &gaussian_rows(40, 3, 1.0, 0.0, 5),
            &gaussian_rows(9, 3, 1.0, -20.0, 6),
        ]);
        let asked = [vec![0; 40], vec![1; 40], vec![2; 9]].concat();
        let found = per_class_frechet(&real, &classes, &samples.unwrap(), &asked, 4).unwrap();
        let value = |class: usize| found[class].outcome.clone().unwrap();
        assert!(value(0).value < 1.0 && (value(1).value - 1200.0).abs() < 100.0, "{found:?}");
        assert!(value(1).standard_error.unwrap() > 1.0);
        assert_eq!((found[2].samples, found[2].real), (9, 50));
        let reason = |class: usize| found[class].outcome.clone().unwrap_err().to_string();
        assert!(reason(2).contains("at least 10 samples of it, and there are 9"), "{}", reason(2));
        assert!(reason(3).contains("real images"), "{}", reason(3));
        let wide = gaussian_rows(40, 4, 1.0, 0.0, 4);
        assert!(matches!(
            per_class_frechet(&real, &classes, &wide, &[0; 40], 3),
            Err(MetricError::Width { .. })
        ));
    }
}
