//! Backward transfer (Lopez-Paz & Ranzato 2017, equation 3), for either direction of a metric.

use super::{Direction, EvaluationMatrix, Gap, gap::mean};

/// The mean over the tasks before the last of how much better the metric is after the last task than right after
/// the task itself. Negative: forgotten.
///
/// # Errors
/// [`Gap::Entry`] if a task has no value at one of the two moments; [`Gap::NothingToForget`] for a single task.
pub fn backward_transfer(matrix: &EvaluationMatrix, direction: Direction) -> Result<f64, Gap> {
    let last = matrix.last_of_several()?;
    mean((0..last).map(|j| Ok(direction.gain(matrix.entry(j, j)?, matrix.entry(last, j)?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_worked_case_in_both_directions() {
        let rows = vec![vec![Some(0.5), None], vec![Some(0.25), Some(1.0)]];
        let matrix = EvaluationMatrix::new(rows);
        assert_eq!(backward_transfer(&matrix, Direction::HigherIsBetter), Ok(-0.25));
        assert_eq!(backward_transfer(&matrix, Direction::LowerIsBetter), Ok(0.25));
        assert_eq!(
            backward_transfer(&EvaluationMatrix::new(vec![vec![Some(1.0)]]), Direction::LowerIsBetter),
            Err(Gap::NothingToForget)
        );
        let lost = EvaluationMatrix::new(vec![vec![Some(1.0), None], vec![None, Some(1.0)]]);
        let gap = Err(Gap::Entry { after: 1, on: 0 });
        assert_eq!(backward_transfer(&lost, Direction::LowerIsBetter), gap);
    }
}
