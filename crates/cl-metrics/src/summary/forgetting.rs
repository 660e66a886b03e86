//! Forgetting (Chaudhry et al. 2018, equation 3), for either direction of a metric.
//!
//! The best of several noisy values is better than the value that each of them estimates. The number is so above 0 where
//! nothing was forgotten, by more the longer the stream and the noisier the metric is. [`floor`](crate::sample::floor)
//! has its value for independent draws of real images.

use super::{Direction, EvaluationMatrix, Gap, gap::mean};

/// The mean over the tasks before the last of how much worse the metric is after the last task than at its best
/// from the task's own time on, up to the last task but one. Positive: forgotten; it may be negative.
///
/// # Errors
/// [`Gap::Entry`] if a task seen has no value at one of these moments; [`Gap::NothingToForget`] for a single task.
pub fn forgetting(matrix: &EvaluationMatrix, direction: Direction) -> Result<f64, Gap> {
    let last = matrix.last_of_several()?;
    mean((0..last).map(|j| {
        let mut best = matrix.entry(j, j)?;
        for k in j + 1..last {
            best = direction.best(best, matrix.entry(k, j)?);
        }
        Ok(direction.gain(matrix.entry(last, j)?, best))
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hand_worked_case() {
        let rows = vec![
            vec![Some(5.0), None, None],
            vec![Some(3.0), Some(8.0), None],
            vec![Some(9.0), Some(7.0), Some(1.0)],
        ];
        // Task 0: 9 against its best, 3; task 1: 7 against 8.
        assert_eq!(forgetting(&EvaluationMatrix::new(rows), Direction::LowerIsBetter), Ok((6.0 - 1.0) / 2.0));
    }

    #[test]
    fn a_task_without_a_value_has_no_forgetting() {
        let of = |rows| forgetting(&EvaluationMatrix::new(rows), Direction::LowerIsBetter);
        // The second task alone would give 0, where the first is lost.
        let lost = vec![
            vec![Some(5.0), None, None],
            vec![Some(6.0), Some(8.0), None],
            vec![None, Some(8.0), Some(1.0)],
        ];
        assert_eq!(of(lost.clone()), Err(Gap::Entry { after: 2, on: 0 }));
        let mut lost_between = lost;
        (lost_between[1][0], lost_between[2][0]) = (None, Some(9.0));
        assert_eq!(of(lost_between), Err(Gap::Entry { after: 1, on: 0 }));
        assert_eq!(of(vec![vec![Some(1.0)]]), Err(Gap::NothingToForget));
        assert_eq!(of(Vec::new()), Err(Gap::NoTasks));
    }

    /// Values that are noise alone, with mean 0 and standard deviation 1: the mean over j < 4 of R[4][j] less the least
    /// of 4 - j values is (1.0294 + 0.8463 + 0.5642 + 0) / 4 = 0.6100 in expectation.
    #[test]
    fn noise_alone_is_forgetting_above_0() {
        use keyed_random::{Key, Purpose};
        let key = Key::new(0, Purpose::named("noise of an evaluation matrix"));
        let values = key.normal_values(0, 4000, 25);
        let of = |values: &[f32]| {
            let rows = values.chunks(5).map(|row| row.iter().map(|v| Some(f64::from(*v))).collect());
            forgetting(&EvaluationMatrix::new(rows.collect()), Direction::LowerIsBetter).unwrap()
        };
        let mean = values.chunks(25).map(of).sum::<f64>() / 4000.0;
        assert!((mean - 0.61).abs() < 0.05, "{mean}");
    }

    proptest! {
        #[test]
        fn turning_the_metric_round_changes_nothing(values in proptest::collection::vec(-10.0..10.0_f64, 16)) {
            let matrix = |sign: f64| {
                EvaluationMatrix::new(values.chunks(4).map(|row| row.iter().map(|v| Some(sign * v)).collect()).collect())
            };
            let a = forgetting(&matrix(1.0), Direction::LowerIsBetter);
            prop_assert_eq!(a, forgetting(&matrix(-1.0), Direction::HigherIsBetter));
        }

        #[test]
        fn what_never_changes_is_not_forgotten(value in -10.0..10.0_f64, tasks in 2_usize..6) {
            let matrix = EvaluationMatrix::new(vec![vec![Some(value); tasks]; tasks]);
            prop_assert_eq!(forgetting(&matrix, Direction::LowerIsBetter), Ok(0.0));
        }
    }
}
