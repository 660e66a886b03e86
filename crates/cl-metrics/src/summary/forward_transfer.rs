//! Forward transfer (Lopez-Paz & Ranzato 2017, equation 4), for either direction of a metric.

use super::{Direction, EvaluationMatrix, Gap, gap::mean};

/// The mean over the tasks after the first of how much better the metric is just before the task is learned than
/// for an untrained model, whose value on each task is in `untrained`.
///
/// # Errors
/// [`Gap::Entry`] or [`Gap::Untrained`] if one of these values is missing; [`Gap::NothingToTransferTo`] for a single
/// task.
pub fn forward_transfer(
    matrix: &EvaluationMatrix,
    untrained: &[Option<f64>],
    direction: Direction,
) -> Result<f64, Gap> {
    if matrix.last()? == 0 {
        return Err(Gap::NothingToTransferTo);
    }
    mean((1..matrix.tasks()).map(|j| {
        let before = untrained.get(j).copied().flatten().ok_or(Gap::Untrained { on: j })?;
        Ok(direction.gain(before, matrix.entry(j - 1, j)?))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_worked_case() {
        let rows = vec![vec![Some(1.0), Some(2.0)], vec![Some(1.0), Some(1.0)]];
        let untrained = [Some(9.0), Some(5.0)];
        let value = forward_transfer(&EvaluationMatrix::new(rows), &untrained, Direction::LowerIsBetter);
        assert_eq!(value, Ok(3.0));
    }

    #[test]
    fn a_value_that_is_missing_is_named() {
        let of = |rows: Vec<Vec<Option<f64>>>, untrained: &[Option<f64>]| {
            forward_transfer(&EvaluationMatrix::new(rows), untrained, Direction::LowerIsBetter)
        };
        let whole = || vec![vec![Some(1.0), Some(2.0)], vec![Some(1.0), Some(1.0)]];
        assert_eq!(of(whole(), &[Some(9.0), None]), Err(Gap::Untrained { on: 1 }));
        assert_eq!(of(whole(), &[]), Err(Gap::Untrained { on: 1 }));
        let mut lost = whole();
        lost[0][1] = None;
        assert_eq!(of(lost, &[Some(9.0); 2]), Err(Gap::Entry { after: 0, on: 1 }));
        assert_eq!(of(vec![vec![Some(1.0)]], &[Some(2.0)]), Err(Gap::NothingToTransferTo));
    }
}
