//! Forgetting (Chaudhry et al. 2018, equation 3), for either direction of a metric.

use super::{Direction, EvaluationMatrix, mean};

/// The mean over the tasks before the last of how much worse the metric is after the last task than at its best
/// from the task's own time on, up to the last task but one. Positive: forgotten; it may be negative. None for a
/// single task.
pub fn forgetting(matrix: &EvaluationMatrix, direction: Direction) -> Option<f64> {
    let last = matrix.tasks().checked_sub(1)?;
    mean((0..last).filter_map(|j| {
        let best = (j..last).filter_map(|k| matrix.get(k, j)).reduce(|a, b| direction.best(a, b))?;
        Some(direction.gain(matrix.get(last, j)?, best))
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
        assert_eq!(
            forgetting(&EvaluationMatrix::new(rows), Direction::LowerIsBetter),
            Some((6.0 - 1.0) / 2.0)
        );
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
            prop_assert_eq!(forgetting(&matrix, Direction::LowerIsBetter), Some(0.0));
        }
    }
}
