//! Forward transfer (Lopez-Paz & Ranzato 2017, equation 4), for either direction of a metric.

use super::{Direction, EvaluationMatrix, mean};

/// The mean over the tasks after the first of how much better the metric is just before the task is learned than
/// for an untrained model, whose value on each task is in `untrained`.
pub fn forward_transfer(
    matrix: &EvaluationMatrix,
    untrained: &[Option<f64>],
    direction: Direction,
) -> Option<f64> {
    let tasks = matrix.tasks().min(untrained.len());
    mean((1..tasks).filter_map(|j| Some(direction.gain(untrained[j]?, matrix.get(j - 1, j)?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_worked_case() {
        let rows = vec![vec![Some(1.0), Some(2.0)], vec![Some(1.0), Some(1.0)]];
        let untrained = [Some(9.0), Some(5.0)];
        let value = forward_transfer(&EvaluationMatrix::new(rows), &untrained, Direction::LowerIsBetter);
        assert_eq!(value, Some(3.0));
    }
}
