//! The outcome for each class of a class-conditional model: which class is seen in the samples of each, and how far its
//! samples are from its images.
//!
//! A forgotten class is seldom noise: the model draws another class under its label, mostly one of the latest tasks. The
//! confusion matrix of classes asked for against classes seen names it. The verdicts are a classifier's: its own confusion
//! of real images is part of every entry.

use serde::{Deserialize, Serialize};

use crate::{
    MetricError,
    features::FeatureMatrix,
    sample::{Outcome, Unmeasured, fid_error::frechet_estimate, moments::Moments},
};

/// `[asked][seen]`: counts of samples.
///
/// # Panics
/// If there are not as many requests as samples, or a class is not below `classes`.
pub fn class_confusion(requested: &[usize], seen: &[usize], classes: usize) -> Vec<Vec<usize>> {
    assert_eq!(requested.len(), seen.len(), "one request for each sample");
    let mut counts = vec![vec![0; classes]; classes];
    requested.iter().zip(seen).for_each(|(&asked, &seen)| counts[asked][seen] += 1);
    counts
}

/// The class that took the place of another: the one that is seen most often, among the others, in the samples that the
/// class was asked of; of equals the first. None where no other is seen.
pub fn taken_by(confusion: &[Vec<usize>], asked: usize) -> Option<usize> {
    let row = confusion.get(asked)?;
    let others = (0..row.len()).filter(|&seen| seen != asked && row[seen] > 0);
    others.rev().max_by_key(|&seen| row[seen])
}

/// Shares of right answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassAccuracies {
    /// Over all; none of nothing.
    pub all: Option<f64>,
    /// The standard error of `all` over images, of a share: sqrt(p (1 - p) / n).
    pub error: Option<f64>,
    /// Of each class; none for a class without images.
    pub classes: Vec<Option<f64>>,
}

/// The accuracies that a confusion matrix `[asked][seen]` shows.
pub fn accuracies(confusion: &[Vec<usize>]) -> ClassAccuracies {
    let share = |right: usize, all: usize| (all > 0).then(|| right as f64 / all as f64);
    let counts: Vec<usize> = confusion.iter().map(|row| row.iter().sum()).collect();
    let right = |class: usize| confusion[class][class];
    let n = counts.iter().sum::<usize>();
    let all = share((0..confusion.len()).map(right).sum(), n);
    ClassAccuracies {
        all,
        error: all.map(|p| (p * (1.0 - p) / n as f64).sqrt()),
        classes: (0..confusion.len()).map(|class| share(right(class), counts[class])).collect(),
    }
}

/// The Fréchet distance of each class that samples were asked of: samples of the class against real images of the class.
/// It is biased upwards the more, the fewer there are: compare it between moments and models with the same N only. With the
/// standard error over samples.
///
/// None for a class that nothing was asked of; the reason for one with fewer samples or images than `fewest`.
///
/// # Errors
/// [`MetricError::Width`] for features that do not compare.
///
/// # Panics
/// If there are not as many labels as rows.
pub fn class_frechet(
    (real, labels): (&FeatureMatrix, &[usize]),
    (samples, requested): (&FeatureMatrix, &[usize]),
    classes: usize,
    fewest: usize,
) -> Result<Vec<Option<Outcome>>, MetricError> {
    assert!(real.rows() == labels.len() && samples.rows() == requested.len(), "a label for each image");
    let of = |all: &[usize], class| (0..all.len()).filter(|&i| all[i] == class).collect::<Vec<usize>>();
    let distance = |class: usize| {
        let (real_rows, sample_rows) = (of(labels, class), of(requested, class));
        if sample_rows.is_empty() {
            return Ok(None);
        }
        for (what, found) in [("samples", sample_rows.len()), ("real images", real_rows.len())] {
            if found < fewest {
                let reason = format!("FID of a class needs at least {fewest} {what}, got {found}");
                return Ok(Some(Err(Unmeasured(reason))));
            }
        }
        let real = Moments::of(&real.select(&real_rows)).gaussian();
        match real.and_then(|real| frechet_estimate(&real, &samples.select(&sample_rows))) {
            Ok(fid) if fid.value.is_finite() => Ok(Some(Ok(fid))),
            Ok(_) => Ok(Some(Err(Unmeasured("the distance is not finite".to_owned())))),
            Err(error @ (MetricError::TooFew { .. } | MetricError::Numerics { .. })) => {
                Ok(Some(Err(Unmeasured(error.to_string()))))
            }
            Err(other) => Err(other),
        }
    };
    (0..classes).map(distance).collect()
}

