//! Backward transfer (Lopez-Paz & Ranzato 2017, equation 3), for either direction of a metric.

use super::{Direction, EvaluationMatrix, mean};

/// The mean over the tasks before the last of how much better the metric is after the last task than right after
/// the task itself. Negative: forgotten. None for a single task.
pub fn backward_transfer(matrix: &EvaluationMatrix, direction: Direction) -> Option<f64> {
    let last = matrix.tasks().checked_sub(1)?;
    mean((0..last).filter_map(|j| Some(direction.gain(matrix.get(j, j)?, matrix.get(last, j)?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_worked_case_in_both_directions() {
        let rows = vec![vec![Some(0.5), None], vec![Some(0.25), Some(1.0)]];
        let matrix = EvaluationMatrix::new(rows);
        assert_eq!(backward_transfer(&matrix, Direction::HigherIsBetter), Some(-0.25));
        assert_eq!(backward_transfer(&matrix, Direction::LowerIsBetter), Some(0.25));
        assert_eq!(
            backward_transfer(&EvaluationMatrix::new(vec![vec![Some(1.0)]]), Direction::LowerIsBetter),
            None
        );
    }
}