/// For each task the classes to ask for: of each class `n`, in parts that differ by at most one between the tasks that have
/// the class. `counts[task][class]` are the images of a class in a task.
pub fn requests(counts: &[Vec<usize>], n: usize) -> Vec<Vec<usize>> {
    let mut requests = vec![Vec::new(); counts.len()];
    for class in 0..counts.first().map_or(0, Vec::len) {
        let having: Vec<usize> = (0..counts.len()).filter(|&task| counts[task][class] > 0).collect();
        for (i, &task) in having.iter().enumerate() {
            let share = n * (i + 1) / having.len() - n * i / having.len();
            requests[task].extend(std::iter::repeat_n(class, share));
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_worked_confusion() {
        // Class 0: twice itself, once a 2; class 1 is lost to 2 and once to 0; class 3 was not asked for.
        let asked = [0, 0, 0, 1, 1, 1, 2, 2];
        let seen = [0, 0, 2, 2, 2, 0, 2, 2];
        let confusion = class_confusion(&asked, &seen, 4);
        assert_eq!(confusion, [[2, 0, 1, 0], [1, 0, 2, 0], [0, 0, 2, 0], [0; 4]]);
        assert_eq!(
            (0..4).map(|c| taken_by(&confusion, c)).collect::<Vec<_>>(),
            [Some(2), Some(2), None, None]
        );
        let found = accuracies(&confusion);
        assert_eq!(found.classes, [Some(2.0 / 3.0), Some(0.0), Some(1.0), None]);
        // 4 of 8: sqrt(0.5 * 0.5 / 8).
        assert_eq!(found.all, Some(0.5));
        assert!((found.error.unwrap() - 0.176_776_695).abs() < 1e-8);
        assert_eq!(accuracies(&[]), ClassAccuracies::default());
        // Of equals the first takes the place.
        assert_eq!(taken_by(&[vec![0, 3, 3]], 0), Some(1));
    }

    /// Two points a class, 2 apart: the covariance is 2, and so cancels; what is left is the square of the shift.
    #[test]
    fn each_class_is_compared_with_its_own_images() {
        let matrix = |values: &[f32]| FeatureMatrix::new(1, values.to_vec()).unwrap();
        let real = matrix(&[0.0, 2.0, 100.0, 102.0, 50.0]);
        let samples = matrix(&[103.0, 3.0, 5.0, 105.0, 1.0]);
        let found = class_frechet((&real, &[0, 0, 1, 1, 2]), (&samples, &[1, 0, 0, 1, 2]), 4, 2).unwrap();
        let fid = |class: usize| found[class].clone().unwrap().unwrap();
        assert!((fid(0).value - 9.0).abs() < 1e-9 && (fid(1).value - 9.0).abs() < 1e-9);
        // Influences 2 (m - m_r) c with c = -1 and 1: their standard deviation is 6 sqrt(2), over sqrt(2).
        assert!((fid(0).standard_error.unwrap() - 6.0).abs() < 1e-9, "{:?}", fid(0));
        let reason = |text: &str| Some(Err(Unmeasured(text.to_owned())));
        assert_eq!(found[2], reason("FID of a class needs at least 2 samples, got 1"));
        assert_eq!(found[3], None);
        let found = class_frechet((&real, &[0, 0, 1, 2, 2]), (&samples, &[1, 0, 0, 1, 0]), 3, 2).unwrap();
        assert_eq!(found[1], reason("FID of a class needs at least 2 real images, got 1"));
    }

    #[test]
    fn every_class_is_asked_for_as_often_wherever_it_is() {
        // Class 0 in the first task, class 1 in both, class 2 in none, class 3 in the second.
        let counts = [vec![9, 1, 0, 0], vec![0, 7, 0, 2]];
        assert_eq!(requests(&counts, 3), [vec![0, 0, 0, 1], vec![1, 1, 3, 3, 3]]);
        assert!(requests(&[], 3).is_empty());
    }
}
